"""The lexical baseline: which words a story uses, and a linear SVM. Seconds to train, under a millisecond a story."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC


def tfidf_svm() -> Pipeline:
    """TF-IDF over words and word pairs, then a linear SVM: the settings of the strongest public lexical peer.

    Source: shawky-gamal-22/story-dataset-ai-system (1-2 grams, min_df 2, 50,000 features, sublinear; `LinearSVC(C=1)`).
    """
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=50_000, sublinear_tf=True)
    return make_pipeline(vectorizer, LinearSVC(C=1.0, random_state=42))


def with_title(table: pd.DataFrame, repeat: int = 3, column: str = "text") -> list[str]:
    """Each story's text with its title before it, repeated so that its few words count."""
    return [f"{(title + '. ') * repeat if title else ''}{text}" for title, text in zip(table["title"], table[column])]


def decision_scores(model, texts) -> np.ndarray:
    """Decision values as an array (texts, genres), also where two genres give a single column."""
    scores = model.decision_function(texts)
    return np.column_stack([-scores, scores]) if scores.ndim == 1 else scores


def scores(rows: pd.DataFrame, judged: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """Fit `tfidf_svm` on training rows with their titles, and score judged stories.

    Returns:
        Decision values (stories, genres), and the genres of the columns.
    """
    model = tfidf_svm().fit(with_title(rows), rows["genre"])
    return decision_scores(model, with_title(judged)), list(model.classes_)
