"""Run the notebooks in order through papermill, or record an executed run as the committed notebooks.

Usage:
    python -m helpers.series run --profile smoke
    python -m helpers.series record --workspace checkpoints/smoke
    python -m helpers.series address [owner/name]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import papermill

from helpers import execution, pages, terminal
from helpers.config import PROFILES, PROJECT, REPOSITORY
from helpers.parameters import absolute, add_arguments, check_known, given
from helpers.terminal import clock, relative

NOTEBOOKS = ("01_clean", "02_paraphrase", "03_synthetic_groq", "04_seqcls_lora", "05_instruct_lora", "06_setfit", "07_compare")
FOLDER = PROJECT / "notebooks"
_KEPT_METADATA = ("tags", "cellView")
"""Of a recorded cell: the tag of the parameters, and that Colab folds the setup cell."""


def choose(only: str) -> list[str]:
    """Names of the notebooks whose number or name is in `only` (space or comma separated); all when it is empty.

    Raises:
        ValueError: a name fits no notebook.
    """
    wanted = only.replace(",", " ").split()
    for word in wanted:
        if not any(name == word or name.split("_")[0] == word for name in NOTEBOOKS):
            raise ValueError(f"ONLY={word!r} fits no notebook; choose among {', '.join(NOTEBOOKS)} or their numbers.")
    return [name for name in NOTEBOOKS if not wanted or name in wanted or name.split("_")[0] in wanted]


def run(
    profile: str,
    only: str = "",
    workspace: Path | None = None,
    parameters: dict | None = None,
    base: Path | None = None,
    timeout: int | None = None,
) -> Path:
    """Execute notebooks in order; executed copies and an HTML page of the comparison go to the workspace.

    Args:
        profile: name of a profile.
        only: see `choose`.
        workspace: `checkpoints/<profile>` by default.
        parameters: notebook parameters by notebook name, such as `{"01_clean": {"GENRES": 4}}`; under `""` those of every notebook that
            has them.
        base: the directory that relative paths mean, in `workspace`, in parameters and in `STORIES_CSV`; the current one by default.
        timeout: seconds that one cell may take.

    Returns:
        The folder with the executed notebooks.

    Raises:
        ValueError: no notebook has a parameter.
        SystemExit: a notebook failed; its error is printed, what ran before it is kept.
    """
    base, names, values_of = Path(base or Path.cwd()), choose(only), parameters or {}
    workspace = (base / (workspace or PROJECT / "checkpoints" / profile)).resolve()
    known = {name: papermill.inspect_notebook(FOLDER / f"{name}.ipynb") for name in NOTEBOOKS}
    check_known(
        values_of.get("", {}), {key for of_notebook in known.values() for key in of_notebook}, "parameters of the notebooks"
    )
    out = workspace / "notebooks"
    out.mkdir(parents=True, exist_ok=True)
    if csv := os.environ.get("STORIES_CSV"):
        os.environ["STORIES_CSV"] = str((base / csv).resolve())
    begin, arrivals = time.perf_counter(), terminal.Arrivals(workspace)
    for name in names:
        print(f"=== {name}   ({clock(time.perf_counter() - begin)} so far)", flush=True)
        values = {"PROFILE": profile} | {key: value for key, value in values_of.get("", {}).items() if key in known[name]}
        values = absolute(values | values_of.get(name, {}), base) | {"WORKSPACE": str(workspace)}
        try:
            execution.execute(
                FOLDER / f"{name}.ipynb",
                out / f"{name}.ipynb",
                values,
                log=out / "log.txt",
                cwd=FOLDER,
                echo=sys.stdout,
                timeout=timeout,
            )
        except execution.NotebookFailed as failure:
            print(f"\n{name}: {failure}\nSee {relative(out / name)}.ipynb.", file=sys.stderr)
            raise SystemExit(1) from None
        for result in arrivals.new():
            print(terminal.result_line(result), flush=True)
    print(f"=== done in {clock(time.perf_counter() - begin)}", flush=True)
    if "07_compare" in names:
        terminal.last_screen(workspace, _comparison_page(out / "07_compare.ipynb"))
    return out


def _comparison_page(path: Path) -> Path:
    """Put this run's answer at the top of the executed notebook, and write it as an HTML page; returns the page."""
    notebook = nbformat.read(path, as_version=4)
    pages.write_answer(notebook)
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    return pages.to_html(path)


