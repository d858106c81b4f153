"""Prompt and answer as training examples, of which only the answer is supervised."""

from __future__ import annotations

import pandas as pd

from helpers.representations.tokens import begin_ids, story_ids

PROMPT = """### Instruction:
Classify the genre of this story.
### Input:
{story}
### Response:
"""
"""The seed project's prompt, for `instruction_examples` and `prompt_ids`."""


def prompt_ids(tokenizer, table: pd.DataFrame, limit: int, prompt: str, **options) -> list[list[int]]:
    """Tokens of the prompt around each story, up to where the answer begins.

    Args:
        tokenizer, table, limit, **options: see `story_ids`.
        prompt: template with `{story}` in it once.

    Raises:
        ValueError: the template has no single `{story}`.
    """
    if prompt.count("{story}") != 1:
        raise ValueError("The prompt must contain {story} exactly once.")
    before, after = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in prompt.split("{story}"))
    return [begin_ids(tokenizer) + before + ids + after for ids in story_ids(tokenizer, table, limit, **options)]


def answer_ids(tokenizer, genre: str) -> list[int]:
    """Tokens of an answer: the genre's name and the end token, without which `Mystery` would begin `Mystery Comedy`."""
    return tokenizer(genre, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]


def supervise(prompt: list[int], answer: list[int]) -> dict:
    """An example of prompt and answer of which only the answer is supervised: `input_ids`, and `labels` with -100 over the prompt."""
    return {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}


def instruction_examples(tokenizer, table: pd.DataFrame, limit: int, prompt: str, **options) -> list[dict]:
    """Examples of prompt and answer of which only the answer is supervised.

    Returns:
        Dicts of `input_ids` and `labels` (list of int, -100 over the prompt).

    Raises:
        ValueError: an example has no supervised token.
    """
    prompts = prompt_ids(tokenizer, table, limit, prompt, **options)
    examples = [supervise(ids, answer_ids(tokenizer, genre)) for ids, genre in zip(prompts, table["genre"])]
    if not all(any(label != -100 for label in example["labels"]) for example in examples):
        raise ValueError("An example has no supervised token: its answer was lost.")
    return examples
