"""The stories (notebook 01): read from any table of labelled texts, validated, looked at, cleaned, split, cut into chunks, kept in the workspace.

A story table is a pandas DataFrame with one row a story and the columns `story_id` (str), `title` (str, may be empty), `genre` (str) and `text` (str, as
published). `01_clean` adds `text_clean`, `split` and `fold`. Notebooks and all other rooms use what stands here.
"""

from helpers.config import DATA
from helpers.stories.chunks import chunk_stories
from helpers.stories.cleaning import clean_text
from helpers.stories.families import (
    FAMILIES,
    SAMPLE_CSV,
    are_known,
    by_family,
    families_of,
    family_of,
    is_known,
    is_sample,
    sample_texts,
)
from helpers.stories.files import read_csv, read_table
from helpers.stories.findings import audit, find_prompts, find_stray_marks
from helpers.stories.hub import HUB_DATASET
from helpers.stories.kept import FACTS, TABLE, read_stories, save_stories
from helpers.stories.language import Language, language_of, script_of, share_of_everyday_words, words_or_letters
from helpers.stories.loading import load_stories
from helpers.stories.report import unusual
from helpers.stories.splits import N_FOLDS, SPLITS, add_split_and_folds, seed_split
from helpers.stories.validation import ids_hash, table_hash, validate
from helpers.words import count_words, is_unspaced, shorten_middle

__all__ = [
    "DATA",
    "FACTS",
    "FAMILIES",
    "HUB_DATASET",
    "Language",
    "N_FOLDS",
    "SAMPLE_CSV",
    "SPLITS",
    "TABLE",
    "add_split_and_folds",
    "audit",
    "by_family",
    "chunk_stories",
    "clean_text",
    "count_words",
    "families_of",
    "family_of",
    "find_prompts",
    "find_stray_marks",
    "ids_hash",
    "are_known",
    "is_known",
    "is_sample",
    "is_unspaced",
    "language_of",
    "load_stories",
    "read_csv",
    "read_table",
    "read_stories",
    "sample_texts",
    "save_stories",
    "script_of",
    "seed_split",
    "share_of_everyday_words",
    "shorten_middle",
    "table_hash",
    "unusual",
    "validate",
    "words_or_letters",
]
