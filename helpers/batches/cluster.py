"""Where the workers come from: this machine, or the address of any running Dask cluster."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from contextlib import contextmanager
from importlib.util import find_spec

import cloudpickle
import dask
import psutil
from distributed import Client, Nanny, Scheduler, SpecCluster, WorkerPlugin

from helpers.config import PROJECT

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@contextmanager
def connect(address: str | None = None, workers: int = 1, side_by_side: int = 1):
    """A client of the cluster at an address, or of a cluster of this machine that lasts as long as the block.

    On this machine the memory, the GPUs and the cores are shared out evenly among the workers, and the cores among the runs that one
    worker takes side by side. A worker takes a run only while it has the memory and the GPU that the run asks for.

    Args:
        address: `tcp://host:port` of a scheduler; None for this machine.
        workers: how many on this machine.
        side_by_side: how many runs a worker of this machine may have at once.

    Raises:
        OSError: nothing answers at the address.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if address:
        try:
            client = Client(address, timeout=20, name="grid")
        except (OSError, TimeoutError) as error:
            raise OSError(
                f"No Dask scheduler answers at {address}: start one with `dask scheduler`, or leave --cluster out."
            ) from error
        with client:
            client.register_plugin(_Project(str(PROJECT)))
            yield client
        return
    options = {
        "nthreads": side_by_side,
        "memory_limit": 0,
        "silence_logs": logging.CRITICAL,
        "env": dict.fromkeys(THREADS, str(max(1, cores() // (workers * side_by_side)))),
        "resources": {"memory": psutil.virtual_memory().total / 1e9 / workers},
    }
    gpus, spec = graphics_cards(), {}
    for number in range(workers):
        mine = gpus[number::workers] if workers <= len(gpus) else gpus[number % len(gpus) :][:1] if gpus else []
        share = min(1.0, len(gpus) / workers) * max(1, len(mine)) if gpus else 0
        env = options["env"] | ({"CUDA_VISIBLE_DEVICES": ",".join(mine)} if gpus else {})
        resources = options["resources"] | ({"GPU": share} if gpus else {})
        spec[number] = {"cls": Nanny, "options": options | {"env": env, "resources": resources}}
    quiet = {"distributed.scheduler.allowed-failures": 1, "distributed.worker.profile.enabled": False}
    scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:8787"}}
    with warnings.catch_warnings(), dask.config.set(quiet):
        warnings.filterwarnings("ignore", message="Port 8787 is already in use")
        with (
            SpecCluster(workers=spec, scheduler=scheduler, silence_logs=logging.CRITICAL) as cluster,
            Client(cluster, name="grid") as client,
        ):
            yield client


class _Project(WorkerPlugin):
    """Makes `helpers` importable on every worker, also on those that come later: from their own path, or from the same folder as here."""

    name = "story-genres"

    def __init__(self, folder: str):
        self.folder = folder

    def setup(self, worker):
        import importlib

        if os.path.isdir(self.folder) and self.folder not in sys.path:
            sys.path.append(self.folder)
        try:
            importlib.import_module("helpers.batches.work")
        except ImportError as error:
            raise RuntimeError(
                f"The worker at {worker.address} cannot import helpers.batches ({error}). Start it in an environment with requirements.txt, and "
                f"with the project at {self.folder} or on its PYTHONPATH."
            ) from error


cloudpickle.register_pickle_by_value(sys.modules[__name__])  # a worker gets the plugin itself, as it cannot import it yet


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def graphics_cards() -> list[str]:
    """The CUDA devices of this machine, as `CUDA_VISIBLE_DEVICES` takes them; told by the driver, without torch."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name and name != "-1"]
    folder = "/proc/driver/nvidia/gpus"
    return [str(number) for number in range(len(os.listdir(folder)))] if os.path.isdir(folder) else []


def dashboard(client: Client) -> str:
    """Address of Dask's dashboard, or what to install for one."""
    return client.dashboard_link if find_spec("bokeh") else "none: `pip install bokeh` for one"
