"""What is asked for, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One text to ask for.

    Attributes:
        task: `paraphrase` or `synthetic`.
        genre: its genre.
        slot: 1, 2, ... among the texts for the same parent, or the same genre.
        parent_id: story to paraphrase; None for a synthetic story.
        story: that story's text; empty for a synthetic story.
    """

    task: str
    genre: str
    slot: int
    parent_id: str | None = None
    story: str = ""

    @property
    def place(self) -> tuple:
        """What an answer to it has as its `place_of` (see `helpers.augmentation.journal`)."""
        return self.task, self.parent_id or self.genre, self.slot


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        text: as it came.
        title: a recorded answer's title; elsewhere it stands in `text`.
        tokens: prompt and answer together, as billed; None where unknown.
        story_words: words of the story that were really sent, fewer than it has where it was too large.
        note: one sentence on anything unusual.
        created_at: when it was written, for an answer from the records; None for one that is new.
    """

    text: str
    title: str = ""
    tokens: int | None = None
    story_words: int = 0
    note: str = ""
    created_at: str | None = None


def count_tokens(text: str) -> int:
    """Estimate on the safe side: English has 4 to 5 characters a token; elsewhere a token holds about three bytes."""
    size = len(text.encode())
    return size // (4 if size < 1.1 * len(text) else 3) + 1
