"""Looking at the stories: what a careful reader would check before trusting any figure."""

from __future__ import annotations

import re

import pandas as pd

from helpers.words import count_words

_CHAT_MARK = re.compile(
    r"<\|im_(?:start|end)\|>|\[/?INST\]|<\|(?:user|assistant|system)\|>|<start_of_turn>|^### ?Instruction", re.M
)


def _hold_mark(texts: pd.Series) -> list[bool]:
    """Whether each text holds a mark; most hold none of the letters that one begins with, which is told much faster."""
    return [("<" in t or "[" in t or "###" in t) and _CHAT_MARK.search(t) is not None for t in texts]


def find_prompts(table: pd.DataFrame) -> pd.DataFrame:
    """Rows that are a prompt to a language model rather than a story: they open with a chat template.

    A single mark of such a template further on is a blemish in a story (`find_stray_marks`), not a prompt.
    """
    return table[_hold_mark(table["text"].str[:40])]


def find_stray_marks(table: pd.DataFrame) -> pd.DataFrame:
    """Stories in which a chat template's mark was left behind."""
    marked = table[_hold_mark(table["text"])]
    return marked.drop(index=find_prompts(table).index)


def audit(table: pd.DataFrame) -> pd.DataFrame:
    """What a careful reader would check first, as a table of findings.

    Returns:
        DataFrame with the columns `finding` and `value` (str).
    """
    words = table["text"].map(count_words)
    sizes = table["genre"].value_counts()
    prompts = find_prompts(table)
    short = table[words < 200]
    rows = [
        ("stories", f"{len(table):,}"),
        ("different genres", f"{len(sizes)}"),
        ("stories per genre", _sizes(sizes)),
        (
            "words per story, median (5 % to 95 %)",
            f"{words.median():.0f} ({words.quantile(0.05):.0f} to {words.quantile(0.95):.0f})",
        ),
        ("stories under 200 words", f"{len(short)} in {short['genre'].nunique()} genres"),
        ("stories without a title", f"{int((table['title'] == '').sum())}"),
        ("repeated story texts", f"{int(table['text'].duplicated().sum())}"),
        ("rows that hold a prompt, no story", _name_rows(prompts)),
        ("stories with a stray chat mark", _name_rows(find_stray_marks(table))),
    ]
    return pd.DataFrame(rows, columns=["finding", "value"])


def _sizes(sizes: pd.Series) -> str:
    counts = sizes.value_counts()
    if len(counts) > 3:
        return f"{sizes.min()} to {sizes.max()}, median {sizes.median():.0f}"
    return ", ".join(f"{size} in {n} genre{'s' * (n > 1)}" for size, n in counts.items())


def _name_rows(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "0"
    return f"{len(rows)}: " + ", ".join(f"{row.story_id} ({row.genre})" for row in rows.head(5).itertuples())
