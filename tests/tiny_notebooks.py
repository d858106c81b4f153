"""Notebooks of a few lines that need nothing but Python, so that a grid of them takes seconds."""

import nbformat

KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}

STEPS = """
import os, time
from pathlib import Path

steps = Path(WORKSPACE, f"steps-{NUMBER}.txt")
done = len(steps.read_text().split()) if steps.exists() else 0
print("from step", done)
Path(WORKSPACE, f"pid-{NUMBER}.txt").write_text(str(os.getpid()))
for step in range(done, STEPS):
    time.sleep(0.2)
    with open(steps, "a") as file:
        file.write(f"{step} ")
"""
"""Takes STEPS steps of a fifth of a second, keeps each in its workspace, and goes on from the last one when it is started again."""


def write_notebook(path, parameters: str, *cells, tags=None):
    """A notebook with a parameters cell and these cells; `tags` by number of the cell, from 1."""
    made = [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}), *map(nbformat.v4.new_code_cell, cells)]
    for number, tag in (tags or {}).items():
        made[number].metadata["tags"] = [tag]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=KERNEL), path)
    return path


def marks(notebook) -> list[int]:
    """Places of papermill's marks in an executed notebook: at the top, and before the cell that failed."""
    return [i for i, cell in enumerate(notebook.cells) if "papermill-error-cell-tag" in cell.metadata.get("tags", [])]
