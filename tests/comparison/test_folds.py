"""Five folds that are run apart are one result in the end.

Written for: trainings of five folds that had to sit in one process for hours, and of which nothing was stored until the last was done.
"""

import json
import multiprocessing

import numpy as np
import pandas as pd
import pytest

from helpers import comparison, stories
from helpers.measuring import Cost

FACTS = {"source": "made up", "sha256": "abc", "rows": 50, "genres": 5}
GENRES = list("abcde")


def save(run, fold, settings=None, approach="tried"):
    """What a job of one fold does when it has trained."""
    rng = np.random.default_rng(fold)
    judged = pd.DataFrame({"story_id": [f"{fold}-{i}" for i in range(10)], "genre": rng.choice(GENRES, 10), "fold": fold})
    scores = rng.random((10, 5))
    predictions = comparison.predictions_from_scores(judged, scores, GENRES, fold)
    about = {
        "title": "tried",
        "model": "none",
        "dataset": FACTS,
        "training_set": {"original": 40 + fold},
        "latency_ms": float(fold),
    }
    cost = Cost(seconds=10.0 + fold, peak_process_gb=1.0 + fold, device="CPU, 1 thread")
    scores = comparison.score_table(judged, scores, GENRES)
    return comparison.save_fold(
        run, approach, predictions, scores=scores, train=cost, settings=settings or {"epochs": 1}, **about
    )


def test_the_last_fold_joins_them_whatever_the_order(run, capsys):
    assert [save(run, fold) for fold in (3, 0, 4, 1)] == [None] * 4
    assert "Fold 1 is stored; 2 to come" in capsys.readouterr().out
    assert comparison.read_result(run, "tried", "five_fold", FACTS) is None, "four folds are no result"
    joined = save(run, 2)
    found = comparison.read_result(run, "tried", "five_fold", FACTS)
    assert found["predictions"]["fold"].tolist() == [fold for fold in range(5) for _ in range(10)]
    assert found["scores"]["story_id"].tolist() == found["predictions"]["story_id"].tolist()
    assert [part["n"] for part in joined["metrics"]["folds"]] == [10] * 5
    assert joined["cost"]["train"]["seconds"] == 60 and joined["cost"]["train"]["peak_process_gb"] == 5
    assert joined["cost"]["latency_ms"] == 4 and joined["training_set"] == {"original": 44}


def test_folds_in_one_go_are_the_same_result(run):
    for fold in range(5):
        save(run, fold, approach="at once")
    for fold in (4, 2, 0, 1, 3):
        save(run, fold, approach="apart")
    once, apart = (comparison.read_result(run, name, "five_fold", FACTS) for name in ("at once", "apart"))
    assert once["metrics"] == apart["metrics"] and once["predictions"].equals(apart["predictions"])


def test_folds_of_other_settings_are_not_joined(run, capsys):
    for fold in range(4):
        save(run, fold, {"epochs": 1})
    assert save(run, 4, {"epochs": 2}) is None
    assert "0, 1, 2, 3 to come" in capsys.readouterr().out
    for fold in range(3):
        save(run, fold, {"epochs": 2})
    assert save(run, 3, {"epochs": 2})["settings"] == {"epochs": 2}


def test_the_last_two_at_once(run):
    """Several processes that all think they are the last: the result is whole."""
    for fold in range(3):
        save(run, fold)
    context = multiprocessing.get_context("fork")
    together = [context.Process(target=save, args=(run, fold)) for fold in (3, 4)]
    for process in together:
        process.start()
    for process in together:
        process.join()
    found = comparison.read_result(run, "tried", "five_fold", FACTS)
    assert len(found["predictions"]) == 50 and not list(run.workspace.rglob("*.part"))


def test_which_folds():
    assert comparison.chosen_folds(True) == list(range(stories.N_FOLDS)) and comparison.chosen_folds([3, 0]) == [3, 0]
    assert comparison.chosen_folds(False) == comparison.chosen_folds(None) == comparison.chosen_folds([]) == []
    with pytest.raises(ValueError, match="no fold 5; name some of 0, 1, 2, 3, 4"):
        comparison.chosen_folds([5])


def test_what_a_grid_started_says_so(tmp_path, monkeypatch):
    from helpers import runtime

    monkeypatch.setenv("GRID_RUN", "06_setfit-abc")
    started = runtime.start("smoke", str(tmp_path))
    save(started, 0)
    (fold,) = tmp_path.glob("results/tried/five_fold/folds/0.json")
    assert json.loads(fold.read_text())["facts"]["grid_run"] == "06_setfit-abc"
