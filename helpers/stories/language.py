"""Which language the texts are in, as far as it can be told without a model: by their letters, and by everyday words where the letters are Latin."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from helpers.words import count_words, is_unspaced, tokens

EVERYDAY = {
    "English": (
        "the a an and or but of to in on at by for with from as is are was were be been it its he she they them his her their "
        "i you we my your our that this there not no had have has do did so if when who what then all one out up"
    ),
    "French": "le la les un une des du de et à au aux en dans que qui ne pas il elle ils nous vous je se son sa ses sur pour par avec est était mais ce cette",
    "Spanish": "el la los las un una de del y a al en que no se su sus por para con es era fue lo le como más pero este esta yo ella había",
    "Portuguese": "o a os as um uma de do da dos das e em no na que não se seu sua por para com é era foi mas como mais ele ela eu havia ao",
    "Italian": "il lo la i gli le un una di del della e a al in nel che non si suo sua per con è era ma come più lui lei io da dei anche",
    "German": "der die das den dem ein eine einen und oder aber in im an auf zu mit von für ist war nicht es er sie ich wir ihr sein seine als auch sich dass",
    "Dutch": "de het een en of maar in op te van met voor is was niet hij zij ik we je haar zijn die dat er om als ook aan naar door",
}
EVERYDAY = {language: frozenset(words.split()) for language, words in EVERYDAY.items()}
"""Words that every text of a language is full of."""
ENOUGH = 0.1
"""Least share of everyday words, over all texts, from which on a language is recognised. Every sixth word of short English reviews is such a word."""

_SCRIPTS = {
    "CJK": "Chinese",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "HANGUL": "Korean",
    "THAI": "Thai",
    "GREEK": "Greek",
}


@dataclass(frozen=True)
class Language:
    """What the texts of a dataset are written in.

    Attributes:
        name: `English`, `Chinese`, ..., else the letters: `Arabic letters`, `Latin letters`.
        script: of most letters, as Unicode names it: `LATIN`, `CJK`, `ARABIC`; empty where there are no letters.
        tokens_a_word: how many tokens of a language model a word takes, roughly.
        words: the most frequent ones, to show it to somebody who knows it.
    """

    name: str
    script: str
    tokens_a_word: float = 1.35
    words: tuple[str, ...] = ()

    @property
    def is_english(self) -> bool:
        return self.name == "English"

    @property
    def request(self) -> str:
        """A sentence for a prompt that asks for this language; empty for English, in which the prompts are."""
        if self.is_english or not self.script:
            return ""
        named = (
            f"in the language of these words: {' '.join(self.words)}" if self.name.endswith("letters") else f"in {self.name}"
        )
        return f" Write {named}."


def share_of_everyday_words(text: str, language: str = "English") -> float:
    """Share (0 to 1) of a text's words that every text of the language is full of; 0 for an empty text."""
    found = [word.strip(".,;:!?\"'\u201c\u201d").lower() for word in text.split()]
    return sum(word in EVERYDAY[language] for word in found) / max(1, len(found))


def script_of(text: str) -> str:
    """Script of most letters of a text, by the first word of their Unicode names; empty where there are none. Japanese is told from Chinese by its kana."""
    counts = Counter(unicodedata.name(letter, " ").split(" ")[0] for letter in text[:400] if letter.isalpha())
    if not counts:
        return ""
    kana = counts["HIRAGANA"] + counts["KATAKANA"]
    if kana and 5 * kana > counts["CJK"]:
        counts = Counter({"HIRAGANA": kana + counts.pop("CJK", 0)}) + counts
    return counts.most_common(1)[0][0]


def language_of(texts: Iterable[str], most: int = 200) -> Language:
    """The language of most of the texts.

    Args:
        texts: of a dataset.
        most: how many are looked at, evenly spread.
    """
    texts = list(texts)
    texts = [text[:2000] for text in texts[:: max(1, len(texts) // most)][:most]]
    scripts = Counter(filter(None, map(script_of, texts)))
    script = scripts.most_common(1)[0][0] if scripts else ""
    if script != "LATIN":
        name = _SCRIPTS.get(script) or (f"{script.title()} letters" if script else "no letters")
        return Language(name, script, _tokens_a_word(texts), _frequent(texts))
    together = " ".join(texts)
    shares = {language: share_of_everyday_words(together, language) for language in EVERYDAY}
    best = max(shares, key=shares.get)
    if shares[best] < ENOUGH:
        return Language("Latin letters", script, _tokens_a_word(texts), _frequent(texts))
    return Language(best, script, 1.35 if best == "English" else _tokens_a_word(texts))


def _tokens_a_word(texts: list[str]) -> float:
    """An estimate on the safe side: a token holds three bytes where a vocabulary was made for English."""
    size = sum(len(re.sub(r"\s+", " ", text).encode()) for text in texts)
    return max(1.35, round(size / 3 / max(1, sum(map(count_words, texts))), 2))


def _frequent(texts: list[str], most: int = 12) -> tuple[str, ...]:
    counts = Counter(word for text in texts for word in tokens(text.lower()))
    return tuple(word for word, _ in counts.most_common(most))


def words_or_letters(text: str) -> set[int]:
    """Lengths by which a text may be meant: its words, and in a script without spaces also what the spaces part."""
    return {count_words(text)} | ({len(text.split())} if is_unspaced(text) else set())
