"""Groq, or any endpoint that speaks its API: pace, faults and limits."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

import groq
import httpx

from helpers.augmentation.targets import Answer, ModelUnavailable, NoAnswer, ProviderError, Target, count_tokens, shorten_middle
from helpers.stories import count_words

GROQ_URL = "https://api.groq.com/openai/v1"
KEY_NAME = "GROQ_API_KEY"
FREE_TIER = {
    "llama-3.1-8b-instant": (6_000, 500_000),
    "openai/gpt-oss-120b": (8_000, 200_000),
    "openai/gpt-oss-20b": (8_000, 200_000),
}
"""Tokens a minute and a day of Groq's free tier in 2026. Only the plan's estimate uses them; headers set the pace."""
OTHER_LIMITS = (6_000, 500_000)
SECONDS_PER_ANSWER = 120
"""A response that is not complete by then is given up and asked for again."""
PATIENCE = 15 * 60
"""Seconds. A limit that lets nothing through for longer is a daily one: the run ends and says when to come back."""
PAUSE = 20
"""Seconds to wait, times the number of failures, when an endpoint fails and does not say for how long."""
ROUNDS = 5
"""Failures in a row (each after the SDK's own retries) until an endpoint counts as out of order."""
REFUSALS = 5
"""So many different requests refused in a row with the same words, and none answered in between, mean that a model refuses all of them."""
_PASSING = {408, 409, 424, 425, 498}  # statuses that pass by themselves, as 429 and 5xx; 498 is Groq's full flex tier
_UNPAID = {
    "insufficient_quota",
    "billing_not_active",
    "organization_restricted",
    "account_deactivated",
}  # until the user sees to it
_TOO_LONG = re.compile(r"context[ _]length|reduce the length|too (?:long|large|many tokens)|maximum context", re.I)


class ChatEndpoint:
    """Models behind an HTTP endpoint, asked through the Groq SDK.

    The SDK repeats what fails for a moment: refused and broken connections, time-outs, 429 and 5xx. On top of that the
    rate-limit headers of each answer set the pace of the next request, so that a 429 is the exception, and what lasts longer
    than the SDK's patience is waited for here.
    """

    def __init__(self, key: str, models: tuple[str, ...], base_url: str = GROQ_URL):
        """
        Args:
            key: API key.
            models: names, asked in rotation.
            base_url: up to and with the version, as OpenAI-compatible services print it (`https://.../v1`).

        Raises:
            ProviderError: the key is wrong, the endpoint cannot be reached, or it does not have a model.
        """
        host = urlsplit(base_url).hostname or base_url
        self.name = "groq" if host.endswith("groq.com") else host
        self.models = tuple(models)
        self._limits: dict[tuple[str, str], _Limit] = {}
        self._refused: dict[str, list[str]] = {}
        self._key = key
        # The SDK's own path starts with /openai/v1, which other services lack: requests go through its generic methods.
        self._client = groq.Groq(
            api_key=key,
            base_url=base_url,
            timeout=SECONDS_PER_ANSWER,
            max_retries=2,
            http_client=groq.DefaultHttpxClient(event_hooks={"response": [_watch]}),
        )
        self._check_models()

    def _check_models(self) -> None:
        try:
            listed = self._client.get("/models", cast_to=httpx.Response).json()
            names = sorted(model["id"] for model in listed["data"])
        except groq.APIStatusError as error:
            self._stop_on_refusal(error)
            raise ProviderError(f"{self.name} does not list its models (HTTP {error.status_code}). Check BASE_URL.") from None
        except groq.APIConnectionError:
            raise ProviderError(f"{self.name} cannot be reached. Check the connection and BASE_URL, and run again.") from None
        except (ValueError, KeyError, TypeError):
            raise ProviderError(f"{self.name} answers, but not with a list of models. Check BASE_URL.") from None
        if missing := [model for model in self.models if model not in names]:
            raise ProviderError(f"{self.name} has no model {', '.join(missing)} for this key. It has: {', '.join(names)}.")

    def answers(self, target: Target) -> bool:
        return True

    def signature(self, number: int, target: Target, prompt_ids: tuple[str, ...]) -> tuple[str, str]:
        """Models take turns, and each model goes through the prompts."""
        turn, place = divmod(number, len(self.models))
        return self.models[place], prompt_ids[turn % len(prompt_ids)]

    def speed(self, model: str) -> tuple[int, int]:
        """Tokens a minute and a day: a minute's as the last answer said, else as the free tier is published."""
        minute, day = FREE_TIER.get(model, OTHER_LIMITS)
        limit = self._limits.get((model, "tokens"))
        return (int(limit.size) if limit else minute), day

    def ask(self, target: Target, prompt: str, model: str, max_tokens: int, again: bool = False) -> Answer:
        """Ask for one text and wait for it, as long as that may sensibly take.

        Args:
            target: what it is for; its `story` follows the prompt.
            prompt: the instruction.
            model: one of `models`.
            max_tokens: length of the answer at most.
            again: ignored here; the prompt says what was wrong.

        Raises:
            ProviderError, ModelUnavailable, NoAnswer: see the module.
        """
        share, trouble = 1.0, ""
        for failures in range(1, ROUNDS + 1):
            share = min(share, self._share_that_fits(model, prompt, target.story, max_tokens))
            story = shorten_middle(target.story, share)
            longest = max(64, int(max_tokens * share))
            self._keep_pace(model, count_tokens(prompt) + count_tokens(story) + longest)
            try:
                response = self._client.post(
                    "/chat/completions", cast_to=httpx.Response, body=self._body(model, prompt, story, longest)
                )
                self._note_limits(model, response.headers)
                self._refused.pop(model, None)
                return _read(response, story, share)
            except groq.APIStatusError as error:
                self._stop_on_refusal(error)
                self._note_limits(model, error.response.headers)
                code, message = _complaint(error, self._key)
                trouble = f"HTTP {error.status_code}"
                if error.status_code == 404 or code in ("model_decommissioned", "model_not_found"):
                    raise ModelUnavailable(f"{self.name} no longer has {model}.") from None
                if code in ("content_filter", "content_policy_violation"):
                    raise NoAnswer("filtered by the provider") from None
                if error.status_code == 413 or (error.status_code in (400, 422) and _TOO_LONG.search(f"{code} {message}")):
                    share *= _share_of_limit(message)
                    if not target.story or share < 0.2:
                        raise NoAnswer("too large for the provider") from None
                elif error.status_code == 429:
                    self._wait_or_leave(model, _retry_after(error.response.headers, message) or PAUSE * failures, message)
                elif error.status_code >= 500 or error.status_code in _PASSING:
                    time.sleep(PAUSE * failures)
                else:
                    self._refuse(model, f"HTTP {error.status_code}: {message[:200] or code or 'no reason given'}")
            except (groq.APIConnectionError, _Malformed) as error:
                trouble = "no whole answer in time" if isinstance(error, groq.APITimeoutError) else "broken answers"
                time.sleep(PAUSE * failures)
        raise ModelUnavailable(f"{self.name} is out of order for {model} ({trouble}, {ROUNDS} times running).")

    def _body(self, model: str, prompt: str, story: str, max_tokens: int) -> dict:
        content = f"{prompt}\n\n{story}" if story else prompt
        # Groq has renamed the limit; other services know the old name only.
        limit = "max_completion_tokens" if self.name == "groq" else "max_tokens"
        body = {"model": model, "messages": [{"role": "user", "content": content}], "temperature": 0.8, limit: max_tokens}
        if "gpt-oss" in model:
            body["reasoning_effort"] = "low"  # its thoughts are paid from the same tokens as the story
        return body

    def _stop_on_refusal(self, error: groq.APIStatusError) -> None:
        if error.status_code == 401:
            raise ProviderError(f"{self.name} does not accept the key (401). Put a valid one into {KEY_NAME}.") from None
        code, message = _complaint(error, self._key)
        if error.status_code == 402 or code in _UNPAID:
            raise ProviderError(f"{self.name} wants its account seen to ({error.status_code}): {message[:200]}") from None
        if error.status_code == 403:
            raise ProviderError(f"{self.name} does not let this key do that (403).") from None

    def _refuse(self, model: str, complaint: str) -> None:
        """One request that is refused is its own affair (raises `NoAnswer`), the same complaint about each the model's (`ModelUnavailable`)."""
        complaints = self._refused.setdefault(model, [])
        complaints.append(complaint)
        if len(complaints) >= REFUSALS and len(set(complaints[-REFUSALS:])) == 1:
            raise ModelUnavailable(f"{self.name} refuses every request to {model} ({complaint}).") from None
        raise NoAnswer(f"refused by the provider ({complaint})") from None

    def _share_that_fits(self, model: str, prompt: str, story: str, max_tokens: int) -> float:
        """Share of story and answer that fit into a minute's tokens; the service counts the longest answer in advance."""
        limit = self._limits.get((model, "tokens"))
        if limit is None:
            return 1.0
        room = 0.95 * limit.size - count_tokens(prompt)
        return max(0.05, min(1.0, room / (count_tokens(story) + max_tokens)))

    def _keep_pace(self, model: str, tokens: int) -> None:
        waits = [
            limit.seconds_until(amount)
            for kind, amount in (("tokens", tokens), ("requests", 1))
            if (limit := self._limits.get((model, kind)))
        ]
        if waits and max(waits) > 0:
            self._wait_or_leave(model, max(waits), "")

    def _wait_or_leave(self, model: str, seconds: float, message: str) -> None:
        if "per day" in message or seconds > PATIENCE:
            when = datetime.now(timezone.utc) + timedelta(seconds=seconds)
            raise ModelUnavailable(f"{model} has reached its daily limit at {self.name}.", when) from None
        time.sleep(seconds)

    def _note_limits(self, model: str, headers) -> None:
        for kind in ("tokens", "requests"):
            size, remaining, reset = (headers.get(f"x-ratelimit-{name}-{kind}") for name in ("limit", "remaining", "reset"))
            try:
                self._limits[model, kind] = _Limit(float(size), float(remaining), _seconds(reset), time.monotonic())
            except (TypeError, ValueError):
                continue


@dataclass
class _Limit:
    """A limit that refills evenly: `remaining` of `size` at time `at`, full again `reset` seconds later."""

    size: float
    remaining: float
    reset: float
    at: float

    def seconds_until(self, amount: float) -> float:
        """Seconds from now until so much may be spent."""
        missing = min(amount, self.size) - self.remaining
        if missing <= 0 or self.reset <= 0:
            return 0.0
        rate = (self.size - self.remaining) / self.reset
        return max(0.0, self.at + missing / rate - time.monotonic())


class _Malformed(Exception):
    """A response that is complete and makes no sense."""


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


def _watch(response: httpx.Response) -> None:
    """Runs on every response before its body is read."""
    response.stream = _Deadline(response.stream, SECONDS_PER_ANSWER)
    if response.status_code == 429 and (_retry_after(response.headers) or 0) > 60:
        # The SDK honours up to a minute and would knock twice more within seconds when told to wait longer.
        response.headers["x-should-retry"] = "false"


def _read(response: httpx.Response, story: str, share: float) -> Answer:
    try:
        content = response.json()
        choice = content["choices"][0]
        text, finish = choice["message"].get("content"), choice.get("finish_reason")
        tokens = (content.get("usage") or {}).get("total_tokens")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise _Malformed from None
    if finish == "content_filter":
        raise NoAnswer("filtered by the provider")
    if not (text or "").strip():
        raise NoAnswer("empty answer")
    if finish == "length":
        raise NoAnswer("cut off at its token limit")
    note = "" if share >= 1 or not story else f"the story was too large: {share:.0%} of it was sent, without its middle"
    return Answer(text, tokens=tokens, story_words=count_words(story), note=note)


def _complaint(error: groq.APIStatusError, key: str) -> tuple[str, str]:
    """Code and message of an error in the protocol's own form, without the key; both empty where it has another form."""
    body = error.body.get("error", error.body) if isinstance(error.body, dict) else {}
    code, message = (str(body.get(part) or "") for part in ("code", "message")) if isinstance(body, dict) else ("", str(body))
    return code.replace(key, "[key]"), " ".join(message.replace(key, "[key]").split())


def _retry_after(headers, message: str = "") -> float | None:
    """Seconds to wait, from `retry-after` or from the words `try again in 9m38.016s`."""
    try:
        return float(headers["retry-after"])
    except (KeyError, ValueError):
        pass
    found = re.search(r"try again in ([\d.hms]*[hms])", message)
    return _seconds(found.group(1)) if found else None


def _seconds(duration: str) -> float:
    """Seconds of a duration such as `2m59.56s`, `120ms` or `1h0m`."""
    unit = {"d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 0.001}
    parts = re.findall(r"([\d.]+)(ms|[dhms])", duration)
    if not parts:
        return float(duration)
    return sum(float(number) * unit[name] for number, name in parts)


def _share_of_limit(message: str) -> float:
    """How much of a request the service would take, from `Limit 6000, Requested 7263` or vLLM's words for it; two thirds where it does not say."""
    found = re.search(r"(?:Limit|maximum context length is) (\d+).*?requested (\d+)", message, re.I)
    return min(0.9, 0.9 * int(found.group(1)) / int(found.group(2))) if found else 2 / 3
