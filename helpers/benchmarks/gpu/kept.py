"""What a check for a GPU left in the workspace."""

from __future__ import annotations

import json

import pandas as pd

from helpers.runtime import Run

FOLDER = "gpu_check"
"""In `results/` of the workspace: a table a part, and `facts.json`, which names the card."""


def read_gpu_check(run: Run) -> tuple[dict[str, pd.DataFrame], dict] | None:
    """Tables of the last `make gpu-check` in this workspace by their part, and where it ran; None if there is none, or only a rehearsal on a CPU."""
    folder = run.workspace / "results" / FOLDER
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8")) if (folder / "facts.json").exists() else {}
    if facts.get("rehearsal", True):
        return None
    return {path.stem: pd.read_csv(path) for path in sorted(folder.glob("*.csv"))}, facts
