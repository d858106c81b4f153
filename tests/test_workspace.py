"""The folder that keeps everything: Drive that goes, disks that fill, files that were cut short.

Written for: a 01 that ended well and had written into a new folder where Drive had been, a 03 whose tables were empty for the same reason, and a full
disk that spoke in the words of three libraries.
"""

import contextlib
import json
import os
import resource
import subprocess
import sys

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from tiny_notebooks import write_notebook

from helpers import execution, runtime, workspace
from helpers.augmentation.journal import FIELDS, Journal, read_rows
from helpers.config import PROJECT
from helpers.representations.cache import kept_vectors
from helpers.workspace import DiskFull, DriveGone, WorkspaceError, read_json, read_whole, write_json, write_table

ROW = dict.fromkeys(FIELDS, "") | {"task": "paraphrase", "parent_id": "7", "genre": "War", "slot": 1, "status": "accepted"}


@contextlib.contextmanager
def no_room():
    """Files of this process cannot grow beyond 20 kB, as on a disk that has no more room; a log of the tests is one, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# --- the marker -------------------------------------------------------------------------------------------------------


def test_a_workspace_keeps_its_id_beside_its_number_type(tmp_path, monkeypatch, capsys):
    first = runtime.start("smoke", str(tmp_path), dtype="bf16")
    marker = json.loads((tmp_path / "workspace.json").read_text())
    again = runtime.start("smoke", str(tmp_path))
    assert (
        json.loads((tmp_path / "workspace.json").read_text()) == marker
        and marker["dtype"] == {"cpu": "bf16"}
        and len(marker["id"]) == 32
    )
    assert first.workspace == again.workspace == tmp_path
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "x").write_bytes(b"x" * 3_000_000)
    capsys.readouterr()
    runtime.start("smoke", str(tmp_path))
    assert f"{tmp_path.name}, 3.0 MB (training 3.0 MB)" in capsys.readouterr().out


def test_a_workspace_of_an_earlier_version_gets_an_id_and_keeps_its_type(tmp_path, monkeypatch):
    monkeypatch.delenv("DTYPE")
    (tmp_path / "workspace.json").write_text('{"dtype": {"cpu": "bf16"}}')
    assert runtime.start("smoke", str(tmp_path)).dtype == torch.bfloat16
    assert set(json.loads((tmp_path / "workspace.json").read_text())) == {"id", "dtype"}


@pytest.mark.parametrize(
    "content", ["", '{"id": "a', "[]", "null", '{"dtype": "fp32"}', '{"dtype": {"cpu": "fp8"}}', '{"id": 7}']
)
def test_a_marker_that_says_nothing_is_made_anew(tmp_path, content):
    (tmp_path / "workspace.json").write_text(content)
    run = runtime.start("smoke", str(tmp_path))
    marker = json.loads((tmp_path / "workspace.json").read_text())
    assert len(marker["id"]) == 32 and marker["dtype"] == {"cpu": "fp32"} and run.workspace == tmp_path


def test_a_workspace_that_cannot_be_one(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(WorkspaceError, match="WORKSPACE: .* cannot be a folder to work in .* name another one"):
            runtime.start("smoke", str(folder))


WRITES = {
    "json": lambda run, folder: write_json(folder / "results" / "a.json", {}),
    "table": lambda run, folder: write_table(folder / "a.parquet", pd.DataFrame({"a": [1]})),
    "journal read": lambda run, folder: read_rows(folder / "paraphrases.jsonl"),
    "journal opened": lambda run, folder: Journal(folder / "paraphrases.jsonl").__enter__(),
    "vectors": lambda run, folder: kept_vectors(run, "m", ["a"], lambda texts: np.ones((len(texts), 2))),
    "what a notebook asks for": lambda run, folder: run.require("stories.parquet", "01_clean"),
    "a folder's path": lambda run, folder: run.workspace,
    "what was kept": lambda run, folder: read_json(folder / "results" / "a.json"),
}


@pytest.mark.parametrize("in_its_place", [False, True], ids=["unmounted", "another folder in its place"])
@pytest.mark.parametrize("write", WRITES)
def test_where_drive_had_been_nothing_is_read_or_written(run, write, in_its_place):
    folder, elsewhere = run.workspace, run.workspace.with_name("elsewhere")
    folder.rename(elsewhere)
    if in_its_place:
        folder.mkdir()
        write_json(folder.with_name("x.json"), {"id": "another"})
        folder.with_name("x.json").rename(folder / "workspace.json")
    with pytest.raises(DriveGone, match="Drive is gone, run the setup cell again") as gone:
        WRITES[write](run, folder)
    assert len(gone.value._render_traceback_()) == 1 and "\n" not in str(gone.value)
    assert (sorted(path.name for path in folder.iterdir()) == ["workspace.json"]) if in_its_place else not folder.exists()
    if in_its_place:
        (folder / "workspace.json").unlink()
        folder.rmdir()
    elsewhere.rename(folder)
    if write != "what a notebook asks for":
        WRITES[write](run, folder)


def test_a_journal_that_is_open_when_drive_goes_takes_no_row(run):
    with Journal(run.workspace / "paraphrases.jsonl") as journal:
        journal.append(ROW)
        run.workspace.rename(run.workspace.with_name("elsewhere"))
        with pytest.raises(DriveGone):
            journal.append(ROW | {"slot": 2})
    elsewhere = journal.path.parent.with_name("elsewhere")
    assert len((elsewhere / journal.path.name).read_text().splitlines()) == 1


OPENS = """
import shutil, sys
from pathlib import Path
sys.path.insert(0, PROJECT)
from helpers import workspace
folder = Path(WORKSPACE)
workspace.open_workspace(folder / "before")
shutil.rmtree(folder / "before")
workspace.open_workspace(folder)
"""
"""A workspace, after another one that is no longer there; nobody works in that one."""


@pytest.mark.parametrize("gone", [True, False])
def test_a_cell_that_fails_while_drive_is_gone_says_so_in_whatever_words_a_library_failed(tmp_path, gone):
    moves = "folder.rename(folder.with_name('elsewhere'))" if gone else ""
    notebook = write_notebook(
        tmp_path / "a.ipynb", "WORKSPACE = PROJECT = ''", OPENS, moves, "raise ValueError('No weights in here')"
    )
    values = {"WORKSPACE": str(tmp_path / "ws"), "PROJECT": str(PROJECT)}
    with pytest.raises(execution.NotebookFailed) as failed:
        execution.execute(notebook, tmp_path / "done.ipynb", values, log=tmp_path / "log", cwd=tmp_path)
    expected = "DriveGone: Drive is gone, run the setup cell again" if gone else "ValueError: No weights in here"
    assert expected in str(failed.value)
    (error,) = [
        out
        for cell in nbformat.read(tmp_path / "done.ipynb", 4).cells
        for out in cell.get("outputs", [])
        if out.output_type == "error"
    ]
    assert (len(error.traceback) == 1) == gone, "what we say takes one line; a traceback stays one"


# --- writing ----------------------------------------------------------------------------------------------------------


def test_a_file_is_the_old_one_or_the_new_one(run):
    file = run.workspace / "a.json"
    write_json(file, {"a": 1})
    with pytest.raises(TypeError):
        write_json(file, {"a": object()})
    assert read_json(file) == {"a": 1} and [path.name for path in run.workspace.glob("a.json*")] == ["a.json"]


def test_what_a_killed_process_left_half_written_is_removed_when_the_workspace_is_opened(run):
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    ).stdout.strip()
    left, of_another = run.workspace / "results" / f"a.json.{ended}.part", run.workspace / f"b.json.{os.getppid()}.part"
    for file in (left, of_another):
        file.parent.mkdir(exist_ok=True)
        file.write_text("half")
    workspace.open_workspace(run.workspace)
    assert not left.exists() and of_another.exists(), "a process that lives may be writing"


FULL = {
    "json": lambda folder: write_json(folder / "results" / "x" / "a.json", {"a": "a" * 100_000}),
    "parquet": lambda folder: write_table(folder / "a.parquet", pd.DataFrame({"a": np.random.default_rng(0).random(100_000)})),
    "csv": lambda folder: write_table(folder / "a.csv", pd.DataFrame({"a": range(100_000)})),
    "torch": lambda folder: _by_itself(
        folder, lambda: torch.save({"a": torch.rand(100_000)}, folder / "training" / "s" / "a.pt")
    ),
    "safetensors": lambda folder: _by_itself(
        folder, lambda: save_file({"a": torch.rand(100_000)}, folder / "training" / "s" / "a.safetensors")
    ),
}


def _by_itself(folder, save):
    (folder / "training" / "s").mkdir(parents=True)
    (folder / "training" / "s" / "old").write_bytes(b"x" * 9_000)
    with workspace.saving(folder / "training" / "s"):
        save()


@pytest.mark.parametrize("write", FULL)
def test_a_full_disk_is_told_by_the_folder_and_what_it_holds(run, write):
    (run.workspace / "embeddings").mkdir()
    (run.workspace / "embeddings" / "v").write_bytes(b"x" * 15_000)
    told = r"^The disk is full: workspace/\S+ could not be written .* workspace/ holds .*embeddings 15 kB"
    with no_room(), pytest.raises(DiskFull, match=told) as full:
        FULL[write](run.workspace)
    assert len(full.value._render_traceback_()) == 1 and "\n" not in str(full.value)
    assert (
        not list(run.workspace.rglob("*.part"))
        and ("training/ holds" in str(full.value)) == (run.workspace / "training").exists()
    )


def test_a_row_that_does_not_fit_leaves_the_journal_as_it_was(run):
    path = run.workspace / "paraphrases.jsonl"
    with no_room(), Journal(path) as journal:
        journal.append(ROW)
        before = path.read_bytes()
        with pytest.raises(DiskFull, match="paraphrases.jsonl could not be written"):
            journal.append(ROW | {"slot": 2, "text": "a" * 30_000})
        assert path.read_bytes() == before
        journal.append(ROW | {"slot": 3})
    assert [row["slot"] for row in read_rows(path)] == [1, 3]


def test_no_answer_is_asked_for_that_could_not_be_kept(run, monkeypatch):
    monkeypatch.setattr("helpers.augmentation.journal._ROOM", 10**15)
    with pytest.raises(DiskFull), Journal(run.workspace / "paraphrases.jsonl"):
        pytest.fail("the journal was opened")
    monkeypatch.undo()
    with Journal(run.workspace / "paraphrases.jsonl") as journal:
        monkeypatch.setattr("helpers.augmentation.journal._ROOM", 10**15)
        with pytest.raises(DiskFull):
            journal.append(ROW)
    assert len(read_rows(run.workspace / "paraphrases.jsonl")) == 1, "the row that was paid for is kept"


# --- files that were cut short ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\x00\x00", b"[1]", b"\xff\xfe{"])
def test_json_that_was_cut_short_is_set_aside_and_told(run, content, capsys):
    file = run.workspace / "results" / "a.json"
    write_json(file, {})
    file.write_bytes(content)
    assert read_json(file) is None and "results/a.json was cut short: set aside as a.json.broken-1" in capsys.readouterr().out
    assert (file.parent / "a.json.broken-1").read_bytes() == content and not file.exists()
    file.write_bytes(content)
    assert read_json(file) is None and (file.parent / "a.json.broken-2").exists(), "the first one stays"


def test_a_file_that_cannot_be_read_just_now_is_not_taken_for_broken(run):
    file = run.workspace / "a.json"
    write_json(file, {"a": 1})

    def fail():
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        read_whole(file, fail)
    assert read_json(file) == {"a": 1}


def test_vectors_that_were_cut_short_are_computed_again(run, capsys):
    encode = lambda texts: np.array([[len(text), 1.0] for text in texts], dtype=np.float32)  # noqa: E731
    kept_vectors(run, "m", ["a", "bb"], encode)
    (file,) = (run.workspace / "embeddings").iterdir()
    content = file.read_bytes()
    for end in (0, 10, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:end])
        assert kept_vectors(run, "m", ["bb", "a"], encode)["bb"][0] == 2
