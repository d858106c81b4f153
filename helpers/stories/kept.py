"""The finished table in the workspace: what `01_clean` writes and every later notebook reads."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.runtime import Run
from helpers.stories.validation import table_hash
from helpers.workspace import MARKER, read_json, read_whole, saving, write_json, write_table

TABLE = "stories.parquet"
FACTS = "stories.json"


def save_stories(run: Run, table: pd.DataFrame, facts: dict) -> None:
    """Write the finished table and its facts; the work on an earlier, different dataset is set aside, not overwritten."""
    before = (read_json(run.workspace / FACTS) or {}).get("sha256")
    if (
        before is None
        and (old := read_whole(run.workspace / TABLE, lambda: pd.read_parquet(run.workspace / TABLE))) is not None
    ):
        before = table_hash(old)
    if before and before != facts["sha256"]:
        aside = _set_aside(run.workspace, before[:8])
        print(f"This workspace held another dataset ({before[:8]}); its files were moved to {aside.name}/.")
    write_table(run.workspace / TABLE, table)
    write_json(run.workspace / FACTS, facts)


def _set_aside(workspace: Path, name: str) -> Path:
    """Move the work on a dataset into a folder of its own, where nothing lay before; its facts go last, so that a move that is cut off goes on next time."""
    aside, count = workspace / f"earlier-{name}", 1
    while (aside / FACTS).exists():
        count += 1
        aside = workspace / f"earlier-{name}-{count}"
    stay = ("earlier-", "notebooks", "models", MARKER)
    with saving(aside):
        aside.mkdir(exist_ok=True)
        paths = [path for path in workspace.iterdir() if not path.name.startswith(stay)]
        for path in sorted(paths, key=lambda path: {TABLE: 1, FACTS: 2}.get(path.name, 0)):
            path.rename(aside / path.name)
    return aside


def read_stories(run: Run) -> tuple[pd.DataFrame, dict]:
    """The table that `01_clean` wrote, and its facts.

    Raises:
        FileNotFoundError: `01_clean` has not been run in this workspace, or what it wrote was cut short.
    """
    for name in (TABLE, FACTS):
        run.require(name, "01_clean")
    table = read_whole(run.workspace / TABLE, lambda: pd.read_parquet(run.workspace / TABLE))
    facts = read_json(run.workspace / FACTS)
    for name in (TABLE, FACTS):  # what was cut short has been set aside
        run.require(name, "01_clean")
    print(f"{len(table):,} stories, {table['genre'].nunique()} genres, from {facts['source']} (sha256 {facts['sha256'][:8]})")
    return table, facts
