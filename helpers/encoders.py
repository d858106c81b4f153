"""Sentence embeddings of whole stories, and SetFit.

A sentence encoder reads a few hundred tokens; a story is longer. So a story is cut into windows, each is embedded, and the mean
stands for the story. Embeddings are computed once and kept in the workspace by the hash of model and text.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import time

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from helpers.lexical import with_title
from helpers.runtime import Run, measure, progress_line
from helpers.training import Training, silence

_SPLITS: dict[tuple, dict[str, list[str]]] = {}  # windows of texts that were split before, by tokenizer and size


def encode(run: Run, encoder, pieces: list[str]) -> np.ndarray:
    """Embed texts of at most the encoder's length: float32 array (texts, dimensions), rows of length 1."""
    with run.autocast():
        return encoder.encode(
            pieces, batch_size=32, show_progress_bar=False, convert_to_numpy=True, normalize_embeddings=True
        ).astype(np.float32)


READS = {
    "whole": lambda windows: windows,
    "opening": lambda windows: windows[:1],
    "ends": lambda windows: windows if len(windows) < 3 else [windows[0], windows[-1]],
}
"""What of a story is read, as a choice among its windows."""


def embed(run: Run, encoder, label: str, texts: list[str], reads: str = "whole", keep: bool = True) -> np.ndarray:
    """Embed texts: one vector each, the mean of the windows that are read.

    A window is embedded once and kept in the workspace. What is new is saved block by block, so that a run that is cut off
    continues where it was.

    Args:
        run: the running notebook; its workspace holds the cache.
        encoder: a `SentenceTransformer`.
        label: the encoder's name, part of the cache's key.
        texts: any length.
        reads: `whole` text, `opening` (its first window), or `ends` (the first and the last window).
        keep: look in the cache, and keep what is new there; False for texts that come one by one and never again.

    Returns:
        float32 array (texts, dimensions), rows of length 1.
    """
    return _embed_side_by_side(run, encoder, label, [(texts, reads)], keep)


def _embed_side_by_side(run: Run, encoder, label: str, columns: list[tuple[list[str], str]], keep: bool) -> np.ndarray:
    """Embed columns of (texts, what is read), side by side; a window that several of them read is embedded once."""
    split = _split_once if keep else split_windows
    windows = [[READS[reads](split(encoder, text)) for text in texts] for texts, reads in columns]
    pieces = list(dict.fromkeys(piece for column in windows for of_text in column for piece in of_text))
    if keep:
        known = kept_vectors(run, f"{label} windows of {encoder.max_seq_length}", pieces, lambda new: encode(run, encoder, new))
    else:
        known = dict(zip(pieces, encode(run, encoder, pieces)))
    return np.hstack(
        [np.stack([mean_vector(np.stack([known[piece] for piece in of_text])) for of_text in column]) for column in windows]
    )


def kept_vectors(run: Run, name: str, pieces: list[str], encode, block: int = 1000) -> dict[str, np.ndarray]:
    """Vectors of texts, from the workspace where they were computed before; what is new is saved block by block.

    Args:
        run: the running notebook; its workspace holds the cache.
        name: what computes the vectors; with the run's number type and a text's hash the key.
        pieces: distinct texts.
        encode: function of a list of texts that returns a float array (texts, dimensions).
        block: texts that are encoded before the cache is saved again.
    """
    folder = run.workspace / "embeddings"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / (hashlib.sha256(f"{name} {run.dtype}".encode()).hexdigest()[:16] + ".npz")
    known: dict[str, np.ndarray] = {}
    if file.exists():
        stored = np.load(file)
        known = dict(zip(stored["keys"].tolist(), stored["vectors"]))
    keys = {piece: hashlib.sha256(piece.encode()).hexdigest()[:32] for piece in pieces}
    missing = [piece for piece in pieces if keys[piece] not in known]
    begin = told = time.perf_counter()
    for start in range(0, len(missing), block):
        some = missing[start : start + block]
        known |= zip((keys[piece] for piece in some), encode(some))
        unfinished = file.with_name(file.stem + ".part.npz")
        np.savez(unfinished, keys=np.array(list(known)), vectors=np.stack(list(known.values())))
        unfinished.replace(file)
        now = time.perf_counter()
        if now - told > 60:
            told = now
            done = start + len(some)
            print(progress_line(done, len(missing), now - begin, f"texts through {name.split('/')[-1]}"))
    return {piece: known[keys[piece]] for piece in pieces}


def mean_vector(vectors: np.ndarray) -> np.ndarray:
    """Mean of vectors (n, dimensions), scaled to length 1: (dimensions,)."""
    mean = vectors.mean(axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-9)


