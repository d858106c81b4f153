"""To the Hugging Face Hub and back."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

FILES = ["config.json", "README.md", "tensors.safetensors", "*/head.skops", "*/encoder.onnx", "*/tokenizer.json"]
"""What a classifier consists of; nothing else is sent or fetched."""


def push(classifier, name: str, private: bool = True, token: str | None = None) -> str:
    """See `GenreClassifier.push_to_hub`.

    Raises:
        ValueError: `name` is not `owner/name`.
        OSError: the Hub cannot be reached, or does not let this token write there.
    """
    from huggingface_hub import HfApi

    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise ValueError(f"{name!r} is no name on the Hub: give owner/name.")
    api = HfApi(token=token)
    with tempfile.TemporaryDirectory() as folder:
        saved = classifier.save(Path(folder) / name.split("/")[-1])
        try:
            api.create_repo(name, private=private, exist_ok=True)
            api.upload_folder(repo_id=name, folder_path=saved, allow_patterns=FILES, commit_message="Classifier and model card")
        except Exception as error:
            raise OSError(f"{name} could not be written to the Hub: {_why(error)}") from None
    return f"{api.endpoint}/{name}"


def fetch(name: str, revision: str | None = None) -> Path:
    """Download a classifier from the Hub, or find it in its cache.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: this is neither a folder nor a name on the Hub.
        OSError: the Hub cannot be reached.
    """
    from huggingface_hub import snapshot_download

    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name):
        raise FileNotFoundError(f"{name!r} is neither a folder here nor a name on the Hugging Face Hub (owner/name).")
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=FILES))
    except Exception as error:
        kind = FileNotFoundError if "NotFound" in type(error).__name__ and "LocalEntry" not in type(error).__name__ else OSError
        raise kind(f"{name!r} is no folder here, and cannot be fetched from the Hub: {_why(error)}") from None


def _why(error: Exception) -> str:
    """A Hub's or the network's refusal in one sentence."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    name = type(error).__name__
    if "RevisionNotFound" in name:
        return "it has no such revision."
    if "RepositoryNotFound" in name or status == 404:
        return "there is none of that name, or it is private and HF_TOKEN is not set to a token that may read it."
    if status in (401, 403):
        return "the token may not do that. Set HF_TOKEN to one with the right to write (huggingface.co/settings/tokens)."
    if status:
        return f"the Hub answered {status}."
    return "it does not answer. Connect to it, or give the path of a folder."
