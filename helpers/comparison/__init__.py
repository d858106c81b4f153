"""What predictions are worth: metrics with intervals, paired tests, trials on validation, and the results store.

Notebook 07 reads the store; `figures` and `charts` draw, everything else is exported here. `shipped`, `export` and `readme` are commands.
"""

from helpers.comparison.answer import not_run, sentences, where_it_ran, which_to_use
from helpers.comparison.answering import read_answers
from helpers.comparison.approaches import POOLS
from helpers.comparison.drivers import drawn_anew, read_drivers
from helpers.comparison.errors import always_wrong, ceiling, family_confusion, genre_f1, stories_at_hand, worst_confusions
from helpers.comparison.folds import chosen_folds, save_fold
from helpers.comparison.metrics import compute_metrics, confusions, predictions_from_scores, score_table
from helpers.comparison.paired import compare_all, paired_test, versus
from helpers.comparison.rendering import to_html
from helpers.comparison.store import PROTOCOLS, load_results, open_store, read_result, save_result
from helpers.comparison.tables import (
    answer_table,
    leaderboard,
    memory_rows,
    missing,
    of_protocol,
    pair_table,
    published_beside,
    published_table,
    short_title,
    show,
)
from helpers.comparison.trials import Trials

__all__ = [
    "POOLS",
    "PROTOCOLS",
    "Trials",
    "always_wrong",
    "answer_table",
    "ceiling",
    "chosen_folds",
    "compare_all",
    "compute_metrics",
    "confusions",
    "drawn_anew",
    "family_confusion",
    "genre_f1",
    "leaderboard",
    "load_results",
    "memory_rows",
    "missing",
    "not_run",
    "of_protocol",
    "open_store",
    "pair_table",
    "paired_test",
    "predictions_from_scores",
    "published_beside",
    "published_table",
    "read_answers",
    "read_drivers",
    "read_result",
    "save_fold",
    "save_result",
    "score_table",
    "sentences",
    "short_title",
    "show",
    "stories_at_hand",
    "to_html",
    "versus",
    "where_it_ran",
    "which_to_use",
    "worst_confusions",
]
