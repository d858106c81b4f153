"""What `make run` says when a notebook ends, well or not; with notebooks of a few lines, so that it takes seconds.

Written for: a kernel that the system killed, which ended `make run` with a bare traceback; results that were shown only when all seven notebooks
were done; and a model's folder that was looked for beside the notebook.
"""

import subprocess
import sys

import pytest
from tiny_notebooks import write_notebook

from helpers import series
from helpers.config import PROJECT

PARAMETERS = 'PROFILE = "auto"\nWORKSPACE = None\nLLM = None'
RESULT = """
import json
from pathlib import Path

folder = Path(WORKSPACE, "results", "words", "five_fold")
folder.mkdir(parents=True)
metrics = {"n": 1000, "accuracy": 0.618, "accuracy_low": 0.589, "accuracy_high": 0.648, "f1_macro": 0.575}
cost = {"train": {"seconds": 61}, "predict": None, "latency_ms": 2.0}
content = {"title": "TF-IDF + linear SVM", "protocol": "five_fold", "metrics": metrics, "cost": cost}
(folder / "metrics.json").write_text(json.dumps(content))
print("read by", LLM)
import sys
print("chatter of a library", file=sys.stderr)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Seven notebooks of which the first says what it was given, and the third leaves a result."""
    for name in series.NOTEBOOKS:
        code = RESULT if name.startswith("03") else "print(PROFILE)"
        write_notebook(tmp_path / "notebooks" / f"{name}.ipynb", PARAMETERS, code)
    monkeypatch.setattr(series, "FOLDER", tmp_path / "notebooks")
    return tmp_path


def test_results_are_told_when_their_notebook_ends(folder, capsys):
    (folder / "my-model").mkdir()
    series.run("smoke", only="02 03 04", workspace="kept", parameters={"": {"LLM": "my-model"}}, base=folder)
    said, chatter = capsys.readouterr()
    lines = said.splitlines()
    assert [line.split("   ")[0] for line in lines if line.startswith("===")][:3] == [f"=== {n}" for n in series.NOTEBOOKS[1:4]]
    at = next(number for number, line in enumerate(lines) if "TF-IDF + linear SVM" in line)
    assert (
        "61.8 % (59 to 65)" in lines[at]
        and lines[at + 1].startswith("=== 04")
        and lines[at - 1] == f"read by {folder / 'my-model'}"
    )
    assert chatter == "" and "chatter of a library" in (folder / "kept" / "notebooks" / "log.txt").read_text()


def test_a_dead_kernel_ends_the_series_in_words(folder, capsys):
    write_notebook(
        folder / "notebooks" / "02_paraphrase.ipynb", PARAMETERS, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    with pytest.raises(SystemExit) as ended:
        series.run("smoke", only="02 03", workspace=folder / "kept")
    said, why = capsys.readouterr()
    assert ended.value.code == 1 and "=== 03" not in said and "Traceback" not in why
    assert "02_paraphrase: dead kernel in cell 3 (import os, signal): it was killed" in why and "02_paraphrase.ipynb" in why


def test_a_parameter_that_no_notebook_has_is_refused_before_anything_runs(folder):
    with pytest.raises(ValueError, match="there is no LMM. Did you mean LLM"):
        series.run("smoke", only="02", workspace=folder / "kept", parameters={"": {"LMM": "my-model"}})
    assert not (folder / "kept").exists()


@pytest.mark.parametrize("target", ["run", "grid"])
def test_make_tells_where_the_user_stands(tmp_path, target):
    command = [
        "make",
        "-n",
        "-C",
        str(PROJECT),
        target,
        "LLM=my-model",
        "WORKSPACE=kept",
        "PARAMETERS=-p SEED 7",
        f"PYTHON={sys.executable}",
    ]
    said = subprocess.run(
        command, cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "PWD": str(tmp_path)}, capture_output=True, text=True
    ).stdout
    assert f'--base "{tmp_path}" -p LLM "my-model" -p WORKSPACE "kept" -p SEED 7' in said
