"""Kill each notebook at ten random moments, run it again, and compare what it leaves with what an undisturbed run leaves.

    python tests/kills [--only "01 06"] [--kills 10] [--seed N] [--keep FOLDER]

Written for: a runtime that died while a checkpoint was written, whose half was taken for whole by every run after it; an answer that was paid for
twice; a notebook that wrote on, and ended well, where Drive had been. `KILLS` in the environment is the number of kills (CI takes fewer).
"""

from __future__ import annotations

import argparse
import os
import queue
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent.parent), str(HERE.parent)]

import stand_ins
from lives import Job, Outcome, fill_disk, kill, rename_drive
from stage import PARAMETERS, Stage


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/kills", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help='numbers of notebooks, such as "01 06"')
    parser.add_argument("--kills", type=int, default=int(os.environ.get("KILLS") or 10))
    parser.add_argument(
        "--seed", type=int, default=int(time.time()) % 10_000, help="of the moments, to come near to those of an earlier run"
    )
    parser.add_argument("--keep", type=Path, help="an empty folder for all files, which are kept")
    arguments = parser.parse_args()
    begin, root = time.monotonic(), arguments.keep or Path(tempfile.mkdtemp(prefix="kills-"))
    wanted = arguments.only.split() or [name[:2] for name in PARAMETERS]
    print(f"{arguments.kills} kills for each of {' '.join(wanted)}, seed {arguments.seed}", flush=True)
    packages, llm = stand_ins.write_models(root)
    stages = [Stage(root / name, packages, llm) for name in ("a", "b")]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(str(stage.folder / "jupyter") for stage in stages)
    jobs, outcomes = queue.Queue(), []
    helper = threading.Thread(target=work, args=(stages[1], jobs, outcomes))
    helper.start()
    try:
        for job in undisturbed(stages[0], root, wanted, arguments.seed):
            for strike, times in ((kill, arguments.kills), (fill_disk, 2), (rename_drive, 2)):
                jobs.put((strike, job, times))
        jobs.put(None)
        work(stages[0], jobs, outcomes)
    finally:
        jobs.put(None)
        helper.join()
        for stage in stages:
            stage.close()
    show(outcomes)
    failed = [outcome for outcome in outcomes if outcome.failed]
    print(
        f"{len(outcomes)} series, {len(failed)} failed, {time.monotonic() - begin:.0f} s"
        + (f"; files in {root}" if failed else "")
    )
    if not failed and not arguments.keep:
        shutil.rmtree(root)
    return int(bool(failed))


def undisturbed(stage: Stage, root: Path, wanted: list[str], seed: int):
    """Run the series up to the last notebook that is wanted, and yield a job for each that is."""
    workspace = stage.folder / "undisturbed"
    workspace.mkdir()
    stage.wait_for_zygote()
    for notebook in list(PARAMETERS)[: [name[:2] for name in PARAMETERS].index(max(wanted)) + 1]:
        before, after, begin = root / f"before-{notebook}", root / f"after-{notebook}", time.monotonic()
        shutil.copytree(workspace, before)
        end = stage.live(notebook, workspace)
        seconds = time.monotonic() - begin
        print(f"{notebook}, undisturbed: {end}, {seconds:.0f} s", flush=True)
        if end != "done":
            raise SystemExit(1)
        shutil.copytree(workspace, after)
        if notebook[:2] in wanted:
            yield Job(notebook, before, after, seconds, seed)


def work(stage: Stage, jobs: queue.Queue, outcomes: list[Outcome]) -> None:
    """Do jobs until there are no more."""
    while job := jobs.get():
        strike, about, times = job
        try:
            outcomes.append(strike(stage, about, times))
        except Exception as error:
            outcomes.append(
                Outcome(strike.__name__, about.notebook, wrong=[f"the test itself failed: {type(error).__name__}: {error}"])
            )
        show(outcomes[-1:], head=len(outcomes) == 1)
    jobs.put(None)


def show(outcomes: list[Outcome], head: bool = True) -> None:
    if head:
        print(f"{'':<10} {'':<18} strokes lives wrong | steps again paid twice | answers lost asked twice | seconds")
    for o in sorted(outcomes, key=lambda outcome: (outcome.what, outcome.notebook)):
        print(
            f"{o.what:<10} {o.notebook:<18} {o.strokes:>7} {o.lives:>5} {len(o.wrong):>5} | {o.steps:>5} {o.again:>5} {o.paid_twice:>10} | "
            f"{o.answers:>7} {o.lost:>4} {o.asked_twice:>5} bytes | {o.seconds:>7.0f}",
            flush=True,
        )
        for line in o.wrong[:12]:
            print("    ", line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
