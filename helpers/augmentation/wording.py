"""The gates that need no more than an answer's own words, in the order in which they are asked."""

from __future__ import annotations

import re

from helpers.augmentation.stripping import ABOUT_ITSELF, OPENER
from helpers.augmentation.targets import Target
from helpers.stories import Language, script_of, share_of_everyday_words, words_or_letters

LENGTHS = {"paraphrase": (0.5, 1.6), "synthetic": (0.5, 2.0)}
"""Shortest and longest answer, as a multiple of the words asked for."""
ENGLISH = 0.2
"""Least share of everyday English words. Measured: 0.30 in the story of the dataset that has the fewest."""
_REFUSAL = re.compile(
    r"\b(i(?:'m| am) (?:sorry|unable|afraid)[, ].{0,40}\b(?:can't|cannot|can not|unable|not able)|as an ai\b|"
    r"i (?:can't|cannot) (?:help|assist|provide|write|fulfil|comply|create|paraphrase|rewrite)|as a language model)",
    re.I,
)


def fault_in_words(target: Target, title: str, text: str, words: int, language: Language | None = None) -> str:
    """What is wrong with an answer on its face, as `gate: explanation`; empty where nothing is.

    Args:
        target: what was asked for.
        title, text: the answer, stripped.
        words: length that was asked for, see `stories.count_words`.
        language: that it should have; where none is known, its gate stands aside.
    """
    low, high = (times * words for times in LENGTHS[target.task])
    lengths = words_or_letters(text)
    if _REFUSAL.search(text[:300]):
        return "refusal: the answer declines to write"
    if language and language.is_english and text and share_of_everyday_words(text) < ENGLISH:
        return "language: the answer is not in English"
    if language and language.script and text and script_of(text) != language.script:
        return f"language: the answer is not in {language.name}"
    if not any(low <= length <= high for length in lengths):
        return f"length: {max(lengths)} words, between {low:.0f} and {high:.0f} are wanted"
    if OPENER.match(text) and ABOUT_ITSELF.search(text.split("\n")[0]):
        return "preamble: the answer talks about itself"
    if name := genre_named(target, f"{title}\n{text}"):
        return f"genre named: it says {name!r} instead of showing it"
    return ""


def genre_named(target: Target, text: str) -> str:
    """Where a text simply names its genre; what a paraphrase takes from its parent is its parent's.

    A genre of one word (War, Western) is an everyday word: it counts only where a text calls itself a tale of that kind.
    """
    name = re.escape(target.genre)
    one_word = " " not in target.genre and "-" not in target.genre
    pattern = rf"\b(?:{name} (?:story|tale|novel|fiction|genre)|genre of {name})\b" if one_word else rf"\b{name}\b"
    found = re.search(pattern, text, re.I)
    return found.group(0) if found and not re.search(pattern, target.story, re.I) else ""
