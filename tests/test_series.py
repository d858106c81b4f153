"""The whole series, headless, on a tiny subset with the real models; and the commands around it.

Written for: notebooks that work alone and not in a row.
"""

import json
import subprocess

import nbformat
import pandas as pd
import pytest
from tiny_models import causal

from helpers import series
from helpers.benchmarks.gpu.standins import build_tokenizer
from helpers.comparison.approaches import APPROACHES

TINY = {
    "": {"LLM": "unsloth/gemma-3-270m"},
    "01_clean": {"GENRES": 4},
    "04_seqcls_lora": {"STORY_TOKENS": 32, "EPOCHS": 1, "QUESTIONS": 4},
    "05_instruct_lora": {"STORY_TOKENS": 32, "EPOCHS": 1, "QUESTIONS": 4, "QA_EXAMPLES": 6},
    "06_setfit": {"SETFIT_TRIALS": [{"titles": 0}]},
}
MORE = {
    "04_seqcls_lora": {"FIVE_FOLDS": True, "TRIALS": [{"lora_alpha": 64}]},
    "05_instruct_lora": {"TRIALS": [{"use_rslora": True}]},
}
"""Further trainings of the tiny LLM."""


@pytest.fixture(scope="class")
def workspace(request, tmp_path_factory):
    """Where the series has run in the number type of the class."""
    folder = tmp_path_factory.mktemp("series")
    parameters, for_all = dict(TINY), TINY[""] | {"DTYPE": request.cls.dtype}
    if request.cls.dtype == "bf16":
        parameters |= {name: TINY[name] | more for name, more in MORE.items()}
        tokenizer = build_tokenizer()
        causal(tokenizer).save_pretrained(folder / "tiny")
        tokenizer.save_pretrained(folder / "tiny")
        for_all["LLM"] = str(folder / "tiny")
    series.run("smoke", workspace=folder, parameters=parameters | {"": for_all})
    return folder


class OfTheSeries:
    """What holds after every run of the series."""

    dtype: str

    def test_every_result_names_the_number_type_that_was_asked_for(self, workspace):
        wanted = "bfloat16" if self.dtype == "bf16" else "float32"
        facts = [json.loads(path.read_text())["facts"] for path in workspace.glob("results/*/*/metrics.json")]
        assert facts and {fact["dtype"] for fact in facts} == {wanted}

    def test_a_parameter_for_all_goes_to_those_that_have_it(self, workspace):
        given = {}
        for name in ("01_clean", "06_setfit"):
            cells = nbformat.read(workspace / "notebooks" / f"{name}.ipynb", as_version=4).cells
            given[name] = next(cell.source for cell in cells if "injected-parameters" in cell.metadata.get("tags", []))
        assert "LLM" in given["06_setfit"] and "LLM" not in given["01_clean"] and "PROFILE" in given["01_clean"]

    def test_every_approach_has_a_result(self, workspace):
        found = {
            path.parent.parent.name: json.loads(path.read_text())
            for path in (workspace / "results").glob("*/seed_split/metrics.json")
        }
        wanted = {
            "seqcls_untrained", "seqcls_frozen", "seqcls_lora_tuned", "instruct_untrained", "instruct_lora_tuned_qa", "tfidf_svm", "encoder_logreg", "setfit_seed", "setfit_tuned",
        }  # fmt: skip
        assert wanted <= set(found)
        assert all(found[name]["metrics"]["n"] == 4 and found[name]["dataset"]["genres"] == 4 for name in wanted)
        assert all(
            found[name]["cost"]["train"]["seconds"] > 0
            for name in ("seqcls_lora_tuned", "instruct_lora_tuned_qa", "setfit_seed", "setfit_tuned", "tfidf_svm")
        )

    def test_every_result_is_of_an_approach_in_the_registry(self, workspace):
        """What `make publish` would refuse, and `make prune` remove."""
        found = {path.parent.parent.name for path in (workspace / "results").glob("*/*/metrics.json")}
        assert found <= set(APPROACHES)

    def test_all_approaches_trained_on_the_same_stories(self, workspace):
        sets = {
            name: json.loads((workspace / "results" / name / "seed_split" / "metrics.json").read_text())["training_set"]
            for name in ("seqcls_lora_tuned", "instruct_lora_tuned_qa", "tfidf_svm", "fused", "setfit_tuned")
        }
        assert {counts["original"] for counts in sets.values()} == {32}
        assert sets["seqcls_lora_tuned"] == sets["instruct_lora_tuned_qa"]
        assert sets["setfit_tuned"]["synthetic"] > 0 and sets["setfit_tuned"]["paraphrase"] == 0

    def test_folds_judge_every_story_once(self, workspace):
        table = pd.read_parquet(workspace / "stories.parquet")
        found = {
            path.parent.parent.name: pd.read_parquet(path) for path in workspace.glob("results/*/five_fold/predictions.parquet")
        }
        wanted = {"tfidf_svm", "encoder_logreg", "llm_logreg", "setfit_tuned"}
        if self.dtype == "bf16":
            wanted |= {"seqcls_lora_tuned"}
        assert wanted | {"fused_fast", "fused", "fused_setfit", "fused_fast_setfit"} <= set(found)
        for predictions in found.values():
            assert sorted(predictions["story_id"]) == sorted(table["story_id"])

    def test_scores_of_the_folds_are_kept(self, workspace):
        folder = workspace / "results" / ("seqcls_lora_tuned" if self.dtype == "bf16" else "setfit_tuned") / "five_fold"
        scores, predictions = (pd.read_parquet(folder / f"{name}.parquet") for name in ("scores", "predictions"))
        assert scores["story_id"].tolist() == predictions["story_id"].tolist()
        assert scores.set_index("story_id").idxmax(axis=1).tolist() == predictions["predicted"].tolist()

    def test_question_answering_is_checked_with_both_adapters(self, workspace):
        for name in ("seqcls_lora_tuned", "instruct_lora_tuned_qa"):
            rows = json.loads((workspace / "results" / name / "qa.json").read_text())["rows"]
            assert [row[""] for row in rows] == ["base model", "adapter on", "adapter off"]
            assert rows[0] | {"": ""} == rows[2] | {"": ""} and rows[0]["questions"] == 4

    def test_choices_are_judged_on_validation(self, workspace):
        changes = {"setfit_tuned": "titles"}
        if self.dtype == "bf16":
            changes |= {"seqcls_lora_tuned": "lora_alpha", "instruct_lora_tuned_qa": "use_rslora"}
        for name, change in changes.items():
            as_it_is, changed = json.loads((workspace / "results" / name / "trials.json").read_text())["trials"]
            assert as_it_is["change"] == {} and change in changed["change"]
            assert len(changed["losses"]) == 4 and changed["losses"] != as_it_is["losses"]

    def test_the_comparison_is_rendered(self, workspace):
        page = (workspace / "notebooks" / "07_compare.html").read_text(encoding="utf-8")
        assert "SetFit" in page and "not run" in page and "<img" in page

    def test_executed_notebooks_can_be_recorded(self, workspace, tmp_path, monkeypatch):
        monkeypatch.setattr(series, "FOLDER", tmp_path)
        series.record(workspace)
        for name in series.NOTEBOOKS:
            notebook = nbformat.read(tmp_path / f"{name}.ipynb", as_version=4)
            assert not any("injected-parameters" in cell.metadata.get("tags", []) for cell in notebook.cells)
            assert "papermill" not in notebook.metadata
            setup = next(cell for cell in notebook.cells if cell.cell_type == "code")
            assert setup.metadata["cellView"] == "form", "Colab folds the setup cell"
            assert all(set(cell.metadata) <= {"cellView", "tags"} for cell in notebook.cells)


