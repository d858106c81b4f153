"""What predictions are worth: metrics with intervals, paired tests, trials on validation, and the results store.

Notebook 07 reads the store; `figures` draws, everything else is exported here. `shipped`, `export` and `readme` are commands.
"""

from helpers.comparison.folds import chosen_folds, save_fold
from helpers.comparison.metrics import compute_metrics, confusions, predictions_from_scores, score_table
from helpers.comparison.paired import paired_test, versus
from helpers.comparison.store import PROTOCOLS, load_results, open_store, read_result, save_result
from helpers.comparison.tables import leaderboard, published_results, show
from helpers.comparison.trials import Trials

__all__ = [
    "PROTOCOLS",
    "Trials",
    "chosen_folds",
    "compute_metrics",
    "confusions",
    "leaderboard",
    "load_results",
    "open_store",
    "paired_test",
    "predictions_from_scores",
    "published_results",
    "read_result",
    "save_fold",
    "save_result",
    "score_table",
    "show",
    "versus",
]
