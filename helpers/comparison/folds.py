"""Five folds of an approach, one by one: each is stored when it is done, and the last that comes joins them to one result.

So the folds of a long training may be spread over sessions, processes and machines that share a workspace.
"""

from __future__ import annotations

import dataclasses
import json

import pandas as pd
from filelock import FileLock

from helpers.comparison.store import keep_another, result_folder, save_result
from helpers.measuring import Cost, total_cost
from helpers.runtime import Run
from helpers.stories import N_FOLDS
from helpers.workspace import read_json, saving, write_json, write_table

PROTOCOL = "five_fold"


def chosen_folds(which) -> list[int]:
    """Folds that a notebook's parameter names: all for True, none for False or None, else those listed.

    Raises:
        ValueError: there is no such fold.
    """
    found = list(range(N_FOLDS)) if which is True else list(which or [])
    if wrong := [fold for fold in found if fold not in range(N_FOLDS)]:
        raise ValueError(f"There is no fold {wrong[0]!r}; name some of {', '.join(map(str, range(N_FOLDS)))}, or True for all.")
    return found


def save_fold(
    run: Run, approach: str, predictions: pd.DataFrame, *, scores: pd.DataFrame, train: Cost, settings: dict, **about
) -> dict | None:
    """Store one fold of five, and join all of them once they are there.

    Args:
        approach: name of the folder, such as `setfit_tuned`.
        predictions: prediction table of the fold's judged stories; its column `fold` says which fold it is.
        scores: see `save_result`.
        train: cost of this fold's training; the joined result has that of all.
        settings: hyperparameters. Folds are joined with those of the same settings, model, dataset, profile, number type and seed.
        **about: `title`, `model`, `dataset`, `training_set` and the like, as `save_result` takes them; of the joined result those of the
            last fold in number.

    Returns:
        The joined result; None while folds are missing.
    """
    (number,) = predictions["fold"].unique().tolist()
    parts = result_folder(run, approach, PROTOCOL) / "folds"
    keep_another(run, parts.parent, about["dataset"])
    with saving(parts):
        parts.mkdir(parents=True, exist_ok=True)
    with saving(parts), FileLock(parts / ".lock"):
        content = {"settings": settings, "train": dataclasses.asdict(train), "about": about, "facts": run.facts}
        content = json.loads(json.dumps(content, default=list))
        (parts / f"{number}.json").unlink(missing_ok=True)  # it comes last, and vouches for the tables
        write_table(parts / f"{number}_predictions.parquet", predictions)
        write_table(parts / f"{number}_scores.parquet", scores)
        write_json(parts / f"{number}.json", content)
        found = {fold: read_json(parts / f"{fold}.json") for fold in range(N_FOLDS)}
        found = {fold: other for fold, other in found.items() if other and _recipe(other) == _recipe(content)}
        if missing := [str(fold) for fold in range(N_FOLDS) if fold not in found]:
            print(f"Fold {number} is stored; {', '.join(missing)} to come before the five are one result.")
            return None
        joined = {
            name: pd.concat([pd.read_parquet(parts / f"{fold}_{name}.parquet") for fold in found], ignore_index=True)
            for name in ("predictions", "scores")
        }
        costs = total_cost([Cost(**other["train"]) for other in found.values()])
        last = found[N_FOLDS - 1]
        return save_result(run, approach, PROTOCOL, train=costs, settings=last["settings"], **joined, **last["about"])


def _recipe(content: dict) -> list:
    """What the folds of one result have in common."""
    about, facts = content["about"], content["facts"]
    alike = [facts.get(name) for name in ("profile", "dtype", "seed")]
    return [content["settings"], about["model"], about["dataset"]["sha256"], *alike]
