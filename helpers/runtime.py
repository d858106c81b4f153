"""Where a notebook runs: Colab or not, which folder keeps its work, which device and number type it computes with."""

from __future__ import annotations

import functools
import logging
import os
import platform
import random
import time
import warnings
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch

from helpers import workspace as workspaces
from helpers.colab import DRIVE, drive_mounted, in_colab
from helpers.config import PROJECT, Profile, get_profile
from helpers.terminal import relative
from helpers.workspace import MARKER, read_json, write_json

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Number types of matrix products by the name that `DTYPE` takes."""

LIBRARIES = ("torch", "transformers", "peft", "setfit", "sentence-transformers", "scikit-learn", "datasets")


class _StillThere:
    """The workspace of a run: whoever asks for it, to read or to write, gets the folder that was opened or is told that it is gone."""

    def __get__(self, run, owner=None) -> Path:
        if run is None:
            raise AttributeError("workspace")  # a dataclass field without a default
        workspaces.check(run.__dict__["workspace"])
        return run.__dict__["workspace"]

    def __set__(self, run, folder: Path) -> None:
        run.__dict__["workspace"] = Path(folder)


@dataclass
class Run:
    """One notebook's run: what it computes on, with which knobs, and where it keeps what it makes.

    Attributes:
        profile: the knobs.
        workspace: folder that holds everything worth keeping; `DriveGone` is raised where it is no longer the one that was opened.
        device: `cpu` or `cuda`, as a `torch.device`.
        dtype: number type of matrix products, see `choose_dtype`.
        seed: seed of every random choice.
        facts: device, versions and the like, kept beside every figure.
    """

    profile: Profile
    workspace: Path = _StillThere()
    device: torch.device
    dtype: torch.dtype
    seed: int
    facts: dict = field(default_factory=dict)

    def autocast(self):
        """Context in which matrix products use `dtype`; nothing changes when that is fp32.

        Not for several steps of a training: until the outermost context ends, PyTorch goes on with the casts of the weights that it made first.
        """
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def require(self, name: str, notebook: str) -> Path:
        """Path of a file in the workspace that an earlier notebook must have written.

        Raises:
            FileNotFoundError: it is not there; the message names the notebook to run.
        """
        path = self.workspace / name
        if not path.exists():
            raise FileNotFoundError(
                f"{name} is not in the workspace yet. Run notebook {notebook} first, with the same PROFILE "
                f"({self.profile.name}) and WORKSPACE."
            )
        return path


def start(profile: str = "auto", workspace: str | None = None, seed: int = 42, dtype: str = "auto", **changes) -> Run:
    """Begin a notebook: settle profile, device, number type, seed and workspace, and print them.

    Args:
        profile: name of a profile, see `helpers.config`.
        workspace: folder for everything worth keeping; by default a folder on Drive in Colab and `checkpoints/<profile>`
            elsewhere. The environment variable `WORKSPACE` is used when the argument is None.
        seed: seed of every random choice.
        dtype: number type of matrix products, see `choose_dtype`; the environment variable `DTYPE` is used when the argument is `auto`.
        **changes: knobs of the profile to replace.

    Raises:
        FileNotFoundError: the workspace is on Drive, and Drive is not mounted.
    """
    quiet()
    settings = get_profile(profile, **changes)
    device = find_device()
    folder = Path(workspace or os.environ.get("WORKSPACE") or _default_workspace() / settings.name)
    _refuse_unmounted_drive(folder)
    workspaces.open_workspace(folder)
    dtype = choose_dtype(os.environ.get("DTYPE") or "auto" if dtype == "auto" else dtype, device, folder)
    seed_everything(seed)
    facts = {
        "profile": settings.name,
        "device": device_name(device),
        "dtype": str(dtype).removeprefix("torch."),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in LIBRARIES},
        "seed": seed,
    }
    if name := os.environ.get("GRID_RUN"):
        facts["grid_run"] = name  # so that a grid knows which results are whose
    run = Run(settings, folder, device, dtype, seed, facts)
    print(f"profile    {settings.name}")
    print(f"device     {facts['device']}, {facts['dtype']}")
    print(f"workspace  {relative(folder)}, {workspaces.occupied(folder)}")
    print(f"versions   Python {facts['python']}, " + ", ".join(f"{k} {v}" for k, v in facts["versions"].items()))
    return run


def _default_workspace() -> Path:
    if in_colab():
        if drive_mounted():
            return DRIVE / "story-genres"
        print("DRIVE IS NOT MOUNTED: all work is kept in this runtime only, AND IS LOST WITH IT.")
    return PROJECT / "checkpoints"


def _refuse_unmounted_drive(folder: Path) -> None:
    """A folder made where Drive should be would look like Drive, be lost with the runtime, and keep Drive from being mounted."""
    if in_colab() and folder.is_relative_to(DRIVE.parent) and not drive_mounted():
        raise FileNotFoundError(
            f"WORKSPACE={str(folder)!r} is on Drive, and Drive is not mounted. Run the setup cell again and allow it, or set "
            "WORKSPACE = None to work in this runtime only, which loses the work with it."
        )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def find_device() -> torch.device:
    """CUDA where there is a GPU, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """`Tesla T4, 15 GB` or `CPU, 2 threads`."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return f"{properties.name}, {properties.total_memory / 1e9:.0f} GB"
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' * (threads > 1)}"


def choose_dtype(name: str, device: torch.device, workspace: Path) -> torch.dtype:
    """Number type of a run: the one asked for, else the one its workspace was begun with, else the fastest that is safe.

    The type is part of every training's recipe, so a workspace that moves between machines keeps its own: with `auto`, a second machine
    computes as the first did instead of training everything again.

    Args:
        name: `fp32`, `bf16`, `fp16`, or `auto`.
        device: what the run computes on. With `auto` a new workspace takes fp16 on CUDA (a T4 has no bf16), on a CPU what `cpu_dtype` finds.
        workspace: folder whose `workspace.json` remembers the type for each kind of device.

    Raises:
        ValueError: there is no such type, or not on this device.
    """
    allowed = ["fp32", "bf16"] if device.type == "cpu" else list(DTYPES)
    if name not in ("auto", *allowed):
        raise ValueError(f"DTYPE={name!r} does not exist on {device.type}; choose one of auto, {', '.join(allowed)}.")
    file = workspace / MARKER
    marker = read_json(file) or {}
    types = marker.get("dtype") if isinstance(marker.get("dtype"), dict) else {}
    kept = types.get(device.type)
    if kept is not None and kept not in allowed:
        print(f"{MARKER} names the number type {kept!r}, which {device.type} does not have: chosen anew.")
        kept = None
    if name == "auto":
        fastest = torch.float16 if device.type == "cuda" else cpu_dtype()
        name = kept or next(short for short, dtype in DTYPES.items() if dtype == fastest)
    if kept is None:
        write_json(file, marker | {"dtype": types | {device.type: name}})
    elif kept != name:
        print(
            f"This workspace was begun in {kept}: trainings and results in {name} stand beside it, and nothing is loaded across."
        )
    return DTYPES[name]


def cpu_dtype() -> torch.dtype:
    """bf16 where this CPU multiplies bf16 matrices clearly faster than fp32 ones, else fp32.

    CPUs that know the type differ: with matrix units (AMX) bf16 is about four times as fast, without them it can be
    half as fast. So it is timed, on one product of a small transformer's size (some 50 ms).
    """
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        a, b = torch.ones(1024, 640, dtype=dtype), torch.ones(640, 2048, dtype=dtype)
        a @ b
        laps = []
        for _ in range(5):
            begin = time.perf_counter()
            a @ b
            laps.append(time.perf_counter() - begin)
        seconds[dtype] = min(laps)
    return torch.bfloat16 if seconds[torch.bfloat16] * 1.3 < seconds[torch.float32] else torch.float32


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def keeps_random_state(train):
    """Decorator: whoever comes after a training finds the random state as it was before, whether it was trained now or loaded.

    Else the second training of a notebook would begin from other weights where the first one was finished in an earlier session.
    """

    @functools.wraps(train)
    def wrapped(*args, **kwargs):
        states = random.getstate(), np.random.get_state(), torch.get_rng_state()
        of_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        try:
            return train(*args, **kwargs)
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.set_rng_state(states[2])
            torch.cuda.set_rng_state_all(of_gpus)

    return wrapped


def headless() -> bool:
    """Whether nobody watches: papermill runs set `HEADLESS=1`, and the bars that show a long wait would only be debris in the page."""
    return os.environ.get("HEADLESS") == "1"


def quiet() -> None:
    """Keep a notebook's outputs to what it says itself: no library's chatter and progress bars, no warnings that the reader cannot act on."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.filterwarnings("ignore")
    warnings.showwarning = _drop  # setfit switches some on again while it is imported
    for name in ("transformers", "sentence_transformers", "setfit", "datasets", "httpx", "huggingface_hub", "peft"):
        logging.getLogger(name).setLevel(logging.ERROR)
    import datasets
    import huggingface_hub
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    huggingface_hub.utils.disable_progress_bars()


def _drop(*_args, **_kwargs) -> None:
    """Show nothing."""
