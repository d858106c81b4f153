"""Parameters on a command line are papermill's, and paths in them mean where the user stands.

Written for: `LLM=my-model`, which was looked for beside the notebook; and a new parameter that takes a path and was forgotten here.
"""

import argparse
import re

import papermill
import pytest

from helpers.parameters import MODELS, PATHS, absolute, add_arguments, check_known, given
from helpers.series import FOLDER, NOTEBOOKS


def parsed(*words, base):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return given(parser.parse_args([*map(str, words), "--base", str(base)]))


def test_types_and_order_are_papermills(tmp_path):
    (tmp_path / "mine.yaml").write_text("A: 1\nB: [1, 2]\nC: text\nD: 2024-01-01\n")
    found = parsed(
        "-f",
        "mine.yaml",
        "-y",
        "B: {x: 1}",
        "-p",
        "C",
        "3.5",
        "-p",
        "E",
        "True",
        "-p",
        "F",
        "None",
        "-r",
        "G",
        "7",
        base=tmp_path,
    )
    assert found == {"A": 1, "B": {"x": 1}, "C": 3.5, "D": "2024-01-01", "E": True, "F": None, "G": "7"}
    with pytest.raises(ValueError, match="holds str where parameters were expected"):
        parsed("-y", "text", base=tmp_path)


def test_relative_paths_mean_where_the_user_stands(tmp_path):
    (tmp_path / "my-model").mkdir()
    (tmp_path / "smoke").mkdir()
    values = {
        "LLM": "my-model",
        "ENCODER": "owner/name",
        "STORIES_CSV": "a/b.csv",
        "PROFILE": "smoke",
        "SEED": 1,
        "OTHER": "../x",
    }
    values |= {"WORKSPACE": "s3://bucket/place", "LARGE_ENCODER": None}
    assert absolute(values, tmp_path) == values | {
        "LLM": str(tmp_path / "my-model"), "STORIES_CSV": str(tmp_path / "a" / "b.csv"), "OTHER": str(tmp_path.parent / "x"),
    }  # fmt: skip


def test_a_name_that_nobody_knows_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="here: there is no VARIANTE. Did you mean VARIANT"):
        check_known({"VARIANTE": 1}, {"VARIANT", "SEED"}, "here")
    with pytest.raises(ValueError, match="There are SEED, VARIANT"):
        check_known({"XYZ": 1}, {"VARIANT", "SEED"}, "here")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_parameter_that_a_notebook_calls_a_path_is_one(name):
    for parameter, about in papermill.inspect_notebook(FOLDER / f"{name}.ipynb").items():
        if re.search(r"\b(folder|file|path|CSV)\b", about["help"]):
            assert parameter in PATHS | MODELS, f"{parameter} takes a path; add it to helpers/parameters.py"
