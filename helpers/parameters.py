"""Notebook parameters on a command line, given as papermill takes them: `-p`, `-r`, `-f`, `-y`.

A relative path in a parameter means the directory in which the user stands, wherever the notebook is executed.
"""

from __future__ import annotations

import argparse
import difflib
from pathlib import Path

import fsspec
import yaml
from papermill.cli import _resolve_type
from papermill.iorw import NoDatesSafeLoader

PATHS = {"WORKSPACE", "STORIES_CSV"}
"""Parameters that always name a file or a folder."""
MODELS = {"LLM", "ENCODER", "LARGE_ENCODER", "LOCAL_MODEL", "HUB_DATASET"}
"""Parameters that name a folder, or a model or dataset on the Hub where there is no such folder."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add papermill's options for parameters to a command, its time-out, and the directory that relative paths mean."""
    parser.add_argument(
        "-p", dest="values", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="a parameter"
    )
    parser.add_argument(
        "-r", dest="raw", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="the same, always text"
    )
    parser.add_argument("-f", dest="files", action="append", default=[], metavar="FILE", help="a YAML file of parameters")
    parser.add_argument("-y", dest="texts", action="append", default=[], metavar="YAML", help="YAML text of parameters")
    parser.add_argument("--execution-timeout", type=int, metavar="SECONDS", help="the longest that one cell may take")
    parser.add_argument("--base", type=Path, default=Path.cwd(), help="the directory that relative paths mean (here)")


def given(arguments: argparse.Namespace) -> dict:
    """Parameters of a parsed command line; as with papermill, what is given one by one wins over files.

    Raises:
        ValueError: a file or text holds no mapping.
    """
    found = {}
    for name in arguments.files:
        path = name if "://" in name else str(arguments.base / Path(name).expanduser())
        with fsspec.open(path, "r", encoding="utf-8") as file:
            found |= _mapping(file.read(), name)
    for text in arguments.texts:
        found |= _mapping(text, text)
    found |= {name: _resolve_type(value) for name, value in arguments.values}
    return found | dict(arguments.raw)


def _mapping(text: str, where: str) -> dict:
    content = yaml.load(text, Loader=NoDatesSafeLoader) or {}
    if not isinstance(content, dict):
        raise ValueError(
            f"{where} holds {type(content).__name__} where parameters were expected: write NAME: value, one a line."
        )
    return content


def absolute(parameters: dict, base: Path) -> dict:
    """The same parameters with every relative path made absolute; addresses such as `s3://...` and names on the Hub stay.

    Args:
        parameters: by name; see `PATHS` and `MODELS` for those that are paths. Any other is one if it starts with `./`, `../` or `~/`.
        base: the directory in which the user stands.
    """
    return {name: _absolute(name, value, base) for name, value in parameters.items()}


def _absolute(name: str, value, base: Path):
    if not isinstance(value, str) or "://" in value or not value:
        return value
    path = (base / Path(value).expanduser()).resolve()
    named = name in PATHS or value.startswith(("./", "../", "~/")) or value in (".", "..")
    return str(path) if named or (name in MODELS and path.is_dir()) else value


def check_known(parameters, known, where: str) -> None:
    """Complain about names that are not known, with the one that may have been meant.

    Raises:
        ValueError: one is not among the known ones.
    """
    for name in parameters:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1, 0.5)
            hint = f"Did you mean {close[0]}?" if close else f"There are {', '.join(sorted(known))}."
            raise ValueError(f"{where}: there is no {name}. {hint}")
