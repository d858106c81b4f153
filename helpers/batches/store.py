"""What a run leaves, in a folder of its own in its workspace: `runs/<name>-<key>/` on any path that fsspec knows.

`record.json` says whether it is finished, what it took, and why it failed; beside it lie the executed notebook and the log. `running.json` is
there while a worker is at it, so that no other starts the same run: a worker that was killed stops beating, and its run is free again.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from pathlib import Path

import fsspec
import psutil

BEAT = 2.0
"""Seconds between two beats of a run; three that fail to come mean that its worker is gone."""


class RunFolder:
    """The folder of one run.

    Args:
        workspace: folder, or an address that fsspec knows.
        slug: name of the run's folder.

    Attributes:
        local: the folder as a path, where it is on this machine's file system, else None.
    """

    def __init__(self, workspace: str, slug: str):
        self.fs, root = fsspec.core.url_to_fs(str(workspace))
        self.path = f"{root.rstrip('/')}/runs/{slug}"
        self.local = Path(self.path) if "file" in _protocols(self.fs) else None

    def read(self, name: str) -> dict:
        """Content of a JSON file; empty where there is none."""
        try:
            return json.loads(self.fs.cat_file(f"{self.path}/{name}"))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}

    def write(self, name: str, content: dict) -> None:
        """Write JSON so that a reader finds the old file or the new one, never half of one."""
        self.fs.makedirs(self.path, exist_ok=True)
        text = (json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n").encode()
        if self.local:
            part = self.local / f"{name}.{uuid.uuid4().hex[:8]}.tmp"
            part.write_bytes(text)
            os.replace(part, self.local / name)
        else:
            self.fs.pipe_file(f"{self.path}/{name}", text)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        try:
            self.fs.rm_file(f"{self.path}/{name}")
        except FileNotFoundError:
            pass

    def finished(self, key: str) -> dict:
        """The record of this very run, if it was run to its end in the workspace that is there; else empty."""
        record = self.read("record.json")
        if record.get("state") != "finished" or record.get("key") != key:
            return {}
        results = f"{self.path.rsplit('/runs/', 1)[0]}/results"
        kept = all(self.fs.exists(f"{results}/{r['approach']}/{r['protocol']}/metrics.json") for r in record["results"])
        return record if kept else {}


def is_local(workspace: str) -> bool:
    """Whether a workspace is a folder of this machine's file system (as a path or as `file://`)."""
    return "file" in _protocols(fsspec.core.url_to_fs(str(workspace))[0])


def _protocols(fs) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


class Lease:
    """The right to be at a run, kept by beats in its `running.json`.

    Beats are compared by whoever waits, by its own clock, so machines whose clocks differ agree. On the same machine a process
    that is gone is known to be gone at once.
    """

    def __init__(self, folder: RunFolder):
        self.folder, self.token, self.beats = folder, uuid.uuid4().hex, 0
        process = psutil.Process()
        self.owner = {"host": socket.gethostname(), "pid": process.pid, "born": process.create_time(), "token": self.token}

    def take(self, give_up=lambda: False) -> bool:
        """Wait until no living worker is at the run, and take it; False if `give_up()` became true meanwhile."""
        seen, since = None, time.monotonic()
        while not give_up():
            other = self.folder.read("running.json")
            if other.get("token") == self.token:
                return True
            if other != seen:
                seen, since = other, time.monotonic()
            if not other or _gone(other) or time.monotonic() - since > 3 * BEAT:
                self.beat()
                time.sleep(0.05)
            else:
                time.sleep(BEAT / 4)
        return False

    def beat(self, **about) -> None:
        """Say that the run is under way."""
        self.beats += 1
        self.folder.write("running.json", self.owner | {"beat": self.beats} | about)

    def give_back(self) -> None:
        """Leave the run to whoever comes next."""
        if self.folder.read("running.json").get("token") == self.token:
            self.folder.remove("running.json")


def _gone(other: dict) -> bool:
    """Whether a beat's process was of this machine and is there no more."""
    if other.get("host") != socket.gethostname():
        return False
    try:
        return psutil.Process(other["pid"]).create_time() != other["born"]
    except psutil.Error:
        return True
