"""Vectors of texts, kept in the workspace: computed once, looked up by what computes them and by the text."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import numpy as np

from helpers.measuring import progress_line
from helpers.runtime import Run
from helpers.workspace import read_whole, whole


def kept_vectors(run: Run, name: str, pieces: list[str], encode, block: int = 1000, add: bool = True) -> dict[str, np.ndarray]:
    """Vectors of texts, from the workspace where they were computed before; what is new is saved block by block.

    Args:
        run: the running notebook; its workspace holds the cache.
        name: what computes the vectors; with the run's number type and a text's hash the key.
        pieces: distinct texts.
        encode: function of a list of texts that returns a float array (texts, dimensions).
        block: texts that are encoded before the cache is saved again.
        add: whether what is new is kept. A vector depends, in its last digit, on what it was encoded beside; so texts of which more are to come are only
            looked up, lest a run that was cut off keeps other vectors than one that was not.
    """
    file = run.workspace / "embeddings" / (hashlib.sha256(f"{name} {run.dtype}".encode()).hexdigest()[:16] + ".npz")
    known: dict[str, np.ndarray] = read_whole(file, lambda: _read(file)) or {}
    keys = {piece: hashlib.sha256(piece.encode()).hexdigest()[:32] for piece in pieces}
    missing = [piece for piece in pieces if keys[piece] not in known]
    begin = told = time.perf_counter()
    for start in range(0, len(missing), block):
        some = missing[start : start + block]
        known |= zip((keys[piece] for piece in some), encode(some))
        if not add:
            continue
        with whole(file) as part, open(part, "wb") as opened:
            np.savez(opened, keys=np.array(list(known)), vectors=np.stack(list(known.values())))
        now = time.perf_counter()
        if now - told > 60:
            told = now
            done = start + len(some)
            print(progress_line(done, len(missing), now - begin, f"texts through {name.split('/')[-1]}"))
    return {piece: known[keys[piece]] for piece in pieces}


def _read(file: Path) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as stored:
        return dict(zip(stored["keys"].tolist(), stored["vectors"], strict=True))
