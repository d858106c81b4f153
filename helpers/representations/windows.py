"""What of a story an encoder reads: windows of its length, some of them, and one vector for what is read of each text.

Nothing here needs torch, so a saved classifier reads as the one that was trained.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd


def columns_read(table: pd.DataFrame, reads: tuple[str, ...]) -> list[tuple[list[str], str]]:
    """The columns of texts that are embedded side by side, and what is read of each.

    Args:
        table: story table.
        reads: any of `read_windows` for the text, and `title`.
    """
    return [(table["title"].tolist(), "whole") if part == "title" else (table["text"].tolist(), part) for part in reads]


def mean_vector(vectors: np.ndarray) -> np.ndarray:
    """Mean of vectors (n, dimensions), scaled to length 1: (dimensions,)."""
    mean = vectors.mean(axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-9)


def split_windows(encoder, text: str) -> list[str]:
    """Cut a text into pieces of the encoder's length, in tokens; a last piece under a quarter of it joins nothing and is left out."""
    size = encoder.max_seq_length - 2
    spans = _token_places(encoder.tokenizer, text)
    starts = range(0, max(len(spans), 1), size)
    pieces = [
        text[spans[s][0] : spans[min(s + size, len(spans)) - 1][1]]
        for s in starts
        if spans and (s == 0 or len(spans) - s >= size // 4)
    ]
    return pieces or [text]


def read_windows(encoder, text: str, reads: str) -> list[str]:
    """What of a text is read, as windows of the encoder's length: `whole` text, `opening` (the first), or `ends` (the first and the last)."""
    if reads == "opening":
        return [_first_window(encoder, text)]
    windows = split_windows(encoder, text)
    if reads == "ends":
        return windows if len(windows) < 3 else [windows[0], windows[-1]]
    if reads == "whole":
        return windows
    raise ValueError(f"An encoder reads whole, opening or ends of a text, not {reads!r}.")


def _first_window(encoder, text: str) -> str:
    """The first of the windows of a text, without looking far beyond it: a tokenizer takes as long as the text is."""
    far = text.find(" ", 10 * encoder.max_seq_length)
    beginning = split_windows(encoder, text[:far]) if far > 0 else []
    return beginning[0] if len(beginning) > 1 else split_windows(encoder, text)[0]


def _token_places(tokenizer, text: str) -> list[tuple[int, int]]:
    """Where each token begins and ends in a text; the tokenizer is transformers' or that of the package `tokenizers`."""
    if hasattr(tokenizer, "encode_batch"):
        return tokenizer.encode(text, add_special_tokens=False).offsets
    return tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]


def has_tokens(tokenizer, text: str) -> bool:
    """Whether an encoder would be given anything for a text, its own marks included."""
    if hasattr(tokenizer, "encode_batch"):
        return bool(tokenizer.encode(text).ids)
    return bool(tokenizer(text, verbose=False)["input_ids"])


def vectors_read(encoder, columns: list[tuple[list[str], str]], embed_pieces: Callable) -> np.ndarray:
    """Vectors of what is read of each text, column beside column.

    Args:
        encoder: with `tokenizer` and `max_seq_length`.
        columns: see `columns_read`.
        embed_pieces: from windows to the vector of each: a dict.

    Returns:
        float32 array (texts, columns × dimensions).
    """
    windows = [[read_windows(encoder, text, reads) for text in texts] for texts, reads in columns]
    vectors = embed_pieces(list(dict.fromkeys(piece for column in windows for of_text in column for piece in of_text)))
    return np.hstack(
        [np.stack([mean_vector(np.stack([vectors[piece] for piece in of_text])) for of_text in column]) for column in windows]
    )
