"""A T4 user's first day in under six minutes on any CUDA card (`make gpu-check`); with `--device cpu` the same with sizes cut, as a rehearsal.

The card is held to a T4's memory and to fp16. Four parts: LoRA steps of an LLM of Qwen2.5-1.5B's size (`training`), what fp16 may break (`correctness`),
encoders of mpnet's and EmbeddingGemma's size (`encoders`), and the seven notebooks on the sample (`notebooks`). Weights are random: what a step costs
depends on their shape. Tables go to `results/gpu_check/` of the workspace.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

PARTS = ("training", "notebooks", "correctness", "encoders", "memory")
SHARE = {"training": 0.55, "encoders": 0.8}
"""By which share of the time a part must have begun its last piece of work."""


def main() -> None:
    """Run the parts, write their tables, and end with 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="make gpu-check", description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument(
        "--minutes", type=float, default=5.8, help="after which nothing new is begun, and the notebooks are stopped"
    )
    parser.add_argument("--gb", type=float, default=15.0, help="memory of the card that may be used, 10^9 bytes")
    parser.add_argument("--only", nargs="*", default=PARTS, choices=PARTS)
    parser.add_argument("--workspace", type=Path)
    arguments = parser.parse_args()
    # One card, or none; before torch looks for them.
    os.environ["CUDA_VISIBLE_DEVICES"] = (
        os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0] if arguments.device == "cuda" else ""
    )
    os.environ["HEADLESS"] = "1"
    failed = run_check(arguments.device, arguments.minutes * 60, arguments.gb, tuple(arguments.only), arguments.workspace)
    sys.exit(1 if failed else 0)


def run_check(device: str, seconds: float, gb: float, parts: tuple[str, ...], workspace: Path | None = None) -> list[str]:
    """Run parts of the check and write their tables to the workspace.

    Args:
        device: `cuda` or `cpu`.
        seconds: that all parts together may take.
        gb: memory of the card that may be used, 10^9 bytes.
        parts: of `PARTS`.
        workspace: `checkpoints/t4` by default, `checkpoints/rehearsal` on a CPU.

    Returns:
        What failed, in words.

    Raises:
        SystemExit: there is no CUDA card.
    """
    begin = time.perf_counter()
    import torch

    from helpers import runtime
    from helpers.benchmarks.gpu import correctness, encoders, training
    from helpers.benchmarks.gpu.kept import FOLDER
    from helpers.benchmarks.gpu.notebooks import Series
    from helpers.benchmarks.gpu.sizes import CUT, FULL
    from helpers.config import PROJECT
    from helpers.terminal import relative
    from helpers.workspace import write_json

    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            "There is no CUDA card here. On a machine with one, run this again; DEVICE=cpu rehearses it with sizes cut."
        )
    if device == "cuda":
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, gb * 1e9 / total))
    else:  # the notebooks run beside the other parts: a core each
        os.environ["OMP_NUM_THREADS"] = "1"
        torch.set_num_threads(1)
    sizes = FULL if device == "cuda" else CUT
    workspace = workspace or (None if device == "cuda" else PROJECT / "checkpoints" / "rehearsal")
    run = runtime.start("t4", workspace and str(workspace), dtype="fp16" if device == "cuda" else "fp32")
    scratch = Path(tempfile.mkdtemp(prefix="gpu-check-"))
    own = runtime.start("t4", str(scratch / "workspace"), dtype="fp16" if device == "cuda" else "fp32")
    spent, failed, series = {}, [], None

    def left(part: str) -> float:
        return seconds * SHARE.get(part, 1) - (time.perf_counter() - begin)

    def keep(part: str, table) -> None:
        folder = run.workspace / "results" / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        table.to_csv(folder / f"{part}.csv", index=False)
        print(f"\n{part}\n{table.round(3).fillna('').to_string(index=False)}\n", flush=True)
        if "passed" in table:
            failed.extend(f"{part}: {row.iloc[0]}" for _, row in table[~table["passed"]].iterrows())

    work = {
        "training": lambda: training.check(own, sizes, scratch, lambda: left("training")),
        "correctness": lambda: correctness.check(own, scratch),
        "encoders": lambda: encoders.check(own, sizes, scratch, lambda: left("encoders")),
        "memory": lambda: encoders.memory_together(own, sizes, scratch),
    }
    try:
        for part in [part for part in PARTS if part in parts]:
            started = time.perf_counter()
            try:
                if part == "notebooks":
                    series = Series(run, sizes, scratch)
                else:
                    keep(part, work[part]())
            except Exception as error:  # the other parts are worth having
                traceback.print_exc()
                failed.append(f"{part}: {type(error).__name__}: {error}")
            spent[part] = round(time.perf_counter() - started, 1)
        if series:
            keep("notebooks", series.wait(left("notebooks")))
    finally:
        if series:
            series.stop()
        shutil.rmtree(scratch, ignore_errors=True)
    whole = round(time.perf_counter() - begin, 1)
    facts = run.facts | {
        "rehearsal": device == "cpu",
        "limit_gb": gb,
        "seconds": whole,
        "seconds_of_parts": spent,
        "failed": failed,
    }
    write_json(run.workspace / "results" / FOLDER / "facts.json", facts)
    print(f"{facts['device']}, {facts['dtype']}: {whole:.0f} s; tables in {relative(run.workspace)}/results/{FOLDER}")
    print("failed: " + "; ".join(failed) if failed else "nothing failed")
    return failed


if __name__ == "__main__":
    main()
