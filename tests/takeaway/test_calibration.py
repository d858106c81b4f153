"""Confidence that means something.

Written for: probabilities of 30 % that were right in two cases of three, shown to readers as doubt.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from helpers.takeaway import calibration, pictures
from helpers.takeaway.card import confidence_figures


def scores(count=4000, genres=8, temperature=1.0, seed=0):
    """Logits whose softmax at `temperature` is exactly how often each genre is right."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(count, genres)) * 2
    truth = np.array([rng.choice(genres, p=row) for row in softmax(logits, axis=1)])
    return logits * temperature, truth


@pytest.mark.parametrize("temperature", [0.4, 3.0])
def test_a_temperature_is_found_again_and_mends_the_error(temperature):
    logits, truth = scores(temperature=temperature)
    found = calibration.calibrate(logits, truth)
    assert found.method == "temperature" and np.exp(found.parameters[0]) == pytest.approx(temperature, rel=0.1)
    new, right_label = scores(temperature=temperature, seed=1)
    before, after = softmax(new, axis=1), found.probabilities(new)
    right = before.argmax(axis=1) == right_label
    assert (after.argmax(axis=1) == before.argmax(axis=1)).all()
    worse, better = (calibration.expected_calibration_error(p.max(axis=1), right) for p in (before, after))
    assert better < 0.03 < 0.1 < worse


def test_what_is_calibrated_already_is_left_alone():
    found = calibration.calibrate(*scores())
    assert found.method == "none" and (found.probabilities(np.log([[0.2, 0.8]])) == pytest.approx(np.array([[0.2, 0.8]])))
    assert found.loss["temperature"] == pytest.approx(found.loss["none"], abs=0.002)


def test_errors_among_the_sure_ones_are_answered_where_they_are():
    """One label in five is another than the story's: no temperature can say that the surest answers are right four times of five."""
    logits, truth = scores(temperature=3.0)
    rng = np.random.default_rng(2)
    noisy = np.where(rng.random(len(truth)) < 0.2, rng.integers(0, 8, len(truth)), truth)
    found = calibration.calibrate(logits, noisy)
    assert found.method == "beta" and found.loss["beta"] < found.loss["temperature"] - 0.01
    after, before = found.probabilities(logits), softmax(logits, axis=1)
    right = before.argmax(axis=1) == noisy
    error, error_before = (calibration.expected_calibration_error(p.max(axis=1), right) for p in (after, before))
    assert error < error_before / 2 and (after.max(axis=1) > 0.95).mean() < (before.max(axis=1) > 0.95).mean() / 2


def test_a_fold_is_calibrated_on_the_other_folds_alone():
    logits, truth = scores(count=1000, temperature=3.0)
    names = list("abcdefgh")
    table = pd.DataFrame(
        {"story_id": [f"s{n}" for n in range(1000)], "genre": np.array(names)[truth], "fold": np.arange(1000) % 5}
    )
    probabilities = pd.DataFrame(softmax(logits, axis=1), table["story_id"], names).sample(frac=1, random_state=0)
    found = calibration.over_folds(table, probabilities).set_index("story_id")
    assert set(found.index) == set(table["story_id"]) and found["loss after"].mean() < found["loss before"].mean() - 0.3
    assert (found.loc[table["story_id"], "right"].to_numpy() == (logits.argmax(axis=1) == truth)).all()
    first = table["fold"] == 0
    other = table.assign(genre=np.where(first, np.roll(table["genre"], 7), table["genre"]))
    again = calibration.over_folds(other, probabilities).set_index("story_id")
    ids = table.loc[first, "story_id"]
    assert (again.loc[ids, "after"] == found.loc[ids, "after"]).all(), "its own genres have no say in how sure it is"
    assert not (again["after"] == found["after"]).all(), "those of the others have"


