"""Metrics with intervals, paired tests, confusions, and the store that `07_compare` reads.

The unit is the story. A prediction table has one row a judged story and the columns `story_id`, `fold` (-1 for the seed
split), `genre`, `predicted`, `truth_rank` (1 is best), `top5` and `top5_scores` (lists, best first). Every figure
that the project prints can be computed from it.
"""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest, bootstrap
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from helpers.config import DATA
from helpers.runtime import Cost, Run, clock, write_json

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


def predictions_from_scores(judged: pd.DataFrame, scores: np.ndarray, genres: list[str], fold: int = -1) -> pd.DataFrame:
    """Turn scores into a prediction table.

    Args:
        judged: story table of the judged stories.
        scores: float array (stories, genres); higher is likelier. Any monotone scale.
        genres: names of the columns of `scores`.
        fold: number of the fold; -1 for the seed split.

    Raises:
        ValueError: the shapes disagree, or a score is not finite.
    """
    scores = np.asarray(scores, dtype=float)
    if scores.shape != (len(judged), len(genres)):
        raise ValueError(f"scores have shape {scores.shape}; {len(judged)} stories and {len(genres)} genres were expected.")
    if not np.isfinite(scores).all():
        raise ValueError(f"{int((~np.isfinite(scores)).sum())} scores are not finite: the model has diverged.")
    column = {genre: place for place, genre in enumerate(genres)}
    order = np.argsort(-scores, axis=1, kind="stable")
    truth = judged["genre"].map(column)
    ranks = []
    for row, place in enumerate(truth):
        ranks.append(len(genres) if pd.isna(place) else int(np.flatnonzero(order[row] == int(place))[0]) + 1)
    top = order[:, :5]
    return pd.DataFrame(
        {
            "story_id": judged["story_id"].to_numpy(),
            "fold": fold,
            "genre": judged["genre"].to_numpy(),
            "predicted": [genres[place] for place in order[:, 0]],
            "truth_rank": ranks,
            "top5": [[genres[place] for place in row] for row in top],
            "top5_scores": [[float(value) for value in scores[i, row]] for i, row in enumerate(top)],
        }
    )


