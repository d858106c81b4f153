"""Which stories a run works on: a file of the user's, a dataset of the Hub, or the embedded sample."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from helpers.runtime import Run
from helpers.stories.families import SAMPLE_CSV
from helpers.stories.files import read_table
from helpers.stories.hub import HUB_DATASET, in_cache, read_hub
from helpers.stories.validation import table_hash, validate


def load_stories(
    run: Run,
    csv: str | None = None,
    genres: int | None = None,
    hub: str | None = None,
    split: str = "train",
    columns: dict[str, str | None] | None = None,
) -> tuple[pd.DataFrame, dict]:
    """Load and validate the stories that the profile asks for.

    A file that is named comes first, then a dataset of the Hub that is named, then the environment variable `STORIES_CSV`. Where nothing is named, the
    smoke profile takes the embedded sample, and the others the dataset of this project from the Hub or, said loudly, the embedded sample.

    Args:
        run: the running notebook.
        csv: path of a table, see `files.read_table`.
        genres: keep only the first so many genres, by name; None for all, of the embedded sample for as many as the profile says.
        hub, split: see `hub.read_hub`.
        columns: names of the columns, see `validate`.

    Returns:
        The table, and its facts: `source`, `sha256`, `rows`, `genres`, `notes` (every repair that was made).

    Raises:
        FileNotFoundError: `csv` does not exist.
        ValueError: the file is not a story table; the message says what is missing and where.
    """
    columns = {what: name for what, name in (columns or {}).items() if name is not None}
    if csv and hub:
        raise ValueError("STORIES_CSV and HUB_DATASET both name a dataset: set one of them to None.")
    named = csv or (None if hub else os.environ.get("STORIES_CSV"))
    if named:
        raw, source = read_table(named, {what: name for what, name in columns.items() if name}), Path(named).name
    elif hub:
        raw, source = read_hub(hub, split), f"Hub: {hub}, {split}"
    elif run.profile.dataset == "sample":
        raw, source, genres, columns = read_table(SAMPLE_CSV), "embedded sample", genres or run.profile.genres, {}
    else:
        raw, source = _own_dataset()
    table, notes = validate(raw, columns)
    if genres and genres < table["genre"].nunique():
        table = table[table["genre"].isin(sorted(table["genre"].unique())[:genres])].reset_index(drop=True)
        notes.append(f"only the first {genres} genres are kept, as asked")
    return table, {
        "source": source,
        "sha256": table_hash(table),
        "rows": len(table),
        "genres": int(table["genre"].nunique()),
        "notes": notes,
    }


def _own_dataset() -> tuple[pd.DataFrame, str]:
    from helpers.models import hub_answers

    if hub_answers() or in_cache(HUB_DATASET):
        return read_hub(HUB_DATASET), f"Hub: {HUB_DATASET}"
    print("*" * 100)
    print(f"The Hub does not answer, so {HUB_DATASET} cannot be loaded: this run uses the EMBEDDED SAMPLE instead.")
    print("Its figures say nothing about the real dataset. Set STORIES_CSV to a local copy to use that.")
    print("*" * 100)
    return read_table(SAMPLE_CSV), "embedded sample"
