"""Late fusion: several classifiers' scores added up, with one weight for each, learned without the judged stories.

A part is a scikit-learn pipeline over story tables, as `lexical.word_svm()` or `sentences.frozen(...)`. Inside the training set, every story is scored
once by parts that were fitted without it (stacking, Wolpert, 1992); the weights make these scores most likely to name the right genre.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from helpers.representations.scores import aligned_scores


class FusedClassifier:
    """Several parts and a weight for each.

    Attributes:
        genres: of the columns of every score.
        fitted: each part, fitted on all training rows.
        inner: by part, float array (training stories, genres), each row from a fit without that story.
        truth: int array (training stories,), the column of each one's genre.
        scale: by part, mean and standard deviation of `inner`, by which its scores are standardised.
    """

    def __init__(self, parts: dict[str, Pipeline], seed: int = 42):
        self.parts, self.seed = parts, seed

    def fit(self, train: pd.DataFrame, rows_for: Callable[[pd.Series], pd.DataFrame]) -> FusedClassifier:
        """Fit every part on four inner folds (fewer where no genre has four stories), for the weights, and on all training stories.

        Args:
            train: story table of the training stories.
            rows_for: function of story ids that returns the rows that may train with them, augmented ones included.
        """
        self.genres = sorted(train["genre"].unique())
        self._trained_on = set(train["story_id"])
        self.truth = train["genre"].map(self.genres.index).to_numpy()
        self.inner = {name: np.zeros((len(train), len(self.genres))) for name in self.parts}
        folds = StratifiedKFold(min(4, train["genre"].value_counts().max()), shuffle=True, random_state=self.seed)
        for fitted, held in folds.split(train, train["genre"]):
            rows = rows_for(train.iloc[fitted]["story_id"])
            for name, part in self.parts.items():
                model = clone(part).fit(rows, rows["genre"])
                self.inner[name][held] = aligned_scores(model, train.iloc[held], self.genres)
        # A part that says the same of every story has no deviation, and nothing to say.
        self.scale = {name: (scores.mean(), scores.std() or 1.0) for name, scores in self.inner.items()}
        rows = rows_for(train["story_id"])
        self.fitted = {name: clone(part).fit(rows, rows["genre"]) for name, part in self.parts.items()}
        self._weights = self.weights()
        return self

    def weights(self, names: list[str] | None = None) -> dict[str, float]:
        """Weights of some parts, or all: those that make the training stories' own genres likeliest.

        The parts' scores are standardised, so the weights can be compared.
        """
        names = names or list(self.parts)
        stacked = self._stack({name: self.inner[name] for name in names})

        def loss(weights: np.ndarray) -> float:
            likelihood = log_softmax(np.tensordot(weights, stacked, 1), axis=1)
            return -likelihood[np.arange(len(self.truth)), self.truth].mean()

        found = minimize(loss, np.ones(len(names)), method="L-BFGS-B", bounds=[(0, None)] * len(names)).x
        return dict(zip(names, found.round(3).tolist()))

    def inner_accuracy(self) -> dict[str, float]:
        """Each part's accuracy on the training stories, every one scored by a fit without it."""
        return {name: float((scores.argmax(axis=1) == self.truth).mean()) for name, scores in self.inner.items()}

    def scores(self, judged: pd.DataFrame) -> dict[str, np.ndarray]:
        """Each part's scores of stories that it was not fitted on: float arrays (stories, genres).

        Raises:
            ValueError: a judged story is among the training stories.
        """
        if self._trained_on & set(judged["story_id"]):
            raise ValueError("A judged story is among the training stories.")
        return {name: aligned_scores(model, judged, self.genres) for name, model in self.fitted.items()}

    def combine(self, scores: dict[str, np.ndarray], names: list[str] | None = None) -> np.ndarray:
        """Probabilities (stories, genres) from the scores of some parts, or all."""
        weights = self.weights(names) if names else self._weights
        stacked = self._stack({name: scores[name] for name in weights})
        return softmax(np.tensordot(np.array(list(weights.values())), stacked, 1), axis=1)

    def predict_proba(self, judged: pd.DataFrame) -> np.ndarray:
        """Probabilities (stories, genres) from all parts."""
        return self.combine(self.scores(judged))

    def _stack(self, scores: dict[str, np.ndarray]) -> np.ndarray:
        return np.stack([(values - self.scale[name][0]) / self.scale[name][1] for name, values in scores.items()])


def log_pool(*opinions: pd.DataFrame) -> pd.DataFrame:
    """Logarithmic opinion pool with an equal say for everyone (Genest and Zidek, 1986): the geometric mean of probabilities, normalised.

    Args:
        *opinions: probabilities, a row a story and a column a genre; rows and columns are matched by name.

    Raises:
        KeyError: a story or a genre of the first one has no place in another.
    """
    first = opinions[0]
    logs = [np.log(opinion.loc[first.index, first.columns].clip(lower=1e-12)) for opinion in opinions]
    return pd.DataFrame(softmax(np.mean(logs, axis=0), axis=1), first.index, first.columns)