def record(workspace: Path, only: str = "") -> None:
    """Make executed notebooks the committed ones, with outputs that a reader can use and nothing of the machine.

    Raises:
        ValueError: an output holds an error or an absolute path.
    """
    for name in choose(only):
        notebook = nbformat.read(workspace / "notebooks" / f"{name}.ipynb", as_version=4)
        notebook.cells = [cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
        for number, cell in enumerate(notebook.cells, 1):
            cell.metadata = {key: value for key, value in cell.metadata.items() if key in _KEPT_METADATA and value}
            cell.id = f"cell-{number:02d}"
            if cell.cell_type == "code":
                cell.outputs = [output for output in cell.outputs if not _is_debris(output)]
                if any(output.output_type == "error" for output in cell.outputs):
                    raise ValueError(f"{name}: cell {number} failed; run it again before recording.")
        notebook.metadata = {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
        for number, cell in enumerate([c for c in notebook.cells if c.cell_type == "code"], 1):
            cell.execution_count = number
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = number
        text = nbformat.writes(notebook)
        if found := re.search(r"(?<![\w.:/])/(?:root|home|work|tmp|Users|content)/[\w.-]+", _outputs(notebook)):
            raise ValueError(f"{name}: an output holds the path {found.group()}; outputs must not show the machine.")
        (FOLDER / f"{name}.ipynb").write_text(text + "\n", encoding="utf-8")
        print(f"recorded {name}")


def _is_debris(output) -> bool:
    """Whether an output is a library's chatter or a progress bar, which mean nothing on a page."""
    return output.get("name") == "stderr" or any(
        kind.startswith("application/vnd.jupyter.widget") for kind in output.get("data", {})
    )


def _outputs(notebook) -> str:
    return json.dumps([cell.outputs for cell in notebook.cells if cell.cell_type == "code"])


def address(repository: str = "") -> None:
    """Write the project's public address (`owner/name`) where it is needed: config, badges, setup cells, README.

    Args:
        repository: the address; by default the one of the `origin` remote on GitHub.

    Raises:
        ValueError: it does not look like `owner/name`, or there is no such remote.
    """
    repository = repository or _origin()
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise ValueError(f"{repository!r} is not of the form owner/name.")
    for path in (PROJECT / "helpers" / "config.py", PROJECT / "README.md", *sorted(FOLDER.glob("*.ipynb"))):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(REPOSITORY, repository), encoding="utf-8")
    print(f"The project's address is now {repository}.")


def _origin() -> str:
    """`owner/name` of the `origin` remote, whether it is written as https, ssh or git@."""
    command = ["git", "-C", str(PROJECT), "remote", "get-url", "origin"]
    url = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    found = re.fullmatch(r"(?:\w+://)?(?:[^@/]+@)?github\.com(?::\d+)?[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?", url)
    if not found:
        raise ValueError(
            f"origin is {'at ' + re.sub('//[^@/]*@', '//', url) if url else 'not set'}, which is no address on GitHub; "
            "name it: make address REPOSITORY=owner/name"
        )
    return found.group(1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m helpers.series", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="execute the notebooks in order")
    runs.add_argument("--profile", default="smoke", choices=PROFILES)
    runs.add_argument("--only", default="", help='numbers or names, such as "01 06 07"')
    runs.add_argument("--workspace", type=Path)
    add_arguments(runs)
    runs.add_argument("--parameters", type=json.loads, default={}, help='JSON, such as {"04_seqcls_lora": {"VARIANT": "seed"}}')
    records = commands.add_parser("record", help="make the executed notebooks of a workspace the committed ones")
    records.add_argument("--workspace", type=Path, default=PROJECT / "checkpoints" / "smoke")
    records.add_argument("--only", default="")
    addresses = commands.add_parser("address", help="write the project's public address everywhere")
    addresses.add_argument("repository", nargs="?", default="", help="owner/name; by default that of the origin remote")
    arguments = parser.parse_args()
    try:
        if arguments.command == "run":
            of_all = given(arguments)
            workspace = arguments.workspace or of_all.pop("WORKSPACE", None)
            profile = of_all.pop("PROFILE", arguments.profile)
            of_each = arguments.parameters | {"": arguments.parameters.get("", {}) | of_all}
            run(profile, arguments.only, workspace, of_each, arguments.base, arguments.execution_timeout)
        elif arguments.command == "record":
            record(arguments.workspace, arguments.only)
        else:
            address(arguments.repository)
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
