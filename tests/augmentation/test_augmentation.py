"""Augmentation: nothing is asked twice, nothing bad is kept, and nothing of a held-out story gets into training."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from groq_server import KEY, MODELS, GroqServer
from kill_run import OpenGates

from helpers import models, runtime, stories
from helpers.augmentation import endpoint, gates
from helpers.augmentation.asking import run_plan
from helpers.augmentation.closeness import similarity_bounds
from helpers.augmentation.endpoint import ChatEndpoint
from helpers.augmentation.faults import ProviderError
from helpers.augmentation.gates import Gates, Verdict
from helpers.augmentation.journal import FIELDS, key_of, read_rows
from helpers.augmentation.planning import estimate, genre_needs, plan, words_to_ask
from helpers.augmentation.recorded import RecordedAnswers
from helpers.augmentation.rows import COLUMNS, JOURNALS, SOURCES, count_sources, training_set
from helpers.augmentation.stripping import strip_answer
from helpers.augmentation.targets import Answer, Target
from helpers.augmentation.trial import measure_gates
from helpers.augmentation.wording import genre_named
from helpers.augmentation.worth import TRAINING_SETS, TUNED_WORTH, WORTH, measure_worth, read_worth
from helpers.representations import lexical, sentences

GENRES = ["Animal Fiction", "Mystery", "Nautical Fiction", "Space Opera", "Sports", "Western"]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Sixty stories of the sample corpus, in six genres."""
    table, _ = stories.validate(stories.read_csv(stories.SAMPLE_CSV))
    table = table[table["genre"].isin(GENRES)].reset_index(drop=True)
    table["text_clean"] = table["text"].map(stories.clean_text)
    return stories.add_split_and_folds(table)[0]


