"""CSV and its relatives: which separator, how quotation marks are written, and rows of another length than the header's."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pandas as pd

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
TEXT_NAMES, LABEL_NAMES = ("story", "text"), ("genre", "label")
"""What the columns of text and label are called where nobody says otherwise, the first name first."""
_HABITS = (
    ({}, "", ""),
    (
        {"escapechar": "\\", "doublequote": False},
        r'\\"',
        "quotation marks within texts stand behind a backslash, and were read so",
    ),
    ({"skipinitialspace": True}, r'[,;|\t] +"', "spaces before opening quotation marks were left out"),
)
"""How programs write quotation marks: what the reader must know, what such a file holds, and what is said then."""

Record = tuple[int, int, list[str]]
"""A row: the place that a spreadsheet shows it at, the line at which it begins, its fields."""


def read_delimited(text: str, name: str, columns: dict[str, str] | None = None) -> pd.DataFrame:
    """Read rows of fields, all as strings.

    Args:
        text: of the file.
        name: of the file, for the messages.
        columns: names of columns that the user says are there, by what they hold (`text`, `label`, ...).

    Returns:
        The table; see `files.read_table` for its `attrs`.

    Raises:
        ValueError: a quotation mark is left open, or rows have another number of fields than the header; the message names the lines.
    """
    columns = columns or {}
    csv.field_size_limit(2**31 - 1)  # Python's own limit is 128 kB, less than a long text
    told = re.match(r"sep=(.)\r?\n", text)  # Excel's own way to say it
    separator = told[1] if told else choose_separator(text, columns)
    notes = [] if separator == "," else [f"fields are separated by {SEPARATORS.get(separator, repr(separator))}"]
    trouble = None
    for options, sign, note in _HABITS:
        if sign and not re.search(sign, text):
            continue
        try:
            records = _records(text[told.end() :] if told else text, separator, name, 2 if told else 1, options)
            table = _rectangle(records, name, separator, columns)
        except ValueError as error:
            trouble = trouble or error
            continue
        table.attrs["notes"] = notes + [note] * bool(note) + table.attrs["notes"]
        return table
    raise trouble


def choose_separator(text: str, columns: dict[str, str] | None = None) -> str:
    """The separator whose header names most of what is looked for, then the one that parts the first rows most evenly."""
    beginning = text[:200_000]
    best, best_rank = ",", (-1, -1.0, 0)
    for separator in SEPARATORS:
        rows = []
        try:
            for row in csv.reader(io.StringIO(beginning, newline=""), delimiter=separator):
                rows += [row] if row else []
                if len(rows) == 200:
                    break
        except csv.Error:
            continue
        names = [field.strip().lower() for field in rows[0]] if rows else []
        if len(names) < 2:
            continue
        known = sum(any(name in some for name in names) for some in (TEXT_NAMES, LABEL_NAMES))
        known += sum(name.strip().lower() in names for name in (columns or {}).values())
        even = sum(len(row) == len(names) for row in rows) / len(rows)
        if (known, even, len(names)) > best_rank:
            best, best_rank = separator, (known, even, len(names))
    return best


def _records(text: str, separator: str, name: str, first: int, options: dict) -> list[Record]:
    """Records of a text whose first line is line `first` of the file; blank lines are left out."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, **options)
    records, begins, place = [], first, first
    try:
        for fields in reader:
            if fields:
                records.append((place, begins, fields))
            place, begins = place + 1, reader.line_num + first
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise ValueError(
                f"{name} cannot be read as CSV: a quotation mark is opened in line {begins} and never closed. "
                'Close it, or write a mark that belongs to the text twice ("").'
            ) from None
        if "expected after" in str(error):
            raise ValueError(
                f"{name} cannot be read as CSV: in line {reader.line_num + first - 1} a quoted text goes on after its closing quotation mark. "
                'Write a mark that belongs to the text twice ("").'
            ) from None
        raise ValueError(f"{name} cannot be read as CSV: line {reader.line_num + first - 1}: {error}.") from None
    return records


