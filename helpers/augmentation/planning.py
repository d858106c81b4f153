"""What to ask for, and what that costs before anything is spent."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from helpers.augmentation.journal import place_of
from helpers.augmentation.rows import JOURNALS, accepted_rows
from helpers.augmentation.targets import Target, count_tokens
from helpers.comparison.metrics import confusions, predictions_from_scores
from helpers.representations import lexical
from helpers.representations.scores import decision_scores
from helpers.runtime import Run
from helpers.stories import FAMILIES, count_words, family_of

SHORTEST = 30
"""Words that a story has at least."""


def genre_needs(stories: pd.DataFrame) -> pd.DataFrame:
    """Which genres need more: those with few training stories, and those that the lexical baseline confuses on validation.

    Args:
        stories: story table with `split`; its test stories are not looked at.

    Returns:
        DataFrame with one row a genre, neediest first: `genre`, `stories` (training stories), `confused` (validation stories
        of this genre taken for another, or of another taken for it), `confused_with` (names), `weight`.
    """
    train, judged = stories[stories["split"] == "train"], stories[stories["split"] == "validation"]
    model = lexical.word_svm().fit(train, train["genre"])
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
    return [other for other in FAMILIES.get(family_of(genre, present), []) if other != genre and other in present][:3]


def plan_table(run: Run, targets: list[Target], needs: pd.DataFrame) -> pd.DataFrame:
    """The plan by genre: `needs` with `wanted` and `done` (accepted in earlier sessions)."""
    done = {place_of(row) for task in JOURNALS for row in accepted_rows(run, task)}
    wanted = Counter(target.genre for target in targets)
    ready = Counter(target.genre for target in targets if target.place in done)
    table = needs[["genre", "stories", "confused", "confused_with"]].copy()
    table["wanted"] = [wanted[genre] for genre in table["genre"]]
    table["done"] = [ready[genre] for genre in table["genre"]]
    return table


def estimate(
    targets: list[Target], words: int | None, provider, prompt_ids: tuple[str, ...], tokens_a_word: float = 1.35
) -> pd.DataFrame:
    """What the plan costs before anything is spent, second tries not counted.

    Args:
        targets: from `plan`.
        words: length asked for; None for the parent's own.
        provider: who will be asked.
        prompt_ids: prompt versions in rotation.
        tokens_a_word: of the stories' language, see `stories.language_of`.

    Returns:
        DataFrame with a row for each model: `requests`, `tokens`, and for an endpoint `hours` at its tokens a minute and `days`
        at its tokens a day. Models work side by side, so the largest row counts.
    """
    rows: dict[str, dict] = {}
    for number, target in enumerate(targets):
        model, _ = provider.signature(number, target, prompt_ids)
        row = rows.setdefault(model or "not recorded", {"requests": 0, "tokens": 0})
        row["requests"] += 1
        row["tokens"] += 150 + count_tokens(target.story) + int(tokens_a_word * words_wanted(target, words))
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["requests", "tokens"]).rename_axis("model").reset_index()
    if hasattr(provider, "speed"):
        speeds = [provider.speed(model) for model in table["model"]]
        table["hours"] = [round(tokens / minute / 60, 1) for tokens, (minute, _) in zip(table["tokens"], speeds)]
        table["days"] = [round(tokens / day, 1) for tokens, (_, day) in zip(table["tokens"], speeds)]
    return table


def words_to_ask(wanted: int | None, provider, usual: int) -> int:
    """Length to ask for, in words: what the notebook wants, else what is usual; recorded answers have a length of their own.

    Raises:
        ValueError: so few words are no story.
    """
    if wanted is not None and wanted < SHORTEST:
        raise ValueError(f"WORDS={wanted} is no story's length. Give {SHORTEST} or more, or None for the usual.")
    return getattr(provider, "words", None) or (usual if wanted is None else wanted)


def words_wanted(target: Target, words: int | None) -> int:
    return count_words(target.story) if words is None else words
