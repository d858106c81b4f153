"""LoRA training steps of an LLM of Qwen2.5-1.5B's size, as 04 and 05 take them, and the time of a whole notebook projected from them."""

from __future__ import annotations

import dataclasses
import gc
import time
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import torch
from peft import LoraConfig

from helpers import models
from helpers.benchmarks.gpu.sizes import Sizes
from helpers.benchmarks.gpu.standins import save_llm
from helpers.benchmarks.steps import time_steps
from helpers.llm import answer_freely, classification_head, linear_layers, score_genres
from helpers.llm.lora import adapt
from helpers.representations.states import embed_stories
from helpers.representations.tokens import pad_batch
from helpers.runtime import Run

ROWS, GENRES, HELD_OUT = 1300, 99, 100
"""Training rows, genres, and stories of validation and of test in a notebook on the real dataset."""
LENGTHS = (47, 342, 366, 459, 1048, 1205, 1373, 1739)
"""Tokens of title and text at eight evenly spaced places among the training rows of the real dataset, shortest first (gemma-3's tokenizer)."""
AROUND = 20
"""Tokens of the prompt around a story."""
HEAD, ANSWER = "04: head", "05: answer"


def check(run: Run, sizes: Sizes, folder: Path, left) -> pd.DataFrame:
    """Time every way of training, longest-lasting ones last.

    Args:
        run: in the profile `t4`.
        sizes: how large everything is.
        folder: where the LLM with random weights is saved, as `llm`.
        left: function that returns the seconds that this part may still take.

    Returns:
        A row a way: seconds a step and a story, peak memory in GB, minutes of the whole notebook over `ROWS`, and a remark where it could not be measured.
    """
    llm = save_llm(folder / "llm", tiny=not sizes.full)
    rows = []
    for weights in ("fp16", "NF4"):
        for approach in (HEAD, ANSWER):
            ways = [(tokens, kept, False) for tokens in sizes.tokens for kept in (True, False)]
            if weights == "fp16":
                ways.append((sizes.tokens[0], False, True))
            rows += _measure(_with(run, llm=llm, four_bit=weights == "NF4"), sizes, approach, weights, ways, left)
    return pd.DataFrame(rows)


def _measure(run: Run, sizes: Sizes, approach: str, weights: str, ways: list[tuple], left) -> list[dict]:
    """Rows of one approach in one kind of weights; the model is loaded once."""
    named = [
        {
            "approach": approach,
            "weights": weights if run.device.type == "cuda" or weights == "NF4" else str(run.dtype).removeprefix("torch."),
            "tokens": tokens,
            "checkpointing": checkpointing,
            "recipe": "seed's: padded to the limit" if padded else "tuned",
        }
        for tokens, checkpointing, padded in ways
    ]
    if weights == "NF4" and not find_spec("bitsandbytes"):
        return [row | {"remark": "not run: bitsandbytes is not installed"} for row in named]
    if left() < 0:
        return [row | {"remark": "not run: out of time"} for row in named]
    tokenizer, _ = models.load_tokenizer(run)
    model = models.load_llm(run, tokenizer, genres=GENRES if approach == HEAD else None)
    if approach == HEAD:
        model.score = classification_head(model, GENRES)
    reading = _time_reading(run, sizes, approach, model, tokenizer)
    found = []
    for row, (tokens, checkpointing, padded) in zip(named, ways):
        if left() < 0:
            found.append(row | {"remark": "not run: out of time"})
            continue
        try:
            found.append(row | _time_way(run, sizes, approach, model, tokenizer, tokens, checkpointing, padded, reading))
        except torch.OutOfMemoryError:
            found.append(row | {"remark": "does not fit"})
        _clear(model)
    return found


