"""A Colab runtime dies in the middle of a write, a notebook is opened in two tabs: neither may cost or mix an answer."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.augmentation.journal import FIELDS, Journal, key_of, read_rows


def row(slot: int, **changes) -> dict:
    fields = dict.fromkeys(FIELDS, "") | {"task": "paraphrase", "parent_id": "7", "genre": "War", "slot": slot}
    return (
        fields
        | {"prompt_id": "p", "model": "m", "text": "Zwölf Zeilen, “quoted”.\nAnd a second.", "status": "accepted"}
        | changes
    )


def test_rows_come_back_in_order_and_unchanged(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(row(1))
        journal.append(row(2))
    with Journal(path) as journal:
        journal.append(row(3))
        assert [entry["slot"] for entry in journal.rows] == [1, 2, 3]
    assert read_rows(path) == [row(1), row(2), row(3)]


def test_no_journal_is_no_rows(tmp_path):
    assert read_rows(tmp_path / "none.jsonl") == []


def test_a_row_is_synced_before_append_returns(tmp_path, monkeypatch):
    path, seen = tmp_path / "journal.jsonl", []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (sync(file), seen.append(path.read_bytes())))
    with Journal(path) as journal:
        journal.append(row(1))
    assert seen[-1].endswith(b"\n") and json.loads(seen[-1]) == row(1)


def test_the_same_answer_cannot_stand_twice(tmp_path):
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.append(row(1))
        with pytest.raises(ValueError, match="already"):
            journal.append(row(1, text="another text"))
        journal.append(row(1, model="another model"))
        journal.append(row(1, prompt_id="another prompt"))


def test_a_row_without_its_fields_is_refused(tmp_path):
    with Journal(tmp_path / "journal.jsonl") as journal, pytest.raises(ValueError, match="reason"):
        journal.append({key: value for key, value in row(1).items() if key != "reason"})
    assert read_rows(tmp_path / "journal.jsonl") == []


def test_a_write_cut_at_any_byte_costs_that_row_only_and_is_told(tmp_path, capsys):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(row(1))
        whole = path.stat().st_size
        journal.append(row(2))
    content = path.read_bytes()
    for end in range(whole + 1, len(content) - 1):
        path.write_bytes(content[:end])
        assert read_rows(path) == [row(1)]
        with Journal(path) as journal:
            assert journal.rows == [row(1)]
            journal.append(row(2))
        assert "half written" in capsys.readouterr().out
        assert path.read_bytes() == content


def test_a_whole_last_line_without_its_end_is_kept(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(row(1))
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert read_rows(path) == [row(1)]
    with Journal(path) as journal:
        journal.append(row(2))
    assert read_rows(path) == [row(1), row(2)]


def test_a_broken_line_in_the_middle_is_passed_over_and_told(tmp_path, capsys):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.append(row(1))
    with open(path, "ab") as file:
        file.write(b"\x00\x00\x00\n")
    with Journal(path) as journal:
        journal.append(row(2))
    assert read_rows(path) == [row(1), row(2)]
    assert "line 2" in capsys.readouterr().out


def test_two_notebooks_cannot_write_at_once(tmp_path):
    path = tmp_path / "journal.jsonl"
    second = f"from helpers.augmentation.journal import Journal\nwith Journal({str(path)!r}): print('in')"
    command = {
        "args": [sys.executable, "-c", second],
        "cwd": Path(__file__).parents[2],
        "capture_output": True,
        "text": True,
    }
    with Journal(path) as journal:
        journal.append(row(1))
        refused = subprocess.run(**command)
        assert refused.returncode != 0 and "Another notebook is writing to journal.jsonl" in refused.stderr
    assert subprocess.run(**command).stdout == "in\n"


def test_the_key_tells_paraphrases_from_synthetic_stories():
    assert key_of(row(1)) == ("paraphrase", "7", 1, "p", "m")
    assert key_of(row(1, task="synthetic", parent_id=None)) == ("synthetic", "War", 1, "p", "m")
