"""Metrics, intervals, tests and the results store.

Written for: peers that judged chunks instead of stories, printed one-split figures without an interval, and compared results of different
datasets in one table.
"""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from helpers import runtime
from helpers.comparison import tables
from helpers.comparison.approaches import APPROACHES
from helpers.comparison.metrics import _macro_f1, compute_metrics, confusions, predictions_from_scores, score_table
from helpers.comparison.paired import paired_test, versus
from helpers.comparison.store import Store, load_results, read_result, save_result
from helpers.comparison.tables import published_results

FACTS = {"source": "here", "sha256": "a" * 64, "rows": 4, "genres": 3}


def store_of(run, facts=FACTS):
    return Store(run.workspace / "results", run.profile.name, facts)


def table(truth, ids=None):
    return pd.DataFrame({"story_id": ids or [str(i) for i in range(len(truth))], "genre": truth})


def predictions(truth, predicted, ids=None, fold=-1):
    genres = sorted(set(truth) | set(predicted))
    scores = np.array([[1.0 if g == p else 0.0 for g in genres] for p in predicted])
    return predictions_from_scores(table(truth, ids), scores, genres, fold)


def save(run, approach, frame, protocol="seed_split", facts=FACTS):
    return save_result(
        run, approach, protocol, frame, title=approach, model="none", dataset=facts, training_set={"original": 4}, settings={}
    )


def test_ranks_and_top_five():
    scores = np.array([[0.1, 0.5, 0.4], [0.2, 0.3, 0.5]])
    p = predictions_from_scores(table(["C", "A"]), scores, ["A", "B", "C"])
    assert p["predicted"].tolist() == ["B", "C"] and p["truth_rank"].tolist() == [2, 3]
    assert p["top5"].iloc[0] == ["B", "C", "A"] and p["top5_scores"].iloc[0] == [0.5, 0.4, 0.1]


def test_a_genre_that_training_never_saw_ranks_last():
    p = predictions_from_scores(table(["New"]), np.array([[0.1, 0.9]]), ["A", "B"])
    assert p["truth_rank"].tolist() == [2] and p["predicted"].tolist() == ["B"]


def test_bad_scores_are_refused():
    with pytest.raises(ValueError, match="shape"):
        predictions_from_scores(table(["A"]), np.zeros((2, 2)), ["A", "B"])
    with pytest.raises(ValueError, match="diverged"):
        predictions_from_scores(table(["A"]), np.array([[np.nan, 1.0]]), ["A", "B"])


