"""What drives accuracy: stories a genre, the title, how much of a story is read; and folds drawn anew. `fewshot.drivers` measures it; this reads what it stored."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from sklearn.metrics import f1_score

from helpers.comparison.measurements import read_measurement
from helpers.comparison.metrics import bootstrap_interval

DRIVERS = "learning_curve"
"""Folder in the store."""
DRAWN = "folds drawn with seed"
"""The study in which other folds judge the classifiers; its values are the seeds."""


def read_drivers(folder: Path, dataset: dict) -> pd.DataFrame | None:
    """Accuracy of each model in each setting, computed anew from the stored predictions over five folds.

    Args:
        folder: of a store.
        dataset: facts of the dataset; what was measured on another does not count.

    Returns:
        DataFrame of `study`, `value`, `model`, `stories`, `accuracy`, `low`, `high` (95 %, over stories) and `f1_macro`, in the order of the measurement;
        None where it was not measured.
    """
    if (predictions := read_measurement(folder / DRIVERS, dataset)) is None:
        return None
    rows = []
    for (study, value, model), judged in predictions.groupby(["study", "value", "model"], sort=False):
        right = (judged["genre"] == judged["predicted"]).to_numpy(dtype=float)
        low, high = bootstrap_interval(right)
        f1 = f1_score(judged["genre"], judged["predicted"], average="macro", zero_division=0)
        figures = {"stories": len(judged), "accuracy": right.mean(), "low": low, "high": high, "f1_macro": f1}
        rows.append({"study": study, "value": value, "model": model} | figures)
    return pd.DataFrame(rows)


def drawn_anew(found: pd.DataFrame | None) -> pd.DataFrame | None:
    """The models that other folds judged, and what they reach on the folds of each seed; None where none was judged so.

    Args:
        found: from `read_drivers`.

    Returns:
        DataFrame of strings for `rendering`: `model`, `folds of seed`, `accuracy`, `95 % interval`.
    """
    rows = found[found["study"] == DRAWN] if found is not None else ()
    if not len(rows):
        return None
    lines = [
        {
            "model": row["model"],
            "folds of seed": row["value"],
            "accuracy": f"{100 * row['accuracy']:.1f} %",
            "95 % interval": f"{100 * row['low']:.1f} to {100 * row['high']:.1f} %",
        }
        for _, of_model in rows.groupby("model", sort=False)
        for row in of_model.to_dict("records")
    ]
    return pd.DataFrame(lines)
