"""An answer without what a chat model writes around it."""

from __future__ import annotations

import re

from helpers.stories import count_words

OPENER = re.compile(
    r"^\W*(sure|certainly|of course|absolutely|okay|ok|here(?:'s| is| are)|below is|i(?:'ve| have) (?:re|para))\b", re.I
)
"""How a chat model opens: *Sure! Here is ...*"""
ABOUT_ITSELF = re.compile(r"\b(paraphras\w*|rewrit\w*|rewrote|reword\w*|version|story|request\w*|retelling)\b", re.I)
_CLOSER = re.compile(
    r"^\W*(note\b|i hope|let me know|feel free|word count|this (?:paraphrase|version|rewrite|retelling)|\(?\d+ words\)?)", re.I
)
_MARKUP = re.compile(r"\s*(```\w*|-{3,}|\*{3,})\s*")
_TITLE = (
    re.compile(  # **Title:** Rain
        r"\s*(?:#+\s*|\*\*)?\s*(?:title|titre|titel|título|titulo|titolo|標題|标题|タイトル|제목|العنوان|عنوان|शीर्षक|название|ชื่อเรื่อง)\s*(?:\*\*)?\s*[:\uff1a]\s*(.+)",
        re.I,
    ),
    re.compile(r"\s*(?:#+\s+(.+)|\*\*(.+)\*\*)"),  # ## Rain, or **Rain**
)
_STOPS = r".!?,;:\u3002\uff01\uff1f\uff0c\uff1b\uff1a\u3001\u061f\u060c\u061b\u0964"  # what ends a sentence, in any script
_BARE_TITLE = re.compile(rf"[^\d{_STOPS}]+")  # a place, a date or a speaker is the story's own first line


def strip_answer(text: str, title: str = "") -> tuple[str, str]:
    """Take title and story out of what a chat model wrote around them.

    Args:
        text: the answer.
        title: its title, where that is known: then its first line is the story's.

    Returns:
        The title (empty if there is none), and the story without preamble, title line, closing remark and code fence.
    """
    text = re.sub(r"<think>.*?</think>", "", text, flags=re.S).replace("\r\n", "\n")
    lines = _without_blank_ends([line.rstrip() for line in text.split("\n") if not _MARKUP.fullmatch(line)])
    if len(lines) > 1 and _is_preamble(lines[0]):
        lines = _without_blank_ends(lines[1:])
    if len(lines) > 1 and not title and (found := _title_in(*lines[:2])) is not None:
        title, lines = found, _without_blank_ends(lines[1:])
    while len(lines) > 1 and _CLOSER.match(lines[-1]):
        lines = _without_blank_ends(lines[:-1])
    return title, "\n".join(lines).strip()


def _without_blank_ends(lines: list[str]) -> list[str]:
    return "\n".join(lines).strip("\n").split("\n")


def _is_preamble(line: str) -> bool:
    return bool(OPENER.match(line)) and len(line) < 250 and (line.endswith(":") or bool(ABOUT_ITSELF.search(line)))


def _title_in(first: str, second: str) -> str | None:
    """The title in a first line; None where that line belongs to the story."""
    found = next(filter(None, (pattern.fullmatch(first) for pattern in _TITLE)), None)
    if found:
        title = next(filter(None, found.groups()))
    elif count_words(first) <= 12 and not second.strip() and _BARE_TITLE.fullmatch(first):
        title = first
    else:
        return None
    return title.strip(" *#_\"'\u201c\u201d")
