"""The benchmark of training steps, on a tiny model: every variant runs, and what is compared differs in nothing else."""

import sys

import pandas as pd
import pytest
from tiny_models import causal

from helpers import runtime, stories
from helpers.benchmarks import steps
from helpers.benchmarks.steps import main, measure_steps

pytestmark = pytest.mark.number_types


@pytest.fixture
def folder(tokenizer, tmp_path):
    causal(tokenizer).save_pretrained(tmp_path / "tiny")
    tokenizer.save_pretrained(tmp_path / "tiny")
    return str(tmp_path / "tiny")


@pytest.fixture
def workspace(run, sample):
    stories.save_stories(run, sample, {"source": "sample", "sha256": "0", "rows": len(sample), "genres": 24})
    return str(run.workspace)


@pytest.mark.parametrize("variant", steps.VARIANTS, ids=lambda v: " ".join(str(value) for value in v.values()))
def test_every_variant_trains(folder, workspace, variant):
    row = measure_steps("smoke", workspace, folder, variant | {"tokens": 64}, batch_size=2, batches=2)
    assert row["padding"] == variant["padding"] and row["seconds a story"] > 0 and row["peak GB"] > 0.1
    # The same stories in every row: 64 tokens, the prompt, and an answer.
    assert 64 < row["tokens a second"] * row["seconds a story"] < 64 + 150


def test_the_table_is_kept_with_where_it_was_measured(folder, workspace, run, monkeypatch):
    assert steps.read_steps(run) is None
    monkeypatch.setattr(steps, "VARIANTS", [v | {"tokens": 32} for v in steps.VARIANTS[:2]])
    monkeypatch.setenv("WORKSPACE", workspace)
    monkeypatch.setattr(sys, "argv", ["x", "--profile", "smoke", "--llm", folder, "--batch-size", "1", "--batches", "1"])
    main()
    table, facts = steps.read_steps(runtime.start("smoke", workspace))
    assert (
        isinstance(table, pd.DataFrame) and len(table) == 2 and facts["model"].startswith("tiny (") and "CPU" in facts["device"]
    )
    assert table["time, ratio"][0] == 1 and table["memory, ratio"][0] == 1
    assert table["padding"].tolist() == ["to the limit", "to the longest"]
