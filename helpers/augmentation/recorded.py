"""The answers that come with the project, so that everything runs without a key."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd

from helpers import stories as story_tables
from helpers.augmentation.faults import NotRecorded
from helpers.augmentation.targets import Answer, Target
from helpers.config import DATA
from helpers.stories import is_sample


class RecordedAnswers:
    """Answers that were written for this project and stand in `data/`.

    For the sample corpus, `sample_augmentations.jsonl`: its paraphrases and its synthetic stories. For the real dataset and others with its labels
    (`stories.is_known`), `synthetic_stories.jsonl`: synthetic stories by the genre's name. For any other dataset, nothing: a label such as `Crime` may
    stand anywhere. A paraphrase, of a sample story or one of the real dataset's (`paraphrases.jsonl`), counts for a story with the same id and the
    same text only.
    """

    name = "recorded"
    words = 250
    """Length that they were written to; the sample's paraphrases are as long as their parents instead."""

    def __init__(self, stories: pd.DataFrame, folder: Path = DATA):
        """
        Args:
            stories: story table that will be augmented.
            folder: where the recorded answers stand.
        """
        known = story_tables.sample_texts()
        rows = read_lines(folder / "sample_augmentations.jsonl")
        of_sample = [row | {"parent_sha256": text_hash(known[row["parent_id"]])} for row in rows if row["task"] == "paraphrase"]
        retold = [row | {"words": self.words} for row in read_lines(folder / "paraphrases.jsonl")]
        self._paraphrases = {(row["parent_id"], row["parent_sha256"], row["slot"]): row for row in of_sample + retold}
        if not is_sample(stories):
            rows = read_lines(folder / "synthetic_stories.jsonl") if story_tables.is_known(stories) else []
        self._synthetic = {(row["genre"], row["slot"]): row for row in rows if row["task"] == "synthetic"}
        self.models = tuple(sorted({row["model"] for row in rows})) or ("none",)

    def _find(self, target: Target) -> dict | None:
        if target.task == "synthetic":
            return self._synthetic.get((target.genre, target.slot))
        return self._paraphrases.get((target.parent_id, text_hash(target.story), target.slot))

    def answers(self, target: Target) -> bool:
        return self._find(target) is not None

    def signature(self, number: int, target: Target, prompt_ids: tuple[str, ...]) -> tuple[str, str]:
        """Who wrote the recorded answer, and to which prompt: not one of the notebook's."""
        row = self._find(target) or {}
        return row.get("model", ""), row.get("prompt_id", "")

    def ask(self, target: Target, prompt: str, model: str, max_tokens: int, again: bool = False) -> Answer:
        """Look the answer up.

        Raises:
            NotRecorded: there is none, or it is asked for again: the records hold no second try.
        """
        row = None if again else self._find(target)
        if row is None:
            raise NotRecorded
        words = row.get("words") or story_tables.count_words(target.story)
        return Answer(row["text"], row["title"], story_words=words, created_at=row["created_at"])


def text_hash(text: str) -> str:
    """By which a recorded paraphrase knows its parent: SHA-256 of the text as published, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_lines(path: Path) -> list[dict]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