def compute_metrics(predictions: pd.DataFrame, resamples: int = 2000, seed: int = 42) -> dict:
    """Metrics of a prediction table, with bootstrap 95 % intervals over its stories.

    Precision, recall and F1 are scikit-learn's, with 0 for genres that were never predicted. Over folds, accuracy and macro
    F1 are the mean over folds, with their standard deviation beside them; everything else is pooled over all stories.

    Returns:
        Dict of `n`, `accuracy`, `accuracy_low`, `accuracy_high`, `precision_weighted`, `recall_weighted`, `f1_weighted`,
        `f1_macro`, `f1_macro_low`, `f1_macro_high`, `top3`, `top5`; for folds also `accuracy_sd`, `f1_macro_sd`, `folds`.
    """
    truth, predicted = predictions["genre"].to_numpy(), predictions["predicted"].to_numpy()
    right = (truth == predicted).astype(float)
    precision, recall, f1, _ = precision_recall_fscore_support(truth, predicted, average="weighted", zero_division=0)

    def macro(rows):
        return f1_score(truth[rows], predicted[rows], average="macro", zero_division=0)

    low, high = bootstrap_interval(right, np.mean, resamples, seed)
    f1_low, f1_high = bootstrap_interval(np.arange(len(truth)), lambda rows: macro(rows.astype(int)), min(resamples, 300), seed)
    result = {
        "n": len(predictions),
        "accuracy": float(right.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        "precision_weighted": float(precision),
        "recall_weighted": float(recall),
        "f1_weighted": float(f1),
        "f1_macro": float(macro(np.arange(len(truth)))),
        "f1_macro_low": f1_low,
        "f1_macro_high": f1_high,
        "top3": float((predictions["truth_rank"] <= 3).mean()),
        "top5": float((predictions["truth_rank"] <= 5).mean()),
    }
    folds = sorted(set(predictions["fold"]) - {-1})
    if folds:
        parts = [predictions[predictions["fold"] == fold] for fold in folds]
        accuracies = [accuracy_score(p["genre"], p["predicted"]) for p in parts]
        macros = [f1_score(p["genre"], p["predicted"], average="macro", zero_division=0) for p in parts]
        result |= {
            "accuracy": float(np.mean(accuracies)),
            "accuracy_sd": float(np.std(accuracies, ddof=1)) if len(folds) > 1 else 0.0,
            "f1_macro": float(np.mean(macros)),
            "f1_macro_sd": float(np.std(macros, ddof=1)) if len(folds) > 1 else 0.0,
            "folds": [
                {"fold": int(f), "n": len(p), "accuracy": a, "f1_macro": m}
                for f, p, a, m in zip(folds, parts, accuracies, macros)
            ],
        }
    return result


def bootstrap_interval(values: np.ndarray, statistic=np.mean, resamples: int = 2000, seed: int = 42) -> tuple[float, float]:
    """Percentile bootstrap 95 % interval of a statistic of values (n,) (Efron and Tibshirani, 1993)."""
    if len(values) < 2 or np.ptp(values) == 0:
        point = float(statistic(values))
        return point, point
    found = bootstrap(
        (values,), statistic, n_resamples=resamples, method="percentile", vectorized=False, rng=np.random.default_rng(seed)
    ).confidence_interval
    return float(found.low), float(found.high)


def paired_test(first: pd.DataFrame, second: pd.DataFrame, seed: int = 42) -> dict:
    """Compare two approaches on the stories that both judged.

    Returns:
        Dict of `n`, `difference` (accuracy of the first less the second), its bootstrap 95 % interval `low`, `high`, and
        `p`: the exact McNemar test (McNemar, 1947) on the stories that only one of them got right.

    Raises:
        ValueError: they have no story in common.
    """
    both = first.merge(second, on=["story_id", "genre"], suffixes=("_a", "_b"))
    if both.empty:
        raise ValueError("The two approaches judged no story in common; compare results of the same dataset and protocol.")
    a = (both["predicted_a"] == both["genre"]).to_numpy().astype(float)
    b = (both["predicted_b"] == both["genre"]).to_numpy().astype(float)
    low, high = bootstrap_interval(a - b, seed=seed)
    only_a, only_b = int(((a == 1) & (b == 0)).sum()), int(((a == 0) & (b == 1)).sum())
    p = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    return {"n": len(both), "difference": float((a - b).mean()), "low": low, "high": high, "p": float(p)}


def versus(first: pd.DataFrame, second: pd.DataFrame) -> str:
    """`paired_test` in words: `+12.0% (+4.0% to +20.0%), McNemar p = 0.0042`."""
    t = paired_test(first, second)
    return f"{t['difference']:+.1%} ({t['low']:+.1%} to {t['high']:+.1%}), McNemar p = {t['p']:.2g}"


def confusions(predictions: pd.DataFrame, most: int = 20) -> pd.DataFrame:
    """The most frequent confusions, in words.

    Returns:
        DataFrame with the columns `genre`, `taken for`, `stories`, `of`, most frequent first.
    """
    wrong = predictions[predictions["genre"] != predictions["predicted"]]
    counts = wrong.groupby(["genre", "predicted"]).size().sort_values(ascending=False, kind="stable").head(most)
    sizes = predictions["genre"].value_counts()
    return pd.DataFrame(
        [(genre, taken, int(count), int(sizes[genre])) for (genre, taken), count in counts.items()],
        columns=["genre", "taken for", "stories", "of"],
    )


# --- the results store -----------------------------------------------------------------------------------------------


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


def score_table(judged: pd.DataFrame, scores: np.ndarray, genres: list[str]) -> pd.DataFrame:
    """All scores of the judged stories, for `save_result`: `story_id`, and a column a genre."""
    table = pd.DataFrame(scores, columns=genres)
    table.insert(0, "story_id", judged["story_id"].to_numpy())
    return table


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


def leaderboard(results: list[dict], expected: dict[str, str] | None = None) -> pd.DataFrame:
    """Table of results, best first, then what was not run.

    Args:
        results: from `load_results`, of one protocol.
        expected: names of approaches and their titles; those without a result get a row that says so.

    Returns:
        DataFrame of strings, ready to be shown.
    """
    rows = []
    for r in results:
        m, cost = r["metrics"], r["cost"]
        spread = f" ± {m['accuracy_sd']:.1%}" if "accuracy_sd" in m else ""
        train, predict = cost["train"] or {}, cost["predict"] or {}
        memory = max((part.get("peak_gpu_gb") or part.get("peak_process_gb") or 0) for part in (train, predict))
        rows.append(
            {
                "approach": r["title"],
                "model": r["model"].split("/")[-1],
                "trained on": ", ".join(f"{n} {source}" for source, n in r["training_set"].items() if n) or "nothing",
                "accuracy": f"{m['accuracy']:.1%}{spread}",
                "95 % interval": f"{m['accuracy_low']:.1%} to {m['accuracy_high']:.1%}",
                "precision": f"{m['precision_weighted']:.3f}",
                "recall": f"{m['recall_weighted']:.3f}",
                "F1": f"{m['f1_weighted']:.3f}",
                "macro F1": f"{m['f1_macro']:.3f}",
                "top-3": f"{m['top3']:.1%}",
                "training": clock(train["seconds"]) if train else "",
                "ms a story": "" if cost["latency_ms"] is None else f"{cost['latency_ms']:.3g}",
                "peak GB": f"{memory:.1f}" if memory else "",
                "notes": r["notes"],
            }
        )
    done = {r["approach"] for r in results}
    for approach, title in (expected or {}).items():
        if approach not in done:
            rows.append({"approach": title, "accuracy": "not run"})
    return pd.DataFrame(rows).fillna("").set_index("approach")


def show(result: dict) -> str:
    """One line: accuracy with its interval, macro F1, top-3, on how many stories."""
    m = result["metrics"]
    spread = f" ± {m['accuracy_sd']:.1%} over folds" if "accuracy_sd" in m else ""
    return (
        f"{result['title']}, {PROTOCOLS[result['protocol']]}, {m['n']} stories: accuracy {m['accuracy']:.1%}{spread} "
        f"(95 % interval {m['accuracy_low']:.1%} to {m['accuracy_high']:.1%}), macro F1 {m['f1_macro']:.3f}, top-3 {m['top3']:.1%}"
    )


def published_results() -> pd.DataFrame:
    """What the seed project and its public peers report for the real dataset (`data/published_results.csv`)."""
    return pd.read_csv(DATA / "published_results.csv")
