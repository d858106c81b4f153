"""Results as tables and lines for people."""

from __future__ import annotations

import pandas as pd

from helpers.comparison.approaches import APPROACHES
from helpers.comparison.rendering import chance, duration, number, percent, points
from helpers.comparison.store import PROTOCOLS, Store
from helpers.config import DATA

ROWS = {
    "best": (),
    "fast": ("fused_fast_setfit", "fused_fast", "fused_fast_int8"),
    "SetFit, tuned": ("setfit_tuned",),
    "SetFit, as the seed ran it": ("setfit_seed",),
    "LLM + head, LoRA": ("seqcls_lora_tuned",),
    "LLM instructed, LoRA": ("instruct_lora_tuned_qa", "instruct_lora_tuned"),
    "words": ("tfidf_svm",),
    "untrained": ("instruct_untrained", "zero_shot"),
}
"""The answer's rows, one for each approach of the series, and the results that stand for it, the first that is there. `best` is found."""


def by_protocol(results: list[dict], protocol: str) -> list[dict]:
    """Results of one protocol, best accuracy first."""
    return sorted((r for r in results if r["protocol"] == protocol), key=lambda r: -r["metrics"]["accuracy"])


def of_protocol(results: list[dict]) -> list[dict]:
    """The results that figures compare: those over five folds, or, where there are none, those on the seed split; best first."""
    return by_protocol(results, "five_fold") or by_protocol(results, "seed_split")


def find_best(results: list[dict]) -> dict:
    """The most accurate result: over five folds where any was run over five folds, else on the seed split.

    Raises:
        ValueError: there is no result.
    """
    if not results:
        raise ValueError(
            "No result in this store can be read: run one of the notebooks 04 to 06 again, with the same PROFILE and WORKSPACE."
        )
    return (by_protocol(results, "five_fold") or by_protocol(results, "seed_split"))[0]


def answer_rows(results: list[dict]) -> dict[str, dict | None]:
    """The result that stands for each row of `ROWS`, over five folds where there is one, else on the seed split; None where there is none.

    A row that would show the best one again is left out.
    """
    best = find_best(results)
    of = {(r["approach"], r["protocol"]): r for r in results}
    rows = {"best": best}
    for name, approaches in ROWS.items():
        keys = [(approach, protocol) for approach in approaches for protocol in ("five_fold", "seed_split")]
        found = next((of[key] for key in keys if key in of), None)
        if name != "best" and (found is None or found["approach"] != best["approach"]):
            rows[name] = found
    return rows


def missing(store: Store) -> str:
    """What is said of an approach without a result."""
    return "not yet in the store" if store.shipped else "not run"


def answer_table(store: Store, results: list[dict]) -> pd.DataFrame:
    """At most eight rows, one for each approach of the series, with what it costs, and what others published beside it.

    Returns:
        DataFrame of strings for `rendering`; best first, then what has no result.
    """
    lines = []
    published = published_results() if is_published_on(store.dataset) else None
    rows = answer_rows(results)
    # The best one first, even where another was luckier on the few stories of the seed split.
    ordered = sorted(rows.items(), key=lambda row: (row[0] != "best", -(row[1]["metrics"]["accuracy"] if row[1] else -1)))
    for name, result in ordered:
        title = short_title(result) if result and len(ROWS[name]) != 1 else ""
        line = {"approach": title if title.startswith(name) else f"{name}: {title}" if title else name}
        line |= measures(result, results) if result else {"accuracy": missing(store)}
        if published is not None:
            line |= _published_beside(published, name)
        lines.append(line)
    table = pd.DataFrame(lines).fillna("")
    table = table[[name for name in table if table[name].any()]]
    return in_bold(table, rows={0})


def measures(result: dict, results: list[dict]) -> dict[str, str]:
    """Accuracy, macro F1, top-3 and cost of one of the results, as the tables show them."""
    m, ms = result["metrics"], latency(result, results)
    return {
        "accuracy": percent(m["accuracy"]),
        "95 % interval": f"{100 * m['accuracy_low']:.1f} to {percent(m['accuracy_high'])}",
        "macro F1": f"{m['f1_macro']:.3f}",
        "top-3": percent(m["top3"]),
        "stories judged": f"{m['n']:,}",
        "training": duration(training_seconds(result)) if training_seconds(result) else "",
        "ms a story": number(ms) if ms else "",
        "memory, GB": f"{memory_gb(result):.1f}" if memory_gb(result) else "",
    }


def training_seconds(result: dict) -> float | None:
    """Seconds of one training: that of a fold, where there are several."""
    train = result["cost"]["train"]
    return train and train["seconds"] / max(len(result["metrics"].get("folds", [])), 1)


def latency(result: dict, results: list[dict]) -> float | None:
    """Milliseconds that one story alone takes: measured, or, for a combination of other approaches, the sum of theirs; None where it is not known."""
    if result["cost"]["latency_ms"] or "members" not in result["settings"]:
        return result["cost"]["latency_ms"]
    measured = [r for r in results if r["cost"]["latency_ms"]]
    measured.sort(key=lambda r: r["protocol"] == result["protocol"])  # the last of a name counts: its own protocol's
    names = {r["approach"]: r["cost"]["latency_ms"] for r in measured}
    members = [names.get(name) for name in result["settings"]["members"]]
    return sum(members) if all(members) else None


def memory_gb(result: dict) -> float | None:
    """Highest memory of training and prediction, 10^9 bytes: of the GPU where there was one, else of the process."""
    parts = [part for part in (result["cost"]["train"], result["cost"]["predict"]) if part]
    return max((part.get("peak_gpu_gb") or part.get("peak_process_gb") or 0 for part in parts), default=None)


