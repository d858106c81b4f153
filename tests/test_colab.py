"""The setup cell, in an imitation of Colab and outside it.

Written for: a project that lay on Drive under `Colab Notebooks`, came as GitHub's zip, or was opened by papermill from another folder, and was not
found, with 18 lines of traceback; a Drive that was refused and stopped every notebook; and a `pip install -r requirements.txt` that took half a
minute, brought JupyterLab, and raised protobuf from 5 to 7 under Colab's TensorFlow.

`make test-colab` runs this file on Python 3.12 with the packages of a Colab image (`COLAB_PYTHON`), and the notebooks too.
"""

import ast
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import colab_machine
import nbformat
import pytest
from interpreters import find_python, make_environment

from helpers import colab, runtime, series

COLAB_PYTHON = os.environ.get("COLAB_PYTHON")
RUN_CELL = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.colors = "nocolor" if "nocolor" in str(InteractiveShell.colors.help) else "NoColor"
done = shell.run_cell(open(sys.argv[1]).read())
print("found", sys.modules["helpers.colab"].PROJECT) if done.success else sys.exit(1)
"""


def setup_cell(notebook: str = "01_clean"):
    cells = nbformat.read(series.FOLDER / f"{notebook}.ipynb", as_version=4).cells
    return next(cell for cell in cells if cell.cell_type == "code")


def run_cell(source: str, folder: Path, environment: dict, python: str = sys.executable, cwd: Path | None = None):
    """Run a setup cell in IPython, which shows errors as a notebook does; stdout and stderr come together, as on the page."""
    (folder / "cell.py").write_text(source, encoding="utf-8")
    command = [python, "-c", RUN_CELL, str(folder / "cell.py")]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    # IPython warns of an environment that is active in the shell and not its own.
    environment = {name: value for name, value in environment.items() if name != "VIRTUAL_ENV"}
    return subprocess.run(command, cwd=cwd or folder, env=environment, **streams)


@pytest.fixture
def machine(tmp_path):
    return colab_machine.Runtime(tmp_path)


def set_up(machine, cwd=None, source=None):
    source, python = machine.here(source or setup_cell().source), machine.layer(COLAB_PYTHON or sys.executable)
    return run_cell(source, machine.folder, machine.environment, python, cwd or machine.content)


def test_all_notebooks_have_the_same_setup_cell_and_colab_folds_it():
    for name in series.NOTEBOOKS:
        cell = setup_cell(name)
        assert cell.source == setup_cell().source
        assert cell.source.startswith("# @title Setup\n") and cell.metadata["cellView"] == "form"
        assert cell.source.endswith("colab.install_missing()"), (
            "helpers are imported, and bitsandbytes silenced, before anything else"
        )


@pytest.mark.parametrize(
    "place",
    [
        "content/stories-main",
        "content/stories-main/stories-main",
        "cloud/story genres [2]",
        "cloud/Colab Notebooks/stories-main",
        "cloud/Colab Notebooks/stories-main/stories-main",
        "cloud/work/2026/stories",
    ],
)
def test_found_where_it_was_laid(machine, place):
    machine.put_project(machine.folder / place)
    done = set_up(machine)
    assert done.returncode == 0, done.stdout
    where = place.replace("cloud", "content/drive/MyDrive")
    assert done.stdout.splitlines()[-1] == f"found {machine.folder / where}"


@pytest.mark.parametrize(
    "file, above",
    [
        ("content/stories-main.zip", ["stories-main"]),
        ("content/stories-main (1).zip", ["stories-main", "stories-main"]),
        ("content/without a folder.zip", []),
        ("cloud/stories-main.zip", ["stories-main"]),
        ("cloud/Colab Notebooks/stories-main.zip", ["stories-main"]),
    ],
)
def test_found_in_a_zip(machine, file, above):
    (machine.folder / file).parent.mkdir(exist_ok=True)
    machine.put_zip(machine.folder / file, *above)
    (machine.content / "photos.zip").write_bytes(b"PK\x03\x04, and half of an upload")
    done = set_up(machine)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == f"found {machine.content / 'stories' / '/'.join(above)}"
    again = set_up(machine)
    assert again.returncode == 0 and "Mounted" not in again.stdout


def test_found_where_the_notebook_is_opened(machine):
    project = machine.put_project(machine.content / "a" / "b" / "c" / "d" / "stories")
    assert f"found {project}\n" in set_up(machine, cwd=project / "notebooks").stdout


def test_cloned_from_its_address(machine):
    origin = machine.put_project(machine.folder / "github" / "me" / "mine")
    for arguments in (["init", "-q"], ["add", "."], ["-c", "user.name=me", "-c", "user.email=me@here", "commit", "-qm", "all"]):
        subprocess.run(["git", "-C", str(origin), *arguments], check=True)
    machine.environment |= {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{origin.parents[1]}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
    }
    source = setup_cell().source.replace(series.REPOSITORY, "me/mine")
    assert f"found {machine.content / 'mine'}" in set_up(machine, source=source).stdout
    origin.rename(origin.with_name("gone"))
    subprocess.run(["rm", "-r", str(machine.content / "mine")], check=True)
    done = set_up(machine, source=source)
    assert done.returncode == 1 and done.stdout.count("\n") == 1 and "https://github.com/me/mine" in done.stdout


def test_not_found_is_one_line_with_two_ways_out(machine):
    done = set_up(machine)
    assert done.returncode == 1
    mounted, line = done.stdout.splitlines()
    assert mounted.startswith("Mounted") and str(machine.content) in line and "MyDrive" in line
    assert "Upload its zip" in line and "set REPOSITORY" in line
    outside = {key: value for key, value in machine.environment.items() if key != "COLAB_RELEASE_TAG"}
    done = run_cell(setup_cell().source, machine.folder, outside, machine.layer(sys.executable))
    assert done.returncode == 1 and done.stdout.count("\n") == 1
    assert str(machine.folder) in done.stdout and "set STORIES_PROJECT" in done.stdout


@pytest.mark.parametrize("drive", ["is refused", "is absent", "is headless"])
def test_without_drive_the_work_goes_on_and_its_loss_is_announced(tmp_path, drive):
    machine = colab_machine.Runtime(tmp_path, drive)
    machine.put_project(machine.content / "stories-main")
    done = set_up(machine)
    assert done.returncode == 0, done.stdout
    assert "DRIVE IS NOT MOUNTED" in done.stdout.splitlines()[0] and "LOST WITH IT" in done.stdout.splitlines()[0]


def test_the_workspace_says_where_drive_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    for module in (colab, runtime):
        monkeypatch.setattr(module, "DRIVE", tmp_path / "drive" / "MyDrive")
    assert runtime._default_workspace() == runtime.PROJECT / "checkpoints"
    assert "LOST WITH IT" in capsys.readouterr().out
    with pytest.raises(FileNotFoundError, match="Drive is not mounted. Run the setup cell again"):
        runtime.start("smoke", str(tmp_path / "drive" / "MyDrive" / "mine"))
    assert not (tmp_path / "drive").exists(), "a local folder in Drive's place would be taken for Drive"
    (tmp_path / "drive" / "MyDrive").mkdir(parents=True)
    assert runtime._default_workspace() == tmp_path / "drive" / "MyDrive" / "story-genres"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("way", ["python of the project", "STORIES_PROJECT"])
def test_papermill_from_any_directory(tmp_path, way):
    """`papermill .../06_setfit.ipynb out.ipynb` from elsewhere: the Python in the project's own .venv gives it away, or the variable."""
    project, elsewhere = tmp_path / "stories", tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copytree(colab.PROJECT / "helpers", project / "helpers")
    environment = {key: value for key, value in os.environ.items() if key not in ("COLAB_RELEASE_TAG", "STORIES_PROJECT")}
    python = colab_machine.layer((tmp_path if way == "STORIES_PROJECT" else project) / ".venv", sys.executable)
    if way == "STORIES_PROJECT":
        environment["STORIES_PROJECT"] = str(project)
    done = run_cell(setup_cell().source, tmp_path, environment, python, elsewhere)
    assert done.stdout == f"found {project}\n"


