"""How a saved classifier copes with larger and larger tables: the command in a process of its own, from a CSV to predictions."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil

from helpers.config import PROJECT

ROWS = (1_000, 10_000, 100_000)


def prediction(folder: Path, judged: pd.DataFrame, work: Path, rows: tuple[int, ...] = ROWS) -> pd.DataFrame:
    """Time a row and peak memory of the command over more and more rows: the judged stories again and again, no two rows alike.

    Args:
        folder: of the saved classifier.
        judged: story table.
        work: folder for the tables.
        rows: of each table.

    Returns:
        DataFrame with the columns `classifier`, `stories`, `seconds` (without loading), `ms a story` and `peak GB` (10^9 bytes).
    """
    found = []
    for size in rows:
        source, out = work / f"{size}.csv", work / f"{size}-predicted.csv"
        _write(judged, size, source)
        order = [sys.executable, "-m", "helpers.takeaway", "classify", str(source), "--model", str(folder), "--out", str(out)]
        said, peak = _watched([*order, "--restart"])
        seconds, each = map(float, re.search(r"; (\d+) s, ([\d.]+) ms a row", said).groups())
        found.append((folder.name, size, seconds, each, peak))
        print(f"{size:,} rows through {folder.name}: {seconds:.0f} s, {each} ms a row, peak memory {peak:.2f} GB")
        source.unlink()
        out.unlink()
    return pd.DataFrame(found, columns=["classifier", "stories", "seconds", "ms a story", "peak GB"])


def _write(judged: pd.DataFrame, size: int, path: Path) -> None:
    stories = list(zip(judged["title"], judged["text"]))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "title", "text"])
        for number in range(size):
            title, text = stories[number % len(stories)]
            writer.writerow([number, title, f"Number {number}. {text}"])


def _watched(order: list[str]) -> tuple[str, float]:
    """What a command says at its end, and its peak memory in 10^9 bytes."""
    running, peak = subprocess.Popen(order, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True), 0.0
    process = psutil.Process(running.pid)
    while running.poll() is None:
        try:
            peak = max(peak, process.memory_info().rss / 1e9)
        except psutil.Error:
            break
        time.sleep(0.1)
    said, _ = running.communicate()
    if running.returncode:
        raise RuntimeError(f"The command ended with {running.returncode}: {' '.join(order[1:])}")
    return said, peak
