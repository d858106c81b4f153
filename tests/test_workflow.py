"""What GitHub runs on every push, and what the requirements promise.

Written for: lower bounds that nobody had tried (scipy 1.11 lacks an argument that is used here, SetFit 1.1.3 does not import with transformers 5),
and a workflow that would call what the Makefile does not have.
"""

import re

import pytest
import versions
import yaml

from helpers.config import PROJECT, REPOSITORY

WORKFLOW = PROJECT / ".github" / "workflows" / "ci.yml"


def make_targets():
    text = (PROJECT / "Makefile").read_text()
    return set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE).group(1).split())


def test_the_workflow_runs_what_the_makefile_has():
    job = yaml.safe_load(WORKFLOW.read_text())["jobs"]["make"]
    asked = [word for targets in job["strategy"]["matrix"]["targets"] for word in re.sub(r'\w+="[^"]*"', "", targets).split()]
    assert set(asked) <= make_targets()
    assert {"lint", "test", "run", "test-colab", "test-versions"} <= set(asked)
    assert job["steps"][-1]["run"] == "make ${{ matrix.targets }}"
    assert job["steps"][1]["with"]["cache"] == "pip"


def test_the_workflow_tries_both_ends_of_the_versions_on_three_pythons():
    text = WORKFLOW.read_text()
    assert {f"{python}-{choice}" for python in ("3.10", "3.12", "3.13") for choice in ("lowest", "newest")} <= set(
        re.findall(r"3\.\d+-\w+", text)
    )


def test_the_badge_uses_the_projects_address():
    assert f"https://github.com/{REPOSITORY}/actions/workflows/ci.yml/badge.svg" in (PROJECT / "README.md").read_text(
        encoding="utf-8"
    )


def test_lower_bounds_are_what_the_lowest_job_installs():
    bounds = versions.lower_bounds()
    assert len(bounds) == sum(">=" in line for line in (PROJECT / "requirements.txt").read_text().splitlines())
    assert all(re.fullmatch(r"[\w-]+==[\d.]+\.\*", bound) for bound in bounds)


def test_the_fast_tests_are_there():
    assert all((PROJECT / "tests" / name).exists() for name in versions.FAST)


@pytest.mark.parametrize("pair", ["3.14-lowest"])
def test_a_python_that_is_not_there_is_skipped_and_named(pair, monkeypatch, capsys):
    monkeypatch.setattr(versions, "find_python", lambda version: None)
    monkeypatch.setattr("sys.argv", ["versions.py", pair])
    with pytest.raises(SystemExit) as stopped:
        versions.main()
    assert not stopped.value.code and "skipped: Python 3.14 is not on this machine" in capsys.readouterr().out
