"""The results store: `results/<approach>/<protocol>/` in a workspace, and `data/results/<profile>/...` as shipped with the project.

Both have the same layout, written down in `data/results/README.md`. Notebooks write to their workspace; 07 reads the workspace, or, where it
holds nothing for this dataset and profile, what was shipped.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd
import torch

from helpers.comparison.metrics import compute_metrics
from helpers.config import DATA, PROFILES, VERSION
from helpers.measuring import Cost
from helpers.runtime import DTYPES, Run
from helpers.stories import FACTS
from helpers.workspace import MARKER, read_json, read_whole, set_aside, write_json, write_table

PROTOCOLS = {"seed_split": "seed split", "five_fold": "5-fold"}
SCHEMA = 2
"""Version of the store's form. 2 adds the project's `version` and `cost.latency_threads` to 1, which is still read."""
SHIPPED = DATA / "results"
MANIFEST = "manifest.json"


def result_folder(run: Run, approach: str, protocol: str) -> Path:
    """Folder of one approach under one protocol: `results/<approach>/<protocol>/`."""
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol {protocol!r} does not exist; choose one of {', '.join(PROTOCOLS)}.")
    return run.workspace / "results" / approach / protocol


def save_result(
    run: Run,
    approach: str,
    protocol: str,
    predictions: pd.DataFrame,
    *,
    title: str,
    model: str,
    dataset: dict,
    training_set: dict,
    settings: dict,
    train: Cost | None = None,
    predict: Cost | None = None,
    latency_ms: float | None = None,
    latency_threads: int | None = None,
    notes: str = "",
    scores: pd.DataFrame | None = None,
    log: list[dict] | None = None,
) -> dict:
    """Write `metrics.json` and `predictions.parquet` of one approach under one protocol, and return the former.

    Args:
        approach: name of the folder, such as `tfidf_svm`.
        protocol: `seed_split` or `five_fold`.
        predictions: prediction table.
        title: the approach's name for people.
        model: the pretrained model, or `none`.
        dataset: facts of the dataset, from `helpers.stories.read_stories`.
        training_set: rows trained on, by source: `{"original": 800, "paraphrase": 0, ...}`.
        settings: hyperparameters.
        train, predict: measured costs.
        latency_ms: one story alone, median, in milliseconds.
        latency_threads: how many threads that took; None for those of this process.
        notes: one sentence for readers of the comparison.
        scores: DataFrame (stories, 1 + genres) with `story_id` first; kept for stacking.
        log: training log, one dict a step.
    """
    folder = result_folder(run, approach, protocol)
    keep_another(run, folder, dataset)
    for name in (
        "metrics.json",
        "scores.parquet",
        "training_log.csv",
    ):  # the first comes last, and vouches for what stands beside it
        (folder / name).unlink(missing_ok=True)
    write_table(folder / "predictions.parquet", predictions)
    if scores is not None:
        write_table(folder / "scores.parquet", scores)
    if log:
        write_table(folder / "training_log.csv", pd.DataFrame(log))
    result = {
        "schema": SCHEMA,
        "version": VERSION,
        "approach": approach,
        "title": title,
        "protocol": protocol,
        "model": model,
        "notes": notes,
        "dataset": {key: dataset[key] for key in ("source", "sha256", "rows", "genres")},
        "training_set": training_set,
        "settings": settings,
        "metrics": compute_metrics(predictions),
        "cost": {
            "train": dataclasses.asdict(train) if train else None,
            "predict": dataclasses.asdict(predict) if predict else None,
            "latency_ms": latency_ms,
            "latency_threads": (latency_threads or torch.get_num_threads()) if latency_ms is not None else None,
        },
        "facts": run.facts,
        "created_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    write_json(folder / "metrics.json", result)
    return result


def keep_another(run: Run, folder: Path, dataset: dict) -> None:
    """Set aside, told, what another dataset, profile, number type or version left in a folder that a result is written to now."""
    old, mine = read_metrics(folder / "metrics.json"), _whose(dataset, run.facts)
    for part in sorted(folder.glob("folds/*.json")):
        if not old and (content := read_json(part)):
            old = {"schema": SCHEMA, "dataset": content["about"]["dataset"], "facts": content["facts"]}
    theirs = _whose(old["dataset"], old["facts"]) if old and not outdated(old) else {}
    if old and theirs != mine:
        aside = set_aside(folder, run.workspace / "earlier-results" / f"{folder.parent.name}-{folder.name}")
        why = [f"{what} {value}" for what, value in theirs.items() if mine[what] != value] or [
            "another version of this project"
        ]
        print(
            f"{folder.parent.name}, {PROTOCOLS[folder.name]}: the result of {', '.join(why)} is kept in {aside.parent.name}/{aside.name}."
        )


def _whose(dataset: dict, facts: dict) -> dict:
    return {"dataset": dataset["sha256"][:8], "profile": facts["profile"], "number type": facts.get("dtype")}


_FORM = {"approach", "protocol", "title", "dataset", "facts", "metrics", "cost", "created_at"}


def read_metrics(path: Path) -> dict:
    """One `metrics.json` in the form of today; one of another form is returned as it is, and `outdated` says what to do about it.

    Empty where there is none, or where it was cut short.
    """
    result = read_json(path) or {}
    if not outdated(result) and not _FORM <= result.keys():
        return {}
    if result.get("schema") == 1:
        result |= {"schema": SCHEMA, "version": "", "cost": result["cost"] | {"latency_threads": None}}
    return result


def outdated(result: dict) -> str:
    """What to do about a result whose form cannot be read; empty if it can."""
    if not result:
        return "was cut short; run its notebook again"
    schema = result.get("schema", 0)
    if schema > SCHEMA:
        return f"written by a newer version of this project (form {schema}, this one reads {SCHEMA}); update the project"
    return "" if schema in (1, SCHEMA) else "written by another version of this project; run its notebook again"


@dataclass(frozen=True)
class Store:
    """A folder of results on one dataset, of one profile.

    Attributes:
        folder: holds `<approach>/<protocol>/metrics.json`.
        profile: whose results are read; those of another are left out.
        dataset: facts of the dataset; results on another are left out.
        dtypes: number types that may stand side by side; None for any. A workspace keeps one for each kind of device.
        shipped: whether they came with the project, instead of from a workspace.
        about: one sentence for the reader: whose results these are.
    """

    folder: Path
    profile: str
    dataset: dict
    shipped: bool = False
    about: str = ""
    dtypes: frozenset[str] | None = None

    def left_out(self, result: dict) -> str:
        """Why a stored result may not stand beside those of this dataset and profile; empty if it may."""
        if why := outdated(result):
            return why
        if result["dataset"]["sha256"] != self.dataset["sha256"]:
            return f"judged on another dataset ({result['dataset']['sha256'][:8]})"
        if result["facts"]["profile"] != self.profile:
            return f"run with profile {result['facts']['profile']}"
        if self.dtypes and result["facts"].get("dtype") not in self.dtypes:
            return f"computed in {result['facts'].get('dtype')}, this workspace in {' and '.join(sorted(self.dtypes))} (DTYPE)"
        return ""


def _dtypes(run: Run) -> frozenset[str]:
    """Number types whose results may stand side by side: the run's own, and those that the workspace keeps for other kinds of device."""
    kept = (read_json(run.workspace / MARKER) or {}).get("dtype", {})
    others = {
        str(DTYPES[name]).removeprefix("torch.")
        for device, name in kept.items()
        if device != run.device.type and name in DTYPES
    }
    return frozenset({run.facts["dtype"], *others})


