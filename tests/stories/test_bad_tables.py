"""Bad tables: each ends in one line of this project's own that says what, where and what to do, or in a repair that is reported.

Written for: a table that nobody had cleaned, and a traceback from inside pandas for it.
"""

import traceback

import pandas as pd
import pytest

from helpers import stories

GOOD = "text,label\n" + "".join(f"text {n},{'ab'[n % 2]}\n" for n in range(12))

REFUSED = {
    "no such file": (None, {}, "which is no file here. Give the path of a CSV, TSV, JSON lines"),
    "an address": ("https://example.org/mine.csv", {}, "is an address .* Download the file"),
    "a folder": ("folder", {}, "names the folder 'folder'. Give one file; it holds inside.csv"),
    "an empty file": (b"", {}, "is empty and cannot be read as CSV. Give a file"),
    "blank lines alone": (b"\n \n\n", {}, "is empty"),
    "a header alone": (b"text,label\n", {}, "No row has both a text and a genre"),
    "no header": (b'"A text of some length that stands where the names of the columns should be",neg\nb,pos\n', {}, "first line seems to be a row: the first line must name"),
    "one column": (b"text\na\nb\n", {}, r"no 'genre' or 'label' column; it has \['text'\]. Neither commas nor semicolons nor tabs"),
    "other names": (b"sentence,category\nfoo,bar\n", {}, r"no 'story' or 'text' column; .* Name the column that holds it \(TEXT_COLUMN\)"),
    "a wrong TEXT_COLUMN": (GOOD, {"text": "texts"}, r"TEXT_COLUMN='texts' is no column of the table; it has \['text', 'label'\]. Is 'text' meant\?"),
    "a wrong TITLE_COLUMN": (GOOD, {"title": "heading"}, "TITLE_COLUMN='heading' is no column"),
    "one column for both": (GOOD, {"label": "text"}, "both name 'text': they must be different"),
    "a column twice": (b"text,text,label\na,b,c\n", {}, "2 columns of the table are called 'text': rename"),
    "texts with bare commas": (b"text,label\nWell, it broke,neg\nfine,pos\n", {}, "line 2 has 3. A text that holds commas or a line break must stand in quotation marks"),
    "texts with bare line breaks": (b"text,label\nit\nbroke,neg\n", {}, "another number of fields"),
    "an open quotation mark": (b'text,label\n"it broke,neg\nfine,pos\n', {}, "opened in line 2 and never closed"),
    "a mark within a quoted text": (b'text,label\n"a "b" c",neg\n', {}, "line 2 a quoted text goes on"),
    "swallowed rows": (b'text,label\n"a,x\nb,y\nc",x\nd,y\n', {}, "holds 2 more rows|holds 1 more rows"),
    "Cyrillic of Windows": ("text,label\nПривет,pos\n".encode("cp1251"), {}, "is not UTF-8: byte 0x.. at position .*, line 2"),
    "a cut-off UTF-16": ("text,label\na,b\n".encode("utf-16")[:-1], {}, "begins like UTF-16, but is cut off or damaged"),
    "zero bytes": (b"text,label\n\x00\x00\x01\x02,b\n", {}, "is no text file: it holds zero bytes"),
    "a workbook": (b"PK\x03\x04rest of it", {}, "is a spreadsheet or an archive. Save the sheet as 'CSV UTF-8'"),
    "an old workbook": (b"\xd0\xcf\x11\xe0rest", {}, "old Excel workbook"),
    "a compressed file": (b"\x1f\x8b\x08rest", {}, "is compressed. Unpack it"),
    "half a Parquet file": (b"PAR1 and then nothing", {}, "cannot be read as Parquet .* Is it whole"),
    "a pickle": (b"\x80\x04\x95rest", {}, "may hold code, which is never run here"),
    "broken JSON lines": (b'{"text": "a", "label": "b"}\n{"text": \n', {}, "line 2: this is no JSON"),
    "JSON lines of lists": (b'{"text": ["a", "b"], "label": "x"}\n', {}, "The column 'text' holds lists .* one text and one label"),
    "several labels a row": (b'{"text": "a", "label": ["x", "y"]}\n', {}, "The column 'label' holds lists"),
    "no texts": (b"text,label\n ,a\n\xe2\x80\x8b,b\n", {}, "No row has both a text and a genre"),
    "a path longer than there can be": ("x" * 5000, {}, "which is no file here"),
    "a path with a zero byte": ("mine\0.csv", {}, "which is no file here"),
    "a home of nobody": ("~nobody-of-this-name/mine.csv", {}, "which is no file here"),
    "a file that cannot be read": ("closed", {}, "closed cannot be read (.*). Copy it to where"),
    "a number of 5,000 digits": (b'{"text": "a", "label": ' + b"1" * 5000 + b"}\n", {}, "line 1: a number is too long to be read; put it into quotation marks"),
    "JSON nested too deeply": (b'{"text": ' + b"[" * 100_000 + b"\n", {}, "line 1: this is (nested too deeply|no JSON)"),
    "an unknown kind of column": (GOOD, {"author": "x"}, "no kind of column 'author'; there are text, label, title, id"),
}  # fmt: skip


