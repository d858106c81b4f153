"""Speed and memory of the classifiers of 06 (`speed`, `make bench`) and of LoRA training steps (`steps`, `make bench-llm`).

They reach into every other room, so they stand on top.
"""

from helpers.benchmarks.speed import read_benchmark
from helpers.benchmarks.steps import read_steps

__all__ = [
    "read_benchmark",
    "read_steps",
]
