"""The corpus that was written for this project: real little stories, no template, no genre named in its own text.

Written for: sample data in which a classifier could read the answer off the text, or in which two stories share their sentences, makes every
figure of a smoke run meaningless.
"""

import json
import re
from collections import Counter, defaultdict

import pandas as pd
import pytest

from helpers import stories
from helpers.augmentation.duplicates import NgramIndex
from helpers.augmentation.recorded import RecordedAnswers, text_hash
from helpers.augmentation.targets import Target
from helpers.config import DATA

SAMPLE = pd.read_csv(DATA / "sample_stories.csv", dtype=str)
AUGMENTED = pd.DataFrame(
    [json.loads(line) for line in (DATA / "sample_augmentations.jsonl").read_text(encoding="utf-8").splitlines()]
)
SYNTHETIC = pd.DataFrame(
    [json.loads(line) for line in (DATA / "synthetic_stories.jsonl").read_text(encoding="utf-8").splitlines()]
)
PARAPHRASES = pd.DataFrame([json.loads(line) for line in (DATA / "paraphrases.jsonl").read_text(encoding="utf-8").splitlines()])
EVERY_TEXT = pd.concat(
    [
        SAMPLE.rename(columns={"story": "text"})[["title", "text", "genre"]],
        AUGMENTED[["title", "text", "genre"]],
        SYNTHETIC[["title", "text", "genre"]],
        PARAPHRASES[["title", "text", "genre"]],
    ],
    ignore_index=True,
)


def words(text):
    return re.findall(r"[a-z0-9']+", text.lower().replace("’", "'"))


def test_columns_and_counts():
    assert list(SAMPLE.columns) == ["id", "title", "story", "genre"]
    assert SAMPLE["genre"].value_counts().to_dict() == dict.fromkeys(SAMPLE["genre"].unique(), 10)
    assert SAMPLE["genre"].nunique() == 24 and SAMPLE["id"].is_unique and SAMPLE["story"].is_unique
    for task in ("paraphrase", "synthetic"):
        assert AUGMENTED[AUGMENTED["task"] == task]["genre"].value_counts().to_dict() == dict.fromkeys(
            SAMPLE["genre"].unique(), 3
        )
    assert SYNTHETIC["genre"].value_counts().to_dict() == dict.fromkeys(SYNTHETIC["genre"].unique(), 4)
    assert SYNTHETIC["genre"].nunique() == 99


def test_no_two_texts_share_eight_words():
    owners = defaultdict(set)
    for row, text in enumerate(EVERY_TEXT["text"]):
        tokens = words(text)
        for start in range(len(tokens) - 7):
            owners[tuple(tokens[start : start + 8])].add(row)
    shared = {" ".join(gram): rows for gram, rows in owners.items() if len(rows) > 1}
    assert not shared


@pytest.mark.parametrize(
    "texts, low, high",
    [
        (SAMPLE["story"], 130, 220),
        (AUGMENTED["text"], 130, 220),
        (SYNTHETIC["text"], 200, 300),
        (PARAPHRASES["text"], 200, 300),
    ],
)
def test_lengths(texts, low, high):
    assert texts.str.split().str.len().between(low, high).all()


def test_no_text_names_its_genre():
    for row in EVERY_TEXT.itertuples():
        assert not re.search(rf"\b{re.escape(row.genre.lower())}\b", f"{row.title} {row.text}".lower()), (row.genre, row.title)


@pytest.mark.parametrize("texts", [SAMPLE["story"], PARAPHRASES["text"]])
def test_openings_differ(texts):
    openings = Counter(tuple(words(text)[:4]) for text in texts)
    assert openings.most_common(1)[0][1] <= 2


def test_recorded_answers_have_the_journals_fields():
    fields = {"task", "parent_id", "genre", "slot", "prompt_id", "provider", "model", "created_at", "title", "text"}
    for table in (AUGMENTED, SYNTHETIC):
        assert set(table.columns) == fields and (table["provider"] == "recorded").all()
    assert set(PARAPHRASES.columns) == fields | {"parent_sha256"} and (PARAPHRASES["provider"] == "recorded").all()
    paraphrases = AUGMENTED[AUGMENTED["task"] == "paraphrase"].merge(
        SAMPLE, left_on="parent_id", right_on="id", suffixes=("", "_parent")
    )
    assert len(paraphrases) == 72 and (paraphrases["genre"] == paraphrases["genre_parent"]).all()


def test_the_paraphrases_of_the_real_dataset_are_one_a_story():
    assert len(PARAPHRASES) == 400 and PARAPHRASES["parent_id"].is_unique and PARAPHRASES["title"].is_unique
    assert (PARAPHRASES["slot"] == 1).all() and (PARAPHRASES["task"] == "paraphrase").all()
    assert PARAPHRASES["genre"].value_counts().between(4, 8).all() and PARAPHRASES["genre"].nunique() == 99


def test_the_paraphrases_tell_their_own_parents_in_other_words(real_csv):
    table, _ = stories.validate(stories.read_csv(real_csv))
    parents = table.set_index("story_id").loc[PARAPHRASES["parent_id"]]
    assert parents["genre"].tolist() == PARAPHRASES["genre"].tolist()
    assert parents["text"].map(text_hash).tolist() == PARAPHRASES["parent_sha256"].tolist()
    index = NgramIndex(dict(zip(table["story_id"], table["text"])))
    assert max(max(index.shared(text).values(), default=0) for text in PARAPHRASES["text"]) < 0.1
    recorded = RecordedAnswers(table)
    targets = [Target("paraphrase", row.genre, 1, row.story_id, row.text) for row in table.itertuples()]
    assert {target.parent_id for target in targets if recorded.answers(target)} == set(PARAPHRASES["parent_id"])


def test_notes_cover_every_genre():
    notes = (DATA / "synthetic_notes.md").read_text(encoding="utf-8")
    assert all(f"- **{genre}**" in notes for genre in SYNTHETIC["genre"].unique())


def test_questions_have_answers_that_stand_in_their_story():
    lines = (DATA / "sample_questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions = pd.DataFrame([json.loads(line) for line in lines])
    stories = SAMPLE.set_index("id")
    assert len(questions) >= 60 and questions["question"].is_unique
    assert Counter(questions["kind"]) == {"content": 18, "title": 18, "id": 18, "genre": 18}
    assert set(stories.loc[questions["story_id"], "genre"]) == set(SAMPLE["genre"])
    for row in questions.itertuples():
        story = stories.loc[row.story_id]
        assert row.answers and all(answer.lower() in story["story"].lower() for answer in row.answers), row.question
        named = {"title": story["title"], "id": row.story_id, "genre": story["genre"]}.get(row.kind)
        assert named is None or named in row.question
