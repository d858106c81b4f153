"""Static checks over the committed notebooks: what a reader or a Colab runtime would trip over.

Written for: notebooks that were no valid JSON, installed less than they imported, used names that only deleted cells had bound, and showed warnings,
widgets or somebody's home folder in their outputs.
"""

import ast
import builtins
import importlib
import importlib.metadata
import json
import re
import sys

import nbformat
import pytest

from helpers import pages
from helpers.config import PROJECT, REPOSITORY
from helpers.series import FOLDER, NOTEBOOKS

PACKAGE_OF = {"sklearn": "scikit-learn", "IPython": "jupyter", "PIL": "pillow"}
REQUIRED = {
    re.split(r"[<>=\[]", line)[0].lower()
    for line in (PROJECT / "requirements.txt").read_text().splitlines()
    if line and not line.startswith("#")
}


@pytest.fixture(params=NOTEBOOKS)
def notebook(request):
    nb = nbformat.read(FOLDER / f"{request.param}.ipynb", as_version=4)
    nb.metadata["stem"] = request.param
    return nb


def code(nb):
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def test_the_seven_and_no_other():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NOTEBOOKS)


def test_valid_and_opened_by_badge(notebook):
    nbformat.validate(notebook)
    first, stem = notebook.cells[0].source, notebook.metadata["stem"]
    assert first.startswith("# ") and f"colab.research.google.com/github/{REPOSITORY}/blob/main/notebooks/{stem}.ipynb" in first
    assert "**Needs**" in first


def test_one_parameters_cell_and_one_setup_cell(notebook):
    tagged = [cell for cell in code(notebook) if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    names = {target.id for node in ast.parse(tagged[0].source).body for target in node.targets}
    assert {"PROFILE", "WORKSPACE", "SEED"} <= names
    other = nbformat.read(FOLDER / f"{NOTEBOOKS[0]}.ipynb", as_version=4)
    assert code(notebook)[0].source == code(other)[0].source and f'REPOSITORY = "{REPOSITORY}"' in code(notebook)[0].source


def test_imports_are_required(notebook):
    for cell in code(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            modules = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for module in modules:
                top = module.split(".")[0]
                if top in sys.stdlib_module_names or top in ("helpers", "google"):
                    continue
                assert PACKAGE_OF.get(top, top).replace("_", "-").lower() in REQUIRED, f"{top} is imported and not required"


def test_every_name_is_bound_before_it_is_read(notebook):
    bound = set(dir(builtins)) | {"__name__"}
    for number, cell in enumerate(code(notebook), 1):
        tree = ast.parse(cell.source)
        stores = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        stores |= {
            a.arg
            for n in ast.walk(tree)
            if isinstance(n, ast.arguments)
            for a in [*n.args, *n.kwonlyargs, *n.posonlyargs, n.vararg, n.kwarg]
            if a
        }
        stores |= {
            (a.asname or a.name).split(".")[0]
            for n in ast.walk(tree)
            if isinstance(n, (ast.Import, ast.ImportFrom))
            for a in n.names
        }
        stores |= {
            n.name for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.ClassDef, ast.ExceptHandler)) and n.name
        }
        reads = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        assert not reads - bound - stores, f"cell {number} reads {sorted(reads - bound - stores)}"
        bound |= stores


def test_helpers_have_what_notebooks_use(notebook):
    trees = [ast.parse(cell.source) for cell in code(notebook)]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    modules = {a.name for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "helpers" for a in node.names}
    assert {"runtime"} <= modules
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            module = importlib.import_module(f"helpers.{node.value.id}")
            assert hasattr(module, node.attr), f"helpers.{node.value.id} has no {node.attr}"
        if isinstance(node, ast.ImportFrom) and node.module.startswith("helpers."):
            module = importlib.import_module(node.module)
            modules_of_room = [path.stem for path in (PROJECT / node.module.replace(".", "/")).glob("*.py")]
            assert all(hasattr(module, a.name) or a.name in modules_of_room for a in node.names), (
                f"{node.module} lacks one of {[a.name for a in node.names]}"
            )


def test_reads_like_an_article(notebook):
    cells = notebook.cells
    bare = [i for i in range(1, len(cells)) if cells[i].cell_type == cells[i - 1].cell_type == "code"]
    assert len(bare) <= len(code(notebook)) / 2, "most code cells have no sentence before them"
    assert max(len(cell.source.splitlines()) for cell in code(notebook)) <= 40
    assert 12 <= len(cells) <= 50


def test_contents_lead_to_every_section(notebook):
    first = notebook.cells[0].source
    if "<!-- contents -->" in first:
        assert pages.contents(notebook) in first, "python -m helpers.pages writes it anew"


def test_recorded_outputs_are_clean(notebook):
    outputs = json.dumps([cell.outputs for cell in code(notebook)])
    assert any(cell.outputs for cell in code(notebook)), "holds no recorded run"
    assert not any(output.output_type == "error" for cell in code(notebook) for output in cell.outputs)
    for unwanted in (
        r"Warning:",
        r"warnings\.warn",
        r"application/vnd.jupyter.widget",
        r"it/s\]",
        r"\d+%\|",
        r"/(?:root|home|work|tmp)/",
        r"gsk_\w{8}",
    ):
        assert not re.search(unwanted, outputs), unwanted
    assert not any(output.get("name") == "stderr" for cell in code(notebook) for output in cell.outputs)
    assert not any("injected-parameters" in cell.metadata.get("tags", []) for cell in notebook.cells)
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    assert len(nbformat.writes(notebook)) < 2_000_000


def test_requirements_bound_major_versions_and_leave_torch_to_colab():
    lines = [line for line in (PROJECT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    named = {
        "torch",
        "transformers",
        "peft",
        "bitsandbytes",
        "setfit",
        "datasets",
        "scikit-learn",
        "seaborn",
        "groq",
        "jupyter",
        "papermill",
    }
    assert named <= REQUIRED
    assert not any("==" in line for line in lines)
    for line in lines:
        assert ">=" in line and "<" in line, f"{line} has no lower or no upper bound"
        assert importlib.metadata.version(re.split(r"[<>=\[]", line)[0])
