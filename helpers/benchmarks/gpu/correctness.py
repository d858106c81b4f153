"""Where fp16 bites: what is trained learns, reloads and stays finite, and models that overflow compute in fp32."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM, DataCollatorForSeq2Seq

from helpers import models
from helpers.benchmarks.gpu.standins import eight_stories, save_gemma, save_llm, wrap_encoder
from helpers.llm import (
    PROMPT,
    classification_head,
    classify,
    instruction_examples,
    linear_layers,
    prompt_ids,
    score_genres,
    train_lora,
)
from helpers.llm.lora import adapt, answer_loss
from helpers.representations.sentences import encode
from helpers.representations.states import embed_stories
from helpers.representations.tokens import classification_examples
from helpers.runtime import Run


def check(run: Run, folder: Path) -> pd.DataFrame:
    """Check everything on tiny models; a check that raises has failed, and the others go on.

    Args:
        run: whose workspace takes the trainings; an empty one, so that nothing is loaded that was trained before.
        folder: where the tiny models are saved.

    Returns:
        Columns `check`, `passed` and `figure`, what was seen.
    """
    rows = []
    for name, work in _checks(run, folder):
        try:
            passed, figure = work()
        except Exception as error:  # a check must not keep the next ones from being made
            passed, figure = False, f"{type(error).__name__}: {error}"[:300]
        rows.append({"check": name, "passed": bool(passed), "figure": figure})
        print("passed" if passed else "FAILED", name, "|", figure, flush=True)
    return pd.DataFrame(rows)


def _checks(run: Run, folder: Path) -> Iterator[tuple]:
    kind = str(run.dtype).removeprefix("torch.")
    tiny = _with(run, llm=save_llm(folder / "tiny", tiny=True))
    for approach in ("head", "answer"):
        yield f"{approach}: eight stories learned and reloaded, {kind}", lambda approach=approach: learns(tiny, approach)
    if find_spec("bitsandbytes"):
        yield "answer: the same in NF4", lambda: learns(_with(tiny, four_bit=True), "answer")
    yield f"gradients are finite under the scaler, {kind}", lambda: finite_gradients(tiny)
    half = dataclasses.replace(run, dtype=torch.float16)
    gemma = save_gemma(folder / "gemma")
    yield "gemma-3 overflows in fp16, and is told", lambda: overflow_is_told(half, gemma)
    yield "gemma-3 computes in fp32 instead", lambda: gemma_is_finite(_with(half, llm=gemma))
    encoder = wrap_encoder(gemma, folder / "embeddinggemma")
    yield "an EmbeddingGemma computes in fp32 instead", lambda: encoder_is_finite(half, encoder)


def learns(run: Run, approach: str) -> tuple[bool, str]:
    """A tiny model learns eight stories by heart, and the saved adapter predicts as the trained one does."""
    table = eight_stories()
    genres = sorted(table["genre"].unique())
    tokenizer, _ = models.load_tokenizer(run)
    if approach == "head":
        examples = classification_examples(tokenizer, table, 40, genres)
    else:
        examples = instruction_examples(tokenizer, table, 40, PROMPT)

    def load():
        torch.manual_seed(0)
        if approach == "answer":
            return models.load_llm(run, tokenizer)
        model = models.load_llm(run, tokenizer, genres=len(genres))
        model.score = classification_head(model, len(genres))
        return model

    def score(model) -> np.ndarray:
        if approach == "head":
            return classify(run, model, tokenizer, examples)
        return score_genres(run, model, tokenizer, prompt_ids(tokenizer, table, 40, PROMPT), genres)

    model = load()
    name = f"{approach}{'-nf4' if run.profile.four_bit else ''}"
    options = {"epochs": 25, "learning_rate": 5e-3, "batch_size": 4, "lines": 2, "language_modelling": 0.5}
    model, _, log, adapter = train_lora(run, name, model, tokenizer, _lora(model, approach), examples, **options)
    scores = score(model)
    again = score(PeftModel.from_pretrained(load(), adapter))
    right = sum(genres[place] == genre for place, genre in zip(scores.argmax(1), table["genre"]))
    same, apart = (again.argmax(1) == scores.argmax(1)).all(), np.abs(again - scores).max()
    losses = [entry["loss"] for entry in log if "loss" in entry]
    return (
        right == len(table) and same and apart < 1e-3,
        f"{right} of 8 right, loss {losses[0]:.2f} to {losses[-1]:.3f}, reloaded: largest difference {apart:.1e}",
    )


def finite_gradients(run: Run, steps: int = 12) -> tuple[bool, str]:
    """Gradients after the scaler has taken its factor off again; it may skip the first steps, while it looks for one, and no others."""
    table = eight_stories()
    tokenizer, _ = models.load_tokenizer(run)
    model = models.load_llm(run, tokenizer)
    model = adapt(run, model, _lora(model, "answer"))
    batch = DataCollatorForSeq2Seq(tokenizer)(instruction_examples(tokenizer, table, 40, PROMPT))
    batch = {key: value.to(run.device) for key, value in batch.items()}
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    scaler = torch.amp.GradScaler(run.device.type, enabled=run.dtype == torch.float16)
    model.train()
    finite, norms = [], []
    for _ in range(steps):
        with run.autocast():
            loss = answer_loss(model, batch)[0]
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        norms.append(torch.stack([p.grad.float().norm() for p in trained if p.grad is not None]).norm().item())
        finite.append(bool(np.isfinite(norms[-1])))
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    in_fp32 = all(p.dtype == torch.float32 for p in trained)
    return (
        all(finite[steps // 2 :]) and norms[-1] > 0 and in_fp32,
        f"{finite.count(False)} of {steps} steps skipped, last gradient's norm {norms[-1]:.2g}, factor {scaler.get_scale():.0f}",
    )


def overflow_is_told(run: Run, gemma: str) -> tuple[bool, str]:
    """Loaded in fp16, past `load_llm`, the stand-in must overflow as the real model does: else the next check would say nothing."""
    tokenizer, _ = models.load_tokenizer(run, gemma)
    model = AutoModelForCausalLM.from_pretrained(gemma, dtype=torch.float16).to(run.device)
    try:
        embed_stories(run, model, tokenizer, classification_examples(tokenizer, eight_stories(), 40))
    except ValueError as error:
        return "DTYPE" in str(error), str(error)
    return False, "its states are finite"


def gemma_is_finite(run: Run) -> tuple[bool, str]:
    """States, a head's loss and its gradients of a gemma-3 in a run that is in fp16."""
    tokenizer, label = models.load_tokenizer(run)
    examples = classification_examples(tokenizer, eight_stories(), 40)
    model = models.load_llm(run, tokenizer)
    states = embed_stories(run, model, tokenizer, examples)
    model = adapt(run, model, _lora(model, "answer"))
    batch = DataCollatorForSeq2Seq(tokenizer)(instruction_examples(tokenizer, eight_stories(), 40, PROMPT))
    with run.autocast():
        loss = answer_loss(model, {key: value.to(run.device) for key, value in batch.items()})[0]
    loss.backward()
    gradients = torch.stack([p.grad.abs().max() for p in model.parameters() if p.grad is not None])
    finite = np.isfinite(states).all() and torch.isfinite(loss).item() and torch.isfinite(gradients).all().item()
    return finite and label.endswith("fp32"), f"{label}: largest state {np.abs(states).max():.0f}, loss {loss.item():.2f}"


def encoder_is_finite(run: Run, encoder: str) -> tuple[bool, str]:
    """Embeddings of a sentence encoder that is a gemma-3, in a run that is in fp16."""
    loaded, label = models.load_encoder(run, encoder)
    vectors = encode(run, loaded, eight_stories()["text"].tolist())
    apart = np.abs(vectors[0] - vectors[-1]).max()
    return np.isfinite(vectors).all() and apart > 0 and label.endswith("fp32"), f"{label}: two texts are {apart:.2g} apart"


def _lora(model, approach: str) -> LoraConfig:
    attention, others = linear_layers(model)
    task = {"head": "SEQ_CLS", "answer": "CAUSAL_LM"}[approach]
    return LoraConfig(r=16, lora_alpha=32, target_modules=attention + others, task_type=task)


def _with(run: Run, **changes) -> Run:
    return dataclasses.replace(run, profile=dataclasses.replace(run.profile, **changes))
