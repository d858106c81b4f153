"""Who writes augmented text: Groq, any compatible endpoint, a local model, or recorded answers."""

from __future__ import annotations

import getpass
import os
import sys

import pandas as pd

from helpers.augmentation.endpoint import GROQ_URL, KEY_NAME, ChatEndpoint
from helpers.augmentation.faults import ProviderError
from helpers.augmentation.local import LocalModel
from helpers.augmentation.recorded import RecordedAnswers
from helpers.runtime import Run, headless, in_colab


def find_key(ask: bool = False) -> str | None:
    """The API key: from Colab's secrets, else the environment variable `GROQ_API_KEY`, else typed in.

    Args:
        ask: prompt for it where somebody is there to answer; the typed key is not shown and not kept.
    """
    if in_colab():
        try:
            from google.colab import userdata

            if key := userdata.get(KEY_NAME):
                return key.strip()
        except Exception:  # no such secret, no access granted, or no front end to ask: then the next place
            pass
    if key := os.environ.get(KEY_NAME, "").strip():
        return key
    if ask and not headless() and ("ipykernel" in sys.modules or sys.stdin.isatty()):
        try:
            return getpass.getpass(f"{KEY_NAME}: ").strip() or None
        except (RuntimeError, EOFError, OSError):  # a kernel that nobody sits at
            return None
    return None


def open_provider(
    name: str,
    run: Run,
    stories: pd.DataFrame,
    models: tuple[str, ...],
    base_url: str = GROQ_URL,
    local_model: str | None = None,
):
    """Open the provider that a notebook names, and say which it is.

    Args:
        name: `groq` (or any compatible endpoint at `base_url`), `local`, `recorded`, or `auto`: groq if there is a key,
            else recorded.
        run: the running notebook.
        stories: story table that will be augmented.
        models: the endpoint's models, asked in rotation.
        base_url: the endpoint.
        local_model: for `local`, a Hub name or folder; None for the profile's LLM.

    Raises:
        ValueError: there is no such provider.
        ProviderError: no key, or the endpoint refuses it, or has no such model.
    """
    if name not in ("auto", "groq", "local", "recorded"):
        raise ValueError(f"PROVIDER={name!r} does not exist; choose one of auto, groq, local, recorded.")
    if name == "local":
        provider = LocalModel(run, local_model)
    elif name == "recorded":
        provider = RecordedAnswers(stories)
    else:
        key = find_key(ask=name == "groq")
        if key:
            provider = ChatEndpoint(key, models, base_url)
        elif name == "groq":
            raise ProviderError(f"There is no key. Put one into Colab's secrets or the environment as {KEY_NAME}.")
        else:
            print(f"No {KEY_NAME} in Colab's secrets or the environment: the recorded answers take Groq's place.")
            provider = RecordedAnswers(stories)
    print(f"provider {provider.name}, models {', '.join(provider.models) or 'none'}")
    return provider
