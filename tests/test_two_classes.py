"""Two classes, in every part.

Written for: a head on a language model that was given scikit-learn's single row of coefficients for both of its outputs, so that it guessed at 50 %, silently.
"""

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_models import causal
from torch import nn

from helpers import models
from helpers.comparison.metrics import compute_metrics, confusions, predictions_from_scores
from helpers.fewshot.fusion import FusedClassifier, aligned_scores
from helpers.fewshot.setfit import SetFit
from helpers.llm.examples import prompt_ids
from helpers.llm.head import _Readings, _Standardise, fit_head
from helpers.llm.scoring import score_genres
from helpers.representations import lexical
from helpers.representations.states import READS, side_by_side

POSITIVE, NEGATIVE = "a good phone and a bright screen, it is fast", "a broken phone and a dark screen, it is slow"


@pytest.fixture
def reviews():
    rows = [(str(n), "", "pos" if n % 2 else "neg", f"Review {n}: {POSITIVE if n % 2 else NEGATIVE}") for n in range(40)]
    table = pd.DataFrame(rows, columns=["story_id", "title", "genre", "text"])
    return table.iloc[:30], table.iloc[30:]


@pytest.mark.parametrize("classes", [2, 3])
def test_a_fitted_head_tells_its_classes_apart(classes):
    rng = np.random.default_rng(0)
    labels = [n % classes for n in range(60)]
    states = rng.normal(size=(60, len(READS), 16)).astype(np.float32)
    states[np.arange(60), :, labels] += 6
    head = nn.Sequential(_Readings(READS), _Standardise(3 * 16), nn.Linear(3 * 16, classes))
    fit_head(head, states, labels, C=1.0)
    logits = head[2](head[1](torch.as_tensor(side_by_side(states)))).detach().numpy()
    assert (logits.argmax(1) == labels).all()


def test_a_fitted_head_gives_the_probabilities_of_the_fit():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    states = rng.normal(size=(60, len(READS), 8)).astype(np.float32)
    labels = (states[:, 0, 0] + rng.normal(size=60) > 0).astype(int)
    head = nn.Sequential(_Readings(READS), _Standardise(3 * 8), nn.Linear(3 * 8, 2))
    fit_head(head, states, labels.tolist(), C=0.1)
    flat = side_by_side(states)
    standard = (flat - flat.mean(0)) / flat.std(0)
    expected = LogisticRegression(C=0.1, max_iter=300).fit(standard, labels).predict_proba(standard)
    found = torch.softmax(head[2](head[1](torch.as_tensor(flat))), dim=1).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_words_and_fusion_score_both_classes(reviews):
    train, judged = reviews
    fused = FusedClassifier({"words": lexical.word_svm(), "letters": lexical.character_svm()})
    fused.fit(train, lambda ids: train[train["story_id"].isin(ids)])
    probabilities = fused.predict_proba(judged)
    assert probabilities.shape == (10, 2) and (np.array(fused.genres)[probabilities.argmax(1)] == judged["genre"]).all()
    scores = aligned_scores(lexical.word_svm().fit(train, train["genre"]), judged, ["neg", "pos"])
    np.testing.assert_allclose(scores[:, 0], -scores[:, 1])


def test_metrics_and_confusions_of_two_classes(reviews):
    _, judged = reviews
    scores = np.tile([0.9, 0.1], (10, 1))
    predictions = predictions_from_scores(judged, scores, ["neg", "pos"])
    metrics = compute_metrics(predictions)
    assert metrics["accuracy"] == 0.5 and metrics["top3"] == 1.0 and predictions["top5"].str.len().eq(2).all()
    assert confusions(predictions, 5)[["genre", "taken for", "stories"]].values.tolist() == [["pos", "neg", 5]]


def test_setfit_tunes_and_scores_two_classes(run, reviews):
    train, judged = reviews
    recipe = {"column": "text", "titles": 0, "reads": (), "training": {"num_iterations": 1, "num_epochs": 1, "batch_size": 8}}
    model = SetFit(run, lambda: models.load_encoder(run, models.PACKAGED_ENCODER), recipe).fit(train, train["genre"])
    probabilities = model.predict_proba(judged)
    assert probabilities.shape == (10, 2) and (model.classes_[probabilities.argmax(1)] == judged["genre"]).mean() >= 0.9


def test_two_names_are_scored(run, tokenizer, reviews):
    prompts = prompt_ids(tokenizer, reviews[1].head(3), 20, "Classify: {story} Genre:")
    scores = score_genres(run, causal(tokenizer), tokenizer, prompts, ["neg", "pos"])
    assert scores.shape == (3, 2) and scores.sum(axis=1) == pytest.approx(1)
