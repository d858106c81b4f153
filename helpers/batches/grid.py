"""The table of runs: a YAML file with notebooks and the parameters that they are to be run with, every combination of them.

workspace: checkpoints/cpu            # of every run; may hold parameters: checkpoints/seed-{SEED}
parameters: {PROFILE: cpu}            # for every notebook that has them
needs: {memory: 4}                    # GB of 10^9 bytes, and GPU: 1 where one is needed
execution_timeout: 7200               # seconds that one cell may take
runs:
  - notebook: 01_clean
  - notebook: 04_seqcls_lora          # a name or number of the project, or the path or address of any notebook
    id: head                          # what `after` calls it; the notebook's name by default
    grid: {VARIANT: [tuned, seed]}    # every combination of these
    parameters: {QUESTIONS: 20}       # the same for all of them
    only: folds                       # execute only the cells with this tag, besides those down to the parameters
    after: [01_clean]                 # what must be finished before; "all" for everything above
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import string
from dataclasses import dataclass, field, replace
from pathlib import Path

import fsspec
import nbformat
import papermill
import yaml

from helpers.config import DATA, PROJECT
from helpers.parameters import absolute, check_known
from helpers.series import FOLDER, NOTEBOOKS

_OF_GRID = {"workspace", "parameters", "needs", "execution_timeout", "runs"}
_OF_ENTRY = {"notebook", "id", "grid", "parameters", "only", "after", "needs", "workspace", "execution_timeout", "record"}
_PASSED_ON = ("STORIES_CSV", "DTYPE")
"""Environment variables that a run depends on; they travel with it to its worker."""


@dataclass(frozen=True)
class Job:
    """One run that is planned.

    Attributes:
        name: the entry's id, else its notebook and parameters; and its values of the grid: `04_seqcls_lora VARIANT=seed`.
        notebook: path or address.
        source: the notebook as JSON, without outputs.
        parameters: by name, `WORKSPACE` left out.
        workspace: folder, or an address that fsspec knows.
        key: hash of all that the run depends on.
        code: hash of `helpers/`.
        needs: resources of the worker: `memory` in GB, `GPU`.
        timeout: seconds that one cell may take; None for any.
        after: folders of the runs that must be finished before.
        environment: environment variables of the run.
        directory: where the kernel works: beside the project's notebooks, and for any other where the user stands.
        record: whether its executed notebook is also put where `make record` looks for it.
    """

    name: str
    notebook: str
    source: str
    parameters: dict
    workspace: str
    key: str
    code: str
    needs: dict = field(default_factory=dict)
    timeout: int | None = None
    after: tuple[str, ...] = ()
    environment: dict = field(default_factory=dict)
    directory: str = str(FOLDER)
    record: bool = False

    @property
    def slug(self) -> str:
        """Name of the run's folder."""
        return f"{re.sub(r'[^A-Za-z0-9.=+-]+', '_', self.name)[:80].strip('_')}-{self.key[:8]}"

    @property
    def folder(self) -> str:
        """Where the run leaves everything; no two runs of a grid share it."""
        return f"{self.workspace}/runs/{self.slug}"


