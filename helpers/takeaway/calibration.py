"""Confidence that means something: probabilities fitted to held-out stories, how far they can be trusted, and when to say nothing.

All of it is fitted on probabilities of stories that the model was fitted without (the inner folds of `FusedClassifier`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold


@dataclass(frozen=True)
class Calibration:
    """How scores become probabilities: `softmax((logits + shift) / temperature)`, mixed with a little of the genres' shares.

    Attributes:
        method: `none`, `temperature`, or `temperature and floor`; the one that won on log loss.
        temperature: above 1 makes surer predictions less sure (Guo et al., 2017).
        floor: share of a uniform guess, for the errors that no score foresees.
        loss: log loss of each method on inner folds, in nats.
    """

    method: str
    temperature: float
    floor: float
    loss: dict[str, float]

    def __str__(self) -> str:
        changed = {"none": "as it was", "temperature": f"temperature {self.temperature:.2f}"}
        losses = ", ".join(f"{method} {loss:.3f}" for method, loss in self.loss.items())
        return f"calibration: {changed.get(self.method, f'temperature {self.temperature:.2f}, floor {self.floor:.3f}')} (log loss on inner folds: {losses})"

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated probabilities (stories, genres)."""
        return _mixed(logits, self.temperature, self.floor)


METHODS = {"none": (), "temperature": ("temperature",), "temperature and floor": ("temperature", "floor")}
"""What each method may change, from the plainest on."""


def calibrate(logits: np.ndarray, truth: np.ndarray, seed: int = 42) -> Calibration:
    """Choose a method by its log loss on stories it was not fitted on, and fit it on all.

    A richer method must be better than the plainer one by more than a thousandth of a nat.

    Args:
        logits: float array (stories, genres): log probabilities, up to a constant a story, of stories that the model was fitted without.
        truth: int array (stories,): the column of each story's genre.
        seed: of the folds that the methods are compared on.
    """
    folds = list(KFold(5, shuffle=True, random_state=seed).split(logits))
    losses = {}
    for method, changes in METHODS.items():
        of_folds = []
        for fitted, held in folds:
            temperature, floor = _fit(logits[fitted], truth[fitted], changes)
            of_folds.append(_loss(logits[held], truth[held], temperature, floor) * len(held))
        losses[method] = float(sum(of_folds) / len(truth))
    chosen = "none"
    for method in METHODS:
        if losses[method] < losses[chosen] - 0.001:
            chosen = method
    temperature, floor = _fit(logits, truth, METHODS[chosen])
    return Calibration(chosen, temperature, floor, {method: round(loss, 4) for method, loss in losses.items()})


def _fit(logits: np.ndarray, truth: np.ndarray, changes: tuple[str, ...]) -> tuple[float, float]:
    if not changes:
        return 1.0, 0.0

    def loss(values: np.ndarray) -> float:
        floor = 1 / (1 + np.exp(-values[1])) if "floor" in changes else 0.0
        return _loss(logits, truth, float(np.exp(values[0])), floor)

    found = minimize(loss, [0.0, -5.0][: len(changes)], method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-7}).x
    return float(np.exp(found[0])), float(1 / (1 + np.exp(-found[1]))) if "floor" in changes else 0.0


def _mixed(logits: np.ndarray, temperature: float, floor: float) -> np.ndarray:
    probabilities = softmax(logits / temperature, axis=1)
    return (1 - floor) * probabilities + floor / logits.shape[1] if floor else probabilities


def _loss(logits: np.ndarray, truth: np.ndarray, temperature: float, floor: float) -> float:
    return log_loss(truth, _mixed(logits, temperature, floor), labels=range(logits.shape[1]))


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


def threshold_for(confidence: np.ndarray, right: np.ndarray, accuracy: float = 0.9, least: int = 20) -> dict | None:
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
    logits = logits_of(fused.combine(fused.inner))
    calibration = calibrate(logits, fused.truth, fused.seed)
    probabilities = calibration.probabilities(logits)
    return calibration, threshold_for(probabilities.max(axis=1), probabilities.argmax(axis=1) == fused.truth, right)


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
    calibration, sure = on_inner_folds(fused)
    before = fused.combine(scores)
    after = calibration.probabilities(logits_of(before))
    place = (np.arange(len(judged)), judged["genre"].map(fused.genres.index).to_numpy())
    return pd.DataFrame(
        {
            "story_id": judged["story_id"].to_numpy(),
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
