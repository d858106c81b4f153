"""Run a grid of notebooks, on this machine or on a Dask cluster.

Usage:
    python -m helpers.batches run grids/tiny.yaml
    python -m helpers.batches run grids/recorded.yaml --cluster tcp://10.0.0.1:8786 -p STORIES_CSV stories.csv
    python -m helpers.batches list grids/recorded.yaml
    python -m helpers.batches growth --sizes 1 10 100 1000
"""

from __future__ import annotations

import argparse
import re
import signal
import sys

from helpers import parameters
from helpers.batches import cluster, growth, report
from helpers.batches.conduct import FAILED, FINISHED, LOST, SKIPPED, UNMET, Following, conduct, declared_resources, unmet
from helpers.batches.grid import Job, read_grid
from helpers.batches.store import RunFolder
from helpers.terminal import clock, wide_console


def run(arguments: argparse.Namespace) -> int:
    """Run a grid; 0 if every run is finished."""
    jobs = _read(arguments)
    console = wide_console()
    table_at = f"{_shared_folder(jobs)}/runs/{re.split(r'[/.]', arguments.grid.rstrip('/'))[-2]}.csv"
    with cluster.connect(arguments.cluster, arguments.workers, arguments.side_by_side) as client:
        declared = declared_resources(client)
        if sentences := unmet(jobs, declared):
            if not arguments.cluster:
                raise ValueError(f"{sentences[0]} Take fewer workers, or a machine with more of it.")
            console.print(*sentences, sep="\n", soft_wrap=True)
        where = arguments.cluster or f"this machine, {cluster.cores()} cores"
        console.print(f"{len(jobs)} runs on {where}: {_described(declared)}", highlight=False, soft_wrap=True)
        console.print(f"dashboard {cluster.dashboard(client)}", highlight=False, soft_wrap=True)
        following = Following({})
        with report.Screen(console) as screen:

            def show(now: Following, row: dict | None) -> None:
                nonlocal following
                following = now
                screen.show(now, row)

            try:
                conduct(client, jobs, show)
            except KeyboardInterrupt:
                console.print("Stopped. Runs under way are resumed by the same command; finished ones are skipped.")
    return _close(following, table_at, console)


def _close(following: Following, table_at: str, console) -> int:
    """Print the table and what failed, and write the CSV."""
    console.print(report.table(following))
    for job, row in report.in_order(following):
        if row["state"] == FAILED:
            console.print(
                f"failed: {row['name']}: {report.failure(row['error'])}",
                style="red",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
            console.print(f"        {job.folder}/notebook.ipynb", highlight=False, soft_wrap=True)
    report.write_csv(following, table_at)
    counts = {state: following.count(state) for state in (FINISHED, SKIPPED, FAILED, UNMET, LOST)}
    open_still = len(following.jobs) - len(following.rows)
    said = [f"{count} {state}" for state, count in (counts | {"not ended": open_still}).items() if count]
    took = clock(report.time.monotonic() - following.begun)
    console.print(f"{', '.join(said)} in {took}; the table is {table_at}", highlight=False, soft_wrap=True)
    if counts[LOST] or open_still:
        console.print("Start the same command again: finished runs are skipped, the others go on from their checkpoints.")
    return int(counts[FINISHED] + counts[SKIPPED] != len(following.jobs))


def list_runs(arguments: argparse.Namespace) -> int:
    """Print the runs of a grid, and which of them are finished."""
    for job in _read(arguments):
        print(
            f"{'finished' if RunFolder(job.workspace, job.slug).finished(job.key) else 'open':<9} {job.name}   {job.workspace}"
        )
    return 0


def _read(arguments: argparse.Namespace) -> list[Job]:
    return read_grid(arguments.grid, arguments.base, parameters.given(arguments), arguments.execution_timeout)


def _shared_folder(jobs: list[Job]) -> str:
    """The folder in which all workspaces lie: where the table goes."""
    parts = [job.workspace.split("/") for job in jobs]
    shared = []
    for level in zip(*parts):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return "/".join(shared)


def _described(declared: list[dict]) -> str:
    if not declared:
        return "no worker yet"
    kinds = [
        ", ".join(f"{name} {amount:.3g}" for name, amount in sorted(had.items())) or "nothing declared" for had in declared
    ]
    return "; ".join(f"{kinds.count(kind)} worker{'s' * (kinds.count(kind) > 1)} ({kind})" for kind in dict.fromkeys(kinds))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m helpers.batches", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (("run", "run a grid"), ("list", "show the runs of a grid and which are finished")):
        command = commands.add_parser(name, help=what)
        command.add_argument("grid", help="a YAML file, see grids/README.md")
        parameters.add_arguments(command)
    command = commands.choices["run"]
    command.add_argument("--cluster", help="tcp://host:port of a Dask scheduler; without it, this machine")
    command.add_argument("--workers", type=int, default=1, help="workers on this machine (1)")
    command.add_argument(
        "--side-by-side", type=int, default=1, help="runs at once on each of them, if their memory suffices (1)"
    )
    growing = commands.add_parser("growth", help="measure what a run costs beyond its own work")
    growing.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 100, 1000])
    growing.add_argument("--workers", type=int, default=2)
    growing.add_argument("--kind", choices=growth.KINDS, default="function")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a batch system's word for Ctrl-C
    try:
        if arguments.command == "growth":
            return growth.main(arguments.sizes, arguments.workers, arguments.kind)
        return {"run": run, "list": list_runs}[arguments.command](arguments)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
