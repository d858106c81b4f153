"""The folder that keeps everything: opened by a marker, looked at before every write, and never left with half a file.

Runtimes die in the middle of a write, Drive goes in the middle of a run, disks fill. So a file is written beside its place and moved
there when it is whole; the marker `workspace.json` tells the folder that was opened from one that a library made anew where Drive had
been; and what a disk was full of is said by name.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import uuid
from contextlib import contextmanager
from pathlib import Path

import psutil

MARKER = "workspace.json"
"""In every workspace: its `id`, and the number type that it was begun with (`helpers.runtime.choose_dtype`)."""
_UNFINISHED = ".part"
_opened: dict[Path, str] = {}  # workspaces of this process, with the id that each had when it was opened


class WorkspaceError(RuntimeError):
    """The workspace cannot take what is to be kept. Shown in a notebook as its one line, without a traceback."""

    def _render_traceback_(self):
        return [f"{type(self).__name__}: {self}"]


class DriveGone(WorkspaceError):
    """The folder is no longer the one that was opened."""


class DiskFull(WorkspaceError):
    """There is no room for what is to be kept."""


def open_workspace(folder: Path) -> dict:
    """Make a folder the workspace of this process, which `check` holds everybody to from then on, and return what its marker says.

    What a process that was killed left half written is removed.

    Raises:
        WorkspaceError: there can be no such folder.
    """
    folder = Path(folder).absolute()
    _opened.pop(folder, None)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        marker = read_json(folder / MARKER) or {}
    except OSError as error:
        raise WorkspaceError(
            f"WORKSPACE: {folder} cannot be a folder to work in ({error.strerror}); name another one."
        ) from None
    if not isinstance(marker.get("id"), str):
        marker["id"] = uuid.uuid4().hex
        write_json(folder / MARKER, marker)
    _opened[folder] = marker["id"]
    _tell_in_notebooks(folder)
    for path in folder.rglob(f"*{_UNFINISHED}"):
        process = path.name.removesuffix(_UNFINISHED).rpartition(".")[2]
        if path.is_file() and not (process.isdigit() and psutil.pid_exists(int(process))):
            path.unlink(missing_ok=True)
    return marker


def check(path: Path) -> None:
    """Make sure that the opened workspace in which a path lies is still there.

    Raises:
        DriveGone: it is not, or another folder stands in its place.
    """
    path = Path(path).absolute()
    for root, mark in _opened.items():
        if path.is_relative_to(root) and _id_of(root) != mark:
            raise DriveGone(
                f"Drive is gone, run the setup cell again: {root.name}/ is no longer the folder that this notebook opened (it was unmounted, "
                "moved or deleted). Nothing is written in its place, and what was kept before is where Drive keeps it."
            )


def _id_of(root: Path) -> str | None:
    try:
        return json.loads((root / MARKER).read_text(encoding="utf-8"))["id"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _tell_in_notebooks(folder: Path) -> None:
    """Have a notebook's cell that fails while the workspace is gone say so, whatever library was just reading there, in whatever words."""
    from IPython import get_ipython

    def show(shell, kind, error, trace, tb_offset=None):
        try:
            check(folder)
        except DriveGone as gone:
            kind, error, trace = DriveGone, gone, None
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)

    if shell := get_ipython():
        shell.set_custom_exc((Exception,), show)


@contextmanager
def saving(path: Path):
    """Around what a library writes by itself into a path: looks at the workspace before, and says in one line why it could not be written.

    Raises:
        DriveGone: the workspace is not there.
        DiskFull: there is no room.
    """
    check(path)
    try:
        yield
    except WorkspaceError:
        raise
    except Exception as error:
        check(path)
        if _means_full(error):
            raise DiskFull(_full(Path(path).absolute())) from None
        raise