@pytest.fixture(scope="module")
def records() -> list[dict]:
    lines = (stories.DATA / "sample_augmentations.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["genre"] in GENRES]


@pytest.fixture(scope="module")
def encoder_run(tmp_path_factory):
    run = runtime.start("smoke", str(tmp_path_factory.mktemp("encoder")))
    return run, *models.load_encoder(run)


@pytest.fixture
def run(tmp_path):
    return SimpleNamespace(workspace=tmp_path)


@pytest.fixture(autouse=True)
def headless(monkeypatch):
    monkeypatch.setenv("HEADLESS", "1")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(endpoint, "PAUSE", 0.02)
    monkeypatch.setattr("groq._base_client.INITIAL_RETRY_DELAY", 0.01)
    with GroqServer(answer=lambda body: f"Answer to: {body['messages'][0]['content']}") as server:
        yield server


def write_journal(run, task: str, rows: list[dict]) -> None:
    defaults = dict.fromkeys(FIELDS, "") | {"status": "accepted", "slot": 1, "prompt_id": "p", "model": "m", "parent_id": None}
    lines = [json.dumps(defaults | {"task": task} | row) + "\n" for row in rows]
    (run.workspace / JOURNALS[task]).write_text("".join(lines), encoding="utf-8")


# --- the training set ------------------------------------------------------------------------------------------------


def splits(table):
    yield set(table.loc[table["split"] == "train", "story_id"])
    for fold in range(5):
        yield set(table.loc[table["fold"] != fold, "story_id"])


def test_nothing_that_comes_from_a_held_out_story_trains(run, table, records):
    text = dict(zip(table["story_id"], table["text"]))
    copies = [
        {"genre": "Western", "slot": number, "text": f"Well then. {story} The end.", "title": story_id}
        for number, (story_id, story) in enumerate(text.items())
    ]
    close = [{"genre": "Western", "slot": 1000 + n, "text": f"Nothing alike {n}", "close_to": [i]} for n, i in enumerate(text)]
    write_journal(run, "paraphrase", [{**row, "close_to": []} for row in records if row["task"] == "paraphrase"])
    write_journal(run, "synthetic", copies + close)
    for train_ids in splits(table):
        rows = training_set(run, table, train_ids, SOURCES)
        assert list(rows.columns) == COLUMNS
        assert set(rows.loc[rows["source"] == "original", "story_id"]) == train_ids
        parents = rows.loc[rows["source"].isin(["chunk", "paraphrase"]), "parent_id"]
        assert set(parents) <= train_ids and len(parents)
        wanted = {r["parent_id"] for r in records if r["task"] == "paraphrase" and r["parent_id"] in train_ids}
        assert set(rows.loc[rows["source"] == "paraphrase", "parent_id"]) == wanted
        synthetic = rows[rows["source"] == "synthetic"]
        copied = set(synthetic["title"]) - {""}
        assert copied == train_ids, "a copy of a training story may train, one of a held-out story may not"
        alike = synthetic.loc[synthetic["title"] == "", "text"].str.removeprefix("Nothing alike ").astype(int)
        assert {list(text)[n] for n in alike} == train_ids
        assert rows["story_id"].is_unique
        for story_id in set(text) - train_ids:
            assert not rows["text"].str.contains(text[story_id][:200], regex=False).any()


def test_only_accepted_rows_of_genres_that_are_there_train_and_each_place_once(run, table):
    rows = [
        {"genre": "Western", "slot": 1, "text": "One."},
        {"genre": "Western", "slot": 1, "text": "A second for the same place.", "model": "other"},
        {"genre": "Western", "slot": 2, "text": "Refused.", "status": "rejected"},
        {"genre": "Cyberpunk", "slot": 1, "text": "Not in this dataset."},
    ]
    write_journal(run, "synthetic", rows)
    found = training_set(run, table, table["story_id"], ("synthetic",))
    assert found["text"].tolist() == ["One."]
    assert found["text_clean"].tolist() == ["one"] and found["source"].tolist() == ["synthetic"]


def test_a_missing_journal_means_no_rows_and_is_said_in_one_line(run, table, capsys):
    rows = training_set(run, table, table["story_id"])
    assert count_sources(rows) == {"original": 60, "chunk": 0, "paraphrase": 0, "synthetic": 0, "description": 0}
    assert capsys.readouterr().out.count("\n") == 1
    training_set(run, table, table["story_id"], ("original",))
    assert capsys.readouterr().out == ""


def test_unknown_sources_and_ids_are_errors(run, table):
    with pytest.raises(ValueError, match="translation"):
        training_set(run, table, table["story_id"], ("translation",))
    with pytest.raises(ValueError, match="nobody"):
        training_set(run, table, ["nobody"])


# --- the plan --------------------------------------------------------------------------------------------------------

ENDPOINT = SimpleNamespace(name="groq", models=("m",), signature=lambda number, target, prompts: ("m", prompts[0]))


def test_the_plan_asks_for_training_stories_only_and_more_where_more_is_needed(table):
    needs = genre_needs(table)
    for task in JOURNALS:
        targets = plan(task, table, needs, 90, ENDPOINT)
        counts = pd.Series([target.genre for target in targets]).value_counts()
        assert len(targets) == 90 and set(counts.index) == set(GENRES)
        weights = needs.set_index("genre")["weight"]
        assert (np.abs(counts - 90 * weights / weights.sum()) < 1).all()
        assert len({(t.parent_id or t.genre, t.slot) for t in targets}) == 90
        if task == "paraphrase":
            assert {t.parent_id for t in targets} <= set(table.loc[table["split"] == "train", "story_id"])
    assert len(plan("synthetic", table, needs, None, ENDPOINT)) == 24, "one for two of 48 training stories"


def test_a_genre_that_is_short_or_confused_weighs_more(table):
    short = table.drop(index=table[(table["genre"] == "Western") & (table["split"] == "train")].index[:5])
    before, after = (genre_needs(t).set_index("genre") for t in (table, short))
    assert after.loc["Western", "weight"] > before.loc["Western", "weight"]
    confused = before["confused"] > 0
    assert before.loc[confused, "weight"].min() > before.loc[~confused, "weight"].max()


def test_the_plan_does_not_look_at_test_stories(table):
    blind = table.copy()
    blind.loc[blind["split"] == "test", "text"] = "Nothing here."
    pd.testing.assert_frame_equal(genre_needs(table), genre_needs(blind))


def test_numbers_of_the_notebooks_mean_what_they_say(table, server):
    needs = genre_needs(table)
    for task in JOURNALS:
        for provider in (ENDPOINT, RecordedAnswers(table)):
            assert plan(task, table, needs, 0, provider) == []
        assert len(plan(task, table, needs, 5, RecordedAnswers(table))) == 5
    groq = ChatEndpoint(KEY, MODELS[:1], server.url)
    assert len(estimate([], None, groq, ("p",))) == 0
    assert [words_to_ask(wanted, groq, 600) for wanted in (None, 100)] == [600, 100]
    assert words_to_ask(100, RecordedAnswers(table), 600) == 250, "what is recorded has its length already"
    with pytest.raises(ValueError, match="WORDS=0"):
        words_to_ask(0, groq, 600)


def test_the_estimate_counts_what_is_asked_for(table, server):
    provider = ChatEndpoint(KEY, MODELS[:2], server.url)
    targets = [Target("synthetic", "Western", slot) for slot in range(1, 11)]
    costs = estimate(targets, 1000, provider, ("p",)).set_index("model")
    assert costs["requests"].tolist() == [5, 5]
    assert costs["tokens"].between(5 * 1350, 5 * 1550).all()
    assert costs.loc[MODELS[0], "hours"] == round(costs.loc[MODELS[0], "tokens"] / 6000 / 60, 1)


# --- asking ----------------------------------------------------------------------------------------------------------

TARGETS = [Target("paraphrase", "War", 1, str(number), f"Story {number}.") for number in range(6)]


class Picky(OpenGates):
    """Refuses what `faulty` says."""

    def __init__(self, faulty):
        self.faulty = faulty

    def judge(self, target, answer, words):
        return Verdict("", answer.text, "length: too short" if self.faulty(target, answer) else "")


def work(run, provider, checks=None, targets=TARGETS, **budget):
    checks = checks or OpenGates()
    prompts = ("a", "b")
    return run_plan(run, "paraphrase", targets, provider, checks, prompts, lambda t, p: f"Prompt {p}.", **budget)


def journal_of(run) -> list[dict]:
    return read_rows(run.workspace / "paraphrases.jsonl")


def test_a_second_run_asks_nothing(run, server):
    provider = ChatEndpoint(KEY, MODELS[:2], server.url)
    first = work(run, provider)
    assert (first.accepted, first.left, len(server.requests)) == (6, 0, 6)
    assert {(row["model"], row["prompt_id"]) for row in journal_of(run)} == {(m, p) for m in MODELS[:2] for p in "ab"}
    second = work(run, provider)
    assert (second.earlier, second.accepted, second.left, second.requests) == (6, 0, 0, 0)
    assert len(server.requests) == 6


def test_another_rotation_does_not_pay_again_for_what_is_accepted(run, server):
    work(run, ChatEndpoint(KEY, MODELS[:1], server.url))
    work(run, ChatEndpoint(KEY, MODELS[1:], server.url))
    assert len(server.requests) == 6


def test_a_refused_answer_is_asked_for_once_more_with_the_reason_then_left(run, server):
    provider = ChatEndpoint(KEY, MODELS[:1], server.url)
    stubborn = Picky(lambda target, answer: target.parent_id == "2")
    yielding = Picky(lambda target, answer: target.parent_id == "2" or "too short" not in answer.text)
    outcome = work(run, provider, yielding)
    assert (outcome.accepted, outcome.refused, outcome.requests) == (5, 1, 12)
    assert "length: too short" in server.requests[1]["messages"][0]["content"]
    assert [row["status"] for row in journal_of(run)].count("rejected") == 7
    again = work(run, provider, stubborn)
    assert (again.earlier, again.refused, again.requests) == (5, 1, 0)
    assert len(server.requests) == 12


def test_an_empty_or_filtered_answer_is_kept_as_refused(run, server):
    server.faults.extend(["empty", "", "filtered", "filtered"])
    outcome = work(run, ChatEndpoint(KEY, MODELS[:1], server.url))
    assert (outcome.accepted, outcome.refused) == (5, 1)
    assert [row["reason"] for row in journal_of(run) if row["reason"]] == [
        "no answer: empty answer",
        "no answer: filtered by the provider",
        "no answer: filtered by the provider",
    ]


@pytest.mark.parametrize("budget", [{"most_requests": 2}, {"most_tokens": 1}, {"most_requests": 0}, {"most_tokens": 0}])
def test_a_budget_ends_the_session_and_the_next_goes_on(run, server, budget):
    provider = ChatEndpoint(KEY, MODELS[:1], server.url)
    outcome = work(run, provider, **budget)
    assert outcome.requests == budget.get("most_requests", budget.get("most_tokens"))
    assert "budget" in outcome.ended and f"the {outcome.left} that are left" in str(outcome)
    assert work(run, provider).left == 0
    assert len(server.requests) == 6


def test_a_daily_limit_ends_the_session_with_done_left_and_when(run, server):
    server.faults.extend(["", "", "daily"])
    outcome = work(run, ChatEndpoint(KEY, MODELS[:1], server.url))
    assert (outcome.accepted, outcome.left) == (2, 4)
    assert f"Come back after {outcome.when:%Y-%m-%d %H:%M} UTC" in str(outcome)
    assert len(journal_of(run)) == 2
    assert work(run, ChatEndpoint(KEY, MODELS[:1], server.url)).left == 0
    assert len(server.requests) == 7, "six answers and the one refusal"


def test_a_model_that_is_gone_leaves_its_share_to_the_others(run, server):
    server.faults.extend(["", "", "gone"])
    outcome = work(run, ChatEndpoint(KEY, MODELS[:2], server.url))
    assert (outcome.accepted, outcome.ended) == (6, "")
    assert [row["model"] for row in journal_of(run)] == [*MODELS[:2], *[MODELS[1]] * 4]


def test_a_withdrawn_key_stops_at_once_and_loses_nothing(run, server):
    server.faults.extend(["", "", "401"])
    with pytest.raises(ProviderError, match="401"):
        work(run, ChatEndpoint(KEY, MODELS[:1], server.url))
    assert len(journal_of(run)) == 2 and len(server.requests) == 3


def test_a_shortened_story_is_noted_in_the_row_and_in_the_summary(run, server):
    server.faults.append("413")
    long = Target("paraphrase", "War", 1, "9", "word " * 500)
    outcome = work(run, ChatEndpoint(KEY, MODELS[:1], server.url), targets=[long])
    assert "without its middle" in journal_of(run)[0]["note"] and "1 times the story was too large" in str(outcome)


def test_what_is_not_recorded_is_not_asked_and_not_written(run, table):
    recorded = RecordedAnswers(table)
    outcome = work(run, recorded)
    assert (outcome.unrecorded, outcome.requests, outcome.left) == (6, 0, 0)
    assert journal_of(run) == []


def test_killed_twenty_times_nothing_is_lost_doubled_or_paid_twice(tmp_path, record_property):
    with GroqServer(answer=lambda body: "A story. " * 200, delay=0.05) as server:
        command = [sys.executable, str(Path(__file__).parents[1] / "kill_run.py"), str(tmp_path), server.url, "60", "20"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        kills = int(done.stdout.split()[-1])
        rows = read_rows(tmp_path / "paraphrases.jsonl")
        acknowledged = (tmp_path / "acknowledged.txt").read_text().split()
        extra = len(server.requests) - 60
        figures = (
            f"60 requests wanted, {kills} kills, {len(rows)} answers, {extra} extra requests, {server.delivered} delivered"
        )
        record_property("kill test", figures)
        print(figures)
        assert kills == 20
        assert sorted(row["parent_id"] for row in rows) == sorted(str(number) for number in range(60))
        assert len({key_of(row) for row in rows}) == 60
        assert {row["text"] for row in rows} == {"A story. " * 200}
        assert len(acknowledged) == len(set(acknowledged)) and set(acknowledged) <= {row["parent_id"] for row in rows}
        assert 0 <= extra <= kills


# --- the gates -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "title", "text"),
    [
        ("It rained.\nIt stopped.", "", "It rained.\nIt stopped."),
        ("Title: Rain\n\nIt rained.", "Rain", "It rained."),
        ("**Title:** Rain\n\nIt rained.", "Rain", "It rained."),
        ("# Rain\nIt rained.", "Rain", "It rained."),
        ("**Rain**\n\nIt rained.", "Rain", "It rained."),
        ("Rain at Last\n\nIt rained.", "Rain at Last", "It rained."),
        ("Sure! Here is the rewritten story:\n\nIt rained.", "", "It rained."),
        ("Here's a paraphrased version:\n\n**Rain**\n\nIt rained.\n\nNote: I kept the plot.", "Rain", "It rained."),
        ("It rained.\n\n---\n\nLet me know if you want changes!", "", "It rained."),
        ("<think>I should rain.</think>\nIt rained.", "", "It rained."),
        ("```\nIt rained.\n```", "", "It rained."),
        ("Here is where it rained.\n\nIt stopped.", "", "Here is where it rained.\n\nIt stopped."),
        ("Lucknow, 3 November\n\nDear Bittu,", "", "Lucknow, 3 November\n\nDear Bittu,"),
        ("Sure, I knew him.\n\nHe sang.", "", "Sure, I knew him.\n\nHe sang."),
    ],
)
def test_what_a_chat_model_wraps_around_a_story_is_taken_off_and_no_more(answer, title, text):
    assert strip_answer(answer) == (title, text)


def test_no_recorded_text_loses_a_word_to_the_stripping(records):
    for row in records:
        assert strip_answer(row["text"], row["title"]) == (row["title"], row["text"])


@pytest.mark.parametrize(
    ("genre", "text", "story", "found"),
    [
        ("Space Opera", "A true space opera.", "", "space opera"),
        ("Space Opera", "Space, and an opera.", "", ""),
        ("Western", "The western sky.", "", ""),
        ("Western", "So ends my Western tale.", "", "Western tale"),
        ("Space Opera", "A space opera.", "They sang the space opera.", ""),
    ],
)
def test_a_genre_simply_named(genre, text, story, found):
    assert genre_named(Target("paraphrase", genre, 1, "1", story), text) == found


def test_every_gate_stops_its_fault_and_lets_good_answers_pass(encoder_run, table, records):
    run, encoder, label = encoder_run
    checks = Gates(run, encoder, label, table)
    measured = measure_gates(checks, table, [row for row in records if row["task"] == "paraphrase"], most=5)
    measured = measured.set_index("answer")
    assert measured.loc["recorded paraphrase", ["stopped", "refused otherwise"]].tolist() == [0, 0]
    # The two that rest on the embedding alone are not perfect, and without it they would stop nothing.
    by_meaning = ["paraphrase of another story of the genre", "paraphrase of a held-out story"]
    hard = measured.loc[by_meaning]
    assert (hard["stopped"] >= 0.7 * hard["answers"]).all()
    others = measured.drop(index=["recorded paraphrase", *by_meaning])
    assert (others["stopped"] == others["answers"]).all() and (others["answers"] > 0).all()


def test_a_paraphrase_in_another_hand_passes_where_no_other_story_is_nearer_than_its_parent(monkeypatch):
    def at(degrees):
        return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])

    places = {"parent": at(0), "sibling": at(40), "other": at(120), "cousin": at(160), "near": at(-41), "far": at(25)}
    monkeypatch.setattr(gates, "embed", lambda run, encoder, label, texts, keep=True: np.stack([places[t] for t in texts]))
    texts = ["parent", "sibling", "other", "cousin"]
    table = pd.DataFrame({"story_id": texts, "genre": ["a", "a", "b", "b"], "split": "train", "text": texts})
    checks = Gates(None, None, "", table)
    assert checks.bounds.drift == pytest.approx(np.cos(np.radians(40)))
    target = Target("paraphrase", "a", 1, "parent", "parent")
    monkeypatch.setattr(gates, "fault_in_words", lambda *a: "")
    assert checks.judge(target, Answer("near"), 1).reason == "", "less alike than the bound, but nothing is nearer"
    assert checks.judge(target, Answer("far"), 1).reason == "", "another story is nearer, but it is alike enough"
    places["far"] = at(70)
    assert "story sibling is nearer" in checks.judge(target, Answer("far"), 1).reason