def test_outside_colab_nothing_is_installed(monkeypatch):
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    before = colab.installed()
    colab.install_missing({"no-such-package": "no-such-package>=1,<2"})
    assert colab.installed() == before


def test_what_is_there_in_another_version_stays_and_is_named(monkeypatch, capsys):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    colab.install_missing({"numpy": "numpy>=1,<1.1", "psutil": "psutil>=5"})
    said = capsys.readouterr().out
    assert "numpy" in said and "psutil" not in said and "stays" in said


def test_one_list_of_bounds_and_colab_gets_the_lean_part():
    everything, lean = colab.lines(colab.PROJECT / "requirements.txt"), colab.requirements()
    assert set(lean.values()) <= set(everything)
    assert not {"jupyter", "papermill", "nbconvert", "nbformat"} & set(lean), (
        "a workstation runs notebooks, Colab does so by itself"
    )
    with pytest.raises(KeyError, match="requirements.txt has no line for torch"):
        colab.requirements(bounds=[line for line in everything if not line.startswith("torch")])


def imported(text: str) -> set[str]:
    """Modules that a source imports when it is imported itself."""
    found, bodies = set(), [ast.parse(text).body]
    while bodies:
        for node in bodies.pop():
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Try):
                bodies.append(node.body)
    return found


def test_what_notebooks_import_is_on_the_lean_list():
    """Whatever a notebook imports, by itself or through helpers; functions of helpers that only a workstation calls may import more."""
    reached, todo = set(), set()
    for name in series.NOTEBOOKS:
        cells = nbformat.read(series.FOLDER / f"{name}.ipynb", as_version=4).cells
        todo |= set().union(*(imported(cell.source) for cell in cells if cell.cell_type == "code"))
    outside = set()
    while todo:
        module = todo.pop()
        if not module.startswith("helpers."):
            outside.add(module.split(".")[0])
            continue
        parts = module.split(".")
        for path in (colab.PROJECT.joinpath(*parts[:n]) for n in range(1, len(parts) + 1)):
            for file in (path.with_suffix(".py"), path / "__init__.py"):
                if file.exists() and file not in reached:
                    reached.add(file)
                    todo |= imported(file.read_text(encoding="utf-8"))
    assert len(reached) > 20
    packages = importlib.metadata.packages_distributions()
    needed = {name.lower() for module in outside - sys.stdlib_module_names for name in packages.get(module, [module])}
    given = {name.lower() for name in colab.requirements()}
    with_others = set(
        "google ipython huggingface-hub huggingface_hub joblib httpx packaging safetensors pyyaml fsspec pillow".split()
    )
    assert needed - given <= with_others, "neither listed nor part of what is"


