"""More training rows: who writes them, the journal of every answer, the gates, the plan, and the training set that all approaches share.

Notebooks 02 and 03 write, 04 to 06 train on what `training_set` returns, and `worth` says what it is worth.
"""

from helpers.augmentation.asking import run_plan
from helpers.augmentation.gates import Gates
from helpers.augmentation.journal import read_rows
from helpers.augmentation.planning import contrast, estimate, genre_needs, plan, plan_table, words_to_ask
from helpers.augmentation.providers import open_provider
from helpers.augmentation.rows import JOURNALS, TRAINED_ON, accepted_rows, count_sources, genre_descriptions, training_set
from helpers.augmentation.targets import Target
from helpers.augmentation.trial import measure_gates
from helpers.augmentation.worth import WORTH, measure_worth, read_worth, worth_as_text

__all__ = [
    "Gates",
    "JOURNALS",
    "TRAINED_ON",
    "Target",
    "WORTH",
    "accepted_rows",
    "contrast",
    "count_sources",
    "estimate",
    "genre_descriptions",
    "genre_needs",
    "measure_gates",
    "measure_worth",
    "open_provider",
    "plan",
    "plan_table",
    "read_rows",
    "read_worth",
    "run_plan",
    "training_set",
    "words_to_ask",
    "worth_as_text",
]