def _rectangle(records: list[Record], name: str, separator: str, columns: dict[str, str]) -> pd.DataFrame:
    """Rows of the header's length as a table. Empty fields beyond it are dropped, fields that nobody needs are filled up, and both is noted."""
    notes = []
    header = [field.strip() for field in records[0][2]]
    rows = [record for record in records[1:] if any(field.strip() for field in record[2])]
    if empty := len(records) - 1 - len(rows):
        notes.append(f"{empty} rows without any content were left out")
    while (
        header
        and not header[-1]
        and not any(field.strip() for _, _, fields in rows for field in fields[len(header) - 1 : len(header)])
    ):
        header.pop()
    width = len(header)
    longer = [row for row in rows if len(row[2]) > width]
    if any(field.strip() for _, _, fields in longer for field in fields[width:]):
        raise _ragged(rows, header, name, separator)
    if longer:
        notes.append(
            f"{len(longer)} rows end with empty fields beyond the header, which were dropped (table rows {_places(longer)})"
        )
    needed = {column.lower() for column in (*TEXT_NAMES, *LABEL_NAMES, *columns.values())}
    shorter = [row for row in rows if len(row[2]) < width]
    if any(needed & {column.lower() for column in header[len(fields) :]} for _, _, fields in shorter):
        raise _ragged(rows, header, name, separator)
    if shorter:
        notes.append(f"{len(shorter)} rows end before the last column and were filled up (table rows {_places(shorter)})")
    content = [(fields + [""] * width)[:width] for _, _, fields in rows]
    _find_swallowed(rows, content, header, name, separator, columns)
    table = pd.DataFrame(content, columns=header, dtype=object)
    table.attrs["notes"] = notes
    table.attrs["rows"] = np.array([place for place, _, _ in rows], dtype=int)
    return table


def _places(rows: list[Record]) -> str:
    return ", ".join(str(place) for place, _, _ in rows[:5]) + (", ..." if len(rows) > 5 else "")


def _ragged(rows: list[Record], header: list[str], name: str, separator: str) -> ValueError:
    width = len(header)
    wrong = [(line, len(fields)) for _, line, fields in rows if len(fields) != width]
    named = ", ".join(f"line {line} has {count}" for line, count in wrong[:5]) + (", ..." if len(wrong) > 5 else "")
    widths = {len(fields) for _, _, fields in rows}
    what = SEPARATORS.get(separator, repr(separator))
    advice = f"A text that holds {what} or a line break must stand in quotation marks"
    if len(widths) == 1:
        advice = f"Either a column has no name, or texts hold {what} and must stand in quotation marks"
    return ValueError(
        f"{name}: {len(wrong)} rows have another number of fields than the header, which has {width} ({', '.join(header)[:80]}): {named}. "
        f"{advice}; a spreadsheet, or a JSON lines or Parquet file, takes care of that."
    )


def _find_swallowed(
    rows: list[Record], content: list[list[str]], header: list[str], name: str, separator: str, columns: dict[str, str]
) -> None:
    """Two stray quotation marks make one long text of all rows between them: lines within a text that end (or begin) with a label give that away.

    Raises:
        ValueError: there are such lines.
    """
    names = [column.lower() for column in header]
    label = next((names.index(n) for n in (columns.get("label", "").strip().lower(), *LABEL_NAMES) if n in names), None)
    if label not in (0, len(names) - 1) or len(names) < 2:
        return
    labels = {fields[label] for fields in content} - {""}
    for (_, begins, _), fields in zip(rows, content):
        for place, field in enumerate(fields):
            if place == label or "\n" not in field:
                continue
            lines = [line.rstrip("\r") for line in field.split("\n")]
            parts = [line.rsplit(separator, 1) if label else line.split(separator, 1)[::-1] for line in lines]
            swallowed = sum(len(part) == 2 and part[1].strip('"') in labels for part in parts)
            if swallowed:
                raise ValueError(
                    f"{name}: the text that begins in line {begins} holds {swallowed} more rows of the table: a quotation mark in it is left open. "
                    'Close it, or write a mark that belongs to the text twice (""). If the text is meant so, save the table as JSON lines or Parquet.'
                )