@pytest.mark.parametrize("image, version", [("2026.07", "3.12"), ("2026.08", "3.13")])
def test_nothing_that_colab_has_is_changed(tmp_path, image, version):
    """An image's packages are known to pip by their metadata alone; the setup cell's own call resolves what it would install."""
    python = find_python(version) or sys.executable
    make_environment(tmp_path, python, "pip==24.1.2")
    site = next(tmp_path.glob("lib/*/site-packages"))
    there = {name: number for name, number in colab_machine.pins(image).items() if name != "pip"}
    for name, number in there.items():
        info = site / f"{name.replace('-', '_')}-{number}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
        (info / "RECORD").touch()
    report = tmp_path / "report.json"
    ask = f"from helpers import colab; colab.install_missing(options=('--dry-run', '--report', {str(report)!r}))"
    environment = os.environ | {"COLAB_RELEASE_TAG": "release-colab", "PYTHONPATH": str(colab.PROJECT)}
    done = subprocess.run([str(tmp_path / "bin" / "python"), "-c", ask], env=environment, capture_output=True, text=True)
    if "(from versions: none)" in done.stderr:
        pytest.skip("no package index answers")
    assert done.returncode == 0, done.stderr[-2000:]
    new = {
        entry["metadata"]["name"].lower(): entry["metadata"]["version"] for entry in json.loads(report.read_text())["install"]
    }
    print(f"Colab {image}: {len(new)} to install: {new}")
    assert not {name.lower() for name in there} & set(new), "what is there would be replaced"
    assert {"setfit", "bitsandbytes", "onnxruntime"} <= set(new) and len(new) <= 12
    assert not {"jupyter", "jupyterlab", "papermill", "nbconvert", "torch"} & set(new)
