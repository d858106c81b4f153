"""Files as people have them.

Written for: a semicolon file that was told to close a quotation mark, a bank's export whose trailing commas shifted every column by one (two of 14 rows
survived, their texts cut), and an Excel file in Windows-1252 that stopped the first notebook.
"""

import json
import pickle

import pandas as pd
import pytest

from helpers import stories

ROWS = [(f"text {n}", "pos" if n % 2 else "neg") for n in range(12)]
ROWS[3] = ("broken, but fine; really", "neg")


def read(tmp_path, content, name="mine.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return stories.validate(stories.read_table(path))


def quoted(separator):
    return f"text{separator}label\n" + "".join(f'"{text}"{separator}{label}\n' for text, label in ROWS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (quoted(","), ""),
        (quoted(";"), "semicolons"),
        (quoted("\t"), "tabs"),
        (quoted("|"), "vertical bars"),
        (quoted("\t").replace('"', ""), "tabs"),
        ("sep=;\n" + quoted(";"), "semicolons"),
        (quoted(",").replace("\n", "\r\n"), ""),
        (quoted(",").replace("\n", "\r"), ""),
        (b"\xef\xbb\xbf" + quoted(",").encode(), ""),
        (quoted(",").encode("utf-16"), "UTF-16"),
        (quoted(",").encode("utf-16-le"), "UTF-16"),
        (quoted(",").encode("utf-32"), "UTF-32"),
        (quoted(",").replace(',"', ', "').replace("text,label", "label,text"), ""),
    ],
)
def test_every_separator_and_every_marked_encoding_gives_the_same_table(tmp_path, content, said):
    table, notes = read(tmp_path, content)
    assert list(zip(table["text"], table["genre"])) == ROWS if "label,text" not in str(content)[:14] else len(table) == 12
    assert said in " ".join(notes) and ("separated" in " ".join(notes)) == (said in ("semicolons", "tabs", "vertical bars"))


def test_quotation_marks_behind_a_backslash_and_after_a_space(tmp_path):
    table, notes = read(tmp_path, 'text,label\n"He said \\"yes, no\\" to me",pos\n"b",neg\n')
    assert table["text"].tolist() == ['He said "yes, no" to me', "b"] and "backslash" in notes[0]
    table, notes = read(tmp_path, 'label,text\npos, "one, two"\nneg, "three"\n')
    assert table["text"].tolist() == ["one, two", "three"] and "spaces before" in notes[0]


@pytest.mark.parametrize("text", ["café crème", "“Größe” – naïve…", "señor, ¿qué tal?"])
def test_excels_windows_1252_is_repaired_and_said(tmp_path, text):
    table, notes = read(tmp_path, f'text,label\nplain,pos\n"{text}",neg\n'.encode("cp1252"))
    assert table["text"].tolist() == ["plain", text] and "lines 3) and were read as Windows-1252" in notes[0]


def test_lines_of_two_encodings_in_one_file(tmp_path):
    table, notes = read(tmp_path, "text,label\ncafé one,pos\n".encode() + "café two,neg\n".encode("cp1252"))
    assert table["text"].tolist() == ["café one", "café two"] and "1 lines are not UTF-8" in notes[0]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("Привет, как дела", "cp1251"), ("老渔夫独自住在海边", "gbk"), ("むかしむかし", "shift-jis"), ("żółć ząb źdźbło", "cp1250"), ("café déjà", "mac-roman"), ("café déjà vu", "cp850")],
)  # fmt: skip
def test_an_encoding_that_cannot_be_told_is_refused_with_its_place(tmp_path, text, encoding):
    with pytest.raises(ValueError, match=r"mine.csv is not UTF-8: byte 0x.. at position \d+, line 2; .*'CSV UTF-8'"):
        read(tmp_path, f'text,label\n"{text}",pos\n'.encode(encoding))


def test_rows_of_another_length_are_named(tmp_path):
    unquoted = "text,label\nWell, the phone is good,pos\nBad phone,neg\nSadly, it broke,neg\n"
    with pytest.raises(
        ValueError,
        match=r"2 rows have another number of fields than the header, which has 2 \(text, label\): line 2 has 3, line 4 has 3",
    ):
        read(tmp_path, unquoted)
    with pytest.raises(ValueError, match="line 2 has 1, line 3 has 2|line 2 has 1"):
        read(tmp_path, "text,label\na story that goes on\nin the next line,pos\n")


def test_trailing_commas_and_missing_last_fields_are_repaired_and_said(tmp_path):
    table, notes = read(tmp_path, "id,title,story,genre\n" + "".join(f"{n},T,story {n},Sea,\n" for n in range(12)))
    assert table["text"].tolist() == [f"story {n}" for n in range(12)] and "empty fields beyond the header" in notes[0]
    table, notes = read(tmp_path, "text,label,remark,,\na,pos\nb,neg,good,,\n,,,,\n\n")
    assert table["text"].tolist() == ["a", "b"]
    assert "rows without any content" in notes[0] and "end before the last column" in " ".join(notes)


def test_an_open_quotation_mark_is_named_by_its_line(tmp_path):
    with pytest.raises(ValueError, match="opened in line 3 and never closed"):
        read(tmp_path, 'text,label\na,pos\n"b,neg\nc,pos\n')
    with pytest.raises(ValueError, match="in line 2 a quoted text goes on after its closing quotation mark"):
        read(tmp_path, 'text,label\n"he said "hi" to me",pos\n')


