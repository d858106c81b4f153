"""The finished table in the workspace: what `01_clean` writes and every later notebook reads."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd

from helpers.runtime import Run, write_json

TABLE = "stories.parquet"
FACTS = "stories.json"


def save_stories(run: Run, table: pd.DataFrame, facts: dict) -> None:
    """Write the finished table and its facts; the work on an earlier, different dataset is set aside, not overwritten."""
    old = run.workspace / FACTS
    if old.exists():
        before = _read_facts(old)["sha256"]
        if before != facts["sha256"]:
            aside = _set_aside(run.workspace, before[:8])
            print(f"This workspace held another dataset ({before[:8]}); its files were moved to {aside.name}/.")
    temporary = run.workspace / (TABLE + ".part")
    table.to_parquet(temporary, index=False)
    os.replace(temporary, run.workspace / TABLE)
    write_json(old, facts)


def _set_aside(workspace: Path, name: str) -> Path:
    """Move the work on a dataset into a folder of its own, which nothing in it was in before."""
    aside, count = workspace / f"earlier-{name}", 1
    while aside.exists():
        count += 1
        aside = workspace / f"earlier-{name}-{count}"
    aside.mkdir()
    # The facts go last: a move that is cut off is then seen, and goes on, the next time.
    paths = [p for p in workspace.iterdir() if not p.name.startswith(("earlier-", "notebooks", "models", "workspace."))]
    for path in sorted(paths, key=lambda p: p.name == FACTS):
        path.rename(aside / path.name)
    return aside


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
