"""One run, on a worker: it gets a process of its own, is watched, and leaves its record.

The worker's thread does no more than beat, listen and, when the run is not wanted any more, kill. So a run may take all memory or crash
without taking the worker along; and when the worker itself is killed, the run's process ends with it (`process.py`).
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

from distributed import get_worker

from helpers import execution
from helpers.batches import remote
from helpers.batches.grid import Job
from helpers.batches.store import BEAT, Lease, RunFolder, is_local
from helpers.config import PROJECT


class RunFailed(Exception):
    """A run did not reach its end; the only argument is its record."""


def perform(job: Job, session: str) -> dict:
    """Execute one run, unless it is finished already.

    Args:
        job: the run; `job.source` names a file of its workspace, see `conduct.put_sources`.
        session: name of the command that hands out the runs; tries are counted within it.

    Returns:
        The run's record.

    Raises:
        RunFailed: the notebook failed, or the command that wanted the run is gone.
    """
    folder, wanted = RunFolder(job.workspace, job.slug), _wanted()
    lease = Lease(folder)
    if not lease.take(give_up=lambda: not wanted()):
        raise RunFailed({"state": "stopped"})
    try:
        if record := folder.finished(job.key):
            return record
        last = folder.read("record.json")
        tries = last.get("tries", 0) + 1 if last.get("session") == session else 1
        about = {"name": job.name, "key": job.key, "notebook": job.notebook, "parameters": job.parameters, "code": job.code}
        about |= {"session": session, "tries": tries, "worker": f"{socket.gethostname()}:{os.getpid()}", "started_at": _now()}
        record = about | _in_process(job, folder, lease, wanted)
        if record["state"] == "stopped":
            raise RunFailed(record)
        folder.write("record.json", record)
    finally:
        lease.give_back()
    if record["state"] == "failed":
        raise RunFailed(record)
    return record


def _in_process(job: Job, folder: RunFolder, lease: Lease, wanted) -> dict:
    """Run the notebook in a process of its own, beat while it is at it, and say how it ended."""
    begun, since = time.perf_counter(), time.time()
    workspace = Path(folder.path).parent.parent if is_local(job.workspace) else remote.copy_of(job.workspace)
    here = folder.local or Path(tempfile.mkdtemp(prefix="run-"))
    here.mkdir(parents=True, exist_ok=True)
    if folder.local is None:
        remote.fetch(job.workspace, workspace)
    source = folder.fs.cat_file(f"{folder.path.rsplit('/', 1)[0]}/{job.source}").decode()
    order = dataclasses.asdict(job) | {"source": source, "folder": str(here), "workspace": str(workspace)}
    environment = os.environ | job.environment | {"GRID_RUN": job.slug, "PYTHONPATH": _on_path(PROJECT)}
    with open(here / "log.txt", "a", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "helpers.batches.process"],
            cwd=PROJECT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            start_new_session=True,
        )  # fmt: skip
    heard = {}
    listener = threading.Thread(target=_listen, args=(process, json.dumps(order, default=str), heard), daemon=True)
    listener.start()
    stopped, beaten, shown = False, 0.0, None
    tell(job, cell=None)
    while process.poll() is None:
        if not wanted():
            stopped = True
            execution.stop_family(process.pid)
        if heard.get("cell") != shown:
            shown = heard.get("cell")
            tell(job, cell=shown)
        if time.monotonic() - beaten > BEAT:
            lease.beat(cell=shown)
            beaten = time.monotonic()
        time.sleep(0.1)
    listener.join(timeout=10)
    if folder.local is None:
        remote.send(workspace, job.workspace, since)
        folder.fs.put(f"{here}/", f"{folder.path}/", recursive=True)
        shutil.rmtree(here, ignore_errors=True)
    outcome = heard.get("outcome") or {
        "state": "failed",
        "error": {
            "kind": "dead process",
            "cell": None,
            "line": "",
            "name": "",
            "value": f"its process ended with status {process.returncode}",
        },
        "results": [],
    }
    if stopped:
        outcome["state"] = "stopped"
    return outcome | {"ended_at": _now(), "seconds": round(time.perf_counter() - begun, 2)}


def _listen(process, order: str, heard: dict) -> None:
    """Hand the process its order, and keep what it says: the cell it is at, and its outcome."""
    try:
        process.stdin.write(order)
        process.stdin.close()
    except BrokenPipeError:
        pass
    for line in process.stdout:
        if line.startswith("{"):
            heard.update(json.loads(line))


def _wanted():
    """A function that says whether the run's task is still wanted: not once the client that asked for it has gone."""
    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state != "cancelled"

    return wanted


def tell(job: Job, **about) -> None:
    """Tell whoever follows the grid how a run is getting on."""
    get_worker().log_event("grid", {"folder": job.folder, **about})


def _on_path(folder: Path) -> str:
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
