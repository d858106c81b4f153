"""Vectors are computed once, whatever happens in between.

Written for: a cache that was read and rewritten as a whole, 23 ms for each call and 20 MB for each block, and that a second process set back; and for
a full disk that took half of a block: the other half, encoded by itself, got other last digits.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers.representations import cache
from helpers.representations.cache import kept_vectors

PROJECT = Path(__file__).parents[2]


def lengths(texts: list[str]) -> np.ndarray:
    """Stands for an encoder: a vector by which its text is known again."""
    return np.array([[len(text), sum(map(ord, text))] for text in texts], dtype=np.float32)


def nobody(texts):
    pytest.fail(f"computed again: {texts}")


@pytest.fixture
def run(tmp_path):
    return SimpleNamespace(workspace=tmp_path, dtype=torch.float32)


@pytest.fixture
def file(run) -> Path:
    kept_vectors(run, "lengths", ["a", "bb"], lengths)
    [file] = (run.workspace / "embeddings").iterdir()
    return file


def another_process():
    """Forget what this process knows of every file."""
    cache._open.cache_clear()


def test_what_is_new_is_appended_and_what_is_known_is_found(run, file):
    begun = file.read_bytes()
    found = kept_vectors(run, "lengths", ["bb", "ccc", "a"], lengths)
    assert [vector.tolist() for vector in found.values()] == lengths(["bb", "ccc", "a"]).tolist()
    assert file.read_bytes()[cache._HEAD : len(begun)] == begun[cache._HEAD :]  # the first line says how many there are
    size = file.stat().st_size
    another_process()
    again = kept_vectors(run, "lengths", ["ccc", "a"], nobody)
    assert again["ccc"].tolist() == [3, 297] and file.stat().st_size == size


def test_name_and_number_type_are_part_of_the_key(run, file):
    kept_vectors(run, "others", ["a"], lambda texts: -lengths(texts))
    half = SimpleNamespace(workspace=run.workspace, dtype=torch.bfloat16)
    kept_vectors(half, "lengths", ["a"], lambda texts: 2 * lengths(texts))
    assert kept_vectors(run, "lengths", ["a"], nobody)["a"].tolist() == [1, 97]
    assert kept_vectors(run, "others", ["a"], nobody)["a"].tolist() == [-1, -97]


@pytest.mark.parametrize("cut", [1, 20, 39])
def test_a_half_written_record_is_computed_again_and_no_other(run, file, cut):
    whole = file.read_bytes()
    file.write_bytes(whole[:-cut])
    another_process()
    asked = []
    found = kept_vectors(run, "lengths", ["a", "bb"], lambda texts: asked.extend(texts) or lengths(texts))
    assert asked == ["bb"] and found["bb"].tolist() == [2, 196]
    assert file.read_bytes() == whole


@pytest.mark.parametrize("limit", [210, 240, 400])
def test_a_block_that_the_disk_had_no_room_for_is_computed_again_as_a_whole(run, file, limit):
    begun = file.stat().st_size
    texts = [f"text {number}" for number in range(8)]
    code = f"""
import resource, signal, sys, torch
sys.path[:0] = [{str(PROJECT)!r}, {str(PROJECT / "tests" / "representations")!r}]
from pathlib import Path
from types import SimpleNamespace
from test_cache import lengths
from helpers.representations.cache import kept_vectors
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, -1))
kept_vectors(SimpleNamespace(workspace=Path({str(run.workspace)!r}), dtype=torch.float32), "lengths", {texts}, lengths)
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "DiskFull" in process.stderr and begun <= file.stat().st_size <= limit
    asked = []
    found = kept_vectors(run, "lengths", ["a", *texts, "bb"], lambda new: asked.extend(new) or lengths(new))
    assert asked == texts and np.array_equal(np.stack(list(found.values())), lengths(["a", *texts, "bb"]))


@pytest.mark.parametrize("content", [b"", b'{"dtype": "<f'])
def test_a_file_that_was_hardly_begun_is_begun_again(run, file, content):
    whole = file.read_bytes()
    file.write_bytes(content)
    another_process()
    kept_vectors(run, "lengths", ["a", "bb"], lengths)
    assert file.read_bytes() == whole


def test_a_file_that_somebody_removes_is_written_again(run, file):
    whole = file.read_bytes()
    file.unlink()
    kept_vectors(run, "lengths", ["a", "bb"], lengths)
    assert file.read_bytes() == whole


def test_the_npz_of_an_earlier_version_is_taken_over(run, file):
    keys = [key.decode() for key in cache._open(file).places]
    np.savez(file.with_suffix(".npz"), keys=np.array(keys), vectors=np.array([[5, 5], [6, 6]], dtype=np.float32))
    file.unlink()
    another_process()
    found = kept_vectors(run, "lengths", ["a", "bb"], nobody)
    assert found["a"].tolist() == [5, 5] and found["bb"].tolist() == [6, 6] and file.with_suffix(".npz").exists()
    kept_vectors(run, "lengths", ["ccc"], lengths)
    another_process()
    assert kept_vectors(run, "lengths", ["a", "ccc"], nobody)["ccc"].tolist() == [3, 297]


def test_two_processes_add_to_one_file_and_a_killed_one_loses_no_block_that_was_written(run):
    code = f"""
import os, sys, torch
from types import SimpleNamespace
from pathlib import Path
import numpy as np
from helpers.representations.cache import kept_vectors

def slow(texts):
    if sys.argv[2] in texts:
        os.kill(os.getpid(), 9)
    return np.array([[len(text), sum(map(ord, text))] for text in texts], dtype=np.float32)

run = SimpleNamespace(workspace=Path({str(run.workspace)!r}), dtype=torch.float32)
kept_vectors(run, "lengths", [f"{{sys.argv[1]}} {{number}}" for number in range(400)], slow, block=4)
"""
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    done = [
        subprocess.Popen([sys.executable, "-c", code, *names], env=environment) for names in (("x", "x 202"), ("y", "none"))
    ]
    assert [process.wait(timeout=120) for process in done] == [-signal.SIGKILL, 0]
    asked = []
    texts = [f"{name} {number}" for name in "xy" for number in range(400)]
    found = kept_vectors(run, "lengths", texts, lambda new: asked.extend(new) or lengths(new))
    assert asked == [f"x {number}" for number in range(200, 400)]
    assert np.array_equal(np.stack(list(found.values())), lengths(texts))
