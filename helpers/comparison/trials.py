"""Choices of a training recipe that validation makes: a change is trained like the recipe itself and judged on the validation stories alone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pandas as pd

from helpers.comparison.metrics import bootstrap_interval
from helpers.measuring import Cost, clock
from helpers.runtime import Run
from helpers.workspace import plain, read_json, set_aside, write_json


def vary(recipe: dict, change: dict) -> dict:
    """A recipe with some values replaced.

    Args:
        recipe: `training` (keywords of the training function), perhaps `lora` (a `peft.LoraConfig`), and whatever else the notebook keeps there.
        change: new values by name: of the recipe, of the `LoraConfig`, else of the training, which refuses a name that it does not know.
    """
    recipe = recipe | {"training": dict(recipe["training"])}
    for name, value in change.items():
        if name in recipe:
            recipe[name] = value
        elif hasattr(recipe.get("lora"), name):
            recipe["lora"] = dataclasses.replace(recipe["lora"], **{name: value})
        else:
            recipe["training"][name] = value
    return recipe


class Trials:
    """The changes to one approach's recipe that were tried, kept in `results/<approach>/trials.json`.

    Args:
        run: the running notebook.
        approach: whose recipe is changed.
        recipe: as it is, see `vary`.
        data: what else all trials share, as JSON: model, dataset, training rows. Trials of another recipe, other data or another profile are set aside.
        validation: story table (stories,) that judges.
        genres: names of the columns of every score.
    """

    def __init__(self, run: Run, approach: str, recipe: dict, data: dict, validation: pd.DataFrame, genres: list[str]):
        self.file = run.workspace / "results" / approach / "trials.json"
        self.recipe = recipe
        setting = {"recipe": recipe, "profile": run.facts["profile"], "dtype": run.facts["dtype"]} | data
        self.setting = json.loads(json.dumps(setting, default=plain))
        self.truth = [genres.index(genre) for genre in validation["genre"]]
        kept = read_json(self.file) or {}
        self._others = bool(kept) and kept.get("setting") != self.setting
        self.rows = [] if self._others else kept.get("trials", [])

    def judge(self, changes: list[dict], trained: tuple, train: Callable, score: Callable) -> None:
        """Judge the recipe as it is, then each change alone; what was judged before is not trained again.

        Args:
            changes: see `vary`.
            trained: what `train` returned for the recipe as it is.
            train: function of a recipe that returns the model, its `Cost`, and whatever else it likes.
            score: function of a model that returns probabilities of the validation stories, float array (stories, genres).
        """
        for change in [{}, *changes]:
            if not any(row["change"] == change for row in self.rows):
                model, cost, *_ = train(vary(self.recipe, change)) if change else trained
                self._keep(change, score(model), cost)

    def _keep(self, change: dict, scores: np.ndarray, cost: Cost) -> None:
        losses = -np.log(np.maximum(scores[np.arange(len(self.truth)), self.truth], 1e-12))
        right = scores.argmax(axis=1) == self.truth
        row = {"change": change, "losses": losses.tolist(), "accuracy": float(right.mean())}
        self.rows.append(row | {"cost": dataclasses.asdict(cost)})
        if self._others:
            aside = set_aside(self.file, self.file.with_name("trials-of-another-recipe.json"))
            print(f"{self.file.parent.name}: the trials of another recipe, dataset or profile are kept as {aside.name}.")
            self._others = False
        write_json(self.file, {"setting": self.setting, "trials": self.rows})

    def table(self) -> pd.DataFrame:
        """A row a change: loss (nats) and accuracy on the validation stories, what the loss gained or lost against the recipe as it is, and the cost."""
        found = []
        for row in self.rows:
            against = np.array(row["losses"]) - np.array(self.rows[0]["losses"])
            low, high = bootstrap_interval(against)
            found.append(
                {
                    "change": ", ".join(f"{name} {value}" for name, value in row["change"].items()) or "none",
                    "validation loss": f"{np.mean(row['losses']):.2f}",
                    "against none": f"{against.mean():+.2f} ({low:+.2f} to {high:+.2f})",
                    "accuracy": f"{row['accuracy']:.0%}",
                    "training": clock(row["cost"]["seconds"]),
                    "device": row["cost"]["device"],
                    "peak GB": f"{row['cost'].get('peak_gpu_gb') or row['cost']['peak_process_gb']:.1f}",
                }
            )
        return pd.DataFrame(found).set_index("change") if found else pd.DataFrame()
