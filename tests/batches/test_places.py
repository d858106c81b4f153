"""What a run leaves behind, on any path; and one worker at a time at it.

Written for: a run that was taken for finished in a workspace that had been emptied, and one that two workers were at because the first was only slow.
"""

import json
import os
import subprocess
import sys
import threading
import time

import fsspec
import pytest

from helpers.batches import remote, store
from helpers.batches.store import Lease, RunFolder

FINISHED = {"state": "finished", "key": "k", "results": [{"approach": "words", "protocol": "five_fold"}]}


@pytest.fixture(params=["path", "file://", "memory://"])
def workspace(request, tmp_path):
    """A workspace on this machine's disk, as a path and as an address, and one on a file system of fsspec's."""
    yield str(tmp_path) if request.param == "path" else f"{request.param}{tmp_path}"
    if request.param == "memory://":
        fsspec.filesystem("memory").store.clear()


def test_a_record_comes_back(workspace):
    folder = RunFolder(workspace, "run-1")
    assert folder.read("record.json") == {} and folder.finished("k") == {}
    folder.write("record.json", {"state": "finished", "key": "k", "results": []})
    assert folder.finished("k")["state"] == "finished" and folder.finished("other") == {}
    assert RunFolder(workspace, "run-2").finished("k") == {}
    assert (folder.local is None) == workspace.startswith("memory")
    folder.remove("record.json")
    folder.remove("record.json")
    assert folder.read("record.json") == {}


def test_a_run_whose_results_are_gone_is_not_finished(workspace):
    folder = RunFolder(workspace, "run-1")
    folder.write("record.json", FINISHED)
    assert folder.finished("k") == {}
    fs, root = fsspec.core.url_to_fs(workspace)
    fs.makedirs(f"{root}/results/words/five_fold")
    fs.pipe_file(f"{root}/results/words/five_fold/metrics.json", b"{}")
    assert folder.finished("k") == FINISHED


def test_half_a_record_is_none(workspace):
    folder = RunFolder(workspace, "run-1")
    folder.write("record.json", FINISHED)
    folder.fs.pipe_file(f"{folder.path}/record.json", json.dumps(FINISHED).encode()[:20])
    assert folder.read("record.json") == {}


def test_a_run_belongs_to_one_until_it_gives_it_back(workspace, monkeypatch):
    monkeypatch.setattr(store, "BEAT", 0.2)
    folder, begun = RunFolder(workspace, "run-1"), time.monotonic()
    first, second = Lease(folder), Lease(folder)
    assert first.take() and first.take()
    assert not second.take(give_up=lambda: beating(first) or time.monotonic() - begun > 1.5), (
        "though it waits longer than three beats"
    )
    waiting = threading.Thread(target=second.take)
    waiting.start()
    first.give_back()
    waiting.join(timeout=10)
    assert folder.read("running.json")["token"] == second.token


def beating(lease):
    lease.beat()


def test_a_run_is_free_again_when_its_worker_beats_no_more(workspace, monkeypatch):
    monkeypatch.setattr(store, "BEAT", 0.2)
    folder, begun = RunFolder(workspace, "run-1"), time.monotonic()
    folder.write("running.json", Lease(folder).owner | {"host": "another machine", "beat": 3})
    assert Lease(folder).take() and time.monotonic() - begun > 0.5


def test_a_dead_process_of_this_machine_holds_nothing(workspace):
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    folder, begun = RunFolder(workspace, "run-1"), time.monotonic()
    folder.write("running.json", Lease(folder).owner | {"pid": process.pid, "token": "gone"})
    assert Lease(folder).take() and time.monotonic() - begun < store.BEAT


def test_a_remote_workspace_is_fetched_and_sent_back(tmp_path):
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/bucket/ws/stories.parquet", b"stories")
    fs.pipe_file("/bucket/ws/results/words/five_fold/metrics.json", b"{}")
    fs.pipe_file("/bucket/ws/runs/other/record.json", b"{}")
    copy = tmp_path / "copy"
    try:
        assert remote.fetch("memory://bucket/ws", copy) == 2 and remote.fetch("memory://bucket/ws", copy) == 0
        assert (copy / "stories.parquet").read_bytes() == b"stories" and not (copy / "runs").exists()
        begun = time.time()
        os.utime(copy / "stories.parquet", (begun - 9, begun - 9))
        os.utime(copy / "results" / "words" / "five_fold" / "metrics.json", (begun - 9, begun - 9))
        (copy / "training" / "a").mkdir(parents=True)
        (copy / "training" / "a" / "checkpoint.bin").write_bytes(b"weights")
        assert remote.send(copy, "memory://bucket/ws", begun - 1) == 1
        assert fs.cat_file("/bucket/ws/training/a/checkpoint.bin") == b"weights"
        fs.pipe_file("/bucket/ws/stories.parquet", b"other stories")
        assert remote.fetch("memory://bucket/ws", copy) >= 1 and (copy / "stories.parquet").read_bytes() == b"other stories"
    finally:
        fs.store.clear()
