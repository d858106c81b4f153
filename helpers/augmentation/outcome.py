"""What a session of asking came to, and how far it is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from tqdm.auto import tqdm

from helpers.measuring import clock
from helpers.runtime import headless


@dataclass
class Outcome:
    """What a session of asking came to.

    Attributes:
        wanted: targets of the plan.
        earlier: accepted in earlier sessions.
        accepted: accepted in this one.
        refused: targets whose answers did not pass, the second try included, in any session.
        unrecorded: targets without a recorded answer.
        requests, tokens: spent in this session.
        seconds: how long it took.
        ended: why it ended early; empty if it did not.
        when: when to come back, where that is known.
        notes: how often something unusual was noted.
    """

    wanted: int
    earlier: int = 0
    accepted: int = 0
    refused: int = 0
    unrecorded: int = 0
    requests: int = 0
    tokens: int = 0
    seconds: float = 0.0
    ended: str = ""
    when: datetime | None = None
    notes: Counter = field(default_factory=Counter)

    @property
    def left(self) -> int:
        """Targets that nobody was asked about yet."""
        return self.wanted - self.earlier - self.accepted - self.refused - self.unrecorded

    def __str__(self) -> str:
        lines = [
            f"{self.wanted} wanted: {self.earlier} accepted earlier, {self.accepted} accepted now, {self.refused} refused, "
            + f"{self.unrecorded} not recorded, {self.left} left",
            f"{self.requests} answers, {self.tokens:,} tokens, {clock(self.seconds)} (min:s)",
        ]
        lines += [f"{count} times {note}" for note, count in self.notes.items()]
        if self.ended:
            when = f" after {self.when:%Y-%m-%d %H:%M} UTC" if self.when else " later"
            lines.append(
                f"{self.ended} Come back{when} and run this notebook again: it goes on with the {self.left} that are left."
            )
        return "\n".join(lines)


def follow(todo: list, outcome: Outcome) -> Iterator:
    """Go through the targets with a progress bar, or with a printed line now and then where nobody watches."""
    if not headless():
        with tqdm(todo, unit="text") as bar:
            for item in bar:
                bar.set_postfix(accepted=outcome.accepted, refused=outcome.refused, tokens=outcome.tokens)
                yield item
        return
    begin = last = time.monotonic()
    for number, item in enumerate(todo):
        now = time.monotonic()
        if outcome.requests and (now - last > 60 or number % max(1, len(todo) // 4) == 0):
            last = now
            rate = number / (now - begin)
            left = clock((len(todo) - number) / rate)
            print(f"{number} of {len(todo)}, {outcome.accepted} accepted, {60 * rate:.0f} a minute, {left} (min:s) left")
        yield item
