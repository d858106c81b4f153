"""The store in the forms of the field: `python -m helpers.comparison.export --to FOLDER` (`make export`).

MTEB's form (Muennighoff et al., 2022): `mteb/<approach>/<version>/<task>.json`, one file a model and task, and `model_meta.json` beside it; a task is
one protocol. Hugging Face's form: `model-index/<approach>.md`, a model card whose `model-index` a Hub page shows.
"""

from __future__ import annotations

import argparse
import json
from itertools import groupby
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from helpers.comparison.store import MANIFEST, PROTOCOLS, SHIPPED, Store, load_results
from helpers.comparison.tables import is_published_on
from helpers.config import PROFILES, PROJECT
from helpers.stories import HUB_DATASET
from helpers.workspace import write_json

TASKS = {"seed_split": "StoryGenresSeedSplit", "five_fold": "StoryGenresFiveFold"}
"""Names of the tasks in MTEB's form."""
METRICS = {
    "accuracy": "accuracy", "f1": "f1_macro", "f1_weighted": "f1_weighted", "precision_weighted": "precision_weighted",
    "recall_weighted": "recall_weighted", "top_3_accuracy": "top3", "top_5_accuracy": "top5",
}  # fmt: skip
"""Metrics by their name in these forms, where `f1` is the macro mean, and in the store."""


def as_mteb(result: dict) -> dict:
    """One result in MTEB's form: its scores on the split `test`, each fold as one experiment."""
    m, cost = result["metrics"], result["cost"]
    scores = {name: m[key] for name, key in METRICS.items()}
    folds = [{"accuracy": fold["accuracy"], "f1": fold["f1_macro"]} for fold in m.get("folds", [])]
    described = {"main_score": m["accuracy"], "hf_subset": "default", "languages": ["eng-Latn"]}
    seconds = [part["seconds"] for part in (cost["train"], cost["predict"]) if part]
    return {
        "dataset_revision": result["dataset"]["sha256"],
        "task_name": TASKS[result["protocol"]],
        "mteb_version": None,
        "scores": {"test": [scores | ({"scores_per_experiment": folds} if folds else {}) | described]},
        "evaluation_time": sum(seconds) if seconds else None,
        "kg_co2_emissions": None,
    }


def as_model_index(results: list[dict]) -> ModelCardData:
    """The results of one approach, of any protocols, as the metadata of a model card."""
    evaluated = [
        EvalResult(
            task_type="text-classification",
            task_name="story genres",
            dataset_type=HUB_DATASET if is_published_on(r["dataset"]) else r["dataset"]["source"],
            dataset_name=f"{r['dataset']['source']}, {PROTOCOLS[r['protocol']]}",
            dataset_split="test",
            dataset_revision=r["dataset"]["sha256"],
            metric_type=name,
            metric_value=round(r["metrics"][key], 4),
            metric_name=name.replace("_", " "),
        )
        for r in results
        for name, key in METRICS.items()
    ]
    return ModelCardData(
        model_name=results[0]["title"], eval_results=evaluated, pipeline_tag="text-classification", language="en"
    )


def export(store: Store, folder: Path) -> int:
    """Write every result of a store in both forms; returns how many files were written."""
    results, _ = load_results(store)
    written = 0
    for approach, of_approach in groupby(sorted(results, key=lambda r: r["approach"]), key=lambda r: r["approach"]):
        group = list(of_approach)
        home = folder / "mteb" / approach / (group[0]["version"] or "unknown")
        for result in group:
            write_json(home / f"{TASKS[result['protocol']]}.json", as_mteb(result))
        meta = {"name": f"story-genres/{approach}", "revision": home.name, "framework": [], "languages": ["eng-Latn"]}
        write_json(home / "model_meta.json", meta | {"description": group[0]["title"], "base_model": group[0]["model"]})
        card = folder / "model-index" / f"{approach}.md"
        card.parent.mkdir(parents=True, exist_ok=True)
        ModelCard(f"---\n{as_model_index(group).to_yaml()}\n---\n\n# {group[0]['title']}\n").save(card)
        written += len(group) + 2
    return written


def main() -> None:
    """Export what is shipped, or a workspace."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="cpu", choices=PROFILES)
    parser.add_argument("--to", type=Path, default=PROJECT / "checkpoints" / "export")
    arguments = parser.parse_args()
    folder = SHIPPED / arguments.profile
    if not (folder / MANIFEST).exists():
        parser.error(
            f"data/results/{arguments.profile} holds no results; make publish PROFILE={arguments.profile} copies a workspace's there."
        )
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    written = export(Store(folder, arguments.profile, manifest["dataset"], shipped=True), arguments.to)
    print(f"{written} files in {arguments.to.name}/mteb and {arguments.to.name}/model-index")


if __name__ == "__main__":
    main()
