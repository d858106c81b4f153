"""The figures of 07, drawn to be read on a phone: narrow, large letters, and colours that a colour-blind reader can tell apart (Okabe and Ito, 2008).

Each returns the figure and its alt text; `present` shows both.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from helpers.comparison.approaches import KINDS, kind_of
from helpers.comparison.drawing import BLACK, BLUE, GREEN, GREY, LARGE, ORANGE, SMALL, WIDTH, axes, percent_axis, row_label
from helpers.comparison.figures import finished
from helpers.comparison.paired import tied_with_best, ties
from helpers.comparison.rendering import duration, number, percent
from helpers.comparison.tables import latency, short_title, training_seconds


def forest(results: list[dict], pairs: pd.DataFrame, published: pd.DataFrame | None = None) -> tuple[plt.Figure, str]:
    """Accuracies with their intervals, grouped by kind of approach; what cannot be told from the best is filled, published figures are diamonds.

    Args:
        results: of one protocol.
        pairs: from `compare_all`.
        published: rows of `published_results` that were judged in the same way, or None.
    """
    ordered = sorted(results, key=lambda r: -r["metrics"]["accuracy"])
    level = {ordered[0]["approach"], *tied_with_best([r["approach"] for r in ordered], pairs)}
    best_of = {
        kind: max((r["metrics"]["accuracy"] for r in ordered if kind_of(r["approach"]) == kind), default=-1)
        for kind in (*KINDS, "other")
    }
    lines = []  # (text, result, published row, heading)
    for kind in sorted((kind for kind in best_of if best_of[kind] >= 0), key=lambda kind: -best_of[kind]):
        lines.append((kind, None, None))
        lines += [(short_title(r), r, None) for r in ordered if kind_of(r["approach"]) == kind]
    if published is not None and len(published):
        lines.append(("published by others", None, None))
        lines += [(row["approach"], None, row) for _, row in published.sort_values("accuracy", ascending=False).iterrows()]
    fig, ax = axes(0.5 * len(lines) + 1.3)
    best = ordered[0]["metrics"]
    ax.axvspan(best["accuracy_low"], best["accuracy_high"], color=BLUE, alpha=0.10, lw=0)
    for place, (text, result, row) in enumerate(lines):
        y = -place
        if result is None and row is None:
            row_label(ax, y - 0.3, text, weight="bold", color=GREY)
            continue
        point = result["metrics"]["accuracy"] if result else row["accuracy"]
        if result:
            m, filled = result["metrics"], result["approach"] in level
            ax.plot([m["accuracy_low"], m["accuracy_high"]], [y, y], color=BLUE, lw=2)
            ax.plot(point, y, "o", ms=9, mec=BLUE, mew=2, color=BLUE if filled else "white", zorder=4)
        else:
            ax.plot(point, y, "D", ms=8, color=ORANGE)
        row_label(ax, y, f"{text}  {percent(point)}", weight="bold" if place == 1 else "normal")
    handles = [
        Line2D([], [], marker="o", ms=9, color=BLUE, label="cannot be told from the best"),
        Line2D([], [], marker="o", ms=9, mfc="white", mew=2, color=BLUE, label="behind it by more than luck"),
    ]
    if published is not None and len(published):
        handles.append(Line2D([], [], marker="D", ms=8, ls="", color=ORANGE, label="published"))
    ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.75 / (0.5 * len(lines) + 1.3)),
        ncols=1,
        fontsize=SMALL,
        frameon=False,
    )
    protocol = "five folds" if ordered[0]["protocol"] == "five_fold" else "seed split"
    ax.set(
        yticks=[], ylim=(-len(lines) + 0.4, 0.9), xlabel=f"accuracy, {best['n']:,} stories, {protocol}; lines: 95 % interval"
    )
    ax.set_title(f"{short_title(ordered[0])}: {percent(best['accuracy'])}", loc="left", fontsize=LARGE)
    low = min(0.0 if best["accuracy"] < 0.3 else 1.0, *(r["metrics"]["accuracy_low"] for r in ordered))
    ax.set_xlim(max(0, low - 0.35 * (best["accuracy_high"] - low)), best["accuracy_high"] + 0.02)
    percent_axis(ax.xaxis)
    ax.xaxis.label.set_size(SMALL)
    ax.grid(axis="y", visible=False)
    said = "; ".join(f"{short_title(r)} {percent(r['metrics']['accuracy'])}" for r in ordered[:6])
    return finished(fig), f"Forest plot of accuracies with 95 % intervals, best first: {said}."


def differences(results: list[dict], pairs: pd.DataFrame, most: int = 12) -> tuple[plt.Figure, str]:
    """The best approaches in order of accuracy; bars join those of which no two can be told apart."""
    ordered = sorted(results, key=lambda r: -r["metrics"]["accuracy"])[:most]
    names = [r["approach"] for r in ordered]
    runs = ties(names, pairs)
    fig, ax = axes(0.5 * len(ordered) + 1.2)
    for place, r in enumerate(ordered):
        ax.plot(r["metrics"]["accuracy"], -place, "o", ms=9, color=BLUE, zorder=4)
        row_label(ax, -place, f"{short_title(r)}  {percent(r['metrics']['accuracy'])}")
    right = ordered[0]["metrics"]["accuracy"]
    span = max(right - ordered[-1]["metrics"]["accuracy"], 0.02)
    for column, (first, last) in enumerate(runs):
        x = right + span * (0.12 + 0.06 * column)
        ax.plot([x, x], [-first + 0.25, -last - 0.25], color=ORANGE, lw=5, solid_capstyle="round")
    ax.set(yticks=[], ylim=(-len(ordered) + 0.4, 0.9), xlabel="accuracy; orange bars join what cannot be told apart")
    ax.set_xlim(right - span * 1.6, right + span * (0.2 + 0.06 * len(runs)))
    ax.set_title("Joined: the difference may be luck", loc="left", fontsize=LARGE)
    percent_axis(ax.xaxis)
    ax.xaxis.label.set_size(SMALL)
    ax.grid(axis="y", visible=False)
    said = "; ".join(f"{short_title(ordered[a])} to {short_title(ordered[b])}" for a, b in runs) or "none"
    return finished(fig), f"Approaches in order of accuracy. Joined because no two of them can be told apart: {said}."


def costs(results: list[dict], by: str) -> tuple[plt.Figure, str] | None:
    """Accuracy against what it costs, on a log scale, with the Pareto front: nothing else is both cheaper and better than a point on it.

    Args:
        results: of one protocol.
        by: `latency` (milliseconds a story) or `training` (seconds of one training).

    Returns:
        None where fewer than two approaches were timed.
    """
    measure = (lambda r: latency(r, results)) if by == "latency" else training_seconds
    points = [(measure(r), r["metrics"]["accuracy"], short_title(r)) for r in results]
    points = sorted((p for p in points if p[0]), key=lambda p: (p[0], -p[1]))
    if len(points) < 2:
        return None
    front, highest = [], -1.0
    for cost, accuracy, title in points:
        if accuracy > highest:
            front.append((cost, accuracy, title))
            highest = accuracy
    fig, ax = axes(4.2)
    low, high = min(p[1] for p in points), max(p[1] for p in points)
    spread = max(high - low, 0.02)
    ax.step([p[0] for p in front], [p[1] for p in front], where="post", color=ORANGE, lw=2)
    ax.scatter([p[0] for p in points], [p[1] for p in points], s=60, facecolor="white", edgecolor=BLUE, lw=2, zorder=3)
    ax.scatter([p[0] for p in front], [p[1] for p in front], s=190, color=ORANGE, zorder=4)
    unit = (lambda value: f"{number(value)} ms") if by == "latency" else duration
    lines = []
    for place, (cost, accuracy, title) in enumerate(front, 1):
        ax.text(
            cost,
            accuracy,
            str(place),
            ha="center",
            va="center_baseline",
            fontsize=SMALL - 1,
            color="white",
            weight="bold",
            zorder=5,
        )
        lines.append(f"{place}  {title}: {unit(cost)}, {percent(accuracy)}")
    ax.set(xscale="log", ylim=(low - 0.12 * spread, high + 0.12 * spread), ylabel="accuracy")
    ax.set_xlim(points[0][0] / 4, points[-1][0] * 4)
    if by == "latency":
        ax.set_xlabel("milliseconds a story, one at a time (log scale)", fontsize=SMALL)
        ax.xaxis.set_major_formatter(lambda value, _: number(value))
    else:
        ax.set_xlabel("one training, embeddings at hand (log scale)", fontsize=SMALL)
        ax.xaxis.set_major_locator(FixedLocator([0.1, 1, 10, 60, 600, 3600, 36000]))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(lambda value, _: duration(value))
    percent_axis(ax.yaxis)
    ax.yaxis.label.set_size(SMALL)
    ax.set_title("Orange: nothing is both cheaper and better", loc="left", fontsize=LARGE)
    fig.text(0.03, 0.0, "\n".join(lines), fontsize=SMALL, va="top", linespacing=1.45)
    return finished(fig), f"Accuracy against {by} on a log scale. On the Pareto front: {'; '.join(line[3:] for line in lines)}."


def families(shares: pd.DataFrame, title: str) -> tuple[plt.Figure, str]:
    """Confusion matrix of families, large enough to read: rows are the truth, in per cent of the row."""
    size = len(shares)
    fig, ax = axes(0.42 * size + 2.6)
    annotated = size <= 16
    texts = (100 * shares).round().astype(int).astype(str).where(shares >= 0.005, "")
    sns.heatmap(
        shares,
        ax=ax,
        cmap="Blues",
        vmin=0,
        vmax=1,
        cbar=False,
        square=True,
        annot=texts if annotated else False,
        fmt="",
        annot_kws={"size": SMALL - 1},
        linewidths=0.5,
        linecolor="#dddddd",
    )
    ax.tick_params(labelsize=SMALL - 1, length=0)
    ax.set_xticklabels(ax.get_xticklabels(), rotation=45, ha="right", rotation_mode="anchor")
    ax.set_xlabel("predicted", fontsize=SMALL)
    ax.set_ylabel("true", fontsize=SMALL)
    ax.set_title(title, loc="left", fontsize=LARGE, x=-0.3)
    diagonal = pd.Series(np.diag(shares), shares.index)
    worst = ", ".join(f"{name} {percent(share, 0)}" for name, share in diagonal.nsmallest(3).items())
    return finished(fig), f"Confusion matrix of {size} families; shares put right lie on the diagonal. Lowest: {worst}."


def genre_bars(table: pd.DataFrame) -> tuple[plt.Figure, str]:
    """F1 of every genre, highest first; the seed's overlap families are marked by colour and by a star.

    Args:
        table: from `genre_f1`.
    """
    table = table.iloc[::-1].reset_index(drop=True)
    half = -(-len(table) // 2) if len(table) > 30 else len(table)
    parts = [table.iloc[:half], table.iloc[half:]]
    parts = [part for part in parts if len(part)]
    fig, axes = plt.subplots(1, len(parts), figsize=(WIDTH, 0.21 * half + 1.2), squeeze=False)
    for ax, part in zip(axes[0], parts):
        colours = [ORANGE if overlapping else BLUE for overlapping in part["overlapping"]]
        names = [f"{'* ' if row.overlapping else ''}{row.genre}" for row in part.itertuples()]
        ax.barh(range(len(part)), part["f1"], color=colours, height=0.75)
        ax.set_yticks(range(len(part)), names)
        ax.tick_params(labelsize=SMALL - 1.5)
        ax.set(xlim=(0, 1), ylim=(half - 0.4, -0.6), xlabel="F1")
        ax.grid(axis="y", visible=False)
    said = ", ".join(f"{row.genre} {row.f1:.2f}" for row in table.iloc[::-1].head(5).itertuples())
    title = "F1 by genre" + ("; * orange: what the seed calls overlapping" if table["overlapping"].any() else "")
    fig.suptitle(title, fontsize=LARGE, x=0.02, ha="left", weight="bold")
    return finished(fig), f"{title}. Lowest: {said}."


def drivers(found: pd.DataFrame, study: str, xlabel: str) -> tuple[plt.Figure, str]:
    """Accuracy with its interval over the settings of one study, a line a model.

    Args:
        found: from `read_drivers`.
        study: one of its studies.
        xlabel: what is varied, for the axis.
    """
    rows = found[found["study"] == study]
    values = list(dict.fromkeys(rows["value"]))
    fig, ax = axes(3.4)
    said = []
    for (model, of_model), colour, marker, shift in zip(
        rows.groupby("model", sort=False), (BLUE, ORANGE, GREEN), "osD", (-0.06, 0, 0.06)
    ):
        places = [values.index(value) + shift for value in of_model["value"]]
        spread = [of_model["accuracy"] - of_model["low"], of_model["high"] - of_model["accuracy"]]
        ax.errorbar(places, of_model["accuracy"], yerr=spread, marker=marker, ms=7, lw=2, capsize=3, color=colour, label=model)
        said.append(f"{model} from {percent(of_model['accuracy'].iloc[0])} to {percent(of_model['accuracy'].iloc[-1])}")
    ax.set_xticks(range(len(values)), values)
    ax.set_xlim(-0.4, len(values) - 0.6)
    ax.set_xlabel(xlabel, fontsize=SMALL)
    ax.set_ylabel("accuracy", fontsize=SMALL)
    percent_axis(ax.yaxis)
    ax.legend(
        fontsize=SMALL,
        loc="upper center",
        bbox_to_anchor=(0.5, 1.17),
        ncols=3,
        frameon=False,
        columnspacing=1,
        handletextpad=0.4,
    )
    return finished(fig), f"Accuracy over {xlabel} ({', '.join(values)}): {'; '.join(said)}."


def gains(worth: pd.DataFrame) -> tuple[plt.Figure, str]:
    """What each kind of augmented rows adds to originals alone, with its paired interval.

    Args:
        worth: first table of `augmentation.read_worth`.
    """
    rows = worth.dropna(subset=["gain"])
    names = list(dict.fromkeys(rows["training set"]))
    models = rows["model"].nunique()
    fig, ax = axes((0.3 + 0.12 * models) * len(names) + 0.8 + 0.3 * models)
    looks = zip((BLUE, ORANGE, GREEN, GREY, BLACK), "osD^v", np.linspace(0.28, -0.28, models) if models > 1 else [0.0])
    for (model, of_model), (colour, marker, shift) in zip(rows.groupby("model", sort=False), looks):
        places = [-names.index(name) + shift for name in of_model["training set"]]
        spread = [100 * (of_model["gain"] - of_model["gain low"]), 100 * (of_model["gain high"] - of_model["gain"])]
        ax.errorbar(100 * of_model["gain"], places, xerr=spread, fmt=marker, ms=7, lw=2, capsize=3, color=colour, label=model)
    ax.axvline(0, color=BLACK, lw=1)
    ax.set_yticks([-place for place in range(len(names))], names)
    ax.set_ylim(-len(names) + 0.4, 0.6)
    ax.set_xlabel("accuracy gained against originals alone, points", fontsize=SMALL)
    ax.legend(fontsize=SMALL, loc="lower center", bbox_to_anchor=(0.4, 1), frameon=False)
    said = "; ".join(f"{row['model']}, {row['training set']} {100 * row['gain']:+.1f}" for row in rows.to_dict("records"))
    return finished(fig), f"Points of accuracy gained by augmented rows: {said}."


def answers(kept: pd.DataFrame) -> tuple[plt.Figure, str]:
    """Questions answered exactly with each adapter on, against the model without one.

    Args:
        kept: from `read_answers`.
    """
    fig, ax = axes(0.55 * len(kept) + 1.6)
    base = kept.iloc[0]
    ax.axvspan(base["base low"], base["base high"], color=GREY, alpha=0.18, lw=0)
    ax.axvline(base["base"], color=GREY, lw=2, ls="--")
    for place, row in enumerate(kept.itertuples(index=False)):
        exact, low, high = row[kept.columns.get_loc("exact match")], row.low, row.high
        colour, marker = (GREEN, "o") if exact >= base["base low"] else (ORANGE, "s")
        ax.plot([low, high], [-place, -place], color=colour, lw=2)
        ax.plot(exact, -place, marker, ms=9, color=colour)
    ax.set_yticks([-place for place in range(len(kept))], kept["title"])
    ax.set(ylim=(-len(kept) + 0.3, 0.7), xlim=(-0.02, max(0.3, kept["high"].max() + 0.05, base["base high"] + 0.05)))
    ax.set_xlabel(f"{int(base['questions'])} questions answered exactly; dashed: no adapter", fontsize=SMALL)
    percent_axis(ax.xaxis)
    ax.grid(axis="y", visible=False)
    said = "; ".join(f"{row['title']} {percent(row['exact match'], 0)}" for row in kept.to_dict("records"))
    return finished(
        fig
    ), f"Share of questions answered exactly with each adapter on: {said}; without one {percent(base['base'], 0)}."
