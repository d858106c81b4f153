"""Results as tables and lines for people."""

from __future__ import annotations

import pandas as pd

from helpers.comparison.store import PROTOCOLS
from helpers.config import DATA
from helpers.measuring import clock


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
