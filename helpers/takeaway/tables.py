"""Any table of texts, read piece by piece: CSV with any of the usual separators and encodings, JSON lines, Parquet.

A table larger than the memory is read as easily as a small one. A row that cannot be read is kept, and says why.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TEXT_NAMES = ("text", "story", "content", "body", "article", "review", "document", "message")
TITLE_NAMES = ("title", "headline", "subject")
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_BINARY = {
    b"PK\x03\x04": "is a spreadsheet or an archive. Save the sheet as 'CSV UTF-8', or unpack the archive",
    b"\x1f\x8b": "is compressed. Unpack it (gunzip)",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook. Save the sheet as 'CSV UTF-8'",
}
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
csv.field_size_limit(2**31 - 1)  # Python's own limit is 128 kB, less than a long text


@dataclass(frozen=True)
class Table:
    """A table on disk, looked through once.

    Attributes:
        path: of the file.
        kind: `CSV`, `JSON lines` or `Parquet`.
        columns: names, in their order; of JSON lines those of the first rows.
        rows: how many there are.
        sha256: of the file's content.
        reading: how it is opened: encoding, and for CSV the separator and the dialect.
        note: what was not plain about it.
    """

    path: Path
    kind: str
    columns: list[str]
    rows: int
    sha256: str
    reading: dict
    note: str = ""

    def column(self, wanted: str | None, names: tuple[str, ...], option: str, needed: bool) -> str | None:
        """The column that is meant: the one named, whatever its capitals, else the first of the usual names, else the only one.

        Raises:
            ValueError: it is not there, or cannot be guessed; the message lists those that are.
        """
        known = {name.strip().lower(): name for name in reversed(self.columns)}
        has = f"{self.path.name} has {', '.join(map(repr, self.columns[:12]))}{', ...' if len(self.columns) > 12 else ''}"
        if wanted is not None:
            if wanted.strip().lower() not in known:
                raise ValueError(f"There is no column {wanted!r}: {has}.")
            return known[wanted.strip().lower()]
        found = next((known[name] for name in names if name in known), None)
        if found is None and needed and len(self.columns) == 1:
            found = self.columns[0]
        if found is None and needed:
            raise ValueError(f"Which column holds the text? {has}. Say it with {option}.")
        return found

    def chunks(self, size: int, skip: int = 0) -> Iterator[list[tuple[dict, str]]]:
        """Rows in pieces: each a dict by column, and why it could not be read (empty if it could).

        Args:
            size: rows in a piece.
            skip: rows at the beginning to leave out.
        """
        piece = []
        for number, row in enumerate(_ROWS[self.kind](self)):
            if number < skip:
                continue
            piece.append(row)
            if len(piece) == size:
                yield piece
                piece = []
        if piece:
            yield piece


def open_table(path: str | Path) -> Table:
    """Look through a table: what it is, its columns, and how many rows it has.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no table, or a quotation mark in it is never closed; the message says where.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"{str(path)!r} is no file here. Give the path of a CSV, TSV, JSON lines or Parquet file.")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        beginning = file.read(200_000)
        digest.update(beginning)
        while block := file.read(1 << 20):
            digest.update(block)
    for mark, what in _BINARY.items():
        if beginning.startswith(mark):
            raise ValueError(f"{path.name} {what}; tables are read as CSV, TSV, JSON lines or Parquet.")
    if not beginning.strip():
        raise ValueError(f"{path.name} is empty.")
    if beginning.startswith(b"PAR1"):
        return _parquet(path, digest.hexdigest())
    encoding, note = _encoding(path, beginning)
    start = beginning.decode(encoding, errors="replace").lstrip()
    if path.suffix.lower() in (".jsonl", ".ndjson") or re.match(r'\{\s*"', start):
        return _json_lines(path, digest.hexdigest(), encoding, note)
    if path.suffix.lower() == ".json":
        raise ValueError(
            f"{path.name} is JSON in one piece. Save it as JSON lines (one object a line), so that it can be read row by row."
        )
    return _delimited(path, digest.hexdigest(), encoding, note)


