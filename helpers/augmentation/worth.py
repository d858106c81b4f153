"""What augmentation is worth: on the same folds, models trained on originals alone and on what was added."""

from __future__ import annotations

import itertools
from pathlib import Path

import pandas as pd
from sklearn.pipeline import Pipeline

from helpers.augmentation.rows import JOURNALS, accepted_rows, genre_descriptions, training_set
from helpers.comparison.measurements import begin_measurement, keep_judged, read_measurement
from helpers.comparison.metrics import compute_metrics, predictions_from_scores
from helpers.comparison.paired import paired_test
from helpers.representations.scores import decision_scores
from helpers.runtime import Run
from helpers.stories import N_FOLDS, chunk_stories, families_of

TRAINING_SETS = {
    "originals": ("original",),
    "chunks": ("chunk",),
    "with paraphrases": ("original", "paraphrase"),
    "with synthetic": ("original", "synthetic"),
    "with descriptions": ("original", "description"),
    "with both": ("original", "paraphrase", "synthetic"),
    "with all": ("original", "paraphrase", "synthetic", "description"),
}
"""Training sets that are compared, by the sources of their rows."""
WORTH, TUNED_WORTH = "augmentation_worth", "augmentation_worth_tuned"
"""Where it is stored: for the plain models of 03, and for a tuned encoder (`helpers.fewshot.drivers`)."""


def measure_worth(
    run: Run,
    stories: pd.DataFrame,
    facts: dict,
    models: dict[str, Pipeline],
    whole_only: tuple[str, ...] = (),
    *,
    splits: list[tuple] | None = None,
    training_sets: dict[str, tuple[str, ...]] = TRAINING_SETS,
    settings: dict | None = None,
    name: str = WORTH,
) -> None:
    """Judge every story once for each training set, in five folds, and store the predictions under `results/`, split by split.

    Trained on chunks, a model judges the chunks of a story and the mean of their scores is the story's. A training set that lacks one of
    its kinds of rows is not run.

    Args:
        run: the running notebook.
        stories: story table with `fold` and `text_clean`.
        facts: facts of the dataset.
        models: by name; see `helpers.representations.scores`.
        whole_only: those that are not to be trained on chunks, for which they would read every story whole.
        splits: triples as `fewshot.Judging.protocols` has them; None for the five folds.
        training_sets: those of `TRAINING_SETS` that are compared.
        settings: of the models, where what an earlier run measured with the same settings shall stay; None to measure anew.
        name: of the folder, `WORTH` or `TUNED_WORTH`.
    """
    if splits is None:
        folds = ((fold, stories["fold"] == fold) for fold in sorted(stories["fold"].unique()))
        splits = [(stories[~held], stories[held], fold) for fold, held in folds]
    available = {"original", "chunk"} | {task for task in JOURNALS if accepted_rows(run, task)}
    if genre_descriptions(stories).keys() >= set(stories["genre"]):
        available.add("description")
    folder = run.workspace / "results" / name
    setting = {"dataset": facts, "facts": run.facts, "settings": settings}
    predictions = begin_measurement(folder, setting, ("model", "training_set", "fold"), anew=settings is None)
    done = set(zip(predictions["model"], predictions["training_set"], predictions["fold"]))
    for (fitted_on, judged, fold), (label, sources) in itertools.product(splits, training_sets.items()):
        chunked = sources == ("chunk",)
        left = {
            model: fit
            for model, fit in models.items()
            if (model, label, fold) not in done and not (chunked and model in whole_only)
        }
        if not left or not available.issuperset(sources):
            continue
        rows = training_set(run, stories, fitted_on["story_id"], sources)
        pieces = chunk_stories(judged) if chunked else judged.assign(parent_id=judged["story_id"])
        found = []
        for model, pipeline in left.items():
            scores = decision_scores(pipeline.fit(rows, rows["genre"]), pieces)
            of_story = pd.DataFrame(scores).groupby(pieces["parent_id"].to_numpy()).mean().loc[judged["story_id"]]
            judgements = predictions_from_scores(judged, of_story.to_numpy(), list(pipeline.classes_), fold=int(fold))
            found.append(judgements.assign(model=model, training_set=label, rows=len(rows)))
        predictions = keep_judged(folder, predictions, pd.concat(found))