def test_close_to_names_training_stories_for_the_folds_to_come(encoder_run, table):
    run, encoder, label = encoder_run
    checks = Gates(run, encoder, label, table)
    story = table[table["split"] == "train"].iloc[0]
    verdict = checks.judge(Target("synthetic", story["genre"], 1), Answer(story["text"]), len(story["text"].split()))
    assert verdict.reason == "" and story["story_id"] in verdict.close_to


def test_accepted_rows_of_earlier_sessions_still_count_as_repeats(encoder_run, table, records):
    run, encoder, label = encoder_run
    checks = Gates(run, encoder, label, table)
    row = next(row for row in records if row["task"] == "synthetic")
    target, answer = Target("synthetic", row["genre"], 9), Answer(row["text"], row["title"])
    assert checks.judge(target, answer, 200).reason == ""
    checks.remember([row])
    assert checks.judge(target, answer, 200).reason.startswith("near-duplicate")


def test_bounds_are_the_quantiles_they_say():
    angles = np.radians([0, 10, 90, 100])
    vectors = np.column_stack([np.cos(angles), np.sin(angles)])
    bounds = similarity_bounds(vectors, ["a", "a", "b", "b"])
    assert bounds.drift == pytest.approx(np.cos(np.radians(10))) and bounds.near == pytest.approx(np.cos(np.radians(10)))


