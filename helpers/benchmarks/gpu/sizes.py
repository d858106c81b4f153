"""How large everything is that the check computes: as on a T4, or cut for a rehearsal on a CPU."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Sizes of the check.

    Attributes:
        full: whether models have the shapes of real ones; tiny ones else.
        tokens: of a story, in training steps; the first is the profile's.
        genres: names that are scored where a story is judged by them.
        at_least: seconds that a measured step must take, or it is measured again, four times as often.
        stories: that are embedded, for the time of a thousand.
        contrasted: texts that an encoder is tuned on.
        question_tokens: of the longest question with its passages.
        parameters: of the seven notebooks.
    """

    full: bool
    tokens: tuple[int, ...]
    genres: int
    at_least: float
    stories: int
    contrasted: int
    question_tokens: int
    parameters: dict

    def scale(self, length: int) -> int:
        """A length on a T4 as it is here."""
        return max(4, length * self.tokens[0] // 1024)


FULL = Sizes(
    full=True,
    tokens=(1024, 2048),
    genres=99,
    at_least=1.0,
    stories=100,
    contrasted=64,
    question_tokens=2048,
    parameters={"01_clean": {"GENRES": 6}, "": {"QUESTIONS": 8, "EPOCHS": 1}, "06_setfit": {"SETFIT_ITERATIONS": 1}},
)
CUT = Sizes(
    full=False,
    tokens=(32, 64),
    genres=8,
    at_least=0.0,
    stories=4,
    contrasted=64,
    question_tokens=64,
    parameters={
        "01_clean": {"GENRES": 2},
        "": {"STORY_TOKENS": 32, "QUESTIONS": 3, "EPOCHS": 1},
        "06_setfit": {"SETFIT_ITERATIONS": 1, "SETFIT_EPOCHS": 1, "SETFIT_FOLDS": False},
    },
)
