"""Long trainings that are cut off: kept by recipe in the workspace, continued from their last checkpoint, never repeated when finished."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import shutil
import time
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from helpers import checkpoints
from helpers.measuring import Cost, clock, progress_line
from helpers.runtime import Run
from helpers.workspace import DiskFull, DriveGone, check, in_words, read_json, saving, size_of, write_json

_told: set[tuple[Path, str]] = set()


class Training:
    """A training's folder, `training/<name>-<hash of the recipe>/` of the workspace.

    While it runs, the folder holds checkpoints: one every `save_minutes` of the profile, and wherever the trainer saves of its own accord.
    When it is finished they are removed.

    Args:
        run: the running notebook.
        name: what is trained. That it was loaded is said once a name: trials of one recipe share it.
        recipe: everything that the result depends on, as JSON; a changed recipe is another training.
        lines: how many lines of progress to print.
        resume: True where there must be a checkpoint to go on from, False to begin anew; None to go on where there is one.

    Attributes:
        folder: holds checkpoints, the recipe, and what the training made.
        finished: whether it was run to its end before, and what it made is whole.
        checkpoint: folder of the last whole checkpoint of a run that was cut off, else None.

    Raises:
        FileNotFoundError: `resume` is True and there is no whole checkpoint of this recipe.
    """

    def __init__(self, run: Run, name: str, recipe: dict, lines: int = 10, resume: bool | None = None):
        text = json.dumps(recipe | {"seed": run.seed, "dtype": str(run.dtype)}, sort_keys=True)
        self.folder = run.workspace / "training" / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        self._result = read_json(self.folder / "finished.json") or {}
        self.finished = bool(self._result) and not self._lacks()
        self.checkpoint = None
        if self.finished:
            if (run.workspace, name) not in _told:
                seconds = clock(self._result["cost"]["seconds"])
                print(f"Already trained with these data and settings ({seconds}): loaded.")
            _told.add((run.workspace, name))
            self._remove_checkpoints()
            return
        write_json(self.folder / "recipe.json", json.loads(text))
        if resume is False:
            checkpoints.remove_all(self.folder)
        self.checkpoint = checkpoints.last_whole(self.folder)
        if resume and not self.checkpoint:
            raise FileNotFoundError(
                f"There is no checkpoint of {self.folder.name} to go on from: with these data and settings, and in {run.facts.get('dtype')}, no "
                f"training was cut off in this workspace{self._others(name)}. Check what was changed, or leave resume out to begin anew."
            )
        self._saving = _Saving(self.folder, run.profile.save_minutes, self.checkpoint)
        self._progress = _Progress(self._saving, lines)
        if self.checkpoint:
            print(f"Continuing from {self.checkpoint.name}, after {clock(self._saving.spent)} of training.")

    @contextmanager
    def following(self, trainer):
        """Have a transformers trainer go on from the checkpoint, save now and then, and print lines instead of its own chatter.

        Raises:
            DriveGone, DiskFull: see `helpers.workspace`.
        """
        for callback in list(trainer.callback_handler.callbacks):
            if type(callback).__name__ in ("PrinterCallback", "ProgressCallback", "NotebookProgressCallback"):
                trainer.remove_callback(callback)
        self._saving.trainer = trainer
        trainer.add_callback(self._saving)
        trainer.add_callback(self._progress)
        resumed = str(self.checkpoint) if self.checkpoint else None
        trainer.train = functools.partial(trainer.train, resume_from_checkpoint=resumed)
        trainer.args.logging_nan_inf_filter = False  # a loss that is not finite is told, not averaged away
        try:
            with saving(self.folder):
                yield
        except DiskFull:
            checkpoints.last_whole(self.folder)  # removes the half one
            raise
        except DriveGone:
            if self._saving.writing:  # the trainer makes its folders where Drive had been, too
                shutil.rmtree(self._saving.writing, ignore_errors=True)
            raise

    def finish(self, cost: Cost) -> None:
        """Note that the training ended, with its cost (the seconds of earlier runs are added), and remove its checkpoints."""
        cost.seconds = self._saving.seconds
        made = [path for path in sorted(self.folder.rglob("*")) if path.is_file()]
        made = [
            path.relative_to(self.folder)
            for path in made
            if not path.relative_to(self.folder).parts[0].startswith("checkpoint-")
        ]
        sizes = {path.as_posix(): (self.folder / path).stat().st_size for path in made if path.name not in _RECORDS}
        self._result = {"cost": cost.__dict__, "log": self._saving.log, "made": sizes}
        write_json(self.folder / "finished.json", self._result)
        self._remove_checkpoints()

    @property
    def cost(self) -> Cost:
        """What the finished training cost."""
        return Cost(**self._result["cost"])

    @property
    def log(self) -> list[dict]:
        """The finished training's log: dicts of `step`, `epoch`, `seconds`, and `loss` or `validation_loss`."""
        return self._result["log"]

    def _lacks(self) -> bool:
        """Whether something that the finished training made is gone or cut short, told; then it is trained again."""
        weights = {
            f"{path.parent.name}/{path.name}": None for path in self.folder.glob("[!c]*/*.safetensors")
        }  # checkpoints apart
        for name, size in (self._result.get("made") or weights or {"its weights": None}).items():
            file = self.folder / name
            if not file.is_file() or (size is not None and file.stat().st_size != size) or not checkpoints.is_whole(file):
                print(f"{self.folder.name} was finished, but {name} is no longer whole: trained again.")
                return True
        return False

    def _remove_checkpoints(self) -> None:
        freed = checkpoints.remove_all(self.folder)
        for name in _RECORDS - {"recipe.json", "finished.json"}:
            (self.folder / name).unlink(missing_ok=True)
        if freed:
            print(f"{self.folder.name} keeps {in_words(size_of(self.folder))}; its checkpoints are removed, {in_words(freed)}.")

    def _others(self, name: str) -> str:
        """Trainings of this name that were cut off with another recipe, and what differs, for an error's middle."""
        mine, found = read_json(self.folder / "recipe.json") or {}, []
        for path in self.folder.parent.glob(f"{name}-*/recipe.json"):
            if any(path.parent.glob("checkpoint-*")):
                theirs = read_json(path) or {}
                differs = sorted(key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key))
                found.append(f"{path.parent.name}, which differs in {', '.join(differs)}")
        return f" (but there is {'; '.join(found)})" if found else ""


