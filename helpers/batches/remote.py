"""A workspace that lies on an address of fsspec (`s3://`, `gs://`, `sftp://`, ...): a run needs a folder, so it gets a copy.

Before a run, what the address has and the copy lacks is fetched; after it, whatever it wrote goes back. The copy stays on the worker's
machine, so a run that is killed and starts again there goes on from its own checkpoints; on another machine it starts from what came back.
"""

from __future__ import annotations

import hashlib
from datetime import timezone
from pathlib import Path

import fsspec
from filelock import FileLock

from helpers.config import PROJECT


def copy_of(workspace: str) -> Path:
    """Folder on this machine that holds the copy of a workspace."""
    return PROJECT / "checkpoints" / "remote" / hashlib.sha256(workspace.encode()).hexdigest()[:12]


def fetch(workspace: str, folder: Path) -> int:
    """Copy every file that `folder` lacks, or has in another size or older, and say how many.

    The folders of runs stay where they are: each run has its own.
    """
    fs, root = fsspec.core.url_to_fs(workspace)
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with FileLock(folder / ".lock"):
        for path, about in fs.find(root, detail=True).items() if fs.exists(root) else ():
            name = path[len(root) :].lstrip("/")
            if name.startswith("runs/"):
                continue
            here = folder / name
            if here.exists() and here.stat().st_size == about["size"] and here.stat().st_mtime >= _written(fs, path):
                continue
            here.parent.mkdir(parents=True, exist_ok=True)
            part = here.with_name(here.name + ".part")
            fs.get_file(path, str(part))
            part.replace(here)
            count += 1
    return count


def send(folder: Path, workspace: str, since: float) -> int:
    """Copy every file that was written in `folder` after a time (seconds since 1970) to the workspace, and say how many."""
    fs, root = fsspec.core.url_to_fs(workspace)
    count = 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name == ".lock" or path.suffix == ".part" or path.stat().st_mtime < since:
            continue
        there = f"{root.rstrip('/')}/{path.relative_to(folder).as_posix()}"
        fs.makedirs(there.rsplit("/", 1)[0], exist_ok=True)
        fs.put_file(str(path), there)
        count += 1
    return count


def _written(fs, path: str) -> float:
    """When a file was written, in seconds since 1970; 0 where the file system does not tell."""
    try:
        moment = fs.modified(path)
    except NotImplementedError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
