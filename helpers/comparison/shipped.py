"""Results that travel with the project: copied from a workspace to `data/results/<profile>/`, without story texts and scores.

Usage:
    python -m helpers.comparison.shipped publish --workspace checkpoints/cpu
    python -m helpers.comparison.shipped prune
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd

from helpers.comparison.approaches import APPROACHES, MEASURED
from helpers.comparison.store import MANIFEST, SCHEMA, SHIPPED, Store, load_results, newest
from helpers.config import PROFILES, PROJECT, VERSION
from helpers.workspace import write_json

COLUMNS = ["story_id", "fold", "genre", "predicted", "truth_rank", "top5", "top5_scores"]
"""Of a prediction table that travels; nothing else of it does."""
BESIDE = ("trials.json", "qa.json")
"""What lies beside an approach's protocols and travels with it."""
OF_THE_MACHINE = re.compile(r"(?<![\w.:/])/(?:root|home|work|tmp|Users|content)/[\w.-]+")
"""A path on somebody's machine, which nothing that is published may show."""


def publish(workspace: Path, profile: str, notebooks: tuple[str, ...] = (), shipped: Path = SHIPPED) -> Path | None:
    """Copy a workspace's results to the project, beside those that are there; what was made again takes the old one's place.

    Args:
        workspace: whose `results/` are copied: those of the dataset that was judged last.
        profile: whose results are copied, and the name of the folder.
        notebooks: numbers of the notebooks whose results are copied; empty for all.
        shipped: folder with a folder a profile.

    Returns:
        The profile's folder in the project; None if none of these notebooks has left a result.

    Raises:
        FileNotFoundError: the workspace has no results of this profile, though every notebook's are asked for.
        ValueError: the project's are on another dataset, an approach is in no registry, or a file shows a path of the machine.
    """
    store, target = newest(workspace / "results", profile), shipped / profile
    if store is None:
        raise FileNotFoundError(
            f"{workspace.name} holds no results of the profile {profile}; run the notebooks 04 to 06 first."
        )
    manifest = read_manifest(target)
    if manifest and manifest["dataset"]["sha256"] != store.dataset["sha256"]:
        raise ValueError(
            f"data/results/{profile} holds results on another dataset ({manifest['dataset']['source']}); remove that folder first, "
            "or give the profile's results a workspace of their own."
        )
    results, _ = load_results(store)
    unknown = sorted({r["approach"] for r in results} - set(APPROACHES))
    if unknown:
        raise ValueError(
            f"{', '.join(unknown)}: no notebook makes these; add a line for each to helpers/comparison/approaches.py."
        )
    results = [r for r in results if not notebooks or APPROACHES[r["approach"]].notebook in notebooks]
    measured = [name for name, notebook in MEASURED.items() if (not notebooks or notebook in notebooks) and _same(store, name)]
    if not results and not measured:
        return None
    for result in results:
        source = store.folder / result["approach"]
        folder = target / result["approach"] / result["protocol"]
        folder.mkdir(parents=True, exist_ok=True)
        _compact(result.pop("predictions")).to_parquet(folder / "predictions.parquet", index=False, compression="zstd")
        write_json(folder / "metrics.json", result)
        for name in BESIDE:
            if (source / name).exists():
                shutil.copyfile(source / name, folder.parent / name)
    for name in measured:
        (target / name).mkdir(parents=True, exist_ok=True)
        for path in (store.folder / name).iterdir():
            if path.suffix == ".parquet":
                _compact(pd.read_parquet(path), others=True).to_parquet(
                    target / name / path.name, index=False, compression="zstd"
                )
            elif path.suffix in (".json", ".csv"):
                shutil.copyfile(path, target / name / path.name)
    write_manifest(target, profile, store.dataset)
    for path in (*target.rglob("*.json"), *target.rglob("*.csv")):
        if found := OF_THE_MACHINE.search(path.read_text(encoding="utf-8")):
            raise ValueError(f"{path.relative_to(shipped)} shows the path {found.group()}; results must not show the machine.")
    return target


