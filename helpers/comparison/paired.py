"""Two approaches compared on the stories that both judged."""

from __future__ import annotations

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
