"""The few-shot classifiers of notebook 06: the parts of the fusion, and which of them make the fast and the accurate one."""

from __future__ import annotations

import functools

from sklearn.pipeline import Pipeline

from helpers import models
from helpers.representations import lexical, sentences, states
from helpers.representations.onnx_export import Int8Encoder
from helpers.runtime import Run

INT8 = "opening, int8"
"""Stands for the part `opening`, the encoder on a story's first 64 tokens and its title, where the encoder is in 8 bits."""

LARGE_TOKENS = 512
"""How much of a story the large encoder reads. EmbeddingGemma could read four times as many; that costs two and a half times as long, for half a point."""


def variants(parts: dict[str, Pipeline]) -> dict[str, list[str]]:
    """The classifiers by name, and the parts that each is made of."""
    return {
        "words": ["words"],
        "fast": ["words", "opening"],
        "fast, int8": ["words", INT8],
        "accurate": ["words", "large encoder", "language model"]
        if "large encoder" in parts
        else [name for name in parts if name != INT8],
    }


def build_parts(run: Run, keep: bool = True) -> tuple[dict[str, Pipeline], dict[str, str]]:
    """The parts that the profile's models allow.

    Args:
        run: the running notebook.
        keep: see `helpers.representations.sentences.embed`.

    Returns:
        Parts by name, and the name of the pretrained model of each part that has one.
    """
    encoder, label = models.load_encoder(run, models.PACKAGED_ENCODER)
    short, _ = models.load_encoder(run, models.PACKAGED_ENCODER)
    short.max_seq_length = 64
    label_int8 = f"{label}, int8"
    parts = {
        "words": lexical.word_svm(),
        "opening": sentences.frozen(run, short, label, ("opening", "title"), keep),
        INT8: sentences.frozen(run, Int8Encoder(short), label_int8, ("opening", "title"), keep),
        "small encoder": sentences.frozen(run, encoder, label, keep=keep),
    }
    names = {"opening": label, INT8: label_int8, "small encoder": label}
    if found := large_encoder(run, keep):
        parts["large encoder"], names["large encoder"] = found
    tokenizer, label = models.load_tokenizer(run)
    load_model = functools.cache(lambda: models.load_llm(run, tokenizer))
    parts["language model"] = states.frozen(run, label, tokenizer, load_model, run.profile.frozen_tokens, keep)
    names["language model"] = label
    return parts, names


def large_encoder(run: Run, keep: bool = True) -> tuple[Pipeline, str] | None:
    """The profile's large encoder, frozen, on a story's opening and its title, and its name; None, told, where it is not to be had."""
    name = run.profile.large_encoder
    if not name:
        return None
    if not models.own_weights(name):
        print(f"{name} is not to be had here, so its part is left out: connect to the Hub, or put it into checkpoints/models.")
        return None
    encoder, label = models.load_encoder(run, name)
    encoder.max_seq_length = min(encoder.max_seq_length, LARGE_TOKENS)
    return sentences.frozen(run, encoder, label, ("opening", "title"), keep), label
