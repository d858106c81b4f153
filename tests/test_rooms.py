"""The package's rooms: imports run one way, and nothing is exported that no notebook uses.

Written for: 24 modules side by side, of which a reader of one notebook could not tell which six were its own.
"""

import ast
import re

import pytest

from helpers.config import PROJECT

PACKAGE = PROJECT / "helpers"
LAYERS = [
    ["colab", "config"], ["terminal", "execution", "parameters", "pages"], ["workspace"], ["runtime"], ["measuring"], ["checkpoints", "models"], ["training"], ["stories"], ["comparison"], ["representations"], ["augmentation"], ["llm"], ["fewshot"], ["benchmarks", "series"], ["batches"],
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


def test_rooms_export_what_is_used_outside():
    elsewhere = {
        path: path.read_text(encoding="utf-8") for folder in ("notebooks", "helpers", "tests") for path in (PROJECT / folder).rglob("*.*")
        if path.suffix in (".ipynb", ".py") and path != PROJECT / "tests" / "test_rooms.py"
    }  # fmt: skip
    for init in PACKAGE.glob("*/__init__.py"):
        for node in ast.parse(init.read_text(encoding="utf-8")).body:
            for name in [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []:
                uses = rf"\b{init.parent.name}\.{name}\b|from helpers\.{init.parent.name} import [^\n]*\b{name}\b"
                assert any(re.search(uses, text) for path, text in elsewhere.items() if init.parent not in path.parents), (
                    f"helpers.{init.parent.name} exports {name}, which nobody uses"
                )
