"""The answer of 07 in sentences that are written from the figures, so that they stay true when the figures change."""

from __future__ import annotations

import pandas as pd

from helpers.comparison.approaches import APPROACHES, HEAD, INSTRUCTED, TAKEN_AWAY, kind_of
from helpers.comparison.drivers import drawn_anew, read_drivers
from helpers.comparison.paired import compare_all, paired_test, tied_with_best
from helpers.comparison.rendering import duration, number, percent, points
from helpers.comparison.store import PROTOCOLS, Store
from helpers.comparison.tables import (
    answer_rows,
    by_protocol,
    find_best,
    is_published_on,
    latency,
    missing,
    published_results,
    short_title,
    training_seconds,
)

USE = "python -m helpers.takeaway classify --model checkpoints/{profile}/classifiers/{which} stories.csv --out genres.csv"
"""The command that classifies a table with a saved classifier."""


def _listed(names: list[str], most: int = 3) -> str:
    """`a, b and c`, or `a, b, c and 4 more`."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def sentences(store: Store, results: list[dict]) -> list[str]:
    """Three sentences, as Markdown: which approach wins, is that more than luck, what does it cost and how is it used."""
    best = find_best(results)
    same = by_protocol(results, best["protocol"])
    return [_winner(store, best, len({r["approach"] for r in results})), _luck(same), _cost(store, best, results)]


def _winner(store: Store, best: dict, count: int) -> str:
    m = best["metrics"]
    how = (
        "every story judged once, by a model that never saw it"
        if best["protocol"] == "five_fold"
        else "the seed split's test stories"
    )
    line = (
        f"**{short_title(best)}** classifies best of {count} approaches: **{percent(m['accuracy'])}** of {m['n']:,} stories in "
        f"{store.dataset['genres']} genres ({how}; 95 % interval {100 * m['accuracy_low']:.1f} to {percent(m['accuracy_high'])})"
    )
    line += f", and in {percent(m['top3'])} the right genre is among its first three" if store.dataset["genres"] > 3 else ""
    if is_published_on(store.dataset):
        published = published_results()
        others = published[(published["project"] != "seed") & (published["protocol"] == "5-fold")]["accuracy"].max()
        seed = published[published["project"] == "seed"]["accuracy"].max()
        line += f"; the seed published {percent(seed)}, and the best published figure over five folds is {percent(others)}"
    return f"{line}.{_on_drawn_folds(store, best)}"


def _on_drawn_folds(store: Store, best: dict) -> str:
    """What the best one reaches on folds of other seeds, where that was measured: its recipe was chosen on stories that its own folds judge."""
    anew = drawn_anew(read_drivers(store.folder, store.dataset)) if best["protocol"] == "five_fold" else None
    if anew is None:
        return ""
    anew = anew[(anew["model"] == short_title(best)) & (anew["folds of seed"] != str(best["facts"]["seed"]))]
    figures = [f"{accuracy} (seed {seed})" for accuracy, seed in zip(anew["accuracy"], anew["folds of seed"])]
    return f" On folds drawn anew, on which nothing was chosen, it reaches {_listed(figures)}." if figures else ""


def _luck(same: list[dict]) -> str:
    if len(same) < 2:
        return "Nothing else was judged in the same way, so there is nothing to compare it with yet."
    tied = tied_with_best([r["approach"] for r in same], compare_all(same))
    titles = {r["approach"]: short_title(r) for r in same}
    lead = points(paired_test(same[0]["predictions"], same[1]["predictions"])["difference"]).lstrip("+")
    rest = len(same) - 1 - len(tied)
    if not tied:
        return f"That is more than luck: it is ahead of all {rest} others, {lead} points ahead of {titles[same[1]['approach']]} (McNemar, corrected after Holm, p < 0.05)."
    line = f"By these stories it cannot be told from {_listed([f'**{titles[name]}**' for name in tied])} (McNemar, corrected after Holm, p < 0.05)"
    return line + (f"; ahead of the other {rest} it is by more than luck." if rest else ".")


def _cost(store: Store, best: dict, results: list[dict]) -> str:
    seconds, ms = training_seconds(best), latency(best, results)
    parts = [f"{duration(seconds)} to train" if seconds else "", f"{number(ms)} ms a story" if ms else ""]
    took = " and ".join(part for part in parts if part)
    line = f"It takes {took} ({best['facts']['device']})" if took else f"It was run on {best['facts']['device']}"
    fast = answer_rows(results).get("fast")
    if fast and latency(fast, results) and fast["protocol"] == best["protocol"]:
        t = paired_test(fast["predictions"], best["predictions"])
        line += f"; **{short_title(fast)}** takes {number(latency(fast, results))} ms and gives up {points(-t['difference']).lstrip('+')} points"
    saved = next((r for r in by_protocol(results, best["protocol"]) if r["approach"] in TAKEN_AWAY), None)
    if saved is None:
        return f"{line}. 06 saves classifiers that can be taken away."
    command = f"`{USE.format(profile=store.profile, which=TAKEN_AWAY[saved['approach']])}`"
    if saved["approach"] == best["approach"]:
        return f"{line}. Use it: {command}"
    behind = points(paired_test(best["predictions"], saved["predictions"])["difference"]).lstrip("+")
    return f"{line}. The best one to take away is **{short_title(saved)}**, {behind} points behind: {command}"


def which_to_use(store: Store, results: list[dict], kept: pd.DataFrame) -> pd.DataFrame:
    """What to use when: four cases with what to take, and the figures that say so; strings for `rendering`.

    Args:
        store, results: from `open_store` and `load_results`.
        kept: from `answering.read_answers`: question answering with each adapter on.
    """
    of, best, none = answer_rows(results), find_best(results), missing(store)

    def figures(result: dict | None) -> str:
        if result is None:
            return none
        ms = latency(result, results)
        return f"{percent(result['metrics']['accuracy'])} ({PROTOCOLS[result['protocol']]}){f', {number(ms)} ms a story' if ms else ''}"

    fast = of.get("fast") or (best if best["approach"].startswith("fused_fast") else None)
    untuned = next(
        (r for r in by_protocol(results, best["protocol"]) if r["approach"] in ("fused_fast", "fused_fast_int8")), None
    )
    on_gpu = [r for r in results if "CPU" not in r["facts"]["device"]]
    llms = [r for r in results if kind_of(r["approach"]) in (HEAD, INSTRUCTED)]
    answering = kept[kept["approach"].isin([r["approach"] for r in llms])] if len(kept) else kept
    one_llm, says = None, none
    if len(answering):
        row = answering.sort_values("exact match").iloc[-1]
        one_llm = next(r for r in llms if r["approach"] == row["approach"])
        says = f"{figures(one_llm)}; answers {percent(row['exact match'], 0)} of the questions exactly, {percent(row['base'], 0)} without an adapter"
    return pd.DataFrame(
        [
            {"you have": "no GPU, and many stories", "take": short_title(fast) if fast else "fast", "because": figures(fast)},
            {"you have": "no GPU, and time", "take": short_title(best), "because": figures(best)},
            {
                "you have": "a T4",
                "take": short_title(find_best(on_gpu)) if on_gpu else "the same: nothing was run on a GPU yet",
                "because": figures(find_best(on_gpu)) if on_gpu else "all of it runs on a CPU",
            },
            {"you have": "room for one LLM that does both tasks", "take": short_title(one_llm) if one_llm else "LLM, instruction LoRA with questions mixed in", "because": says},
            {"you have": "labels of your own", "take": f"{short_title(untuned) if untuned else 'fast'}, with STORIES_CSV=your.csv", "because": f"{figures(untuned)}; no recipe to tune"},
        ]
    )  # fmt: skip


def not_run(store: Store, results: list[dict]) -> pd.DataFrame:
    """Approaches of the series without a result, and the notebook that makes each; strings for `rendering`."""
    done = {r["approach"] for r in results}
    lines = [
        {"approach": a.title, "kind": a.kind, "state": missing(store), "made by": f"notebook {a.notebook}"}
        for name, a in APPROACHES.items()
        if a.always and name not in done
    ]
    return pd.DataFrame(lines, columns=["approach", "kind", "state", "made by"])


def where_it_ran(results: list[dict]) -> pd.DataFrame:
    """On what the results were computed: device, number type, days, and how many results; strings for `rendering`."""
    rows = [
        {"device": r["facts"]["device"], "number type": r["facts"]["dtype"], "Python": r["facts"]["python"], "torch": r["facts"]["versions"]["torch"], "day": r["created_at"][:10], "results": 1}
        for r in results
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    return table.groupby([name for name in table if name != "results"], as_index=False)["results"].sum().astype(str)