def read_worth(run: Run, facts: dict, results: Path | None = None) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """What `measure_worth` found, computed anew from the stored predictions.

    Args:
        run: the running notebook.
        facts: facts of the dataset.
        results: folder of a store, of whatever profile; None for the workspace's own, of the run's.

    Returns:
        None if it was not measured for this dataset and profile. Else two tables.
        The first has a row for each model and training set: `model` (and what judged it, where that was not all folds), `training set`, `rows`
        (mean over splits), `accuracy`,
        `accuracy low`, `accuracy high`, `macro F1`, `macro F1 low`, `macro F1 high`, and, against originals alone on the same
        stories, `gain` (of accuracy), `gain low`, `gain high` and `p` (McNemar's exact test). All intervals are 95 %.
        A training set that was not run has no figures.
        The second has a row for each model and genre family: `model`, `family`, `stories`, and the accuracy with each training
        set.
    """
    folder, profile = (results, None) if results else (run.workspace / "results", run.profile.name)
    found = (read_measurement(folder / name, facts, profile) for name in (WORTH, TUNED_WORTH))
    parts = [_with_splits_named(predictions) for predictions in found if predictions is not None]
    if not parts:
        return None
    predictions = pd.concat(parts, ignore_index=True)
    predictions["family"] = predictions["genre"].map(families_of(predictions["genre"]))
    predictions["right"] = predictions["genre"] == predictions["predicted"]
    table = []
    for model, of_model in predictions.groupby("model", sort=False):
        base = of_model[of_model["training_set"] == "originals"]
        for name in TRAINING_SETS:
            row = {"model": model, "training set": name}
            judged = of_model[of_model["training_set"] == name]
            if len(judged):
                metrics = compute_metrics(judged)
                row["rows"] = round(judged.groupby("fold")["rows"].first().mean())
                for key, title in (("accuracy", "accuracy"), ("f1_macro", "macro F1")):
                    row |= {title: metrics[key], f"{title} low": metrics[f"{key}_low"], f"{title} high": metrics[f"{key}_high"]}
                if name != "originals":
                    test = paired_test(judged, base)
                    row |= {"gain": test["difference"], "gain low": test["low"], "gain high": test["high"], "p": test["p"]}
            table.append(row)
    families = predictions.pivot_table(index=["model", "family"], columns="training_set", values="right", sort=False)
    families.insert(0, "stories", predictions[predictions["training_set"] == "originals"].groupby(["model", "family"]).size())
    order = ["stories", *(name for name in TRAINING_SETS if name in families)]
    return pd.DataFrame(table), families[order].rename_axis(columns=None).reset_index()


def _with_splits_named(predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions whose `model` says what judged it: nothing for all folds, else which folds, or the seed split.

    A split that was cut off, so that it lacks a training set that another has, is left out.
    """
    sets = predictions.groupby(["model", "fold"])["training_set"].transform("nunique")
    predictions = predictions[sets == sets.groupby(predictions["model"]).transform("max")].copy()
    judged_by = {}
    for model, folds in predictions[predictions["fold"] >= 0].groupby("model")["fold"].unique().items():
        named = f", fold{'s' * (len(folds) > 1)} {', '.join(map(str, sorted(folds)))}"
        judged_by[model] = model + named * (len(folds) < N_FOLDS)
    names = zip(predictions["model"], predictions["fold"])
    predictions["model"] = [judged_by[model] if fold >= 0 else f"{model}, seed split" for model, fold in names]
    return predictions


def worth_as_text(values: pd.DataFrame) -> pd.DataFrame:
    """The first table of `read_worth` as strings, ready to be shown: each figure with its 95 % interval."""
    shown = values[["model", "training set"]].copy()
    shown["rows"] = ["not run" if pd.isna(count) else f"{count:.0f}" for count in values["rows"]]
    for name in ("accuracy", "macro F1", "gain"):
        low, high = (values[f"{name} {end}"].map("{:.3f}".format) for end in ("low", "high"))
        shown[name] = (values[name].map("{:.3f}".format) + " (" + low + " to " + high + ")").where(values[name].notna(), "")
    shown["p"] = values["p"].map("{:.3f}".format).where(values["p"].notna(), "")
    return shown
