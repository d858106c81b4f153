"""The fast tests on other Pythons and with other versions of what `requirements.txt` admits.

    python tests/versions.py 3.10-lowest 3.13-newest

`lowest` takes each package's lower bound (where that has no wheel for this Python, the lowest that has one), `newest` the newest that the bounds
admit. Everything is installed from wheels by uv; environments go to a temporary folder and are removed.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from interpreters import find_python

PROJECT = Path(__file__).resolve().parent.parent
NEEDED_GB = 12
"""PyPI's torch for Linux brings CUDA along."""


def lower_bounds() -> list[str]:
    """`name==1.11.*` for `name>=1.11,<2`: the release that the bound names, with its corrections."""
    lines = (PROJECT / "requirements.txt").read_text().splitlines()
    return [re.sub(r">=([\d.]+),<.*", r"==\1.*", line) for line in lines if line and line[0] not in "#-"]


def environment(folder: Path, python: str, choice: str) -> Path:
    """Make an environment with the chosen versions; returns its interpreter."""
    uv, interpreter = [sys.executable, "-m", "uv"], folder / "bin" / "python"
    subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", python, str(folder)], check=True)
    install = [
        *uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        str(interpreter),
        "--only-binary",
        ":all:",
        "-r",
        "requirements.txt",
    ]
    own = [
        line
        for line in (PROJECT / "tests" / "requirements.txt").read_text().splitlines()
        if line and not line.startswith(("#", "torch"))
    ]
    install += [*own, "--resolution", {"lowest": "lowest-direct", "newest": "highest"}[choice]]
    if choice == "newest" or subprocess.run([*install, *lower_bounds()], cwd=PROJECT).returncode:
        subprocess.run(install, cwd=PROJECT, check=True)
    return interpreter


def main() -> None:
    results = {}
    for pair in sys.argv[1:]:
        version, choice = pair.split("-")
        python, free = find_python(version), shutil.disk_usage(tempfile.gettempdir()).free / 1e9
        if not python or free < NEEDED_GB:
            results[pair] = (
                f"skipped: Python {version} is not on this machine"
                if not python
                else f"skipped: {free:.0f} GB of disk are too few"
            )
            continue
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            interpreter = environment(Path(folder), python, choice)
            installed = time.perf_counter() - begin
            done = subprocess.run([str(interpreter), "-m", "pytest", "-m", "not slow", "tests"], cwd=PROJECT)
        results[pair] = (
            f"{'passed' if done.returncode == 0 else 'FAILED'} in {time.perf_counter() - begin:.0f} s ({installed:.0f} s to install)"
        )
    print("\n".join(f"Python {pair}: {result}" for pair, result in results.items()))
    sys.exit(any("FAILED" in result for result in results.values()))


if __name__ == "__main__":
    main()
