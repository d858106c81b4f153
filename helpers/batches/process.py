"""The process of one run: papermill and its kernel. Started by `work`, which writes the order to it and reads what it says.

python -m helpers.batches.process < order.json
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

sys.modules.setdefault(
    "rfc3987_syntax", None
)  # jsonschema would compile a grammar with it, which takes longer than all the rest

import nbformat
import papermill

from helpers import execution
from helpers.batches.grid import code_version
from helpers.series import FOLDER


def say(**about) -> None:
    """One line of JSON for the worker."""
    print(json.dumps(about), flush=True)


def main(order: dict) -> None:
    """Execute the notebook of an order, and say how it ended.

    The order is a `Job` as a dict, with the notebook itself under `source`, and as `workspace` and `folder` two folders of this machine.
    """
    folder, workspace = Path(order["folder"]), Path(order["workspace"])
    notebook = nbformat.reads(order["source"], as_version=4)
    parameters = order["parameters"]
    cost, error = execution.Cost(), None
    try:
        if "WORKSPACE" in papermill.inspect_notebook(nbformat.from_dict(notebook)):
            parameters = parameters | {"WORKSPACE": str(workspace)}
        if (here := code_version()) != order["code"]:
            what = (
                f"this worker has another version of helpers/ ({here[:8]}) than the grid was started with ({order['code'][:8]})"
            )
            raise execution.NotebookFailed("other code", None, "", "other code", what)
        execution.execute(
            notebook,
            folder / "notebook.ipynb",
            parameters,
            log=folder / "log.txt",
            cwd=next(folder for folder in (Path(order["directory"]), FOLDER) if folder.is_dir()),
            timeout=order["timeout"],
            on_cell=lambda number, count: say(cell=[number, count]),
            cost=cost,
        )
        if order["record"]:
            kept = workspace / "notebooks" / Path(order["notebook"]).name
            kept.parent.mkdir(exist_ok=True)
            shutil.copyfile(folder / "notebook.ipynb", kept)
    except execution.NotebookFailed as failure:
        error = {name: getattr(failure, name) for name in ("kind", "cell", "line", "name", "value")}
    except Exception as failure:  # a notebook that cannot be read or has no kernel: the grid goes on with the others
        error = {"kind": "not begun", "cell": None, "line": "", "name": type(failure).__name__, "value": str(failure)}
    state = "failed" if error else "finished"
    say(
        outcome={
            "state": state,
            "error": error,
            "results": results_of(workspace, folder.name),
            "peak_gb": round(cost.peak_gb, 2),
        }
    )


def results_of(workspace: Path, run: str) -> list[dict]:
    """What a run put into the results of its workspace, told by `facts.grid_run`."""
    found = []
    for path in sorted(workspace.glob("results/*/*/metrics.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        if result.get("facts", {}).get("grid_run") == run:
            kept = {name: result[name] for name in ("approach", "protocol", "title")}
            metrics = {
                name: result["metrics"].get(name) for name in ("n", "accuracy", "accuracy_low", "accuracy_high", "f1_macro")
            }
            found.append(kept | {"metrics": metrics})
    return found


if __name__ == "__main__":
    execution.die_with_parent()
    main(json.load(sys.stdin))
