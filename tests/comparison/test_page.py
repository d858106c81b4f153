"""The comparison as a page: it renders from whatever is there, and reads well on a desk and on a phone.

Written for: tables with `3.35e+03` and cut remarks, figures that no phone could show, and a notebook that had nothing to say in a fresh clone.
"""

import os
import re
import shutil
import time

import nbformat
import numpy as np
import pandas as pd
import pytest

from helpers import pages, runtime, series, stories
from helpers.comparison.answer import not_run, sentences, which_to_use
from helpers.comparison.answering import read_answers
from helpers.comparison.drivers import DRAWN, DRIVERS
from helpers.comparison.errors import always_wrong, ceiling, family_confusion, genre_f1, near_synonyms, worst_confusions
from helpers.comparison.metrics import predictions_from_scores
from helpers.comparison.paired import compare_all, holm, tied_with_best, ties
from helpers.comparison.store import Store, load_results, save_result
from helpers.comparison.tables import find_best, of_protocol

WIDTHS = (1200, 420)
GENRES = [
    genre for family in ("Comedy", "Crime and thriller", "Horror and the supernatural") for genre in stories.FAMILIES[family]
]


def judged_by(table, genres, skill, seed, fold=-1):
    """Predictions of a classifier that is right as often as its skill says."""
    rng = np.random.default_rng(seed)
    scores = rng.random((len(table), len(genres)))
    for row, genre in enumerate(table["genre"]):
        if rng.random() < skill:
            scores[row, genres.index(genre)] = 2
    return predictions_from_scores(table, scores, genres, fold)


def keep(run, approach, protocol, predictions, facts, **changes):
    about = {"title": approach, "model": "none", "training_set": {"original": 8}, "settings": {}, "train": None}
    return save_result(run, approach, protocol, predictions, dataset=facts, **about | changes)


