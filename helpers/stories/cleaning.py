"""The seed's cleaning, for any script."""

from __future__ import annotations

import re
import unicodedata

from helpers.words import INVISIBLE, MARKS, UNSPACED

_URL = re.compile(rf"(?:https?://|www\.)[^\s{UNSPACED}\u3000-\u303f\uff00-\uffef]+")
_CLOSED_UP = re.compile(f"['\u2018\u2019\u02bc{INVISIBLE}]")
_PLAIN = re.compile(r"[^\w\s]|_")
_SPECIAL = re.compile(rf"[^\w\s{MARKS}]|_|(?<![\w{MARKS}])[{MARKS}]+")


def clean_text(text: str) -> str:
    """The seed's cleaning: lower case, no URLs, no special characters, single spaces.

    Apostrophes, and what stands unseen within a word, close up (`don't` becomes `dont`); every other special character separates words. Accents are composed and combining marks stay with
    their letter, so that words of any script stay whole; a mark without a letter goes with the symbol that it stood on. A URL ends where a script without
    spaces goes on.
    """
    text = _URL.sub(" ", unicodedata.normalize("NFC", text).lower())
    if text.isascii():
        return " ".join(_PLAIN.sub(" ", text.replace("'", "")).split())
    return " ".join(_SPECIAL.sub(" ", _CLOSED_UP.sub("", text)).split())
