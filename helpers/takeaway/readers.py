"""What the parts of a saved classifier read: each reader turns a story table into what its head takes, saves itself, and is loaded again.

The words and an ONNX encoder come with the classifier and need no torch. Other models are named, not copied: loading looks for them as
`helpers.models` does. Another kind of part needs one more class here, and its line in `READERS` and `reader_of`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.representations.lexical import with_title
from helpers.representations.onnx_encoder import OnnxEncoder
from helpers.representations.windows import columns_read, vectors_read

PROBE = pd.DataFrame(
    {
        "title": ["The Lamp at the Ford"],
        "text": [
            "The ferryman counted the lights on the far bank, as he did every night, and found one more than there were houses."
        ],
    }
)
"""A story that every reader is tried on when it is saved and when it is loaded, so that another model of the same name is noticed."""
_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


class TitledText:
    """The text with its title before it, repeated."""

    kind = "titled text"

    def __init__(self, repeat: int = 3, column: str = "text"):
        self.recipe = {"kind": self.kind, "repeat": int(repeat), "column": str(column)}

    def transform(self, table: pd.DataFrame) -> list[str]:
        return with_title(table, self.recipe["repeat"], self.recipe["column"])

    def files(self) -> dict[str, bytes]:
        return {}

    @classmethod
    def load(cls, recipe: dict, read: Callable[[str], bytes]) -> TitledText:
        return cls(recipe["repeat"], recipe["column"])


class OnnxWindows:
    """Embeddings of parts of a story, side by side, by an encoder that comes with the classifier."""

    kind = "onnx encoder"

    def __init__(self, encoder: OnnxEncoder, reads: tuple[str, ...], model: str):
        self.encoder = encoder
        self.recipe = {"kind": self.kind, "model": model, "tokens": encoder.max_seq_length, "reads": list(reads)}

    def transform(self, table: pd.DataFrame) -> np.ndarray:
        columns = columns_read(table, self.recipe["reads"])
        return vectors_read(self.encoder, columns, lambda pieces: dict(zip(pieces, self.encoder.encode(pieces))))

    def files(self) -> dict[str, bytes]:
        return {"encoder.onnx": self.encoder.graph, "tokenizer.json": self.encoder.vocabulary.encode()}

    @classmethod
    def load(cls, recipe: dict, read: Callable[[str], bytes]) -> OnnxWindows:
        encoder = OnnxEncoder(read("encoder.onnx"), read("tokenizer.json").decode(), recipe["tokens"])
        return cls(encoder, recipe["reads"], recipe["model"])


class NamedEncoder:
    """Embeddings of parts of a story, side by side, by a sentence encoder that is named."""

    kind = "sentence encoder"

    def __init__(self, step, model: str):
        self.step = step
        self.recipe = {"kind": self.kind, "model": model, "tokens": step.encoder.max_seq_length, "reads": list(step.reads)}
        self.recipe["dtype"] = str(step.run.dtype).removeprefix("torch.")

    def transform(self, table: pd.DataFrame) -> np.ndarray:
        return self.step.transform(table)

    def files(self) -> dict[str, bytes]:
        return {}

    @classmethod
    def load(cls, recipe: dict, read: Callable[[str], bytes]) -> NamedEncoder:
        from helpers import models
        from helpers.representations.sentences import Windows

        run = _run(recipe)
        encoder, _ = models.load_encoder(run, recipe["model"])
        encoder.max_seq_length = recipe["tokens"]
        return cls(Windows(run, encoder, recipe["model"], recipe["reads"], keep=False), recipe["model"])


class NamedLanguageModel:
    """States of a language model that is named."""

    kind = "language model"

    def __init__(self, step, model: str):
        self.step = step
        self.recipe = {"kind": self.kind, "model": model, "tokens": step.limit, "four_bit": step.run.profile.four_bit}
        self.recipe["dtype"] = str(step.run.dtype).removeprefix("torch.")

    def transform(self, table: pd.DataFrame) -> np.ndarray:
        return self.step.transform(table)

    def files(self) -> dict[str, bytes]:
        return {}

    @classmethod
    def load(cls, recipe: dict, read: Callable[[str], bytes]) -> NamedLanguageModel:
        from helpers import models
        from helpers.representations.states import States

        run = _run(recipe)
        tokenizer, label = models.load_tokenizer(run, recipe["model"])
        model = models.load_llm(run, tokenizer, recipe["model"])
        return cls(States(run, label, tokenizer, lambda: model, recipe["tokens"], keep=False), recipe["model"])


READERS = {reader.kind: reader for reader in (TitledText, OnnxWindows, NamedEncoder, NamedLanguageModel)}


def reader_of(step):
    """The reader that does what the first step of a part's pipeline does, without a cache.

    Raises:
        TypeError: nothing here knows how to save such a step.
    """
    if getattr(step, "func", None) is with_title:
        return TitledText(**(step.kw_args or {}))
    from helpers.representations.onnx_export import Int8Encoder
    from helpers.representations.sentences import Windows
    from helpers.representations.states import States

    if isinstance(step, Windows):
        name = base_model(step.label)
        if isinstance(step.encoder, Int8Encoder):
            return OnnxWindows(step.encoder.exported, step.reads, name)
        return NamedEncoder(Windows(step.run, step.encoder, step.label, step.reads, keep=False), name)
    if isinstance(step, States):
        return NamedLanguageModel(
            States(step.run, step.label, step.tokenizer, step.load_model, step.limit, keep=False), base_model(step.label)
        )
    raise TypeError(
        f"A part that reads through {type(step).__name__} cannot be saved yet: give it a reader in helpers/takeaway/readers.py."
    )


def load_reader(name: str, recipe: dict, read: Callable[[str], bytes]):
    """The reader of a saved part.

    Args:
        name: of the part, for the messages.
        recipe: as the reader wrote it.
        read: function that returns the content of one of the part's files.

    Raises:
        ValueError: there is no such kind of reader, or a model's name is none.
        OSError: the model that it reads with is not to be had here.
    """
    if recipe.get("kind") not in READERS:
        raise ValueError(
            f"The part {name!r} reads through {recipe.get('kind')!r}, which this version of the project does not know: update it."
        )
    model = recipe.get("model")
    if model is not None and not _NAME.fullmatch(str(model)):
        raise ValueError(f"The part {name!r} names a model {model!r}, which is no name on the Hub.")
    try:
        if recipe["kind"] in (NamedEncoder.kind, NamedLanguageModel.kind):
            _must_be_had(model)
        return READERS[recipe["kind"]].load(recipe, read)
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"The part {name!r} reads with the model {model}, which cannot be loaded here ({str(error).splitlines()[0][:150]}). "
            f"Connect to the Hugging Face Hub, or put the model into checkpoints/models/{str(model).split('/')[-1]}/."
        ) from None


def base_model(label: str) -> str:
    """Name of the pretrained model in a label: without how it was stored or shrunk (`name (Q4_K_M, dequantized), int8`)."""
    return re.split(r" \(|, ", label)[0]


def _must_be_had(model: str) -> None:
    from helpers.models import own_weights

    if own_weights(model) is None:
        raise OSError("it is neither in checkpoints/models nor in a package, and the Hub does not answer")


def _run(recipe: dict):
    """A run in the number type that the part was fitted with, or fp32 where this device has none of that type."""
    import dataclasses

    import torch

    from helpers.config import PROFILES
    from helpers.runtime import Run, find_device

    device, dtype = find_device(), getattr(torch, recipe["dtype"])
    if dtype == torch.float16 and device.type == "cpu":
        dtype = torch.float32
    profile = dataclasses.replace(PROFILES["cpu"], four_bit=bool(recipe.get("four_bit")) and device.type == "cuda")
    return Run(profile, Path("."), device, dtype, 42)
