"""Questions put to a language model, and its answers compared with the right ones as SQuAD does.

SQuAD's two measures are here, because `evaluate` fetches the code of its own from the Hub when it is used.
"""

from __future__ import annotations

import hashlib
import json
import re
import string
from collections import Counter

import numpy as np
import pandas as pd
import torch

from helpers.llm.examples import supervise
from helpers.llm.scoring import answer_freely
from helpers.representations.tokens import begin_ids
from helpers.runtime import Run
from helpers.workspace import write_json

PROMPT = """Answer the question in a few words taken from the text.

Text: The ferry to Skagen left at six, and Maren Holt stood at the rail with her brother's violin.
Question: Who stood at the rail?
Answer: Maren Holt

Text: {passages}
Question: {question}
Answer:"""


def build_prompts(tokenizer, questions: pd.DataFrame, passages: pd.DataFrame, found: np.ndarray) -> list[list[int]]:
    """Tokens of each question's prompt, its passages in it, up to where the answer begins."""
    texts = passages["passage"].to_numpy()
    return [
        begin_ids(tokenizer)
        + tokenizer(
            PROMPT.replace("{passages}", "\n".join(texts[places])).replace("{question}", question), add_special_tokens=False
        )["input_ids"]
        for question, places in zip(questions["question"], found)
    ]


def question_examples(tokenizer, questions: pd.DataFrame, prompts: list[list[int]]) -> list[dict]:
    """Examples like those of `instruction_examples`: the prompt, and a supervised answer after it."""
    answers = tokenizer([f" {some[0]}\n" for some in questions["answers"]], add_special_tokens=False)["input_ids"]
    return [supervise(prompt, answer + [tokenizer.eos_token_id]) for prompt, answer in zip(prompts, answers)]


def normalise(answer: str) -> str:
    """An answer as SQuAD compares them: lower case, without punctuation and articles (Rajpurkar et al., 2016)."""
    kept = "".join(letter for letter in answer.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", kept).split())


def exact_match(answer: str, references: list[str]) -> float:
    """1.0 where the answer is one of the references, as SQuAD compares them."""
    return float(normalise(answer) in {normalise(reference) for reference in references})


def token_f1(answer: str, references: list[str]) -> float:
    """Harmonic mean of precision and recall over words, for the closest reference."""
    words = normalise(answer).split()
    best = 0.0
    for reference in references:
        wanted = normalise(reference).split()
        shared = sum((Counter(words) & Counter(wanted)).values())
        best = max(best, 2 * shared / (len(words) + len(wanted)) if shared else 0.0)
    return best


def ask(run: Run, model, tokenizer, state: str, questions: pd.DataFrame, prompts: list[list[int]]) -> pd.DataFrame:
    """Answer every question, or read the answers where this state answered these prompts before.

    Args:
        run: the running notebook; its workspace keeps the answers.
        model: a causal model, with or without an adapter.
        tokenizer: the model's.
        state: what answers, such as the base model's name or an adapter's folder; part of the key.
        questions, prompts: see `build_prompts`.

    Returns:
        `questions` with the columns `answer`, `exact_match` and `token_f1`.
    """

    def answer() -> list[str]:
        return answer_freely(run, model, tokenizer, prompts, max_new_tokens=10, batch_size=8)

    answers = _kept(run, state, prompts, "answers", answer)
    return questions.assign(
        answer=answers,
        exact_match=[exact_match(a, r) for a, r in zip(answers, questions["answers"])],
        token_f1=[token_f1(a, r) for a, r in zip(answers, questions["answers"])],
    )


@torch.inference_mode()
def story_losses(run: Run, model, tokenizer, state: str, texts: list[str], limit: int = 256) -> np.ndarray:
    """Mean loss (nats) a token of each text's first `limit` tokens: float array (texts,); the exponential of their mean is the perplexity."""
    begin = begin_ids(tokenizer)
    sequences = [begin + ids[:limit] for ids in tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]]

    def loss(sequence: list[int]) -> float:
        ids = torch.tensor([sequence], device=run.device)
        with run.autocast():
            logits = model(input_ids=ids).logits[0, :-1].float()
        return torch.nn.functional.cross_entropy(logits, ids[0, 1:]).item()

    def losses() -> list[float]:
        model.eval()
        return [loss(sequence) for sequence in sequences]

    return np.array(_kept(run, state, sequences, "losses", losses))


def _kept(run: Run, state: str, sequences: list[list[int]], name: str, compute) -> list:
    """What a state made of these sequences before, else what it makes of them now."""
    key = hashlib.sha256(json.dumps([state, str(run.dtype), sequences]).encode()).hexdigest()[:16]
    file = run.workspace / "qa" / f"{key}.json"
    if not file.exists():
        write_json(file, {"state": state, name: compute()})
    return json.loads(file.read_text(encoding="utf-8"))[name]