def filled(run, table, approaches):
    """A workspace's store, with results of approaches and their skills on a table, over five folds and on its first quarter."""
    genres = sorted(table["genre"].unique())
    facts = {"source": "mine.csv", "sha256": "a" * 64, "rows": len(table), "genres": len(genres)}
    for place, (approach, skill) in enumerate(approaches.items()):
        folds = [judged_by(table[table["fold"] == f], genres, skill, 10 * place + f, f) for f in range(5)]
        keep(run, approach, "five_fold", pd.concat(folds, ignore_index=True), facts, latency_ms=10.0 * (place + 1))
        keep(run, approach, "seed_split", judged_by(table.head(len(table) // 4), genres, skill, place), facts)
    return Store(run.workspace / "results", run.profile.name, facts)


def with_folds(genres, each):
    rows = [(f"{genre} {k}", genre, k % 5) for genre in genres for k in range(each)]
    table = pd.DataFrame(rows, columns=["story_id", "genre", "fold"])
    return table.assign(title="", text="Once there was a story of eight words at least. It went on.")


@pytest.fixture
def store(run):
    return filled(
        run,
        with_folds(GENRES, 10),
        {"setfit_tuned": 0.9, "fused_fast": 0.85, "tfidf_svm": 0.3},
    )


def render(workspace, profile="smoke"):
    """Execute 07 in a workspace; returns the seconds that took and the executed notebook."""
    begin = time.process_time()
    series.run(profile, only="07", workspace=workspace)
    return time.process_time() - begin, nbformat.read(workspace / "notebooks" / "07_compare.ipynb", as_version=4)


def said(notebook):
    """All that a notebook's outputs say, as one text."""
    parts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            parts += [output.get("text", ""), data.get("text/html", ""), data.get("text/markdown", "")]
    return "\n".join(parts)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """07, opened first: nothing is in the workspace."""
    folder = tmp_path_factory.mktemp("fresh")
    render(folder, "cpu")
    return folder / "notebooks"


def test_opened_first_it_shows_what_was_shipped_and_says_so(fresh):
    text = said(nbformat.read(fresh / "07_compare.ipynb", as_version=4))
    assert "Shipped with the project, profile cpu" in text and "TF-IDF + linear SVM" in text
    assert not re.search(r"\de[+-]\d\d", text) and "nan" not in text.lower().replace("finance", "")
    assert all((fresh / f"07_compare.{kind}").stat().st_size < 1_500_000 for kind in ("ipynb", "html"))


def test_the_first_cell_and_the_page_answer_before_anything_else(fresh):
    notebook = nbformat.read(fresh / "07_compare.ipynb", as_version=4)
    answer = re.search(r"<!-- answer -->(.*?)<!-- end -->", notebook.cells[0].source, re.DOTALL)[1]
    assert re.search(r"\*\*[^*]+\*\* classifies best of \d+ approaches: \*\*\d+\.\d %\*\*", answer)
    assert "95 % interval" in answer and "python -m helpers.takeaway classify" in answer
    page = (fresh / "07_compare.html").read_text(encoding="utf-8")
    assert page.count("classifies best of") == 1 and "import " not in page and "PROFILE =" not in page
    assert len(re.sub(r"<style>.*?</style>|<[^>]+>", "", page.split("classifies best of")[0], flags=re.DOTALL)) < 1500


def test_every_picture_has_words_and_every_link_a_target(fresh):
    page = (fresh / "07_compare.html").read_text(encoding="utf-8")
    pictures = re.findall(r"<img[^>]*>", page)
    assert len(pictures) >= 6 and all(re.search(r'alt="[^"]{30,}"', picture) for picture in pictures)
    assert all('src="data:image/png' in picture for picture in pictures), "a picture would be missing offline"
    links = re.findall(r'href="#([^"]+)"', page)
    assert len(links) >= 8 and set(links) <= set(re.findall(r'id="([^"]+)"', page))


def test_two_labels_without_families_render_too(tmp_path):
    run = runtime.start("smoke", str(tmp_path))
    table = with_folds(["spam", "ham"], 20)
    filled(run, table, {"tfidf_svm": 0.8})
    _, notebook = render(tmp_path)
    text = said(notebook)
    assert "mine.csv: 40 stories, 2 genres" in text and "not run" in text and "near-synonyms" not in text
    assert not any(output.output_type == "error" for cell in notebook.cells for output in cell.get("outputs", []))


def test_four_genres_of_the_sample_render_with_a_full_store(run):
    table = stories.load_stories(run, genres=4)[0].assign(fold=lambda t: np.arange(len(t)) % 5)
    every = {"fused_setfit": 0.9, "fused_fast": 0.8, "setfit_tuned": 0.85, "seqcls_lora_tuned": 0.7, "zero_shot": 0.4}
    filled(run, table, every)
    runtime.write_json(
        run.workspace / "results" / "seqcls_lora_tuned" / "qa.json",
        {
            "rows": [
                {"": name, "questions": 20, "exact match": figure}
                for name, figure in (("base model", "20.0% (5% to 40%)"), ("adapter on", "0.0% (0% to 0%)"))
            ]
        },
    )
    _, notebook = render(run.workspace)
    assert "Computed in this workspace" in said(notebook) and "accurate + SetFit (tuned)" in said(notebook)


def test_sentences_follow_the_figures(store):
    results, _ = load_results(store)
    winner, luck, cost = sentences(store, results)
    assert winner.startswith("**SetFit (tuned)** classifies best of 3 approaches: **")
    assert (
        "cannot be told from **fast, words + encoder on the opening**" in luck and "the other 1 it is by more than luck" in luck
    )
    assert "10 ms a story" in cost and "takes 20 ms" in cost
    behind = "The best one to take away is **fast, words + encoder on the opening**, 1.9 points behind: "
    assert behind in cost and "--model checkpoints/smoke/classifiers/fast" in cost, (
        "what was tuned is not among those that 06 saves"
    )
    (alone,) = [r for r in results if r["approach"] == "tfidf_svm" and r["protocol"] == "five_fold"]
    assert "nothing to compare it with" in sentences(store, [alone])[1]
    assert sentences(store, [alone])[2].endswith("06 saves classifiers that can be taken away.")
    (fast,) = [r for r in results if r["approach"] == "fused_fast" and r["protocol"] == "five_fold"]
    assert ". Use it: `" in sentences(store, [alone, fast])[2]
    absent = not_run(store, results)
    assert "SetFit (seed)" in set(absent["approach"]) and set(absent["state"]) == {"not run"}
    assert which_to_use(store, results, read_answers(store.folder))["take"].iloc[1] == "SetFit (tuned)"


def test_what_the_winner_reaches_on_folds_drawn_anew_stands_behind_its_figure(store):
    results, _ = load_results(store)
    best = find_best(results)
    judged = best["predictions"].assign(study=DRAWN, model="SetFit (tuned)", value=str(best["facts"]["seed"]))
    all_right, another = judged.assign(value="7", predicted=judged["genre"]), judged.assign(value="2026", model="fast")
    folder = store.folder / DRIVERS
    folder.mkdir()
    pd.concat([judged, all_right, another]).to_parquet(folder / "predictions.parquet")
    runtime.write_json(folder / "facts.json", {"dataset": store.dataset})
    winner = sentences(store, results)[0]
    assert winner.endswith(". On folds drawn anew, on which nothing was chosen, it reaches 100.0 % (seed 7).")


def test_the_quick_one_is_the_pool_where_it_was_run_and_own_labels_need_no_recipe_to_tune(run):
    of = {"fused_setfit": 0.95, "fused_fast_setfit": 0.9, "fused_fast": 0.8, "fused_fast_int8": 0.6}
    store = filled(run, with_folds(GENRES, 10), of)
    results, _ = load_results(store)
    take = which_to_use(store, results, read_answers(store.folder)).set_index("you have")["take"]
    assert take["no GPU, and many stories"] == "words + SetFit (tuned), in 8 bits"
    assert take["labels of your own"] == "fast, words + encoder on the opening, with STORIES_CSV=your.csv"
    assert "**words + SetFit (tuned), in 8 bits** takes " in sentences(store, results)[2]
    quick = [r for r in results if not r["approach"].startswith("fused_setfit")]
    assert "classifiers/fast-setfit stories.csv" in sentences(store, quick)[2]


def test_holm_is_holms():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06]) and holm([0.9, 0.8]) == pytest.approx([1, 1])


def test_joined_are_those_of_which_no_two_can_be_told_apart():
    pairs = pd.DataFrame([("a", "b", 0.5), ("a", "c", 0.01), ("b", "c", 0.6), ("a", "d", 0.001), ("b", "d", 0.01), ("c", "d", 0.02)], columns=["first", "second", "p_holm"])  # fmt: skip
    assert ties(list("abcd"), pairs) == [(0, 1), (1, 2)] and tied_with_best(list("abcd"), pairs) == ["b"]


def test_every_pair_is_compared_on_the_same_stories(store):
    results = of_protocol(load_results(store)[0])
    pairs = compare_all(results)
    assert len(pairs) == 3 and (pairs["n"] == 270).all() and (pairs["p_holm"] >= pairs["p"]).all()


def test_errors_are_counted_where_they_lie(store):
    results = of_protocol(load_results(store)[0])
    best = results[0]["predictions"]
    shares = family_confusion(best)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert list(shares) == ["Comedy", "Crime and thriller", "Horror and the supernatural"]
    f1 = genre_f1(best).set_index("genre")
    assert f1["f1"].is_monotonic_increasing and f1.loc["Comedy", "overlapping"] and not f1.loc["Noir", "overlapping"]
    row = ceiling(results[:1]).iloc[0]
    spies = {"Espionage", "Spy Fiction"}
    same = [(g == p) or {g, p} == spies for g, p in zip(best["genre"], best["predicted"])]
    assert row["two names of one thing count as one"] == f"{100 * np.mean(same):.1f} %"
    table = worst_confusions(best, with_folds(GENRES, 10))
    assert set(table["one that was mixed up begins"]) == {"Once there was a story of eight words at least."}
    hard = always_wrong(results)
    wrong = set.intersection(*(set(r["predictions"].query("genre != predicted")["story_id"]) for r in results))
    assert set(hard["story"]) == wrong


def test_near_synonyms_are_pairs_of_known_genres():
    known = {genre for genres in stories.FAMILIES.values() for genre in genres}
    assert all(len(pair) == 2 and pair <= known for pair in near_synonyms("wider"))
    assert near_synonyms("same") < near_synonyms("wider") and frozenset({"Espionage", "Spy Fiction"}) in near_synonyms("same")


def test_contents_and_answer_are_written_anew():
    notebook = nbformat.v4.new_notebook()
    for source in ("# Title\n\n<!-- answer -->\n<!-- end -->", "## 1 First part", "text", "## 2 And the second"):
        notebook.cells.append(nbformat.v4.new_markdown_cell(source))
    cell = nbformat.v4.new_code_cell("x", metadata={"tags": ["answer"]})
    cell.outputs = [nbformat.v4.new_output("display_data", {"text/markdown": "**fast** wins"})]
    notebook.cells.append(cell)
    for _ in range(2):
        pages.write_contents(notebook)
        pages.write_answer(notebook)
    first = notebook.cells[0].source
    assert first.count("[1 First part](#1-First-part) · [2 And the second](#2-And-the-second)") == 1
    assert first.count("<!-- answer -->\n**fast** wins\n<!-- end -->") == 1


@pytest.fixture(scope="module")
def browser():
    """Chromium without a screen. CI installs it (see .ci/run); elsewhere the tests that need it are skipped where it is missing."""
    selenium = pytest.importorskip("selenium.webdriver")
    if os.environ.get("CI") and not shutil.which("chromedriver"):
        pytest.fail("CI has no browser, though .ci/run installs one")
    if not (shutil.which("chromium") or shutil.which("google-chrome")) or not shutil.which("chromedriver"):
        pytest.skip("no Chromium with its driver on this machine: apt-get install chromium chromium-driver")
    options = selenium.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    driver = selenium.Chrome(options=options, service=selenium.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_in_a_browser(browser, fresh, width):
    """Nothing scrolls sideways, no picture is missing, contents links work, and every wide table lies in a box of its own."""
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get((fresh / "07_compare.html").resolve().as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    too_wide = """
        return [...document.querySelectorAll('table, img, pre, p')].filter(e => !e.closest('.wide') && e.getBoundingClientRect().right > innerWidth + 1)
            .map(e => e.outerHTML.slice(0, 80))"""
    assert browser.execute_script(too_wide) == []
    missing = "return [...document.images].filter(i => !i.complete || i.naturalWidth === 0).map(i => i.alt)"
    assert browser.execute_script(missing) == [] and browser.execute_script("return document.images.length") >= 6
    for link in browser.execute_script(
        "return [...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.getAttribute('href'))"
    ):
        browser.execute_script("document.querySelector(`a[href='${arguments[0]}']`).click()", link)
        top = browser.execute_script(
            "const name = location.hash.slice(1);"  # as the HTML standard has it: as it stands, else decoded
            "return (document.getElementById(name) ?? document.getElementById(decodeURIComponent(name))).getBoundingClientRect().top"
        )
        assert -1 <= top < 900, f"{link} leads nowhere"
    visible = "return [...document.querySelectorAll('h2')].find(h => h.textContent.includes('answer')).getBoundingClientRect().top + scrollY"
    assert browser.execute_script(visible) < 900, "the answer is not on the first screen"


@pytest.mark.parametrize("name", series.NOTEBOOKS[:-1])
def test_no_page_scrolls_sideways_on_a_phone(browser, name, tmp_path):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 420, "height": 900, "deviceScaleFactor": 1, "mobile": True}
    )
    shutil.copy(series.FOLDER / f"{name}.ipynb", tmp_path)
    browser.get(pages.to_html(tmp_path / f"{name}.ipynb").as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 420
