"""The run that asks: each answer is judged and kept before the next is asked for."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone

from tqdm.auto import tqdm

from helpers.augmentation.gates import Gates, Verdict
from helpers.augmentation.journal import Journal, key_of, place_of
from helpers.augmentation.planning import words_wanted
from helpers.augmentation.rows import JOURNALS
from helpers.augmentation.targets import Answer, ModelUnavailable, NoAnswer, NotRecorded, Target
from helpers.measuring import clock
from helpers.runtime import Run, headless

AGAIN = "-again"
"""Ends the prompt version of a second try, which is told what was wrong with the first."""


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


class _Enough(Exception):
    """This session ends here, for the reason given."""


def run_plan(
    run: Run,
    task: str,
    targets: list[Target],
    provider,
    gates: Gates,
    prompt_ids: tuple[str, ...],
    write_prompt,
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
        most_requests, most_tokens: budget of this session; None for no bound.
        tokens_a_word: of the stories' language, see `stories.language_of`.

    Returns:
        What it came to. A spent budget, a daily limit and an endpoint out of order end the session, not the notebook.

    Raises:
        ProviderError: nothing more is to be had before the user changes something.
        RuntimeError: another notebook is writing to the same journal.
    """
    outcome, begin = Outcome(len(targets)), time.monotonic()
    with Journal(run.workspace / JOURNALS[task]) as journal:
        rows = {key_of(row): row for row in journal.rows}
        accepted = [row for row in journal.rows if row["status"] == "accepted"]
        gates.remember(accepted)
        done = {place_of(row) for row in accepted}
        todo = [(number, target) for number, target in enumerate(targets) if target.place not in done]
        outcome.earlier = len(targets) - len(todo)

        def ask_once(target: Target, model: str, prompt_id: str, fault: str) -> dict | None:
            if (most_requests is not None and outcome.requests >= most_requests) or (
                most_tokens is not None and outcome.tokens >= most_tokens
            ):
                raise _Enough("The budget of this session is spent.")
            # A recorded answer was written to a prompt that is not the notebook's.
            prompt = write_prompt(target, version) if (version := prompt_id.removesuffix(AGAIN)) in prompt_ids else ""
            if fault:
                prompt += f"\n\nAn earlier answer could not be used ({fault}). Write it again without that fault."
            length = words_wanted(target, words)
            answer, verdict = None, None
            try:
                answer = provider.ask(target, prompt, model, _most_tokens(model, length, tokens_a_word), again=bool(fault))
                verdict = gates.judge(target, answer, words or answer.story_words)
            except NoAnswer as error:
                verdict = Verdict("", "", f"no answer: {error}")
            except NotRecorded:
                return None
            row = _journal_row(target, provider.name, model, prompt_id, answer, verdict)
            journal.append(row)
            if not verdict.reason:
                gates.accept(target, verdict)
            outcome.requests += 1
            outcome.tokens += row["tokens"] or 0
            outcome.notes.update([row["note"].split(":")[0]] if row["note"] else [])
            return row

        def serve(number: int, target: Target) -> None:
            model, prompt_id = provider.signature(number, target, prompt_ids)
            fault = ""
            for version in (prompt_id, prompt_id + AGAIN):
                row = rows.get((*target.place, version, model)) or ask_once(target, model, version, fault)
                if row is None:
                    break
                if row["status"] == "accepted":
                    outcome.accepted += 1
                    return
                fault = row["reason"]
            if fault:
                outcome.refused += 1
            else:
                outcome.unrecorded += 1

        try:
            for number, target in _progress(todo, outcome):
                while True:
                    try:
                        serve(number, target)
                        break
                    except ModelUnavailable as error:
                        model, _ = provider.signature(number, target, prompt_ids)
                        provider.models = tuple(name for name in provider.models if name != model)
                        outcome.when = min(filter(None, (outcome.when, error.when)), default=None)
                        if not provider.models:
                            raise _Enough(f"{error} No model is left.") from None
                        print(f"{error} The other models go on.")
        except _Enough as end:
            outcome.ended = str(end)
    outcome.seconds = time.monotonic() - begin
    return outcome


def _most_tokens(model: str, words: int, tokens_a_word: float = 1.35) -> int:
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


def _progress(todo: list, outcome: Outcome):
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
