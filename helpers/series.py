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
from traitlets.config import Config

from helpers.config import PROFILES, PROJECT, REPOSITORY
from helpers.measuring import clock
from helpers.runtime import relative

NOTEBOOKS = ("01_clean", "02_paraphrase", "03_synthetic_groq", "04_seqcls_lora", "05_instruct_lora", "06_setfit", "07_compare")
FOLDER = PROJECT / "notebooks"
_QUIET_KERNEL = Config({"KernelManager": {"transport": "ipc" if os.name == "posix" else "tcp"}})
"""Kernels talk through files of the user's own; over TCP, Jupyter warns of everyone who can listen, once a notebook."""
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


def run(profile: str, only: str = "", workspace: Path | None = None, parameters: dict | None = None) -> Path:
    """Execute notebooks in order; executed copies and an HTML page of the comparison go to the workspace.

    Args:
        profile: name of a profile.
        only: see `choose`.
        workspace: `checkpoints/<profile>` by default.
        parameters: notebook parameters by notebook name, such as `{"01_clean": {"GENRES": 4}}`; under `""` those of every notebook that
            has them.

    Returns:
        The folder with the executed notebooks.

    Raises:
        SystemExit: a notebook failed; its error is printed, what ran before it is kept.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    workspace = Path(workspace or PROJECT / "checkpoints" / profile).resolve()
    out = workspace / "notebooks"
    out.mkdir(parents=True, exist_ok=True)
    os.environ |= {"HEADLESS": "1", "PYTHONWARNINGS": "ignore", "TOKENIZERS_PARALLELISM": "false"}
    if csv := os.environ.get("STORIES_CSV"):
        os.environ["STORIES_CSV"] = str(Path(csv).resolve())
    begin = time.perf_counter()
    names = choose(only)
    for name in names:
        print(f"=== {name}   ({clock(time.perf_counter() - begin)} so far)", flush=True)
        values = {"PROFILE": profile, "WORKSPACE": str(workspace)}
        known = papermill.inspect_notebook(FOLDER / f"{name}.ipynb")
        values |= {key: value for key, value in (parameters or {}).get("", {}).items() if key in known}
        values |= (parameters or {}).get(name, {})
        try:
            papermill.execute_notebook(
                FOLDER / f"{name}.ipynb",
                out / f"{name}.ipynb",
                parameters=values,
                cwd=str(FOLDER),
                kernel_name="python3",
                language="python",
                stdout_file=sys.stdout,
                stderr_file=sys.stderr,
                progress_bar=False,
                config=_QUIET_KERNEL,
            )
        except PapermillExecutionError as error:
            print(f"\n{name} failed: {error.ename}: {error.evalue}\nSee {relative(out / name)}.ipynb.", file=sys.stderr)
            raise SystemExit(1) from None
    print(f"=== done in {clock(time.perf_counter() - begin)}", flush=True)
    if "07_compare" in names:
        page = _to_html(out / "07_compare.ipynb")
        _print_leaderboard(workspace)
        print(f"The rendered comparison: {relative(page)}")
    return out


def _to_html(notebook: Path) -> Path:
    from nbconvert import HTMLExporter

    body, _ = HTMLExporter(exclude_input_prompt=True, exclude_output_prompt=True).from_filename(str(notebook))
    page = notebook.with_suffix(".html")
    page.write_text(body, encoding="utf-8")
    return page


def _print_leaderboard(workspace: Path) -> None:
    for path in sorted((workspace / "results").glob("*/*/metrics.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        m = result["metrics"]
        print(
            f"{result['title']:<45} {result['protocol']:<11} accuracy {m['accuracy']:6.1%}  "
            f"({m['accuracy_low']:.1%} to {m['accuracy_high']:.1%})  macro F1 {m['f1_macro']:.3f}  top-3 {m['top3']:.1%}"
        )


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
    runs.add_argument("--parameters", type=json.loads, default={}, help='JSON, such as {"04_seqcls_lora": {"VARIANT": "seed"}}')
    records = commands.add_parser("record", help="make the executed notebooks of a workspace the committed ones")
    records.add_argument("--workspace", type=Path, default=PROJECT / "checkpoints" / "smoke")
    records.add_argument("--only", default="")
    addresses = commands.add_parser("address", help="write the project's public address everywhere")
    addresses.add_argument("repository", nargs="?", default="", help="owner/name; by default that of the origin remote")
    arguments = parser.parse_args()
    if arguments.command == "run":
        run(arguments.profile, arguments.only, arguments.workspace, arguments.parameters)
    elif arguments.command == "record":
        record(arguments.workspace, arguments.only)
    else:
        address(arguments.repository)


if __name__ == "__main__":
    main()
