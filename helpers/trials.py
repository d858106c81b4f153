"""Choices of a training recipe that validation makes: a change is trained like the recipe itself and judged on the validation stories alone."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd

from helpers.evaluation import bootstrap_interval
from helpers.runtime import Cost, Run, clock, write_json


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
    """The changes that were tried for one approach, kept in `results/<approach>/trials.json`.

    Args:
        run: the running notebook.
        approach: whose recipe is changed.
        setting: what all trials share, as JSON: model, dataset, training rows. Trials of another setting or profile are forgotten.
    """

    def __init__(self, run: Run, approach: str, setting: dict):
        self.file = run.workspace / "results" / approach / "trials.json"
        self.setting = json.loads(json.dumps(setting | {key: run.facts[key] for key in ("profile", "dtype")}))
        kept = json.loads(self.file.read_text(encoding="utf-8")) if self.file.exists() else {}
        self.rows = kept["trials"] if kept.get("setting") == self.setting else []

    def __contains__(self, change: dict) -> bool:
        return any(row["change"] == change for row in self.rows)

    def add(self, change: dict, validation: pd.DataFrame, scores: np.ndarray, genres: list[str], cost: Cost) -> None:
        """Keep what one change reached.

        Args:
            change: see `vary`; empty for the recipe as it is, which the others are compared with.
            validation: story table (stories,).
            scores: probabilities of the genres, float array (stories, genres).
            genres: names of the columns of `scores`.
            cost: of the training.

        Raises:
            ValueError: the recipe as it is has not been judged yet.
        """
        if change and {} not in self:
            raise ValueError("Judge the recipe as it is first, with the change {}: the others are compared with it.")
        truth = [genres.index(genre) for genre in validation["genre"]]
        losses = -np.log(np.maximum(scores[np.arange(len(truth)), truth], 1e-12))
        right = scores.argmax(axis=1) == truth
        row = {"change": change, "losses": losses.tolist(), "accuracy": float(right.mean())}
        row["cost"] = dataclasses.asdict(cost)
        self.rows = sorted([*self.rows, row], key=lambda row: bool(row["change"]))
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
