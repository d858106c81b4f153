"""Questions about the stories, and the passages that are retrieved for them."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd

from helpers.config import DATA
from helpers.representations.sentences import embed
from helpers.runtime import Run
from helpers.stories import chunk_stories, sample_texts

_NAME = r"[A-Z][a-z]+(?:[ -][A-Z][a-z]+)*"
_WHO = re.compile(
    rf"(?<=[a-z,;] )({_NAME})(?= (?:was|had|said|looked|took|turned|stood|felt|knew|asked|could|would|went|did)\b)"
)


_WHERE = re.compile(rf"\b(?:in|at|to|from|near|into|of) (?:the )?({_NAME})(?=[ ,.;])")


LONGEST = 50_000
"""Characters of a story that questions are made from."""


def read_questions(table: pd.DataFrame) -> pd.DataFrame:
    """The questions that were written for the sample stories (`data/sample_questions.jsonl`), those whose very story is in the table, id and text.

    Returns:
        DataFrame of `question`, `answers` (list of equally good short ones), `story_id` and `kind`: what the question goes by, the story's content,
        `title`, `id` or `genre`. Empty for another dataset.
    """
    lines = (DATA / "sample_questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions = pd.DataFrame([json.loads(line) for line in lines])
    known, texts = sample_texts(), dict(zip(table["story_id"], table["text"]))
    return questions[[texts.get(i) == known[i] for i in questions["story_id"]]].reset_index(drop=True)


def make_questions(table: pd.DataFrame, most: int, seed: int = 42) -> pd.DataFrame:
    """Extractive questions made from any stories: a sentence with a name or a place taken out, or a sentence whose story's title is asked for.

    Names and places are found by English words and capitals. Stories without titles are asked for names and places alone.

    Args:
        table: story table.
        most: how many; each story gives at most one, and the kinds take turns. None at all where no sentence can be asked for.
        seed: of the stories' order and of the choice of sentences.

    Returns:
        DataFrame as from `read_questions`, of the kinds `who`, `where` and `which title`.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict] = []
    kinds = ("who", "where", "which title") if (table["title"] != "").any() else ("who", "where")
    order, asked = rng.permutation(len(table)), set()
    for in_turn in (True, False):  # what is missing when every kind has had its turn is filled up with any kind
        for place in order:
            if len(rows) == most:
                break
            if place in asked:
                continue
            for kind in [kinds[len(rows) % len(kinds)]] if in_turn else kinds:
                if question := _question(table.iloc[place], kind, rng):
                    rows.append(question)
                    asked.add(place)
                    break
    return pd.DataFrame(rows, columns=["question", "answers", "story_id", "kind"])


def _question(story: pd.Series, kind: str, rng: np.random.Generator) -> dict | None:
    """A question of a kind about a story; None where no sentence of it can be asked for."""
    if (kind == "which title" and not story["title"]) or not (found := _sentences_for(kind, story["text"][:LONGEST])):
        return None
    sentence, answer = found[rng.integers(len(found))]
    within = f'In "{story["title"]}", ' if story["title"] else ""
    question = {
        "who": f'{within}{"who" if within else "Who"} is ____ in this sentence: "{sentence}"',
        "where": f'{within}{"which" if within else "Which"} place is ____ in this sentence: "{sentence}"',
        "which title": f'What is the title of the story with this sentence: "{sentence}"',
    }[kind]
    return {"question": question, "answers": [answer or story["title"]], "story_id": story["story_id"], "kind": kind}


def _sentences_for(kind: str, text: str) -> list[tuple[str, str]]:
    """Sentences of 8 to 30 words that can be asked for, and the answers (empty for a title)."""
    found = []
    places = {match[1] for match in _WHERE.finditer(text)}
    for sentence in re.split(r"(?<=[.!?])\s+", " ".join(text.split())):
        if not 8 <= len(sentence.split()) <= 30 or '"' in sentence:
            continue
        if kind == "which title":
            found.append((sentence, ""))
            continue
        for match in (_WHO if kind == "who" else _WHERE).finditer(sentence):
            # A name that occurs again elsewhere in the story, so that the passages hold it although the sentence does not.
            answerable = sentence.count(match[1]) == 1 and text.count(match[1]) > 1
            if answerable and (kind == "where" or match[1] not in places):
                found.append((sentence[: match.start(1)] + "____" + sentence[match.end(1) :], match[1]))
    return found


def cut_passages(table: pd.DataFrame, size: int = 600) -> pd.DataFrame:
    """Passages of the stories, each under a line with the story's id, title and genre.

    Args:
        table: story table.
        size: of a passage, in characters.

    Returns:
        DataFrame of `story_id`, `title`, `genre`, `passage`.
    """
    chunks = chunk_stories(table, size=size, overlap=size // 10)
    titles = [f', "{title}"' if title else "" for title in chunks["title"]]
    heads = [f"Story {i}{title}, {genre}: " for i, title, genre in zip(chunks["parent_id"], titles, chunks["genre"])]
    return pd.DataFrame(
        {
            "story_id": chunks["parent_id"],
            "title": chunks["title"],
            "genre": chunks["genre"],
            "passage": [head + text for head, text in zip(heads, chunks["text"])],
        }
    )


def retrieve(run: Run, encoder, label: str, questions: pd.DataFrame, passages: pd.DataFrame, k: int = 3) -> np.ndarray:
    """Places of the `k` passages closest to each question, closest first: int array (questions, k).

    A question that names a story by its id or quoted title, or else names a genre, is looked up among the passages of that story or genre alone, which
    `sentence_transformers.util.semantic_search` cannot do.
    """
    asked = embed(run, encoder, label, questions["question"].tolist())
    held = embed(run, encoder, label, passages["passage"].tolist(), reads="opening")
    close = asked @ held.T
    for row, question in enumerate(questions["question"]):
        named = [
            [bool(title) and f'"{title}"' in question for title in passages["title"]],
            [bool(re.search(rf"\bstory {re.escape(i)}\b", question)) for i in passages["story_id"]],
            [
                bool(re.search(rf"\b[Tt]he {re.escape(genre)} (?:about|in which|with)\b", question))
                for genre in passages["genre"]
            ],
        ]
        for mask in map(np.array, named):
            if mask.any():
                close[row, ~mask] -= 10
                break
    return np.argsort(-close, axis=1, kind="stable")[:, :k]


def hit_rate(questions: pd.DataFrame, passages: pd.DataFrame, found: np.ndarray) -> float:
    """hit@k: the share of questions for which a passage of the right story was among those retrieved."""
    stories = passages["story_id"].to_numpy()[found]
    return float((stories == questions["story_id"].to_numpy()[:, None]).any(axis=1).mean())