def split_windows(encoder, text: str) -> list[str]:
    """Cut a text into pieces of the encoder's length, in tokens; a last piece under a quarter of it joins nothing and is left out."""
    size = encoder.max_seq_length - 2
    spans = encoder.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    starts = range(0, max(len(spans), 1), size)
    pieces = [
        text[spans[s][0] : spans[min(s + size, len(spans)) - 1][1]]
        for s in starts
        if spans and (s == 0 or len(spans) - s >= size // 4)
    ]
    return pieces or [text]


def _split_once(encoder, text: str) -> list[str]:
    """`split_windows`, remembered: folds split the same stories again and again."""
    known = _SPLITS.setdefault((encoder.tokenizer.name_or_path, encoder.max_seq_length), {})
    if text not in known:
        known[text] = split_windows(encoder, text)
    return known[text]


def frozen(run: Run, encoder, label: str, reads=("opening", "whole", "title"), keep: bool = True) -> Pipeline:
    """Logistic regression on the frozen encoder's embeddings of parts of a story, side by side.

    Args:
        run, encoder, label, keep: see `embed`.
        reads: the parts: any of `READS`, and `title`.

    Returns:
        A scikit-learn pipeline over story tables: `fit(rows, rows["genre"])`, then `lexical.decision_scores(model, judged)`.
    """

    def features(table: pd.DataFrame) -> np.ndarray:
        columns = [(table["title"].tolist(), "whole") if part == "title" else (table["text"].tolist(), part) for part in reads]
        return _embed_side_by_side(run, encoder, label, columns, keep)

    return make_pipeline(FunctionTransformer(features), LogisticRegression(C=30, max_iter=2000))


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


class SetFit(BaseEstimator):
    """SetFit over story tables: an encoder that the training rows tune, and a logistic head on what it reads.

    Args:
        run: the running notebook.
        load_encoder: function without arguments that returns an untouched encoder and its name.
        recipe: `column` (which text) and `titles` (how often the title stands before it) say what is tuned on, `training` how (see
            `train_setfit`), and `reads` what the head sees: parts as `frozen` has them, or none for SetFit's own head on what was tuned on.

    Attributes:
        classes_: genres, the columns of every score.
        model: the `setfit.SetFitModel`.
        encoder_name: of the encoder before it was tuned.
        cost: of tuning the encoder.
    """

    def __init__(self, run: Run, load_encoder, recipe: dict):
        self.run, self.load_encoder, self.recipe = run, load_encoder, recipe

    def fit(self, rows: pd.DataFrame, genres: pd.Series) -> SetFit:
        """Tune the encoder on these rows and fit the head, or load what was tuned on them before."""
        encoder, self.encoder_name = self.load_encoder()
        texts, settings = self.texts(rows), self.recipe["training"]
        self.model, self.cost, folder = train_setfit(self.run, encoder, self.encoder_name, texts, genres.tolist(), **settings)
        self.classes_, self._label = np.array(self.model.labels), f"{self.encoder_name} {folder}"
        if self.recipe["reads"]:
            self._head = self._reader(keep=True).fit(rows, genres)[-1]
        return self

    def _reader(self, keep: bool) -> Pipeline:
        return frozen(self.run, self.model.model_body, self._label, self.recipe["reads"], keep)

    def texts(self, table: pd.DataFrame) -> list[str]:
        """What the encoder is tuned on: each story's text, its title before it where the recipe says so."""
        return with_title(table, self.recipe["titles"], self.recipe["column"])

    def predict_proba(self, judged: pd.DataFrame, keep: bool = True) -> np.ndarray:
        """Probabilities of the genres: float array (stories, genres). `keep`: see `embed`."""
        if self.recipe["reads"]:
            return self._head.predict_proba(self._reader(keep)[0].transform(judged))
        with self.run.autocast(), torch.inference_mode():
            return np.asarray(self.model.predict_proba(self.texts(judged), as_numpy=True, show_progress_bar=False), dtype=float)


def train_setfit(run: Run, encoder, label: str, texts: list[str], genres: list[str], **settings):
    """Train a SetFit classifier (Tunstall et al., 2022): contrastive pairs for the encoder, then a logistic head.

    A run that was cut off continues from its last checkpoint; a finished one is loaded.

    Args:
        run: the running notebook.
        encoder: `SentenceTransformer`, changed in place.
        label: its name.
        texts, genres: the training set.
        **settings: of `setfit.TrainingArguments`, such as `num_iterations`. `loss="SupConLoss"` compares all stories of a batch with each
            other (Khosla et al., 2020) instead of drawing pairs, so that a story is read once an epoch.

    Returns:
        The trained `SetFitModel`, its cost, and the name of its folder in the workspace.
    """
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments
    from setfit.losses import SupConLoss

    logging.getLogger("setfit").setLevel(logging.ERROR)  # its import turns its chatter on
    recipe = {
        "encoder": f"{label}, {encoder.max_seq_length} tokens",
        "examples": hashlib.sha256(json.dumps([texts, genres]).encode()).hexdigest(),
        "settings": {name: str(value) for name, value in settings.items()},
    }
    training = Training(run, "setfit", recipe)
    if training.finished:
        model = SetFitModel.from_pretrained(str(training.folder / "model"), device=str(run.device))
        return model, training.cost, training.folder.name
    whole_batches = settings.get("loss") == "SupConLoss"
    arguments = TrainingArguments(
        output_dir=str(training.folder),
        seed=run.seed,
        report_to="none",
        show_progress_bar=False,
        save_strategy="steps",
        **({"save_steps": 100} | settings | ({"loss": SupConLoss} if whole_batches else {})),
    )
    names = sorted(set(genres))
    model = SetFitModel(model_body=encoder, model_head=LogisticRegression(max_iter=1000), labels=names)
    places = [names.index(genre) for genre in genres]
    trainer = Trainer(model=model, args=arguments, train_dataset=Dataset.from_dict({"text": texts, "label": places}))
    if whole_batches:  # at least two stories of a genre in every batch; SetFit 1.2 means to ask for that itself, but never does
        trainer.st_trainer.args.batch_sampler = "group_by_label"
    silence(trainer.st_trainer)
    trainer.st_trainer.add_callback(training.progress)
    # SetFit's trainer cannot be told to resume, the one inside it can.
    trainer.st_trainer.train = functools.partial(trainer.st_trainer.train, resume_from_checkpoint=training.checkpoint)
    with measure() as cost, run.autocast():
        trainer.train()
    model.model_body.eval()
    model.save_pretrained(str(training.folder / "model"))
    training.finish(cost)
    return model, training.cost, training.folder.name
