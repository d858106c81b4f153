import os
import signal
import subprocess
import sys
import time

import pytest
from tiny_notebooks import STEPS, write_notebook

from helpers.config import PROJECT


@pytest.fixture
def notebooks(tmp_path):
    """A folder where the user stands, with notebooks that work, fail, die and take their time."""
    folder = tmp_path / "stands"
    write_notebook(folder / "good.ipynb", "NUMBER = 0\nWORKSPACE = None", "print('number', NUMBER)")
    write_notebook(
        folder / "bad.ipynb", "NUMBER = 0", "print('so far')", "numbers = [1]\nnumbers[NUMBER + 1]", "print('never')"
    )
    write_notebook(
        folder / "dead.ipynb", "NUMBER = 0", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "print('never')"
    )
    write_notebook(folder / "late.ipynb", "NUMBER = 0", "import time\ntime.sleep(600)", "print('never')")
    write_notebook(folder / "steps.ipynb", "NUMBER = 0\nSTEPS = 3\nWORKSPACE = None", STEPS)
    return folder


@pytest.fixture
def start():
    """Starts Python modules in processes of their own, out of the project's top; what is left of them in the end is killed."""
    running = []

    def run(module, *arguments):
        command = [sys.executable, "-u", "-m", module, *map(str, arguments)]
        options = {
            "cwd": PROJECT,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
            "start_new_session": True,
        }
        running.append(subprocess.Popen(command, **options))
        return running[-1]

    yield run
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def until():
    """Waits until something is so, and returns it."""

    def wait(condition, seconds=300):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.1)
        raise TimeoutError(f"not within {seconds} seconds")

    return wait
