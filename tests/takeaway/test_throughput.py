"""The command on larger and larger tables.

Written for: a benchmark that looked the same thousand stories up in a cache, a hundred times.
"""

from helpers.benchmarks import throughput


def test_rows_are_classified_each_for_itself_in_a_process_of_its_own(folder, fitted, tmp_path):
    _, _, others = fitted
    found = throughput.prediction(folder, others, tmp_path, (40, 120))
    assert found["stories"].tolist() == [40, 120] and (found["ms a story"] > 0.5).all()
    assert 0.1 < found["peak GB"].min() and found["peak GB"].max() < found["peak GB"].min() + 0.1
    assert not list(tmp_path.glob("*.csv"))
    throughput._write(others, 60, tmp_path / "sixty.csv")
    texts = (tmp_path / "sixty.csv").read_text(encoding="utf-8")
    assert texts.count("Number ") >= 60 and "Number 59. " in texts
