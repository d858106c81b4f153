"""The run that asks: each answer is judged and kept before the next is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from helpers.augmentation.faults import ModelUnavailable, NoAnswer, NotRecorded
from helpers.augmentation.gates import Gates, Verdict
from helpers.augmentation.journal import Journal, key_of, place_of
from helpers.augmentation.outcome import Outcome, follow
from helpers.augmentation.planning import words_wanted
from helpers.augmentation.rows import JOURNALS
from helpers.augmentation.targets import Answer, Target
from helpers.runtime import Run

AGAIN = "-again"
"""Ends the prompt version of a second try, which is told what was wrong with the first."""


def run_plan(
    run: Run,
    task: str,
    targets: list[Target],
    provider,
    gates: Gates,
    prompt_ids: tuple[str, ...],
    write_prompt: Callable[[Target, str], str],
    words: int | None = None,
    most_requests: int | None = None,
    most_tokens: int | None = None,
    tokens_a_word: float = 1.35,
) -> Outcome:
    """Ask for what the journal does not hold yet, judge each answer, and keep it before the next is asked for.

    Args:
        run: the running notebook.
        task: `paraphrase` or `synthetic`.
        targets: from `plan`.
        provider: who is asked; a model that fails for good is taken off its `models`.
        gates: what an answer must pass.
        prompt_ids: prompt versions in rotation.
        write_prompt: function of a target and a prompt version that returns the instruction.
        words: length asked for; None for the parent's own.
        most_requests, most_tokens: budget of this session; None for no bound, 0 to ask nothing.
        tokens_a_word: of the stories' language, see `stories.language_of`.

    Returns:
        What it came to. A spent budget, a daily limit and an endpoint out of order end the session, not the notebook.

    Raises:
        ProviderError: nothing more is to be had before the user changes something.
        RuntimeError: another notebook is writing to the same journal.
    """
    outcome, begin = Outcome(len(targets)), time.monotonic()
    with Journal(run.workspace / JOURNALS[task]) as journal:
        accepted = [row for row in journal.rows if row["status"] == "accepted"]
        gates.remember(accepted)
        done = {place_of(row) for row in accepted}
        todo = [(number, target) for number, target in enumerate(targets) if target.place not in done]
        outcome.earlier = len(targets) - len(todo)
        session = _Session(
            provider, gates, journal, outcome, prompt_ids, write_prompt, words, most_requests, most_tokens, tokens_a_word
        )
        try:
            for number, target in follow(todo, outcome):
                session.serve(number, target)
        except _Enough as end:
            outcome.ended = str(end)
    outcome.seconds = time.monotonic() - begin
    return outcome


class _Enough(Exception):
    """This session ends here, for the reason given."""


@dataclass
class _Session:
    """What stays the same from target to target: see `run_plan`."""

    provider: object
    gates: Gates
    journal: Journal
    outcome: Outcome
    prompt_ids: tuple[str, ...]
    write_prompt: Callable[[Target, str], str]
    words: int | None
    most_requests: int | None
    most_tokens: int | None
    tokens_a_word: float

    def __post_init__(self):
        self.rows = {key_of(row): row for row in self.journal.rows}  # by earlier sessions

    def serve(self, number: int, target: Target) -> None:
        """Get an answer to a target, from the next model where one is gone.

        Raises:
            _Enough: no model is left, or the budget is spent.
        """
        while True:
            model, prompt_id = self.provider.signature(number, target, self.prompt_ids)
            try:
                return self._try_twice(target, model, prompt_id)
            except ModelUnavailable as error:
                self.provider.models = tuple(name for name in self.provider.models if name != model)
                self.outcome.when = min(filter(None, (self.outcome.when, error.when)), default=None)
                if not self.provider.models:
                    raise _Enough(f"{error} No model is left.") from None
                print(f"{error} The other models go on.")

    def _try_twice(self, target: Target, model: str, prompt_id: str) -> None:
        fault = ""
        for version in (prompt_id, prompt_id + AGAIN):
            row = self.rows.get((*target.place, version, model)) or self._ask(target, model, version, fault)
            if row is None:
                break
            if row["status"] == "accepted":
                self.outcome.accepted += 1
                return
            fault = row["reason"]
        if fault:
            self.outcome.refused += 1
        else:
            self.outcome.unrecorded += 1

    def _ask(self, target: Target, model: str, prompt_id: str, fault: str) -> dict | None:
        """Ask once, judge, and keep the answer; None where it is not recorded."""
        for spent, most in ((self.outcome.requests, self.most_requests), (self.outcome.tokens, self.most_tokens)):
            if most is not None and spent >= most:
                raise _Enough("The budget of this session is spent.")
        # A recorded answer was written to a prompt that is not the notebook's.
        version = prompt_id.removesuffix(AGAIN)
        prompt = self.write_prompt(target, version) if version in self.prompt_ids else ""
        if fault:
            prompt += f"\n\nAn earlier answer could not be used ({fault}). Write it again without that fault."
        answer = None
        try:
            longest = _most_tokens(model, words_wanted(target, self.words), self.tokens_a_word)
            answer = self.provider.ask(target, prompt, model, longest, again=bool(fault))
            verdict = self.gates.judge(target, answer, answer.story_words if self.words is None else self.words)
        except NoAnswer as error:
            verdict = Verdict("", "", f"no answer: {error}")
        except NotRecorded:
            return None
        row = _journal_row(target, self.provider.name, model, prompt_id, answer, verdict)
        self.journal.append(row)
        if not verdict.reason:
            self.gates.accept(target, verdict)
        self.outcome.requests += 1
        self.outcome.tokens += row["tokens"] or 0
        self.outcome.notes.update([row["note"].split(":")[0]] if row["note"] else [])
        return row


def _most_tokens(model: str, words: int, tokens_a_word: float) -> int:
    """Longest answer to allow for: a third more than asked, and room to think for a model that thinks first."""
    return int(tokens_a_word * 1.33 * words) + 100 + (600 if "gpt-oss" in model else 0)


def _journal_row(target: Target, provider: str, model: str, prompt_id: str, answer: Answer | None, verdict: Verdict) -> dict:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return {
        "task": target.task,
        "parent_id": target.parent_id,
        "genre": target.genre,
        "slot": target.slot,
        "prompt_id": prompt_id,
        "provider": provider,
        "model": model,
        "created_at": (answer.created_at if answer else None) or now,
        "title": verdict.title,
        "text": verdict.text,
        "status": "rejected" if verdict.reason else "accepted",
        "reason": verdict.reason,
        "tokens": answer.tokens if answer else None,
        "note": answer.note if answer else "",
        "close_to": verdict.close_to,
    }
