"""Tables as people have them: CSV in any separator and encoding that can be told for certain, TSV, JSON lines, Parquet.

What is repaired while a file is read is noted in the table's `attrs["notes"]`, from where `validate` takes it. What cannot be told for certain is an
error that says what, where and what to do. No code of a file is ever run: there is no unpickling.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.config import find_path
from helpers.stories.delimited import read_delimited
from helpers.stories.encodings import decode

KINDS = "CSV, TSV, JSON lines (.jsonl) or Parquet"
"""What is read."""
_BINARY = {
    b"PK\x03\x04": "is a spreadsheet or an archive. Save the sheet as 'CSV UTF-8', or unpack the archive",
    b"\x1f\x8b": "is compressed. Unpack it (gunzip)",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook. Save the sheet as 'CSV UTF-8'",
    b"%PDF": "is a PDF",
    b"SQLite format 3": "is a database. Export the table as CSV",
}
_PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".bin", ".npy", ".npz")


def read_table(path: str | Path, columns: dict[str, str] | None = None) -> pd.DataFrame:
    """Read a file of labelled texts: CSV, TSV, JSON lines or Parquet, told by its content rather than by its name.

    Args:
        path: of the file; a relative one means the directory in which the user stands.
        columns: names of columns that the user says are there, by what they hold (`text`, `label`, ...); they help to tell the separator.

    Returns:
        The table as it stands in the file, without types where the file has none. `attrs["notes"]`: one sentence for each repair.
        `attrs["rows"]`: where each row stands in the file, where that is not simply from row 2 on.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a table, or not one that can be read for certain; the message says where.
    """
    file = _existing(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ValueError(f"{file.name} cannot be read ({error.strerror}). Copy it to where you may read it.") from None
    if file.suffix.lower() in _PICKLES or re.match(rb"\x80[\x02-\x05]", content):
        raise ValueError(f"{file.name} may hold code, which is never run here. Save the table as {KINDS}.")
    if content[:4] == b"PAR1":
        return _read_parquet(file)
    for beginning, what in _BINARY.items():
        if content.startswith(beginning):
            raise ValueError(f"{file.name} {what}; a table of texts is read as {KINDS}.")
    text, notes = decode(content, file.name)
    if not text.strip():
        raise ValueError(f"{file.name} is empty and cannot be read as CSV. Give a file with a text and a label in every row.")
    if file.suffix.lower() in (".jsonl", ".ndjson", ".json") or re.match(r"\s*(\{\s*\"|\[\s*\{)", text):
        table = _read_json(text, file.name)
    else:
        table = read_delimited(text, file.name, columns)
    table.attrs["notes"] = notes + table.attrs.get("notes", [])
    return table


def read_csv(path: str | Path) -> pd.DataFrame:
    """`read_table`, by the name of what it mostly reads."""
    return read_table(path)


def _existing(path: str | Path) -> Path:
    file = find_path(path)
    if file is None:
        if str(path).startswith(("http://", "https://")):
            raise FileNotFoundError(f"STORIES_CSV is an address ({path}). Download the file, and give the path of your copy.")
        raise FileNotFoundError(
            f"STORIES_CSV names {Path(path).name[:80]!r}, which is no file here. Give the path of a {KINDS} file; a relative path "
            "means the directory in which the command was given."
        )
    if file.is_dir():
        held = sorted(p.name for p in file.iterdir() if p.is_file())[:5]
        raise FileNotFoundError(
            f"STORIES_CSV names the folder {file.name!r}. Give one file; it holds {', '.join(held) or 'none'}."
        )
    return file


# --- Parquet and JSON ------------------------------------------------------------------------------------------------


def _read_parquet(file: Path) -> pd.DataFrame:
    import pyarrow.parquet
    from datasets import Features

    try:
        table = pyarrow.parquet.read_table(file)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{file.name} cannot be read as Parquet ({str(error).splitlines()[0][:120]}). Is it whole?") from None
    from_hub = b"huggingface" in (table.schema.metadata or {})
    return name_classes(table.to_pandas(ignore_metadata=True), Features.from_arrow_schema(table.schema) if from_hub else {})


def name_classes(table: pd.DataFrame, features) -> pd.DataFrame:
    """Names of the classes in place of their numbers, where a dataset of the Hub knows them.

    Args:
        table: as it came.
        features: `datasets.Features` of its columns.
    """
    for column, feature in features.items():
        if type(feature).__name__ == "ClassLabel" and feature.names:
            names = feature.names
            table[column] = [names[int(n)] if n is not None and n == n and 0 <= n < len(names) else "" for n in table[column]]
    return table


def _read_json(text: str, name: str) -> pd.DataFrame:
    if text.lstrip().startswith("["):
        try:
            rows = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{name}, line {getattr(error, 'lineno', 1)}: {_complaint(error)}.") from None
        places = range(1, len(rows) + 1)
        what = "entry"
    else:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        places, rows, what = [number for number, _ in lines], [], "line"
        for number, line in lines:
            try:
                rows.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{name}, line {number}: {_complaint(error)}. Each line holds one object.") from None
    for place, row in zip(places, rows):
        if not isinstance(row, dict):
            raise ValueError(
                f'{name}, {what} {place}: {str(row)[:40]!r} is no object such as {{"text": "...", "label": "..."}}.'
            )
    table = pd.DataFrame(rows, dtype=object)
    table.attrs["rows"] = np.array(places)
    return table


def _complaint(error: Exception) -> str:
    """What is wrong with JSON that Python does not read."""
    if isinstance(error, json.JSONDecodeError):
        return f"this is no JSON ({error.msg})"
    if isinstance(error, RecursionError):
        return "this is nested too deeply"
    return "a number is too long to be read; put it into quotation marks"
