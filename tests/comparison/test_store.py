"""Results that travel: what is copied from a workspace, what 07 shows where it holds nothing, and which forms are read.

Written for: figures that nobody could recompute, because the workspace that they came from was gone.
"""

import json

import pandas as pd
import pytest
from sklearn.metrics import accuracy_score
from test_results import FACTS, predictions, save, score_table

from helpers import runtime
from helpers.comparison import shipped
from helpers.comparison.approaches import APPROACHES, KINDS
from helpers.comparison.export import as_model_index, export
from helpers.comparison.metrics import compute_metrics
from helpers.comparison.store import SCHEMA, SHIPPED, Store, load_results, open_store, read_result, save_result
from helpers.config import VERSION


@pytest.fixture
def project(tmp_path):
    """A folder that stands for the project's `data/results`."""
    return tmp_path / "shipped"


@pytest.fixture
def frame():
    return predictions(["A", "A", "B", "C"], ["A", "B", "B", "B"])


def publish(run, project, *notebooks):
    return shipped.publish(run.workspace, run.profile.name, notebooks, project)


def test_what_travels_has_no_scores_and_no_texts_and_gives_the_same_figures(run, project, frame):
    scores = score_table(frame, [[0.5, 0.3, 0.2]] * 4, ["A", "B", "C"])
    about = {"title": "x", "model": "none", "dataset": FACTS, "training_set": {}, "settings": {}}
    saved = save_result(run, "tfidf_svm", "seed_split", frame.assign(text="a story"), scores=scores, **about)
    for name in ("trials", "qa"):
        runtime.write_json(run.workspace / "results" / "tfidf_svm" / f"{name}.json", {"rows": []})
    folder = publish(run, project)
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*.*")} == {
        "manifest.json", "tfidf_svm/trials.json", "tfidf_svm/qa.json", "tfidf_svm/seed_split/metrics.json", "tfidf_svm/seed_split/predictions.parquet",
    }  # fmt: skip
    (travelled,), _ = load_results(Store(folder, "smoke", FACTS))
    assert list(travelled["predictions"]) == shipped.COLUMNS
    assert compute_metrics(travelled["predictions"]) == saved["metrics"] == travelled["metrics"]
    manifest = shipped.read_manifest(folder)
    assert (manifest["dataset"], manifest["project_version"], manifest["profile"]) == (FACTS, VERSION, "smoke")
    assert manifest["devices"] == [run.facts["device"]] and manifest["dtypes"] == ["float32"] and manifest["published_at"]


def test_publishing_again_renews_some_and_keeps_the_rest(run, project, frame):
    save(run, "tfidf_svm", frame)
    save(run, "setfit_seed", frame)
    publish(run, project)
    better = predictions(["A", "A", "B", "C"], ["A", "A", "B", "B"])
    save(run, "tfidf_svm", better)
    save(run, "seqcls_frozen", better)
    folder = publish(run, project, "06")  # notebook 04's result stays at home
    results, _ = load_results(Store(folder, "smoke", FACTS))
    assert {r["approach"]: r["metrics"]["accuracy"] for r in results} == {"tfidf_svm": 0.75, "setfit_seed": 0.5}
    assert publish(run, project, "02") is None


def test_another_dataset_never_lands_beside_what_is_shipped(run, project, frame):
    save(run, "tfidf_svm", frame)
    publish(run, project)
    save(run, "tfidf_svm", frame, facts=FACTS | {"sha256": "b" * 64})
    with pytest.raises(ValueError, match="another dataset"):
        publish(run, project)


def test_nothing_of_the_machine_and_nothing_unknown_is_published(run, project, frame):
    with pytest.raises(FileNotFoundError, match="holds no results"):
        publish(run, project)
    save(run, "mine", frame)
    with pytest.raises(ValueError, match="approaches.py"):
        publish(run, project)
    (run.workspace / "results" / "mine").rename(run.workspace / "gone")
    about = {"title": "x", "dataset": FACTS, "training_set": {}, "settings": {}}
    save_result(run, "tfidf_svm", "seed_split", frame, model="/home/me/model", **about)
    with pytest.raises(ValueError, match="must not show the machine"):
        publish(run, project)


def test_what_no_notebook_makes_any_more_is_removed(run, project, frame):
    save(run, "tfidf_svm", frame)
    save(run, "setfit_seed", frame)
    folder = publish(run, project)
    (folder / "setfit_seed").rename(folder / "setfit_of_old")
    assert shipped.prune(project) == ["smoke/setfit_of_old"]
    assert not (folder / "setfit_of_old").exists() and list(shipped.read_manifest(folder)["results"]) == [
        "tfidf_svm/seed_split"
    ]
    assert shipped.prune(project) == []


