"""What a word is, in any script: combining marks belong to it, and a script without spaces is read letter by letter.

Python's `\\w` knows no combining marks, so it cuts Hindi at its vowel signs and decomposed accents at every accent. Chinese, Japanese, Thai and their
neighbours put no spaces between words: there, runs of two letters take the place of words, as they do in retrieval (McNamee and Mayfield, 2004).
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

LETTERS_A_WORD = {"han": 1.5, "other": 4.0}
"""How many letters of a script without spaces count as one word: Chinese and Japanese words are short, Thai, Lao, Khmer and Burmese ones longer."""


def _ranges(characters) -> str:
    """Code points in ascending order, as the inside of a character class."""
    parts: list[list[int]] = []
    for code in characters:
        if parts and code == parts[-1][1] + 1:
            parts[-1][1] = code
        else:
            parts.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in parts)


MARKS = _ranges(code for code in range(0x300, 0x20000) if unicodedata.category(chr(code)).startswith("M")) + (
    f"{chr(0xE0100)}-{chr(0xE01EF)}"
)
"""Every combining mark, to stand inside a character class."""
INVISIBLE = "\u00ad\u034f\u061c\u180b-\u180f\u200c-\u200f\u202a-\u202e\u2060-\u2069\u20dd-\u20e4\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef"
"""What stands unseen within a word, to stand inside a character class: joiners, soft hyphens, directions, byte order marks, variants of a glyph. A
zero-width space is not among them: it parts words."""
_HAN = "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af"
_OTHER = "\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff"
UNSPACED = _HAN + _OTHER
"""Letters of scripts that put no spaces between words, to stand inside a character class."""

_UNSEEN = re.compile(f"[{INVISIBLE}]")
_WORD = re.compile(rf"[^\W_][\w{MARKS}]*")
_TOKEN = re.compile(rf"\w[\w{MARKS}]+|[{UNSPACED}]")
_UNSPACED = re.compile(rf"[{UNSPACED}]")
_RUN = re.compile(rf"[{UNSPACED}{MARKS}]+|[^{UNSPACED}{MARKS}][^{UNSPACED}]*")
_LETTER = re.compile(rf"[{UNSPACED}][{MARKS}]*")
_HAN_LETTER, _OTHER_LETTER = re.compile(rf"[{_HAN}]"), re.compile(rf"(?![{MARKS}])[{_OTHER}]")


def letters(text: str) -> list[str]:
    """Letters of the scripts without spaces in a text, each with its combining marks."""
    return _LETTER.findall(text)


def is_unspaced(text: str) -> bool:
    """Whether most letters of a text belong to a script that puts no spaces between words."""
    beginning = text[:5000]
    return 2 * len(_UNSPACED.findall(beginning)) > sum(map(len, _WORD.findall(beginning)))


def count_words(text: str) -> int:
    """Words of a text: what spaces part; in a script without spaces as many as its letters make (`LETTERS_A_WORD`)."""
    if text.isascii() or not _UNSPACED.search(text):
        return len(text.split())
    parted = sum(bool(_WORD.search(piece)) for piece in _UNSPACED.sub(" ", text).split())
    han, other = len(_HAN_LETTER.findall(text)), len(_OTHER_LETTER.findall(text))
    return parted + round(han / LETTERS_A_WORD["han"] + other / LETTERS_A_WORD["other"])


def tokens(text: str) -> list[str]:
    """Words of two letters and more, as scikit-learn's vectorizers take them; of a script without spaces, every two neighbouring letters.

    The same word in composed and decomposed accents is the same token. For text in Latin letters this is exactly `(?u)\\b\\w\\w+\\b`.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", _UNSEEN.sub("", text))
    found = _TOKEN.findall(text)
    if text.isascii() or not _UNSPACED.search(text):
        return found
    parts: list[str] = []
    for word in found:
        for run in _RUN.findall(word) if _UNSPACED.search(word) else [word]:
            of_run = letters(run)
            parts += ["".join(pair) for pair in pairwise(of_run)] if len(of_run) > 1 else [run]
    return parts


def shorten_middle(text: str, share: float, mark: str = " [...] ") -> str:
    """Keep the given share of a text's words, or letters where it has no spaces: half from its beginning and half from its end."""
    pieces = list((_LETTER if is_unspaced(text) else re.compile(r"\S+")).finditer(text))
    half = int(len(pieces) * share / 2)
    if 2 * half >= len(pieces) - 1:
        return text
    return f"{text[: pieces[half].start()].rstrip()}{mark}{text[pieces[-half].start() :]}" if half else ""