def _encoding(path: Path, beginning: bytes) -> tuple[str, str]:
    """UTF-8, what a byte order mark says, or Windows-1252, which Excel writes in the West when it is not asked for UTF-8."""
    for mark, encoding in _MARKS:
        if beginning.startswith(mark):
            return encoding, ""
    if beginning[1:400:2].count(0) > 100:
        return "utf-16-le", ""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while block := file.read(1 << 20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252", "it is not UTF-8 and was read as Windows-1252; if letters look wrong, save it as 'CSV UTF-8'"
    return "utf-8", ""


# --- CSV -------------------------------------------------------------------------------------------------------------


def _delimited(path: Path, sha256: str, encoding: str, note: str) -> Table:
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        beginning = file.read(200_000)
    told = re.match(r"\ufeff?sep=(.)\r?\n", beginning)  # Excel's own way to say it
    separator = told[1] if told else _separator(beginning)
    trouble = None
    for dialect in ({}, {"escapechar": "\\", "doublequote": False}, {"skipinitialspace": True}):
        reading = {"encoding": encoding, "dialect": {"delimiter": separator, "strict": True} | dialect, "told": bool(told)}
        table = Table(path, "CSV", [], 0, sha256, reading, note)
        try:
            records = _records(table)
            header = _named(next(records, (1, []))[1])
            return Table(path, "CSV", header, sum(1 for _ in records), sha256, reading, note)
        except csv.Error as error:
            trouble = trouble or error
    raise ValueError(f"{path.name} cannot be read as CSV: {trouble}. Is a quotation mark in it left open?")


def _separator(beginning: str) -> str:
    """The separator that parts the first rows most evenly into the most fields."""
    best, best_rank = ",", (-1.0, 0)
    for separator in SEPARATORS:
        rows = []
        try:
            for row in csv.reader(beginning.splitlines(keepends=True), delimiter=separator):
                rows.append(len(row))
                if len(rows) == 100:
                    break
        except csv.Error:
            continue
        rows = rows[:-1] if len(rows) > 2 else rows  # the last one may be cut off
        if rows and rows[0] > 1:
            rank = (round(sum(count == rows[0] for count in rows) / len(rows), 1), rows[0])
            if rank > best_rank:
                best, best_rank = separator, rank
    return best


def _records(table: Table) -> Iterator[tuple[int, list[str]]]:
    """The file's records with the line at which each ends; blank lines are left out.

    Raises:
        csv.Error: quotation marks do not fit; the message names the line at which the record begins.
    """
    reading, begins = table.reading, 1
    with table.path.open(encoding=reading["encoding"], errors="replace", newline="") as file:
        if reading["told"]:
            file.readline()
        reader = csv.reader(file, **reading["dialect"])
        try:
            for fields in reader:
                if fields:
                    yield begins, fields
                begins = reader.line_num + 1
        except csv.Error as error:
            raise csv.Error(f"in the row that begins in line {begins}: {error}") from None


def _csv_rows(table: Table) -> Iterator[tuple[dict, str]]:
    records = _records(table)
    next(records, None)
    width = len(table.columns)
    for line, fields in records:
        why = ""
        if len(fields) > width and any(field.strip() for field in fields[width:]):
            why = f"line {line} has {len(fields)} fields, the header {width}: a text with a separator in it must stand in quotation marks"
        yield dict(zip(table.columns, (fields + [""] * width)[:width])), why


def _named(header: list[str]) -> list[str]:
    """Column names: stripped, none empty, none twice."""
    names: list[str] = []
    for place, name in enumerate(header, 1):
        name = name.strip().lstrip("\ufeff") or f"column {place}"
        count = 1
        while (name if count == 1 else f"{name} {count}") in names:
            count += 1
        names.append(name if count == 1 else f"{name} {count}")
    return names


# --- JSON lines and Parquet ------------------------------------------------------------------------------------------


def _json_lines(path: Path, sha256: str, encoding: str, note: str) -> Table:
    table = Table(path, "JSON lines", [], 0, sha256, {"encoding": encoding}, note)
    columns: dict[str, None] = {}
    rows = 0
    for rows, (row, _) in enumerate(_json_rows(table), 1):
        if rows <= 1000:
            columns |= dict.fromkeys(row)
    if not columns:
        raise ValueError(f'{path.name} holds no object such as {{"text": "..."}} in its first lines.')
    return Table(path, "JSON lines", list(columns), rows, sha256, table.reading, note)


def _json_rows(table: Table) -> Iterator[tuple[dict, str]]:
    with table.path.open(encoding=table.reading["encoding"], errors="replace") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                yield {}, f"line {number} is no JSON ({error})"
                continue
            yield (row, "") if isinstance(row, dict) else ({}, f"line {number} holds {type(row).__name__}, no object")


def _parquet(path: Path, sha256: str) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{path.name} cannot be read as Parquet ({str(error).splitlines()[0][:120]}). Is it whole?") from None
    return Table(path, "Parquet", list(file.schema_arrow.names), file.metadata.num_rows, sha256, {})


def _parquet_rows(table: Table) -> Iterator[tuple[dict, str]]:
    import pyarrow.parquet

    for batch in pyarrow.parquet.ParquetFile(table.path).iter_batches(batch_size=256):
        for row in batch.to_pylist():
            yield row, ""


_ROWS = {"CSV": _csv_rows, "JSON lines": _json_rows, "Parquet": _parquet_rows}
