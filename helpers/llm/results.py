"""What notebooks 04 and 05 train and judge on, and how they keep what came out: the same for both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers import comparison
from helpers.augmentation.rows import TRAINED_ON, count_sources, training_set
from helpers.runtime import Run
from helpers.stories import SPLITS, read_stories


@dataclass
class Data:
    """The seed split, and the rows that train.

    Attributes:
        table, facts: from `stories.read_stories`.
        sources: where training rows may come from.
        rows: training rows.
        train, validation, test: story tables of the split.
        genres: their names, sorted.
    """

    table: pd.DataFrame
    facts: dict
    sources: tuple[str, ...]
    rows: pd.DataFrame
    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    genres: list[str]


def read_data(run: Run, sources: Sequence[str] | None = None) -> Data:
    """Read the stories and build the training set.

    Args:
        run: the running notebook.
        sources: of `original`, `chunk`, `paraphrase`, `synthetic`, `description`; None for what the profile allows.
    """
    table, facts = read_stories(run)
    parts = {split: table[table["split"] == split] for split in SPLITS}
    allowed = (*TRAINED_ON, "description") if run.profile.llm_augmented else ("original",)
    sources = tuple(sources or allowed)
    rows = training_set(run, table, parts["train"]["story_id"], sources)
    print(f"training rows: {count_sources(rows)}; validation {len(parts['validation'])}, test {len(parts['test'])}")
    return Data(table, facts, sources, rows, **parts, genres=sorted(table["genre"].unique()))


def recipe_table(recipes: dict[str, dict]) -> pd.DataFrame:
    """Recipes side by side, a column each.

    Args:
        recipes: by name: `lora` (a `peft.LoraConfig`), `training` (keywords of `train_lora`), and what else a notebook keeps there.
    """
    columns = {}
    for name, recipe in recipes.items():
        lora = recipe["lora"]
        columns[name] = {"r": lora.r, "alpha": lora.lora_alpha, "rsLoRA": lora.use_rslora, "layers": len(lora.target_modules)}
        columns[name] |= recipe["training"] | {key: recipe[key] for key in recipe if key not in ("lora", "training")}
    return pd.DataFrame(columns, dtype=object)


def recipe_settings(run: Run, recipe: dict) -> dict:
    """A recipe's values as a result keeps them, see `recipe_table`."""
    lora = recipe["lora"]
    of_lora = {"r": lora.r, "alpha": lora.lora_alpha, "rslora": lora.use_rslora}
    return {"story_tokens": run.profile.story_tokens, "lora": of_lora} | recipe["training"]


def keep_result(run: Run, data: Data, approach: str, scores: np.ndarray, **facts) -> dict:
    """Store what an approach makes of the test stories, and print it in a line.

    Args:
        approach: folder in `results/`.
        scores: probabilities of the genres, float array (test stories, genres).
        **facts: of `comparison.save_result`: at least `title` and `model`.

    Returns:
        The result with its `predictions`.
    """
    predictions = comparison.predictions_from_scores(data.test, scores, data.genres)
    settings = {"story_tokens": run.profile.story_tokens} | facts.get("settings", {})
    facts = {"training_set": {}, "dataset": data.facts} | facts | {"settings": settings}
    result = comparison.save_result(run, approach, "seed_split", predictions, **facts) | {"predictions": predictions}
    print(comparison.show(result))
    return result


def read_others(run: Run, data: Data, names: Sequence[str]) -> dict[str, dict]:
    """Those of the named approaches that were run on the same stories, by the name of their folder in `results/`."""
    found = {name: comparison.read_result(run, name, "seed_split", data.facts) for name in names}
    return {name: result for name, result in found.items() if result}


def print_against(result: dict, others: dict[str, dict]) -> None:
    """What others reach on the same stories, and how this result differs from each."""
    for other in others.values():
        print(comparison.show(other))
        print(f"{result['title']} against it:", comparison.versus(result["predictions"], other["predictions"]))
