"""Confidence that means something: probabilities fitted to held-out stories, how far they can be trusted, and when to say nothing.

All of it is fitted on probabilities of stories that the model was fitted without: the inner folds of `FusedClassifier`, or the five folds of one that has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.model_selection import KFold


def _as_they_are(logits: np.ndarray) -> np.ndarray:
    return softmax(logits, axis=1)


def _temperature(logits: np.ndarray, log_temperature: float) -> np.ndarray:
    return softmax(logits / np.exp(log_temperature), axis=1)


def _beta(logits: np.ndarray, a: float, b: float) -> np.ndarray:
    rest = np.log(np.clip(1 - softmax(logits, axis=1), 1e-9, None))
    return softmax(a * logits + b * rest, axis=1)


METHODS = {
    "none": (_as_they_are, ()),
    "temperature": (_temperature, (0.0,)),
    "beta": (_beta, (1.0, 0.0)),
}
"""How scores can become probabilities, from the plainest way on, and where the search for its parameters begins: as they are; one temperature (Guo et
al., 2017); `p^a (1 - p)^b`, normalised, which is beta calibration (Kull et al., 2017) with the same two numbers for every genre."""


@dataclass(frozen=True)
class Calibration:
    """How scores become probabilities.

    Attributes:
        method: of `METHODS`, the one that won on log loss.
        parameters: of the method.
        loss: log loss of each method on stories that neither it nor the model was fitted on, in nats.
    """

    method: str
    parameters: tuple[float, ...]
    loss: dict[str, float]

    def __str__(self) -> str:
        losses = ", ".join(f"{method} {loss:.3f}" for method, loss in self.loss.items())
        return f"calibration: {self.method} (log loss on held-out stories: {losses})"

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated probabilities (stories, genres)."""
        return METHODS[self.method][0](logits, *self.parameters)


def calibrate(logits: np.ndarray, truth: np.ndarray, seed: int = 42) -> Calibration:
    """Choose a method by its log loss on stories it was not fitted on, and fit it on all.

    A method must be better than every plainer one by more than a thousandth of a nat.

    Args:
        logits: float array (stories, genres): log probabilities, up to a constant a story, of stories that the model was fitted without.
        truth: int array (stories,): the column of each story's genre.
        seed: of the folds that the methods are compared on.
    """
    folds = list(KFold(min(5, len(truth)), shuffle=True, random_state=seed).split(logits))
    losses, chosen = {}, "none"
    for method in METHODS:
        held_out = [
            _loss(method, _fit(method, logits[fitted], truth[fitted]), logits[held], truth[held]) * len(held)
            for fitted, held in folds
        ]
        losses[method] = round(sum(held_out) / len(truth), 4)
        if losses[method] < losses[chosen] - 0.001:
            chosen = method
    return Calibration(chosen, _fit(chosen, logits, truth), losses)


def _fit(method: str, logits: np.ndarray, truth: np.ndarray) -> tuple[float, ...]:
    begin = METHODS[method][1]
    if not begin:
        return ()
    found = minimize(lambda parameters: _loss(method, parameters, logits, truth), begin, method="L-BFGS-B")
    return tuple(map(float, found.x))


def _loss(method: str, parameters, logits: np.ndarray, truth: np.ndarray) -> float:
    """Mean of the negative log probability of the right genre, in nats. scikit-learn's `log_loss` takes ten times as long, for its checks."""
    probabilities = METHODS[method][0](logits, *parameters)
    return float(-np.log(np.clip(probabilities[np.arange(len(truth)), truth], 1e-12, None)).mean())


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> pd.DataFrame:
    """How often predictions of about the same confidence are right.

    Args:
        confidence: probability of the predicted genre, (stories,).
        right: bool array (stories,).
        bins: groups of about equally many stories, so that no point of the diagram stands on three of them.

    Returns:
        DataFrame with the columns `confidence` (mean), `accuracy`, `stories`, by rising confidence.
    """
    order = np.argsort(confidence, kind="stable")
    groups = [group for group in np.array_split(order, bins) if len(group)]
    rows = [(confidence[group].mean(), right[group].mean(), len(group)) for group in groups]
    return pd.DataFrame(rows, columns=["confidence", "accuracy", "stories"])


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> float:
    """Mean distance of confidence and accuracy over the groups of `reliability` (equal-mass bins; Nixon et al., 2019)."""
    table = reliability(confidence, right, bins)
    return float(np.average((table["confidence"] - table["accuracy"]).abs(), weights=table["stories"]))


