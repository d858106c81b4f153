"""Question answering with each adapter on, as `llm.Check` left it beside the results (`qa.json`), in numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from helpers.comparison.approaches import APPROACHES
from helpers.workspace import read_json

_FIGURE = re.compile(r"([\d.]+)% \(([\d.]+)% to ([\d.]+)%\)")


def read_answers(folder: Path) -> pd.DataFrame:
    """Every approach whose adapter was asked.

    Args:
        folder: of a store.

    Returns:
        DataFrame of `approach`, `title`, `questions`, and shares of questions answered exactly, with their 95 % intervals: `exact match`, `low`, `high`
        with the adapter on, `base`, `base low`, `base high` without one. Empty where nobody was asked.
    """
    rows = []
    for path in sorted(folder.glob("*/qa.json")):
        states = {row[""]: row for row in (read_json(path) or {"rows": []})["rows"]}
        if not {"base model", "adapter on"} <= set(states):
            continue
        on, base = (_figure(states[name]["exact match"]) for name in ("adapter on", "base model"))
        known = APPROACHES.get(path.parent.name)
        row = {"approach": path.parent.name, "title": known.title if known else path.parent.name}
        row |= {"questions": states["adapter on"]["questions"]} | dict(zip(("exact match", "low", "high"), on))
        rows.append(row | dict(zip(("base", "base low", "base high"), base)))
    return pd.DataFrame(rows)


def _figure(text: str) -> tuple[float, float, float]:
    """`19.4% (10% to 29%)` as three shares."""
    return tuple(float(part) / 100 for part in _FIGURE.fullmatch(text).groups())
