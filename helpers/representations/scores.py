"""What a fitted classifier says of stories: a score for each genre, whatever the classifier is.

A classifier here is a scikit-learn pipeline over story tables: `fit(rows, rows["genre"])`, then these functions.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline


def decision_scores(model: Pipeline, judged: pd.DataFrame) -> np.ndarray:
    """Decision values as an array (stories, genres), also where two genres give a single column; probabilities, where a model has nothing else."""
    scores = model.decision_function(judged) if hasattr(model, "decision_function") else model.predict_proba(judged)
    return np.column_stack([-scores, scores]) if scores.ndim == 1 else scores


def aligned_scores(model: Pipeline, judged: pd.DataFrame, genres: list[str]) -> np.ndarray:
    """`decision_scores` with its columns in the order of `genres`; a genre that the model never saw gets its lowest score.

    Returns:
        float array (judged stories, genres).
    """
    scores = decision_scores(model, judged)
    if list(model.classes_) == genres:
        return scores
    frame = pd.DataFrame(scores, columns=list(model.classes_)).reindex(columns=genres)
    return frame.T.fillna(frame.min(axis=1)).T.to_numpy()