def read_result(run: Run, approach: str, protocol: str, dataset: dict) -> dict | None:
    """One approach's result with its `predictions`, and `scores` and training `log` where they were kept; None if this dataset and profile have none."""
    folder = result_folder(run, approach, protocol)
    result = read_metrics(folder / "metrics.json")
    if Store(run.workspace / "results", run.profile.name, dataset, dtypes=_dtypes(run)).left_out(result):
        return None
    for name in ("predictions", "scores"):
        if (table := _read_table(folder / f"{name}.parquet")) is not None:
            result[name] = table
    if "predictions" not in result:
        return None
    if (folder / "training_log.csv").exists():
        result["log"] = [row.dropna().to_dict() for _, row in pd.read_csv(folder / "training_log.csv").iterrows()]
    return result


def load_results(store: Store) -> tuple[list[dict], list[str]]:
    """Read every result in a store that belongs to its dataset and profile.

    Returns:
        Results with their prediction table under `predictions`, best accuracy first, and one sentence for each left out.
    """
    kept, left_out = [], []
    for path in sorted(store.folder.glob("*/*/metrics.json")):
        result = read_metrics(path)
        title, protocol = result.get("title", path.parent.parent.name), PROTOCOLS.get(path.parent.name, "?")
        if why := store.left_out(result):
            left_out.append(f"{title} ({protocol}): {why}")
        elif (predictions := _read_table(path.parent / "predictions.parquet")) is None:
            left_out.append(f"{title} ({protocol}): has no whole predictions; run its notebook again")
        else:
            kept.append(result | {"predictions": predictions})
    kept.sort(key=lambda result: -result["metrics"]["accuracy"])
    return kept, left_out