def _same(store: Store, name: str) -> bool:
    """Whether the store holds a measurement of this profile, and on this dataset where it says on which."""
    path = store.folder / name / "facts.json"
    if not path.exists():
        return False
    content = json.loads(path.read_text(encoding="utf-8"))
    dataset = content.get("dataset", store.dataset)
    return dataset["sha256"] == store.dataset["sha256"] and content.get("facts", content)["profile"] == store.profile


def _compact(predictions: pd.DataFrame, others: bool = False) -> pd.DataFrame:
    """A prediction table as it travels: its own columns alone (or all, of a measurement), scores with four digits, which is what readers see of them."""
    if not others:
        predictions = predictions[COLUMNS]
    if "top5_scores" not in predictions:
        return predictions
    rounded = [[float(f"{score:.4g}") for score in scores] for scores in predictions["top5_scores"]]
    return predictions.assign(top5_scores=rounded)


def read_manifest(folder: Path) -> dict | None:
    """What a profile's folder says of itself; None if it is not there."""
    file = folder / MANIFEST
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def write_manifest(folder: Path, profile: str, dataset: dict) -> None:
    """Write what a profile's folder holds: on which dataset, by which version, when, and where and in which number type it was computed."""
    results, _ = load_results(Store(folder, profile, dataset))
    lines = {
        f"{r['approach']}/{r['protocol']}": {
            "created_at": r["created_at"],
            "device": r["facts"]["device"],
            "dtype": r["facts"]["dtype"],
        }
        for r in sorted(results, key=lambda r: (r["approach"], r["protocol"]))
    }
    content = {
        "schema": SCHEMA,
        "profile": profile,
        "project_version": VERSION,
        "published_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "dataset": dataset,
        "devices": sorted({line["device"] for line in lines.values()}),
        "dtypes": sorted({line["dtype"] for line in lines.values()}),
        "results": lines,
        "measured": sorted(name for name in MEASURED if (folder / name).is_dir()),
    }
    write_json(folder / MANIFEST, content)


def prune(shipped: Path = SHIPPED) -> list[str]:
    """Remove from the project what no notebook makes any more; returns the folders that went, as `<profile>/<approach>`."""
    gone = []
    for folder in sorted(path for path in shipped.glob("*/*") if path.is_dir()):
        if folder.name not in APPROACHES and folder.name not in MEASURED:
            shutil.rmtree(folder)
            gone.append(folder.relative_to(shipped).as_posix())
    for target in shipped.iterdir():
        if (manifest := read_manifest(target)) and any(name.startswith(f"{target.name}/") for name in gone):
            write_manifest(target, manifest["profile"], manifest["dataset"])
    return gone


def main() -> None:
    """Publish or prune, and say what was done."""
    parser = argparse.ArgumentParser(prog="python -m helpers.comparison.shipped", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    published = commands.add_parser("publish", help="copy a workspace's results into the project")
    published.add_argument("--profile", default="cpu", choices=PROFILES)
    published.add_argument("--workspace", type=Path, help="checkpoints/<profile> by default")
    published.add_argument("--only", default="", help='numbers of notebooks, such as "04 06"')
    commands.add_parser("prune", help="remove from the project what no notebook makes any more")
    arguments = parser.parse_args()
    if arguments.command == "publish":
        workspace = arguments.workspace or PROJECT / "checkpoints" / arguments.profile
        only = tuple(word.split("_")[0] for word in arguments.only.replace(",", " ").split())
        try:
            target = publish(workspace, arguments.profile, only)
        except (FileNotFoundError, ValueError) as error:
            parser.exit(1, f"{error}\n")
        print(
            f"published to {target.relative_to(PROJECT)}" if target else "nothing to publish: these notebooks left no results"
        )
    else:
        gone = prune()
        print("\n".join(f"removed {name}" for name in gone) or "everything that is shipped is made by a notebook")


if __name__ == "__main__":
    main()