@pytest.mark.parametrize("method", calibration.METHODS)
def test_every_method_gives_probabilities_whatever_the_scores(method):
    function, begin = calibration.METHODS[method]
    hard = np.array([[0.0, 800.0, -800.0], [0.0, 0.0, 0.0], [1e-9, 0.0, 0.0], [5.0, 4.9, -3.0]])
    for parameters in (begin, tuple(value + 0.7 for value in begin), tuple(0.3 * value - 0.2 for value in begin)):
        found = function(hard, *parameters)
        assert np.isfinite(found).all() and (found >= 0).all() and found.sum(axis=1) == pytest.approx(np.ones(4))


def test_expected_calibration_error_by_hand():
    confidence = np.array([0.1] * 5 + [0.9] * 5)
    right = np.array([False] * 4 + [True] + [True] * 4 + [False])
    assert calibration.expected_calibration_error(confidence, right, bins=2) == pytest.approx(0.1)
    table = calibration.reliability(confidence, right, bins=2)
    assert table["accuracy"].tolist() == [0.2, 0.8] and table["stories"].tolist() == [5, 5]


def test_coverage_and_threshold_by_hand():
    confidence = np.array([0.9, 0.8, 0.8, 0.7, 0.6])
    right = np.array([True, True, False, True, True])
    table = calibration.coverage(confidence, right)
    assert table["threshold"].tolist() == [0.9, 0.8, 0.7, 0.6]  # stories of one confidence stand together
    assert table["accuracy"].tolist() == pytest.approx([1, 2 / 3, 3 / 4, 4 / 5]) and table["coverage"].iloc[-1] == 1
    assert calibration.threshold_for(confidence, right, 0.8, least=1)["threshold"] == 0.6
    assert calibration.threshold_for(confidence, right, 0.9, least=1) == {"threshold": 0.9, "coverage": 0.2, "accuracy": 1.0}
    assert calibration.threshold_for(confidence, right, 0.9, least=2) is None


def test_judged_stories_take_no_part_in_their_own_calibration(fitted):
    fused, _, others = fitted
    found, sure = calibration.on_inner_folds(fused)
    scored = fused.scores(others)
    judged = calibration.of_judged(fused, scored, others)
    shuffled = calibration.of_judged(fused, scored, others.assign(genre=others["genre"].iloc[::-1].to_numpy()))
    assert (judged["after"] == shuffled["after"]).all() and (judged["sure"] == shuffled["sure"]).all()
    assert judged["right"].mean() >= 0.6 and judged["loss after"].mean() < np.log(6)
    assert sure is None or 0 < sure["threshold"] <= 1
    assert judged["after"].to_numpy() == pytest.approx(
        found.probabilities(calibration.logits_of(fused.combine(scored))).max(axis=1)
    )


def test_figures_and_the_cards_figures_say_the_same():
    logits, truth = scores(count=500, temperature=2.0)
    before, after = softmax(logits, axis=1), softmax(logits / 2, axis=1)
    right, place = before.argmax(axis=1) == truth, (np.arange(500), truth)
    judged = pd.DataFrame({"right": right, "before": before.max(axis=1), "after": after.max(axis=1)})
    judged["loss before"], judged["loss after"] = -np.log(before[place]), -np.log(after[place])
    judged["sure"] = judged["after"] > 0.8
    figures = confidence_figures(judged)
    assert figures["ece_after"] < figures["ece_before"] and figures["log_loss_after"] < figures["log_loss_before"]
    assert figures["sure_accuracy"] == pytest.approx(right[judged["sure"]].mean())
    first, second = pictures.confidence(judged, "fast").axes
    assert f"before calibration, error {figures['ece_before']:.3f}" in [
        text.get_text() for text in first.get_legend().get_texts()
    ]
    reached = figures["right_9_of_10"]
    assert (
        f"Right in 90% of the {reached['coverage']:.0%} that it is surest of: confidence {reached['threshold']:.2f}"
        in second.get_title()
    )
