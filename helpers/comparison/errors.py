"""Where a classifier fails: which families and genres it mixes up, which stories nobody gets right, and how much of it lies between near-synonyms."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import re

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix, f1_score

from helpers.comparison.approaches import UNTRAINED, kind_of
from helpers.comparison.metrics import confusions
from helpers.comparison.rendering import percent
from helpers.comparison.tables import short_title
from helpers.config import DATA
from helpers.runtime import Run
from helpers.stories import FACTS, TABLE, by_family, families_of, load_stories

SEED_OVERLAPS = {
    "Alternate / reality": "Alternate Dimension, Alternate History, Alternate Reality",
    "Animals": "Animal Fantasy, Animal Fiction",
    "Apocalyptic": "Apocalyptic, Apocalyptic Comedy, Post-Apocalyptic",
    "Comedy": "Comedy, Apocalyptic Comedy, Mystery Comedy, Noir Comedy, Supernatural Comedy",
    "Fantasy": (
        "Fairy Tale, Fantasy, Futuristic, Magical Girl, Magical Realism, Mythic Fiction, Romantic Fantasy, Steampunk Fantasy, "
        "Urban Fantasy, Virtual Reality"
    ),
    "Mystery / thriller": (
        "Detective Fiction, Mystery, Mystery Comedy, Mystery Thriller, Techno-Mystery, Techno-Thriller, Technological Thriller, Thriller"
    ),
}
"""Genres that the seed project names as overlapping, by its own groups."""
OVERLAPPING = {genre for genres in SEED_OVERLAPS.values() for genre in genres.split(", ")}


def stories_at_hand(run: Run, dataset: dict) -> pd.DataFrame | None:
    """The stories that were judged, to be quoted: from the workspace, or from the file that `STORIES_CSV` names; None where neither has them.

    Nothing is downloaded for this.
    """
    facts = run.workspace / FACTS
    if facts.exists() and json.loads(facts.read_text(encoding="utf-8"))["sha256"] == dataset["sha256"]:
        return pd.read_parquet(run.workspace / TABLE)
    if os.environ.get("STORIES_CSV"):
        with contextlib.redirect_stdout(io.StringIO()):
            table, found = load_stories(run)
        return table if found["sha256"] == dataset["sha256"] else None
    return None


def family_confusion(predictions: pd.DataFrame) -> pd.DataFrame:
    """How often stories of one family were taken for another: a row a true family, a column a predicted one, in shares of the row.

    Where the genres have no families (another dataset), the genres themselves.
    """
    genres = set(predictions["genre"]) | set(predictions["predicted"])
    family = families_of(genres)
    names = list(dict.fromkeys(family[genre] for genre in by_family(genres)))
    truth, predicted = predictions["genre"], predictions["predicted"]
    if len(names) == 1:
        names = by_family(genres)
    else:
        truth, predicted = truth.map(family), predicted.map(family)
    matrix = confusion_matrix(truth, predicted, labels=names).astype(float)
    return pd.DataFrame(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1), names, names)


def genre_f1(predictions: pd.DataFrame) -> pd.DataFrame:
    """F1 of every genre that was judged, lowest first: `genre`, `family`, `f1`, `stories`, `overlapping` (named so by the seed project)."""
    genres = sorted(set(predictions["genre"]))
    f1 = f1_score(predictions["genre"], predictions["predicted"], labels=genres, average=None, zero_division=0)
    sizes = predictions["genre"].value_counts()
    table = pd.DataFrame({"genre": genres, "f1": f1, "stories": [int(sizes[genre]) for genre in genres]})
    table["family"], table["overlapping"] = table["genre"].map(families_of(genres)), table["genre"].isin(OVERLAPPING)
    return table.sort_values(["f1", "genre"], ignore_index=True)


@functools.cache
def near_synonyms(relation: str = "same") -> frozenset:
    """Pairs of genres that a reader would let stand for each other (`data/near_synonyms.csv`), each as a frozenset.

    Args:
        relation: `same` for two names of one thing; `wider` for those and for pairs where one is a kind of the other.
    """
    table = pd.read_csv(DATA / "near_synonyms.csv")
    if relation == "same":
        table = table[table["relation"] == "same"]
    return frozenset(frozenset(pair) for pair in zip(table["first"], table["second"]))


def _forgiven(predictions: pd.DataFrame, relation: str) -> np.ndarray:
    """Whether each story was put right, or into a near-synonym of its genre: bool array (stories,)."""
    pairs = near_synonyms(relation)
    return np.array([a == b or frozenset((a, b)) in pairs for a, b in zip(predictions["genre"], predictions["predicted"])])


def ceiling(results: list[dict]) -> pd.DataFrame:
    """What accuracy would be if less were asked, a row a result: strings, a part of the errors in each column.

    Columns that mean nothing for these genres are left out.
    """
    rows = []
    for r in results:
        p = r["predictions"]
        right = (p["genre"] == p["predicted"]).to_numpy()
        family = families_of({*p["genre"], *p["predicted"]})
        same_family = (p["genre"].map(family) == p["predicted"].map(family)).to_numpy()
        same, wider = _forgiven(p, "same"), _forgiven(p, "wider")
        wrong = max((~right).sum(), 1)
        row = {"approach": short_title(r), "as judged": percent(right.mean())}
        if any(pair <= set(p["genre"]) for pair in near_synonyms("wider")):
            row["two names of one thing count as one"] = percent(same.mean())
            row["a kind and its wider genre too"] = percent(wider.mean())
        if len(set(family.values())) > 1:
            row["the right family"] = percent(same_family.mean())
        row["top-3"] = percent((p["truth_rank"] <= 3).mean())
        if "a kind and its wider genre too" in row:
            row["of the errors, between near-synonyms"] = percent((wider & ~right).sum() / wrong, 0)
        rows.append(row)
    return pd.DataFrame(rows)


def _first_sentence(text: str, most: int = 24) -> str:
    """A story's first sentence, cut after `most` words; chapter headings are skipped."""
    paragraphs = [line for line in text.splitlines() if len(line.split()) >= 8] or [text]
    words = re.split(r"(?<=[.!?])\s", " ".join(paragraphs[0].split()))[0].split()
    return " ".join(words[:most]) + (" ..." if len(words) > most else "")


