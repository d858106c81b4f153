"""Hand the runs of a grid to a cluster, follow them, and end with one row for each."""

from __future__ import annotations

import hashlib
import queue
import time
import uuid
from dataclasses import dataclass, field, replace

import fsspec
from distributed import Client
from distributed.client import Future
from distributed.scheduler import KilledWorker

from helpers.batches.grid import Job
from helpers.batches.store import RunFolder
from helpers.batches.work import RunFailed, perform

FINISHED, SKIPPED, FAILED, UNMET, LOST = "finished", "skipped", "failed", "not run", "lost"
"""How a run stands in the end: run now; finished before; failed twice; a run that it needs failed; or the cluster went away."""


@dataclass
class Following:
    """Where a grid is.

    Attributes:
        jobs: all its runs, by folder.
        rows: how those that have ended stand, by folder: the record, and `state`.
        cells: the runs under way, by folder: when they began, and `(cell, cells)`.
        waits: why nothing can be handed out, where that is so.
    """

    jobs: dict[str, Job]
    rows: dict[str, dict] = field(default_factory=dict)
    cells: dict[str, tuple] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)
    waits: str = ""

    def count(self, *states: str) -> int:
        """How many runs stand so."""
        return sum(row["state"] in states for row in self.rows.values())


def conduct(client: Client, jobs: list[Job], show=lambda following, row: None, work=perform, skip: bool = True) -> Following:
    """Run what is not finished yet, each run once those that it needs are finished.

    Args:
        client: of any Dask cluster.
        jobs: in the order in which they should come, each after those that it needs.
        show: called with where the grid is, twice a second, and with the row of a run when it has ended.
        work: what a worker does with a run; called as `work(job, session)`, returns its record.
        skip: leave out what is finished already.

    Returns:
        Where the grid is in the end: every run has a row.
    """
    following, session = Following({job.folder: job for job in jobs}), uuid.uuid4().hex
    ended: queue.Queue[Future] = queue.Queue()
    futures: dict[str, tuple[str, Future]] = {}
    needs = {job.folder: set(job.after) & set(following.jobs) for job in jobs}
    followers: dict[str, list[str]] = {}
    for job in jobs:
        for folder in needs[job.folder]:
            followers.setdefault(folder, []).append(job.folder)
    ranks, declared = {job.folder: place for place, job in enumerate(jobs)}, declared_resources(client)

    def hand_out(job: Job):
        wanted = {name: amount for name, amount in job.needs.items() if not declared or any(name in had for had in declared)}
        rank = ranks[job.folder]
        task = f"{job.slug}-{rank}-{session[:8]}"
        future = client.submit(work, job, session, key=task, resources=wanted, retries=1, priority=-rank, pure=False)
        futures[task] = job.folder, future
        future.add_done_callback(ended.put)

    def end(folder: str, row: dict):
        following.rows[folder] = row
        following.cells.pop(folder, None)
        show(following, row)
        good = row["state"] in (FINISHED, SKIPPED)
        for other in followers.get(folder, []):
            needs[other].discard(folder)
            if not good and other not in following.rows:
                end(other, _about(following.jobs[other], UNMET, f"needs {following.jobs[folder].name}"))
            elif good and not needs[other] and ready is not None and other not in following.rows:
                ready.append(following.jobs[other])

    ready = None
    if skip:
        for job in jobs:  # a run is finished only if those that it needs are: its key holds theirs
            if record := RunFolder(job.workspace, job.slug).finished(job.key):
                end(job.folder, record | {"state": SKIPPED})
    left = [job for job in jobs if job.folder not in following.rows]
    if work is perform:
        left = put_sources(left)
        following.jobs |= {job.folder: job for job in left}
    client.subscribe_topic("grid", lambda event: _hear(following, event[1]))
    ready = [job for job in left if not needs[job.folder]]
    while ready or futures:
        while ready:
            hand_out(ready.pop(0))
        try:
            future = ended.get(timeout=0.5)
        except queue.Empty:
            following.waits = "" if client.status == "running" else "the scheduler does not answer"
            show(following, None)
            continue
        folder, _ = futures.pop(future.key)
        row = _row(future, following.jobs[folder])
        if row["state"] == LOST:
            break
        end(folder, row)
    for folder in [folder for folder in following.jobs if folder not in following.rows]:
        end(folder, _about(following.jobs[folder], LOST, "the scheduler is gone"))
    return following


def put_sources(jobs: list[Job]) -> list[Job]:
    """Put each notebook into the workspaces of its runs, once, and leave its name in the runs: it need not travel with each of them."""
    put, there = [], set()
    for job in jobs:
        name = f"sources/{hashlib.sha256(job.source.encode()).hexdigest()[:16]}.ipynb"
        if (job.workspace, name) not in there:
            there.add((job.workspace, name))
            fs, root = fsspec.core.url_to_fs(job.workspace)
            fs.makedirs(f"{root}/runs/sources", exist_ok=True)
            fs.pipe_file(f"{root}/runs/{name}", job.source.encode())
        put.append(replace(job, source=name))
    return put


def declared_resources(client: Client) -> list[dict]:
    """The resources of every worker, as it declared them."""

    def of_workers(dask_scheduler) -> list[dict]:
        return [dict(worker.resources) for worker in dask_scheduler.workers.values()]

    return client.run_on_scheduler(of_workers)


def unmet(jobs: list[Job], declared: list[dict]) -> list[str]:
    """One sentence for each run that asks for more than any worker has; resources that no worker declares are not asked for."""
    known = {name for had in declared for name in had}
    sentences = []
    for job in jobs:
        asked = {name: amount for name, amount in job.needs.items() if name in known}
        if declared and not any(all(had.get(name, 0) >= amount for name, amount in asked.items()) for had in declared):
            most = ", ".join(f"{name} {max(had.get(name, 0) for had in declared):.3g}" for name in asked)
            wants = ", ".join(f"{name} {amount:g}" for name, amount in asked.items())
            sentences.append(f"{job.name} needs {wants}; the most that a worker has is {most}.")
    return sentences


def _hear(following: Following, about: dict) -> None:
    folder = about["folder"]
    if folder in following.jobs and folder not in following.rows:
        began, _ = following.cells.get(folder, (time.monotonic(), None))
        following.cells[folder] = began, about["cell"]


def _about(job: Job, state: str, why: str) -> dict:
    return {
        "name": job.name,
        "key": job.key,
        "state": state,
        "error": {"kind": state, "cell": None, "line": "", "name": "", "value": why},
    }


def _row(future: Future, job: Job) -> dict:
    """How a run that has ended stands."""
    if future.status == "finished":
        return future.result() | {"state": FINISHED}
    if future.status != "error":
        return {"state": LOST}
    error = future.exception()
    if isinstance(error, RunFailed):
        return error.args[0] | {"state": FAILED if error.args[0]["state"] == "failed" else LOST}
    if isinstance(error, KilledWorker):
        return _about(job, FAILED, "its worker died under it, again and again; most often for lack of memory")
    return _about(job, FAILED, f"{type(error).__name__}: {error}")