def test_two_stray_marks_do_not_swallow_the_rows_between_them(tmp_path):
    with pytest.raises(ValueError, match="text that begins in line 3 holds 3 more rows of the table"):
        read(tmp_path, 'text,label\na,pos\n"b,neg\nc,pos\nd,neg\n5",pos\nf,neg\n')
    dialogue = 'text,label\n"first, pos\nsecond, ""third""\n",pos\nb,neg\n'
    assert read(tmp_path, dialogue)[0]["text"].iloc[0] == 'first, pos\nsecond, "third"\n'


def test_labels_that_look_like_nothing_are_labels(tmp_path):
    table, _ = read(tmp_path, "text,label\na,None\nb,NA\nc,null\nd,nan\ne,0\n")
    assert table["genre"].tolist() == ["None", "NA", "null", "nan", "0"]


def test_a_text_of_a_megabyte_is_read_whole(tmp_path):
    long = "long " * 200_000
    table, _ = read(tmp_path, f'text,label\n"{long}",pos\nshort,neg\n')
    assert table["text"].iloc[0] == long and len(stories.clean_text(long)) == len(long) - 1


def test_json_lines(tmp_path):
    lines = [{"text": "a\nb", "label": 1}, {"label": 2.0, "text": "c", "id": 7}, {"text": "\ud83d odd", "label": True}]
    table, notes = read(tmp_path, "\n".join(json.dumps(line) for line in lines) + "\n\n", "mine.jsonl")
    assert table["text"].tolist() == ["a\nb", "c", "\ufffd odd"] and table["genre"].tolist() == ["1", "2", "True"]
    assert any("broken characters" in note for note in notes)
    assert len(read(tmp_path, json.dumps(lines), "mine.json")[0]) == 3
    with pytest.raises(ValueError, match="mine.jsonl, line 2: this is no JSON"):
        read(tmp_path, '{"text": "a", "label": "b"}\n{"text": "a"', "mine.jsonl")
    with pytest.raises(ValueError, match="mine.jsonl, entry 1: .* is no object"):
        read(tmp_path, "[1, 2]\n", "mine.jsonl")


def test_parquet_with_numbers_and_with_named_classes(tmp_path):
    from datasets import ClassLabel, Dataset, Features, Value

    pd.DataFrame({"text": ["a", "b"], "label": [1.0, 2.0]}).to_parquet(tmp_path / "numbers.parquet")
    table, _ = stories.validate(stories.read_table(tmp_path / "numbers.parquet"))
    assert table["genre"].tolist() == ["1", "2"]
    features = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
    Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features).to_parquet(tmp_path / "named.parquet")
    table, _ = stories.validate(stories.read_table(tmp_path / "named.parquet"))
    assert table["genre"].tolist() == ["pos", "neg"]


class Evil:
    def __reduce__(self):
        return (open, ("evil-was-run", "w"))


@pytest.mark.parametrize("name", ["mine.pkl", "mine.csv", "mine.parquet"])
def test_nothing_is_unpickled(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ValueError, match="may hold code, which is never run here"):
        stories.read_table(tmp_path / name)
    assert not (tmp_path / "evil-was-run").exists()


def test_a_relative_path_means_where_one_stands(tmp_path, monkeypatch):
    (tmp_path / "mine.csv").write_text("text,label\na,b\n")
    monkeypatch.chdir(tmp_path)
    assert len(stories.read_table("mine.csv")) == 1 and len(stories.read_table("./mine.csv")) == 1
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir("/")
    assert len(stories.read_table("~/mine.csv")) == 1


def test_a_hub_dataset_by_folder_split_and_named_classes(run, tmp_path):
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"body": Value("string"), "topic": ClassLabel(names=["sport", "law"])})
    for split, count in (("train", 20), ("test", 10)):
        content = {"body": [f"{split} {n}" for n in range(count)], "topic": [n % 2 for n in range(count)]}
        Dataset.from_dict(content, features=features).to_parquet(tmp_path / "set" / f"{split}.parquet")
    columns = {"text": "body", "label": "topic", "title": None, "id": None}
    table, facts = stories.load_stories(run, hub=str(tmp_path / "set"), split="test", columns=columns)
    assert len(table) == 10 and set(table["genre"]) == {"sport", "law"} and facts["source"].endswith("set, test")
    with pytest.raises(ValueError, match=r"HUB_SPLIT='dev' cannot be loaded: .*\['train', 'test'\]"):
        stories.load_stories(run, hub=str(tmp_path / "set"), split="dev", columns=columns)
    (tmp_path / "evil").mkdir()
    pd.DataFrame({"text": ["a"], "label": ["b"]}).to_pickle(tmp_path / "evil" / "train.pkl")
    with pytest.raises(ValueError, match="cannot be loaded"):
        stories.load_stories(run, hub=str(tmp_path / "evil"))


def test_a_named_dataset_is_never_replaced_by_the_sample(run, monkeypatch):
    from helpers import models

    monkeypatch.setattr(models, "hub_answers", lambda: False)
    with pytest.raises(ValueError, match="HUB_DATASET names 'ag/news', but the Hugging Face Hub does not answer"):
        stories.load_stories(run, hub="ag/news")
