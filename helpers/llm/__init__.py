"""A language model as a classifier: prompts and answers, scoring genre names, LoRA with and without a head.

Notebooks 04 and 05; and whether the model still answers questions.
"""

from helpers.llm.answers import build_prompts, question_examples
from helpers.llm.check import Check, memory_table, read_checks
from helpers.llm.examples import instruction_examples, prompt_ids
from helpers.llm.head import classification_head, fit_head
from helpers.llm.lora import borrow_adapter, reload_adapter, train_lora
from helpers.llm.questions import cut_passages, make_questions, retrieve
from helpers.llm.scoring import answer_freely, classify, score_genres

__all__ = [
    "Check",
    "answer_freely",
    "borrow_adapter",
    "build_prompts",
    "classification_head",
    "classify",
    "cut_passages",
    "fit_head",
    "instruction_examples",
    "make_questions",
    "memory_table",
    "prompt_ids",
    "question_examples",
    "read_checks",
    "reload_adapter",
    "retrieve",
    "score_genres",
    "train_lora",
]
