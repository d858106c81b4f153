"""Who writes augmented text: Groq, any endpoint that speaks the same protocol, a local model, or recorded answers.

A provider has `name` (kept in every row), `models`, `answers(target)` (whether it could), `signature(number, target,
prompt_ids)` (model and prompt for the plan's target of that number) and `ask(target, prompt, model, max_tokens, again)`,
which returns an `Answer` or raises:

- `ProviderError`: nothing to be had before the user changes something. Ends the run.
- `ModelUnavailable`: this model is done for today, gone, or out of order. The others go on.
- `NoAnswer`: this one request has no usable answer. Counts as rejected.
- `NotRecorded`: there was nothing to ask. Counts as left.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit

import groq
import httpx
import pandas as pd

from helpers import stories as story_tables
from helpers.config import DATA
from helpers.runtime import Run, headless, in_colab

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
    """Estimate on the safe side: English has 4 to 5 characters a token."""
    return len(text) // 4 + 1


def shorten_middle(text: str, share: float) -> str:
    """Keep the given share of a text's words, half of them from its beginning and half from its end."""
    words = list(re.finditer(r"\S+", text))
    half = int(len(words) * share / 2)
    if 2 * half >= len(words) - 1:
        return text
    return f"{text[: words[half].start()].rstrip()} [...] {text[words[-half].start() :]}" if half else ""


# --- Groq, and every endpoint that speaks its protocol ---------------------------------------------------------------


def find_key(ask: bool = False) -> str | None:
    """The API key: from Colab's secrets, else the environment variable `GROQ_API_KEY`, else typed in.

    Args:
        ask: prompt for it where somebody is there to answer; the typed key is not shown and not kept.
    """
    if in_colab():
        try:
            from google.colab import userdata

            if key := userdata.get(KEY_NAME):
                return key.strip()
        except Exception:  # no such secret, no access granted, or no front end to ask: then the next place
            pass
    if key := os.environ.get(KEY_NAME, "").strip():
        return key
    if ask and not headless() and ("ipykernel" in sys.modules or sys.stdin.isatty()):
        try:
            return getpass.getpass(f"{KEY_NAME}: ").strip() or None
        except (RuntimeError, EOFError, OSError):  # a kernel that nobody sits at
            return None
    return None


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
            raise ProviderError(
                f"{self.name} cannot be reached. Check the connection and BASE_URL, then run this cell again."
            ) from None
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
                return _read(response, story, share)
            except groq.APIStatusError as error:
                self._stop_on_refusal(error)
                self._note_limits(model, error.response.headers)
                code, message = _complaint(error)
                trouble = f"HTTP {error.status_code}"
                if error.status_code == 404 or code in ("model_decommissioned", "model_not_found"):
                    raise ModelUnavailable(f"{self.name} no longer has {model}.") from None
                if code in ("content_filter", "content_policy_violation"):
                    raise NoAnswer("filtered by the provider") from None
                if error.status_code == 413:
                    share *= _share_of_limit(message)
                    if not target.story or share < 0.2:
                        raise NoAnswer("too large for the provider") from None
                elif error.status_code == 429:
                    self._wait_or_leave(model, _retry_after(error.response.headers, message) or PAUSE * failures, message)
                elif error.status_code >= 500:
                    time.sleep(PAUSE * failures)
                else:
                    raise ProviderError(
                        f"{self.name} refuses the request (HTTP {error.status_code}): {message[:200]}"
                    ) from None
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
            raise ProviderError(
                f"{self.name} does not accept the key (401). Put a valid one into {KEY_NAME} and run again."
            ) from None
        if error.status_code == 403:
            raise ProviderError(f"{self.name} does not let this key do that (403).") from None

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
    return Answer(text, tokens=tokens, story_words=len(story.split()), note=note)


def _complaint(error: groq.APIStatusError) -> tuple[str, str]:
    """Code and message of an error in the protocol's own form; both empty where it has another."""
    body = error.body.get("error", error.body) if isinstance(error.body, dict) else {}
    return (str(body.get("code") or ""), str(body.get("message") or "")) if isinstance(body, dict) else ("", "")


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
    """How much of a request the service would take, from `Limit 6000, Requested 7263`; two thirds where it does not say."""
    found = re.search(r"Limit (\d+).*?Requested (\d+)", message)
    return min(0.9, 0.9 * int(found.group(1)) / int(found.group(2))) if found else 2 / 3


# --- a model on this machine -----------------------------------------------------------------------------------------