def test_metrics_by_hand():
    m = compute_metrics(predictions(["A", "A", "B", "C"], ["A", "B", "B", "B"]))
    assert m["accuracy"] == 0.5 and m["recall_weighted"] == 0.5
    assert m["precision_weighted"] == pytest.approx((2 * 1 + 1 / 3 + 0) / 4)
    assert m["f1_macro"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert m["accuracy_low"] <= 0.5 <= m["accuracy_high"]


def test_macro_f1_of_resamples_is_scikit_learns():
    rng = np.random.default_rng(0)
    for _ in range(20):
        truth, predicted = rng.integers(0, 7, 30), rng.integers(0, 9, 30)
        expected = f1_score(truth, predicted, average="macro", zero_division=0)
        assert _macro_f1(truth, predicted, 9) == pytest.approx(expected)


def test_interval_of_58_in_100_is_about_ten_points_either_way():
    m = compute_metrics(predictions(["A"] * 58 + ["B"] * 42, ["A"] * 100))
    assert m["accuracy_low"] == pytest.approx(0.48, abs=0.02) and m["accuracy_high"] == pytest.approx(0.68, abs=0.02)


def test_folds_give_mean_and_deviation():
    parts = [predictions(["A", "B"], ["A", "B"], ["0", "1"], 0), predictions(["A", "B"], ["A", "A"], ["2", "3"], 1)]
    m = compute_metrics(pd.concat(parts, ignore_index=True))
    assert m["accuracy"] == 0.75 and m["accuracy_sd"] == pytest.approx(np.std([1, 0.5], ddof=1))
    assert [f["accuracy"] for f in m["folds"]] == [1.0, 0.5]


def test_paired_test_is_mcnemars():
    truth = ["A"] * 20
    a = predictions(truth, ["A"] * 15 + ["B"] * 5)
    b = predictions(truth, ["A"] * 5 + ["B"] * 15)
    t = paired_test(a, b)
    assert t["n"] == 20 and t["difference"] == 0.5 and t["p"] == pytest.approx(2 / 2**10)
    assert t["low"] > 0
    assert paired_test(a, a)["p"] == 1.0
    with pytest.raises(ValueError, match="no story in common"):
        paired_test(a, predictions(["A"], ["A"], ["x"]))


def test_confusions_in_words():
    c = confusions(predictions(["A", "A", "A", "B"], ["B", "B", "A", "A"]))
    assert c.iloc[0].tolist() == ["A", "B", 2, 3]


def test_store_keeps_what_can_be_recomputed(run):
    p = predictions(["A", "A", "B", "C"], ["A", "B", "B", "B"])
    saved = save(run, "one", p)
    (loaded,), left_out = load_results(store_of(run))
    assert not left_out and compute_metrics(loaded["predictions"]) == saved["metrics"] == loaded["metrics"]
    assert saved["facts"]["profile"] == "smoke" and set(saved["facts"]["versions"]) == set(runtime.LIBRARIES)


def test_other_datasets_and_profiles_never_stand_beside_each_other(run, tmp_path):
    p = predictions(["A", "B"], ["A", "B"])
    save(run, "mine", p)
    save(run, "other", p, facts=FACTS | {"sha256": "b" * 64})
    run.facts = run.facts | {"profile": "t4"}
    save(run, "big", p)
    kept, left_out = load_results(store_of(run))
    assert [r["approach"] for r in kept] == ["mine"] and len(left_out) == 2
    assert any("another dataset" in line for line in left_out) and any("profile t4" in line for line in left_out)


def test_one_result_is_read_only_for_its_own_dataset(run):
    judged = table(["A", "B"])
    scores = score_table(judged, np.array([[0.9, 0.1], [0.2, 0.8]]), ["A", "B"])
    assert scores.columns.tolist() == ["story_id", "A", "B"]
    frame = predictions(["A", "B"], ["A", "B"])
    log = [{"step": 1, "loss": 2.5}, {"step": 2, "validation_loss": 1.5}]
    described = {"title": "x", "model": "none", "dataset": FACTS, "training_set": {}, "settings": {}}
    save_result(run, "x", "five_fold", frame, scores=scores, log=log, **described)
    kept = read_result(run, "x", "five_fold", FACTS)
    assert kept["log"] == log
    pd.testing.assert_frame_equal(kept["scores"], scores)
    assert versus(kept["predictions"], frame).startswith("+0.0% (+0.0% to +0.0%)")
    assert read_result(run, "x", "five_fold", FACTS | {"sha256": "b" * 64}) is None
    assert read_result(run, "x", "seed_split", FACTS) is None


def test_leaderboard_shows_what_was_not_run(run):
    save(run, "tfidf_svm", predictions(["A", "B"], ["A", "B"]))
    results, _ = load_results(store_of(run))
    board = tables.leaderboard(store_of(run), results).set_index("approach")["accuracy"]
    assert board["SetFit (seed)"] == "not run" and board.iloc[0] == "**100.0 %**"
    assert len(board) == sum(approach.always for approach in APPROACHES.values())


def test_a_pool_takes_as_long_as_its_members_where_it_was_judged_itself():
    def result(approach, protocol, latency, **settings):
        return {"approach": approach, "protocol": protocol, "cost": {"latency_ms": latency}, "settings": settings}

    five, split = (result("pool", protocol, None, members=["words", "encoder"]) for protocol in ("five_fold", "seed_split"))
    results = [
        result("words", "five_fold", 3),
        result("encoder", "five_fold", 20),
        result("encoder", "seed_split", 40),
        five,
        split,
    ]
    assert tables.latency(five, results) == tables.latency(five, results[::-1]) == 23
    assert tables.latency(split, results) == 43, "words were timed in the folds alone"
    assert tables.latency(five, results[1:]) is None


def test_the_seeds_table_is_there():
    published = published_results()
    assert published.query("project == 'seed'")["accuracy"].tolist() == [0.0113, 0.0737, 0.07, 0.58]
