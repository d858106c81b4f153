"""Questions about the stories, and the passages that are retrieved for them."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd

from helpers.config import DATA
from helpers.representations.sentences import embed
from helpers.runtime import Run
from helpers.stories import chunk_stories

_NAME = r"[A-Z][a-z]+(?:[ -][A-Z][a-z]+)*"
_WHO = re.compile(
    rf"(?<=[a-z,;] )({_NAME})(?= (?:was|had|said|looked|took|turned|stood|felt|knew|asked|could|would|went|did)\b)"
)


_WHERE = re.compile(rf"\b(?:in|at|to|from|near|into|of) (?:the )?({_NAME})(?=[ ,.;])")


def read_questions(table: pd.DataFrame) -> pd.DataFrame:
    """The questions that were written for the sample stories (`data/sample_questions.jsonl`), those whose story is in the table.

    Returns:
        DataFrame of `question`, `answers` (list of equally good short ones), `story_id` and `kind`: what the question goes by, the story's content,
        `title`, `id` or `genre`. Empty for another dataset.
    """
    lines = (DATA / "sample_questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions = pd.DataFrame([json.loads(line) for line in lines])
    return questions[questions["story_id"].isin(set(table["story_id"]))].reset_index(drop=True)


def make_questions(table: pd.DataFrame, most: int, seed: int = 42) -> pd.DataFrame:
    """Extractive questions made from any stories: a sentence with a name or a place taken out, or a sentence whose story's title is asked for.

    Args:
        table: story table.
        most: how many; each story gives at most one, and the kinds take turns.
        seed: of the stories' order and of the choice of sentences.

    Returns:
        DataFrame as from `read_questions`, of the kinds `who`, `where` and `which title`.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict] = []
    kinds = ("who", "where", "which title")
    for place in rng.permutation(len(table)):
        if len(rows) == most:
            break
        story = table.iloc[place]
        kind = kinds[len(rows) % len(kinds)]
        if not story["title"] or not (found := _sentences_for(kind, story["text"])):
            continue
        sentence, answer = found[rng.integers(len(found))]
        question = {
            "who": f'In "{story["title"]}", who is ____ in this sentence: "{sentence}"',
            "where": f'In "{story["title"]}", which place is ____ in this sentence: "{sentence}"',
            "which title": f'What is the title of the story with this sentence: "{sentence}"',
        }[kind]
        rows.append({"question": question, "answers": [answer or story["title"]], "story_id": story["story_id"], "kind": kind})
    return pd.DataFrame(rows, columns=["question", "answers", "story_id", "kind"])


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
    heads = ("Story " + chunks["parent_id"] + ', "' + chunks["title"] + '", ' + chunks["genre"] + ": ").tolist()
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
            [f'"{title}"' in question for title in passages["title"]],
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
