"""Sentence encoders of the sizes that a T4 user meets: tuning them, embedding with them, and both systems in memory together."""

from __future__ import annotations

import contextlib
import functools
import gc
import io
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from peft import LoraConfig

from helpers import measuring, models
from helpers.benchmarks.gpu.sizes import Sizes
from helpers.benchmarks.gpu.standins import embeddinggemma, mpnet, save_encoder, save_llm
from helpers.fewshot.setfit import train_setfit
from helpers.llm import answer_freely, linear_layers
from helpers.llm.lora import adapt
from helpers.representations.sentences import encode
from helpers.runtime import Run

WINDOWS = 3
"""Windows of 512 tokens in a story of the dataset, of 1,212 tokens in the mean."""
LIMITS = {"question answering": 10, "both systems": 24}
"""GB that the seed project wants them under."""


def check(run: Run, sizes: Sizes, folder: Path, left) -> pd.DataFrame:
    """Tune and use an encoder of each shape.

    Args:
        run: whose workspace takes the trainings; an empty one, so that nothing is loaded that was trained before.
        sizes: how large everything is.
        folder: where the encoders are saved.
        left: function that returns the seconds that this part may still take.

    Returns:
        A row a piece of work: seconds, texts a second, peak memory in GB, and a remark where it could not be measured.
    """
    rows = []
    for name, shape in {"mpnet": mpnet, "EmbeddingGemma": embeddinggemma}.items():
        saved = _saved(folder, name, shape() if sizes.full else None)
        # SetFit's pairs as the seed drew them, and whole batches contrasted as `tuned` does; EmbeddingGemma reads 128 tokens.
        most = 512 if name == "mpnet" else 128
        pairs = {"num_iterations": 1, "num_epochs": 1, "batch_size": 8, "body_learning_rate": 2e-5}
        batches = {"loss": "SupConLoss", "num_epochs": 1, "batch_size": 32, "body_learning_rate": 5e-5}
        tune = functools.partial(_tune, run, sizes, saved, most)
        work = {
            f"SetFit's pairs, {most} tokens": (functools.partial(tune, pairs), 4 * sizes.contrasted),
            f"supervised contrastive, {most} tokens": (functools.partial(tune, batches), sizes.contrasted),
            "embedding whole stories": (functools.partial(_embed, run, sizes, saved), sizes.stories),
        }
        for what, (measured, texts) in work.items():
            rows.append({"encoder": name, "work": what} | _guarded(measured, texts, left))
            print(rows[-1], flush=True)
    for row in rows:
        if row["work"] == "embedding whole stories" and "texts a second" in row:
            row["remark"] = f"{1000 / row['texts a second']:.0f} s for 1,000 stories"
    return pd.DataFrame(rows)


def memory_together(run: Run, sizes: Sizes, folder: Path) -> pd.DataFrame:
    """Peak memory of question answering alone, and with the adapter and SetFit's encoder beside it, each at work.

    Args:
        run, sizes, folder: see `check`; the LLM of `training.check` and the encoder of `check` are there already, or are made.
    """
    llm = folder / "llm" if (folder / "llm").exists() else save_llm(folder / "llm", tiny=not sizes.full)
    encoder = _saved(folder, "mpnet", mpnet() if sizes.full else None)
    tokenizer, _ = models.load_tokenizer(run, str(llm))
    prompt = torch.randint(10, len(tokenizer), (sizes.question_tokens,)).tolist()
    rows = []
    with measuring.measure() as cost:
        model = models.load_llm(run, tokenizer, str(llm))
        passages, _ = models.load_encoder(run, encoder)
        encode(run, passages, _texts(32))
        answer_freely(run, model, tokenizer, [prompt], max_new_tokens=10)
    rows.append(("question answering", _peak(cost)))
    with measuring.measure() as cost:
        attention, others = linear_layers(model)
        model = adapt(run, model, LoraConfig(r=32, target_modules=attention + others, task_type="CAUSAL_LM"))
        classifier, _ = models.load_encoder(run, encoder)
        answer_freely(run, model, tokenizer, [prompt], max_new_tokens=10)
        encode(run, classifier, _texts(32))
    rows.append(("both systems", _peak(cost)))
    return pd.DataFrame([{"system": what, "peak GB": peak, "limit GB": LIMITS[what]} for what, peak in rows])


def _saved(folder: Path, name: str, config) -> str:
    encoder = folder / name.lower()
    return str(encoder) if encoder.exists() else save_encoder(encoder, config)


def _guarded(work, texts: int, left) -> dict:
    """Figures of one piece of work, or why there are none."""
    row = {"remark": ""}
    if left() < 0:
        return {"remark": "not run: out of time"}
    try:
        cost = work()
        row |= {"seconds": cost.seconds, "texts a second": texts / cost.seconds, "peak GB": _peak(cost)}
    except torch.OutOfMemoryError:
        row = {"remark": "does not fit"}
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return row


def _tune(run: Run, sizes: Sizes, saved: str, tokens: int, settings: dict) -> measuring.Cost:
    """Tune an encoder; each text is longer than it reads, and four genres take turns."""
    encoder, label = models.load_encoder(run, saved)
    encoder.max_seq_length = tokens if sizes.full else 32
    genres = [f"genre {place % 4}" for place in range(sizes.contrasted)]
    with contextlib.redirect_stdout(io.StringIO()):  # lines of progress, of which there would be hundreds
        model, cost, _ = train_setfit(run, encoder, label, _texts(sizes.contrasted), genres, **settings)
    if not all(torch.isfinite(p).all() for p in model.model_body.parameters()):
        raise ValueError("The tuned encoder's weights are not finite.")
    return cost


def _embed(run: Run, sizes: Sizes, saved: str) -> measuring.Cost:
    encoder, _ = models.load_encoder(run, saved)
    encode(run, encoder, _texts(2))  # warms up
    with measuring.measure() as cost:
        vectors = encode(run, encoder, _texts(sizes.stories * WINDOWS))
    if not np.isfinite(vectors).all():
        raise ValueError("Embeddings are not finite.")
    return cost


def _texts(count: int) -> list[str]:
    """Texts of letters that make at least 512 tokens each."""
    return [" ".join(f"{(place * 7919 + word * 104729) % 9973}" for word in range(256)) for place in range(count)]


def _peak(cost: measuring.Cost) -> float:
    return cost.peak_process_gb if cost.peak_gpu_gb is None else cost.peak_gpu_gb
