"""The fast tests on other Pythons and with other versions of what `requirements.txt` admits.

    python tests/versions.py 3.10-lowest 3.13-newest

`lowest` takes the release that each lower bound names; on a Python that some of those have no wheel for, the lowest that have one. `newest` takes
the newest that the bounds admit. uv installs all of it from wheels, into temporary folders.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from interpreters import find_python, make_environment

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))
from helpers.colab import lines

FAST = (
    "stories",
    "comparison/test_results.py",
    "comparison/test_store.py",
    "comparison/test_figures.py",
    "representations",
    "augmentation/test_journal.py",
    "augmentation/test_providers.py",
    "fewshot/test_fusion.py",
    "fewshot/test_setfit.py",
    "llm/test_approaches.py",
    "takeaway/test_artifact.py",
    "test_runtime.py",
    "test_parameters.py",
)
"""Tests that between them use every library with bounds, in a minute or two: a model is trained with SetFit, with PEFT and by scikit-learn, kept
and read again, tables are read and written, figures drawn, an endpoint asked. Of these, what is marked `slow` is left out."""
NEEDED_GB = 12
"""PyPI's torch for Linux brings CUDA along."""


def lower_bounds() -> list[str]:
    """`name==1.11.*` for `name>=1.11,<2`: the release that the bound names, with its corrections."""
    return [re.sub(r">=([\d.]+),<.*", r"==\1.*", line) for line in lines(PROJECT / "requirements.txt")]


def environment(folder: Path, python: str, choice: str) -> Path:
    """Make an environment with the chosen versions and what the tests need; returns its interpreter."""
    own = [line for line in lines(PROJECT / "tests" / "requirements.txt") if not line.startswith("torch")]
    options = ["--only-binary", ":all:", "-r", str(PROJECT / "requirements.txt"), *own]
    if choice == "newest":
        return make_environment(folder, python, *options)
    try:
        return make_environment(folder, python, *options, "--resolution", "lowest-direct", *lower_bounds())
    except subprocess.CalledProcessError:
        return make_environment(folder, python, *options, "--resolution", "lowest-direct")


def main() -> None:
    results, tests = {}, [str(PROJECT / "tests" / name) for name in FAST]
    for pair in sys.argv[1:]:
        version, choice = pair.split("-")
        python, free = find_python(version), shutil.disk_usage(tempfile.gettempdir()).free / 1e9
        if not python or free < NEEDED_GB:
            why = f"{free:.0f} GB of disk are too few" if python else f"Python {version} is not on this machine"
            results[pair] = f"skipped: {why}"
            continue
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            interpreter = environment(Path(folder), python, choice)
            installed = time.perf_counter() - begin
            done = subprocess.run([str(interpreter), "-m", "pytest", "-m", "not slow", *tests], cwd=PROJECT)
        passed = "passed" if done.returncode == 0 else "FAILED"
        results[pair] = f"{passed} in {time.perf_counter() - begin:.0f} s, {installed:.0f} of them to install"
    print("\n".join(f"Python {pair}: {result}" for pair, result in results.items()))
    sys.exit(any("FAILED" in result for result in results.values()))


if __name__ == "__main__":
    main()
