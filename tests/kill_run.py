"""Kill a run of `run_plan` with SIGKILL at random moments, again and again, then let it end. Started by test_augmentation.

    python tests/kill_run.py WORKSPACE BASE_URL TARGETS KILLS

It forks each life of the run from a process that has imported everything, and prints how many lives were really killed.
`acknowledged.txt` in the workspace gets a line for every row that the journal acknowledged.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]

from groq_server import KEY, MODELS

from helpers.augmentation.asking import run_plan
from helpers.augmentation.endpoint import ChatEndpoint
from helpers.augmentation.gates import Verdict
from helpers.augmentation.journal import Journal
from helpers.augmentation.targets import Target


class OpenGates:
    """Lets every answer pass, so that the run is about asking and keeping."""

    def remember(self, rows) -> None:
        pass

    def accept(self, target, verdict) -> None:
        pass

    def judge(self, target, answer, words) -> Verdict:
        return Verdict("", answer.text)


def live(workspace: Path, url: str, count: int, ready: int) -> None:
    """One life: connect, say so, and work through the plan."""
    acknowledged = os.open(workspace / "acknowledged.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    append = Journal.append

    def append_and_tell(journal, row):
        append(journal, row)
        os.write(acknowledged, f"{row['parent_id']}\n".encode())

    Journal.append = append_and_tell
    provider = ChatEndpoint(KEY, MODELS[:1], url)
    os.write(ready, b".")
    targets = [Target("paraphrase", "War", 1, str(number), f"Story {number}.") for number in range(count)]
    run = SimpleNamespace(workspace=workspace)
    run_plan(run, "paraphrase", targets, provider, OpenGates(), ("p",), lambda target, prompt_id: "Paraphrase this.")


def main(workspace: Path, url: str, count: int, kills: int) -> None:
    os.environ["HEADLESS"] = "1"
    moments, killed = random.Random(7), 0
    for life in range(kills + 1):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            sys.stdout = open(os.devnull, "w")
            live(workspace, url, count, writer)
            os._exit(0)
        os.read(reader, 1)
        if life < kills:
            time.sleep(moments.uniform(0, 0.25))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
        os.close(reader)
        os.close(writer)
    print(killed)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
