"""Measurements that grow: they go on in the same setting, and figures of two settings never stand in one table.

Written for: a kill between two writes, after which what had been measured in hours was forgotten.
"""

import pandas as pd
import pytest

from helpers.comparison.measurements import begin_measurement, keep_judged, read_measurement

JUDGED = pd.DataFrame({"story_id": ["a", "b"], "predicted": ["Western", "Noir"]})
NONE, COLUMNS = JUDGED[:0], ("story_id",)


def setting(sha256="a" * 64, encoder="small", **facts):
    facts = {"dtype": "float32", "seed": 42, "profile": "cpu", "device": "CPU, 1 thread"} | facts
    return {"dataset": {"sha256": sha256}, "encoder": encoder, "facts": facts}


@pytest.mark.parametrize("same", [{}, {"device": "CPU, 2 threads"}])
def test_it_goes_on_in_the_same_setting(tmp_path, same):
    assert begin_measurement(tmp_path, setting(), COLUMNS).empty
    keep_judged(tmp_path, NONE, JUDGED)
    pd.testing.assert_frame_equal(begin_measurement(tmp_path, setting(**same), COLUMNS), JUDGED)
    pd.testing.assert_frame_equal(read_measurement(tmp_path, {"sha256": "a" * 64}, "cpu"), JUDGED)
    assert read_measurement(tmp_path, {"sha256": "a" * 64}, "t4") is None
    assert read_measurement(tmp_path, {"sha256": "b" * 64}) is None


@pytest.mark.parametrize(
    "other", [{"sha256": "b" * 64}, {"encoder": "large"}, {"dtype": "bfloat16"}, {"seed": 1}, {"profile": "t4"}]
)
def test_another_setting_begins_anew_and_nothing_of_the_former_can_be_read_as_its_own(tmp_path, other):
    begin_measurement(tmp_path, setting(), COLUMNS)
    keep_judged(tmp_path, NONE, JUDGED)
    assert begin_measurement(tmp_path, setting(**other), COLUMNS).empty
    assert read_measurement(tmp_path, setting(**other)["dataset"]) is None, "killed here, it has nothing"


def test_it_begins_anew_when_asked_and_where_a_file_was_cut_short(tmp_path, capsys):
    begin_measurement(tmp_path, setting(), COLUMNS)
    keep_judged(tmp_path, NONE, JUDGED)
    (tmp_path / "predictions.parquet").write_bytes(b"PAR1")
    assert begin_measurement(tmp_path, setting(), COLUMNS).empty
    assert "set aside as predictions.parquet.broken-1" in capsys.readouterr().out
    keep_judged(tmp_path, NONE, JUDGED)
    assert begin_measurement(tmp_path, setting(), COLUMNS, anew=True).empty
    assert read_measurement(tmp_path, {"sha256": "a" * 64}) is None
