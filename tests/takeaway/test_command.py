"""A table through the command: any kind of table, every row kept, and on where an interrupted run stopped.

Written for: a hundred thousand rows that were read into memory at once, and a night's work that was lost to the last row.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pytest

from helpers.config import PROJECT
from helpers.takeaway import command, tables
from helpers.takeaway.__main__ import main
from helpers.takeaway.command import classify_table

ADDED = ["predicted", "confidence", "likeliest", "note"]


@pytest.fixture
def table(fitted):
    """A dozen stories as a table: an id, a title, the text, and a column named as one that is added."""
    _, _, others = fitted
    some = others.groupby("genre").head(2).reset_index(drop=True)
    return pd.DataFrame(
        {"id": [f"00{i}" for i in range(len(some))], "title": some["title"], "text": some["text"], "note": "mine; and, yours"}
    )


def written_as(table, kind, tmp_path):
    path = tmp_path / f"stories.{kind.split()[0]}"
    if kind == "parquet":
        table.to_parquet(path)
    elif kind == "jsonl":
        table.to_json(path, orient="records", lines=True, force_ascii=False)
    else:
        separator, encoding = {
            "csv": (",", "utf-8"), "csv with a mark": (",", "utf-8-sig"), "csv semicolons": (";", "utf-8"), "tsv": ("\t", "utf-8"),
            "csv of Excel": (";", "cp1252"), "txt of Excel": ("\t", "utf-16"), "csv told": (";", "utf-8"),
        }[kind]  # fmt: skip
        held = table.to_csv(sep=separator, index=False, lineterminator="\r\n")
        path.write_bytes((("sep=;\r\n" if kind == "csv told" else "") + held).encode(encoding, errors="replace"))
    return path


KINDS = ["csv", "csv with a mark", "csv semicolons", "csv of Excel", "csv told", "txt of Excel", "tsv", "jsonl", "parquet"]


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_table_gives_the_same_answers(loaded, table, tmp_path, kind):
    table.loc[0, "title"] = "Café “Señor”"
    out = tmp_path / "predicted.csv"
    tally = classify_table(loaded, written_as(table, kind, tmp_path), out, top=2)
    found = pd.read_csv(out, dtype=str, keep_default_na=False)
    assert list(found) == ["id", "title", "note (given)", *ADDED] and found["id"].tolist() == table["id"].tolist()
    wanted = loaded.classify(table["text"], table["title"], top=2)
    assert found["predicted"].tolist() == wanted["predicted"].tolist() and found["title"].tolist() == table["title"].tolist()
    assert [float(value) for value in found["confidence"]] == pytest.approx(wanted["confidence"].tolist(), abs=1e-4)
    assert found["likeliest"][0].startswith(wanted["predicted"][0]) and found["likeliest"][0].count(";") == 1
    assert tally.rows == tally.predicted == len(table) and not list(tmp_path.glob("*.progress*"))


def test_json_lines_come_out_as_objects(loaded, table, tmp_path):
    out = tmp_path / "predicted.jsonl"
    classify_table(loaded, written_as(table, "jsonl", tmp_path), out)
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len(table) and set(rows[0]) == {"id", "title", "note (given)", *ADDED}
    assert rows[0]["likeliest"][0] == {"label": rows[0]["predicted"], "probability": rows[0]["confidence"]}


def test_rows_that_cannot_be_classified_are_kept_and_say_why(loaded, tmp_path, capsys):
    good = json.dumps({"text": "The sheriff loosened the revolver at his belt and looked for the rustlers' trail."})
    lines = [good, '{"text": ""}', '{"text": 5}', '{"text": ["a"]}', '{"other": 1}', "{broken", '"a string"', "", good]
    source, out = tmp_path / "rows.jsonl", tmp_path / "out.csv"
    source.write_text("\n".join(lines), encoding="utf-8")
    tally = classify_table(loaded, source, out)
    found = pd.read_csv(out, keep_default_na=False)
    whys = ["empty text", "not a text but int", "not a text but list", "no text", "line 6 is no JSON", "line 7 holds str", ""]
    assert tally.rows == 8 and tally.unreadable == 6
    assert [bool(p) for p in found["predicted"]] == [True, *[False] * 6, True]
    assert all(why in note for why, note in zip(whys, found["note"][1:]))

    source = tmp_path / "rows.csv"
    source.write_text(
        'a,text\n1,"one, two ""three"" of the sheriff\'s horses"\n2,one, two\n3\n\n4,fine horses\n', encoding="utf-8"
    )
    classify_table(loaded, source, out, restart=True)
    found = pd.read_csv(out, keep_default_na=False)
    assert found["a"].tolist() == [1, 2, 3, 4]
    assert (
        "line 3 has 3 fields, the header 2" in found["note"][1] and found["note"][2] == "empty text" and found["predicted"][3]
    )


def test_backslashes_and_texts_longer_than_pythons_limit(loaded, tmp_path):
    source, out = tmp_path / "rows.csv", tmp_path / "out.jsonl"
    source.write_text('text,n\n"she said \\"draw\\", sheriff",1\n"' + "horse " * 50_000 + '",2\n', encoding="utf-8")
    classify_table(loaded, source, out)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["n"] for row in rows] == ["1", "2"] and "200,000" in rows[1]["note"]


WRONG = {
    "no such file": (None, [], "is no file here"),
    "empty": (b"", [], "is empty"),
    "no text column": (b"a,b\n1,2\n", [], "Which column holds the text? rows.csv has 'a', 'b'. Say it with --text"),
    "a column that is not there": (b"text,b\n1,2\n", ["--text", "body"], "no column 'body': rows.csv has 'text', 'b'"),
    "an open quotation mark": (b'text,b\n"one,2\nthree,4\n', [], "cannot be read as CSV: in the row that begins in line 2"),
    "a spreadsheet": (b"PK\x03\x04 and so on", [], "is a spreadsheet or an archive"),
    "compressed": (b"\x1f\x8b and so on", [], "is compressed"),
    "half a Parquet file": (b"PAR1 and so on", [], "cannot be read as Parquet"),
    "an impossible confidence": (b"text\none two\n", ["--abstain", "7"], "a confidence lies between 0 and 1"),
    "an ending that is not written": (b"text\none two\n", ["--out", "out.xlsx"], "written as .csv, .tsv or .jsonl"),
    "onto itself": (b"text\none two\n", ["--out", "rows.csv"], "is the table itself"),
    "no classifier": (b"text\none two\n", ["--model", "."], "is no classifier of this project"),
    "no name": (b"text\none two\n", ["--model", "no-such-thing"], "neither a folder here nor a name"),
}


@pytest.mark.parametrize("what", WRONG)
def test_whatever_is_wrong_is_one_line(folder, tmp_path, monkeypatch, capsys, what):
    content, options, message = WRONG[what]
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "rows.csv").write_bytes(content)
    status = main(["classify", "rows.csv", "--model", str(folder), "--out", "out.csv", *options])
    said = capsys.readouterr().err.strip()
    assert status == 1 and message in said and "\n" not in said and "Traceback" not in said
    assert content is None or (tmp_path / "rows.csv").read_bytes() == content
    assert not (tmp_path / "out.csv").exists()


def test_columns_are_found_whatever_their_capitals_and_a_single_column_is_the_text(loaded, tmp_path):
    source, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    source.write_text(",Headline, STORY \n0,Dust,a sheriff on a horse\n", encoding="utf-8")
    assert classify_table(loaded, source, out).predicted == 1
    assert pd.read_csv(out).columns.tolist() == ["column 1", "Headline", *ADDED]
    source.write_text("Was geschah\na sheriff on a horse\n", encoding="utf-8")
    assert classify_table(loaded, source, out, restart=True).predicted == 1


def interrupt_after(monkeypatch, pieces: int):
    """Let the command end as by a lost machine after so many pieces."""
    real, calls = command._note_place, []

    def dying(progress, reached):
        real(progress, reached)
        calls.append(reached["rows"])
        if len(calls) == pieces + 1:  # the first call notes the beginning
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "_note_place", dying)
    return calls


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_an_interrupted_run_goes_on_and_ends_as_an_undisturbed_one(loaded, table, tmp_path, monkeypatch, capsys, ending):
    monkeypatch.setattr(command, "PIECE", 5)
    source = written_as(table, "csv", tmp_path)
    whole, out = tmp_path / f"whole.{ending}", tmp_path / f"out.{ending}"
    classify_table(loaded, source, whole)
    with monkeypatch.context() as patched:
        done = interrupt_after(patched, 2)
        with pytest.raises(KeyboardInterrupt):
            classify_table(loaded, source, out)
    assert done == [0, 5, 10]
    with out.open("ab") as file:
        file.write(b'half a row that was never finished,"')
    classified, real = [], loaded.classify
    monkeypatch.setattr(loaded, "classify", lambda texts, *a, **k: classified.extend(texts) or real(texts, *a, **k))
    tally = classify_table(loaded, source, out)
    assert out.read_bytes() == whole.read_bytes() and len(classified) == len(table) - 10
    assert tally.rows == len(table) - 10 and tally.before == 10 and "10 rows were classified before" in capsys.readouterr().err
    with pytest.raises(FileExistsError, match="is there already, and finished"):
        classify_table(loaded, source, out)


def test_what_was_begun_otherwise_is_not_gone_on_with(loaded, table, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "PIECE", 5)
    source, out = written_as(table, "csv", tmp_path), tmp_path / "out.csv"
    with monkeypatch.context() as patched:
        interrupt_after(patched, 1)
        with pytest.raises(KeyboardInterrupt):
            classify_table(loaded, source, out)
    before = out.read_bytes()
    with pytest.raises(FileExistsError, match="begun with another abstain"):
        classify_table(loaded, source, out, abstain=0.5)
    source.write_bytes(source.read_bytes() + b'99,new,"a text",x\r\n')
    with pytest.raises(FileExistsError, match="begun with another table"):
        classify_table(loaded, source, out)
    assert out.read_bytes() == before
    assert classify_table(loaded, source, out, restart=True).rows == len(table) + 1


def test_a_run_that_was_interrupted_before_its_first_row_begins_again(loaded, table, tmp_path, monkeypatch):
    source, out = written_as(table, "csv", tmp_path), tmp_path / "out.csv"
    with monkeypatch.context() as patched:
        patched.setattr(type(loaded), "_probabilities", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            classify_table(loaded, source, out)
    assert classify_table(loaded, source, out).rows == len(table)


def test_a_killed_command_goes_on(folder, table, tmp_path):
    """The real command, killed while it works."""
    source, out = tmp_path / "many.csv", tmp_path / "out.csv"
    many = pd.concat([table.assign(id=table["id"] + f"-{i}") for i in range(30)])
    many.to_csv(source, index=False)
    order = [sys.executable, "-m", "helpers.takeaway", "classify", str(source), "--model", str(folder), "--out", str(out)]
    running = subprocess.Popen(order, cwd=PROJECT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    progress = out.with_name(out.name + ".progress")
    until = time.monotonic() + 120
    while (
        '"rows": 0' in (progress.read_text() if progress.exists() else '"rows": 0')
        and time.monotonic() < until
        and running.poll() is None
    ):
        time.sleep(0.05)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert progress.exists(), "it ended before it could be killed"
    done = subprocess.run(order, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0 and "of an earlier run before them" in done.stdout, done.stderr
    found = pd.read_csv(out, dtype=str)
    assert found["id"].tolist() == many["id"].tolist() and found["predicted"].notna().all()


def test_memory_does_not_grow_with_the_table(loaded, tmp_path, monkeypatch):
    """A table of 200 MB is read and written in less than a tenth of that; the classifier itself is taken out of the way."""
    source, out = tmp_path / "large.csv", tmp_path / "out.csv"
    with source.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text"])
        writer.writerows((i, f"{i} horse " * 1000) for i in range(16_000))
    assert source.stat().st_size > 150e6
    monkeypatch.setattr(loaded, "_probabilities", lambda table, progress: np.eye(6)[[0] * len(table)])
    process, peaks = psutil.Process(), []
    before = process.memory_info().rss
    real = command._note_place
    monkeypatch.setattr(command, "_note_place", lambda *a: real(*a) or peaks.append(process.memory_info().rss))
    assert classify_table(loaded, source, out).rows == 16_000
    assert max(peaks) - before < 20e6


def test_a_separator_is_told_by_what_parts_the_rows_evenly():
    assert tables._separator('id;text\n1;"a, b; c"\n2;d, e, f\n') == ";"
    assert tables._separator("id\ttext\n1\ta, b\n2\tc; d\n") == "\t"
    assert tables._separator("text\nno, separator, at all\n") == ","
