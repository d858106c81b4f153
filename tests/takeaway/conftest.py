import os

import pytest

from helpers import models, runtime, stories
from helpers.fewshot.fusion import FusedClassifier
from helpers.representations import lexical, sentences
from helpers.representations.onnx_export import Int8Encoder
from helpers.takeaway import GenreClassifier
from helpers.takeaway.card import about

GENRES = ["Fairy Tale", "Legal Drama", "Mystery", "Mystery Comedy", "Space Opera", "Western"]
"""Of the sample corpus: enough for a classifier that is right and wrong."""


@pytest.fixture(scope="session")
def fitted(tmp_path_factory):
    """The fast classifier on half of the stories of six genres: the `FusedClassifier`, its training stories, and the others."""
    os.environ["DTYPE"] = "fp32"
    run = runtime.start("smoke", str(tmp_path_factory.mktemp("workspace")), genres=24)
    table, _ = stories.load_stories(run)
    table = table[table["genre"].isin(GENRES)].reset_index(drop=True)
    train = table.groupby("genre").head(6)
    encoder, label = models.load_encoder(run, models.PACKAGED_ENCODER)
    encoder.max_seq_length = 64
    parts = {
        "words": lexical.word_svm(),
        "opening": sentences.frozen(run, Int8Encoder(encoder), f"{label}, int8", ("opening", "title")),
    }
    fused = FusedClassifier(parts).fit(train, lambda ids: train[train["story_id"].isin(ids)])
    return fused, train, table.drop(train.index)


@pytest.fixture(scope="session")
def classifier(fitted):
    """As it is in memory, before it is saved."""
    fused, train, _ = fitted
    result = {
        "protocol": "five_fold", "title": "fast", "created_at": "2026-01-01",
        "metrics": {"n": 60, "accuracy": 0.7, "accuracy_low": 0.6, "accuracy_high": 0.8, "accuracy_sd": 0.02, "f1_macro": 0.69, "top3": 0.9, "top5": 1.0},
    }  # fmt: skip
    facts = {"source": "embedded sample", "sha256": "0" * 64, "rows": len(train), "genres": len(GENRES)}
    return GenreClassifier.of(fused, train, about("fast: a test", facts, {"original": len(train)}, [result]))


@pytest.fixture(scope="session")
def folder(classifier, tmp_path_factory):
    """The classifier's folder. Tests that change it take a copy."""
    return classifier.save(tmp_path_factory.mktemp("classifiers") / "fast")


@pytest.fixture(scope="session")
def loaded(folder):
    return GenreClassifier.load(folder)