def read_grid(path: str, base: Path, given: dict | None = None, timeout: int | None = None) -> list[Job]:
    """Read a grid, and check all of it before anything is run.

    Args:
        path: a YAML file; a path or an address that fsspec knows.
        base: the directory that relative paths mean, in the grid and in the parameters.
        given: parameters that replace those of the grid, in every notebook that has them.
        timeout: replaces the grid's `execution_timeout`.

    Returns:
        Runs in the order of the file, each after those that it needs.

    Raises:
        ValueError: the grid is not what this module describes; the message names the entry.
        FileNotFoundError: a notebook is not there.
    """
    with fsspec.open(_place(path, base, PROJECT), "r", encoding="utf-8") as file:
        content = yaml.safe_load(file) or {}
    entries = _checked(content, path)
    given, common = given or {}, content.get("parameters", {})
    notebooks = [_Notebook.read(entry["notebook"], base) for entry in entries]
    everyones = {name for notebook in notebooks for name in notebook.known}
    check_known(given, everyones, f"the parameters of the notebooks of {path}")
    check_known(common, everyones, f"{path}, parameters of its notebooks")
    passed = {name: os.environ[name] for name in _PASSED_ON if os.environ.get(name)}
    passed = absolute(passed, base)
    code, jobs, groups = code_version(), [], {}
    for number, (entry, notebook) in enumerate(zip(entries, notebooks), 1):
        where = f"{path}, run {number} ({notebook.name})"
        check_known({**entry.get("grid", {}), **entry.get("parameters", {})}, notebook.known, f"{where}, parameters")
        before = _before(entry, groups, jobs, where)
        settings = {
            "needs": content.get("needs", {}) | entry.get("needs", {}),
            "record": entry.get("record", False),
            "timeout": timeout or entry.get("execution_timeout", content.get("execution_timeout")),
        }
        made = []
        for values in _combinations(entry.get("grid", {}), where):
            own = entry.get("parameters", {}) | values
            parameters = {name: value for name, value in (common | own | given).items() if name in notebook.known}
            parameters = absolute(parameters, base)
            folder = parameters.pop("WORKSPACE", None) or entry.get("workspace") or content.get("workspace")
            told = values if "id" in entry else entry.get("parameters", {}) | values
            only = [entry["only"]] if "only" in entry and "id" not in entry else []
            name = " ".join([entry.get("id", notebook.name), *only, *(f"{key}={_short((told | given)[key])}" for key in told)])
            job = Job(name, notebook.path, notebook.cut(entry.get("only", ""), where), parameters, "", "", code)
            job = replace(job, **settings, after=tuple(other.folder for other in before), environment=passed)
            job = replace(job, directory=str(FOLDER if notebook.path.startswith(f"{FOLDER}/") else base))
            job = replace(job, workspace=_workspace(folder, parameters, base, where))
            job = replace(job, key=_key(job, before))
            same = next((other for other in jobs if (other.workspace, other.key) == (job.workspace, job.key)), None)
            made.append(same or job)
            jobs += [] if same else [job]
        groups.setdefault(entry.get("id", notebook.name), []).extend(made)
    return jobs


