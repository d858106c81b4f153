"""Two approaches compared on the stories that both judged."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from helpers.comparison.metrics import bootstrap_interval


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


def holm(p: list[float]) -> np.ndarray:
    """p values corrected for their number (Holm, 1979): the smallest times their count, the next times one less, never falling again."""
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(np.asarray(p, float)[order] * np.arange(len(p), 0, -1)), 1)
    return corrected


def compare_all(results: list[dict]) -> pd.DataFrame:
    """Every two approaches of one protocol on the stories that both judged.

    Args:
        results: from `load_results`, in the order in which the pairs shall be named.

    Returns:
        DataFrame of `first`, `second` (names of approaches), and what `paired_test` finds; `p_holm` is `p` corrected for the number of pairs.
    """
    rows = [
        {"first": a["approach"], "second": b["approach"]} | paired_test(a["predictions"], b["predictions"])
        for a, b in combinations(results, 2)
    ]
    table = pd.DataFrame(rows, columns=["first", "second", "n", "difference", "low", "high", "p"])
    return table.assign(p_holm=holm(table["p"].tolist()))


def ties(order: list[str], pairs: pd.DataFrame, alpha: float = 0.05) -> list[tuple[int, int]]:
    """Runs of neighbours in an order of approaches of which no two can be told apart (Demsar, 2006, draws them as joined).

    Args:
        order: names of approaches, best first.
        pairs: from `compare_all`.
        alpha: an approach is told from another where `p_holm` is below.

    Returns:
        First and last place of each run of at least two that lies in no longer one.
    """
    apart = {frozenset(pair) for pair in pairs.loc[pairs["p_holm"] < alpha, ["first", "second"]].itertuples(index=False)}
    runs = []
    for start in range(len(order)):
        stop = start
        while stop + 1 < len(order) and not any(
            frozenset((order[k], order[stop + 1])) in apart for k in range(start, stop + 1)
        ):
            stop += 1
        if stop > start and not any(first <= start and stop <= last for first, last in runs):
            runs.append((start, stop))
    return runs


def tied_with_best(order: list[str], pairs: pd.DataFrame, alpha: float = 0.05) -> list[str]:
    """Approaches that cannot be told from the first of an order, in that order."""
    apart = pairs[(pairs["p_holm"] < alpha) & (pairs["first"] == order[0])]["second"] if order else []
    return [name for name in order[1:] if name not in set(apart)]
