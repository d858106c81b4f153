"""A grid is read, and all of it checked, before anything is run.

Written for: parameters that were spelled wrong and only warned about in a log, paths that meant the folder of the notebook instead of that of the
user, and finished runs that were run again, or were not although the notebook had changed.
"""

import hashlib

import nbformat
import pytest
import test_notebooks
import yaml
from tiny_notebooks import write_notebook

from helpers.batches.grid import read_grid
from helpers.batches.report import reached, told
from helpers.config import PROJECT


@pytest.fixture
def grid(notebooks):
    """Writes a grid into the folder where the user stands and reads it from there."""

    def read(content, **given):
        (notebooks / "grid.yaml").write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return read_grid("grid.yaml", notebooks, **given)

    return read


def test_every_combination_is_a_run(grid, notebooks):
    jobs = grid({"workspace": "kept", "runs": [{"notebook": "steps.ipynb", "grid": {"NUMBER": [1, 2], "STEPS": [5, 6, 7]}}]})
    assert [job.parameters for job in jobs] == [{"NUMBER": n, "STEPS": s} for n in (1, 2) for s in (5, 6, 7)]
    assert jobs[0].name == "steps NUMBER=1 STEPS=5" and len({job.key for job in jobs}) == 6
    assert {job.workspace for job in jobs} == {str(notebooks / "kept")}


def test_the_projects_notebooks_go_by_number_and_common_parameters_to_those_that_have_them(grid):
    jobs = grid(
        {"parameters": {"PROFILE": "smoke", "LLM": "some/model"}, "runs": [{"notebook": "01"}, {"notebook": "04_seqcls_lora"}]}
    )
    assert [job.notebook for job in jobs] == [str(PROJECT / "notebooks" / f"{n}.ipynb") for n in ("01_clean", "04_seqcls_lora")]
    assert "LLM" not in jobs[0].parameters and jobs[1].parameters["LLM"] == "some/model"
    assert jobs[0].workspace == str(PROJECT / "checkpoints" / "smoke")


def test_a_workspace_may_hold_parameters(grid, notebooks):
    jobs = grid({"workspace": "kept/{NUMBER}", "runs": [{"notebook": "good.ipynb", "grid": {"NUMBER": [1, 2]}}]})
    assert [job.workspace for job in jobs] == [str(notebooks / "kept" / number) for number in "12"]
    assert jobs[0].folder != jobs[1].folder
    same = [{"notebook": "good.ipynb", "workspace": "kept/a"}, {"notebook": "good.ipynb", "workspace": "kept/b"}]
    assert len(grid({"runs": same})) == 2, "the same run in two workspaces is two runs"
    with pytest.raises(ValueError, match=r"run 1 \(good\).*asks for SEED"):
        grid({"workspace": "kept/{SEED}", "runs": [{"notebook": "good.ipynb"}]})


def test_relative_paths_mean_where_the_user_stands(grid, notebooks):
    (notebooks / "my-model").mkdir()
    (notebooks / "mine.csv").write_text("text,label\n")
    values = {
        "PROFILE": "smoke",
        "LLM": "my-model",
        "ENCODER": "some/encoder",
        "STORIES_CSV": "mine.csv",
        "WORKSPACE": "../kept",
    }
    first, last = grid({"parameters": values, "runs": [{"notebook": "01"}, {"notebook": "06"}]})
    assert first.parameters["STORIES_CSV"] == str(notebooks / "mine.csv")
    assert last.parameters["LLM"] == str(notebooks / "my-model") and last.parameters["ENCODER"] == "some/encoder"
    assert last.parameters["PROFILE"] == "smoke" and last.workspace == str(notebooks.parent / "kept")


def test_what_is_given_on_the_command_line_wins(grid):
    content = {
        "workspace": "kept",
        "runs": [{"notebook": "steps.ipynb", "grid": {"STEPS": [5, 6]}, "parameters": {"NUMBER": 1}}],
    }
    assert [job.parameters for job in grid(content, given={"STEPS": 9})] == [{"NUMBER": 1, "STEPS": 9}]


def test_a_run_knows_what_must_be_finished_before(grid):
    runs = [{"notebook": "good.ipynb", "id": "first", "grid": {"NUMBER": [1, 2]}}, {"notebook": "steps.ipynb"}]
    runs += [
        {"notebook": "good.ipynb", "after": ["first"]},
        {"notebook": "steps.ipynb", "after": "all", "parameters": {"STEPS": 1}},
    ]
    one, two, three, four, five = grid({"workspace": "kept", "runs": runs})
    assert not one.after and not three.after and four.after == (one.folder, two.folder)
    assert five.after == (one.folder, two.folder, three.folder, four.folder)


