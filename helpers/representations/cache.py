"""Vectors of texts, kept in the workspace: computed once, looked up by what computes them and by the text.

Each way of computing them has a file, to which records of one size are appended: the text's hash and its vector. So a lookup reads what it asks for
and nothing else, and nothing is written twice. The file's first line says how many records there are; it is written last, so a block that was cut off
by a kill or a full disk is not there at all, and is computed again as it was: a vector depends, in its last digit, on what it was encoded beside.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock

from helpers.measuring import progress_line
from helpers.runtime import Run
from helpers.workspace import check, read_whole, saving, whole


def kept_vectors(
    run: Run, name: str, pieces: list[str], encode: Callable[[list[str]], np.ndarray], block: int = 1000, add: bool = True
) -> dict[str, np.ndarray]:
    """Vectors of texts, from the workspace where they were computed before; what is new is saved block by block.

    Args:
        run: the running notebook; its workspace holds the cache.
        name: what computes the vectors; with the run's number type and a text's hash the key.
        pieces: distinct texts.
        encode: function of a list of texts that returns a float array (texts, dimensions).
        block: texts that are encoded before they are saved.
        add: whether what is new is kept. Texts of which more are to come are only looked up, lest a run that was cut off encodes them beside others, and
            keeps other vectors, than one that was not.

    Raises:
        DriveGone, DiskFull: see `helpers.workspace`.
    """
    file = run.workspace / "embeddings" / (hashlib.sha256(f"{name} {run.dtype}".encode()).hexdigest()[:16] + ".vectors")
    kept = _open(file)
    kept.refresh()
    keys = [hashlib.sha256(piece.encode()).hexdigest()[:32].encode() for piece in pieces]
    missing = [(key, piece) for key, piece in zip(keys, pieces) if key not in kept.places]
    fresh: dict[bytes, np.ndarray] = {}
    begin = told = time.perf_counter()
    for start in range(0, len(missing), block):
        new, texts = zip(*missing[start : start + block])
        if not add:
            fresh |= zip(new, encode(list(texts)))
            continue
        kept.append(new, encode(list(texts)))
        now = time.perf_counter()
        if now - told > 60:
            told = now
            done = start + len(new)
            print(progress_line(done, len(missing), now - begin, f"texts through {name.split('/')[-1]}"))
    held = [key for key in keys if key not in fresh]
    found = fresh | dict(zip(held, kept.read(held) if held else []))
    return {piece: found[key] for piece, key in zip(pieces, keys)}


class _Records:
    """A file of records: a line of JSON (what a vector looks like, how many there are), then keys (32 bytes) and vectors in turn.

    Attributes:
        places: number of each key's record, of those that this process knows.
    """

    def __init__(self, file: Path):
        self.file, self.places, self._last = file, {}, (0, b"")
        # Beside the file it would lie on Drive, whose file system need not know locks.
        name = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:16]
        self._lock = FileLock(Path(tempfile.gettempdir()) / f"vectors-{name}.lock")

    def refresh(self) -> None:
        """Learn what stands in the file by now, whoever wrote it; an earlier version of this project left an `.npz`, which is taken over."""
        check(self.file)
        if not self.file.exists() and self.file.with_suffix(".npz").exists():
            with self._lock:  # another process may just have done it, and have added to it since
                if not self.file.exists() and (older := read_whole(self.file.with_suffix(".npz"), self._read_npz)):
                    with whole(self.file) as part:
                        _append(part, *older)
        keys = _read(self.file)["key"]
        known, last = self._last
        if len(keys) < known or (known and keys[known - 1] != last):  # somebody removed the file, or put another in its place
            self.places, known = {}, 0
        self.places |= zip(keys[known:].tolist(), range(known, len(keys)))
        self._last = (len(keys), keys[-1] if len(keys) else b"")

    def _read_npz(self) -> tuple[np.ndarray, np.ndarray] | None:
        with np.load(self.file.with_suffix(".npz"), allow_pickle=False) as stored:
            return (stored["keys"].astype("S32"), stored["vectors"]) if len(stored["keys"]) else None

    def append(self, keys: tuple[bytes, ...], vectors: np.ndarray) -> None:
        """Write records, and wait until the disk has them."""
        with saving(self.file), self._lock:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            _append(self.file, keys, vectors)
        self.refresh()

    def read(self, keys: list[bytes]) -> np.ndarray:
        """Vectors of known keys, one a row."""
        vectors = _read(self.file)["vector"]
        check(self.file)  # where Drive is gone, nothing was read
        return vectors[[self.places[key] for key in keys]]


_open = functools.cache(_Records)


def _read(file: Path) -> np.ndarray:
    """The records of a file, as a structured array that is read where it is looked at; none where there is no file."""
    with contextlib.suppress(FileNotFoundError, ValueError), open(file, "rb") as stream:
        head = json.loads(stream.readline())
        record = np.dtype([("key", "S32"), ("vector", head["dtype"], tuple(head["shape"]))])
        start, end = stream.tell(), os.fstat(stream.fileno()).st_size
        if count := min(head["records"], (end - start) // record.itemsize):
            return np.memmap(stream, record, "r", start, (count,))
    return np.empty(0, [("key", "S32"), ("vector", "f4")])


def _append(file: Path, keys, vectors: np.ndarray) -> None:
    """Put records at the end of a file, in place of what a kill or a full disk left of others."""
    kept = _read(file)
    records = np.empty(len(keys), kept.dtype if len(kept) else [("key", "S32"), ("vector", vectors.dtype, vectors.shape[1:])])
    records["key"], records["vector"] = keys, vectors
    head = {"dtype": vectors.dtype.str, "shape": vectors.shape[1:], "records": len(kept) + len(records)}
    file.touch()
    with open(file, "r+b") as stream:
        stream.truncate(_HEAD + kept.nbytes)
        stream.seek(0, os.SEEK_END)
        stream.write(records.tobytes())
        stream.flush()
        os.fsync(stream.fileno())
        stream.seek(0)
        stream.write(json.dumps(head).encode().ljust(_HEAD - 1) + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


_HEAD = 128
"""Bytes of the first line: it is written again in place."""