def own_line(caught) -> str:
    """The message of an error, which is one line, raised by the project's own code, with nothing of a library behind it."""
    error = caught.value
    assert "helpers" in traceback.extract_tb(error.__traceback__)[-1].filename
    assert error.__suppress_context__ or error.__context__ is None
    assert "\n" not in str(error) and len(str(error)) < 500
    return str(error)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_told_in_a_line(tmp_path, monkeypatch, name):
    content, columns, said = REFUSED[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside.csv").write_text("")
    path = "mine.csv"
    if isinstance(content, str) and "\n" not in content:
        path = content
    elif content is not None:
        (tmp_path / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    if path == "closed":  # also to whoever may read everything
        monkeypatch.setattr("pathlib.Path.read_bytes", lambda self: open("/proc/self/mem", "rb").read())
        (tmp_path / path).touch()
    with pytest.raises((ValueError, FileNotFoundError), match=said) as caught:
        stories.validate(stories.read_table(path, columns), columns)
    assert own_line(caught)


def classes(**sizes):
    rows = [(f"{label} text {n}", label) for label, count in sizes.items() for n in range(count)]
    return stories.validate(pd.DataFrame(rows, columns=["text", "label"]))[0]


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"a": 20}, r"only one genre \(a\)"),
        ({"a": 20, "b": 4}, r"1 genres have fewer than 5 stories and cannot be split: b \(4\). Add stories, merge"),
        ({f"label {n}": 1 for n in range(30)}, "does LABEL_COLUMN name the right column"),
    ],
)
def test_what_cannot_be_split_is_told_in_a_line(sizes, said):
    with pytest.raises(ValueError, match=said) as caught:
        stories.add_split_and_folds(classes(**sizes))
    assert own_line(caught)


REPAIRED = {
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD.encode(), "numbered"),
    "Windows-1252": (GOOD.encode() + "café,a\n".encode("cp1252"), "Windows-1252"),
    "UTF-16": (GOOD.encode("utf-16"), "UTF-16"),
    "semicolons": (GOOD.replace(",", ";").encode(), "semicolons"),
    "a line that names the separator": (b"sep=;\n" + GOOD.replace(",", ";").encode(), "semicolons"),
    "trailing commas": (GOOD.replace("\n", ",\n").replace("label,", "label").encode(), "empty fields beyond the header"),
    "empty rows": (GOOD.encode() + b",\n,\n", "2 rows without any content"),
    "empty texts": (GOOD.encode() + b" ,a\n", "1 rows with no text were left out \\(table rows 14\\)"),
    "empty labels": (GOOD.encode() + b"x,\n", "1 rows with no genre were left out \\(table rows 14\\)"),
    "spaces in labels": (GOOD.encode() + b"x, a \n", "stray spaces"),
    "labels in capitals": (GOOD.encode() + b"x,A\n", "'A' \\(1\\) became 'a'"),
    "an unseen character": (GOOD.encode() + "x,a\u200b\n".encode(), "unseen characters"),
    "half a surrogate pair": (b'{"text": "a \\ud83d b", "label": "a"}\n', "broken characters"),
    "an unseen character in the header": (
        "\ufefftext\u200b,\u00a0label\n".encode() + GOOD.encode().split(b"\n", 1)[1],
        "numbered",
    ),
    "ids twice": (b"id,text,label\n7,x,a\n7,y,b\n,z,b\n", "ids were missing or repeated"),
}


@pytest.mark.parametrize("name", REPAIRED)
def test_what_can_be_repaired_for_certain_is_repaired_and_said(tmp_path, name):
    content, said = REPAIRED[name]
    (tmp_path / "mine.csv").write_bytes(content)
    table, notes = stories.validate(stories.read_table(tmp_path / "mine.csv"))
    assert pd.Series(notes).str.contains(said).any() and table["text"].str.strip().ne("").all()
    assert set(table["genre"]) <= {"a", "b"} and table["story_id"].is_unique
