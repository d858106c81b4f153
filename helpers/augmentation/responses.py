"""What comes back from an endpoint: whole and in time, and what it says."""

from __future__ import annotations

import time

import groq
import httpx

from helpers.augmentation.faults import NoAnswer, Passing
from helpers.augmentation.limits import retry_after
from helpers.augmentation.targets import Answer
from helpers.stories import count_words

SECONDS_PER_ANSWER = 120
"""A response that is not complete by then is given up and asked for again."""


class _Deadline(httpx.SyncByteStream):
    """A body that must be complete in time; httpx's own time-out starts anew with every byte that drips in."""

    def __init__(self, stream: httpx.SyncByteStream, seconds: float):
        self._stream, self._end = stream, time.monotonic() + seconds

    def __iter__(self):
        for part in self._stream:
            if time.monotonic() > self._end:
                raise httpx.ReadTimeout("The response does not end.")
            yield part

    def close(self) -> None:
        self._stream.close()


def watch(response: httpx.Response) -> None:
    """Runs on every response before its body is read."""
    response.stream = _Deadline(response.stream, SECONDS_PER_ANSWER)
    if response.status_code == 429 and (retry_after(response.headers) or 0) > 60:
        # The SDK honours up to a minute and would knock twice more within seconds when told to wait longer.
        response.headers["x-should-retry"] = "false"


def read_answer(response: httpx.Response, story: str, share: float) -> Answer:
    """The answer in a response to a request with a share of a story.

    Raises:
        Passing: it makes no sense.
        NoAnswer: it is empty, filtered or cut off.
    """
    try:
        content = response.json()
        choice = content["choices"][0]
        text, finish = choice["message"].get("content"), choice.get("finish_reason")
        tokens = (content.get("usage") or {}).get("total_tokens")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise Passing("broken answers") from None
    if finish == "content_filter":
        raise NoAnswer("filtered by the provider")
    if not (text or "").strip():
        raise NoAnswer("empty answer")
    if finish == "length":
        raise NoAnswer("cut off at its token limit")
    note = "" if share >= 1 or not story else f"the story was too large: {share:.0%} of it was sent, without its middle"
    return Answer(text, tokens=tokens, story_words=count_words(story), note=note)


def complaint(error: groq.APIStatusError, key: str) -> tuple[str, str]:
    """Code and message of an error in the protocol's own form, without the key; both empty where it has another form."""
    body = error.body.get("error", error.body) if isinstance(error.body, dict) else {}
    code, message = (str(body.get(part) or "") for part in ("code", "message")) if isinstance(body, dict) else ("", str(body))
    return code.replace(key, "[key]"), " ".join(message.replace(key, "[key]").split())
