"""Figures of a classifier to take away: how far its confidence can be trusted, and why it said what it said."""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from helpers.comparison.figures import BLUE, GREY, ORANGE
from helpers.takeaway import reasons
from helpers.takeaway.calibration import LEAST, coverage, expected_calibration_error, reliability, threshold_for


def confidence(judged: pd.DataFrame, name: str, wanted: float = 0.9) -> plt.Figure:
    """Whether it is as often right as it says, and how often it is right where it is surest.

    Args:
        judged: stories that it was fitted without, see `calibration.of_judged`.
        name: of the classifier.
        wanted: accuracy that is marked in the second diagram.
    """
    fig, axes = plt.subplots(1, 2, figsize=(14, 4.8), width_ratios=(1, 1.3))
    right = judged["right"].to_numpy()
    _reliability(axes[0], judged, right)
    _coverage(axes[1], judged["after"].to_numpy(), right, wanted)
    for axis in (axes[0].xaxis, axes[0].yaxis, axes[1].xaxis, axes[1].yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:.0%}")
    fig.suptitle(f"{name}: {len(judged):,} stories that it was fitted without", x=0.01, ha="left", fontweight="bold")
    return _finished(fig)


def _reliability(ax, judged: pd.DataFrame, right: np.ndarray) -> None:
    ax.plot([0, 1], [0, 1], color=GREY, ls="--", lw=1, label="as often right as it says")
    for when, colour, marker in (("before", ORANGE, "o"), ("after", BLUE, "D")):
        points, error = (measure(judged[when].to_numpy(), right) for measure in (reliability, expected_calibration_error))
        label = f"{when} calibration, error {error:.3f}"
        ax.plot(points["confidence"], points["accuracy"], marker=marker, ms=5, color=colour, label=label)
    ax.set(title="Can its confidence be believed?", xlabel="confidence", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
    ax.legend(loc="upper left", fontsize=9)


def _coverage(ax, sure: np.ndarray, right: np.ndarray, wanted: float) -> None:
    table, reached = coverage(sure, right), threshold_for(sure, right, wanted)
    ax.plot(table["coverage"], table["accuracy"], color=BLUE, lw=2)
    title = f"Never right in {wanted:.0%} of {LEAST} stories or more"
    if reached:
        title = f"Right in {wanted:.0%} of the {reached['coverage']:.0%} that it is surest of: confidence {reached['threshold']:.2f} and more"
        ax.plot([0, reached["coverage"], reached["coverage"]], [wanted, wanted, 0], color=ORANGE, ls="--", lw=1.2)
        ax.plot(reached["coverage"], reached["accuracy"], marker="D", color=ORANGE)
    ax.set(title=title, xlabel="share of the stories that are answered, the surest first", ylabel="share that is right")
    ax.set(xlim=(0, 1.01), ylim=(max(0.0, table["accuracy"].iloc[-1] - 0.1), 1.01))


def why(classifier, text: str, title: str = "", label: str | None = None) -> plt.Figure:
    """One prediction and its reasons: the likeliest labels, the words for and against the first, and what each passage does for it.

    Args:
        classifier: a `GenreClassifier`.
        text, title: the story.
        label: the label that is explained; by default the likeliest.
    """
    answer = classifier.classify([text], [title], top=5).iloc[0]
    if not answer["likeliest"]:
        raise ValueError(f"There are no reasons to give: {answer['note']}.")
    label = label or answer["likeliest"][0][0]
    words, passages = reasons.words(classifier, text, title, label, most=7), reasons.passages(classifier, text, title, label)
    fig, axes = plt.subplots(1, 3, figsize=(16, 4.6), width_ratios=(1, 1, 2.4))
    labels, chances = zip(*answer["likeliest"])
    _bars(axes[0], labels, chances, [BLUE if name == label else GREY for name in labels], "The likeliest")
    axes[0].xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes[0].set_xlim(0, max(chances) * 1.25)
    for place, chance in enumerate(chances):
        axes[0].text(chance, place, f" {chance:.0%}", va="center", fontsize=9)
    _bars(axes[1], words["word"], words["says"], _signed(words["says"]), f"Words for and against\n{label}")
    lines = [f"{number}  {textwrap.shorten(p, 62, placeholder=' …')}" for number, p in enumerate(passages["passage"], 1)]
    _bars(axes[2], lines, passages["says"], _signed(passages["says"]), f"What each passage does for\n{label}")
    axes[2].set_xlabel("how far its log odds fall without the passage")
    axes[1].set_xlabel("share in its score")
    axes[2].yaxis.tick_right()
    if passages.empty:
        axes[2].text(0.5, 0.5, "a single passage: nothing to leave out", ha="center", transform=axes[2].transAxes)
    fig.suptitle(textwrap.shorten(f"{title or text}", 100, placeholder=" …"), x=0.01, ha="left", fontweight="bold")
    return _finished(fig)


def _bars(ax, names, values, colours, title: str) -> None:
    """Horizontal bars, the first on top."""
    places = np.arange(len(names))
    ax.barh(places, values, color=colours)
    ax.set_yticks(places, names, fontsize=9)
    ax.set_ylim(max(len(names), 1) - 0.5, -0.5)
    ax.axvline(0, color="black", lw=0.8)
    ax.set_title(title, fontsize=11)
    ax.grid(axis="y", visible=False)


def _signed(values: pd.Series) -> list[str]:
    return [BLUE if value > 0 else ORANGE for value in values]


def _finished(fig: plt.Figure) -> plt.Figure:
    fig.tight_layout()
    plt.close(fig)
    return fig
