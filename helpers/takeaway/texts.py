"""What may be classified, and what is said of a text that is unlike those that the classifier was fitted on."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from helpers.words import count_words, tokens

LONGEST = 200_000
"""Characters that are read of a text; what stands beyond them is left out, and that is said."""


@dataclass(frozen=True)
class Usual:
    """What was usual among the texts that a classifier was fitted on.

    Attributes:
        shortest: characters that 99 of 100 texts have at least.
        known: share of its words that 99 of 100 texts have in the vocabulary at least.
    """

    shortest: int
    known: float

    @classmethod
    def of(cls, texts: list[str], vocabulary: set[str]) -> Usual:
        """Measured on the training texts."""
        lengths = [len(text.strip()) for text in texts]
        shares = [share for share in (known_words(text, vocabulary) for text in texts) if share is not None]
        return cls(int(np.quantile(lengths, 0.01)), float(np.quantile(shares or [0.0], 0.01)))

    def asdict(self) -> dict:
        return asdict(self)


def known_words(text: str, vocabulary: set[str]) -> float | None:
    """Share of a text's different words that stand in the vocabulary; None where it has no word."""
    words = set(tokens(text[:20_000].lower()))
    return len(words & vocabulary) / len(words) if words else None


def why_not(text) -> str:
    """Why this cannot be classified; empty if it can."""
    if text is None or text is pd.NA or (isinstance(text, float) and np.isnan(text)):
        return "no text"
    if not isinstance(text, str):
        return f"not a text but {type(text).__name__}: {str(text)[:40]!r}"
    if not text.strip():
        return "empty text"
    if not any(letter.isalnum() for letter in text[:LONGEST]):
        return "no letters in the text"
    return ""


def note(text: str, usual: Usual, vocabulary: set[str]) -> str:
    """What is unusual about a text that can be classified, in words; empty where nothing is.

    Args:
        text: that can be classified.
        usual: of the training texts.
        vocabulary: words that the classifier knows; empty where none of its parts reads words.
    """
    said = []
    if len(text) > LONGEST:
        said.append(f"only the first {LONGEST:,} of {len(text):,} characters were read")
    if len(text.strip()) < usual.shortest / 2:
        said.append(f"only {count_words(text)} words, much shorter than the texts it learned from")
    share = known_words(text, vocabulary) if vocabulary else None
    if share is not None and share < usual.known / 2:
        said.append(f"{share:.0%} of its words are known: another language or kind of text than it learned from?")
    return "; ".join(said)


def as_table(texts, titles=None) -> pd.DataFrame:
    """Texts and titles as a table with the columns `text` and `title`, as they came.

    Args:
        texts: a list, an array or a pandas column of texts. Entries may be anything: `why_not` judges them.
        titles: as many titles, or None for none. A title that is no text counts as none.

    Raises:
        TypeError: `texts` is a single text, or no sequence.
        ValueError: there are more or fewer titles than texts.
    """
    if isinstance(texts, (str, bytes)):
        raise TypeError("One text was given where a list of texts is expected: write [text].")
    if isinstance(texts, (dict, pd.DataFrame)) or not hasattr(texts, "__len__"):
        raise TypeError(f"A list of texts is expected, not {type(texts).__name__}.")
    titles = [""] * len(texts) if titles is None else titles
    if isinstance(titles, (str, bytes)) or not hasattr(titles, "__len__"):
        raise TypeError("One title was given where a list of titles is expected: write [title].")
    if len(titles) != len(texts):
        raise ValueError(
            f"There are {len(texts)} texts and {len(titles)} titles; give one title a text, '' where there is none."
        )
    table = pd.DataFrame(index=range(len(texts)), columns=["text", "title"], dtype=object)
    table["text"] = pd.Series(list(texts), dtype=object)
    table["title"] = pd.Series([title.strip() if isinstance(title, str) else "" for title in titles], dtype=object)
    return table


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Texts that can be classified, as they are read: no longer than `LONGEST`, with plain line ends and without lone surrogates."""
    clean = {}
    for column, longest in (("text", LONGEST), ("title", 1000)):
        values = (value[:longest].replace("\r\n", "\n") for value in table[column])
        clean[column] = [value.encode("utf-8", "replace").decode("utf-8") for value in values]
    return pd.DataFrame(clean, index=table.index, dtype=object)
