"""Speed and memory: of the classifiers of 06 (`speed`, `make bench`), of LoRA steps (`steps`, `make bench-llm`), of a T4 user's first day (`gpu`).

They reach into every other room, so they stand on top.
"""

from helpers.benchmarks.gpu.kept import read_gpu_check
from helpers.benchmarks.speed import read_benchmark
from helpers.benchmarks.steps import read_steps

__all__ = [
    "read_benchmark",
    "read_gpu_check",
    "read_steps",
]
