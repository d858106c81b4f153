"""Both protocols of notebook 06, judged by one class.

Written for: three cells of forty lines, copied into each other, of which no test ever ran one.
"""

import numpy as np
import pandas as pd
import pytest

from helpers import comparison, stories
from helpers.fewshot import Judging, result_table
from helpers.fewshot.judging import SEED_SPLIT, _pairs
from helpers.representations import lexical

FACTS = {"sha256": "0" * 64, "source": "sample", "rows": 30, "genres": 3}


@pytest.fixture
def judging(run, sample) -> Judging:
    some = sample[sample["genre"].isin(["Western", "Space Opera", "Legal Drama"])]
    return Judging(run, some, FACTS)


def test_every_story_is_judged_once_in_five_folds_and_trains_nothing_that_judges_it(judging):
    judged = [story for _, of_fold, _ in judging.protocols["five_fold"] for story in of_fold["story_id"]]
    assert sorted(judged) == sorted(judging.table["story_id"])
    for splits in judging.protocols.values():
        for fitted_on, of_split, _ in splits:
            rows = judging.rows_for(fitted_on["story_id"])
            assert len(rows) == len(fitted_on) and not set(rows["story_id"]) & set(of_split["story_id"])


def test_what_is_judged_is_stored_and_told_in_a_table(judging):
    found = {"words": judging.judge("words", "Words", "none", lexical.word_svm(), title_repeated=3)}
    for protocol, result in found["words"].items():
        stored = comparison.read_result(judging.run, "words", protocol, FACTS)
        assert stored["metrics"] == result["metrics"] and stored["settings"] == {"title_repeated": 3}
        pd.testing.assert_frame_equal(stored["predictions"], result["predictions"])
        right = (result["predictions"]["genre"] == result["predictions"]["predicted"]).mean()
        assert result["metrics"]["accuracy"] == pytest.approx(right)
    [row] = result_table(found, against=found).reset_index().to_dict("records")
    assert row[""] == "Words" and row["five folds"].startswith(f"{found['words']['five_fold']['metrics']['accuracy']:.1%} ± ")
    assert "against" in row and "against" not in result_table(found)


def test_a_combination_is_fitted_for_each_split_and_some_of_its_parts_can_be_asked(judging):
    parts = {"words": lexical.word_svm(), "letters": lexical.character_svm()}
    folds = [SEED_SPLIT, *range(stories.N_FOLDS)]
    fused = judging.fit_fused(parts, dict.fromkeys(folds, ("original",)))
    assert sorted(fused.models) == sorted(fused.scores) == sorted(folds)
    found = judging.keep_fused("both", "Both", "none", fused, dict.fromkeys(folds, ("original",)), latency=None)
    assert set(found["five_fold"]["settings"]["weights"]) == {str(fold) for fold in range(stories.N_FOLDS)}
    alone = judging.fused_scores("five_fold", fused, ["words"])
    assert alone["story_id"].tolist() == found["five_fold"]["scores"]["story_id"].tolist()
    words = judging.predictions("five_fold", alone)
    for _, judged, fold in judging.protocols["five_fold"]:
        best = np.array(fused.models[fold].genres)[fused.scores[fold]["words"].argmax(axis=1)]
        assert words.loc[words["fold"] == fold, "predicted"].tolist() == best.tolist() and len(best) == len(judged)


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"num_iterations": 10, "num_epochs": 2}, "4,000 pairs"),
        ({"num_iterations": 1, "num_epochs": 1}, "200 pairs instead of 4,000"),
        ({"loss": "SupConLoss", "num_epochs": 4}, ""),
    ],
)
def test_pairs_are_told_and_what_the_seed_would_draw(training, said):
    assert _pairs(training, 100) == said
