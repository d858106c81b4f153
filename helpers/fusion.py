"""Late fusion: several classifiers' scores added up, with one weight for each, learned without the judged stories.

A part is a function `part(rows, judged)` that fits on training rows and returns its scores for the judged stories and the genres of the scores'
columns. Inside the training set, every story is scored once by parts that were fitted without it (stacking, Wolpert, 1992); the weights make these
scores most likely to name the right genre.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.model_selection import StratifiedKFold

Part = Callable[[pd.DataFrame, pd.DataFrame], tuple[np.ndarray, list[str]]]


def aligned(part: Part, rows: pd.DataFrame, judged: pd.DataFrame, genres: list[str]) -> np.ndarray:
    """A part's scores with its columns in the order of `genres`; a genre that it never saw gets its lowest score.

    Returns:
        float array (judged stories, genres).
    """
    scores, found = part(rows, judged)
    frame = pd.DataFrame(scores, columns=found).reindex(columns=genres)
    return frame.T.fillna(frame.min(axis=1)).T.to_numpy()


def fuse(
    parts: dict[str, Part],
    train: pd.DataFrame,
    rows_for: Callable[[pd.Series], pd.DataFrame],
    judged: pd.DataFrame,
    seed: int = 42,
) -> tuple[np.ndarray, list[str], dict[str, float]]:
    """Fit parts and weights on training stories and score the judged ones.

    Args:
        parts: by name.
        train: story table of the training stories.
        rows_for: function of story ids that returns the rows that may train with them, augmented ones included.
        judged: story table of the judged stories; their genres are not looked at.
        seed: of the inner folds.

    Returns:
        Probabilities (judged stories, genres), the genres of the columns, and each part's weight (the parts' scores are
        standardised, so the weights can be compared).

    Raises:
        ValueError: a judged story is among the training stories.
    """
    if set(train["story_id"]) & set(judged["story_id"]):
        raise ValueError("A judged story is among the training stories.")
    genres = sorted(train["genre"].unique())
    inner = {name: np.zeros((len(train), len(genres))) for name in parts}
    folds = StratifiedKFold(4, shuffle=True, random_state=seed)
    for fitted, held in folds.split(train, train["genre"]):
        rows = rows_for(train.iloc[fitted]["story_id"])
        for name, part in parts.items():
            inner[name][held] = aligned(part, rows, train.iloc[held], genres)
    truth = train["genre"].map(genres.index).to_numpy()
    scale = {name: (scores.mean(), scores.std()) for name, scores in inner.items()}

    def stack(scores: dict[str, np.ndarray]) -> np.ndarray:
        return np.stack([(scores[name] - scale[name][0]) / scale[name][1] for name in parts])

    standard = stack(inner)

    def loss(weights: np.ndarray) -> float:
        return -log_softmax(np.tensordot(weights, standard, 1), axis=1)[np.arange(len(truth)), truth].mean()

    weights = minimize(loss, np.ones(len(parts)), method="L-BFGS-B", bounds=[(0, None)] * len(parts)).x
    rows = rows_for(train["story_id"])
    outer = stack({name: aligned(part, rows, judged, genres) for name, part in parts.items()})
    return softmax(np.tensordot(weights, outer, 1), axis=1), genres, dict(zip(parts, weights.round(3).tolist()))
