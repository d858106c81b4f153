"""A grid on a real cluster, in processes of its own on loopback, and what becomes of it when parts of that are killed.

Written for: overnight runs of which nothing was left in the morning: one notebook had failed, or the machine that started them had gone.
"""

import csv
import json
import os
import signal

import nbformat
import psutil
import pytest
import yaml
from tiny_notebooks import marks

from helpers.batches import growth
from helpers.batches.cluster import connect
from helpers.batches.conduct import conduct, declared_resources, unmet
from helpers.batches.grid import read_grid


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder, start, until):
        self.folder, self.start, self.until, self.workers = folder, start, until, []
        self.begin()

    def begin(self):
        """Start a scheduler, at a new address."""
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        words = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file)
        self.scheduler = self.start("distributed.cli.dask_scheduler", *words)
        self.address = self.until(lambda: file.exists() and file.read_text() and json.loads(file.read_text())["address"])

    def add(self, *resources):
        """Start a worker."""
        words = (self.address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard", *resources)
        self.workers.append(self.start("distributed.cli.dask_worker", *words))


@pytest.fixture
def cluster(tmp_path, start, until):
    made = Cluster(tmp_path, start, until)
    for _ in range(2):
        made.add("--resources", "memory=8")
    return made


@pytest.fixture
def write_grid(notebooks):
    def write(*runs, **common):
        path = notebooks / "night.yaml"
        path.write_text(yaml.safe_dump({"workspace": "kept", "runs": list(runs), **common}))
        return path

    return write


def rows(notebooks) -> dict[str, dict]:
    with open(notebooks / "kept" / "runs" / "night.csv", newline="") as file:
        return {row["run"]: row for row in csv.DictReader(file)}


def steps(notebooks, number) -> list[str]:
    path = notebooks / "kept" / f"steps-{number}.txt"
    return path.read_text().split() if path.exists() else []


def kernel(notebooks, number) -> int:
    return int((notebooks / "kept" / f"pid-{number}.txt").read_text())


def log(notebooks, run) -> str:
    (path,) = (notebooks / "kept" / "runs").glob(f"*{run}-*/log.txt")
    return path.read_text()


def test_a_killed_worker_loses_nothing_but_its_run_under_way(cluster, notebooks, write_grid, start, until):
    path = write_grid(
        {"notebook": "steps.ipynb", "grid": {"NUMBER": [1, 2, 3]}, "needs": {"memory": 5}, "parameters": {"STEPS": 30}}
    )
    client = start("helpers.batches", "run", path, "--base", notebooks, "--cluster", cluster.address)
    until(lambda: len(steps(notebooks, 1)) >= 3)
    (beat,) = (notebooks / "kept" / "runs").glob("steps_STEPS=*NUMBER=1-*/running.json")
    victim, orphan = json.loads(beat.read_text())["pid"], kernel(notebooks, 1)
    os.kill(victim, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(orphan), 60)
    said, _ = client.communicate(timeout=600)
    assert client.returncode == 0, said
    assert {row["state"] for row in rows(notebooks).values()} == {"finished"} and len(rows(notebooks)) == 3
    assert [steps(notebooks, number) for number in (1, 2, 3)] == [list(map(str, range(30)))] * 3, "no step twice, none left out"
    assert log(notebooks, "NUMBER=1").splitlines()[0] == "from step 0" and "from step 0" not in log(notebooks, "NUMBER=1")[13:]
    assert rows(notebooks)["steps STEPS=30 NUMBER=1"]["worker"].split(":")[1] != str(victim)
    assert not list((notebooks / "kept" / "runs").glob("*/running.json"))


def test_a_killed_client_is_taken_up_where_it_was(notebooks, write_grid, start, until):
    path = write_grid(
        {"notebook": "steps.ipynb", "grid": {"NUMBER": [1, 2, 3]}, "parameters": {"STEPS": 8}},
        {"notebook": "good.ipynb", "after": "all"},
    )
    words = ("helpers.batches", "run", path, "--base", notebooks)
    client = start(*words)
    until(lambda: len(steps(notebooks, 2)) >= 3)
    under_way = kernel(notebooks, 2)
    os.kill(client.pid, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(under_way), 60)
    (first,) = (notebooks / "kept" / "runs").glob("steps_STEPS=*NUMBER=1-*/notebook.ipynb")
    executed = first.stat().st_mtime_ns
    again = start(*words)
    said, _ = again.communicate(timeout=600)
    assert again.returncode == 0, said
    states = {name.split()[0] + name[-1]: row["state"] for name, row in rows(notebooks).items()}
    assert [row["state"] for row in rows(notebooks).values()] == ["skipped", "finished", "finished", "finished"], states
    assert first.stat().st_mtime_ns == executed
    assert [steps(notebooks, number) for number in (1, 2, 3)] == [list(map(str, range(8)))] * 3
    assert log(notebooks, "NUMBER=2").count("from step") == 2
    third = start(*words)
    said, _ = third.communicate(timeout=600)
    assert third.returncode == 0 and "4 skipped" in said, said


def test_a_killed_scheduler_is_told_and_its_grid_taken_up_by_another(cluster, notebooks, write_grid, start, until):
    path = write_grid({"notebook": "steps.ipynb", "grid": {"NUMBER": [1, 2, 3]}, "parameters": {"STEPS": 25}})
    client = start("helpers.batches", "run", path, "--base", notebooks, "--cluster", cluster.address)
    until(lambda: len(steps(notebooks, 1)) >= 3)
    kernels = [kernel(notebooks, 1)]
    cluster.scheduler.kill()
    said, _ = client.communicate(timeout=600)
    assert client.returncode == 1 and "lost" in said and "Start the same command again" in said, said
    until(lambda: not any(map(psutil.pid_exists, kernels)), 60)
    cluster.begin()
    cluster.add("--resources", "memory=8")
    again = start("helpers.batches", "run", path, "--base", notebooks, "--cluster", cluster.address)
    said, _ = again.communicate(timeout=600)
    assert again.returncode == 0, said
    assert [steps(notebooks, number) for number in (1, 2, 3)] == [list(map(str, range(25)))] * 3


def test_a_failing_notebook_among_good_ones(notebooks, write_grid, start):
    path = write_grid(
        {"notebook": "bad.ipynb"},
        {"notebook": "dead.ipynb"},
        {"notebook": "late.ipynb", "execution_timeout": 2},
        {"notebook": "good.ipynb", "grid": {"NUMBER": [1, 2]}},
        {"notebook": "good.ipynb", "id": "never", "parameters": {"NUMBER": 3}, "after": "bad"},
        {"notebook": "good.ipynb", "id": "nor this", "parameters": {"NUMBER": 4}, "after": "never"},
    )
    grid = start("helpers.batches", "run", path, "--base", notebooks, "--workers", 2)
    said, _ = grid.communicate(timeout=600)
    assert grid.returncode == 1
    found = rows(notebooks)
    assert {name: row["state"] for name, row in found.items()} == {
        "bad": "failed", "dead": "failed", "late": "failed", "good NUMBER=1": "finished", "good NUMBER=2": "finished",
        "never": "not run", "nor this": "not run",
    }  # fmt: skip
    assert [found[name]["tries"] for name in ("bad", "dead", "late")] == ["2"] * 3 and found["good NUMBER=1"]["tries"] == "1"
    assert found["bad"]["error"] == "failed cell in cell 3 (numbers = [1]): IndexError: list index out of range"
    assert (
        "dead kernel in cell 2 (import os, signal)" in found["dead"]["error"] and "time-out in cell 2" in found["late"]["error"]
    )
    assert "failed: bad: failed cell in cell 3" in said and "not run: needs bad" in said
    (path,) = (notebooks / "kept" / "runs").glob("bad-*/notebook.ipynb")
    notebook = nbformat.read(path, as_version=4)
    assert marks(notebook) == [0, 3] and notebook.cells[2].outputs[0].text == "so far\n"


def test_memory_is_kept_to_and_what_no_worker_has_is_told(notebooks, write_grid, tmp_path):
    """Each job holds what it needs for a while and notes when; two that need more than a worker has together must not overlap."""

    def work(job, session):
        import time

        begun = time.time()
        time.sleep(0.5)
        return {"name": job.name, "key": job.key, "state": "finished", "results": [], "times": (begun, time.time())}

    def at_once(jobs, client):
        times = sorted(row["times"] for row in conduct(client, jobs, work=work, skip=False).rows.values())
        return any(first[1] > second[0] for first, second in zip(times, times[1:]))

    runs = {"notebook": "good.ipynb", "grid": {"NUMBER": [1, 2, 3]}}
    with connect(side_by_side=2) as client:
        (has,) = declared_resources(client)
        large, small = (
            read_grid(str(write_grid(runs, needs={"memory": has["memory"] * share})), notebooks) for share in (0.6, 0.4)
        )
        assert not at_once(large, client) and at_once(small, client)
        (first, *_) = unmet(read_grid(str(write_grid(runs, needs={"memory": 1e6})), notebooks), [has])
        assert first == f"good NUMBER=1 needs memory 1e+06; the most that a worker has is memory {has['memory']:.3g}."


@pytest.mark.parametrize("kind", growth.KINDS)
def test_what_a_run_costs_beyond_its_own_work_can_be_measured(kind):
    found = growth.measure(1, 1, kind)
    assert 0 < found["inside"] <= found["ms a run"] and found["skipped"] < found["seconds"] + 1
