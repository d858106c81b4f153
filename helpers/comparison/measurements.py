"""Measurements beside the approaches: predictions of many models in many settings, in one table that grows until everything is judged.

A measurement's folder in the store holds `facts.json`, what all of it was measured with, and `predictions.parquet`.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.workspace import read_json, read_whole, write_json, write_table

_FACTS, _PREDICTIONS = "facts.json", "predictions.parquet"


def begin_measurement(folder: Path, setting: dict, columns: tuple[str, ...], anew: bool = False) -> pd.DataFrame:
    """Go on with what an earlier run measured in the same setting, or else begin: what was measured in another one is removed.

    Args:
        folder: of the measurement.
        setting: `dataset` and `facts`, as a run has them, and what else the figures depend on, as JSON has it.
        columns: what the predictions are told apart by.
        anew: whether to begin in any case.

    Returns:
        What is judged already, as `keep_judged` returned it; at the beginning no row, and these columns.
    """
    earlier = read_json(folder / _FACTS)
    if anew or not earlier or not _alike(earlier, setting):
        (folder / _PREDICTIONS).unlink(missing_ok=True)
    write_json(folder / _FACTS, setting)
    judged = _read(folder)
    return pd.DataFrame(columns=columns) if judged is None else judged


def keep_judged(folder: Path, judged: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    """Keep more predictions below those that were judged before, and return all of them."""
    judged = pd.concat([judged, more], ignore_index=True) if len(judged) else more.reset_index(drop=True)
    write_table(folder / _PREDICTIONS, judged)
    return judged


def _alike(earlier: dict, setting: dict) -> bool:
    """Whether figures of both may stand in one table: devices and versions may differ, nothing else."""
    same_run = all(earlier["facts"][name] == setting["facts"][name] for name in ("dtype", "seed", "profile"))
    others = setting.keys() - {"dataset", "facts"}
    return same_run and _of(earlier, setting["dataset"]) and all(earlier.get(name) == setting[name] for name in others)


def _of(setting: dict, dataset: dict) -> bool:
    return setting["dataset"]["sha256"] == dataset["sha256"]


def read_measurement(folder: Path, dataset: dict, profile: str | None = None) -> pd.DataFrame | None:
    """The predictions of a measurement; None where there are none of this dataset.

    Args:
        folder: of the measurement.
        dataset: facts of the dataset.
        profile: of which alone it shall be; None for any.
    """
    setting = read_json(folder / _FACTS)
    if not setting or not _of(setting, dataset) or (profile and setting["facts"]["profile"] != profile):
        return None
    return _read(folder)


def _read(folder: Path) -> pd.DataFrame | None:
    return read_whole(folder / _PREDICTIONS, lambda: pd.read_parquet(folder / _PREDICTIONS))
