"""Augmentation: what to ask for, the run that asks, and the training set that the three approaches share."""

from __future__ import annotations

import functools
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from helpers.config import DATA
from helpers.evaluation import confusions, predictions_from_scores
from helpers.gates import Gates, NgramIndex, Verdict
from helpers.journal import Journal, key_of, place_of, read_rows
from helpers.lexical import decision_scores, words
from helpers.providers import Answer, ModelUnavailable, NoAnswer, NotRecorded, Target, count_tokens
from helpers.runtime import Run, clock, headless
from helpers.stories import FAMILIES, chunk_stories, clean_text, family_of

JOURNALS = {"paraphrase": "paraphrases.jsonl", "synthetic": "synthetic.jsonl"}
"""Journal of each task, in the workspace."""
SOURCES = ("original", "chunk", "paraphrase", "synthetic", "description")
COLUMNS = ["story_id", "title", "genre", "text", "text_clean", "source", "parent_id"]
AGAIN = "-again"
"""Ends the prompt version of a second try, which is told what was wrong with the first."""


# --- what to ask for -------------------------------------------------------------------------------------------------


def genre_needs(stories: pd.DataFrame) -> pd.DataFrame:
    """Which genres need more: those with few training stories, and those that the lexical baseline confuses on validation.

    Args:
        stories: story table with `split`; its test stories are not looked at.

    Returns:
        DataFrame with one row a genre, neediest first: `genre`, `stories` (training stories), `confused` (validation stories
        of this genre taken for another, or of another taken for it), `confused_with` (names), `weight`.
    """
    train, judged = stories[stories["split"] == "train"], stories[stories["split"] == "validation"]
    model = words().fit(train, train["genre"])
    scores = decision_scores(model, judged)
    wrong = confusions(predictions_from_scores(judged, scores, list(model.classes_)), most=len(judged))
    mistaken: Counter = Counter()
    partners: dict[str, dict] = {}  # of dicts, for their order without repeats
    for row in wrong.to_dict("records"):
        for genre, other in ((row["genre"], row["taken for"]), (row["taken for"], row["genre"])):
            mistaken[genre] += row["stories"]
            partners.setdefault(genre, {})[other] = True
    sizes = train["genre"].value_counts()
    needs = pd.DataFrame({"genre": sizes.index, "stories": sizes.to_numpy()})
    needs["confused"] = [mistaken[genre] for genre in needs["genre"]]
    needs["confused_with"] = [", ".join(partners.get(genre, {})) for genre in needs["genre"]]
    short = (needs["stories"].median() - needs["stories"]).clip(lower=0) / needs["stories"].median()
    needs["weight"] = 1 + short + 0.5 * needs["confused"].clip(upper=2)
    return needs.sort_values(["weight", "genre"], ascending=[False, True]).reset_index(drop=True)


def plan(task: str, stories: pd.DataFrame, needs: pd.DataFrame, total: int | None, provider) -> list[Target]:
    """List what to ask for.

    Args:
        task: `paraphrase` (of training stories only) or `synthetic`.
        stories: story table with `split`.
        needs: from `genre_needs`.
        total: how many; None for the seed's ratio, one for two training stories (its 400 for 800), or for all that is recorded.
        provider: who will be asked. Where it holds recorded answers, they are the plan.

    Returns:
        The targets, neediest genre first. Unless they are recorded, a genre's share of them follows its weight.
    """
    train = stories[stories["split"] == "train"]
    if provider.name == "recorded":
        recorded = [t for genre in needs["genre"] for t in _candidates(task, train, genre, 100) if provider.answers(t)]
        if recorded:
            return recorded[:total]
    total = round(len(train) / 2) if total is None else total
    share = needs["weight"] / needs["weight"].sum() * total
    counts = np.floor(share).astype(int)
    # What rounding down left over goes to the largest remainders.
    counts.iloc[np.argsort(-(share - counts).to_numpy(), kind="stable")[: total - int(counts.sum())]] += 1
    return [target for genre, count in zip(needs["genre"], counts) for target in _candidates(task, train, genre, count)]


