"""What was repaired or is unusual about a dataset, and what that means for the notebooks after the first."""

from __future__ import annotations

import re

import pandas as pd

from helpers.config import Profile
from helpers.stories.families import FAMILIES, are_known, is_known
from helpers.stories.findings import find_prompts, find_stray_marks
from helpers.stories.language import Language, language_of
from helpers.words import count_words, is_unspaced, tokens

MULTILINGUAL = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"
_READS_MANY = re.compile(r"multilingual|labse|e5|bge-m3|embeddinggemma|xlm|gte-", re.I)
_DAMAGED = re.compile("\u00c3[\u0080-\u00bf]|\u00e2\u20ac|\ufffd")
_HTML = re.compile(r"</?(?:p|br|div|span|b|i|a|li|ul)\b[^>]*>", re.I)
LARGE = 20_000
"""From so many texts on, reading all of them with an encoder on a CPU takes hours."""


def unusual(table: pd.DataFrame, notes: list[str], profile: Profile) -> pd.DataFrame:
    """Everything about a dataset that a reader of the later notebooks should know.

    Args:
        table: story table with `split`.
        notes: what was repaired, see `load_stories` and `add_split_and_folds`.
        profile: its encoders are named where they do not read the stories' language.

    Returns:
        DataFrame of `what` was found and what it `means` for the other notebooks; one row where nothing was.
    """
    rows = [
        (note, "" if note.endswith("as asked") else "repaired in the saved table; the file stays as it is") for note in notes
    ]
    rows += _labels(table) + _texts(table) + _language(language_of(table["text"]), table, profile) + _size(table, profile)
    rows = rows or [("nothing was repaired, and nothing is unusual", "")]
    return pd.DataFrame(rows, columns=["what", "means"])


def _labels(table: pd.DataFrame) -> list[tuple[str, str]]:
    sizes = table["genre"].value_counts()
    rows = []
    if not are_known(sizes.index):
        named = sum(label in set(sum(FAMILIES.values(), [])) for label in sizes.index)
        also = f" ({named} labels are also names of its genres, which is taken for chance)" if named else ""
        rows.append(
            (
                f"the labels are not those of this project's dataset{also}",
                "02, 03: without a key nothing is added, as the recorded answers and descriptions are of its genres; "
                "01, 03, 06, 07: labels are ordered by name, in no families",
            )
        )
    if len(sizes) <= 3:
        rows.append((f"only {len(sizes)} classes", "06, 07: top-3 is always right and says nothing"))
    if sizes.iloc[0] >= 5 * sizes.iloc[-1]:
        share = sizes.iloc[0] / len(table)
        rows.append(
            (
                f"the classes are uneven: {sizes.index[0]!r} has {sizes.iloc[0]:,} texts, {sizes.index[-1]!r} {sizes.iloc[-1]:,}",
                f"04 to 07: whoever always says {sizes.index[0]!r} is right in {share:.0%}; read macro F1 rather than accuracy",
            )
        )
    if all(re.fullmatch(r"-?\d+(\.\d+)?", label) for label in sizes.index):
        rows.append(("the labels are numbers", "05: a model is asked for a name; give the classes names for a fair trial"))
    keys = pd.Series(["".join(filter(str.isalnum, label)).lower() for label in sizes.index], index=sizes.index)
    alike = keys[keys.duplicated(keep=False) & (keys != "")]
    if len(alike):
        named = ", ".join(map(repr, sorted(alike.index, key=lambda label: (alike[label], label))[:6]))
        rows.append(
            (
                f"labels that differ by punctuation alone: {named}",
                "they count as different classes; if they are one, say so in the file",
            )
        )
    lacking = {part: len(sizes) - table.loc[table["split"] == part, "genre"].nunique() for part in ("validation", "test")}
    if any(lacking.values()):
        named = " and ".join(f"{count} classes have no {part} text" for part, count in lacking.items() if count)
        rows.append((named, "04 to 06: the seed split does not judge them; 06, 07: the five folds do"))
    return rows