class TestFp32(OfTheSeries):
    """With the real small LLM."""

    dtype = "fp32"


class TestBf16(OfTheSeries):
    """With a tiny LLM, as only the type matters."""

    dtype = "bf16"


def test_part_of_the_series():
    assert series.choose("01 06,07_compare") == ["01_clean", "06_setfit", "07_compare"]
    assert series.choose("") == list(series.NOTEBOOKS)
    with pytest.raises(ValueError, match="fits no notebook"):
        series.choose("08")


def test_a_failing_notebook_stops_with_its_error(tmp_path, capsys):
    with pytest.raises(SystemExit):
        series.run("smoke", only="04", workspace=tmp_path)
    assert "Run notebook 01_clean first" in capsys.readouterr().err


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A project with the placeholder in its files."""
    (tmp_path / "helpers").mkdir()
    (tmp_path / "notebooks").mkdir()
    for path in ("helpers/config.py", "README.md", "notebooks/01_clean.ipynb"):
        (tmp_path / path).write_text(f"at {series.REPOSITORY}!")
    monkeypatch.setattr(series, "PROJECT", tmp_path)
    monkeypatch.setattr(series, "FOLDER", tmp_path / "notebooks")
    return tmp_path


def written(folder):
    return {(folder / path).read_text() for path in ("helpers/config.py", "README.md", "notebooks/01_clean.ipynb")}


def test_the_address_is_written_everywhere(elsewhere):
    series.address("me/mine")
    assert written(elsewhere) == {"at me/mine!"}
    with pytest.raises(ValueError, match="owner/name"):
        series.address("nonsense")


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/me/mine.git",
        "https://github.com/me/mine",
        "https://me:a-token@github.com/me/mine/",
        "git@github.com:me/mine.git",
        "ssh://git@github.com:22/me/mine.git",
    ],
)
def test_the_address_may_come_from_the_origin_remote(elsewhere, url):
    subprocess.run(["git", "init", "-q", str(elsewhere)], check=True)
    subprocess.run(["git", "-C", str(elsewhere), "remote", "add", "origin", url], check=True)
    series.address()
    assert written(elsewhere) == {"at me/mine!"}


@pytest.mark.parametrize(
    "url", [None, "https://me:a-token@example.org/me/mine.git", "../mine", "https://notgithub.com/me/mine"]
)
def test_an_origin_that_is_no_address_on_github_is_told(elsewhere, url):
    subprocess.run(["git", "init", "-q", str(elsewhere)], check=True)
    if url:
        subprocess.run(["git", "-C", str(elsewhere), "remote", "add", "origin", url], check=True)
    with pytest.raises(ValueError, match="make address REPOSITORY=owner/name") as error:
        series.address()
    assert "a-token" not in str(error.value)
    assert written(elsewhere) == {f"at {series.REPOSITORY}!"}