@pytest.mark.parametrize(
    "content, message",
    [
        ("runs: []", "holds no runs"),
        ("[1, 2]", "holds no runs"),
        ({"runs": [{"notebok": "01"}]}, "run 1: there is no notebok. Did you mean notebook"),
        ({"run": 1, "runs": [{"notebook": "01"}]}, "the grid: there is no run. Did you mean runs"),
        ({"runs": ["01"]}, "run 1: '01' is no mapping"),
        ({"runs": [{"id": "a"}]}, "run 1: names no notebook"),
        ({"runs": [{"notebook": "nothing"}]}, "'nothing' is no notebook"),
        ({"workspace": "w", "runs": [{"notebook": "good.ipynb", "grid": {"NUMBRE": [1]}}]}, r"run 1 \(good\), parameters: there is no NUMBRE. Did you mean NUMBER"),
        ({"workspace": "w", "parameters": {"LLMM": 1}, "runs": [{"notebook": "04"}]}, "parameters of its notebooks: there is no LLMM. Did you mean LLM"),
        ({"workspace": "w", "runs": [{"notebook": "good.ipynb", "grid": {"NUMBER": 3}}]}, "NUMBER needs a list of values"),
        ({"workspace": "w", "runs": [{"notebook": "good.ipynb", "after": "bad"}]}, "'bad' is not the notebook or id of a run above it"),
        ({"workspace": "w", "runs": [{"notebook": "good.ipynb", "only": "folds"}]}, "no cell has the tag 'folds'"),
        ({"runs": [{"notebook": "good.ipynb"}]}, "give the grid a workspace"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_anything_runs(grid, content, message):
    with pytest.raises(ValueError, match=message):
        grid(content)


def test_missing_files_are_named(grid, notebooks):
    with pytest.raises(FileNotFoundError, match=f"no notebook other.ipynb; relative paths mean {notebooks}"):
        grid({"workspace": "w", "runs": [{"notebook": "other.ipynb"}]})
    with pytest.raises(FileNotFoundError, match="STORIES_CSV names .*none.csv"):
        grid({"parameters": {"PROFILE": "smoke", "STORIES_CSV": "none.csv"}, "runs": [{"notebook": "01"}]})


def test_a_run_is_another_when_what_it_depends_on_changes(grid, notebooks, monkeypatch):
    content = {"workspace": "kept", "runs": [{"notebook": "steps.ipynb"}, {"notebook": "good.ipynb", "after": "steps"}]}
    before, after = (job.key for job in grid(content))
    node = nbformat.read(notebooks / "steps.ipynb", as_version=4)
    node.cells[1].outputs = [nbformat.v4.new_output("stream", text="an output")]
    nbformat.write(node, notebooks / "steps.ipynb")
    assert [job.key for job in grid(content)] == [before, after], "outputs do not count"
    node.cells[1].source += "\n# another line"
    nbformat.write(node, notebooks / "steps.ipynb")
    changed = [job.key for job in grid(content)]
    assert changed[0] != before and changed[1] != after, "nor may what comes after be skipped"
    assert [job.key for job in grid(content, given={"NUMBER": 1})] != changed
    monkeypatch.setattr("helpers.batches.grid.code_version", lambda: hashlib.sha256(b"other").hexdigest())
    assert not set(changed) & {job.key for job in grid(content)}


def test_a_run_is_another_on_another_dataset(grid, notebooks, monkeypatch):
    content = {"parameters": {"PROFILE": "smoke"}, "runs": [{"notebook": "01"}]}
    keys = [grid(content)[0].key]
    for text in ("text,label\n", "text,label\na,b\n"):
        name = f"{len(keys)}.csv"
        (notebooks / name).write_text(text)
        monkeypatch.setenv("STORIES_CSV", name)
        (job,) = grid(content)
        assert job.environment["STORIES_CSV"] == str(notebooks / name)
        keys.append(job.key)
        assert grid(content, given={"STORIES_CSV": name})[0].key == job.key, "given either way it is the same dataset"
    assert len(set(keys)) == 3


def test_a_job_of_some_cells_skips_the_others(grid, notebooks):
    write_notebook(notebooks / "parts.ipynb", "NUMBER = 0", "a = 1", "b = 2", "c = 3", tags={1: "folds", 3: "folds"})
    (job,) = grid({"workspace": "kept", "runs": [{"notebook": "parts.ipynb", "only": "folds"}]})
    tags = [cell.metadata.get("tags", []) for cell in nbformat.reads(job.source, 4).cells]
    assert tags == [["parameters"], ["folds"], ["skip-execution"], ["folds"]]


@pytest.mark.parametrize("name", ["04_seqcls_lora", "06_setfit"])
def test_the_cells_of_a_fold_need_no_other(name):
    notebook = nbformat.read(PROJECT / "notebooks" / f"{name}.ipynb", as_version=4)
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    top = next(number for number, cell in enumerate(codes) if "parameters" in cell.metadata.get("tags", []))
    notebook.cells = codes[: top + 1] + [cell for cell in codes[top + 1 :] if "folds" in cell.metadata.get("tags", [])]
    keeps = {"04_seqcls_lora": "save_fold", "06_setfit": "keep_setfit"}
    assert any(keeps[name] in cell.source for cell in notebook.cells)
    test_notebooks.test_every_name_is_bound_before_it_is_read(notebook)


def test_a_run_of_many_results_is_told_in_one_line_the_best_first():
    """06 stores some forty; each was named on the screen."""
    of = [("five_fold", 0.6), ("five_fold", 0.7), ("seed_split", 0.9), ("seed_split", 0.8), ("five_fold", 0.65)]
    row = {"name": "06", "seconds": 61}
    row["results"] = [{"title": f"{a:.0%}", "protocol": p, "metrics": {"accuracy": a}} for p, a in of]
    best = "70%, five fold 70.0 %; 65%, five fold 65.0 %; 60%, five fold 60.0 %"
    assert told(row) == f"06  1:01  {best}; and 2 more"
    assert reached(row) == f"{best}; 90%, seed split 90.0 %; 80%, seed split 80.0 %"
