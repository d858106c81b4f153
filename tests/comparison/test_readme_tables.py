"""The README's figures are those of the store: computed again from the predictions with scikit-learn alone.

Written for: tables that were copied by hand from a workspace that no longer exists.
"""

import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, f1_score
from sklearn.utils import resample

from helpers.comparison import readme
from helpers.comparison.answering import read_answers
from helpers.comparison.drivers import DRIVERS, drawn_anew, read_drivers
from helpers.comparison.rendering import duration, number, percent, points, to_html, to_markdown
from helpers.comparison.store import SHIPPED
from helpers.config import PROJECT

PROFILE = "cpu"


def tables_of(text):
    """Tables between their marks: by name, a DataFrame of strings without bold."""
    found = {}
    for name, table in re.findall(r"<!-- table: (\w+) -->\n(.*?)<!-- end -->", text, re.DOTALL):
        head, _, *rows = [
            [cell.strip() for cell in line.strip("| ").split("|")] for line in re.sub(r"\*\*", "", table).strip().splitlines()
        ]
        rows = [row + [""] * (len(head) - len(row)) for row in rows]
        found[name] = pd.DataFrame(rows, columns=head)
    return found


def recompute(folder):
    """Figures of one result as the README prints them, from its predictions alone."""
    p = pd.read_parquet(folder / "predictions.parquet")
    folds = [fold for _, fold in p.groupby("fold")]
    accuracy = np.mean([accuracy_score(fold["genre"], fold["predicted"]) for fold in folds])
    f1 = np.mean([f1_score(fold["genre"], fold["predicted"], average="macro", zero_division=0) for fold in folds])
    return {
        "accuracy": f"{100 * accuracy:.1f} %",
        "macro F1": f"{f1:.3f}",
        "top-3": f"{100 * (p['truth_rank'] <= 3).mean():.1f} %",
        "stories judged": f"{len(p):,}",
    }


def test_readme_agrees_with_the_predictions():
    table = tables_of((PROJECT / "README.md").read_text(encoding="utf-8"))["answer"]
    every = {folder.parent: recompute(folder.parent) for folder in (SHIPPED / PROFILE).glob("*/*/metrics.json")}
    shown = table[table["macro F1"] != ""]
    assert len(shown) and set(table.loc[table["macro F1"] == "", "accuracy"]) <= {"not yet in the store"}
    for row in shown.to_dict("records"):
        same = [folder for folder, figures in every.items() if all(row[name] == value for name, value in figures.items())]
        assert same, f"no predictions in data/results give {row}; run make tables"
        low, high = (float(number) for number in re.findall(r"[\d.]+", row["95 % interval"]))
        p = pd.read_parquet(same[0] / "predictions.parquet")
        right = (p["genre"] == p["predicted"]).to_numpy()
        means = [100 * resample(right, random_state=seed).mean() for seed in range(1000)]
        assert np.percentile(means, 2.5) == pytest.approx(low, abs=120 / len(p) ** 0.5 / 10) and np.percentile(
            means, 97.5
        ) == pytest.approx(high, abs=120 / len(p) ** 0.5 / 10)


def test_readme_is_what_make_tables_writes(tmp_path):
    page = tmp_path / "README.md"
    page.write_text((PROJECT / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
    assert readme.write_tables(page, PROFILE) == []
    page.write_text(re.sub(r"\d\d\.\d %", "99.9 %", page.read_text(encoding="utf-8")), encoding="utf-8")
    assert readme.write_tables(page, PROFILE) == ["answer"]
    with pytest.raises(FileNotFoundError, match="make publish"):
        readme.write_tables(page, "nothing")


def test_the_figure_shows_what_is_in_the_store(tmp_path):
    store, results = readme.shipped_results(PROFILE)
    shown = Image.open(PROJECT / readme.FIGURE).info["results"]
    assert shown == readme.figures_shown(store, results), "run make tables"
    assert not readme.write_figure(PROJECT / readme.FIGURE, PROFILE)
    for approach, protocol, accuracy in json.loads(shown)[1]:
        assert recompute(SHIPPED / PROFILE / approach / protocol)["accuracy"] == f"{100 * accuracy:.1f} %"
    assert readme.write_figure(tmp_path / "new.png", PROFILE) and (tmp_path / "new.png").stat().st_size < 300_000


def test_each_row_shows_the_result_that_it_names():
    table = tables_of((PROJECT / "README.md").read_text(encoding="utf-8"))["answer"].set_index("approach")
    manifest = json.loads((SHIPPED / PROFILE / "manifest.json").read_text(encoding="utf-8"))
    for row, approach in (("SetFit, tuned", "setfit_tuned"), ("LLM + head, LoRA", "seqcls_lora_tuned"), ("words", "tfidf_svm")):
        protocols = [name for name in ("five_fold", "seed_split") if f"{approach}/{name}" in manifest["results"]]
        if row in table.index and protocols:
            assert table.loc[row, "accuracy"] == recompute(SHIPPED / PROFILE / approach / protocols[0])["accuracy"]
        elif row in table.index:
            assert table.loc[row, "accuracy"] == "not yet in the store"


def test_what_the_readme_says_of_folds_drawn_anew_is_in_the_store():
    said = " ".join((PROJECT / "README.md").read_text(encoding="utf-8").split())
    facts = json.loads((SHIPPED / PROFILE / DRIVERS / "facts.json").read_text(encoding="utf-8"))
    anew = drawn_anew(read_drivers(SHIPPED / PROFILE, facts["dataset"])).set_index(["model", "folds of seed"])
    for name, words in (
        ("accurate + SetFit (tuned)", "the best reaches"),
        ("words + SetFit (tuned), in 8 bits", "the fast one"),
    ):
        figures = [anew.loc[(name, seed)] for seed in ("7", "2026")]
        shown = " and ".join(f"{accuracy} ({interval.removesuffix(' %')})" for accuracy, interval in figures)
        assert f"{words} {shown}" in said


def test_what_the_readme_says_of_questions_is_in_the_store():
    said = " ".join((PROJECT / "README.md").read_text(encoding="utf-8").split())

    kept = read_answers(SHIPPED / PROFILE).set_index("approach")
    head, instructed = kept.loc["seqcls_lora_tuned"], kept.loc["instruct_lora_tuned_qa"]
    assert f"the LLM with a head answers {percent(head['exact match'])} of {head['questions']} questions" in said
    assert f"the instructed one, which practised, {percent(instructed['exact match'])};" in said
    for asked in (head, instructed):
        assert f"untouched, {percent(asked['base'])}." in said


def test_figures_for_people():
    assert [percent(0.7251), points(-0.013), points(0.024)] == ["72.5 %", "−1.3", "+2.4"]
    assert [number(value) for value in (3349.6, 220.4, 39.04, 0.2634, 0)] == ["3,350", "220", "39", "0.263", "0"]
    assert [duration(value) for value in (0.2, 18, 250, 13560)] == ["0.2 s", "18 s", "4 min", "3.8 h"]


def test_a_table_reads_the_same_as_markdown_and_as_html():
    table = pd.DataFrame({"approach": ["**a | b**", "<c>"], "accuracy": ["**72.5 %**", "not run"]})
    assert to_markdown(table).splitlines()[:3] == ["| approach | accuracy |", "| --- | ---: |", "| **a \\| b** | **72.5 %** |"]
    page = to_html(table)
    assert (
        "<b>a | b</b>" in page and "&lt;c&gt;" in page and '<td align="right" data-label="accuracy"><b>72.5\u00a0%</b>' in page
    )