def _candidates(task: str, train: pd.DataFrame, genre: str, count: int) -> list[Target]:
    """The first so many texts that could be asked for in a genre: each parent once, then each a second time, ..."""
    if task == "synthetic":
        return [Target(task, genre, slot) for slot in range(1, count + 1)]
    parents = list(train[train["genre"] == genre][["story_id", "text"]].itertuples(index=False))
    return [
        Target(task, genre, number // len(parents) + 1, *parents[number % len(parents)])
        for number in range(count if parents else 0)
    ]


def contrast(genre: str, needs: pd.DataFrame) -> list[str]:
    """Genres that a story must not be taken for: those it was confused with on validation, else its family."""
    confused = needs.loc[needs["genre"] == genre, "confused_with"].iloc[0]
    if confused:
        return confused.split(", ")[:3]
    present = set(needs["genre"])
    return [other for other in FAMILIES.get(family_of(genre), []) if other != genre and other in present][:3]


def plan_table(run: Run, targets: list[Target], needs: pd.DataFrame) -> pd.DataFrame:
    """The plan by genre: `needs` with `wanted` and `done` (accepted in earlier sessions)."""
    done = {place_of(row) for task in JOURNALS for row in accepted_rows(run, task)}
    wanted = Counter(target.genre for target in targets)
    ready = Counter(target.genre for target in targets if target.place in done)
    table = needs[["genre", "stories", "confused", "confused_with"]].copy()
    table["wanted"] = [wanted[genre] for genre in table["genre"]]
    table["done"] = [ready[genre] for genre in table["genre"]]
    return table


def estimate(targets: list[Target], words: int | None, provider, prompt_ids: tuple[str, ...]) -> pd.DataFrame:
    """What the plan costs before anything is spent, second tries not counted.

    Args:
        targets: from `plan`.
        words: length asked for; None for the parent's own.
        provider: who will be asked.
        prompt_ids: prompt versions in rotation.

    Returns:
        DataFrame with a row for each model: `requests`, `tokens`, and for an endpoint `hours` at its tokens a minute and `days`
        at its tokens a day. Models work side by side, so the largest row counts.
    """
    rows: dict[str, dict] = {}
    for number, target in enumerate(targets):
        model, _ = provider.signature(number, target, prompt_ids)
        row = rows.setdefault(model or "not recorded", {"requests": 0, "tokens": 0})
        row["requests"] += 1
        row["tokens"] += 150 + count_tokens(target.story) + int(1.35 * _words_wanted(target, words))
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model").reset_index()
    if hasattr(provider, "speed"):
        speeds = [provider.speed(model) for model in table["model"]]
        table["hours"] = [round(tokens / minute / 60, 1) for tokens, (minute, _) in zip(table["tokens"], speeds)]
        table["days"] = [round(tokens / day, 1) for tokens, (_, day) in zip(table["tokens"], speeds)]
    return table


def _words_wanted(target: Target, words: int | None) -> int:
    return words or len(target.story.split())


# --- asking ----------------------------------------------------------------------------------------------------------


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
            length = _words_wanted(target, words)
            answer, verdict = None, None
            try:
                answer = provider.ask(target, prompt, model, _most_tokens(model, length), again=bool(fault))
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


def _most_tokens(model: str, words: int) -> int:
    """Longest answer to allow for: a third more than asked, and room to think for a model that thinks first."""
    return int(1.35 * 1.33 * words) + 100 + (600 if "gpt-oss" in model else 0)


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


# --- the training set ------------------------------------------------------------------------------------------------


def training_set(
    run: Run, stories: pd.DataFrame, train_ids, sources: tuple[str, ...] = ("original", "paraphrase", "synthetic")
) -> pd.DataFrame:
    """Rows to train on, with nothing that comes from a story outside `train_ids`.

    A paraphrase or chunk is in only where its parent is. An augmented row is left out where it is a near-duplicate of any
    story outside `train_ids`: by 5-grams, looked up here, or by embedding, looked up when the row was accepted.

    Args:
        run: the running notebook; its workspace holds the journals.
        stories: story table with `text_clean`.
        train_ids: ids of the stories that may train.
        sources: any of `original`, `chunk`, `paraphrase`, `synthetic`, `description` (of the genre, see `genre_descriptions`).

    Returns:
        DataFrame of `story_id`, `title`, `genre`, `text`, `text_clean`, `source`, `parent_id` (None where there is no parent).

    Raises:
        ValueError: a source or an id does not exist.
    """
    if unknown := set(sources) - set(SOURCES):
        raise ValueError(f"sources {sorted(unknown)} do not exist; choose among {', '.join(SOURCES)}.")
    train_ids = set(train_ids)
    if unknown := train_ids - set(stories["story_id"]):
        raise ValueError(f"{len(unknown)} training ids are not in the story table, {sorted(unknown)[:3]} among them.")
    train = stories[stories["story_id"].isin(train_ids)]
    parts = []
    if "original" in sources:
        parts.append(train.assign(source="original", parent_id=None)[COLUMNS])
    if "chunk" in sources:
        parts.append(chunk_stories(train)[COLUMNS])
    if "description" in sources:
        described = genre_descriptions()
        parts.append(pd.DataFrame([described[g] for g in sorted(set(stories["genre"])) if g in described], columns=COLUMNS))
    tasks = [task for task in JOURNALS if task in sources]
    if tasks:
        genres, texts = set(stories["genre"]), tuple(zip(stories["story_id"], stories["text"]))
        for task in tasks:
            rows = [row for row in accepted_rows(run, task) if row["genre"] in genres]
            close = _close_stories(texts, tuple(row["text"] for row in rows))
            rows = [row for row, close_to in zip(rows, close) if _may_train(row, close_to, train_ids)]
            parts.append(pd.DataFrame([_training_row(row) for row in rows], columns=COLUMNS))
        missing = [JOURNALS[task] for task in tasks if not (run.workspace / JOURNALS[task]).exists()]
        if missing:
            print(f"Not in the workspace, so without its rows: {', '.join(missing)} (notebooks 02 and 03 write them).")
    return pd.concat([part for part in parts if len(part)] or [pd.DataFrame(columns=COLUMNS)], ignore_index=True)


def genre_descriptions() -> dict[str, dict]:
    """A training row for each genre that is described in `data/genre_descriptions.csv`: its name as the title, one sentence.

    The sentences were written from the names of the genres alone.
    """
    table = pd.read_csv(DATA / "genre_descriptions.csv")
    rows = {}
    for genre, description in zip(table["genre"], table["description"]):
        text = f"{genre}: {description}"
        row = {
            "story_id": f"{genre}-d",
            "title": f"A {genre} story",
            "genre": genre,
            "text": text,
            "text_clean": clean_text(text),
        }
        rows[genre] = row | {"source": "description", "parent_id": None}
    return rows


def count_sources(rows: pd.DataFrame) -> dict[str, int]:
    """Rows of a training set by source: `{"original": 800, "chunk": 0, "paraphrase": 312, "synthetic": 396}`."""
    counts = rows["source"].value_counts()
    return {source: int(counts.get(source, 0)) for source in SOURCES}


def accepted_rows(run: Run, task: str) -> list[dict]:
    """Accepted rows of a task's journal, one for each parent (or genre) and slot."""
    rows = {}
    for row in read_rows(run.workspace / JOURNALS[task]):
        if row["status"] == "accepted":
            rows.setdefault(place_of(row), row)
    return list(rows.values())


@functools.lru_cache(maxsize=8)
def _close_stories(stories: tuple[tuple[str, str], ...], texts: tuple[str, ...]) -> list[list[str]]:
    """Ids of the stories that each text is a near-duplicate of, by 5-grams; remembered, as every fold asks for the same ones."""
    index = NgramIndex(dict(stories))
    return [index.too_close(text) for text in texts]


def _may_train(row: dict, close_to: list[str], train_ids: set[str]) -> bool:
    if row["parent_id"] is not None and row["parent_id"] not in train_ids:
        return False
    return train_ids.issuperset(row.get("close_to", ())) and train_ids.issuperset(close_to)


def _training_row(row: dict) -> dict:
    mark = "p" if row["task"] == "paraphrase" else "s"
    return {
        "story_id": f"{row['parent_id'] or row['genre']}-{mark}{row['slot']}",
        "title": row["title"],
        "genre": row["genre"],
        "text": row["text"],
        "text_clean": clean_text(row["text"]),
        "source": row["task"],
        "parent_id": row["parent_id"],
    }
