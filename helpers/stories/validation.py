"""From any table with a text and a label to a story table: every repair is noted, none is silent."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
import unicodedata

import numpy as np
import pandas as pd

from helpers.stories.delimited import LABEL_NAMES, TEXT_NAMES
from helpers.words import INVISIBLE

_NAMES = {"text": TEXT_NAMES, "label": LABEL_NAMES, "title": ("title",), "id": ("id",)}
_NOTHING = re.compile(rf"[\s\u200b{INVISIBLE}]*")
_UNSEEN = re.compile(rf"(?!(?<=[\u0600-\u0fff])[\u200c\u200d])[\u200b{INVISIBLE}]")  # Persian and Hindi spell with joiners
_JOINERS = re.compile("[\u200c\u200d]")


def validate(raw: pd.DataFrame, columns: dict[str, str | None] | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Turn a raw table into a story table; every repair is noted, none is silent.

    Args:
        raw: any table with a text (`story`, `text`) and a label (`genre`, `label`); `id` and `title` are optional.
        columns: names of the columns of `text`, `label`, `title` and `id` where they are others; for title and id an empty name means that none is read.

    Returns:
        The story table in the rows' order, and one sentence for each repair, those of reading the file first.

    Raises:
        ValueError: no text or no label column, or nothing left to use.
    """
    notes = list(raw.attrs.get("notes", ()))
    places = raw.attrs.get("rows", np.arange(2, len(raw) + 2))
    found = find_columns(raw, columns or {}, notes)
    table = pd.DataFrame({"text": _strings(raw, found["text"]), "genre": _strings(raw, found["label"])}, dtype=object)
    table["title"] = _strings(raw, found["title"]) if "title" in found else ""
    table["title"] = table["title"].str.strip()
    if "id" in found:
        # 051039 and 51039 are one id: whoever reads the file with a type-guessing reader sees the second.
        table["story_id"] = (
            pd.Series(_strings(raw, found["id"]), dtype=object).str.strip().str.replace(r"^0+(?=\d+$)", "", regex=True)
        )
    else:
        table["story_id"] = [str(number) for number in range(1, len(table) + 1)]
        notes.append("there is no 'id' column: rows are numbered from 1")
    for column in table:
        whole = [_without_halves(text) for text in table[column]]
        if broken := sum(a != b for a, b in zip(whole, table[column])):
            notes.append(
                f"{broken} cells of {column!r} held broken characters (half a surrogate pair, or zero bytes), which were replaced"
            )
            table[column] = pd.Series(whole, dtype=object)
    table["text"] = table["text"].str.replace("\r\n", "\n")
    table["genre"] = unify_labels(table["genre"], notes)
    for column, what in (("text", "no text"), ("genre", "no genre")):
        empty = np.array([_NOTHING.fullmatch(cell) is not None for cell in table[column]], dtype=bool)
        if empty.any():
            named = ", ".join(map(str, places[empty][:10]))
            notes.append(f"{int(empty.sum())} rows with {what} were left out (table rows {named})")
            table, places = table[~empty], places[~empty]
    if table.empty:
        raise ValueError("No row has both a text and a genre: there is nothing to classify.")
    table["story_id"] = _unique_ids(table["story_id"], notes)
    return table[["story_id", "title", "genre", "text"]].astype(str).reset_index(drop=True), notes


def find_columns(raw: pd.DataFrame, columns: dict[str, str | None], notes: list[str]) -> dict[str, int]:
    """Places of the columns of text, label, title and id, by what they hold; title and id only where they are there.

    Args:
        raw: the table as it was read.
        columns: see `validate`.
        notes: gets a sentence where one of two columns was chosen.

    Raises:
        ValueError: a column is missing, is there twice, or serves twice.
    """
    if unknown := set(columns) - set(_NAMES):
        raise ValueError(f"There is no kind of column {', '.join(map(repr, sorted(unknown)))}; there are {', '.join(_NAMES)}.")
    here = [_seen(str(name)) for name in raw.columns]
    lower = [name.lower() for name in here]
    shown = str(here[:12])[:-1] + (", ...]" if len(here) > 12 else "]")
    found: dict[str, int] = {}
    for what, usual in _NAMES.items():
        asked = columns.get(what)
        if asked is not None and not asked and what in ("title", "id"):
            continue
        names = [name for name in ([_seen(str(asked)).lower()] if asked else usual) if name in lower]
        if not names and asked:
            close = difflib.get_close_matches(str(asked).lower(), lower, 1)
            raise ValueError(
                f"{what.upper()}_COLUMN={asked!r} is no column of the table; it has {shown}."
                + (f" Is {here[lower.index(close[0])]!r} meant?" if close else "")
            )
        if not names and what in ("text", "label"):
            raise ValueError(f"The table has no {' or '.join(map(repr, usual))} column; it has {shown}. {_advice(what, here)}")
        if not names:
            continue
        if lower.count(names[0]) > 1:
            raise ValueError(
                f"{lower.count(names[0])} columns of the table are called {names[0]!r}: rename all but the one that holds the {what}."
            )
        if len(names) > 1:
            notes.append(f"the column {names[0]!r} is read as the {what}, {names[1]!r} is not")
        found[what] = lower.index(names[0])
    for what, place in found.items():
        if other := next((o for o in found if o != what and found[o] == place), None):
            raise ValueError(
                f"{what.upper()}_COLUMN and {other.upper()}_COLUMN both name {here[place]!r}: they must be different columns."
            )
    return found