def _texts(table: pd.DataFrame) -> list[tuple[str, str]]:
    rows, texts = [], table["text"]
    untitled = int((table["title"] == "").sum())
    if untitled == len(table):
        rows.append(("no titles", "06: no classifier reads titles; 04, 05: no question asks for a title, so there are fewer"))
    elif untitled:
        rows.append((f"{untitled:,} texts without a title", "06: titles say nothing there; 04, 05: no question asks for them"))
    repeated = texts.duplicated(keep=False)
    if repeated.any():
        labels = table[repeated].groupby(texts)["genre"].nunique()
        torn = f", {int((labels > 1).sum())} of them with different labels" if (labels > 1).any() else ""
        rows.append(
            (
                f"{int(repeated.sum()):,} texts stand in the table more than once ({len(labels):,} different ones{torn})",
                "04 to 07: a text that trains and is judged flatters every figure; leave the copies out of the file",
            )
        )
    for found, what, meaning in (
        (find_prompts(table), "a prompt instead of a text", "they stay unless DROP_PROMPTS = True"),
        (find_stray_marks(table), "a stray mark of a chat template", "nothing; 02 and 03 do not copy it"),
    ):
        if len(found):
            rows.append((f"{len(found)} rows hold {what}: {', '.join(found['story_id'].head(5))}", meaning))
    for pattern, what, meaning in (
        (_DAMAGED, "letters that were decoded wrongly, such as \u00c3\u00a9", "save the file again as UTF-8 from its source"),
        (_HTML, "HTML tags", "models read the tags as words; take them out of the file if they say nothing"),
    ):
        if count := sum((not text.isascii() or "<" in text) and pattern.search(text) is not None for text in texts):
            rows.append((f"{count:,} texts hold {what}", meaning))
    wordless = sum(not tokens(text[:5000]) for text in texts)
    if wordless:
        rows.append((f"{wordless:,} texts hold no word", "06: words and letters say nothing there"))
    return rows


def _language(language: Language, table: pd.DataFrame, profile: Profile) -> list[tuple[str, str]]:
    if language.is_english:
        return []
    english_only = [name for name in (profile.encoder, profile.large_encoder) if name and not _READS_MANY.search(name)]
    meaning = [
        f"02, 03: prompts ask for {'that language' if language.request else 'nothing in particular'}, and the language gate looks at the letters alone",
        "03, 06: no recorded stories and descriptions, which are in English" if not is_known(table) else "",
        "04, 05: questions are made of English sentences, so there may be none, and the check is left out",
        f"06: made for English: {', '.join(english_only)}; set ENCODER = {MULTILINGUAL!r} or another that reads it"
        if english_only
        else "",
    ]
    rows = [(f"the texts are not recognised as English ({language.name})", "; ".join(filter(None, meaning)))]
    if is_unspaced(" ".join(table["text"].head(50))):
        rows.append(
            (
                "the script puts no spaces between words",
                "06: two and three neighbouring letters take the place of words; lengths are counted by letters",
            )
        )
    return rows


def _size(table: pd.DataFrame, profile: Profile) -> list[tuple[str, str]]:
    rows = []
    words = table["text"].map(count_words)
    if (judged := int((table["split"] == "test").sum())) < 50:
        rows.append((f"only {judged} texts in the test part", "04 to 07: intervals are wide; trust the five folds"))
    if table["genre"].value_counts().iloc[-1] < 8:
        rows.append(
            (
                "some classes have fewer than eight texts",
                "06: its inner folds hold one or two of each, so weights learned there are rough",
            )
        )
    if len(table) > LARGE:
        rows.append(
            (
                f"{len(table):,} texts",
                "01 maps a part of them; 02, 03: near-duplicates are looked up in an index, similarities are bounded on a part; "
                "04 to 06: hours on a CPU, think of a smaller file first",
            )
        )
    if words.median() < 40:
        rows.append(
            (
                f"short texts (median {words.median():.0f} words)",
                "03: chunks are the texts themselves; 02: a paraphrase of a few words is easily a copy",
            )
        )
    if words.max() > 20_000:
        rows.append((f"a text of {words.max():,} words", "models read its beginning and end, or its windows one by one"))
    return rows
