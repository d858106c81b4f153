"""The seven notebooks in the profile `t4`, headless, on the sample with tiny models, in processes of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd

from helpers.benchmarks.gpu.sizes import Sizes
from helpers.benchmarks.gpu.standins import save_all_tiny
from helpers.config import PROJECT
from helpers.runtime import Run


class Series:
    """A series that runs beside the other parts, so that all together take six minutes.

    Args:
        run: its device and number type.
        sizes: how large everything is.
        folder: takes the tiny models, the workspace and the log.
    """

    def __init__(self, run: Run, sizes: Sizes, folder: Path):
        save_all_tiny(folder / "models")
        self.workspace, self.log = folder / "series", folder / "series.log"
        known = {"MODELS_FOLDER": str(folder / "models"), "HF_HUB_OFFLINE": "1", "WORKSPACE": str(self.workspace)}
        environment = {key: value for key, value in os.environ.items() if key not in ("STORIES_CSV", "GROQ_API_KEY", "DTYPE")}
        parameters = sizes.parameters | {"": sizes.parameters.get("", {}) | {"DTYPE": _short(run)}}
        command = [sys.executable, "-u", "-m", "helpers.series", "run", "--profile", "t4", "--workspace", str(self.workspace)]
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [*command, "--parameters", json.dumps(parameters)],
                cwd=PROJECT,
                env=environment | known,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, seconds: float) -> pd.DataFrame:
        """Wait until it ends, or stop it when the time is up.

        Returns:
            A row a notebook: whether it ended, its seconds, and what failed.
        """
        try:
            self.process.wait(max(seconds, 1))
            remark = "" if self.process.returncode == 0 else self._last_words()
        except subprocess.TimeoutExpired:
            self.stop()
            remark = "stopped: out of time"
        return read_log(self.log.read_text(encoding="utf-8"), remark)

    def stop(self) -> None:
        """End the series and its kernels, if it is still running."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, 15)
            self.process.wait()

    def _last_words(self) -> str:
        lines = [line for line in self.log.read_text(encoding="utf-8").splitlines() if line.strip()]
        return " ".join(lines[-2:])[:300]


def read_log(text: str, remark: str = "") -> pd.DataFrame:
    """What a series printed, as a row a notebook: the last one that began is the one that the remark is about."""
    began = re.findall(r"^=== (\d\d_\w+) +\((?:(\d+):)?(\d+):(\d+) so far\)|^=== (done) in (?:(\d+):)?(\d+):(\d+)", text, re.M)
    marks = [(hit[0] or hit[4], _seconds(hit[1:4] if hit[0] else hit[5:8])) for hit in began]
    rows = []
    for place, (name, at) in enumerate(marks):
        if name == "done":
            break
        last = place + 1 == len(marks)
        seconds = None if last else marks[place + 1][1] - at
        rows.append({"notebook": name, "passed": not last, "seconds": seconds, "remark": remark if last else ""})
    return pd.DataFrame(rows or [{"notebook": "none", "passed": False, "seconds": None, "remark": remark}])


def _seconds(parts: tuple[str, str, str]) -> int:
    hours, minutes, seconds = (int(part or 0) for part in parts)
    return 3600 * hours + 60 * minutes + seconds


def _short(run: Run) -> str:
    return {"torch.float16": "fp16", "torch.bfloat16": "bf16"}.get(str(run.dtype), "fp32")
