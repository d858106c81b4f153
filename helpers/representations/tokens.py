"""Stories as tokens of a language model.

Only the story is ever cut, and in its middle: prompt, title and answer stay whole. Token sequences are lists of int; what
they are padded to is decided batch by batch: on the left where the last token is read, on the right under a head."""

from __future__ import annotations

import pandas as pd
import torch

QUESTION = "\nIn one word or two, the genre of this story is:"
"""What the frozen LLM, or one with a head, reads after the story: the state that is about to answer holds more of the genre than the last word's does
(a prompt for embeddings, as Jiang et al., 2023)."""
_ROOM = 64
"""Tokens that a model's own length leaves for what stands around a story: the prompt, or the question, and an answer."""


def cut_middle(ids: list[int], limit: int) -> list[int]:
    """Keep the head and the tail of a sequence, each half of `limit` tokens."""
    if len(ids) <= limit:
        return ids
    tail = limit // 2
    return ids[: limit - tail] + ids[len(ids) - tail :]


def story_ids(tokenizer, table: pd.DataFrame, limit: int, column: str = "text", title: bool = True) -> list[list[int]]:
    """Tokens of each story, without special tokens.

    Args:
        tokenizer: the LLM's.
        table: story table.
        limit: tokens kept of title and text together; fewer where the model reads no more (GPT-2: 1,024 with all that stands around).
        column: which text.
        title: whether the title stands before the text.
    """
    limit = min(limit, tokenizer.model_max_length - _ROOM)
    texts = [
        f"{row.title}\n{getattr(row, column)}" if title and row.title else getattr(row, column) for row in table.itertuples()
    ]
    return [cut_middle(ids, limit) for ids in tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]]


def begin_ids(tokenizer) -> list[int]:
    """What every sequence begins with: the token that the model knows as a beginning, where it has one."""
    return [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]


def classification_examples(
    tokenizer, table: pd.DataFrame, limit: int, genres: list[str] | None = None, question: str = QUESTION, **options
) -> list[dict]:
    """Examples for a model with a classification head, or for a frozen one.

    Args:
        tokenizer, table, limit, **options: see `story_ids`.
        genres: the labels in order; None for examples without a label.
        question: what stands after the story.

    Returns:
        Dicts of `input_ids` and, with `genres`, `labels` (int).
    """
    asked = tokenizer(question, add_special_tokens=False)["input_ids"]
    examples = [{"input_ids": begin_ids(tokenizer) + ids + asked} for ids in story_ids(tokenizer, table, limit, **options)]
    if genres is not None:
        for example, genre in zip(examples, table["genre"]):
            example["labels"] = genres.index(genre)
    return examples


def pad_batch(tokenizer, sequences: list[list[int]], device="cpu", side: str = "left") -> dict[str, torch.Tensor]:
    """Pad to the longest sequence: `input_ids` and `attention_mask`, both int64 (batch, tokens)."""
    batch = tokenizer.pad({"input_ids": sequences}, padding=True, padding_side=side, return_tensors="pt")
    return {key: batch[key].to(device) for key in ("input_ids", "attention_mask")}


def batches_by_length(sequences: list[list[int]], size: int):
    order = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
    for start in range(0, len(order), size):
        yield order[start : start + size]
