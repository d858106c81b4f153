"""The package's rooms: imports run one way, and nothing is exported that no notebook uses.

Written for: 24 modules side by side, of which a reader of one notebook could not tell which six were its own.
"""

import ast
import json
import re

import pytest

from helpers.config import PROJECT

PACKAGE = PROJECT / "helpers"
LAYERS = [
    ["colab", "config", "words"], ["allowed", "terminal", "execution", "parameters", "pages"], ["workspace"], ["runtime"], ["measuring"], ["checkpoints", "overflow", "untrusted"], ["models"], ["training"], ["stories"], ["comparison"], ["representations"], ["augmentation"], ["llm"], ["fewshot"], ["takeaway"], ["benchmarks", "series"], ["batches"],
]  # fmt: skip
PLACE = {room: place for place, layer in enumerate(LAYERS) for room in layer}
MODULES = sorted(
    path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem != "__init__"
)


def rooms_imported(path) -> set[str]:
    """Rooms and top modules of the package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "helpers":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("helpers."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("helpers.")}
    return found


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_run_down(path):
    own = path.parts[0].removesuffix(".py")
    for room in rooms_imported(path) - {own}:
        assert PLACE[room] < PLACE[own], f"{path} imports {room}, which does not lie below it"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_is_read_in_one_sitting(path):
    text = (PACKAGE / path).read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)) and len(text.splitlines()) <= 310


def code_of(path) -> str:
    """What a Python file or a notebook's code cells say."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")
    return text


def test_rooms_export_what_is_used_outside():
    files = [path for folder in ("notebooks", "helpers", "tests") for path in (PROJECT / folder).rglob("*")]
    code = {path: code_of(path) for path in files if path.suffix in (".ipynb", ".py")}
    for init in PACKAGE.glob("*/__init__.py"):
        elsewhere = "\n".join(text for path, text in code.items() if init.parent not in path.parents)
        used = set(re.findall(rf"\b{init.parent.name}\.(\w+)", elsewhere))
        for names in re.findall(rf"from helpers\.{init.parent.name} import ([^\n(]+|\([^)]*\))", elsewhere):
            used |= set(re.findall(r"\w+", names))
        for node in ast.parse(init.read_text(encoding="utf-8")).body:
            for name in [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []:
                assert name in used, f"helpers.{init.parent.name} exports {name}, which nobody uses"
