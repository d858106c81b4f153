"""Rate limits: what the headers and messages of an endpoint say about them, and when the next request may go out."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

FREE_TIER = {
    "llama-3.1-8b-instant": (6_000, 500_000),
    "openai/gpt-oss-120b": (8_000, 200_000),
    "openai/gpt-oss-20b": (8_000, 200_000),
}
"""Tokens a minute and a day of Groq's free tier in 2026. Only the plan's estimate uses them; headers set the pace."""
OTHER_LIMITS = (6_000, 500_000)


class Limits:
    """The limits of an endpoint's models, as the headers of their latest answers tell them."""

    def __init__(self):
        self._of: dict[tuple[str, str], _Limit] = {}

    def note(self, model: str, headers) -> None:
        """Learn from the headers of an answer; those that are not there or make no sense are passed over."""
        for kind in ("tokens", "requests"):
            size, remaining, reset = (headers.get(f"x-ratelimit-{name}-{kind}") for name in ("limit", "remaining", "reset"))
            try:
                self._of[model, kind] = _Limit(float(size), float(remaining), in_seconds(reset), time.monotonic())
            except (TypeError, ValueError):
                continue

    def tokens_a_minute(self, model: str) -> int | None:
        """None before the first answer."""
        limit = self._of.get((model, "tokens"))
        return int(limit.size) if limit else None

    def wait(self, model: str, tokens: int) -> float:
        """Seconds until one more request of so many tokens may go out."""
        amounts = {"tokens": tokens, "requests": 1}
        return max(
            (self._of[model, kind].wait(amount) for kind, amount in amounts.items() if (model, kind) in self._of), default=0
        )


@dataclass
class _Limit:
    """A limit that refills evenly: `remaining` of `size` at time `at`, full again `reset` seconds later."""

    size: float
    remaining: float
    reset: float
    at: float

    def wait(self, amount: float) -> float:
        """Seconds from now until so much may be spent."""
        missing = min(amount, self.size) - self.remaining
        if missing <= 0 or self.reset <= 0:
            return 0.0
        rate = (self.size - self.remaining) / self.reset
        return max(0.0, self.at + missing / rate - time.monotonic())


def retry_after(headers, message: str = "") -> float | None:
    """Seconds to wait, from `retry-after` or from the words `try again in 9m38.016s`; None where neither says."""
    try:
        return float(headers["retry-after"])
    except (KeyError, ValueError):
        pass
    found = re.search(r"try again in ([\d.hms]*[hms])", message)
    return in_seconds(found.group(1)) if found else None


def in_seconds(duration: str) -> float:
    """Seconds of a duration such as `2m59.56s`, `120ms`, `1h0m` or `7.5`."""
    unit = {"d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 0.001}
    parts = re.findall(r"([\d.]+)(ms|[dhms])", duration)
    if not parts:
        return float(duration)
    return sum(float(number) * unit[name] for number, name in parts)


def share_of_limit(message: str) -> float:
    """How much of a request the service would take, from `Limit 6000, Requested 7263` or vLLM's words for it; two thirds where it does not say."""
    found = re.search(r"(?:Limit|maximum context length is) (\d+).*?requested (\d+)", message, re.I)
    return min(0.9, 0.9 * int(found.group(1)) / int(found.group(2))) if found else 2 / 3
