"""Lexical classifiers: which words, or which runs of letters, a story uses, and a linear SVM. Seconds to train, milliseconds a story.

Each is a scikit-learn pipeline over story tables, see `helpers.representations.scores`.
"""

from __future__ import annotations

import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC

from helpers.words import tokens


class _Tfidf(TfidfVectorizer):
    """TF-IDF that copes with few short texts: where no word stands in two of them, it takes the words of each."""

    def fit_transform(self, raw_documents, y=None):
        try:
            return super().fit_transform(raw_documents, y)
        except ValueError:
            least, self.min_df = self.min_df, 1
        try:
            return super().fit_transform(raw_documents, y)
        except ValueError:
            raise ValueError(
                f"None of the {len(raw_documents)} texts to train on holds a word of two letters: give TEXT_COLUMN the column that has the texts."
            ) from None
        finally:
            self.min_df = least


def word_svm() -> Pipeline:
    """TF-IDF over words and word pairs of title and text: the settings of the strongest public lexical peer, and titles.

    Source: shawky-gamal-22/story-dataset-ai-system (1-2 grams, min_df 2, 50,000 features, sublinear; `LinearSVC(C=1)`). Words as `helpers.words.tokens`
    has them: combining marks belong to them, and where no spaces part them, two and three neighbouring letters take their place.
    """
    options = {"tokenizer": tokens, "token_pattern": None}
    vectorizer = _Tfidf(ngram_range=(1, 2), min_df=2, max_features=50_000, sublinear_tf=True, **options)
    return _svm(vectorizer)


def character_svm() -> Pipeline:
    """TF-IDF over runs of 3 to 5 letters within words: sees stems, endings and names that no other story shares whole."""
    vectorizer = _Tfidf(analyzer="char_wb", ngram_range=(3, 5), min_df=2, max_features=200_000, sublinear_tf=True)
    return _svm(vectorizer)


def _svm(vectorizer: TfidfVectorizer) -> Pipeline:
    return make_pipeline(FunctionTransformer(with_title), vectorizer, LinearSVC(C=1.0, random_state=42))


def with_title(table: pd.DataFrame, repeat: int = 3, column: str = "text") -> list[str]:
    """Each story's text with its title before it, repeated so that its few words count."""
    return [f"{(title + '. ') * repeat if title else ''}{text}" for title, text in zip(table["title"], table[column])]
