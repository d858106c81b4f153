"""Predictions of stories, and metrics with intervals.

The unit is the story. A prediction table has one row a judged story and the columns `story_id`, `fold` (-1 for the seed
split), `genre`, `predicted`, `truth_rank` (1 is best), `top5` and `top5_scores` (lists, best first). Every figure
that the project prints can be computed from it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import bootstrap
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support


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

    names, codes = np.unique(np.concatenate([truth, predicted]), return_inverse=True)
    true_codes, predicted_codes = np.split(codes, 2)

    def macro(rows):
        return _macro_f1(true_codes[rows], predicted_codes[rows], len(names))

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
        "f1_macro": float(f1_score(truth, predicted, average="macro", zero_division=0)),
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


def _macro_f1(truth: np.ndarray, predicted: np.ndarray, genres: int) -> float:
    """scikit-learn's macro F1 of genre numbers, counted: hundreds of resamples in a moment instead of seconds."""
    true, found = np.bincount(truth, minlength=genres), np.bincount(predicted, minlength=genres)
    both = np.bincount(truth[truth == predicted], minlength=genres)
    seen = true + found > 0
    return float((2 * both[seen] / (true + found)[seen]).mean())


def bootstrap_interval(values: np.ndarray, statistic=np.mean, resamples: int = 2000, seed: int = 42) -> tuple[float, float]:
    """Percentile bootstrap 95 % interval of a statistic of values (n,) (Efron and Tibshirani, 1993)."""
    if len(values) < 2 or np.ptp(values) == 0:
        point = float(statistic(values))
        return point, point
    mean, rng = statistic is np.mean, np.random.default_rng(seed)
    found = bootstrap(
        (values,), statistic, n_resamples=resamples, method="percentile", vectorized=mean, batch=500 if mean else None, rng=rng
    ).confidence_interval
    return float(found.low), float(found.high)


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


def score_table(judged: pd.DataFrame, scores: np.ndarray, genres: list[str]) -> pd.DataFrame:
    """All scores of the judged stories, for `save_result`: `story_id`, and a column a genre."""
    table = pd.DataFrame(scores, columns=genres)
    table.insert(0, "story_id", judged["story_id"].to_numpy())
    return table
