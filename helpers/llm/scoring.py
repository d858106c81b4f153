"""What a language model makes of stories: probabilities of a head, scores of genre names, free answers."""

from __future__ import annotations

import copy
import inspect

import numpy as np
import torch

from helpers.llm.examples import answer_ids
from helpers.representations.tokens import batches_by_length, pad_batch
from helpers.runtime import Run


@torch.inference_mode()
def classify(run: Run, model, tokenizer, examples: list[dict], batch_size: int = 4) -> np.ndarray:
    """Class probabilities of a model with a classification head: float array (stories, genres)."""
    model.eval()
    sequences = [example["input_ids"] for example in examples]
    scores = [None] * len(sequences)
    for rows in batches_by_length(sequences, batch_size):
        batch = pad_batch(tokenizer, [sequences[i] for i in rows], run.device, side="right")
        with run.autocast():
            logits = model(**batch).logits.float()
        for i, row in zip(rows, torch.softmax(logits, dim=-1)):
            scores[i] = row.cpu().numpy()
    return np.stack(scores)


@torch.inference_mode()
def score_genres(
    run: Run, model, tokenizer, prompts: list[list[int]], genres: list[str], names_at_once: int = 32
) -> np.ndarray:
    """Probability of each genre's name as the answer to each prompt.

    The prompt is computed once; its key-value cache is then shared by all names. A name's score is the log-probability of
    all its tokens and of the end token after them, so no answer outside the label set can ever be predicted.

    Args:
        run: the running notebook.
        model: causal language model, with or without an adapter.
        tokenizer: the model's.
        prompts: from `prompt_ids`.
        genres: the label set.
        names_at_once: names computed in one forward pass; more cost memory (vocabulary × names × 4 bytes per token).

    Returns:
        float array (prompts, genres), normalised over the genres. `generate` with a trie of the names would return one name and no ranking.

    Raises:
        ValueError: the model keeps a state instead of keys and values (Mamba).
    """
    from transformers import DynamicCache

    model.eval()
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    # transformers renames this argument in 5.24; Colab may have either side of that.
    cache_name = "cache" if "cache" in inspect.signature(base.forward).parameters else "past_key_values"
    answers = [answer_ids(tokenizer, genre) for genre in genres]
    by_length = sorted(range(len(answers)), key=lambda i: len(answers[i]))
    scores = np.zeros((len(prompts), len(genres)))
    for row, prompt in enumerate(prompts):
        cache = DynamicCache(config=base.config)
        ids = torch.tensor([prompt], device=run.device)
        with run.autocast():
            first = base(input_ids=ids, use_cache=True, logits_to_keep=1, **{cache_name: cache}).logits[0, -1].float()
        first = torch.log_softmax(first, dim=-1)
        if not all(hasattr(layer, "batch_repeat_interleave") for layer in cache.layers):
            raise ValueError(
                f"{type(base).__name__} keeps no keys and values that the names could share; give LLM another model."
            )
        for start in range(0, len(answers), names_at_once):
            columns = by_length[start : start + names_at_once]
            part = [answers[column] for column in columns]
            width = max(len(answer) for answer in part) - 1
            # A name's own tokens go in, all but the end token; short names are filled up behind, where nothing looks.
            fed = torch.tensor([(a[:-1] + [tokenizer.pad_token_id] * width)[:width] for a in part], device=run.device)
            shared = copy.deepcopy(cache)
            shared.batch_repeat_interleave(len(part))
            with run.autocast():
                logits = base(input_ids=fed, use_cache=True, **{cache_name: shared}).logits.float()
            normaliser = torch.logsumexp(logits, dim=-1)
            for place, (column, answer) in enumerate(zip(columns, part)):
                follow = torch.tensor(answer[1:], device=run.device)
                steps = torch.arange(len(follow), device=run.device)
                score = first[answer[0]] + (logits[place, steps, follow] - normaliser[place, steps]).sum()
                scores[row, column] = score.item()
    scores -= scores.max(axis=1, keepdims=True)
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


@torch.inference_mode()
def answer_freely(
    run: Run, model, tokenizer, prompts: list[list[int]], max_new_tokens: int = 12, batch_size: int = 4
) -> list[str]:
    """Greedy free answers, only to see how often they leave the label set: the text up to the first line break."""
    model.eval()
    answers = [""] * len(prompts)
    for rows in batches_by_length(prompts, batch_size):
        batch = pad_batch(tokenizer, [prompts[i] for i in rows], run.device)
        with run.autocast():
            out = model.generate(
                **batch, max_new_tokens=max_new_tokens, do_sample=False, use_cache=True, pad_token_id=tokenizer.pad_token_id
            )
        for i, ids in zip(rows, out[:, batch["input_ids"].shape[1] :]):
            text = tokenizer.decode(ids, skip_special_tokens=True).strip()
            answers[i] = text.splitlines()[0].strip() if text else ""
    return answers
