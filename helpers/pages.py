"""Notebooks as pages: a contents list at the top, the answer of 07 before everything else, and an HTML page that a phone can read.

Usage: `python -m helpers.pages notebooks/06_setfit.ipynb ...` writes each notebook's contents list anew.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from traitlets.config import Config

_CONTENTS = re.compile(r"<!-- contents -->.*?<!-- end -->", re.DOTALL)
_ANSWER = re.compile(r"<!-- answer -->.*?<!-- end -->", re.DOTALL)
_BADGE = re.compile(r"\[!\[([^\]]*)\]\([^)]*\)\]\(([^)]*)\)")
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)

STYLE = """
body { margin: 0 auto; padding: 0 16px 48px; max-width: 1100px; font: 16px/1.55 system-ui, sans-serif; color: #222; background: #fff; }
h1 { font-size: 1.7em; line-height: 1.2; } h2 { font-size: 1.3em; margin-top: 2em; border-top: 1px solid #ddd; padding-top: .6em; }
h3 { font-size: 1.1em; } a { color: #0060a0; } .anchor-link { display: none; }
img { max-width: 100%; height: auto; display: block; margin: .6em 0; } p, li, caption { overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f6f6f6; padding: .6em .8em; font-size: .85em; }
code { background: #f2f2f2; padding: 0 .2em; font-size: .9em; overflow-wrap: anywhere; } pre code { background: none; padding: 0; }
.table { margin: .8em 0; } .wide { overflow-x: auto; border: 1px solid #ddd; }
table { border: 0; border-collapse: collapse; font-size: .88em; font-variant-numeric: tabular-nums; } caption { text-align: left; color: #555; padding: .3em .5em; }
th, td { padding: .35em .6em; border: 0; border-bottom: 1px solid #e4e4e4; vertical-align: top; } thead th { background: #f6f6f6; border-bottom: 2px solid #bbb; }
.wide td, .wide th, td[align=right] { white-space: nowrap; } details { margin: .8em 0; } summary { cursor: pointer; }
@media (max-width: 640px) {
  table { display: block; overflow-x: auto; }
  body { font-size: 15px; padding: 0 12px 32px; } h1 { font-size: 1.35em; } .plain table { font-size: .8em; } .plain td, .plain th { padding: .3em .35em; }
  .cards thead { display: none; } .cards tbody, .cards tr, .cards td, .cards caption { display: block; }
  .cards tr { border: 1px solid #ddd; margin: 0 0 .7em; padding: .3em .5em; }
  .cards td { border: 0; padding: .08em 0; text-align: left; } .cards td:empty { display: none; }
  .cards td:not(:first-child)::before { content: attr(data-label) ": "; color: #666; } .cards td:first-child { font-weight: 600; }
}
"""
"""Narrow screens show each row of a table of many columns as a card; a wide table has a box of its own to be moved in."""


def anchor(heading: str) -> str:
    """Where a heading is found on its page: as Jupyter, nbconvert and GitHub name it."""
    return heading.replace("`", "").replace(" ", "-")


def contents(notebook: nbformat.NotebookNode) -> str:
    """The contents list of a notebook, as Markdown: a link for every section, one line."""
    headings = [heading for cell in notebook.cells if cell.cell_type == "markdown" for heading in _HEADING.findall(cell.source)]
    return "**Contents**: " + " · ".join(f"[{heading}](#{anchor(heading)})" for heading in headings)


def write_contents(notebook: nbformat.NotebookNode) -> None:
    """Put the contents list into the first cell: between its marks, or, the first time, at its end."""
    place = f"<!-- contents -->\n{contents(notebook)}\n<!-- end -->"
    first = notebook.cells[0]
    first.source = (
        _CONTENTS.sub(lambda _: place, first.source) if _CONTENTS.search(first.source) else f"{first.source}\n\n{place}"
    )


def write_answer(notebook: nbformat.NotebookNode) -> None:
    """Put what the cell tagged `answer` said between the marks in the first cell, so that whoever opens the notebook reads it first."""
    said = [
        output.data["text/markdown"] for cell in notebook.cells if "answer" in cell.metadata.get("tags", [])
        for output in cell.get("outputs", []) if "text/markdown" in output.get("data", {})
    ]  # fmt: skip
    if said:
        place = "<!-- answer -->\n" + "".join(said[0]) + "\n<!-- end -->"
        notebook.cells[0].source = _ANSWER.sub(lambda _: place, notebook.cells[0].source)


def to_html(path: Path) -> Path:
    """Write a notebook as one HTML file that needs nothing else: no code, no cell tagged `plumbing`, its own style; returns the file."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "plumbing" not in cell.metadata.get("tags", [])]
    first = notebook.cells[0]
    first.source = _BADGE.sub(r"[\1](\2)", _ANSWER.sub("", first.source))  # a picture from elsewhere would be missing offline
    if _CONTENTS.search(first.source):
        write_contents(notebook)
    settings = Config({"HTMLExporter": {"exclude_input": True, "exclude_input_prompt": True, "exclude_output_prompt": True}})
    body, _ = HTMLExporter(template_name="basic", config=settings).from_notebook_node(notebook)
    title = re.search(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{title[1] if title else path.stem}</title>'
    page = path.with_suffix(".html")
    page.write_text(
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body>{body}</body></html>\n',
        encoding="utf-8",
    )
    return page


def main() -> None:
    """Write the contents lists of notebooks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="+", type=Path)
    for path in parser.parse_args().notebooks:
        notebook = nbformat.read(path, as_version=4)
        write_contents(notebook)
        path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
        print(f"{path.name}: {contents(notebook).count('](#')} sections")


if __name__ == "__main__":
    main()
