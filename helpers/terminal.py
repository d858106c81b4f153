"""What a terminal shows: times, paths, each result as it comes, and the last screen of a run.

Needs no torch, so that whatever only starts notebooks comes up at once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.colab import DRIVE
from helpers.config import PROJECT

if TYPE_CHECKING:
    from rich.console import Console

PROTOCOLS = {"five_fold": "5-fold", "seed_split": "seed split"}
"""Protocols by how much they say: every story judged, or the seed's hundred."""


def clock(seconds: float) -> str:
    """Seconds as `min:ss`, or `h:mm:ss` from an hour on."""
    minutes, rest = divmod(int(round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def relative(path: Path) -> str:
    """A path as it may be shown: relative to the project or to Drive, never the layout of somebody's machine."""
    path = Path(path).resolve()
    for root in (PROJECT, DRIVE):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix() or "."
    return path.name


class Arrivals:
    """Which results came into a workspace since one last looked.

    Args:
        workspace: folder with `results/<approach>/<protocol>/metrics.json`.
    """

    def __init__(self, workspace: Path):
        self.workspace = Path(workspace)
        self._seen = self._times()

    def _times(self) -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (self.workspace / "results").glob("*/*/metrics.json")}

    def new(self) -> list[dict]:
        """Contents of the `metrics.json` that were written since the last call, in the order in which they were."""
        times = self._times()
        found = sorted((path for path in times if self._seen.get(path) != times[path]), key=times.get)
        self._seen = times
        return [json.loads(path.read_text(encoding="utf-8")) for path in found]


def result_line(result: dict) -> str:
    """One short line about a result: `LLM + head, LoRA (tuned)   seed split  69.0 % (60 to 78)  macro F1 0.618`."""
    m = result["metrics"]
    interval = f"({100 * m['accuracy_low']:.0f} to {100 * m['accuracy_high']:.0f})"
    title, protocol = _cut(result["title"], 44), PROTOCOLS[result["protocol"]]
    return f"  {title:<44}  {protocol:<10}  {100 * m['accuracy']:5.1f} % {interval:<11}  macro F1 {m['f1_macro']:.3f}"


def bar(low: float, high: float, point: float, width: int = 25) -> str:
    """An interval between 0 and 1 as a bar of `width` characters: `····├──●───┤·····`."""
    places = [min(width - 1, max(0, round(value * (width - 1)))) for value in (low, point, high)]
    cells = ["·"] * width
    for place in range(places[0], places[2] + 1):
        cells[place] = "─"
    cells[places[0]], cells[places[2]] = "├", "┤"
    cells[places[1]] = "●"
    return "".join(cells)


def best_results(workspace: Path, most: int = 10) -> tuple[list[dict], int]:
    """Each approach's result of a workspace, best accuracy first; of five folds where it has them, else of the seed split.

    Returns:
        At most `most` results, and how many approaches there are.
    """
    found: dict[str, dict] = {}
    for protocol in PROTOCOLS:
        for path in sorted((Path(workspace) / "results").glob(f"*/{protocol}/metrics.json")):
            found.setdefault(path.parent.parent.name, json.loads(path.read_text(encoding="utf-8")))
    best = sorted(found.values(), key=lambda result: -result["metrics"]["accuracy"])
    return best[:most], len(best)


def last_screen(workspace: Path, page: Path | None = None, console: Console | None = None) -> None:
    """Print the best approaches of a workspace, what they cost, and where the page with all of it is."""
    from rich.table import Table  # Colab's cells show tables of their own, and import this module for its times and paths

    console = console or wide_console()
    results, count = best_results(workspace)
    if results:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading, side in (
            ("approach", "left"), ("judged on", "left"), ("accuracy", "right"), ("95 % interval, 0 to 100 %", "left"),
            ("", "left"), ("macro F1", "right"), ("training", "right"), ("ms a story", "right"),
        ):  # fmt: skip
            table.add_column(heading, justify=side, no_wrap=True)
        for place, result in enumerate(results):
            table.add_row(*_row(result), style="bold" if place == 0 else "")
        console.print(table)
        if count > len(results):
            console.print(f"and {count - len(results)} more", style="dim", highlight=False)
        if len({result["metrics"]["n"] for result in results}) > 1:
            console.print(
                "Not all were judged on the same stories: 5-fold judges every story, the seed split a tenth.", style="dim"
            )
    if page:
        console.print(f"The whole comparison: {relative(page)}", highlight=False, soft_wrap=True)


def wide_console(**options) -> Console:
    """A console as wide as the terminal, and wide enough for a table where there is none."""
    from rich.console import Console

    console = Console(**options)
    return console if console.is_terminal else Console(**options | {"width": 160})


def _row(result: dict) -> list[str]:
    m, cost = result["metrics"], result["cost"]
    low, high = m["accuracy_low"], m["accuracy_high"]
    return [
        _cut(result["title"], 40),
        f"{PROTOCOLS[result['protocol']]}, {m['n']:,}",
        f"{100 * m['accuracy']:.1f} %",
        bar(low, high, m["accuracy"]),
        f"{100 * low:.0f} to {100 * high:.0f}",
        f"{m['f1_macro']:.3f}",
        clock(cost["train"]["seconds"]) if cost["train"] else "",
        "" if cost["latency_ms"] is None else f"{cost['latency_ms']:,.0f}",
    ]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
