"""The finished table in the workspace: what `01_clean` writes and every later notebook reads."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from helpers.runtime import Run
from helpers.workspace import MARKER, saving, set_aside, write_json, write_table

TABLE = "stories.parquet"
FACTS = "stories.json"


def save_stories(run: Run, table: pd.DataFrame, facts: dict) -> None:
    """Write the finished table and its facts; the work on another dataset is set aside, and comes back when that dataset does."""
    workspace, now = run.workspace, f"earlier-{facts['sha256'][:8]}"
    if (workspace / FACTS).exists() and (before := _read_facts(workspace / FACTS)["sha256"]) != facts["sha256"]:
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


def _move(source: Path, target: Path) -> None:
    """Move the work on a dataset from folder to folder; what is in the target under the same name already stays in both places."""
    with saving(target):
        target.mkdir(exist_ok=True)
        paths = [p for p in source.iterdir() if not p.name.startswith(("earlier-", "notebooks", "models", MARKER))]
        # The facts go last: a move that is cut off is then seen, and goes on, the next time.
        for path in sorted(paths, key=lambda p: p.name == FACTS):
            if not (target / path.name).exists():
                path.rename(target / path.name)
            elif path.is_dir():
                _move(path, target / path.name)
        if not any(source.iterdir()):
            source.rmdir()


def read_stories(run: Run) -> tuple[pd.DataFrame, dict]:
    """The table that `01_clean` wrote, and its facts.

    Raises:
        FileNotFoundError: `01_clean` has not been run in this workspace.
        ValueError: what it wrote cannot be read any more.
    """
    facts = _read_facts(run.require(FACTS, "01_clean"))
    try:
        table = pd.read_parquet(run.require(TABLE, "01_clean"))
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{TABLE} in the workspace is damaged ({str(error)[:80]}). Run notebook 01_clean again.") from None
    print(f"{len(table):,} stories, {table['genre'].nunique()} genres, from {facts['source']} (sha256 {facts['sha256'][:8]})")
    return table, facts


def _read_facts(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"{path.name} in the workspace is damaged. Move it away, and run notebook 01_clean again.") from None