def short_title(result: dict) -> str:
    """The registry's title of an approach, or the stored one's beginning."""
    known = APPROACHES.get(result["approach"])
    return known.title if known else result["title"][:60]


def memory_rows(table: pd.DataFrame) -> pd.DataFrame:
    """`llm.memory_table()` as strings for `rendering`, the sums in bold."""
    rows = [{"part": name, "GB": f"{size:.2f}"} for name, size in table["GB"].items()]
    return in_bold(pd.DataFrame(rows), {place for place, row in enumerate(rows) if "limit" in row["part"]})


def in_bold(table: pd.DataFrame, rows: set[int]) -> pd.DataFrame:
    """Some rows of a table of strings in bold."""
    bold = table.map(lambda cell: f"**{cell}**" if cell else cell)
    return pd.concat([(bold if place in rows else table).iloc[[place]] for place in range(len(table))], ignore_index=True)


def is_published_on(dataset: dict) -> bool:
    """Whether the published figures are on this dataset: the real one, whole."""
    return dataset["genres"] == 99 and dataset["rows"] >= 999


def _published_beside(published: pd.DataFrame, name: str) -> dict[str, str]:
    """The seed's own figure for one row of the answer, and the best that others published for it."""
    of_row = published if name == "best" else published[published["row"] == name]
    seed, others = of_row[of_row["project"] == "seed"], of_row[of_row["project"] != "seed"]
    if name == "best":
        others = others[others["protocol"] == "5-fold"]
    return {
        "the seed's": percent(seed["accuracy"].max()) if len(seed) else "",
        "best published": percent(others["accuracy"].max()) if len(others) else "",
    }


def leaderboard(store: Store, results: list[dict]) -> pd.DataFrame:
    """Every result with every column, best first, then what was not run; strings for `rendering`, the best of each protocol in bold."""
    rows, best = [], set()
    for protocol, title in reversed(PROTOCOLS.items()):
        for r in by_protocol(results, protocol):
            if not any(row["protocol"] == title for row in rows):
                best.add(len(rows))
            m = r["metrics"]
            rows.append(
                {
                    "approach": r["title"],
                    "protocol": title,
                    "model": r["model"].split("/")[-1],
                    "trained on": ", ".join(f"{n:,} {source}" for source, n in r["training_set"].items() if n) or "nothing",
                    **measures(r, results),
                    "± over folds": percent(m["accuracy_sd"]) if "accuracy_sd" in m else "",
                    "precision": f"{m['precision_weighted']:.3f}",
                    "recall": f"{m['recall_weighted']:.3f}",
                    "F1": f"{m['f1_weighted']:.3f}",
                    "device": f"{r['facts']['device']}, {r['facts']['dtype']}",
                    "remarks": r["notes"],
                }
            )
    done = {r["approach"] for r in results}
    for name, approach in APPROACHES.items():
        if approach.always and name not in done:
            rows.append({"approach": approach.title, "accuracy": missing(store)})
    return in_bold(pd.DataFrame(rows).fillna(""), best)


def show(result: dict) -> str:
    """One line: accuracy with its interval, macro F1, top-3, on how many stories."""
    m = result["metrics"]
    spread = f" ± {m['accuracy_sd']:.1%} over folds" if "accuracy_sd" in m else ""
    return (
        f"{result['title']}, {PROTOCOLS[result['protocol']]}, {m['n']} stories: accuracy {m['accuracy']:.1%}{spread} "
        f"(95 % interval {m['accuracy_low']:.1%} to {m['accuracy_high']:.1%}), macro F1 {m['f1_macro']:.3f}, top-3 {m['top3']:.1%}"
    )


def pair_table(pairs: pd.DataFrame, results: list[dict]) -> pd.DataFrame:
    """Paired tests in words: strings for `rendering`.

    Args:
        pairs: from `compare_all`.
        results: the results that were compared.
    """
    title = {r["approach"]: short_title(r) for r in results}
    rows = [
        {
            "approach": title[pair.first],
            "against": title[pair.second],
            "points": points(pair.difference),
            "95 % interval": f"{points(pair.low)} to {points(pair.high)}",
            "p, McNemar": chance(pair.p),
            "p, Holm": chance(pair.p_holm),
            "told apart": "yes" if pair.p_holm < 0.05 else "no",
        }
        for pair in pairs.itertuples(index=False)
    ]
    return pd.DataFrame(rows)


def published_results() -> pd.DataFrame:
    """What the seed project and its public peers report for the real dataset (`data/published_results.csv`)."""
    return pd.read_csv(DATA / "published_results.csv")


def published_beside(results: list[dict], dataset: dict) -> pd.DataFrame | None:
    """Published results on this dataset that were judged as these were (five folds); None where there are none."""
    if not is_published_on(dataset) or results[0]["protocol"] != "five_fold":
        return None
    published = published_results()
    return published[published["protocol"] == "5-fold"]


def published_table() -> pd.DataFrame:
    """What others report for the real dataset, best first: strings for `rendering`."""
    table = published_results().sort_values("accuracy", ascending=False)
    rows = [
        {
            "project": row.project.split("/")[0],
            "approach": row.approach,
            "judged on": row.protocol,
            "accuracy": percent(row.accuracy),
            "macro F1": "" if pd.isna(row.f1_macro) else f"{row.f1_macro:.3f}",
            "cost, as they report it": row.cost,
        }
        for row in table.itertuples(index=False)
    ]
    return pd.DataFrame(rows)