def test_the_workspace_comes_first_and_what_was_shipped_second(run, project, frame):
    with pytest.raises(FileNotFoundError, match="notebooks 04 to 06"):
        open_store(run, project)
    save(run, "tfidf_svm", frame)
    own = open_store(run, project)
    assert not own.shipped and own.about.startswith("Computed in this workspace") and own.dataset == FACTS
    publish(run, project)
    runtime.write_json(
        run.workspace / "stories.json", {"source": "mine.csv", "sha256": "c" * 64}
    )  # stories that nothing was run on yet
    other = open_store(run, project)
    assert other.shipped and "Shipped with the project" in other.about and "mine.csv" in other.about
    assert [r["approach"] for r in load_results(other)[0]] == ["tfidf_svm"]


def test_another_profile_is_shown_and_named_where_its_own_was_never_shipped(run, project, frame, tmp_path):
    save(run, "tfidf_svm", frame)
    publish(run, project)
    elsewhere = runtime.start("cpu", str(tmp_path / "another"))
    shown = open_store(elsewhere, project)
    assert shown.shipped and shown.profile == "smoke" and "profile smoke" in shown.about


def test_the_previous_form_is_read_and_others_say_what_to_do(run, frame):
    save(run, "tfidf_svm", frame)
    file = run.workspace / "results" / "tfidf_svm" / "seed_split" / "metrics.json"
    now = json.loads(file.read_text())
    assert now["schema"] == SCHEMA == 2 and now["version"] == VERSION
    first = {name: value for name, value in now.items() if name != "version"} | {"schema": 1}
    del first["cost"]["latency_threads"]
    runtime.write_json(file, first)
    (read,), _ = load_results(Store(run.workspace / "results", "smoke", FACTS))
    assert read["version"] == "" and read["cost"]["latency_threads"] is None and read["metrics"] == now["metrics"]
    assert read_result(run, "tfidf_svm", "seed_split", FACTS)["metrics"] == now["metrics"]
    for schema, advice in ((0, "run its notebook again"), (SCHEMA + 1, "update the project")):
        runtime.write_json(file, now | {"schema": schema})
        results, left_out = load_results(Store(run.workspace / "results", "smoke", FACTS))
        assert not results and advice in left_out[0]
        assert read_result(run, "tfidf_svm", "seed_split", FACTS) is None


def test_exports_have_the_forms_of_mteb_and_of_a_model_index(run, project, frame, tmp_path):
    folds = pd.concat([predictions(["A", "B"], ["A", "B"], ["0", "1"], 0), predictions(["A", "B"], ["A", "A"], ["2", "3"], 1)])
    save(run, "tfidf_svm", frame)
    save(run, "tfidf_svm", folds, protocol="five_fold")
    store = open_store(run, project)
    assert export(store, tmp_path / "out") == 4
    home = tmp_path / "out" / "mteb" / "tfidf_svm" / VERSION
    (scores,) = json.loads((home / "StoryGenresFiveFold.json").read_text())["scores"]["test"]
    assert scores["main_score"] == scores["accuracy"] == 0.75
    assert [fold["accuracy"] for fold in scores["scores_per_experiment"]] == [1.0, 0.5]
    of_split = json.loads((home / "StoryGenresSeedSplit.json").read_text())
    assert of_split["dataset_revision"] == FACTS["sha256"] and of_split["scores"]["test"][0]["hf_subset"] == "default"
    card = (tmp_path / "out" / "model-index" / "tfidf_svm.md").read_text()
    assert "model-index:" in card and "type: text-classification" in card
    index = as_model_index(load_results(store)[0]).to_dict()["model-index"][0]["results"]
    assert {metric["value"] for entry in index for metric in entry["metrics"] if metric["type"] == "accuracy"} == {0.5, 0.75}


def test_every_notebooks_approach_has_a_line_and_a_kind():
    assert {approach.kind for approach in APPROACHES.values()} <= set(KINDS)
    assert {approach.notebook for approach in APPROACHES.values()} == {"04", "05", "06"}


@pytest.mark.parametrize("folder", sorted(path.parent for path in SHIPPED.glob("*/manifest.json")), ids=lambda path: path.name)
def test_what_is_shipped_is_what_its_manifest_says_and_nothing_more(folder):
    manifest = shipped.read_manifest(folder)
    results, left_out = load_results(Store(folder, folder.name, manifest["dataset"], shipped=True))
    assert not left_out and {f"{r['approach']}/{r['protocol']}" for r in results} == set(manifest["results"])
    for r in results:
        assert list(r["predictions"]) == shipped.COLUMNS and len(r["predictions"]) == r["metrics"]["n"]
        folds = [accuracy_score(p["genre"], p["predicted"]) for _, p in r["predictions"].groupby("fold")]
        assert sum(folds) / len(folds) == pytest.approx(r["metrics"]["accuracy"])
    assert not [
        name
        for name in (path.name for path in folder.iterdir() if path.is_dir())
        if name not in {*APPROACHES, *shipped.MEASURED}
    ]
    assert not any(shipped.OF_THE_MACHINE.search(path.read_text(encoding="utf-8")) for path in folder.rglob("*.json"))
