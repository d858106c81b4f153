"""The terminal shows what came of a run: a line for each new result, and a last screen of ten.

Written for: forty lines in the order of folders, titles running out of their column.
"""

import io
import json

import pytest

from helpers import terminal


def write_result(workspace, approach, protocol, accuracy, title=None, **changes):
    folder = workspace / "results" / approach / protocol
    folder.mkdir(parents=True, exist_ok=True)
    metrics = {
        "n": 1000 if protocol == "five_fold" else 100,
        "accuracy": accuracy,
        "accuracy_low": accuracy - 0.1,
        "accuracy_high": accuracy + 0.1,
    }
    cost = {"train": {"seconds": 75.0}, "predict": None, "latency_ms": 3350.4}
    result = {
        "approach": approach,
        "title": title or approach,
        "protocol": protocol,
        "metrics": metrics | {"f1_macro": 0.5},
        "cost": cost,
    }
    (folder / "metrics.json").write_text(json.dumps(result | changes))


def screen(workspace, **options) -> list[str]:
    text = io.StringIO()
    terminal.last_screen(workspace, console=terminal.wide_console(file=text), **options)
    return text.getvalue().splitlines()


def test_results_are_told_once_when_they_come(tmp_path):
    write_result(tmp_path, "old", "seed_split", 0.5)
    arrivals = terminal.Arrivals(tmp_path)
    assert arrivals.new() == []
    write_result(tmp_path, "new", "five_fold", 0.725)
    write_result(tmp_path, "old", "seed_split", 0.6)
    (first, second) = arrivals.new()
    assert {first["approach"], second["approach"]} == {"new", "old"} and arrivals.new() == []
    line = terminal.result_line(next(r for r in (first, second) if r["approach"] == "new"))
    assert "new" in line and "5-fold" in line and "72.5 % (62 to 82)" in line and len(line) < 110


def test_the_last_screen_is_ten_at_most_best_first_and_aligned(tmp_path):
    for number in range(14):
        title = "an approach with a very long title that would push every column aside" if number == 3 else None
        write_result(tmp_path, f"approach-{number:02d}", "seed_split", 0.1 + number / 20, title)
    write_result(tmp_path, "approach-00", "five_fold", 0.895)
    lines = screen(tmp_path)
    rows = [line for line in lines if "├" in line]
    assert len(rows) == 10 and "and 4 more" in "\n".join(lines)
    assert rows[0].startswith("approach-00") and "5-fold, 1,000" in rows[0], "five folds say more than the seed split"
    assert [row.index("├") < row.index("●") < row.index("┤") for row in rows] == [True] * 10
    assert len({row.index(" %") for row in rows}) == 1 and max(map(len, lines)) <= 160
    assert all("1:15" in row and "3,350" in row for row in rows)
    assert "same stories" in "\n".join(lines)


def test_costs_that_were_not_measured_are_left_empty(tmp_path):
    write_result(tmp_path, "quick", "seed_split", 0.5, cost={"train": None, "predict": None, "latency_ms": None})
    assert "None" not in "\n".join(screen(tmp_path))


def test_without_results_there_is_only_the_page(tmp_path):
    assert screen(tmp_path, page=terminal.PROJECT / "checkpoints" / "page.html") == [
        "The whole comparison: checkpoints/page.html"
    ]


@pytest.mark.parametrize(
    "low, high, point, drawn", [(0, 1, 0.5, "├────●────┤"), (0.5, 0.5, 0.5, "·····●·····"), (-0.2, 0.1, 0, "●┤·········")]
)
def test_an_interval_as_characters(low, high, point, drawn):
    assert terminal.bar(low, high, point, 11) == drawn
