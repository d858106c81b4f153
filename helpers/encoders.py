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
from transformers import TrainerCallback

from helpers.lexical import decision_scores
from helpers.runtime import Run, progress_line


def embed(run: Run, encoder, label: str, texts: list[str], windows: bool = True) -> np.ndarray:
    """Embed texts, from the cache where they were embedded before.

    Args:
        run: the running notebook; its workspace holds the cache.
        encoder: a `SentenceTransformer`.
        label: the encoder's name, part of the cache's key.
        texts: any length.
        windows: mean over windows of the encoder's length; False embeds the opening only.

    Returns:
        float32 array (texts, dimensions), rows of length 1.
    """
    folder = run.workspace / "embeddings"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / (hashlib.sha256(f"{label} {encoder.max_seq_length} {windows}".encode()).hexdigest()[:16] + ".npz")
    known = dict(np.load(file)) if file.exists() else {}
    keys = [hashlib.sha256(text.encode()).hexdigest()[:32] for text in texts]
    missing = {key: text for key, text in zip(keys, texts) if key not in known}
    if missing:
        pieces, owners = [], []
        for key, text in missing.items():
            for piece in split_windows(encoder, text) if windows else [text]:
                pieces.append(piece)
                owners.append(key)
        with run.autocast():
            vectors = encoder.encode(pieces, batch_size=32, show_progress_bar=False, convert_to_numpy=True).astype(np.float32)
        sums: dict[str, np.ndarray] = {}
        for key, vector in zip(owners, vectors):
            sums[key] = sums.get(key, 0) + vector / max(float(np.linalg.norm(vector)), 1e-9)
        known |= {key: total / max(float(np.linalg.norm(total)), 1e-9) for key, total in sums.items()}
        unfinished = file.with_name(file.stem + ".part.npz")
        np.savez(unfinished, **known)
        unfinished.replace(file)
    return np.stack([known[key] for key in keys]).astype(np.float32)


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


def embed_with_title(run: Run, encoder, label: str, table: pd.DataFrame) -> np.ndarray:
    """Embed story and title, side by side: float32 array (stories, 2 × dimensions)."""
    return np.hstack([embed(run, encoder, label, table[column].tolist()) for column in ("text", "title")])


def head_scores(run: Run, encoder, label: str, rows: pd.DataFrame, judged: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """Fit a logistic regression on the frozen encoder's embeddings of training rows, and score judged stories.

    Returns:
        Log-odds (stories, genres), and the genres of the columns.
    """
    head = LogisticRegression(C=30, max_iter=2000)
    head.fit(embed_with_title(run, encoder, label, rows), rows["genre"])
    return decision_scores(head, embed_with_title(run, encoder, label, judged)), list(head.classes_)


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
