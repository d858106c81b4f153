"""The classifiers of notebook 06 and their benchmark.

Written for: a benchmark that times a cache, and a large encoder that is silently replaced by a small one.
"""

import dataclasses

import pytest
import torch

from helpers import models, stories
from helpers.augmentation.rows import count_sources, genre_descriptions, training_set
from helpers.benchmarks import speed
from helpers.benchmarks.speed import read_benchmark, without_cache
from helpers.fewshot import classifiers
from helpers.fewshot.classifiers import INT8, build_parts
from helpers.fewshot.fusion import FusedClassifier

pytestmark = pytest.mark.number_types


def test_parts_are_those_of_the_profiles_encoders(run, monkeypatch, capsys):
    parts, names = build_parts(run)
    assert "words" in parts and "large encoder" not in parts
    assert names.pop("language model").startswith(models.PACKAGED_LLM)
    assert names.pop(INT8) == f"{models.PACKAGED_ENCODER}, int8"
    assert set(names.values()) == {models.PACKAGED_ENCODER} and set(names) < set(parts)
    of_variants = classifiers.variants(parts)
    assert all(set(names) < set(parts) for names in of_variants.values())
    assert set(of_variants["accurate"]) == set(parts) - {INT8}
    assert INT8 in of_variants["fast, int8"] and INT8 not in of_variants["fast"]
    monkeypatch.setattr(models, "hub_answers", lambda: False)
    run.profile = dataclasses.replace(run.profile, large_encoder="some/large-encoder")
    parts, _ = build_parts(run)
    assert "large encoder" not in parts and "some/large-encoder is not to be had" in capsys.readouterr().out


def test_every_known_genre_is_described_and_descriptions_train_only_when_asked(run, sample):
    described = genre_descriptions()
    assert set(described) == {genre for genres in stories.FAMILIES.values() for genre in genres}
    assert all(row["text"].startswith(f"{genre}: ") for genre, row in described.items())
    ids = sample.loc[sample["split"] == "train", "story_id"]
    rows = training_set(run, sample, ids, ("original", "description"))
    assert count_sources(rows)["description"] == sample["genre"].nunique()
    assert count_sources(training_set(run, sample, ids))["description"] == 0


def test_benchmark_measures_and_latency_does_not_read_the_cache(run, sample, monkeypatch):
    some = sample[sample["genre"].isin(["Western", "Space Opera", "Legal Drama"])].reset_index(drop=True)
    monkeypatch.setattr(speed, "SIZES", (15, 30))
    run.profile = dataclasses.replace(run.profile, frozen_tokens=16)
    parts, _ = build_parts(run)
    some_parts = ("words", "opening", INT8, "language model")
    variants = {"fast": {name: parts[name] for name in some_parts}}
    fits = speed.training(run, some, variants)
    assert fits["stories"].tolist() == [15, 30] and (fits["seconds"] > 0).all()
    train, judged = some[some["fold"] != 0], some[some["fold"] == 0]

    def rows_for(ids):
        return training_set(run, some, ids, ("original",))

    fitted = {"fast": FusedClassifier(variants["fast"]).fit(train, rows_for)}
    before = fitted["fast"].predict_proba(judged)
    without_cache(fitted, build_parts(run, keep=False)[0])
    for file in (run.workspace / "embeddings").glob("*.vectors"):
        file.unlink()
    # In bf16 the last digits depend on which texts stand in a batch, and without the cache others do; with AMX more of them.
    assert fitted["fast"].predict_proba(judged) == pytest.approx(before, abs=1e-3 if run.dtype == torch.float32 else 5e-3)
    assert not list((run.workspace / "embeddings").glob("*.vectors"))
    assert speed.latency(fitted, judged)["p50 ms, one core"].item() > 1
    assert read_benchmark(run) is None
