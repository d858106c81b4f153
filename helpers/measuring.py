"""What a block of code costs: seconds, memory, milliseconds a story; and time in words."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import psutil
import torch

from helpers.runtime import device_name, find_device
from helpers.terminal import clock


@dataclass
class Cost:
    """What a block of code cost.

    Attributes:
        seconds: wall-clock time.
        peak_process_gb: highest resident memory of the process, 10^9 bytes.
        peak_gpu_gb: highest memory that torch reserved on the GPU, 10^9 bytes; None without CUDA.
        device: what it ran on; a training that is loaded later may have run elsewhere.
    """

    seconds: float = 0.0
    peak_process_gb: float = 0.0
    peak_gpu_gb: float | None = None
    device: str = ""

    def __str__(self) -> str:
        gpu = "" if self.peak_gpu_gb is None else f", peak GPU memory {self.peak_gpu_gb:.1f} GB (a T4 has 15)"
        where = f", {self.device}" if self.device else ""
        return f"{clock(self.seconds)} (min:s), peak process memory {self.peak_process_gb:.1f} GB{gpu}{where}"


def total_cost(costs: list[Cost]) -> Cost:
    """What several blocks cost together: their seconds added up, their highest peaks."""
    gpu = [cost.peak_gpu_gb for cost in costs if cost.peak_gpu_gb is not None]
    devices = ", ".join(dict.fromkeys(cost.device for cost in costs if cost.device))
    peak = max(cost.peak_process_gb for cost in costs)
    return Cost(sum(cost.seconds for cost in costs), peak, max(gpu, default=None), devices)


@contextmanager
def measure(interval: float = 0.05):
    """Measure time and peak memory of a block; yields a `Cost` that is complete when the block ends.

    Args:
        interval: seconds between two looks at the process's memory.
    """
    cost, done, process = Cost(device=device_name(find_device())), threading.Event(), psutil.Process()

    def watch():
        while True:
            cost.peak_process_gb = max(cost.peak_process_gb, process.memory_info().rss / 1e9)
            if done.wait(interval):
                return

    if torch.cuda.is_available():
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    begin = time.perf_counter()
    try:
        yield cost
    finally:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
            cost.peak_gpu_gb = torch.cuda.max_memory_reserved() / 1e9
        cost.seconds = time.perf_counter() - begin
        done.set()
        watcher.join()


def laps_ms(predict, items: list) -> np.ndarray:
    """Time of predicting each item by itself, in milliseconds: float array (items,).

    Args:
        predict: called with one item.
        items: the first is predicted once more beforehand, to warm up.
    """
    predict(items[0])
    laps = []
    for item in items:
        begin = time.perf_counter()
        predict(item)
        laps.append(1000 * (time.perf_counter() - begin))
    return np.array(laps)


def latency_ms(predict, items: list, most: int = 20) -> float:
    """Median of `laps_ms` over up to `most` items."""
    return float(np.median(laps_ms(predict, items[:most])))


def progress_line(step: int, steps: int, seconds: float, extra: str = "") -> str:
    """Where a training is: `step    50 of   120   loss 2.310   1:20 spent, 1:52 left`."""
    left = seconds / max(step, 1) * (steps - step)
    return f"step {step:>5} of {steps:>5}   {extra + '   ' if extra else ''}{clock(seconds)} spent, {clock(left)} left"