class LocalModel:
    """A causal language model on the run's own device: no key, no limits, and slow on a CPU."""

    name = "local"

    def __init__(self, run: Run, model: str | None = None):
        """
        Args:
            run: the running notebook.
            model: a Hub name or folder; the profile's LLM by default.
        """
        from helpers.models import load_llm, load_tokenizer

        self._tokenizer, label = load_tokenizer(run, model)
        self._model = load_llm(run, self._tokenizer, model).eval()
        self.models = (label,)

    def answers(self, target: Target) -> bool:
        return True

    def signature(self, number: int, target: Target, prompt_ids: tuple[str, ...]) -> tuple[str, str]:
        return self.models[0], prompt_ids[number % len(prompt_ids)]

    def ask(self, target: Target, prompt: str, model: str, max_tokens: int, again: bool = False) -> Answer:
        """Generate one text; a story that does not fit the model's context loses its middle."""
        import torch

        context = getattr(self._model.config, "max_position_embeddings", None) or 4096
        room = context - max_tokens - count_tokens(prompt) - 64
        share = min(1.0, room / count_tokens(target.story))
        story = shorten_middle(target.story, max(share, 0.05))
        content = f"{prompt}\n\n{story}" if story else prompt
        if self._tokenizer.chat_template:
            content = self._tokenizer.apply_chat_template(
                [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
            )
        inputs = self._tokenizer(content, return_tensors="pt", add_special_tokens=not self._tokenizer.chat_template)
        inputs = inputs.to(self._model.device)
        with torch.inference_mode():
            output = self._model.generate(
                **inputs, max_new_tokens=max_tokens, do_sample=True, temperature=0.8, top_p=0.95, use_cache=True
            )[0]
        text = self._tokenizer.decode(output[inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip()
        if not text:
            raise NoAnswer("empty answer")
        note = "" if story == target.story else f"the story was too large: {share:.0%} of it was sent, without its middle"
        return Answer(text, tokens=len(output), story_words=len(story.split()), note=note)


# --- recorded answers ------------------------------------------------------------------------------------------------


class RecordedAnswers:
    """Answers that were written for this project and stand in `data/`, so that everything runs without a key.

    For the sample corpus, `sample_augmentations.jsonl`: its paraphrases and its synthetic stories. For any other dataset,
    `synthetic_stories.jsonl`: synthetic stories by the genre's name. A paraphrase of a sample story counts for a story with
    the same id and the same text only.
    """

    name = "recorded"

    def __init__(self, stories: pd.DataFrame, folder: Path = DATA):
        """
        Args:
            stories: story table that will be augmented.
            folder: where the recorded answers stand.
        """
        sample, _ = story_tables.validate(story_tables.read_csv(story_tables.SAMPLE_CSV))
        known = dict(zip(sample["story_id"], sample["text"]))
        rows = _read_lines(folder / "sample_augmentations.jsonl")
        self._paraphrases = {
            (row["parent_id"], row["slot"]): (row, known[row["parent_id"]]) for row in rows if row["task"] == "paraphrase"
        }
        if not all(known.get(story.story_id) == story.text for story in stories.itertuples()):
            rows = _read_lines(folder / "synthetic_stories.jsonl")
        self._synthetic = {(row["genre"], row["slot"]): row for row in rows if row["task"] == "synthetic"}
        self.models = tuple(sorted({row["model"] for row in rows})) or ("none",)

    def _find(self, target: Target) -> dict | None:
        if target.task == "synthetic":
            return self._synthetic.get((target.genre, target.slot))
        row, text = self._paraphrases.get((target.parent_id, target.slot), (None, None))
        return row if text == target.story else None

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
        return Answer(row["text"], row["title"], story_words=len(target.story.split()), created_at=row["created_at"])


def _read_lines(path: Path) -> list[dict]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


# --- choosing --------------------------------------------------------------------------------------------------------


def open_provider(
    name: str,
    run: Run,
    stories: pd.DataFrame,
    models: tuple[str, ...],
    base_url: str = GROQ_URL,
    local_model: str | None = None,
):
    """Open the provider that a notebook names, and say which it is.

    Args:
        name: `groq` (or any compatible endpoint at `base_url`), `local`, `recorded`, or `auto`: groq if there is a key,
            else recorded.
        run: the running notebook.
        stories: story table that will be augmented.
        models: the endpoint's models, asked in rotation.
        base_url: the endpoint.
        local_model: for `local`, a Hub name or folder; None for the profile's LLM.

    Raises:
        ValueError: there is no such provider.
        ProviderError: no key, or the endpoint refuses it, or has no such model.
    """
    if name not in ("auto", "groq", "local", "recorded"):
        raise ValueError(f"PROVIDER={name!r} does not exist; choose one of auto, groq, local, recorded.")
    if name == "local":
        provider = LocalModel(run, local_model)
    elif name == "recorded":
        provider = RecordedAnswers(stories)
    else:
        key = find_key(ask=name == "groq")
        if key:
            provider = ChatEndpoint(key, models, base_url)
        elif name == "groq":
            raise ProviderError(f"There is no key. Put one into Colab's secrets or the environment as {KEY_NAME}.")
        else:
            print(f"No {KEY_NAME} in Colab's secrets or the environment: the recorded answers take Groq's place.")
            provider = RecordedAnswers(stories)
    print(f"provider {provider.name}, models {', '.join(provider.models) or 'none'}")
    return provider
