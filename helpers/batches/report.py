"""What one sees of a grid: a live line, a line for each run that ends, and the table of all, also as CSV."""

from __future__ import annotations

import csv
import io
import time

import fsspec
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from helpers.batches.conduct import FAILED, FINISHED, LOST, SKIPPED, UNMET, Following
from helpers.batches.grid import Job
from helpers.execution import RAISED
from helpers.terminal import clock, wide_console

_COLOURS = {FINISHED: "green", SKIPPED: "dim", FAILED: "red", UNMET: "yellow", LOST: "yellow"}


class Screen:
    """Follows a grid on a terminal, as `conduct` wants it: `with Screen() as screen: conduct(..., show=screen.show)`.

    Where the output is no terminal, there is no live line, and each run gets a line when it ends.
    """

    def __init__(self, console: Console | None = None):
        self.console = console or wide_console()
        self.live = Live(console=self.console, transient=True, auto_refresh=False)

    def __enter__(self) -> Screen:
        self.live.__enter__()
        return self

    def __exit__(self, *stopped) -> None:
        self.live.__exit__(*stopped)

    def show(self, following: Following, row: dict | None) -> None:
        """Print a run that has ended, and bring the live line up to date."""
        if row and row["state"] != SKIPPED:
            done = f"[{len(following.rows):>{len(str(len(following.jobs)))}} of {len(following.jobs)}]"
            self.console.print(
                Text.assemble((f"{done} ", "dim"), (row["state"], _COLOURS[row["state"]]), f"  {told(row)}"), soft_wrap=True
            )
        if self.console.is_terminal:
            self.live.update(Text(live_line(following), overflow="ellipsis", no_wrap=True), refresh=True)


def live_line(following: Following) -> str:
    """Where a grid is, in one line."""
    now, count = time.monotonic(), len(following.jobs)
    parts = [f"{following.count(FINISHED, SKIPPED)} of {count} finished"]
    if wrong := following.count(FAILED, UNMET):
        parts.append(f"{wrong} failed")
    for folder, (began, cell) in list(following.cells.items())[:4]:
        where = f", cell {cell[0]} of {cell[1]}" if cell else ""
        parts.append(f"{following.jobs[folder].name} ({clock(now - began)}{where})")
    return "   ".join([*parts, *filter(None, [following.waits]), f"{clock(now - following.begun)} so far"])


def told(row: dict) -> str:
    """A run that has ended, in one line: its name, what it took, its results or its error."""
    took = f"  {clock(row['seconds'])}" if "seconds" in row else ""
    return f"{row['name']}{took}  {failure(row['error']) if row.get('error') else reached(row, 3)}".rstrip()


def reached(row: dict, most: int | None = None) -> str:
    """The results of a run, five folds before the seed split and the best first; of more than `most` the rest is counted."""
    results = sorted(row.get("results", []), key=lambda r: (r["protocol"], -r["metrics"]["accuracy"]))
    said = [f"{r['title']}, {r['protocol'].replace('_', ' ')} {100 * r['metrics']['accuracy']:.1f} %" for r in results]
    return "; ".join(said[:most] + ([f"and {len(said) - most} more"] if most and len(said) > most else []))


def failure(error: dict) -> str:
    """What a run failed with: kind, cell, and the error itself."""
    where = f" in cell {error['cell']} ({error['line']})" if error["cell"] else ""
    what = f"{error['name']}: {error['value']}" if error["kind"] == RAISED else error["value"]
    return f"{error['kind']}{where}: {what}".rstrip(": ")


def table(following: Following) -> Table:
    """Every run of a grid: how it stands, what it took, and what came of it."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for heading, side in (
        ("run", "left"),
        ("", "left"),
        ("time", "right"),
        ("peak GB", "right"),
        ("tries", "right"),
        ("results", "left"),
    ):
        shown.add_column(heading, justify=side, overflow="fold" if heading in ("run", "results") else "ellipsis")
    for _, row in in_order(following):
        numbers = [clock(row["seconds"]) if "seconds" in row else "", f"{row['peak_gb']:.1f}" if row.get("peak_gb") else ""]
        state = f"[{_COLOURS[row['state']]}]{row['state']}[/]"
        shown.add_row(
            escape(row["name"]), state, *numbers, str(row.get("tries", "")), escape("" if row.get("error") else reached(row, 3))
        )
    return shown


def in_order(following: Following) -> list[tuple[Job, dict]]:
    """The runs that have ended, in the order of the grid, and how they stand."""
    return [(job, following.rows[folder]) for folder, job in following.jobs.items() if folder in following.rows]


def write_csv(following: Following, path: str) -> None:
    """The table as CSV, one row a run and one column a parameter, at a path or an address."""
    names = sorted({name for job in following.jobs.values() for name in job.parameters})
    columns = [
        "run",
        "state",
        "notebook",
        *names,
        "workspace",
        "folder",
        "seconds",
        "peak_gb",
        "tries",
        "worker",
        "started_at",
        "results",
        "error",
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    for job, row in in_order(following):
        about = {
            "run": job.name,
            "state": row["state"],
            "notebook": job.notebook,
            "workspace": job.workspace,
            "folder": f"runs/{job.slug}",
        }
        taken = {name: row.get(name) for name in ("seconds", "peak_gb", "tries", "worker", "started_at")}
        ended = {
            "results": "" if row.get("error") else reached(row),
            "error": failure(row["error"]) if row.get("error") else "",
        }
        writer.writerow(about | job.parameters | taken | ended)
    fs, place = fsspec.core.url_to_fs(path)
    fs.makedirs(place.rsplit("/", 1)[0], exist_ok=True)
    fs.pipe_file(place, text.getvalue().encode())