# --- what it is worth ------------------------------------------------------------------------------------------------


def test_worth_compares_on_the_same_stories_and_shows_what_was_not_run(encoder_run, table, records):
    run, encoder, label = encoder_run
    write_journal(run, "synthetic", [row for row in records if row["task"] == "synthetic"])
    facts = {"sha256": stories.table_hash(table), "source": "test"}
    assert read_worth(run, facts) is None
    plain = {"words": lexical.word_svm(), "encoder": sentences.frozen(run, encoder, label)}
    measure_worth(run, table, facts, plain, whole_only=("encoder",))
    values, families = read_worth(run, facts)
    values = values.set_index(["model", "training set"])
    for model in values.index.get_level_values(0).unique():
        assert values.loc[(model, "originals"), "rows"] == 48
        assert values.loc[(model, "with synthetic"), "rows"] == 48 + 18
        assert pd.isna(values.loc[(model, "with paraphrases"), "accuracy"]), "there were no paraphrases"
        assert values.loc[(model, "with descriptions"), "rows"] == 48 + table["genre"].nunique()
        row = values.loc[(model, "with synthetic")]
        assert row["gain"] == pytest.approx(row["accuracy"] - values.loc[(model, "originals"), "accuracy"])
    assert values.loc[("words", "chunks"), "gain"] == 0, "no story is longer than a chunk"
    assert pd.isna(values.loc[("encoder", "chunks"), "gain"]), "this one is only given whole stories"
    assert families.groupby("model")["stories"].sum().tolist() == [60, 60]
    assert read_worth(run, facts | {"sha256": "another"}) is None


