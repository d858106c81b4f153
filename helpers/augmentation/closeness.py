"""How alike stories are: the bounds that separate the same story from another, in memory that does not grow with the square of the stories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_PAIRS = 250_000
"""So many pairs of one genre are compared at most, which pins a quantile to a thousandth."""
MOST_ASKED = 5_000
"""So many stories are compared with all others at most, in blocks of 4 MB."""


@dataclass(frozen=True)
class Bounds:
    """Cosine similarities that separate `the same story` from `another story`.

    Attributes:
        drift: a paraphrase less like its parent than this might as well be another story, unless its parent is the nearest to it.
        near: two texts more alike than this are nearer than the dataset's stories are to each other.
    """

    drift: float
    near: float


def similarity_bounds(vectors: np.ndarray, genres) -> Bounds:
    """Choose both bounds on the stories themselves, so that they fit any dataset and any encoder.

    Args:
        vectors: float array (stories, dimensions), rows of length 1.
        genres: genre of each row.

    Returns:
        `drift`: exceeded by 5 % of the pairs of different stories of one genre. `near`: exceeded by the nearest other story
        of 1 % of the stories.
    """
    nearest = [similarity.max(axis=1) for similarity in _to_others(vectors)]
    same = similarities_within(vectors, genres)
    return Bounds(float(np.quantile(same, 0.95)), float(np.quantile(np.concatenate(nearest), 0.99)))


def _to_others(vectors: np.ndarray, entries: int = 1_000_000):
    """Similarities of `MOST_ASKED` stories, evenly spread, to all, in blocks of at most so many entries; of a story to itself -inf."""
    asked = np.arange(len(vectors))[:: -(-len(vectors) // MOST_ASKED)]
    block = max(1, entries // len(vectors))
    for start in range(0, len(asked), block):
        rows = asked[start : start + block]
        similarity = vectors[rows] @ vectors.T
        similarity[np.arange(len(rows)), rows] = -np.inf
        yield similarity


def similarities_within(vectors: np.ndarray, genres, seed: int = 42) -> np.ndarray:
    """Similarities of different stories of one genre: float array (pairs,), of all pairs up to `MOST_PAIRS`, else of as many stories of each genre.

    Args:
        vectors: float array (stories, dimensions), rows of length 1.
        genres: genre of each row.
        seed: of the choice of stories in large genres.
    """
    genres = np.asarray(genres)
    groups = [np.flatnonzero(genres == genre) for genre in np.unique(genres)]
    if sum(len(group) * (len(group) - 1) // 2 for group in groups) > MOST_PAIRS:
        rng, most = np.random.default_rng(seed), max(2, int((2 * MOST_PAIRS / len(groups)) ** 0.5))
        groups = [rng.choice(group, most, replace=False) if len(group) > most else group for group in groups]
    within = [(vectors[group] @ vectors[group].T)[np.triu_indices(len(group), k=1)] for group in groups]
    return np.concatenate(within)