def _time_way(run, sizes, approach, model, tokenizer, tokens, checkpointing, padded, reading: float) -> dict:
    """Figures of one way of training; the adapter is taken off again, whatever happens."""
    profile, of_way = run.profile, _with(run, gradient_checkpointing=checkpointing)
    attention, others = linear_layers(model)
    task = "SEQ_CLS" if approach == HEAD else "CAUSAL_LM"
    if padded:  # the seed took one story at a time, 16 to a step
        lengths, size, accumulation = [tokens] * 2, 1, 2
        config = LoraConfig(r=32, lora_alpha=8, target_modules=attention, lora_dropout=0.05, task_type=task)
    else:
        lengths, size = [min(sizes.scale(length), tokens) for length in LENGTHS], profile.lora_batch_size
        accumulation = profile.lora_accumulation
        config = LoraConfig(r=32, lora_alpha=32, target_modules=attention + others, use_rslora=True, task_type=task)
    examples = [_example(length, approach, model.config.vocab_size) for length in lengths]
    batches = [_collate(tokenizer, examples[start : start + size], approach) for start in range(0, len(examples), size)]
    loss = {"everywhere": padded and approach == ANSWER, "language_modelling": 0.0 if padded else 0.5}
    adapted = adapt(of_way, model, config)
    try:
        seconds, peak = time_steps(run, adapted, batches, accumulation, **loss)
        if seconds < sizes.at_least:  # a fast card: so short a time says little
            seconds = time_steps(run, adapted, batches * 4, accumulation, **loss)[0] / 4
    finally:
        if checkpointing:
            adapted.gradient_checkpointing_disable()
            adapted.disable_input_require_grads()
        adapted.unload()
    a_story = seconds / len(lengths)
    epochs = profile.seqcls_epochs if approach == HEAD else profile.instruct_epochs
    return {
        "seconds a step": a_story * (16 if padded else size * accumulation),
        "seconds a story": a_story,
        "peak GB": peak,
        "minutes of the notebook": (a_story * ROWS * epochs + reading * tokens / sizes.tokens[0]) / 60,
        "remark": "",
    }


@torch.inference_mode()
def _time_reading(run: Run, sizes: Sizes, approach: str, model, tokenizer) -> float:
    """Seconds that a notebook spends on anything but training: it reads and judges stories, and asks questions."""
    words = model.config.vocab_size
    lengths = [min(sizes.scale(length), sizes.tokens[0]) for length in LENGTHS]
    stories = [_example(length, HEAD, words) for length in lengths]
    embed_stories(run, model, tokenizer, stories[-1:])  # warms up
    read = _seconds(lambda: embed_stories(run, model, tokenizer, stories)) / len(stories)
    if (
        approach == HEAD
    ):  # frozen states of all parts; validation after each epoch and once more, test twice, twenty stories alone
        judged = run.profile.seqcls_epochs * HELD_OUT + 3 * HELD_OUT + 20
        return read * (ROWS + 2 * HELD_OUT + judged)
    names = [
        f"{number:03d}" for number in range(sizes.genres)
    ]  # three tokens each, as long as a genre's name in a real vocabulary
    score = _seconds(lambda: score_genres(run, model, tokenizer, [stories[-1]["input_ids"]], names)) * GENRES / sizes.genres
    prompts = [_example(sizes.scale(400), HEAD, words)["input_ids"]] * 8
    answer = _seconds(lambda: answer_freely(run, model, tokenizer, prompts, max_new_tokens=10, batch_size=8)) / 8
    scored = 3 * HELD_OUT + 13  # test before and after, validation; and a few alone
    return score * scored + read * HELD_OUT * run.profile.instruct_epochs + answer * (3 * run.profile.questions + 48)


def _example(length: int, approach: str, words: int) -> dict:
    """A story of random tokens, with the place of its genre, or with a prompt around it and an answer of four."""
    ids = torch.randint(10, words, (length + (AROUND if approach == ANSWER else 0),)).tolist()
    if approach == HEAD:
        return {"input_ids": ids, "labels": length % GENRES}
    answer = torch.randint(10, words, (4,)).tolist()
    return {"input_ids": ids + answer, "labels": [-100] * len(ids) + answer}


def _collate(tokenizer, examples: list[dict], approach: str) -> dict[str, torch.Tensor]:
    batch = pad_batch(tokenizer, [e["input_ids"] for e in examples], side="right" if approach == HEAD else "left")
    if approach == HEAD:
        return batch | {"labels": torch.tensor([e["labels"] for e in examples])}
    width = batch["input_ids"].shape[1]
    return batch | {"labels": torch.tensor([[-100] * (width - len(e["labels"])) + e["labels"] for e in examples])}


def _seconds(work) -> float:
    begin = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def _with(run: Run, **changes) -> Run:
    return dataclasses.replace(run, profile=dataclasses.replace(run.profile, **changes))


def _clear(model) -> None:
    """Give memory back after a way of training, also after one that did not fit."""
    for parameter in model.parameters():
        parameter.grad = None
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
