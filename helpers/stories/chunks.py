"""Stories cut into pieces, by paragraphs, sentences and words."""

from __future__ import annotations

import pandas as pd

from helpers.stories.cleaning import clean_text
from helpers.words import is_unspaced

_UNSPACED_SEPARATORS = ["\n\n", "\n", "\u3002", "\uff01", "\uff1f", " ", "\uff0c", "\u3001", "\u200b", ""]
"""What parts a text without spaces, from paragraphs down to letters."""


def chunk_stories(table: pd.DataFrame, size: int = 2000, overlap: int = 50, column: str = "text") -> pd.DataFrame:
    """Cut stories into chunks, the seed's first attempt at more training examples.

    Args:
        table: story table.
        size, overlap: in characters; separators are tried from paragraphs down to words, or letters where no spaces part them.
        column: which text to cut.

    Returns:
        One row a chunk: the story's columns with `text` replaced, `source` (`chunk`) and `parent_id`.
    """
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    spaced, unspaced = (
        RecursiveCharacterTextSplitter(chunk_size=size, chunk_overlap=overlap, separators=separators)
        for separators in (None, _UNSPACED_SEPARATORS)
    )
    rows = []
    for row in table.to_dict("records"):
        splitter = unspaced if is_unspaced(row[column]) else spaced
        for number, chunk in enumerate(splitter.split_text(row[column]), 1):
            rows.append(
                row
                | {"story_id": f"{row['story_id']}-c{number}", "text": chunk, "source": "chunk", "parent_id": row["story_id"]}
            )
    chunks = pd.DataFrame(rows, columns=None if rows else [*table.columns, "source", "parent_id"])
    chunks["text_clean"] = chunks["text"].map(clean_text)
    return chunks
