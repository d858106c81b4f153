"""Speed and memory of the classifiers of notebook 06: `make bench`, after `01_clean` has run with the same profile.

Every figure is measured here and now, on the machine it names; `results/benchmark/` of the workspace keeps them for 06.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from helpers import measuring, runtime, stories
from helpers.augmentation.rows import training_set
from helpers.benchmarks.throughput import ROWS, prediction
from helpers.fewshot.classifiers import build_parts, variants
from helpers.fewshot.fusion import FusedClassifier
from helpers.takeaway import GenreClassifier
from helpers.workspace import write_json

SIZES = (250, 500, 1000)
FOLDER = "benchmark"


def training(run: runtime.Run, table: pd.DataFrame, built: dict[str, dict]) -> pd.DataFrame:
    """Seconds and peak memory of fitting parts and weights on more and more stories, their embeddings at hand."""
    rows = []
    for size in [size for size in SIZES if size <= len(table)] or [len(table)]:
        some = _spread(table, size)
        for name, parts in built.items():
            with measuring.measure() as cost:
                FusedClassifier(parts).fit(some, lambda ids, some=some: training_set(run, some, ids, ("original",)))
            rows.append((name, size, cost.seconds, cost.peak_process_gb))
            print(f"fit {name} on {size}: {cost}")
    return pd.DataFrame(rows, columns=["classifier", "stories", "seconds", "peak GB"])


def latency(fitted: dict[str, FusedClassifier], judged: pd.DataFrame) -> pd.DataFrame:
    """Milliseconds a story from raw text to probabilities: one story at a time (p50, p95) on one core, and 32 at once on all."""
    rows = []
    threads = torch.get_num_threads()
    singles = [judged.iloc[[place]] for place in range(min(40, len(judged)))]
    for name, model in fitted.items():
        torch.set_num_threads(1)
        one = measuring.laps_ms(model.predict_proba, singles)
        torch.set_num_threads(threads)
        batch = measuring.laps_ms(model.predict_proba, [judged.iloc[:32]])[0] / len(judged.iloc[:32])
        rows.append((name, np.percentile(one, 50), np.percentile(one, 95), batch))
        print(
            f"{name}: {rows[-1][1]:.0f} ms a story alone on one core (p95 {rows[-1][2]:.0f}), {batch:.0f} ms in batches of 32"
        )
    return pd.DataFrame(rows, columns=["classifier", "p50 ms, one core", "p95 ms, one core", "ms in batches of 32"])


def without_cache(fitted: dict[str, FusedClassifier], parts: dict) -> None:
    """Put features that are computed anew before the fitted heads, as for stories that nobody has embedded before.

    Args:
        fitted: classifiers, changed in place.
        parts: the same parts, built with `keep=False`.
    """
    for model in fitted.values():
        for name, pipeline in model.fitted.items():
            pipeline.steps[0] = parts[name].steps[0]


def _spread(table: pd.DataFrame, size: int) -> pd.DataFrame:
    """The first stories of every genre, `size` in all, so that each genre keeps its share."""
    order = table.groupby("genre").cumcount().sort_values(kind="stable").index
    return table.loc[order[:size]]


def read_benchmark(run: runtime.Run) -> dict[str, pd.DataFrame] | None:
    """Tables `training`, `prediction` and `latency` of the last `make bench` of this profile; None if there is none."""
    folder = run.workspace / "results" / FOLDER
    names = ("training", "prediction", "latency")
    if not all((folder / f"{name}.csv").exists() for name in names):
        return None
    return {name: pd.read_csv(folder / f"{name}.csv") for name in names}


def main() -> None:
    """Measure everything and write it to the workspace."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="smoke")
    parser.add_argument("--llm", help="a Hub name or a folder; by default the profile's")
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS, help="of the tables that the saved classifier is timed on")
    arguments = parser.parse_args()
    run = runtime.start(arguments.profile, llm=arguments.llm)
    table, _ = stories.read_stories(run)
    folder = run.workspace / "results" / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    parts, _ = build_parts(run)
    built = {variant: {name: parts[name] for name in names} for variant, names in variants(parts).items()}
    train, judged = table[table["fold"] != 0], table[table["fold"] == 0]

    def rows_for(ids) -> pd.DataFrame:
        return training_set(run, table, ids, ("original",))

    fitted = {name: FusedClassifier(of_variant).fit(train, rows_for) for name, of_variant in built.items()}
    training(run, table, built).to_csv(folder / "training.csv", index=False)
    with tempfile.TemporaryDirectory() as work:
        saved = GenreClassifier.of(fitted["fast, int8"], train).save(Path(work) / "fast")
        prediction(saved, judged, Path(work), arguments.rows).to_csv(folder / "prediction.csv", index=False)
    without_cache(fitted, build_parts(run, keep=False)[0])
    latency(fitted, judged).to_csv(folder / "latency.csv", index=False)
    write_json(folder / "facts.json", run.facts)


if __name__ == "__main__":
    main()
