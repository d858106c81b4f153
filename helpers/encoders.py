"""Sentence embeddings of whole stories, and SetFit.

A sentence encoder reads a few hundred tokens; a story is longer. So a story is cut into windows, each is embedded, and the mean
stands for the story. Embeddings are computed once and kept in the workspace by the hash of model and text.
"""

from __future__ import annotations

import hashlib
import time

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from transformers import TrainerCallback

from helpers.runtime import Run, progress_line

_BLOCK = 200  # texts that are embedded before the cache is saved again


def encode(run: Run, encoder, pieces: list[str]) -> np.ndarray:
    """Embed texts of at most the encoder's length: float32 array (texts, dimensions), rows of length 1."""
    with run.autocast():
        return encoder.encode(
            pieces, batch_size=32, show_progress_bar=False, convert_to_numpy=True, normalize_embeddings=True
        ).astype(np.float32)


def embed_windows(run: Run, encoder, label: str, texts: list[str], keep: bool = True) -> list[np.ndarray]:
    """Embed every window of every text, from the cache where they were embedded before.

    What is new is saved block by block, so that a run that is cut off continues where it was.

    Args:
        run: the running notebook; its workspace holds the cache.
        encoder: a `SentenceTransformer`.
        label: the encoder's name, part of the cache's key.
        texts: any length.
        keep: look in the cache, and keep what is new there; False for texts that come one by one and never again.

    Returns:
        For each text a float32 array (windows, dimensions), rows of length 1.
    """
    if not keep:
        return _encode_windows(run, encoder, texts)
    folder = run.workspace / "embeddings"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / (hashlib.sha256(f"{label} windows of {encoder.max_seq_length}".encode()).hexdigest()[:16] + ".npz")
    known: dict[str, np.ndarray] = {}
    if file.exists():
        stored = np.load(file)
        known = dict(zip(stored["keys"].tolist(), np.split(stored["vectors"], stored["ends"][:-1])))
    keys = [hashlib.sha256(text.encode()).hexdigest()[:32] for text in texts]
    missing = list({key: text for key, text in zip(keys, texts) if key not in known}.items())
    begin = told = time.perf_counter()
    for start in range(0, len(missing), _BLOCK):
        block = missing[start : start + _BLOCK]
        known |= zip((key for key, _ in block), _encode_windows(run, encoder, [text for _, text in block]))
        unfinished = file.with_name(file.stem + ".part.npz")
        ends = np.cumsum([len(vectors) for vectors in known.values()])
        np.savez(unfinished, keys=np.array(list(known)), ends=ends, vectors=np.concatenate(list(known.values())))
        unfinished.replace(file)
        now = time.perf_counter()
        if now - told > 60:
            told = now
            print(progress_line(start + len(block), len(missing), now - begin, f"texts through {label.split('/')[-1]}"))
    return [known[key] for key in keys]


def _encode_windows(run: Run, encoder, texts: list[str]) -> list[np.ndarray]:
    pieces = [split_windows(encoder, text) for text in texts]
    vectors = encode(run, encoder, [piece for of_text in pieces for piece in of_text])
    return np.split(vectors, np.cumsum([len(of_text) for of_text in pieces])[:-1])


def embed(run: Run, encoder, label: str, texts: list[str], reads: str = "whole", keep: bool = True) -> np.ndarray:
    """Embed texts: one vector each, the mean of the windows that are read.

    Args:
        run, encoder, label, texts, keep: see `embed_windows`.
        reads: `whole` text, `opening` (its first window), or `ends` (the first and the last window).

    Returns:
        float32 array (texts, dimensions), rows of length 1.
    """
    read = {"whole": slice(None), "opening": [0], "ends": [0, -1]}[reads]
    return np.stack([mean_vector(windows[read]) for windows in embed_windows(run, encoder, label, texts, keep)])


def mean_vector(vectors: np.ndarray) -> np.ndarray:
    """Mean of vectors (n, dimensions), scaled to length 1: (dimensions,)."""
    mean = vectors.mean(axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-9)


def split_windows(encoder, text: str) -> list[str]:
    """Cut a text into pieces of the encoder's length, in tokens; a last piece under a quarter of it joins nothing and is left out."""
    tokenizer = encoder.tokenizer
    size = encoder.max_seq_length - 2
    spans = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    starts = range(0, max(len(spans), 1), size)
    pieces = [
        text[spans[s][0] : spans[min(s + size, len(spans)) - 1][1]]
        for s in starts
        if spans and (s == 0 or len(spans) - s >= size // 4)
    ]
    return pieces or [text]


def frozen(run: Run, encoder, label: str, keep: bool = True) -> Pipeline:
    """Logistic regression on the frozen encoder's embeddings of story and title, side by side.

    Args:
        run, encoder, label, keep: see `embed_windows`.

    Returns:
        A scikit-learn pipeline over story tables: `fit(rows, rows["genre"])`, then `lexical.decision_scores(model, judged)`.
    """

    def features(table: pd.DataFrame) -> np.ndarray:
        return np.hstack([embed(run, encoder, label, table[column].tolist(), keep=keep) for column in ("text", "title")])

    return make_pipeline(FunctionTransformer(features), LogisticRegression(C=30, max_iter=2000))


class _Progress(TrainerCallback):
    """Print a line five times in a training."""

    def on_train_begin(self, args, state, control, **kwargs):
        self.begin = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step % max(1, state.max_steps // 5) == 0:
            print(progress_line(state.global_step, state.max_steps, time.perf_counter() - self.begin))


def train_setfit(run: Run, encoder, texts: list[str], genres: list[str], arguments):
    """Train a SetFit classifier (Tunstall et al., 2022): contrastive pairs for the encoder, then a logistic head.

    Args:
        run: the running notebook.
        encoder: `SentenceTransformer`, changed in place.
        texts, genres: the training set.
        arguments: `setfit.TrainingArguments`.

    Returns:
        The trained `SetFitModel`.
    """
    from datasets import Dataset
    from setfit import SetFitModel, Trainer

    model = SetFitModel(model_body=encoder, model_head=LogisticRegression(max_iter=1000), labels=sorted(set(genres)))
    trainer = Trainer(model=model, args=arguments, train_dataset=Dataset.from_dict({"text": texts, "label": genres}))
    for callback in list(trainer.st_trainer.callback_handler.callbacks):
        if type(callback).__name__ in ("NotebookProgressCallback", "PrinterCallback", "ProgressCallback"):
            trainer.st_trainer.remove_callback(callback)
    trainer.st_trainer.add_callback(_Progress())
    with run.autocast():
        trainer.train()
    model.model_body.eval()
    return model


def setfit_scores(run: Run, model, texts: list[str]) -> tuple[np.ndarray, list[str]]:
    """Class probabilities of a SetFit model.

    Returns:
        float array (texts, genres), and the genres of its columns.
    """
    with run.autocast(), torch.inference_mode():
        scores = model.predict_proba(texts, as_numpy=True, show_progress_bar=False)
    return np.asarray(scores, dtype=float), [str(genre) for genre in model.model_head.classes_]
