"""What a setup cell does in Colab once it has found the project: install what is missing, and touch nothing that is there.

Imported before anything is installed, so it stands on the standard library alone.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
DRIVE = Path("/content/drive/MyDrive")
"""Google Drive, where Colab mounts it."""
_PLAIN_VERSION = re.compile(r"(\d+!)?\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[a-z0-9.]+)?", re.IGNORECASE)


class SetupError(RuntimeError):
    """What the notebooks need could not be installed; the message says what and why in one line."""

    def _render_traceback_(self) -> list[str]:  # what IPython shows in place of a traceback
        return [str(self)]


def in_colab() -> bool:
    """Whether this is a Google Colab runtime."""
    return "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ


def drive_mounted() -> bool:
    """Whether Drive is there; a Drive that was lost counts as none."""
    return os.path.isdir(DRIVE)


def requirements(bounds: list[str] | None = None) -> dict[str, str]:
    """What the notebooks import, by name, with its bounds: the names of `requirements-colab.txt` as `requirements.txt` bounds them.

    Args:
        bounds: lines of `requirements.txt`; those of the file by default.

    Raises:
        KeyError: a name of the first file has no line in the second.
    """
    bounds = lines(PROJECT / "requirements.txt") if bounds is None else bounds
    by_name = {re.match(r"[\w.-]+", line).group(): line for line in bounds}
    names = lines(PROJECT / "requirements-colab.txt")
    if lost := [name for name in names if name not in by_name]:
        raise KeyError(f"requirements.txt has no line for {', '.join(lost)}, which requirements-colab.txt names.")
    return {name: by_name[name] for name in names}


def lines(file: Path) -> list[str]:
    """What a requirements file asks for, without comments and options."""
    found = [line.split("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines()]
    return [line for line in found if line and not line.startswith("-")]


def missing(wanted: dict[str, str]) -> dict[str, str]:
    """Those of `requirements` that are not installed, in whatever version."""
    return {name: line for name, line in wanted.items() if _version(name) is None}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def installed() -> dict[str, str]:
    """Version of every installed package, by its lower-case name."""
    found = ((d.metadata["Name"], d.version) for d in distributions())
    return {name.lower().replace("_", "-"): number for name, number in found if name and number}


def install_missing(wanted: dict[str, str] | None = None, options: tuple[str, ...] = ()) -> None:
    """In Colab, install what the notebooks import and the runtime lacks; elsewhere do nothing.

    Colab's own torch, numpy, protobuf and all the rest stay as they are: every installed version is a constraint, so pip looks for
    releases that fit to them and refuses where there is none.

    Args:
        wanted: see `requirements`.
        options: more options of `pip install`, such as `--dry-run`.

    Raises:
        SetupError: pip failed; the message holds its reason.
    """
    if not in_colab():
        return
    wanted = wanted or requirements()
    if lacking := missing(wanted):
        begin, before = time.perf_counter(), installed()
        _pip_install(list(lacking.values()), before, options)
        importlib.invalidate_caches()
        new = {name: number for name, number in installed().items() if before.get(name) != number}
        seconds = time.perf_counter() - begin
        print(f"installed  {', '.join(f'{name} {number}' for name, number in new.items()) or 'nothing'}   ({seconds:.0f} s)")
        if changed := [f"{name} {before[name]}" for name in new if name in before]:
            print(f"changed    {', '.join(changed)}: restart the runtime if one of them was in use.")
    print(f"project    {PROJECT}")
    _say_what_is_untested(wanted)


def _pip_install(asked: list[str], before: dict[str, str], options: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder) / "installed.txt"
        held.write_text("".join(f"{n}=={v}\n" for n, v in before.items() if _PLAIN_VERSION.fullmatch(v)), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--constraint", str(held), *options, *asked]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = [line.removeprefix("ERROR: ").strip() for line in done.stderr.splitlines() if line.strip()]
        reason = next(
            (line for line in said if line.startswith(("Could not", "Cannot", "No matching"))),
            said[-1] if said else "no reason given",
        )
        raise SetupError(
            f"pip could not install {', '.join(asked)} beside what is here: {reason}. "
            "Run this cell again when the package index answers, or install them by hand."
        )


def _say_what_is_untested(wanted: dict[str, str]) -> None:
    """Name what is there in a version outside the tested bounds; it stays, because Colab's other packages are built around it."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return
    for name, line in wanted.items():
        number = _version(name)
        if number and not Requirement(line).specifier.contains(number, prereleases=True):
            print(f"untested   {name} {number} is here and stays; the project is tested with {line}.")
