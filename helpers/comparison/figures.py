"""Every figure: axes labelled, genres ordered by family, one message in the title."""

from __future__ import annotations

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython import get_ipython
from sklearn.manifold import TSNE
from sklearn.metrics import confusion_matrix

from helpers.stories import by_family, count_words, families_of

BLUE, ORANGE, GREY = "#3b6ea5", "#d9822b", "#9aa0a6"


def finished(fig: plt.Figure) -> plt.Figure:
    """Lay the figure out and close it: a notebook then shows it once, as the cell's value, with an alt text, and not a second time by itself."""
    fig.tight_layout()
    plt.close(fig)
    if shell := get_ipython():
        shell.display_formatter.formatters["image/png"].for_type(plt.Figure, _with_alt)
    return fig


def _with_alt(fig: plt.Figure) -> tuple[str, dict]:
    """A figure as IPython shows it, and what a screen reader says instead."""
    picture = io.BytesIO()
    fig.savefig(picture, format="png", bbox_inches="tight")
    return base64.b64encode(picture.getvalue()).decode(), {"alt": alt_text(fig)}


def alt_text(fig: plt.Figure) -> str:
    """A figure's titles and what its axes show."""
    said = [fig.get_suptitle()]
    for ax in fig.axes:
        axes = [f"{side}: {label}" for side, label in (("across", ax.get_xlabel()), ("upwards", ax.get_ylabel())) if label]
        said.append(" ".join([ax.get_title(), f"({'; '.join(axes)})" if axes else ""]))
    return ". ".join(" ".join(part.split()) for part in said if part.strip())


def genre_counts(table: pd.DataFrame) -> plt.Figure:
    """Stories per genre, split by train, validation and test; families together."""
    genres = by_family(table["genre"])
    counts = table.groupby(["genre", "split"]).size().unstack(fill_value=0).reindex(genres)
    wide = len(genres) > 40
    fig, ax = plt.subplots(figsize=(15 if wide else 10, 4.5))
    bottom = np.zeros(len(genres))
    for split, colour in (("train", BLUE), ("validation", ORANGE), ("test", GREY)):
        values = counts.get(split, pd.Series(0, index=genres)).to_numpy()
        ax.bar(genres, values, bottom=bottom, color=colour, label=split, width=0.85)
        bottom += values
    ax.tick_params(axis="x", rotation=90, labelsize=7 if wide else 9)
    ax.set(title="Few stories in each genre", ylabel="stories", xlabel="genre, ordered by family")
    ax.grid(axis="x", visible=False)
    ax.margins(x=0.01)
    ax.legend(ncols=3, loc="upper right")
    return finished(fig)


def story_lengths(table: pd.DataFrame, limits: dict[str, int]) -> plt.Figure:
    """Histogram of story lengths in words, with what each model can see.

    Args:
        table: story table.
        limits: name of a model to the words that it sees, roughly.
    """
    words = table["text"].map(count_words)
    fig, ax = plt.subplots(figsize=(10, 3.8))
    sns.histplot(words, bins=40, color=BLUE, ax=ax, edgecolor="white")
    for (name, limit), colour in zip(limits.items(), (ORANGE, "#8c3b3b", "#3b8c6a")):
        ax.axvline(limit, color=colour, lw=2, ls="--", label=f"{name}: about {limit} words")
    ax.set(title="How much of a story a model sees", xlabel="words in the story", ylabel="stories")
    ax.legend()
    return finished(fig)


def _family_borders(ax, genres: list[str]) -> None:
    of_genre = families_of(genres)
    families = [of_genre[genre] for genre in genres]
    for place in range(1, len(genres)):
        if families[place] != families[place - 1]:
            ax.axhline(place, color="black", lw=0.7)
            ax.axvline(place, color="black", lw=0.7)


def _genre_heatmap(matrix: np.ndarray, genres: list[str], size: float, labels: tuple[float, float], legend: str, **options):
    """Square heat map of genres by genres with family borders; `labels` are the font sizes with many and with few genres."""
    fig, ax = plt.subplots(figsize=(size + 1, size))
    bar = {"label": legend, "shrink": 0.7}
    sns.heatmap(matrix, square=True, ax=ax, xticklabels=genres, yticklabels=genres, cbar_kws=bar, **options)
    ax.grid(False)
    ax.tick_params(labelsize=labels[0] if len(genres) > 40 else labels[1])
    _family_borders(ax, genres)
    return fig, ax


