"""Weights come from strangers: their files are read and never run, and what is wrong with them is said in one line."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

from helpers.workspace import WorkspaceError


@contextmanager
def reading(source: str, label: str):
    """Around a library's loading of a model.

    Every call inside is to say `trust_remote_code=False`: transformers asks in the notebook otherwise. Weights that are no safetensors are
    unpickled by torch as numbers only, which is its default.

    Args:
        source: a folder, or a name on the Hub.
        label: the model's name.

    Raises:
        OSError: it cannot be loaded, or would have to run code of its own.
    """
    if foreign := _foreign_module(Path(source)):
        raise OSError(_OWN_CODE.format(label=label, what=f" ({foreign})"))
    try:
        yield
    except WorkspaceError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        if "trust_remote_code" in said:
            raise OSError(_OWN_CODE.format(label=label, what="")) from None
        raise OSError(
            f"{label} cannot be loaded: {type(error).__name__}, {said[:200]}. Its files may be cut short, or of another kind of model: fetch "
            "it again, or name another one."
        ) from None


_OWN_CODE = "{label} brings program code of its own{what}, which is not run here. Name a model that the libraries know."


def _foreign_module(folder: Path) -> str:
    """A class that a sentence encoder is to be built of and that is not the library's, which reads it from the folder in older versions."""
    file = folder / "modules.json"
    if not file.is_file():
        return ""
    try:
        kinds = [str(module["type"]) for module in json.loads(file.read_text(encoding="utf-8"))]
    except (ValueError, KeyError, TypeError):
        return ""
    return next((kind for kind in kinds if not kind.startswith("sentence_transformers.")), "")
