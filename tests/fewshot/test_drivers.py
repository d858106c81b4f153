"""What drives accuracy: every setting judges every story, a run that was cut off goes on, and less to learn from is less.

Written for: claims about titles and lengths that nobody had measured.
"""

import sys

import numpy as np
import pandas as pd
import pytest

from helpers import augmentation, comparison, models
from helpers.comparison.approaches import APPROACHES
from helpers.comparison.drivers import DRAWN, DRIVERS, drawn_anew, read_drivers
from helpers.fewshot import Judging, SetFit, drivers, encoder_to_tune, log_pool
from helpers.representations import lexical
from helpers.stories import add_split_and_folds, save_stories


def test_every_setting_judges_every_story_and_is_measured_once(run, sample, monkeypatch):
    few = sorted(sample["genre"].unique())[:4]
    table = add_split_and_folds(sample[sample["genre"].isin(few)].drop(columns=["split", "fold"]).reset_index(drop=True))[0]
    facts = {"source": "sample", "sha256": "a" * 64, "rows": len(table), "genres": 4}
    judged, judge = [], drivers._judge
    monkeypatch.setattr(drivers, "_judge", lambda *asked: judged.append(asked) or judge(*asked))
    found = drivers.measure_drivers(run, table, facts)
    assert (found["stories"] == len(table)).all() and found["accuracy"].between(0, 1).all()
    values = found.groupby("study", sort=False)["value"].unique().map(list).to_dict()
    assert values["stories a genre"] == ["2", "4", "6", "all (8)"] and values["title"] == ["with", "without"]
    assert values["tokens read"] == ["64", "256", "1,024", "all"]
    of = found.set_index(["study", "value", "model"])["accuracy"]
    assert of["title", "with", drivers.WORDS] == of["stories a genre", "all (8)", drivers.WORDS]
    assert of["stories a genre", "2", drivers.ENCODER] < of["stories a genre", "all (8)", drivers.ENCODER]
    assert len(judged) == 5 * (3 * 4 + 3 + 2 * 3 + 3 * 3), "what leaves nothing out is measured once"
    anew = drawn_anew(found)
    assert anew.groupby("model", sort=False)["folds of seed"].agg(list).to_dict() == {
        name: ["42", "7", "2026"] for name in (drivers.WORDS, drivers.FAST, drivers.ACCURATE)
    }
    drawn = pd.read_parquet(run.workspace / "results" / DRIVERS / "predictions.parquet").query(f"study == '{DRAWN}'")
    folds = drawn[drawn["model"] == drivers.ACCURATE].pivot(index="story_id", columns="value", values="fold")
    assert folds["42"].equals(table.set_index("story_id")["fold"].loc[folds.index].rename("42"))
    assert (folds["42"] != folds["7"]).mean() > 0.5, "other folds judge"

    file = run.workspace / "results" / DRIVERS / "predictions.parquet"
    kept = pd.read_parquet(file)
    kept[kept["study"] != "title"].to_parquet(file, index=False)  # as if it had been cut off there
    judged.clear()
    monkeypatch.setattr(drivers, "build_parts", None)  # what needs the large models is measured, so none is loaded
    again = drivers.measure_drivers(run, table, facts)
    assert len(judged) == 5 * 3 and again.set_index(["study", "value", "model"])["accuracy"].to_dict() == of.to_dict()
    assert read_drivers(run.workspace / "results", facts | {"sha256": "b" * 64}) is None


def test_on_drawn_folds_pools_have_the_titles_under_which_07_looks_for_them(run, sample):
    encoder = models.load_encoder(run, models.PACKAGED_ENCODER)
    recipes = dict.fromkeys(comparison.POOLS, {"reads": ["opening"]})
    drawn = [list(fits) for study, _, fits in drivers._settings(run, sample, *encoder, recipes) if study == DRAWN]
    titles = [APPROACHES[name].title for name in ("fused_setfit", "fused_fast_setfit")]
    assert drawn == [[drivers.WORDS, drivers.FAST, drivers.ACCURATE, *titles]] * 3


def test_the_pool_says_on_drawn_folds_what_06_makes_of_both_classifiers(run, sample):
    table = sample[sample["genre"].isin(sorted(sample["genre"].unique())[:4])].reset_index(drop=True)
    facts = {"source": "sample", "sha256": "a" * 64, "rows": len(table), "genres": 4}
    parts = {"words": lexical.word_svm(), "letters": lexical.character_svm()}
    recipe = {"sources": ["original"], "column": "text", "titles": 1, "reads": ["opening", "title"]}
    recipe["training"] = {"loss": "SupConLoss", "num_epochs": 1, "batch_size": 16}
    judging = Judging(run, table, facts)
    pooled = drivers._judge_pooled(run, parts, recipe, table, 2, judging.rows_for)

    fused = judging.fit_fused(parts, dict.fromkeys([-1, *range(5)], ("original",)))
    accurate = judging.fused_scores("five_fold", fused).set_index("story_id").loc[pooled["story_id"]]
    [rows] = [judging.rows_for(fitted_on["story_id"]) for fitted_on, _, fold in judging.protocols["five_fold"] if fold == 2]
    model = SetFit(run, lambda: encoder_to_tune(run), recipe).fit(rows, rows["genre"])
    judged = table[table["fold"] == 2]
    tuned = pd.DataFrame(model.predict_proba(judged), judged["story_id"], model.classes_)
    expected = comparison.predictions_from_scores(judged, log_pool(accurate, tuned), list(accurate), 2)
    pd.testing.assert_frame_equal(pooled, expected)
    assert np.abs(accurate - tuned).to_numpy().max() > 0.05, "two voices that differ"


def test_augmentation_is_worth_to_a_tuned_encoder_what_it_gains_when_tuned_on_it(run, sample):
    table = sample[sample["genre"].isin(sorted(sample["genre"].unique())[:4])].reset_index(drop=True)
    facts = {"source": "sample", "sha256": "a" * 64, "rows": len(table), "genres": 4}
    recipe = {"sources": ["original"], "column": "text", "titles": 1, "reads": ["opening", "title"]}
    recipe["training"] = {"loss": "SupConLoss", "num_epochs": 1, "batch_size": 16}
    drivers.measure_tuned_worth(run, table, facts, "SetFit", recipe, [2])
    values = augmentation.read_worth(run, facts)[0].set_index(["model", "training set"])
    assert values.index.unique("model").tolist() == ["SetFit, seed split", "SetFit, fold 2"]
    train = (table["split"] == "train").sum()
    rows = values.loc["SetFit, seed split", "rows"].dropna()
    assert rows.to_dict() == {"originals": round((train + 32) / 2), "with descriptions": round((train + 32) / 2) + 4}
    trainings = [folder for folder in (run.workspace / "training").iterdir() if folder.name.startswith("setfit")]
    assert len(trainings) == 4, "one for each training set and split, kept"


def test_the_pool_is_judged_anew_only_where_06_has_judged_the_tuned_setfit(run, sample, monkeypatch, capsys):
    save_stories(run, sample, {"source": "sample", "sha256": "a" * 64, "rows": len(sample), "genres": 24})
    monkeypatch.setattr(sys, "argv", ["drivers", "--profile", "smoke", "--workspace", str(run.workspace), "--setfit"])
    with pytest.raises(SystemExit):
        drivers.main()
    assert "run 06_setfit with SETFIT_FOLDS = True first" in capsys.readouterr().err
