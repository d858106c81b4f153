"""Classify a table of any size: piece by piece, and on from where an earlier run stopped.

What is written is a row for every row of the table, in its order: its own columns without the text, and `predicted`, `confidence`, `likeliest` and
`note`. After each piece the place that was reached is written beside it, and the next run with the same table and classifier goes on there.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from helpers.takeaway.classifier import GenreClassifier
from helpers.takeaway.tables import TEXT_NAMES, TITLE_NAMES, Table, open_table

PIECE = 64
"""Rows that are classified and written at once: what an interrupted run does again."""
ADDED = ("predicted", "confidence", "likeliest", "note")


@dataclass
class Tally:
    """What became of the rows of a run."""

    rows: int = 0
    predicted: int = 0
    unsure: int = 0
    unreadable: int = 0
    seconds: float = 0.0
    before: int = 0

    def __str__(self) -> str:
        each = f", {1000 * self.seconds / self.rows:.1f} ms a row" if self.rows else ""
        earlier = f" ({self.before:,} of an earlier run before them)" if self.before else ""
        parts = [f"{self.predicted:,} predicted"]
        parts += [f"{self.unsure:,} not sure enough"] * bool(self.unsure)
        parts += [f"{self.unreadable:,} that cannot be classified"] * bool(self.unreadable)
        return f"{self.rows:,} rows{earlier}: {', '.join(parts)}; {self.seconds:.0f} s{each}"


def classify_table(
    classifier: GenreClassifier,
    source: str | Path,
    out: str | Path,
    text: str | None = None,
    title: str | None = None,
    top: int = 5,
    abstain: float | None = None,
    restart: bool = False,
) -> Tally:
    """Classify every row of a table and write what is predicted.

    Args:
        classifier: the classifier.
        source: a CSV, TSV, JSON lines or Parquet file.
        out: a `.csv`, `.tsv` or `.jsonl` file.
        text, title: names of the columns; None: found by their usual names.
        top, abstain: see `GenreClassifier.classify`.
        restart: replace what an earlier run wrote.

    Raises:
        FileNotFoundError: there is no such table.
        FileExistsError: `out` holds something else than an interrupted run of the same.
        ValueError: it is no table, has no such column, or `out` has another ending.
    """
    out = Path(out).expanduser()
    if out.suffix.lower() not in (".csv", ".tsv", ".jsonl"):
        raise ValueError(f"{out.name}: predictions are written as .csv, .tsv or .jsonl, piece by piece.")
    classifier.classify([], top=top, abstain=abstain)  # an impossible option is refused before anything is written
    table = open_table(source)
    if table.note:
        print(f"{table.path.name}: {table.note}", file=sys.stderr)
    if out.resolve() == table.path.resolve():
        raise ValueError(f"{out.name} is the table itself: give another name for what is predicted.")
    text = table.column(text, TEXT_NAMES, "--text", needed=True)
    title = table.column(title, TITLE_NAMES, "--title", needed=False)
    progress = out.with_name(out.name + ".progress")
    task = {
        "table": table.sha256,
        "classifier": classifier.identity,
        "text": text,
        "title": title,
        "top": top,
        "abstain": abstain,
    }
    done, size = _place(out, progress, task, restart)
    _note_place(progress, task | {"rows": done, "bytes": size})
    tally, begin = Tally(before=done), time.perf_counter()
    write = _json_lines if out.suffix.lower() == ".jsonl" else _delimited
    with (
        out.open("r+b" if done else "wb") as file,
        tqdm(total=table.rows, initial=done, unit="row", mininterval=1, disable=None) as bar,
    ):
        file.truncate(size)
        file.seek(size)
        for piece in table.chunks(PIECE, skip=done):
            found = _classified(classifier, piece, text, title, top, abstain)
            file.write(
                write(table, text, piece, found, header=not done, separator="\t" if out.suffix.lower() == ".tsv" else ",")
            )
            file.flush()
            os.fsync(file.fileno())
            done += len(piece)
            _note_place(progress, task | {"rows": done, "bytes": file.tell()})
            _count(tally, found)
            bar.update(len(piece))
        if not done:
            file.write(write(table, text, [], [], header=True, separator="\t" if out.suffix.lower() == ".tsv" else ","))
    progress.unlink(missing_ok=True)
    tally.seconds = time.perf_counter() - begin
    return tally


def _classified(
    classifier, piece: list[tuple[dict, str]], text: str, title: str | None, top: int, abstain: float | None
) -> list[dict]:
    values = [None if why else row.get(text) for row, why in piece]
    found = classifier.classify(values, [row.get(title) if title else "" for row, _ in piece], top, abstain).to_dict("records")
    for answer, (_, why) in zip(found, piece):
        answer["note"] = why or answer["note"]
    return found


def _count(tally: Tally, found: list[dict]) -> None:
    tally.rows += len(found)
    for answer in found:
        if answer["predicted"]:
            tally.predicted += 1
        elif answer["likeliest"]:
            tally.unsure += 1
        else:
            tally.unreadable += 1


# --- where an earlier run stopped -----------------------------------------------------------------------------------


def _place(out: Path, progress: Path, task: dict, restart: bool) -> tuple[int, int]:
    """Rows that an interrupted run has finished, and the bytes that they take.

    Raises:
        FileExistsError: what stands there is finished, or of another task.
    """
    if restart or not out.exists():
        progress.unlink(missing_ok=True)
        return 0, 0
    again = "Give another name, or --restart to replace it."
    if not progress.exists():
        raise FileExistsError(f"{out.name} is there already, and finished. {again}")
    try:
        reached = json.loads(progress.read_text(encoding="utf-8"))
        other = [name for name, value in task.items() if reached[name] != value]
        rows, size = int(reached["rows"]), int(reached["bytes"])
    except (ValueError, KeyError, TypeError):
        raise FileExistsError(f"{progress.name} cannot be read, so it is unknown how far {out.name} goes. {again}") from None
    if other:
        raise FileExistsError(f"{out.name} was begun with another {', '.join(other)}. {again}")
    if out.stat().st_size < size:
        raise FileExistsError(f"{out.name} is shorter than when the earlier run stopped. {again}")
    if rows:
        print(f"{rows:,} rows were classified before: going on there.", file=sys.stderr)
    return rows, size


def _note_place(progress: Path, reached: dict) -> None:
    unfinished = progress.with_name(progress.name + ".part")
    unfinished.write_text(json.dumps(reached), encoding="utf-8")
    os.replace(unfinished, progress)


# --- what is written -------------------------------------------------------------------------------------------------


def _names(table: Table, text: str) -> dict[str, str]:
    """The table's own columns that are kept, and their names beside those that are added."""
    return {name: f"{name} (given)" if name in ADDED else name for name in table.columns if name != text}


