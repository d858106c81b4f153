"""What may happen to a notebook: it is killed again and again, its disk fills, its Drive goes. Then it is run again, and what it leaves is compared."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from differences import differences
from stage import Stage

DISK = 60_000_000
"""Bytes of the disk that fills."""


@dataclass
class Job:
    """A notebook, and what an undisturbed run of it found and left.

    Attributes:
        notebook: its name.
        before, after: workspaces.
        seconds: that the undisturbed run took.
        seed: of the moments.
    """

    notebook: str
    before: Path
    after: Path
    seconds: float
    seed: int

    def moments(self, what: str) -> random.Random:
        return random.Random(f"{self.notebook} {what} {self.seed}")

    def files(self) -> int:
        """How many files the undisturbed run wrote, about."""
        return max(
            3, sum(path.is_file() for path in self.after.rglob("*")) - sum(path.is_file() for path in self.before.rglob("*"))
        )


@dataclass
class Outcome:
    """What became of it.

    Attributes:
        what, notebook: what was done to which notebook.
        strokes: how often it was struck, by a kill, a full disk or a Drive that went.
        lives: how often it ran.
        wrong: differences from the undisturbed run, and errors that say something else than they should.
        steps, again, paid_twice: training steps; those that were done before; and among these those that a checkpoint held already.
        answers, lost: answers that a journal kept; and those that were given and not kept, because the kill came in between.
        asked_twice: bytes of kept answers that were asked for again.
        seconds: of all lives.
    """

    what: str
    notebook: str
    strokes: int = 0
    lives: int = 0
    wrong: list[str] = field(default_factory=list)
    steps: int = 0
    again: int = 0
    paid_twice: int = 0
    answers: int = 0
    lost: int = 0
    asked_twice: int = 0
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        return bool(self.wrong or self.paid_twice or self.asked_twice or self.lost > self.strokes)

    def count(self, events: list[str]) -> None:
        """Add up what a run was paid for, from the lines that `zygote` has it write."""
        done, saved, kept = {}, {}, set()
        for what, name, number in (event.split(" ") for event in events):
            if what == "step":
                self.steps += 1
                self.again += int(number) <= done.get(name, 0)
                self.paid_twice += int(number) <= saved.get(name, 0)
                done[name] = max(int(number), done.get(name, 0))
            elif what == "saved":
                saved[name] = int(number)
            else:
                size, _, key = number.partition(":")
                self.answers += 1
                self.asked_twice += int(size) * ((name, key) in kept)
                kept.add((name, key))


def kill(stage: Stage, job: Job, kills: int) -> Outcome:
    """Kill a notebook at random moments, half of them when a file has just been opened for writing; each life goes on where the last one was."""
    outcome, moments, workspace = Outcome("killed", job.notebook), job.moments("killed"), stage.folder / job.notebook
    shutil.copytree(job.before, workspace)
    given, begin = stage.groq.delivered, time.monotonic()
    while outcome.strokes < kills and outcome.lives < 4 * kills:
        if outcome.lives % 2:
            end = stage.live(job.notebook, workspace, die_at_write=moments.randint(1, max(2, job.files() // 2)))
        else:
            end = stage.live(job.notebook, workspace, after=moments.uniform(0, job.seconds), do=stage.kill)
        outcome.lives += 1
        outcome.strokes += end == "killed"
        if end not in ("done", "killed"):
            outcome.wrong.append(f"life {outcome.lives} ended with {end[:400]}")
            break
    return _end(stage, job, workspace, outcome, given, begin)


def fill_disk(stage: Stage, job: Job, times: int) -> Outcome:
    """Run a notebook on a disk that has room for part of what it writes; then make room, and run it again."""
    outcome, moments, disk = Outcome("disk full", job.notebook), job.moments("disk"), stage.folder / f"disk-{job.notebook}"
    given, begin = stage.groq.delivered, time.monotonic()
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "kills", str(disk)], check=True)
    try:
        workspace, ballast = disk / "ws", disk / "ballast"
        shutil.copytree(job.before, workspace)
        grows = sum(path.stat().st_size for path in job.after.rglob("*")) - sum(
            path.stat().st_size for path in job.before.rglob("*")
        )
        for _ in range(times):
            room = moments.randint(0, max(grows, 40_000))
            with open(ballast, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(disk).free - room))
            end = stage.live(job.notebook, workspace)
            ballast.unlink()
            outcome.lives += 1
            outcome.strokes += end != "done"
            if end != "done" and not (end.startswith("DiskFull: The disk is full: ws/") and " ws/ holds " in end):
                outcome.wrong.append(f"with room for {room} bytes it ended with {end[:400]}")
        _end(stage, job, workspace, outcome, given, begin)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)
    return outcome


def rename_drive(stage: Stage, job: Job, times: int) -> Outcome:
    """Rename the workspace while a notebook runs; then give it its name back, and run the notebook again."""
    outcome, moments = Outcome("Drive gone", job.notebook), job.moments("drive")
    workspace, elsewhere = stage.folder / f"drive-{job.notebook}", stage.folder / "elsewhere"
    shutil.copytree(job.before, workspace)
    given, begin = stage.groq.delivered, time.monotonic()
    for _ in range(times):
        moment = moments.uniform(0, max(0.5, job.seconds - 1))
        end = stage.live(job.notebook, workspace, after=moment, do=lambda pid: workspace.rename(elsewhere), once_open=True)
        outcome.lives += 1
        if not elsewhere.exists():
            continue
        outcome.strokes += 1
        if stray := [path for path in workspace.rglob("*") if path.is_file()]:
            outcome.wrong.append(f"it wrote {stray[0].relative_to(workspace)} where Drive had been")
        shutil.rmtree(workspace, ignore_errors=True)
        elsewhere.rename(workspace)
        if end != "done" and not end.startswith("DriveGone: Drive is gone, run the setup cell again"):
            outcome.wrong.append(f"it ended with {end[:400]}")
    return _end(stage, job, workspace, outcome, given, begin)


def _end(stage: Stage, job: Job, workspace: Path, outcome: Outcome, given: int, begin: float) -> Outcome:
    end = stage.live(job.notebook, workspace)
    outcome.lives += 1
    if end != "done":
        outcome.wrong.append(f"the last life ended with {end[:400]}")
    outcome.wrong += differences(job.after, workspace)
    outcome.count(Path(f"{workspace}.events").read_text().splitlines())
    outcome.lost = stage.groq.delivered - given - outcome.answers
    outcome.seconds = time.monotonic() - begin
    return outcome