def genre_similarity(centroids: np.ndarray, genres: list[str]) -> plt.Figure:
    """Heat map of cosine similarities between genre centroids, families marked.

    Args:
        centroids: float array (genres, dimensions), rows of length 1, in the order of `genres`.
        genres: ordered by family.
    """
    similarity = centroids @ centroids.T
    np.fill_diagonal(similarity, np.nan)
    fig, ax = _genre_heatmap(similarity, genres, 0.12 * len(genres) + 5, (6, 9), "cosine similarity", cmap="viridis")
    ax.set_title("Which genres lie close (lines part the families)")
    return finished(fig)


def confusion(predictions: pd.DataFrame, title: str) -> plt.Figure:
    """Confusion matrix, genres ordered by family, rows of the true genre in shares."""
    genres = by_family(set(predictions["genre"]) | set(predictions["predicted"]))
    matrix = confusion_matrix(predictions["genre"], predictions["predicted"], labels=genres).astype(float)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    label = "share of the true genre's stories"
    fig, ax = _genre_heatmap(shares, genres, 0.085 * len(genres) + 4.5, (5.5, 8), label, cmap="Blues", vmin=0, vmax=1)
    ax.set(title=title, xlabel="predicted genre", ylabel="true genre")
    return finished(fig)


def training_loss(logs: dict[str, list[dict]], uniform: float | None = None) -> plt.Figure:
    """Loss over optimizer steps, and after each epoch on validation where it was taken.

    Args:
        logs: name to training log (dicts of `step`, and `loss` or `validation_loss`).
        uniform: loss of a uniform guess over the genres, drawn as a line.
    """
    fig, ax = plt.subplots(figsize=(8, 3.4))
    for (name, log), colour in zip(logs.items(), (BLUE, ORANGE, GREY)):
        for kind, marker, label in (("loss", "o", name), ("validation_loss", "D", f"{name}, on validation")):
            points = [(e["step"], e[kind]) for e in log if kind in e]
            if points:
                line = "-" if kind == "loss" else ":"
                ax.plot(*zip(*points), marker=marker, ls=line, ms=3 if kind == "loss" else 6, color=colour, label=label)
    if uniform:
        ax.axhline(uniform, color=GREY, ls="--", lw=1, label=f"uniform guess over the genres ({uniform:.2f})")
    ax.set(title="Training loss", xlabel="optimizer step", ylabel="cross-entropy")
    ax.legend()
    return finished(fig)


def genre_map(panels: dict[str, np.ndarray], genres: pd.Series, unseen: np.ndarray, seed: int = 42) -> plt.Figure:
    """Two-dimensional maps (t-SNE) of the same stories under several encoders, coloured by genre.

    Args:
        panels: title to embeddings, float array (stories, dimensions).
        genres: of the stories.
        unseen: bool array (stories,): these are drawn strongly, the others faintly.
        seed: of the maps.
    """
    names = by_family(genres)
    colours = dict(zip(names, sns.color_palette("husl", len(names))))
    fig, axes = plt.subplots(1, len(panels), figsize=(6.2 * len(panels), 5.4))
    for ax, (title, vectors) in zip(np.atleast_1d(axes), panels.items()):
        places = TSNE(perplexity=min(20, (len(vectors) - 1) / 3), init="pca", random_state=seed).fit_transform(vectors)
        for name in names:
            of_genre = (genres == name).to_numpy()
            for strong, style in ((False, {"s": 20, "alpha": 0.35}), (True, {"s": 50, "edgecolor": "black", "label": name})):
                dots = places[of_genre & (unseen == strong)]
                ax.scatter(dots[:, 0], dots[:, 1], color=colours[name], linewidth=0.6, **style)
        ax.set(title=title, xticks=[], yticks=[], xlabel="t-SNE 1", ylabel="t-SNE 2")
    np.atleast_1d(axes)[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, frameon=False)
    return finished(fig)


sns.set_theme(context="notebook", style="whitegrid", rc={"figure.dpi": 90, "axes.titleweight": "bold", "axes.titlesize": 12})