@contextmanager
def whole(path: Path):
    """Write a file so that a reader finds the old one or the new one, never half of one; yields the path to write to.

    Raises:
        DriveGone, DiskFull: see `saving`; the old file stays.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.{os.getpid()}{_UNFINISHED}")  # of its own: two notebooks may write at once
    try:
        with saving(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield part
            with open(part, "rb+") as file:
                os.fsync(file.fileno())
            check(path)
            os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def whole_files(folder: Path):
    """Have a library write a folder's files elsewhere, each of which then comes here `whole`; yields the folder to write to.

    Libraries make the folder of every file that they write, also where Drive had been.

    Raises:
        DriveGone, DiskFull: see `saving`.
    """
    with tempfile.TemporaryDirectory() as local:
        yield Path(local)
        for path in (path for path in sorted(Path(local).rglob("*")) if path.is_file()):
            with whole(Path(folder) / path.relative_to(local)) as part:
                shutil.copyfile(path, part)


def plain(value) -> dict | list:
    """What JSON has no word for, as JSON has it: a `peft` configuration as a dict, a set as a sorted list."""
    if isinstance(value, set):
        return sorted(value)
    return {key: sorted(entry) if isinstance(entry, set) else entry for key, entry in value.to_dict().items()}


def write_json(path: Path, content: dict) -> None:
    """Write JSON, `whole`."""
    with whole(path) as part:
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_table(path: Path, table) -> None:
    """Write a DataFrame as Parquet or, where the name says so, as CSV; `whole`."""
    with whole(path) as part:
        table.to_csv(part, index=False) if Path(path).suffix == ".csv" else table.to_parquet(part, index=False)


def read_json(path: Path) -> dict | None:
    """The object that stands in a JSON file; None where there is none. A file that was cut short is set aside and told."""
    return read_whole(path, lambda: dict(json.loads(path.read_text(encoding="utf-8"))))


def read_whole(path: Path, read):
    """What `read`, a function without arguments, makes of a file; None where there is none.

    A file that it can make nothing of was cut short (by an older version, by a copy that was broken off): it is set aside and told.
    """
    check(path)
    if not path.exists():
        return None
    try:
        return read()
    except Exception as error:  # every format has its own words for half a file
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno):
            raise  # it could not be read, which is another matter
        aside = set_aside(path, path.with_name(path.name + ".broken"))
        print(f"{path.parent.name}/{path.name} was cut short: set aside as {aside.name}, and taken for not there.")
        return None


def set_aside(path: Path, to: Path) -> Path:
    """Move a file or folder out of the way, to a name that begins as `to` and was never used; returns where it is now."""
    number = 1
    while (aside := to.with_name(f"{to.name}-{number}")).exists():
        number += 1
    with saving(path):
        aside.parent.mkdir(parents=True, exist_ok=True)
        return path.rename(aside)


def size_of(path: Path) -> int:
    """Bytes of a file, or of everything in a folder."""
    if path.is_file():
        return path.stat().st_size
    sizes = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                sizes += os.lstat(os.path.join(folder, name)).st_size
            except OSError:  # removed while we looked
                continue
    return sizes


def in_words(size: int) -> str:
    """Bytes as `1.2 GB`, `340 MB` or `12 kB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:.{1 if size < 10 * factor else 0}f} {unit}"
    return f"{size / 1e3:.0f} kB"


def occupied(folder: Path, most: int = 4) -> str:
    """What a folder occupies, its largest parts by name: `1.2 GB (training 1.1 GB, embeddings 88 MB)`."""
    sizes = {path.name: size_of(path) for path in folder.iterdir()}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:most]
    shown = ", ".join(f"{name} {in_words(sizes[name])}" for name in largest if sizes[name] >= 1e3)
    return in_words(sum(sizes.values())) + (f" ({shown})" if shown else "")


def _means_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is a library's way to say that the disk is full."""
    words = (
        "No space left",
        "File too large",
        "Disk quota",
        "requested and",
        "inline_container",
        "iostream error",
    )  # the last two are torch's
    seen = []
    while error is not None and error not in seen:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or any(w in str(error) for w in words):
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False


def _full(path: Path) -> str:
    roots = (*(root for root in _opened if path.is_relative_to(root)), *path.parents)
    root = next(root for root in roots if root.is_dir())
    training = root / "training"
    trainings = f"; training/ holds {occupied(training)}" if training.is_dir() else ""
    return (
        f"The disk is full: {root.name}/{path.relative_to(root).as_posix()} could not be written ({in_words(shutil.disk_usage(root).free)} free). "
        f"{root.name}/ holds {occupied(root)}{trainings}. Make room and run this cell again: what was whole before is used."
    )
