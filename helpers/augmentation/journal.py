"""The append-only record of every answer that was asked for, accepted or rejected: one JSON object a line.

A line is on the disk before the next request is sent, so a runtime that dies loses the answer under way and nothing else.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from helpers.workspace import check, saving

FIELDS = (
    "task",
    "parent_id",
    "genre",
    "slot",
    "prompt_id",
    "provider",
    "model",
    "created_at",
    "title",
    "text",
    "status",
    "reason",
)
"""What every row holds; `tokens`, `note` and `close_to` come with it where they are known."""


def place_of(row: dict) -> tuple:
    """What an answer is an answer to: task, parent (or genre) and slot."""
    return row["task"], row["parent_id"] or row["genre"], row["slot"]


def key_of(row: dict) -> tuple:
    """What makes an answer this one and no other: its place, prompt and model."""
    return (*place_of(row), row["prompt_id"], row["model"])


def read_rows(path: Path) -> list[dict]:
    """Rows of a journal, in the order in which they were written; none where there is no journal in a workspace that is there.

    A half-written last line is passed over (`Journal` repairs it). Any other line that is no row is passed over and told.
    """
    path = Path(path)
    check(path)
    if not path.exists():
        return []
    *lines, tail = path.read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines, 1):
        row = _parse(line)
        if row is not None:
            rows.append(row)
        elif line.strip():
            print(f"{path.name}, line {number} is no journal row and was passed over.")
    if (row := _parse(tail)) is not None:
        rows.append(row)
    return rows


def _parse(line: bytes) -> dict | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if not isinstance(row, dict) or not all(field in row for field in FIELDS):
        return None
    as_written = all(isinstance(row[field], str) for field in _WORDS) and isinstance(row["slot"], int)
    return row if as_written and row["status"] in ("accepted", "rejected") else None


_ROOM = 256_000
"""Bytes: more than an answer."""
_WORDS = ("task", "genre", "prompt_id", "model", "title", "text", "status", "reason")


class Journal:
    """A journal open for writing, by one process of this machine at a time.

    Two Colab runtimes that share a Drive are two machines: run a notebook in one of them only.

        with Journal(path) as journal:
            journal.append(row)

    Attributes:
        path: the file.
        rows: everything it holds.
        keys: `key_of` each row.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self.rows: list[dict] = []
        self.keys: set[tuple] = set()
        # Beside the journal it would lie on Drive, whose file system need not know locks.
        name = hashlib.sha256(str(self.path.resolve()).encode()).hexdigest()[:16]
        self._lock = FileLock(Path(tempfile.gettempdir()) / f"journal-{name}.lock")
        self._file = None

    def __enter__(self) -> Journal:
        """Take the lock, repair the last line, read the rows.

        Raises:
            RuntimeError: another process is writing to this journal.
            DriveGone, DiskFull: there is no place to keep an answer.
        """
        check(self.path)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RuntimeError(
                f"Another notebook is writing to {self.path.name}. Stop that one (Runtime > Interrupt), or wait until it ends, "
                "and run this cell again."
            ) from None
        try:
            self._repair()
            self.rows = read_rows(self.path)
            self.keys = {key_of(row) for row in self.rows}
            self._keep_room()
            # Unbuffered: a row goes out in one write, so that a kill leaves it whole, half (repaired), or not begun.
            self._file = open(self.path, "ab", buffering=0)
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *error) -> None:
        self._file.close()
        self._lock.release()

    def append(self, row: dict) -> None:
        """Write one row and wait until the disk has it.

        Raises:
            ValueError: a field is missing, or this answer stands in the journal already.
            DriveGone, DiskFull: the row could not be written, and the journal is as it was; or it was, and there is no room for a next one.
        """
        missing = [field for field in FIELDS if field not in row]
        if missing:
            raise ValueError(f"A journal row needs {missing}.")
        if key_of(row) in self.keys:
            raise ValueError(f"{self.path.name} holds an answer for {key_of(row)} already.")
        line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
        with saving(self.path):
            before = os.fstat(self._file.fileno()).st_size
            try:
                while line:
                    line = line[self._file.write(line) :]
                os.fsync(self._file.fileno())
            except OSError:
                os.ftruncate(self._file.fileno(), before)
                raise
        self.rows.append(row)
        self.keys.add(key_of(row))
        self._keep_room()

    def _keep_room(self) -> None:
        """Stop before the next answer is paid for where there is no room to keep it."""
        with saving(self.path):
            if shutil.disk_usage(self.path.parent).free < _ROOM:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _repair(self) -> None:
        """End a whole last line that lacks its line end; move a half one to a file beside the journal."""
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        tail = content.rpartition(b"\n")[2]
        if not tail:
            return
        with open(self.path, "r+b") as file:
            if _parse(tail) is not None:
                file.seek(0, os.SEEK_END)
                file.write(b"\n")
            else:
                aside = self.path.with_name(self.path.name + ".half")
                with (
                    suppress(OSError),
                    open(aside, "ab") as kept,
                ):  # a full disk does not take it, and half an answer is of no use
                    kept.write(tail + b"\n")
                file.truncate(len(content) - len(tail))
                print(
                    f"{self.path.name}: the last line was half written ({len(tail)} bytes) and was moved to {aside.name}; "
                    "its answer is asked for again."
                )
            os.fsync(file.fileno())
