"""Long trainings that are cut off: kept by recipe in the workspace, continued from their last checkpoint, never repeated when finished."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

from transformers import TrainerCallback
from transformers.trainer_utils import get_last_checkpoint

from helpers.measuring import Cost, clock, progress_line
from helpers.runtime import Run, write_json

_told: set[tuple[Path, str]] = set()


def plain(value) -> dict | list:
    """What JSON has no word for, as JSON has it: a `peft` configuration as a dict, a set as a sorted list."""
    if isinstance(value, set):
        return sorted(value)
    return {key: sorted(entry) if isinstance(entry, set) else entry for key, entry in value.to_dict().items()}


class Training:
    """A training's folder, `training/<name>-<hash of the recipe>/` of the workspace.

    Args:
        run: the running notebook.
        name: what is trained. That it was loaded is said once a name: trials of one recipe share it.
        recipe: everything that the result depends on, as JSON; a changed recipe is another training.

    Attributes:
        folder: holds checkpoints, the recipe, and what the training made.
        finished: whether it was run to its end before.
        checkpoint: folder of the last checkpoint of a run that was cut off, else None.
        progress: a callback for the trainer: prints lines, keeps the log and the seconds across interruptions.
    """

    def __init__(self, run: Run, name: str, recipe: dict, lines: int = 10):
        text = json.dumps(recipe | {"seed": run.seed, "dtype": str(run.dtype)}, sort_keys=True)
        self.folder = run.workspace / "training" / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        self._result = _read(self.folder / "finished.json")
        self.finished = bool(self._result)
        self.checkpoint = None
        if self.finished:
            if (run.workspace, name) not in _told:
                print(f"Already trained with these data and settings ({clock(self._result['cost']['seconds'])}): loaded.")
            _told.add((run.workspace, name))
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "recipe.json", json.loads(text))
        self.checkpoint = get_last_checkpoint(str(self.folder))
        self.progress = _Progress(self.folder, lines)
        if self.checkpoint:
            print(f"Continuing from {Path(self.checkpoint).name}, after {clock(self.progress.spent)} of training.")

    def finish(self, cost: Cost) -> None:
        """Note that the training ended, with its cost; the seconds of earlier runs are added."""
        cost.seconds = self.progress.seconds
        self._result = {"cost": cost.__dict__, "log": self.progress.log}
        write_json(self.folder / "finished.json", self._result)

    @property
    def cost(self) -> Cost:
        """What the finished training cost."""
        return Cost(**self._result["cost"])

    @property
    def log(self) -> list[dict]:
        """The finished training's log: dicts of `step`, `epoch`, `seconds`, and `loss` or `validation_loss`."""
        return self._result["log"]


_LOSSES = {"loss": "loss", "embedding_loss": "loss", "eval_loss": "validation_loss"}  # the trainers' names, and ours


class _Progress(TrainerCallback):
    """Print a line now and then, keep the log, and remember the seconds spent across interruptions."""

    def __init__(self, folder: Path, lines: int):
        kept = _read(folder / "spent.json")
        self.folder, self.lines = folder, lines
        self.spent, self.log = kept.get("seconds", 0.0), kept.get("log", [])
        self.begin = time.perf_counter()

    @property
    def seconds(self) -> float:
        return self.spent + time.perf_counter() - self.begin

    def on_train_begin(self, args, state, control, **kwargs):
        self.log = [entry for entry in self.log if entry["step"] <= state.global_step]
        args.logging_steps = state.logging_steps = max(1, state.max_steps // self.lines)

    def on_log(self, args, state, control, logs=None, **kwargs):
        for theirs, ours in _LOSSES.items():
            if theirs in (logs or {}):
                loss, seconds = float(logs[theirs]), round(self.seconds, 1)
                self.log.append({"step": state.global_step, "epoch": round(state.epoch, 3), ours: loss, "seconds": seconds})
                print(progress_line(state.global_step, state.max_steps, seconds, f"{ours.replace('_', ' ')} {loss:.3f}"))

    def on_save(self, args, state, control, **kwargs):
        write_json(self.folder / "spent.json", {"seconds": self.seconds, "log": self.log})


def silence(trainer) -> None:
    """Take a trainer's own printing and progress bars away; `Training.progress` says what a reader needs."""
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ in ("PrinterCallback", "ProgressCallback", "NotebookProgressCallback"):
            trainer.remove_callback(callback)


def _read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
