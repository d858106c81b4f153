"""01_clean on other people's texts, cell by cell.

Written for: a notebook that stopped with `IndexError` because no text held a quotation mark, and one that wrote its table in its last cell, after an encoder that was
not to be had.
"""

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest

from helpers import models, runtime, stories
from helpers.config import PROJECT

CELLS = [c for c in nbformat.read(PROJECT / "notebooks" / "01_clean.ipynb", as_version=4).cells if c.cell_type == "code"]


def run_cells(tmp_path, table: pd.DataFrame, **parameters) -> dict:
    """Run all cells but the setup's on a table; the parameters' cell comes first, then what is given."""
    table.to_json(tmp_path / "mine.jsonl", orient="records", lines=True)
    values: dict = {"__name__": "notebook"}
    for cell in CELLS[1:]:
        exec(compile(cell.source, "<01_clean>", "exec"), values)
        if "parameters" in cell.metadata.get("tags", []):
            given = {"PROFILE": "smoke", "WORKSPACE": str(tmp_path / "ws"), "STORIES_CSV": str(tmp_path / "mine.jsonl")}
            values |= given | parameters
    plt.close("all")
    return values


DATASETS = {
    "two uneven classes, no titles, no quotation marks": [
        (f"Great phone number {n}, it isn't slow and the screen is good.", "pos" if n % 50 else "neg") for n in range(260)
    ],
    "Chinese": [(f"第{n}个老渔夫独自住在海边，每天夜里数着经过的船只。", "海" if n % 2 else "山") for n in range(30)],
    "a hundred and sixty classes": [(f"Text {n} of the class {n % 160}.", f"class {n % 160:03d}") for n in range(800)],
    "names of genres": [(f"Item {n}: the council met and decided.", ("War", "Crime", "Sports")[n % 3]) for n in range(30)],
}


@pytest.mark.parametrize("name", DATASETS)
def test_any_dataset_is_saved_before_an_encoder_is_missed_and_reported_at_the_end(tmp_path, monkeypatch, capsys, name):
    def fail(run, name=None):
        assert (run.workspace / stories.TABLE).exists(), "the table is not saved yet"
        raise OSError("no encoder here")

    monkeypatch.setattr(models, "load_encoder", fail)
    table = pd.DataFrame(DATASETS[name], columns=["text", "label"])
    values = run_cells(tmp_path, table)
    printed = capsys.readouterr().out
    assert "no encoder here" in printed and "the table is saved all the same" in printed
    kept, facts = stories.read_stories(runtime.start("smoke", str(tmp_path / "ws")))
    assert len(kept) == len(table) == facts["rows"] and kept["genre"].nunique() == table["label"].nunique()
    assert stories.unusual(kept, facts["notes"], values["run"].profile)["what"].str.contains("no titles").any()


def test_the_map_is_drawn_for_two_classes_and_for_very_many(tmp_path, monkeypatch):
    from sentence_transformers import SentenceTransformer

    monkeypatch.setattr(models, "load_encoder", load_tiny)
    for name in list(DATASETS)[:3]:
        (tmp_path / name).mkdir()
        values = run_cells(tmp_path / name, pd.DataFrame(DATASETS[name], columns=["text", "label"]))
        assert isinstance(values["encoder"], SentenceTransformer)
        assert len(values["centroids"]) == min(150, values["facts"]["genres"]) and len(values["closest"]) <= 12


def load_tiny(run, name=None):
    found = models.own_weights(models.PACKAGED_ENCODER)
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(found[0], device="cpu"), found[1]


def test_prompts_that_are_left_out_are_counted_in_the_facts(tmp_path, monkeypatch):
    monkeypatch.setattr(models, "load_encoder", lambda run: (_ for _ in ()).throw(OSError("none")))
    rows = [(f"A story {n} of the sea.", "ab"[n % 2]) for n in range(20)] + [("<s>[INST] Write a story", "a")]
    values = run_cells(tmp_path, pd.DataFrame(rows, columns=["text", "label"]), DROP_PROMPTS=True)
    kept, facts = stories.read_stories(values["run"])
    assert len(kept) == facts["rows"] == 20 and facts["sha256"] == stories.table_hash(kept)
    assert any("1 rows that hold a prompt were left out, as asked" in note for note in facts["notes"])
