"""Stories for a language model: tokens, embeddings, and scores for genre names.

Only the story is ever cut, and in its middle: prompt, title and answer stay whole. Token sequences are lists of int; what
they are padded to is decided batch by batch: on the left where the last token is read, on the right under a head.
"""

from __future__ import annotations

import copy
import inspect
import json

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from helpers.encoders import kept_vectors
from helpers.runtime import Run

QUESTION = "\nIn one word or two, the genre of this story is:"
"""What the frozen LLM, or one with a head, reads after the story: the state that is about to answer holds more of the genre than the last word's does
(a prompt for embeddings, as Jiang et al., 2023)."""

READS = ("opening", "mean", "last")
"""What is read of the hidden states: the mean over the first `OPENING` tokens, the mean over all, and the last one, which stands at the question's end."""

OPENING = 64


def cut_middle(ids: list[int], limit: int) -> list[int]:
    """Keep the head and the tail of a sequence, each half of `limit` tokens."""
    if len(ids) <= limit:
        return ids
    tail = limit // 2
    return ids[: limit - tail] + ids[len(ids) - tail :]


def story_ids(tokenizer, table: pd.DataFrame, limit: int, column: str = "text", title: bool = True) -> list[list[int]]:
    """Tokens of each story, without special tokens.

    Args:
        tokenizer: the LLM's.
        table: story table.
        limit: tokens kept of title and text together.
        column: which text.
        title: whether the title stands before the text.
    """
    texts = [
        f"{row.title}\n{getattr(row, column)}" if title and row.title else getattr(row, column) for row in table.itertuples()
    ]
    return [cut_middle(ids, limit) for ids in tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]]


def begin_ids(tokenizer) -> list[int]:
    """What every sequence begins with: the token that the model knows as a beginning, where it has one."""
    return [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]


def classification_examples(
    tokenizer, table: pd.DataFrame, limit: int, genres: list[str] | None = None, question: str = QUESTION, **options
) -> list[dict]:
    """Examples for a model with a classification head, or for a frozen one.

    Args:
        tokenizer, table, limit, **options: see `story_ids`.
        genres: the labels in order; None for examples without a label.
        question: what stands after the story.

    Returns:
        Dicts of `input_ids` and, with `genres`, `labels` (int).
    """
    asked = tokenizer(question, add_special_tokens=False)["input_ids"]
    examples = [{"input_ids": begin_ids(tokenizer) + ids + asked} for ids in story_ids(tokenizer, table, limit, **options)]
    if genres is not None:
        for example, genre in zip(examples, table["genre"]):
            example["labels"] = genres.index(genre)
    return examples


def prompt_ids(tokenizer, table: pd.DataFrame, limit: int, prompt: str, **options) -> list[list[int]]:
    """Tokens of the prompt around each story, up to where the answer begins.

    Args:
        tokenizer, table, limit, **options: see `story_ids`.
        prompt: template with `{story}` in it once.

    Raises:
        ValueError: the template has no single `{story}`.
    """
    if prompt.count("{story}") != 1:
        raise ValueError("The prompt must contain {story} exactly once.")
    before, after = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in prompt.split("{story}"))
    return [begin_ids(tokenizer) + before + ids + after for ids in story_ids(tokenizer, table, limit, **options)]


def answer_ids(tokenizer, genre: str) -> list[int]:
    """Tokens of an answer: the genre's name and the end token, without which `Mystery` would begin `Mystery Comedy`."""
    return tokenizer(genre, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]


def supervise(prompt: list[int], answer: list[int]) -> dict:
    """An example of prompt and answer of which only the answer is supervised: `input_ids`, and `labels` with -100 over the prompt."""
    return {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}


def instruction_examples(tokenizer, table: pd.DataFrame, limit: int, prompt: str, **options) -> list[dict]:
    """Examples of prompt and answer of which only the answer is supervised.

    Returns:
        Dicts of `input_ids` and `labels` (list of int, -100 over the prompt).

    Raises:
        ValueError: an example has no supervised token.
    """
    prompts = prompt_ids(tokenizer, table, limit, prompt, **options)
    examples = [supervise(ids, answer_ids(tokenizer, genre)) for ids, genre in zip(prompts, table["genre"])]
    if not all(any(label != -100 for label in example["labels"]) for example in examples):
        raise ValueError("An example has no supervised token: its answer was lost.")
    return examples


def pad_batch(tokenizer, sequences: list[list[int]], device="cpu", side: str = "left") -> dict[str, torch.Tensor]:
    """Pad to the longest sequence: `input_ids` and `attention_mask`, both int64 (batch, tokens)."""
    batch = tokenizer.pad({"input_ids": sequences}, padding=True, padding_side=side, return_tensors="pt")
    return {key: batch[key].to(device) for key in ("input_ids", "attention_mask")}


def _batches_by_length(sequences: list[list[int]], size: int):
    order = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
    for start in range(0, len(order), size):
        yield order[start : start + size]