def code_version() -> str:
    """Hash of every module in `helpers/`."""
    digest = hashlib.sha256()
    for path in sorted((PROJECT / "helpers").rglob("*.py")):
        digest.update(path.relative_to(PROJECT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class _Notebook:
    """A notebook of a grid: its name, its path or address, its content without outputs, and the parameters it has."""

    name: str
    path: str
    node: nbformat.NotebookNode
    known: frozenset[str]

    @classmethod
    def read(cls, name: str, base: Path) -> _Notebook:
        name = str(name)
        own = next((own for own in NOTEBOOKS if name in (own, own.split("_")[0])), None)
        path = str(FOLDER / f"{own}.ipynb") if own else _place(name, base)
        if not own and not name.endswith(".ipynb"):
            raise ValueError(f"{name!r} is no notebook: give the path of an .ipynb, or one of {', '.join(NOTEBOOKS)}.")
        try:
            with fsspec.open(path, "r", encoding="utf-8") as file:
                node = nbformat.reads(file.read(), as_version=4)
        except FileNotFoundError:
            raise FileNotFoundError(f"There is no notebook {name}; relative paths mean {base}.") from None
        for cell in node.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        return cls(Path(path).stem, path, node, frozenset(papermill.inspect_notebook(nbformat.from_dict(node))))

    def cut(self, only: str, where: str) -> str:
        """The notebook as JSON; with `only`, the code cells below the parameters are skipped unless they have that tag."""
        node = nbformat.from_dict(json.loads(nbformat.writes(self.node)))
        if only:
            codes = [cell for cell in node.cells if cell.cell_type == "code"]
            tags = [cell.metadata.get("tags", []) for cell in codes]
            top = next((number for number, of_cell in enumerate(tags) if "parameters" in of_cell), 0)
            if not any(only in of_cell for of_cell in tags):
                raise ValueError(f"{where}: no cell has the tag {only!r}.")
            for cell, of_cell in list(zip(codes, tags))[top + 1 :]:
                if only not in of_cell:
                    cell.metadata["tags"] = [*of_cell, "skip-execution"]
        return nbformat.writes(node)


def _place(name: str, base: Path, other: Path | None = None) -> str:
    """Where a path or address lies; a path that is not under `base` may be under `other`."""
    if "://" in name:
        return name
    path = (base / Path(name).expanduser()).resolve()
    return str(other / name if other and not path.exists() and (other / name).exists() else path)


def _checked(content, path: str) -> list[dict]:
    if not isinstance(content, dict) or not content.get("runs"):
        raise ValueError(f"{path} holds no runs; see grids/README.md for what a grid looks like.")
    entries = content["runs"]
    for what, keys, allowed in [("the grid", content, _OF_GRID)] + [
        (f"run {n}", e, _OF_ENTRY) for n, e in enumerate(entries, 1)
    ]:
        if not isinstance(keys, dict):
            raise ValueError(f"{path}, {what}: {keys!r} is no mapping; write `- notebook: 01_clean`.")
        check_known(keys, allowed, f"{path}, {what}")
    for number, entry in enumerate(entries, 1):
        if "notebook" not in entry:
            raise ValueError(f"{path}, run {number}: names no notebook.")
    return entries


def _combinations(grid: dict, where: str) -> list[dict]:
    for name, values in grid.items():
        if not isinstance(values, list) or not values:
            raise ValueError(f"{where}: grid: {name} needs a list of values, such as [1, 2].")
    return [dict(zip(grid, values)) for values in itertools.product(*grid.values())]


def _before(entry: dict, groups: dict[str, list[Job]], jobs: list[Job], where: str) -> list[Job]:
    names = entry.get("after", [])
    if names == "all":
        return list(jobs)
    names = [names] if isinstance(names, str) else names
    if missing := [name for name in names if name not in groups]:
        raise ValueError(
            f"{where}: after: {missing[0]!r} is not the notebook or id of a run above it ({', '.join(groups) or 'none'})."
        )
    return [job for name in names for job in groups[name]]


def _workspace(folder: str | None, parameters: dict, base: Path, where: str) -> str:
    if not folder:
        if "PROFILE" not in parameters:
            raise ValueError(f"{where}: give the grid a workspace, or the run a PROFILE.")
        return str(PROJECT / "checkpoints" / str(parameters["PROFILE"]))
    fields = [name for _, name, _, _ in string.Formatter().parse(folder) if name is not None]
    if unset := [name for name in fields if name not in parameters]:
        raise ValueError(f"{where}: the workspace {folder} asks for {unset[0]}, which this run does not set.")
    folder = folder.format(**parameters)
    return folder if "://" in folder else str((base / Path(folder).expanduser()).resolve())


def _key(job: Job, before: list[Job]) -> str:
    """Hash of what a run depends on: notebook, parameters, dataset, code, and the runs before it."""
    cells = [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in nbformat.reads(job.source, 4).cells]
    csv = job.parameters.get("STORIES_CSV") or job.environment.get("STORIES_CSV")
    others = {name: value for name, value in job.parameters.items() if name != "STORIES_CSV"}
    number_type = job.environment.get("DTYPE")
    parts = [cells, others, _dataset(csv), job.code, sorted(other.key for other in before), number_type]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


_hashes: dict[str, str] = {}


def _dataset(csv: str | None) -> str:
    """Hash of the stories that a run may read: the CSV where there is one, and what comes with the project (results left out)."""
    if str(csv) not in _hashes:
        digest = hashlib.sha256()
        for path in sorted(
            path for path in DATA.rglob("*") if path.is_file() and "results" not in path.relative_to(DATA).parts
        ):
            digest.update(path.read_bytes())
        if csv:
            try:
                with fsspec.open(csv, "rb") as file:
                    digest.update(file.read())
            except FileNotFoundError:
                raise FileNotFoundError(f"STORIES_CSV names {csv}, which is no file. Give the path of a CSV file.") from None
        _hashes[str(csv)] = digest.hexdigest()
    return _hashes[str(csv)]


def _short(value) -> str:
    """A parameter's value as it stands in a run's name."""
    if isinstance(value, list) and len(value) == 1:
        return _short(value[0])
    text = json.dumps(value, separators=(",", ":")) if isinstance(value, (list, dict)) else str(value).rsplit("/", 1)[-1]
    return text if len(text) <= 30 else text[:29] + "…"
