"""A language model as a classifier: prompts and answers, scoring genre names, LoRA with and without a head.

Notebooks 04 and 05; and whether the model still answers questions.
"""

from helpers.llm.answers import build_prompts, question_examples
from helpers.llm.check import Check, memory_table, read_checks
from helpers.llm.examples import PROMPT, instruction_examples, prompt_ids
from helpers.llm.head import classification_head, fit_head
from helpers.llm.layers import linear_layers
from helpers.llm.lora import train_lora
from helpers.llm.questions import cut_passages, make_questions, retrieve
from helpers.llm.results import keep_result, print_against, read_data, read_others, recipe_settings, recipe_table
from helpers.llm.scoring import answer_freely, classify, score_genres

__all__ = [
    "PROMPT",
    "Check",
    "answer_freely",
    "build_prompts",
    "classification_head",
    "classify",
    "cut_passages",
    "fit_head",
    "instruction_examples",
    "keep_result",
    "linear_layers",
    "make_questions",
    "memory_table",
    "print_against",
    "prompt_ids",
    "question_examples",
    "read_checks",
    "read_data",
    "read_others",
    "recipe_settings",
    "recipe_table",
    "retrieve",
    "score_genres",
    "train_lora",
]
