"""Trials of a training recipe: changes land where they belong, and are compared with the recipe on the same stories."""

import numpy as np
import pandas as pd
from peft import LoraConfig

from helpers import measuring, runtime
from helpers.comparison.trials import Trials, vary

RECIPE = {"lora": LoraConfig(r=8, lora_alpha=8), "training": {"epochs": 1, "learning_rate": 1e-4}, "reads": ("last",)}


def test_a_change_lands_where_it_belongs():
    changed = vary(RECIPE, {"use_dora": True, "learning_rate": 2e-4, "label_smoothing": 0.1, "reads": ("mean",)})
    assert changed["lora"].use_dora and changed["lora"].r == 8
    assert changed["training"] == {"epochs": 1, "learning_rate": 2e-4, "label_smoothing": 0.1}
    assert changed["reads"] == ("mean",)
    assert not RECIPE["lora"].use_dora and RECIPE["training"] == {"epochs": 1, "learning_rate": 1e-4}


def test_changes_are_compared_with_the_recipe_and_kept(tmp_path):
    run = runtime.start("smoke", str(tmp_path))
    validation = pd.DataFrame({"genre": ["b", "a", "b"]})
    sure, unsure = np.array([[0.1, 0.9], [0.9, 0.1], [0.1, 0.9]]), np.array([[0.6, 0.4], [0.6, 0.4], [0.4, 0.6]])
    trained = []

    def train(recipe):
        trained.append(recipe["lora"].r)
        return sure, measuring.Cost(120.0, 2.0), "log"

    def begin(recipe=RECIPE):
        return Trials(run, "x", recipe, {"rows": 3}, validation, ["a", "b"])

    for _ in range(2):  # the second time, what was judged is at hand
        begin().judge([{"r": 4}], (unsure, measuring.Cost(60.0, 1.0)), train, lambda model: model)
    assert trained == [4]
    table = begin().table()
    assert table.index.tolist() == ["none", "r 4"]
    assert table["accuracy"].tolist() == ["67%", "100%"]
    assert table["validation loss"].tolist() == [f"{-np.log([0.4, 0.6, 0.6]).mean():.2f}", f"{-np.log(0.9):.2f}"]
    assert table["against none"].iloc[1].startswith("-") and table["training"].tolist() == ["1:00", "2:00"]
    assert begin(vary(RECIPE, {"use_rslora": True})).table().empty
