"""What is asked for, what comes back, and how asking can fail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from helpers.stories import shorten_middle as shorten_middle  # what is too large to be sent loses its middle


class ProviderError(RuntimeError):
    """Nothing to be had before the user changes something. Shown in a notebook as its one line, without a traceback."""

    def _render_traceback_(self):
        return [f"{type(self).__name__}: {self}"]


class ModelUnavailable(Exception):
    """A model that answers no more in this run; `when` says when it will, where that is known."""

    def __init__(self, message: str, when: datetime | None = None):
        super().__init__(message)
        self.when = when


class NoAnswer(Exception):
    """The provider answered this request with nothing to use."""


class NotRecorded(Exception):
    """There is no recorded answer to this request, so nothing was asked."""


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
        """As `helpers.journal.place_of` an answer to it."""
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