def test_worth_on_other_splits_stands_beside_that_of_the_folds_and_goes_on(tmp_path, table):
    run, facts = runtime.start("smoke", str(tmp_path)), {"sha256": stories.table_hash(table), "source": "test"}
    seed_split = (*(table[table["split"] == split] for split in ("train", "test")), -1)
    folds = [(table[table["fold"] != fold], table[table["fold"] == fold], fold) for fold in (1, 3)]
    sets = {name: TRAINING_SETS[name] for name in ("originals", "with descriptions")}
    tuned = {"training_sets": sets, "settings": {"C": 1}, "name": TUNED_WORTH}
    measure_worth(run, table, facts, {"words": lexical.word_svm()}, splits=[seed_split, folds[1]], **tuned)
    alone, _ = read_worth(run, facts)
    assert alone["model"].unique().tolist() == ["words, seed split", "words, fold 3"]

    measure_worth(run, table, facts, {"plain words": lexical.word_svm()})
    values, families = read_worth(run, facts)
    assert values["model"].unique().tolist() == ["plain words", "words, seed split", "words, fold 3"]
    pd.testing.assert_frame_equal(values[values["model"] != "plain words"].reset_index(drop=True), alone)
    judged = families.groupby("model")["stories"].sum().to_dict()
    assert judged == {"plain words": 60, "words, seed split": len(seed_split[1]), "words, fold 3": 12}
    of_folds, of_fold = (
        pd.read_parquet(run.workspace / "results" / name / "predictions.parquet") for name in (WORTH, TUNED_WORTH)
    )
    of_folds, of_fold = (found[(found["fold"] == 3) & found["training_set"].isin(sets)] for found in (of_folds, of_fold))
    assert of_fold["predicted"].tolist() == of_folds["predicted"].tolist(), "one fold alone is that of the five"

    measured = lexical.word_svm()
    fits, fit = [], measured.fit
    measured.fit = lambda rows, genres: fits.append(len(rows)) or fit(rows, genres)
    measure_worth(run, table, facts, {"words": measured}, splits=[seed_split, *folds], **tuned)
    assert len(fits) == 2 and read_worth(run, facts)[0]["model"].unique().tolist()[2] == "words, folds 1, 3"
    file = run.workspace / "results" / TUNED_WORTH / "predictions.parquet"
    kept = pd.read_parquet(file)
    kept[(kept["fold"] != 1) | (kept["training_set"] == "originals")].to_parquet(file, index=False)  # as if cut off there
    assert read_worth(run, facts)[0]["model"].unique().tolist()[2] == "words, fold 3", "half a fold is not shown"
    measure_worth(run, table, facts, {"words": measured}, splits=folds, **(tuned | {"settings": {"C": 2}}))
    assert len(fits) == 2 + 4, "other settings, nothing is kept"