def _delimited(table: Table, text: str, piece, found: list[dict], header: bool, separator: str) -> bytes:
    names, lines = _names(table, text), io.StringIO(newline="")
    writer = csv.writer(lines, delimiter=separator, lineterminator="\n")
    if header:
        writer.writerow([*names.values(), *ADDED])
    for (row, _), answer in zip(piece, found):
        own = [row.get(name, "") for name in names]
        own = [
            "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            for value in own
        ]
        confidence = f"{answer['confidence']:.4f}" if answer["likeliest"] else ""
        likeliest = "; ".join(f"{label} {probability:.4f}" for label, probability in answer["likeliest"])
        writer.writerow([*own, answer["predicted"], confidence, likeliest, answer["note"]])
    return lines.getvalue().encode("utf-8", "replace")


def _json_lines(table: Table, text: str, piece, found: list[dict], header: bool, separator: str) -> bytes:
    names, lines = _names(table, text), []
    for (row, _), answer in zip(piece, found):
        own = {names.get(name, name): value for name, value in row.items() if name != text}
        likeliest = [{"label": label, "probability": round(probability, 4)} for label, probability in answer["likeliest"]]
        confidence = round(answer["confidence"], 4) if answer["likeliest"] else None
        added = {
            "predicted": answer["predicted"] or None,
            "confidence": confidence,
            "likeliest": likeliest,
            "note": answer["note"],
        }
        lines.append(json.dumps(own | added, ensure_ascii=False, default=str) + "\n")
    return "".join(lines).encode("utf-8", "replace")