_RECORDS = {"recipe.json", "finished.json", "spent.json"}  # the last one is of an earlier version


_COLUMNS = ("step", "epoch", "loss", "validation_loss", "seconds")


class _Saving(TrainerCallback, ExportableState):
    """Say when to save, and put into a checkpoint what the trainer does not: time and log so far, and the order of the epoch under way.

    The trainer restores the random state of the step, but draws the epoch's order before that, from whatever state it finds. So the state in
    which the epoch began is kept too, and a training that goes on in the middle of an epoch reads the same batches.
    """

    def __init__(self, folder: Path, minutes: float, checkpoint: Path | None):
        kept = (read_json(checkpoint / checkpoints.STATE) or {}) if checkpoint else {}
        kept = (kept.get("stateful_callbacks", {}).get(type(self).__name__) or {}).get("attributes") or {}
        if checkpoint and not kept:  # of an earlier version
            kept = read_json(folder / "spent.json") or {}
        self.folder, self.minutes, self.trainer = folder, minutes, None
        self.spent = kept.get("seconds", 0.0)
        self.log = [
            {name: entry[name] for name in _COLUMNS if name in entry} for entry in kept.get("log", [])
        ]  # the trainer sorts names
        self._unlogged, self._order, self._between = kept.get("unlogged"), kept.get("order"), False
        self.begin = self.saved = time.perf_counter()
        self.writing: Path | None = None  # the checkpoint under way

    @property
    def seconds(self) -> float:
        return self.spent + time.perf_counter() - self.begin

    def state(self) -> dict:
        """What goes into the checkpoint's `trainer_state.json`."""
        order = _random_state() if self._between else self._order
        unlogged = (
            (float(self.trainer._tr_loss), self.trainer._globalstep_last_logged) if hasattr(self.trainer, "_tr_loss") else None
        )
        return {"args": {}, "attributes": {"seconds": self.seconds, "log": self.log, "order": order, "unlogged": unlogged}}

    def on_train_begin(self, args, state, control, **kwargs):
        state.stateful_callbacks.setdefault(type(self).__name__, {})
        self.log = [entry for entry in self.log if entry["step"] <= state.global_step]
        if self._unlogged:  # the next logged loss is the mean over the same steps as without the interruption
            self.trainer._tr_loss += self._unlogged[0]
            self.trainer._globalstep_last_logged = self._unlogged[1]
        self.saved = time.perf_counter()

    def on_epoch_begin(self, args, state, control, train_dataloader=None, **kwargs):
        # Before transformers 5.24, a sampler that draws by the epoch's number is not told it where the first batches are skipped.
        sampler = getattr(train_dataloader, "batch_sampler", None)
        while sampler is not None:
            if hasattr(sampler, "set_epoch"):
                sampler.set_epoch(int(state.epoch + 1e-6))
            sampler = getattr(sampler, "batch_sampler", None)
        if self._order:
            torch.set_rng_state(torch.frombuffer(bytearray.fromhex(self._order), dtype=torch.uint8))
        self._order, self._between = _random_state(), False

    def on_step_end(self, args, state, control, **kwargs):
        if state.epoch % 1:  # at the end of an epoch it is validated first
            self._when_due(control)
        self._before_saving(state, control)

    def on_epoch_end(self, args, state, control, **kwargs):
        self._order, self._between = None, True
        self._when_due(control)
        self._before_saving(state, control)

    def on_save(self, args, state, control, **kwargs):
        check(self.folder)
        self.writing, self.saved = None, time.perf_counter()

    def _when_due(self, control) -> None:
        control.should_save |= time.perf_counter() - self.saved >= 60 * self.minutes

    def _before_saving(self, state, control) -> None:
        if control.should_save:
            check(self.folder)
            self.writing = self.folder / f"checkpoint-{state.global_step}"


def _random_state() -> str:
    return torch.get_rng_state().numpy().tobytes().hex()


_LOSSES = {"loss": "loss", "embedding_loss": "loss", "eval_loss": "validation_loss"}  # the trainers' names, and ours


class _Progress(TrainerCallback):
    """Print a line now and then, and keep the log."""

    def __init__(self, kept: _Saving, lines: int):
        self.kept, self.lines = kept, lines

    def on_train_begin(self, args, state, control, **kwargs):
        args.logging_steps = state.logging_steps = max(1, state.max_steps // self.lines)

    def on_log(self, args, state, control, logs=None, **kwargs):
        for theirs, ours in _LOSSES.items():
            if theirs in (logs or {}):
                loss, seconds = float(logs[theirs]), round(self.kept.seconds, 1)
                if not math.isfinite(loss):
                    raise ValueError(
                        f"The {ours.replace('_', ' ')} is {loss} after {state.global_step} steps: lower the learning rate, or train in fp32 "
                        "(DTYPE)."
                    )
                self.kept.log.append(
                    {"step": state.global_step, "epoch": round(state.epoch, 3), ours: loss, "seconds": seconds}
                )
                print(progress_line(state.global_step, state.max_steps, seconds, f"{ours.replace('_', ' ')} {loss:.3f}"))
