"""The training set that all approaches share: originals and what was accepted beside them."""

from __future__ import annotations

import functools
from pathlib import Path

import pandas as pd

from helpers.augmentation.duplicates import NgramIndex
from helpers.augmentation.journal import place_of, read_rows
from helpers.config import DATA
from helpers.runtime import Run
from helpers.stories import chunk_stories, clean_text, is_known

JOURNALS = {"paraphrase": "paraphrases.jsonl", "synthetic": "synthetic.jsonl"}
"""Journal of each task, in the workspace."""
SOURCES = ("original", "chunk", "paraphrase", "synthetic", "description")
TRAINED_ON = ("original", "synthetic")
"""What trains where nobody asks for anything else. Paraphrases helped no model that was measured (7.6), and cost the tuned SetFit 2.8 points."""
COLUMNS = ["story_id", "title", "genre", "text", "text_clean", "source", "parent_id"]


def training_set(run: Run, stories: pd.DataFrame, train_ids, sources: tuple[str, ...] = TRAINED_ON) -> pd.DataFrame:
    """Rows to train on, with nothing that comes from a story outside `train_ids`.

    A paraphrase or chunk is in only where its parent is. An augmented row is left out where it is a near-duplicate of any
    story outside `train_ids`: by 5-grams, looked up here, or by embedding, looked up when the row was accepted.

    Args:
        run: the running notebook; its workspace holds the journals.
        stories: story table with `text_clean`.
        train_ids: ids of the stories that may train.
        sources: any of `original`, `chunk`, `paraphrase`, `synthetic`, `description` (of the genre, see `genre_descriptions`).

    Returns:
        DataFrame of `story_id`, `title`, `genre`, `text`, `text_clean`, `source`, `parent_id` (None where there is no parent).

    Raises:
        ValueError: a source or an id does not exist.
    """
    if unknown := set(sources) - set(SOURCES):
        raise ValueError(f"sources {sorted(unknown)} do not exist; choose among {', '.join(SOURCES)}.")
    train_ids = set(train_ids)
    if unknown := train_ids - set(stories["story_id"]):
        raise ValueError(f"{len(unknown)} training ids are not in the story table, {sorted(unknown)[:3]} among them.")
    train = stories[stories["story_id"].isin(train_ids)]
    parts = []
    if "original" in sources:
        parts.append(train.assign(source="original", parent_id=None)[COLUMNS])
    if "chunk" in sources:
        parts.append(chunk_stories(train)[COLUMNS])
    if "description" in sources:
        described = genre_descriptions(train)
        parts.append(pd.DataFrame([described[g] for g in sorted(set(stories["genre"])) if g in described], columns=COLUMNS))
    tasks = [task for task in JOURNALS if task in sources]
    if tasks:
        genres, texts = set(stories["genre"]), tuple(zip(stories["story_id"], stories["text"]))
        for task in tasks:
            rows = [row for row in accepted_rows(run, task) if row["genre"] in genres]
            close = _close_stories(texts, tuple(row["text"] for row in rows))
            rows = [row for row, close_to in zip(rows, close) if _may_train(row, close_to, train_ids)]
            parts.append(pd.DataFrame([_training_row(row) for row in rows], columns=COLUMNS))
        missing = [JOURNALS[task] for task in tasks if not (run.workspace / JOURNALS[task]).exists()]
        if missing:
            _say_missing(run.workspace, ", ".join(missing))
    return pd.concat([part for part in parts if len(part)] or [pd.DataFrame(columns=COLUMNS)], ignore_index=True)


def genre_descriptions(stories: pd.DataFrame | None = None) -> dict[str, dict]:
    """A training row for each genre that is described in `data/genre_descriptions.csv`: its name as the title, one sentence.

    The sentences were written from the names of the genres alone, in English: they serve the datasets that they were written for.

    Args:
        stories: story table that they shall describe; nothing describes a dataset that is not known (`stories.is_known`). None for all.
    """
    if stories is not None and not is_known(stories):
        return {}
    table = pd.read_csv(DATA / "genre_descriptions.csv")
    rows = {}
    for genre, description in zip(table["genre"], table["description"]):
        text = f"{genre}: {description}"
        row = {
            "story_id": f"{genre}-d",
            "title": f"A {genre} story",
            "genre": genre,
            "text": text,
            "text_clean": clean_text(text),
        }
        rows[genre] = row | {"source": "description", "parent_id": None}
    return rows


def count_sources(rows: pd.DataFrame) -> dict[str, int]:
    """Rows of a training set by source: `{"original": 800, "chunk": 0, "paraphrase": 312, "synthetic": 396}`."""
    counts = rows["source"].value_counts()
    return {source: int(counts.get(source, 0)) for source in SOURCES}


def accepted_rows(run: Run, task: str) -> list[dict]:
    """Accepted rows of a task's journal, one for each parent (or genre) and slot."""
    rows = {}
    for row in read_rows(run.workspace / JOURNALS[task]):
        if row["status"] == "accepted":
            rows.setdefault(place_of(row), row)
    return list(rows.values())


@functools.cache  # said once, not for every fold
def _say_missing(workspace: Path, journals: str) -> None:
    print(f"Not in the workspace, so without its rows: {journals} (notebooks 02 and 03 write them).")


@functools.lru_cache(maxsize=8)
def _close_stories(stories: tuple[tuple[str, str], ...], texts: tuple[str, ...]) -> list[list[str]]:
    """Ids of the stories that each text is a near-duplicate of, by 5-grams; remembered, as every fold asks for the same ones."""
    index = NgramIndex(dict(stories))
    return [index.too_close(text) for text in texts]


def _may_train(row: dict, close_to: list[str], train_ids: set[str]) -> bool:
    if row["parent_id"] is not None and row["parent_id"] not in train_ids:
        return False
    return train_ids.issuperset(row.get("close_to", ())) and train_ids.issuperset(close_to)


def _training_row(row: dict) -> dict:
    mark = "p" if row["task"] == "paraphrase" else "s"
    return {
        "story_id": f"{row['parent_id'] or row['genre']}-{mark}{row['slot']}",
        "title": row["title"],
        "genre": row["genre"],
        "text": row["text"],
        "text_clean": clean_text(row["text"]),
        "source": row["task"],
        "parent_id": row["parent_id"],
    }
