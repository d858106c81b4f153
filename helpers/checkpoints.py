"""Which checkpoints of a training that was cut off are whole: a runtime can die, and a disk fill, while one is written."""

from __future__ import annotations

import json
import shutil
import struct
import zipfile
from pathlib import Path

from helpers.workspace import in_words, size_of

STATE = "trainer_state.json"
"""What the trainer writes last: the step, the log so far, and the states of its callbacks."""
_NEEDED = (STATE, "optimizer.pt", "scheduler.pt", "rng_state.pth")


def last_whole(folder: Path) -> Path | None:
    """The last checkpoint that a training can go on from; the half ones are removed and told.

    A checkpoint counts only where the one that it calls the best so far is whole too: the training ends by loading that one.
    """
    found = sorted(folder.glob("checkpoint-*"), key=_step)
    kept = {path.name for path in found if not (fault := fault_of(path)) or _remove(path, fault)}
    for path in reversed(found):
        if path.name in kept and _best_of(path) in (None, *kept):
            return path
    return None


def fault_of(checkpoint: Path) -> str:
    """What is missing from a checkpoint or is shorter than it says; empty if it is whole."""
    names = {path.name for path in checkpoint.iterdir()}
    if missing := [name for name in _NEEDED if name not in names]:
        return f"{missing[0]} is missing"
    if not any(name.endswith((".safetensors", ".safetensors.index.json")) for name in names):
        return "its weights are missing"
    return next((f"{path.name} is cut short" for path in sorted(checkpoint.rglob("*")) if not is_whole(path)), "")


def is_whole(file: Path) -> bool:
    """Whether a file of JSON, of safetensors or of torch's own format has all that it says it has; any other file is taken for whole."""
    try:
        if file.suffix == ".json":
            json.loads(file.read_text(encoding="utf-8"))
        elif file.suffix == ".safetensors":
            with open(file, "rb") as opened:
                (length,) = struct.unpack("<Q", opened.read(8))
                header = json.loads(opened.read(length))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
            return file.stat().st_size == 8 + length + max(ends, default=0)
        elif file.suffix in (".pt", ".pth"):
            with zipfile.ZipFile(file) as archive:
                return archive.testzip() is None
    except (OSError, ValueError, KeyError, TypeError, struct.error, zipfile.BadZipFile, MemoryError, OverflowError):
        return False
    return True


def remove_all(folder: Path) -> int:
    """Remove a finished training's checkpoints; returns the bytes that they occupied."""
    freed = 0
    for path in folder.glob("checkpoint-*"):
        freed += size_of(path)
        shutil.rmtree(path, ignore_errors=True)
    return freed


def _step(path: Path) -> int:
    number = path.name.rpartition("-")[2]
    return int(number) if number.isdigit() else -1


def _best_of(checkpoint: Path) -> str | None:
    best = json.loads((checkpoint / STATE).read_text(encoding="utf-8")).get("best_global_step")
    return f"checkpoint-{best}" if best else None


def _remove(checkpoint: Path, fault: str) -> bool:
    """Remove a checkpoint that was half written, told; returns False, for it is not kept."""
    print(
        f"{checkpoint.name} of {checkpoint.parent.name} was half written ({fault}) and was removed, {in_words(size_of(checkpoint))}."
    )
    shutil.rmtree(checkpoint, ignore_errors=True)
    return False
