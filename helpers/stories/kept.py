"""The finished table in the workspace: what `01_clean` writes and every later notebook reads."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.runtime import Run
from helpers.stories.validation import table_hash
from helpers.workspace import MARKER, read_json, read_whole, saving, set_aside, write_json, write_table

TABLE = "stories.parquet"
FACTS = "stories.json"


def save_stories(run: Run, table: pd.DataFrame, facts: dict) -> None:
    """Write the finished table and its facts; the work on another dataset is set aside, and comes back when that dataset does."""
    workspace, now = run.workspace, f"earlier-{facts['sha256'][:8]}"
    before = _dataset_of(workspace)
    if before and before != facts["sha256"]:
        aside = workspace / f"earlier-{before[:8]}"
        _move(workspace, aside)
        print(f"This workspace held another dataset ({before[:8]}); its files were moved to {aside.name}/.")
    if (workspace / now).is_dir():
        _move(workspace / now, workspace)
        print(f"What was made of this dataset before ({facts['sha256'][:8]}) is back from {now}/.")
        if (workspace / now).is_dir():
            set_aside(workspace / now, workspace / f"{now}-doubles")
    write_table(workspace / TABLE, table)
    write_json(workspace / FACTS, facts)


def _dataset_of(workspace: Path) -> str | None:
    """Hash of the dataset that a workspace holds, from its facts, else from its table; None where it holds none."""
    if facts := read_json(workspace / FACTS):
        return facts.get("sha256")
    table = read_whole(workspace / TABLE, lambda: pd.read_parquet(workspace / TABLE))
    return None if table is None else table_hash(table)


def _move(source: Path, target: Path) -> None:
    """Move the work on a dataset from folder to folder; what is in the target under the same name already stays in both places."""
    with saving(target):
        target.mkdir(exist_ok=True)
        paths = [p for p in source.iterdir() if not p.name.startswith(("earlier-", "notebooks", "models", MARKER))]
        # Table and facts go last: a move that is cut off is then seen, and goes on, the next time.
        for path in sorted(paths, key=lambda p: {TABLE: 1, FACTS: 2}.get(p.name, 0)):
            if not (target / path.name).exists():
                path.rename(target / path.name)
            elif path.is_dir():
                _move(path, target / path.name)
        if not any(source.iterdir()):
            source.rmdir()


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
