"""Which genres a reader would shelve together, and what is known of a dataset: only the project's own datasets get what was made for them.

A label such as `Crime` or `Sports` may stand in any dataset. The families, the descriptions and the recorded stories were written for the 99 genres of the
real dataset, so they serve a dataset whose whole label set is known, and no other.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import pandas as pd

from helpers.config import DATA
from helpers.stories.language import language_of

SAMPLE_CSV = DATA / "sample_stories.csv"

FAMILIES = {
    "Alternate worlds": (
        "Alternate Dimension, Alternate History, Alternate Reality, Multiverse, Quantum Fiction, Time Travel, Time-Loop, "
        "Virtual Reality"
    ),
    "Animals": "Animal Fantasy, Animal Fiction",
    "Apocalypse": "Apocalyptic, Apocalyptic Comedy, Post-Apocalyptic, Disaster, Survival, Environmental",
    "Comedy": (
        "Comedy, Humor, Mystery Comedy, Noir Comedy, Philosophical Comedy, Supernatural Comedy, War Comedy, Satire, Political Satire"
    ),
    "Crime and thriller": (
        "Crime, Detective Fiction, Noir, Mystery, Medical Mystery, Techno-Mystery, Mystery Thriller, Thriller, "
        "Techno-Thriller, Technological Thriller, Psychological Thriller, Espionage, Spy Fiction"
    ),
    "Fantasy": (
        "Fairy Tale, Folklore, Mythology, Mythic Fiction, Fantasy, Romantic Fantasy, Urban Fantasy, Magical Girl, Magical Realism, "
        "Steampunk, Steampunk Fantasy, Superhero"
    ),
    "Horror and the supernatural": "Gothic, Horror, Psychological Horror, Paranormal, Supernatural Drama",
    "Science fiction": (
        "Science Fiction, Hard Science Fiction, Soft Science Fiction, Artificial Intelligence, Cyberpunk, Dystopian, Utopian, "
        "Evolutionary Fiction, Futuristic"
    ),
    "Space": "Space Exploration, Space Opera, Space Thriller, Space Western",
    "History and adventure": (
        "Adventure, Historical Adventure, Historical Fiction, Historical Romance, Regency Romance, Biographical, "
        "Nautical Fiction, Western, War, Military Fiction"
    ),
    "Drama": (
        "Artistic Drama, Coming-of-Age, Coming-of-Middle-Age, Domestic Fiction, Existential Drama, Family Drama, Generation Gap, "
        "Legal Drama, Medical Drama, Political Drama, Suburban Drama, Workplace Drama, Slice of Life, Social Commentary, Sports"
    ),
    "Ideas and forms": "Anthology, Dreamlike, Experimental, Inspirational, Philosophical Fiction, Religious Fiction",
}
FAMILIES = {family: names.split(", ") for family, names in FAMILIES.items()}
"""Genres that a reader would shelve together; the seed's overlap families and, in the same spirit, all the others."""

_FAMILY_OF = {genre: family for family, genres in FAMILIES.items() for genre in genres}
NO_ACCIDENT = 20
"""So many different labels that are all among the 99 genres are no accident."""


@functools.cache
def _known_label_sets() -> tuple[tuple[str, ...], ...]:
    sample = pd.read_csv(SAMPLE_CSV, dtype=str, usecols=["genre"])["genre"]
    return tuple(sorted(_FAMILY_OF)), tuple(sorted(sample.unique()))


def are_known(genres: Iterable[str]) -> bool:
    """Whether a label set is the real dataset's or the sample's: all of it, the first three or more by name (`GENRES`), or most of it."""
    names = sorted(set(genres))
    if not names or not _FAMILY_OF.keys() >= set(names):
        return False
    return len(names) >= NO_ACCIDENT or (
        len(names) >= 3 and any(list(known[: len(names)]) == names for known in _known_label_sets())
    )


def is_known(table: pd.DataFrame) -> bool:
    """Whether what was written for the 99 genres may serve a dataset: its texts are the sample's, or its label set is known and its texts are English."""
    return is_sample(table) or (are_known(table["genre"]) and language_of(table["text"]).is_english)


def is_sample(table: pd.DataFrame) -> bool:
    """Whether every story of a table is one of the embedded sample's, with the sample's id and text."""
    known = sample_texts()
    return all(known.get(story_id) == text for story_id, text in zip(table["story_id"], table["text"]))


@functools.cache
def sample_texts() -> dict[str, str]:
    """Texts of the embedded sample by id."""
    sample = pd.read_csv(SAMPLE_CSV, dtype=str, keep_default_na=False)
    return dict(zip(sample["id"], sample["story"]))


def family_of(genre: str, among: Iterable[str] | None = None) -> str:
    """Family of a genre; `Other` for genres of other datasets.

    Args:
        genre: its name.
        among: all labels of the dataset; None where it is known to be one of the project's.
    """
    if among is not None and not are_known(among):
        return "Other"
    return _FAMILY_OF.get(genre, "Other")


def families_of(genres: Iterable[str]) -> dict[str, str]:
    """Family of every label of a dataset; `Other` for all where the label set is not known."""
    genres = set(genres)
    known = are_known(genres)
    return {genre: _FAMILY_OF.get(genre, "Other") if known else "Other" for genre in sorted(genres)}


def by_family(genres: Iterable[str]) -> list[str]:
    """Genres ordered family by family, as figures show them; those of a dataset whose label set is not known by name."""
    families = families_of(genres)
    order = {genre: place for place, genre in enumerate(_FAMILY_OF)}
    return sorted(families, key=lambda genre: (order[genre] if families[genre] != "Other" else len(order), genre))