def _seen(name: str) -> str:
    """A column's name without what stands unseen in it, its accents composed."""
    return unicodedata.normalize("NFC", _UNSEEN.sub("", name)).strip()


def _advice(what: str, here: list[str]) -> str:
    if len(here) == 1:
        return "Neither commas nor semicolons nor tabs part its first line."
    if any(len(name) > 60 or re.fullmatch(r"[\d.]*", name) for name in here):
        return "Its first line seems to be a row: the first line must name the columns."
    return f"Name the column that holds it ({what.upper()}_COLUMN), or rename it; the first line must name the columns."


def _strings(raw: pd.DataFrame, place: int) -> list[str]:
    """A column's cells as strings: nothing as an empty one, whole numbers without a point."""
    column = raw.iloc[:, place]
    name = str(raw.columns[place])
    return [cell if type(cell) is str else _string(cell, name) for cell in column.astype(object)]


def _string(cell, name: str) -> str:
    if isinstance(cell, (list, tuple, dict, set, np.ndarray)):
        raise ValueError(f"The column {name!r} holds lists ({str(cell)[:60]}): every row must have one text and one label.")
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    if pd.isna(cell):
        return ""
    if isinstance(cell, (float, np.floating)) and math.isfinite(cell) and cell == int(cell):
        return str(int(cell))
    return str(cell)


def _without_halves(text: str) -> str:
    """A text that can be encoded: both halves of a surrogate pair joined, a single half replaced, zero bytes left out; the text itself where it is whole."""
    if text.isascii() and "\0" not in text:
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\0", "") if "\0" in text else text


def unify_labels(labels: pd.Series, notes: list[str]) -> pd.Series:
    """Labels without stray spaces and unseen characters; those that differ by case or Unicode form alone become one, the most frequent.

    Args:
        labels: as they stand in the table.
        notes: gets a sentence for each kind of repair.
    """
    counts = labels.value_counts(sort=False)
    spaced = {label: " ".join(label.split()) for label in counts.index}
    if changed := sum(counts[label] for label, stripped in spaced.items() if label != stripped):
        notes.append(f"{changed} genre names had stray spaces, which were removed")
    seen = {label: " ".join(unicodedata.normalize("NFC", _UNSEEN.sub("", name)).split()) for label, name in spaced.items()}
    if changed := sum(counts[label] for label in seen if seen[label] != spaced[label]):
        notes.append(f"{changed} genre names had unseen characters or decomposed accents, which were removed or composed")
    spellings: dict[str, dict[str, int]] = {}
    for label, name in seen.items():
        of_key = spellings.setdefault(unicodedata.normalize("NFKC", _JOINERS.sub("", name)).lower(), {})
        of_key[name] = of_key.get(name, 0) + int(counts[label])
    chosen = {name: max(of_key, key=of_key.get) for of_key in spellings.values() for name in of_key}
    for of_key in spellings.values():
        if len(of_key) > 1:
            kept = max(of_key, key=of_key.get)
            others = ", ".join(f"{name!r} ({count})" for name, count in of_key.items() if name != kept)
            notes.append(
                f"labels that differ by case or Unicode form alone were taken for one: {others} became {kept!r} ({of_key[kept]})"
            )
    return labels.map({label: chosen[name] for label, name in seen.items()})


def _unique_ids(ids: pd.Series, notes: list[str]) -> list[str]:
    missing, repeated = ids == "", ids.duplicated()
    if not (missing.any() or repeated.any()):
        return ids.tolist()
    taken, unique = set(ids), []
    seen: set[str] = set()
    counted: dict[str, int] = {}
    for story_id in ids:
        name, count = story_id or "row", counted.get(story_id, 1)
        while (name in seen) or (count > 1 and name in taken) or name == "row":
            count += 1
            name = f"{story_id or 'row'}-{count}"
        seen.add(name)
        counted[story_id] = count
        unique.append(name)
    examples = ", ".join(sorted(set(ids[repeated & ~missing]))[:5])
    notes.append(f"{int((missing | repeated).sum())} ids were missing or repeated ({examples}) and got a suffix: -2, -3, ...")
    return unique


def table_hash(table: pd.DataFrame) -> str:
    """SHA-256 over ids, genres and texts in order: the same for a CSV, the Hub and any platform's line ends."""
    digest = hashlib.sha256()
    for row in table.itertuples():
        digest.update(f"{row.story_id}\t{row.genre}\t{row.title}\t{row.text}\n".encode())
    return digest.hexdigest()


def ids_hash(ids) -> str:
    """First 16 hex digits of the SHA-256 of the comma-joined ids, to pin a split."""
    return hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()[:16]
