"""What a run costs beyond its own work: simulated grids of short runs on a local cluster.

Two kinds of run: a function that does nothing but leave its record (the scheduler and the books alone), and a notebook of one line (a
process, papermill and a kernel besides).
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import nbformat

from helpers.batches.cluster import connect
from helpers.batches.conduct import conduct
from helpers.batches.grid import Job, code_version
from helpers.batches.store import RunFolder
from helpers.batches.work import perform

KINDS = ("function", "notebook")


def leave_record(job: Job, session: str) -> dict:
    """The shortest run: its record, and nothing else."""
    begun = time.perf_counter()
    record = {"name": job.name, "key": job.key, "state": "finished", "results": [], "error": None}
    RunFolder(job.workspace, job.slug).write("record.json", record)
    return record | {"seconds": time.perf_counter() - begun}


def simulated(count: int, workspace: Path) -> list[Job]:
    """So many runs of a notebook of one line, each with a parameter of its own."""
    cells = [
        nbformat.v4.new_code_cell("NUMBER = 0", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("print(NUMBER)"),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    source, code = nbformat.writes(notebook), code_version()
    jobs = []
    for number in range(count):
        jobs.append(
            Job(f"short NUMBER={number}", "short.ipynb", source, {"NUMBER": number}, str(workspace), f"{number:08d}", code)
        )
    return jobs


def measure(count: int, workers: int, kind: str) -> dict:
    """Run a simulated grid, and then the same again to see what skipping takes.

    Returns:
        `start`, the seconds until every worker is ready; `seconds` of the whole grid and milliseconds a run; the runs' own milliseconds
        `inside`, and `overhead` a run: the workers' time that was not spent inside runs; and `skipped`, the seconds of the second start.
    """
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, connect(workers=workers) as client:
        client.run(leave_record, simulated(1, Path(folder) / "first")[0], "")  # every worker has imported what runs need
        jobs, start = simulated(count, Path(folder)), time.perf_counter() - begun
        begun = time.perf_counter()
        following = conduct(client, jobs, work=perform if kind == "notebook" else leave_record)
        seconds = time.perf_counter() - begun
        if following.count("finished") != count:
            raise RuntimeError(f"{count - following.count('finished')} of {count} simulated runs failed.")
        inside = sum(row["seconds"] for row in following.rows.values())
        begun = time.perf_counter()
        conduct(client, jobs)
        busy = min(workers, count)
        return {
            "start": start,
            "seconds": seconds,
            "ms a run": 1000 * seconds / count,
            "inside": 1000 * inside / count,
            "overhead": 1000 * max(0.0, seconds * busy - inside) / count,
            "skipped": time.perf_counter() - begun,
        }


def main(sizes: list[int], workers: int, kind: str) -> int:
    """Print the table of `measure` for several sizes, in Markdown."""
    print(f"{workers} workers, runs of the kind {kind}\n")
    print("| runs | start | all together | a run, wall clock | inside a run | overhead a run | second start, all skipped |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for count in sizes:
        m = measure(count, workers, kind)
        print(
            f"| {count:,} | {m['start']:.1f} s | {m['seconds']:,.1f} s | {m['ms a run']:,.0f} ms | {m['inside']:,.0f} ms | "
            f"{m['overhead']:,.0f} ms | {m['skipped']:.2f} s |",
            flush=True,
        )
    return 0