def coverage(confidence: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    """Accuracy of the surest stories, for every number of them.

    Returns:
        DataFrame with the columns `threshold` (the lowest confidence among them), `coverage` (their share) and `accuracy`, surest first.
    """
    order = np.argsort(-confidence, kind="stable")
    count = np.arange(1, len(order) + 1)
    table = pd.DataFrame(
        {"threshold": confidence[order], "coverage": count / len(order), "accuracy": right[order].cumsum() / count}
    )
    # Stories of one confidence are taken together: no threshold parts them.
    return table.drop_duplicates("threshold", keep="last").reset_index(drop=True)


LEAST = 20
"""Stories of which a share is a statement."""


def threshold_for(confidence: np.ndarray, right: np.ndarray, accuracy: float = 0.9, least: int = LEAST) -> dict | None:
    """The lowest confidence from which on predictions are right so often.

    Args:
        confidence, right: see `reliability`.
        accuracy: wanted of the stories at or above the threshold.
        least: stories that must stand above it.

    Returns:
        Dict of `threshold`, `coverage`, `accuracy`; None where no threshold reaches that accuracy.
    """
    table = coverage(confidence, right)
    reached = table[(table["accuracy"] >= accuracy) & (table["coverage"] * len(right) >= min(least, len(right)))]
    return None if reached.empty else {name: float(value) for name, value in reached.iloc[-1].items()}


def on_inner_folds(fused, right: float = 0.9) -> tuple[Calibration, dict | None]:
    """Calibration on the training stories, each scored by fits without it, and the confidence from which on it is right so often.

    Args:
        fused: a fitted `FusedClassifier`.
        right: see `threshold_for`.
    """
    return on_held_out(fused.combine(fused.inner), fused.truth, right, fused.seed)


def on_held_out(
    probabilities: np.ndarray, truth: np.ndarray, right: float = 0.9, seed: int = 42
) -> tuple[Calibration, dict | None]:
    """Calibration on probabilities (stories, genres) of stories that the model was fitted without, and the confidence from which on it is right so often.

    Args:
        probabilities: see `logits_of`.
        truth, seed: see `calibrate`.
        right: see `threshold_for`.
    """
    logits = logits_of(probabilities)
    calibration = calibrate(logits, truth, seed)
    after = calibration.probabilities(logits)
    return calibration, threshold_for(after.max(axis=1), after.argmax(axis=1) == truth, right)


def of_judged(fused, scores: dict[str, np.ndarray], judged: pd.DataFrame) -> pd.DataFrame:
    """How sure a classifier is of stories it never saw, before and after calibration on its own training stories.

    Args:
        fused: a fitted `FusedClassifier`.
        scores: its parts' scores of the judged stories.
        judged: story table.

    Returns:
        DataFrame with the columns `story_id`, `right`, `before`, `after` (confidence), `loss before`, `loss after` (nats, of the right genre),
        and `sure`: whether it stands above the threshold that was right 9 times of 10 on the training stories.
    """
    truth = judged["genre"].map(fused.genres.index).to_numpy()
    return _how_sure(judged["story_id"], truth, fused.combine(scores), *on_inner_folds(fused))


def over_folds(table: pd.DataFrame, probabilities: pd.DataFrame, seed: int = 42) -> pd.DataFrame:
    """As `of_judged`, for a classifier that has no inner folds: a fold's stories are calibrated on those of the other folds.

    Args:
        table: story table with `fold`.
        probabilities: of every story, by a model that never saw it, a column a genre; the index is the story's id.
    """
    found, genres = [], list(probabilities)

    def of(some: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        return probabilities.loc[some["story_id"]].to_numpy(), some["genre"].map(genres.index).to_numpy()

    for fold, held in table.groupby("fold"):
        calibrated = on_held_out(*of(table[table["fold"] != fold]), seed=seed)
        before, truth = of(held)
        found.append(_how_sure(held["story_id"], truth, before, *calibrated))
    return pd.concat(found, ignore_index=True)


def _how_sure(ids, truth: np.ndarray, before: np.ndarray, calibration: Calibration, sure: dict | None) -> pd.DataFrame:
    after = calibration.probabilities(logits_of(before))
    place = (np.arange(len(truth)), truth)
    return pd.DataFrame(
        {
            "story_id": np.asarray(ids),
            "right": before.argmax(axis=1) == place[1],
            "before": before.max(axis=1),
            "after": after.max(axis=1),
            "loss before": -np.log(before[place]),
            "loss after": -np.log(after[place]),
            "sure": after.max(axis=1) >= (sure["threshold"] if sure else np.inf),
        }
    )


def logits_of(probabilities: np.ndarray) -> np.ndarray:
    """Log probabilities, which `calibrate` takes."""
    return log_softmax(np.log(np.clip(probabilities, 1e-12, None)), axis=1)