def _read_table(path: Path) -> pd.DataFrame | None:
    return read_whole(path, lambda: pd.read_parquet(path))


def newest(folder: Path, profile: str, sha256: str | None = None, dtypes: frozenset[str] | None = None) -> Store | None:
    """A workspace's results of one profile, on the given dataset, or on the one that was judged last; None where there are none.

    Args:
        folder: `results/` of a workspace.
        profile: whose results count.
        sha256: of the dataset; None for any.
        dtypes: number types whose results count; None for any.
    """
    found = [read_metrics(path) for path in folder.glob("*/*/metrics.json") if path.with_name("predictions.parquet").exists()]
    found = [r for r in found if not dtypes or r.get("facts", {}).get("dtype") in dtypes]
    found = [r for r in found if not outdated(r) and r["facts"]["profile"] == profile]
    found = [r for r in found if sha256 in (None, r["dataset"]["sha256"])]
    if not found:
        return None
    return Store(folder, profile, max(found, key=lambda result: result["created_at"])["dataset"], dtypes=dtypes)


def open_store(run: Run, shipped: Path = SHIPPED) -> Store:
    """What 07 shows: the workspace's results; where it has none for its dataset and profile, those that were shipped.

    Args:
        run: the running notebook. Where its workspace has stories, only results on these count as its own.
        shipped: folder with a folder a profile; that of the run's own profile is taken if there is one, else the first of t4, cpu, smoke.

    Raises:
        FileNotFoundError: there is neither.
    """
    file = run.workspace / FACTS
    stories = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    if own := newest(run.workspace / "results", run.profile.name, stories and stories["sha256"], _dtypes(run)):
        return dataclasses.replace(own, about=f"Computed in this workspace, profile {own.profile}.")
    order = sorted(PROFILES, key=lambda name: (name != run.profile.name, list(PROFILES).index(name) * -1))
    found = [shipped / name for name in order if (shipped / name / MANIFEST).exists()]
    if not found:
        raise FileNotFoundError(
            f"There are no results of the profile {run.profile.name} in this workspace, and none came with the project. Run any of "
            "the notebooks 04 to 06 first, with the same PROFILE and WORKSPACE."
        )
    manifest = json.loads((found[0] / MANIFEST).read_text(encoding="utf-8"))
    about = f"Shipped with the project, profile {manifest['profile']}: this workspace has no results of the profile {run.profile.name} yet"
    about += f" on its own stories ({stories['source']})." if stories else "."
    return Store(found[0], manifest["profile"], manifest["dataset"], True, about)