def worst_confusions(predictions: pd.DataFrame, stories: pd.DataFrame | None = None, most: int = 20) -> pd.DataFrame:
    """The most frequent confusions, each with the first sentence of a story on either side where the stories are at hand.

    Args:
        predictions: prediction table.
        stories: story table, or None.
        most: how many.

    Returns:
        DataFrame of strings.
    """
    rows, of_id = [], {} if stories is None else dict(zip(stories["story_id"], stories["text"]))
    pairs, family = near_synonyms("wider"), families_of({*predictions["genre"], *predictions["predicted"]})
    for row in confusions(predictions, most).itertuples(index=False):
        genre, taken, count, size = row
        near = "near-synonyms" if frozenset((genre, taken)) in pairs else ""
        same = "same family" if family[genre] == family[taken] != "Other" else ""
        line = {"genre": genre, "taken for": taken, "stories": f"{count} of {size}", "the two are": near or same}
        if of_id:
            mixed = predictions[(predictions["genre"] == genre) & (predictions["predicted"] == taken)]["story_id"]
            other = predictions[(predictions["genre"] == taken) & (predictions["predicted"] == taken)]["story_id"]
            other = other if len(other) else predictions[predictions["genre"] == taken]["story_id"]
            line["one that was mixed up begins"] = _first_sentence(of_id[mixed.iloc[0]])
            line["one of the other begins"] = _first_sentence(of_id[other.iloc[0]]) if len(other) else ""
        rows.append(line)
    table = pd.DataFrame(rows)
    return table[[name for name in table if table[name].any()]]


def always_wrong(results: list[dict], stories: pd.DataFrame | None = None) -> pd.DataFrame:
    """Stories that every trained approach of one protocol gets wrong, a line each, with what most of them say.

    Args:
        results: of one protocol; the untrained ones are not counted.
        stories: story table, for the titles, or None.
    """
    trained = [r["predictions"].set_index("story_id") for r in results if kind_of(r["approach"]) != UNTRAINED]
    if not trained:
        return pd.DataFrame()
    said = pd.concat([p["predicted"].rename(place) for place, p in enumerate(trained)], axis=1, join="inner")
    truth = trained[0]["genre"].loc[said.index]
    wrong = said[said.ne(truth, axis=0).all(axis=1)]
    best_rank = pd.concat([p["truth_rank"] for p in trained], axis=1).min(axis=1)
    titles = {} if stories is None else dict(zip(stories["story_id"], stories["title"]))
    rows = []
    for story_id, row in wrong.iterrows():
        counts = row.value_counts()
        line = {"story": story_id, "title": titles.get(story_id, ""), "genre": truth[story_id]}
        line |= {
            "most say": counts.index[0],
            "how many": f"{counts.iloc[0]} of {len(row)}",
            "best rank of the truth": f"{best_rank[story_id]}",
        }
        rows.append(line)
    table = pd.DataFrame(rows)
    return (
        table[[name for name in table if table[name].any()]].sort_values(["genre", "story"], ignore_index=True)
        if rows
        else table
    )
