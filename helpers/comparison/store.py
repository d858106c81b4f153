"""The results store that `07_compare` reads: `results/<approach>/<protocol>/`."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd

from helpers.comparison.metrics import compute_metrics
from helpers.measuring import Cost
from helpers.runtime import Run, write_json

EXPECTED = {
    "seqcls_untrained": "LLM + head, untrained",
    "seqcls_frozen": "frozen LLM + head",
    "seqcls_lora_seed": "LLM + head, LoRA (seed)",
    "seqcls_lora_tuned": "LLM + head, LoRA (tuned)",
    "instruct_untrained": "LLM, prompted, untrained",
    "instruct_lora_seed": "LLM, instruction LoRA (seed)",
    "instruct_lora_tuned": "LLM, instruction LoRA (tuned)",
    "tfidf_svm": "TF-IDF + linear SVM",
    "encoder_logreg": "frozen encoder: opening | all windows | title",
    "fused_fast": "fast: words + encoder on the opening",
    "fused_fast_int8": "fast, encoder in 8 bits",
    "fused": "accurate: all parts",
    "setfit_seed": "SetFit (seed)",
    "setfit_tuned": "SetFit (tuned)",
    "fused_setfit": "accurate + SetFit (tuned)",
}
"""Approaches that the notebooks 04 to 06 can run on the seed split."""
PROTOCOLS = {"seed_split": "seed split", "five_fold": "5-fold"}
SCHEMA = 1


def result_folder(run: Run, approach: str, protocol: str) -> Path:
    """Folder of one approach under one protocol: `results/<approach>/<protocol>/`."""
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol {protocol!r} does not exist; choose one of {', '.join(PROTOCOLS)}.")
    return run.workspace / "results" / approach / protocol


def save_result(
    run: Run,
    approach: str,
    protocol: str,
    predictions: pd.DataFrame,
    *,
    title: str,
    model: str,
    dataset: dict,
    training_set: dict,
    settings: dict,
    train: Cost | None = None,
    predict: Cost | None = None,
    latency_ms: float | None = None,
    notes: str = "",
    scores: pd.DataFrame | None = None,
    log: list[dict] | None = None,
) -> dict:
    """Write `metrics.json` and `predictions.parquet` of one approach under one protocol, and return the former.

    Args:
        approach: name of the folder, such as `tfidf_svm`.
        protocol: `seed_split` or `five_fold`.
        predictions: prediction table.
        title: the approach's name for people.
        model: the pretrained model, or `none`.
        dataset: facts of the dataset, from `helpers.stories.read_stories`.
        training_set: rows trained on, by source: `{"original": 800, "paraphrase": 0, ...}`.
        settings: hyperparameters.
        train, predict: measured costs.
        latency_ms: one story alone, median, in milliseconds.
        notes: one sentence for readers of the comparison.
        scores: DataFrame (stories, 1 + genres) with `story_id` first; kept for stacking.
        log: training log, one dict a step.
    """
    folder = result_folder(run, approach, protocol)
    folder.mkdir(parents=True, exist_ok=True)
    predictions.to_parquet(folder / "predictions.parquet", index=False)
    if scores is not None:
        scores.to_parquet(folder / "scores.parquet", index=False)
    if log:
        pd.DataFrame(log).to_csv(folder / "training_log.csv", index=False)
    result = {
        "schema": SCHEMA,
        "approach": approach,
        "title": title,
        "protocol": protocol,
        "model": model,
        "notes": notes,
        "dataset": {key: dataset[key] for key in ("source", "sha256", "rows", "genres")},
        "training_set": training_set,
        "settings": settings,
        "metrics": compute_metrics(predictions),
        "cost": {
            "train": dataclasses.asdict(train) if train else None,
            "predict": dataclasses.asdict(predict) if predict else None,
            "latency_ms": latency_ms,
        },
        "facts": run.facts,
        "created_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    write_json(folder / "metrics.json", result)
    return result


def _why_left_out(run: Run, result: dict, dataset: dict | None) -> str:
    """Why a stored result may not stand beside those of this dataset (None for any) and profile; empty if it may."""
    if result.get("schema") != SCHEMA:
        return "written by another version of this project; run its notebook again"
    if dataset and result["dataset"]["sha256"] != dataset["sha256"]:
        return f"judged on another dataset ({result['dataset']['sha256'][:8]})"
    if result["facts"]["profile"] != run.profile.name:
        return f"run with profile {result['facts']['profile']}"
    return ""


def read_result(run: Run, approach: str, protocol: str, dataset: dict) -> dict | None:
    """One approach's result with its `predictions`, and `scores` and training `log` where they were kept; None if this dataset and profile have none."""
    folder = result_folder(run, approach, protocol)
    if not (folder / "metrics.json").exists():
        return None
    result = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    if _why_left_out(run, result, dataset):
        return None
    for name in ("predictions", "scores"):
        if (folder / f"{name}.parquet").exists():
            result[name] = pd.read_parquet(folder / f"{name}.parquet")
    if (folder / "training_log.csv").exists():
        result["log"] = [row.dropna().to_dict() for _, row in pd.read_csv(folder / "training_log.csv").iterrows()]
    return result


def load_results(run: Run, dataset: dict | None = None) -> tuple[list[dict], list[str]]:
    """Read every result in the workspace that belongs to one dataset and profile.

    Args:
        run: the running notebook.
        dataset: facts of the dataset; results of another dataset or profile are left out, and said so.

    Returns:
        Results with their prediction table under `predictions`, best accuracy first, and one sentence for each left out.
    """
    kept, left_out = [], []
    for path in sorted((run.workspace / "results").glob("*/*/metrics.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        if why := _why_left_out(run, result, dataset):
            left_out.append(f"{result.get('title')} ({PROTOCOLS.get(result.get('protocol'), '?')}): {why}")
        else:
            result["predictions"] = pd.read_parquet(path.parent / "predictions.parquet")
            kept.append(result)
    kept.sort(key=lambda result: -result["metrics"]["accuracy"])
    return kept, left_out


def dataset_of_results(run: Run) -> dict:
    """Facts of the dataset that the newest result of this profile was judged on.

    Raises:
        FileNotFoundError: there is no result of this profile yet.
    """
    found = [json.loads(path.read_text(encoding="utf-8")) for path in (run.workspace / "results").glob("*/*/metrics.json")]
    found = [result for result in found if result["facts"]["profile"] == run.profile.name]
    if not found:
        raise FileNotFoundError(
            f"There are no results of the profile {run.profile.name} in this workspace. Run any of the notebooks 04 to 06 first, "
            "with the same PROFILE and WORKSPACE."
        )
    return max(found, key=lambda result: result["created_at"])["dataset"]
