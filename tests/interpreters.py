"""Other Pythons than the one that runs the tests, where this machine has them, and environments of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def find_python(version: str) -> str | None:
    """Path of an interpreter of this version (`3.12`): on the PATH or among pyenv's; None where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    on_path = shutil.which(f"python{version}")
    for candidate in [*([on_path] if on_path else []), *sorted(pyenv.glob(f"{version}.*/bin/python"))]:
        ask = [str(candidate), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        if subprocess.run(ask, capture_output=True, text=True).stdout.strip() == version:
            return str(candidate)
    return None


def make_environment(folder: Path, python: str, *options: str) -> Path:
    """An environment with what `uv pip install` makes of the options; returns its interpreter.

    Raises:
        subprocess.CalledProcessError: that cannot be installed; uv has said why.
    """
    uv, interpreter = [sys.executable, "-m", "uv"], folder / "bin" / "python"
    subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", python, str(folder)], check=True)
    subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(interpreter), *options], check=True)
    return interpreter
