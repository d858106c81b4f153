"""SetFit over story tables."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from helpers.fewshot.sampler import LEAST_SHARE, EveryRow, share_by_label
from helpers.measuring import measure
from helpers.models import load_encoder
from helpers.representations.lexical import with_title
from helpers.representations.onnx_export import Int8Encoder
from helpers.representations.sentences import frozen
from helpers.runtime import Run, keeps_random_state
from helpers.training import Training
from helpers.workspace import whole_files


def encoder_to_tune(run: Run) -> tuple:
    """The profile's encoder, cut to the tokens that SetFit reads, and its name."""
    encoder, name = load_encoder(run)
    encoder.max_seq_length = min(encoder.max_seq_length, run.profile.setfit_tokens)
    return encoder, name


class SetFit(BaseEstimator):
    """SetFit over story tables: an encoder that the training rows tune, and a logistic head on what it reads.

    Args:
        run: the running notebook.
        load_encoder: function without arguments that returns an untouched encoder and its name.
        recipe: `column` (which text) and `titles` (how often the title stands before it) say what is tuned on, `training` how (see
            `train_setfit`), and `reads` what the head sees: parts as `frozen` has them, or none for SetFit's own head on what was tuned on.
            With `in_8_bits` the tuned encoder reads them as `Int8Encoder` does, and no more than `tokens` of a window, where it says so.

    Attributes:
        classes_: genres, the columns of every score.
        fitted: where the recipe has `reads`, the pipeline of what it reads and the head.
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
            self._body = self.model.model_body
            if self.recipe.get("in_8_bits"):
                self._body, self._label = Int8Encoder(self._body, self.recipe.get("tokens")), f"{self._label}, int8"
            self.fitted = self._reader(keep=True).fit(rows, genres)
        return self

    def _reader(self, keep: bool) -> Pipeline:
        return frozen(self.run, self._body, self._label, self.recipe["reads"], keep)

    def texts(self, table: pd.DataFrame) -> list[str]:
        """What the encoder is tuned on: each story's text, its title before it where the recipe says so."""
        return with_title(table, self.recipe["titles"], self.recipe["column"])

    def predict_proba(self, judged: pd.DataFrame, keep: bool = True) -> np.ndarray:
        """Probabilities of the genres: float array (stories, genres). `keep`: see `helpers.representations.sentences.embed`."""
        if self.recipe["reads"]:
            return self.fitted[1:].predict_proba(self._reader(keep)[0].transform(judged))
        with self.run.autocast(), torch.inference_mode():
            return np.asarray(self.model.predict_proba(self.texts(judged), as_numpy=True, show_progress_bar=False), dtype=float)


@keeps_random_state
def train_setfit(run: Run, encoder, label: str, texts: list[str], genres: list[str], *, resume: bool | None = None, **settings):
    """Train a SetFit classifier (Tunstall et al., 2022): contrastive pairs for the encoder, then a logistic head.

    A run that was cut off continues from its last checkpoint; a finished one is loaded.

    Args:
        run: the running notebook.
        encoder: `SentenceTransformer`, changed in place.
        label: its name.
        texts, genres: the training set.
        resume: see `Training`.
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
    if prompt := encoder.prompts.get(encoder.default_prompt_name or ""):
        texts = [prompt + text for text in texts]  # the trainer does not put it before them, `encode` does
    whole_batches = settings.get("loss") == "SupConLoss"
    # At least two stories of a genre in every batch; SetFit 1.2 means to ask for that itself, but never does.
    sampler = "group_by_label"
    if whole_batches and share_by_label(genres) < LEAST_SHARE:
        sampler, recipe["sampler"] = EveryRow, "every row once an epoch"
    if run.dtype != torch.float32:
        recipe["mixed precision"] = "each step"  # earlier ones were trained on copies of the first step's weights
    training = Training(run, "setfit", recipe, resume=resume)
    if training.finished:
        model = load_setfit(training.folder / "model", run.device)
        return model, training.cost, training.folder.name
    arguments = TrainingArguments(
        output_dir=str(training.folder),
        seed=run.seed,
        report_to="none",
        show_progress_bar=False,
        save_strategy="steps" if "save_steps" in settings else "no",  # `Training` saves by time
        **(settings | ({"loss": SupConLoss} if whole_batches else {})),
    )
    names = sorted(set(genres))
    model = SetFitModel(model_body=encoder, model_head=LogisticRegression(max_iter=1000), labels=names)
    places = [names.index(genre) for genre in genres]
    with _mixed_precision(run.dtype):
        trainer = Trainer(model=model, args=arguments, train_dataset=Dataset.from_dict({"text": texts, "label": places}))
    if whole_batches:
        trainer.st_trainer.args.batch_sampler = sampler
    # SetFit's trainer cannot be told to resume, the one inside it can.
    with measure() as cost, training.following(trainer.st_trainer):
        with mock.patch.object(encoder, "default_prompt_name", None):
            trainer.train()
        trainer.st_trainer.accelerator.unwrap_model(model.model_body, keep_fp32_wrapper=False)
        model.model_body.eval()
        with whole_files(training.folder / "model") as local:
            model.save_pretrained(local)
    training.finish(cost)
    return model, training.cost, training.folder.name


@contextlib.contextmanager
def _mixed_precision(dtype: torch.dtype):
    """Within it, trainers are made that compute in a number type.

    SetFit's own `use_amp` comes after its trainer has settled that. Autocast around the whole training is worse: it keeps the copies of the weights
    that it made in the first step.
    """
    name = "ACCELERATE_MIXED_PRECISION"
    before = os.environ.get(name)
    os.environ[name] = {torch.float32: "no", torch.bfloat16: "bf16", torch.float16: "fp16"}[dtype]
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def load_setfit(folder: Path, device):
    """Load a saved SetFit model, as `SetFitModel.from_pretrained` does, without running what a pickle might hold.

    Args:
        folder: holds it.
        device: for its encoder.

    Raises:
        ValueError: the head's file holds something other than a logistic regression.
    """
    from sentence_transformers import SentenceTransformer
    from setfit import SetFitModel

    labels = json.loads((folder / "config_setfit.json").read_text(encoding="utf-8"))["labels"]
    body = SentenceTransformer(str(folder), device=str(device), trust_remote_code=False)
    with open(folder / "model_head.pkl", "rb") as file:
        return SetFitModel(
            model_body=body, model_head=_HeadReader("", file, ensure_native_byte_order=False).load(), labels=labels
        )


class _Numbers(NumpyArrayWrapper):
    """An array in joblib's file; one of objects would be another pickle, read by nobody's rules."""

    def read_array(self, unpickler, *args):
        if self.dtype.hasobject:
            raise ValueError("model_head.pkl holds an array of objects, which no logistic regression has: it is not loaded.")
        return super().read_array(unpickler, *args)


class _HeadReader(NumpyUnpickler):
    """joblib's reader, which builds a logistic regression out of arrays of numbers and nothing else."""

    _ALLOWED = {("sklearn", "LogisticRegression"), ("numpy", "ndarray"), ("numpy", "dtype"), ("numpy", "scalar")}

    def find_class(self, module: str, name: str):
        if (module, name) == ("joblib.numpy_pickle", "NumpyArrayWrapper"):
            return _Numbers
        if (module.split(".")[0], name) not in self._ALLOWED:
            raise ValueError(
                f"model_head.pkl asks for {module}.{name}, which no logistic regression is made of: it is not loaded."
            )
        return super().find_class(module, name)
