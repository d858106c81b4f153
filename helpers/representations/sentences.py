"""Sentence embeddings of whole stories.

A sentence encoder reads a few hundred tokens; a story is longer. So a story is cut into windows, each is embedded, and the mean
stands for the story."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from helpers.representations.cache import kept_vectors
from helpers.representations.windows import columns_read, has_tokens, vectors_read
from helpers.runtime import Run


def encode(run: Run, encoder, pieces: list[str]) -> np.ndarray:
    """Embed texts of at most the encoder's length: float32 array (texts, dimensions), rows of length 1.

    Some tokenizers make no token at all of an empty text (a title that is not there), which no encoder takes: its row is zero.
    """
    given = [piece for piece in pieces if any(map(str.isalnum, piece)) or has_tokens(encoder.tokenizer, piece)]
    with run.autocast():
        vectors = encoder.encode(
            given or ["."], batch_size=32, show_progress_bar=False, convert_to_numpy=True, normalize_embeddings=True
        ).astype(np.float32)
    if len(given) == len(pieces):
        return vectors
    known = dict(zip(given, vectors))
    return np.stack([known.get(piece, np.zeros_like(vectors[0])) for piece in pieces])


def embed(
    run: Run, encoder, label: str, texts: list[str], reads: str = "whole", keep: bool = True, add: bool = True
) -> np.ndarray:
    """Embed texts: one vector each, the mean of the windows that are read.

    Windows and means are kept in the workspace. What is new is saved block by block, so that a run that is cut off continues where it was.

    Args:
        run: the running notebook; its workspace holds the cache.
        encoder: a `SentenceTransformer`.
        label: the encoder's name, part of the cache's key.
        texts: any length.
        reads: `whole` text, `opening` (its first window), or `ends` (the first and the last window).
        keep: look in the cache, and keep what is new there; False for texts that come one by one and never again.
        add: see `kept_vectors`.

    Returns:
        float32 array (texts, dimensions), rows of length 1.
    """
    return _embed_side_by_side(run, encoder, label, [(texts, reads)], keep, add)


def _embed_side_by_side(
    run: Run, encoder, label: str, columns: list[tuple[list[str], str]], keep: bool, add: bool = True
) -> np.ndarray:
    """Embed columns of (texts, what is read), side by side.

    A text whose vector is kept is not even split; of any other, a window that several columns read is embedded once.
    """
    if not keep:
        return vectors_read(encoder, columns, lambda pieces: dict(zip(pieces, encode(run, encoder, pieces))))
    size = encoder.max_seq_length

    def keep_windows(pieces: list[str]) -> dict[str, np.ndarray]:
        return kept_vectors(run, f"{label} windows of {size}", pieces, lambda new: encode(run, encoder, new), add=add)

    found = []
    for texts, reads in columns:
        known = kept_vectors(
            run,
            f"{label} {reads} of {size}",
            list(dict.fromkeys(texts)),
            lambda new, reads=reads: vectors_read(encoder, [(new, reads)], keep_windows),
            add=add,
            block=len(texts),  # what takes long is the windows, and they are kept as they come
        )
        found.append(np.stack([known[text] for text in texts]))
    return np.hstack(found)


class Windows(TransformerMixin, BaseEstimator):
    """A frozen encoder's embeddings of parts of a story, side by side: a scikit-learn transformer of story tables.

    Args:
        run, encoder, label, keep: see `embed`.
        reads: the parts: any of `windows.read_windows`, and `title`.
    """

    def __init__(self, run: Run, encoder, label: str, reads=("opening", "whole", "title"), keep: bool = True):
        self.run, self.encoder, self.label, self.reads, self.keep = run, encoder, label, reads, keep

    def __sklearn_clone__(self) -> Windows:
        return self  # nothing is fitted, and a copy would copy the encoder

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, table: pd.DataFrame, genres=None) -> Windows:
        """Nothing to fit."""
        return self

    def transform(self, table: pd.DataFrame) -> np.ndarray:
        """Embeddings: float32 array (stories, parts × dimensions)."""
        return _embed_side_by_side(self.run, self.encoder, self.label, columns_read(table, self.reads), self.keep)


def frozen(run: Run, encoder, label: str, reads=("opening", "whole", "title"), keep: bool = True) -> Pipeline:
    """Logistic regression on the frozen encoder's embeddings of parts of a story, side by side.

    Args:
        run, encoder, label, reads, keep: see `Windows`.

    Returns:
        A scikit-learn pipeline over story tables, see `helpers.representations.scores`.
    """
    return make_pipeline(Windows(run, encoder, label, reads, keep), LogisticRegression(C=30, max_iter=2000))


class Similarity(BaseEstimator):
    """Zero-shot: a story's likeness to a description of each genre, nothing fitted.

    Args:
        run, encoder, label: see `embed`.
        descriptions: text for each genre.
    """

    def __init__(self, run: Run, encoder, label: str, descriptions: dict[str, str]):
        self.run, self.encoder, self.label, self.descriptions = run, encoder, label, descriptions

    def fit(self, rows: pd.DataFrame, genres: pd.Series) -> Similarity:
        """Nothing to fit."""
        self.classes_ = np.array(sorted(self.descriptions))
        return self

    def decision_function(self, judged: pd.DataFrame) -> np.ndarray:
        """Cosine of title and story with each genre's description: float array (stories, genres)."""
        story, title, genre = (
            embed(self.run, self.encoder, self.label, texts)
            for texts in (judged["text"].tolist(), judged["title"].tolist(), [self.descriptions[g] for g in self.classes_])
        )
        return (story + 0.5 * title) @ genre.T
