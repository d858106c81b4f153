"""What two workspaces hold that is not the same: every file but times, costs and dates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from helpers.representations.cache import _read

VOLATILE = {
    "id", "cost", "created_at", "seconds", "latency_ms", "latency_threads", "device", "recorded_at", "peak_process_gb", "peak_gpu_gb", "made", "_name_or_path", "base_model_name_or_path"
}  # fmt: skip
"""Keys that may differ between two runs of the same notebook: what it took and when, and paths."""


def differences(one: Path, other: Path) -> list[str]:
    """A line for each file that only one workspace has, or that says something else in the other."""
    names = [{path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} for folder in (one, other)]
    found = [
        f"only in {folder.name}: {name}"
        for folder, own, rest in ((one, *names), (other, *names[::-1]))
        for name in sorted(own - rest)
    ]
    for name in sorted(names[0] & names[1]):
        if said := different(one / name, other / name):
            found.append(f"{name}: {said}")
    return found


def different(one: Path, other: Path) -> str:
    if one.suffix == ".parquet":
        return _tables(pd.read_parquet(one), pd.read_parquet(other))
    if one.suffix == ".csv":
        return _tables(*(pd.read_csv(path).drop(columns="seconds", errors="ignore") for path in (one, other)))
    if one.suffix == ".json":
        return _values(*(_steady(json.loads(path.read_text(encoding="utf-8"))) for path in (one, other)))
    if one.suffix == ".jsonl":
        return _values(
            *([_steady(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()] for path in (one, other))
        )
    if one.suffix == ".safetensors":
        return _arrays(load_file(one), load_file(other))
    if one.suffix == ".vectors":  # in whatever order they were computed
        return _arrays(*(dict(zip(held["key"].tolist(), held["vector"])) for held in map(_read, (one, other))))
    if one.suffix in (".pkl", ".md"):  # a head is judged by the scores that it gives; a card tells the date
        return ""
    return "" if one.read_bytes() == other.read_bytes() else "other bytes"


def _tables(one: pd.DataFrame, other: pd.DataFrame) -> str:
    try:
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    except AssertionError as error:
        return " ".join(str(error).split())[:200]
    return ""


def _arrays(one: dict, other: dict) -> str:
    if one.keys() != other.keys():
        return f"{len(one.keys() ^ other.keys())} entries in one only"
    wrong = [key for key in one if not np.array_equal(one[key], other[key], equal_nan=one[key].dtype.kind == "f")]
    return f"{len(wrong)} of {len(one)} arrays differ, {wrong[0]} among them" if wrong else ""


def _steady(value):
    if isinstance(value, dict):
        kept = {key: _steady(entry) for key, entry in value.items() if key not in VOLATILE}
        # PEFT writes a set, in whatever order this process has it.
        return {key: sorted(entry) if key == "target_modules" else entry for key, entry in kept.items()}
    return [_steady(entry) for entry in value] if isinstance(value, list) else value


def _values(one, other, where: str = "") -> str:
    """Where two JSON values differ first; empty if they do not."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return next((said for key in one if (said := _values(one[key], other[key], f"{where}/{key}"))), "")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return next((said for n, pair in enumerate(zip(one, other)) if (said := _values(*pair, f"{where}/{n}"))), "")
    return "" if one == other else f"{where or 'all'} is {str(one)[:60]!r} and {str(other)[:60]!r}"
