"""Groq, or any endpoint that speaks its protocol."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

import groq
import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from helpers.augmentation import responses
from helpers.augmentation.faults import ModelUnavailable, NoAnswer, Passing, ProviderError, TooLarge
from helpers.augmentation.limits import FREE_TIER, OTHER_LIMITS, Limits, retry_after, share_of_limit
from helpers.augmentation.targets import Answer, Target, count_tokens
from helpers.stories import shorten_middle

GROQ_URL = "https://api.groq.com/openai/v1"
KEY_NAME = "GROQ_API_KEY"
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
        self._limits = Limits()
        self._refused: dict[str, list[str]] = {}
        self._key = key
        # The SDK's own path starts with /openai/v1, which other services lack: requests go through its generic methods.
        self._client = groq.Groq(
            api_key=key,
            base_url=base_url,
            timeout=responses.SECONDS_PER_ANSWER,
            max_retries=2,
            http_client=groq.DefaultHttpxClient(event_hooks={"response": [responses.watch]}),
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
        return self._limits.tokens_a_minute(model) or minute, day

    def ask(self, target: Target, prompt: str, model: str, max_tokens: int, again: bool = False) -> Answer:
        """Ask for one text and wait for it, as long as that may sensibly take.

        Args:
            target: what it is for; its `story` follows the prompt.
            prompt: the instruction.
            model: one of `models`.
            max_tokens: length of the answer at most.
            again: ignored here; the prompt says what was wrong.

        Raises:
            ProviderError, ModelUnavailable, NoAnswer: see `helpers.augmentation.faults`.
        """
        share = 1.0
        tries = Retrying(
            retry=retry_if_exception_type(Passing), stop=stop_after_attempt(ROUNDS), wait=_pause, sleep=time.sleep, reraise=True
        )
        try:
            for attempt in tries:
                with attempt:
                    share = min(share, self._share_that_fits(model, prompt, target.story, max_tokens))
                    try:
                        return self._send(model, prompt, target.story, share, max_tokens)
                    except TooLarge as error:
                        share *= error.share
                        if not target.story or share < 0.2:
                            raise NoAnswer(str(error)) from None
                        raise
        except Passing as error:
            raise ModelUnavailable(f"{self.name} is out of order for {model} ({error}, {ROUNDS} times running).") from None

    def _send(self, model: str, prompt: str, story: str, share: float, max_tokens: int) -> Answer:
        """One request with a share of the story, and for an answer as much shorter."""
        story = shorten_middle(story, share)
        longest = max(64, int(max_tokens * share))
        self._wait_or_leave(model, self._limits.wait(model, count_tokens(prompt) + count_tokens(story) + longest))
        try:
            body = self._body(model, prompt, story, longest)
            response = self._client.post("/chat/completions", cast_to=httpx.Response, body=body)
        except groq.APITimeoutError:
            raise Passing("no whole answer in time") from None
        except groq.APIConnectionError:
            raise Passing("broken answers") from None
        except groq.APIStatusError as error:
            self._limits.note(model, error.response.headers)
            raise self._what_is_wrong(error, model) from None
        self._limits.note(model, response.headers)
        self._refused.pop(model, None)
        return responses.read_answer(response, story, share)

    def _body(self, model: str, prompt: str, story: str, max_tokens: int) -> dict:
        content = f"{prompt}\n\n{story}" if story else prompt
        # Groq has renamed the limit; other services know the old name only.
        limit = "max_completion_tokens" if self.name == "groq" else "max_tokens"
        body = {"model": model, "messages": [{"role": "user", "content": content}], "temperature": 0.8, limit: max_tokens}
        if "gpt-oss" in model:
            body["reasoning_effort"] = "low"  # its thoughts are paid from the same tokens as the story
        return body

    def _what_is_wrong(self, error: groq.APIStatusError, model: str) -> Exception:
        """What an error of the endpoint means for the request, the model or the run."""
        self._stop_on_refusal(error)
        status, (code, message) = error.status_code, responses.complaint(error, self._key)
        if status == 404 or code in ("model_decommissioned", "model_not_found"):
            return ModelUnavailable(f"{self.name} no longer has {model}.")
        if code in ("content_filter", "content_policy_violation"):
            return NoAnswer("filtered by the provider")
        if status == 413 or (status in (400, 422) and _TOO_LONG.search(f"{code} {message}")):
            return TooLarge(share_of_limit(message))
        if status == 429:
            seconds = retry_after(error.response.headers, message) or None
            if "per day" in message or (seconds or 0) > PATIENCE:
                return self._daily_limit(model, seconds or PAUSE)
            return Passing("HTTP 429", seconds)
        if status >= 500 or status in _PASSING:
            return Passing(f"HTTP {status}")
        return self._refusal(model, f"HTTP {status}: {message[:200] or code or 'no reason given'}")

    def _stop_on_refusal(self, error: groq.APIStatusError) -> None:
        if error.status_code == 401:
            raise ProviderError(f"{self.name} does not accept the key (401). Put a valid one into {KEY_NAME}.") from None
        code, message = responses.complaint(error, self._key)
        if error.status_code == 402 or code in _UNPAID:
            raise ProviderError(f"{self.name} wants its account seen to ({error.status_code}): {message[:200]}") from None
        if error.status_code == 403:
            raise ProviderError(f"{self.name} does not let this key do that (403).") from None

    def _refusal(self, model: str, complaint: str) -> NoAnswer | ModelUnavailable:
        """One request that is refused is its own affair, the same complaint about each the model's."""
        complaints = self._refused.setdefault(model, [])
        complaints.append(complaint)
        if len(complaints) >= REFUSALS and len(set(complaints[-REFUSALS:])) == 1:
            return ModelUnavailable(f"{self.name} refuses every request to {model} ({complaint}).")
        return NoAnswer(f"refused by the provider ({complaint})")

    def _share_that_fits(self, model: str, prompt: str, story: str, max_tokens: int) -> float:
        """Share of story and answer that fit into a minute's tokens; the service counts the longest answer in advance."""
        minute = self._limits.tokens_a_minute(model)
        if minute is None:
            return 1.0
        room = 0.95 * minute - count_tokens(prompt)
        return max(0.05, min(1.0, room / (count_tokens(story) + max_tokens)))

    def _wait_or_leave(self, model: str, seconds: float) -> None:
        if seconds > PATIENCE:
            raise self._daily_limit(model, seconds)
        time.sleep(seconds)

    def _daily_limit(self, model: str, seconds: float) -> ModelUnavailable:
        when = datetime.now(timezone.utc) + timedelta(seconds=seconds)
        return ModelUnavailable(f"{model} has reached its daily limit at {self.name}.", when)


def _pause(state: RetryCallState) -> float:
    seconds = state.outcome.exception().seconds
    return PAUSE * state.attempt_number if seconds is None else seconds
