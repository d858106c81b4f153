"""A notebook that stops says where and why: its cell, or its kernel, or its time.

Written for: a kernel that the system killed for memory, which ended the series with a bare traceback and an unmarked notebook; and two notebooks
executed at once in one folder, which answered each other's kernels.
"""

import subprocess
import sys

import nbformat
import psutil
import pytest
from tiny_notebooks import KERNEL, marks

from helpers import execution
from helpers.config import PROJECT


@pytest.fixture
def execute(tmp_path):
    """Executes a notebook of these cells; returns what it took and the executed notebook, or raises with it kept."""

    def run(*cells, name="tried", **options):
        made = [
            nbformat.v4.new_code_cell("NUMBER = 0", metadata={"tags": ["parameters"]}),
            *map(nbformat.v4.new_code_cell, cells),
        ]
        nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=KERNEL), tmp_path / f"{name}.ipynb")
        options = {"log": tmp_path / f"{name}.txt", "cwd": tmp_path} | options
        cost = execution.execute(tmp_path / f"{name}.ipynb", tmp_path / "out" / f"{name}.ipynb", {"NUMBER": 7}, **options)
        return cost, executed(tmp_path, name)

    return run


def executed(tmp_path, name="tried"):
    return nbformat.read(tmp_path / "out" / f"{name}.ipynb", as_version=4)


def test_a_good_notebook_prints_and_is_kept(execute, tmp_path, capsys):
    begun = []
    cost, notebook = execute(
        "print('number', NUMBER)", echo=sys.stdout, on_cell=lambda number, count: begun.append((number, count))
    )
    assert capsys.readouterr().out == (tmp_path / "tried.txt").read_text() == "number 7\n"
    assert begun == [(1, 3), (2, 3), (3, 3)] and not marks(notebook)
    assert cost.seconds > 0 and 0.01 < cost.peak_gb < 2


def test_a_failed_cell(execute, tmp_path):
    with pytest.raises(execution.NotebookFailed) as caught:
        execute("print('so far')", "numbers = [1]\nnumbers[NUMBER]", "print('never')")
    failure, notebook = caught.value, executed(tmp_path)
    assert (failure.kind, failure.cell, failure.line, failure.name) == ("failed cell", 4, "numbers = [1]", "IndexError")
    assert str(failure) == "failed cell in cell 4 (numbers = [1]): IndexError: list index out of range"
    assert marks(notebook) == [0, 4] and not notebook.cells[-1].outputs


@pytest.mark.parametrize(
    "code, why", [("import os\nos.kill(os.getpid(), 9)", "killed, most often by the system for lack of memory"), ("import ctypes\nctypes.string_at(0)", "crashed (SIGSEGV)")]
)  # fmt: skip
def test_a_dead_kernel_is_told_apart_and_marked(execute, tmp_path, code, why):
    with pytest.raises(execution.NotebookFailed) as caught:
        execute("print('so far')", code, "print('never')")
    failure, notebook = caught.value, executed(tmp_path)
    assert failure.kind == "dead kernel" and failure.cell == 4 and why in str(failure) and "GB" in str(failure)
    assert marks(notebook) == [0, 4] and notebook.cells[5].outputs[-1].ename == "dead kernel"
    assert notebook.cells[3].outputs[0].text == "so far\n" and not notebook.cells[-1].outputs


def test_a_cell_that_takes_too_long(execute, tmp_path):
    with pytest.raises(execution.NotebookFailed) as caught:
        execute("import time\ntime.sleep(600)", "print('never')", timeout=2)
    assert caught.value.kind == "time-out" and "longer than the 2 seconds" in str(caught.value)
    assert marks(executed(tmp_path)) == [0, 3]
    kernels = [child for child in psutil.Process().children(recursive=True) if "ipykernel" in " ".join(child.cmdline())]
    assert not kernels, "the kernel is still asleep"


def test_two_at_once_in_one_folder_do_not_answer_each_other(tmp_path):
    code = (
        "import sys; from pathlib import Path; from helpers import execution; here = Path(sys.argv[1])\n"
        "for turn in range(2): execution.execute(here / sys.argv[2], here / f'{sys.argv[2]}.{turn}', {}, log=here / 'log', cwd=here)"
    )
    names = ["a.ipynb", "b.ipynb"]
    for name in names:
        cells = [nbformat.v4.new_code_cell(f"print('{name}')")]
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), tmp_path / name)
    running = [subprocess.Popen([sys.executable, "-c", code, tmp_path, name], cwd=PROJECT) for name in names]
    assert [process.wait() for process in running] == [0, 0]
    for name in names:
        for turn in range(2):
            notebook = nbformat.read(tmp_path / f"{name}.{turn}", as_version=4)
            assert notebook.cells[-1].outputs[0].text == f"{name}\n"