@torch.inference_mode()
def embed_stories(run: Run, model, tokenizer, examples: list[dict], batch_size: int = 4) -> np.ndarray:
    """The frozen LLM as an encoder: last hidden states, read in the three ways of `READS`.

    Args:
        run: the running notebook.
        model: causal, or with a classification head.
        examples: from `classification_examples`.

    Returns:
        float32 array (stories, 3, hidden size).
    """
    decoder = getattr(model, model.base_model_prefix)
    sequences = [example["input_ids"] for example in examples]
    states: list[np.ndarray | None] = [None] * len(sequences)
    decoder.eval()
    for rows in _batches_by_length(sequences, batch_size):
        batch = pad_batch(tokenizer, [sequences[i] for i in rows], run.device, side="right")
        with run.autocast():
            hidden = decoder(**batch, use_cache=False).last_hidden_state
        last = batch["attention_mask"].sum(1) - 1
        for i, of_story in zip(rows, read_states(hidden)[torch.arange(len(rows)), last]):
            states[i] = of_story.cpu().numpy()
    return np.stack(states)


def keep_states(run: Run, label: str, tokenizer, load_model, examples: list[dict]) -> np.ndarray:
    """`embed_stories`, kept in the workspace: computed once, and the model is loaded only for what is new.

    Args:
        run: the running notebook.
        label: the model's name, part of the cache's key.
        tokenizer: the model's.
        load_model: function without arguments that returns the model.
        examples: from `classification_examples`.
    """

    def encode(new: list[str]) -> np.ndarray:
        return embed_stories(run, load_model(), tokenizer, [{"input_ids": json.loads(piece)} for piece in new])

    pieces = [json.dumps(example["input_ids"]) for example in examples]
    known = kept_vectors(run, f"{label} states", list(dict.fromkeys(pieces)), encode, block=100)
    return np.stack([known[piece] for piece in pieces])


def read_states(hidden: torch.Tensor) -> torch.Tensor:
    """Hidden states (batch, tokens, hidden) as `READS` has them at each token: fp32 (batch, tokens, 3, hidden).

    A token's means run over the tokens up to it, so with the padding on the right the last token has those of the whole sequence.
    """
    hidden = hidden.float()
    count = torch.arange(1, hidden.shape[1] + 1, device=hidden.device)
    mean = hidden.cumsum(1) / count[:, None]
    opening = mean[:, (count - 1).clamp(max=OPENING - 1)]
    return torch.stack([opening, mean, hidden], dim=2)


def frozen(run: Run, label: str, tokenizer, load_model, limit: int, keep: bool = True) -> Pipeline:
    """Logistic regression on a frozen LLM's states, its three readings side by side.

    Args:
        run, label, tokenizer, load_model: see `keep_states`.
        limit: tokens kept of title and story together.
        keep: False for stories that come one by one and never again.

    Returns:
        A scikit-learn pipeline over story tables, as `encoders.frozen`.
    """

    def features(table: pd.DataFrame) -> np.ndarray:
        examples = classification_examples(tokenizer, table, limit)
        if keep:
            states = keep_states(run, label, tokenizer, load_model, examples)
        else:
            states = embed_stories(run, load_model(), tokenizer, examples)
        return side_by_side(states)

    return make_pipeline(FunctionTransformer(features), *linear_head())


def side_by_side(states: np.ndarray, reads: tuple[str, ...] = READS) -> np.ndarray:
    """Some of the readings, each with mean 0 and standard deviation 1 over its dimensions, as a layer norm has it.

    Args:
        states: from `embed_stories`.
        reads: any of `READS`.

    Returns:
        float array (stories, readings × hidden size).
    """
    chosen = states[:, [READS.index(read) for read in reads]]
    normalised = (chosen - chosen.mean(-1, keepdims=True)) / chosen.std(-1, keepdims=True)
    return normalised.reshape(len(states), -1)


def linear_head(C: float = 0.003) -> Pipeline:
    """Logistic regression on standardised inputs, for what `side_by_side` returns; `C` is the inverse strength of the regularisation."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=300))


@torch.inference_mode()
def classify(run: Run, model, tokenizer, examples: list[dict], batch_size: int = 4) -> np.ndarray:
    """Class probabilities of a model with a classification head: float array (stories, genres)."""
    model.eval()
    sequences = [example["input_ids"] for example in examples]
    scores = [None] * len(sequences)
    for rows in _batches_by_length(sequences, batch_size):
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
        float array (prompts, genres), normalised over the genres.
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
    for rows in _batches_by_length(prompts, batch_size):
        batch = pad_batch(tokenizer, [prompts[i] for i in rows], run.device)
        with run.autocast():
            out = model.generate(
                **batch, max_new_tokens=max_new_tokens, do_sample=False, use_cache=True, pad_token_id=tokenizer.pad_token_id
            )
        for i, ids in zip(rows, out[:, batch["input_ids"].shape[1] :]):
            text = tokenizer.decode(ids, skip_special_tokens=True).strip()
            answers[i] = text.splitlines()[0].strip() if text else ""
    return answers
