"""Speed and memory of LoRA training steps, for what costs most: padding, logits, number type (`make bench-llm`, after `01_clean` with the same profile).

The ratios are the result: how much a step saves that pads batches to their own longest story, that computes the vocabulary's logits for the answer
alone, or that keeps the frozen weights in 4 bits. Each row runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time

import pandas as pd
import torch
from peft import LoraConfig
from transformers import DataCollatorForSeq2Seq

from helpers import measuring, models, runtime, stories
from helpers.llm.examples import PROMPT, instruction_examples
from helpers.llm.layers import linear_layers
from helpers.llm.lora import adapt, answer_loss
from helpers.workspace import write_json

VARIANTS = [
    {"tokens": 1024, "padding": "to the limit", "logits": "everywhere"},
    {"tokens": 1024, "padding": "to the longest", "logits": "everywhere"},
    {"tokens": 1024, "padding": "to the longest", "logits": "answer only"},
    {"tokens": 1024, "padding": "to the longest", "logits": "answer only", "checkpointing": True},
    {"tokens": 1024, "padding": "to the longest", "logits": "answer only", "weights": "NF4"},
    {"tokens": 2048, "padding": "to the limit", "logits": "answer only"},
    {"tokens": 2048, "padding": "to the longest", "logits": "answer only"},
]


def measure_steps(profile: str, workspace: str, name: str | None, variant: dict, batch_size: int, batches: int) -> dict:
    """Train for a few steps of instruction LoRA, after one step that warms up.

    Args:
        profile, workspace: see `runtime.start`.
        name: of the LLM; None for the profile's.
        variant: one of `VARIANTS`.
        batch_size, batches: stories in a step, and steps.

    Returns:
        Row of the table: the variant, seconds a story and an epoch of 800, story tokens a second, peak memory in GB.
    """
    memory = {"four_bit": variant.get("weights") == "NF4", "gradient_checkpointing": variant.get("checkpointing", False)}
    run = runtime.start(profile, workspace, llm=name, **memory)
    table, _ = stories.read_stories(run)
    # Stories of all lengths, from a fixed shuffle: the first ones in the file might be alike.
    train = table[table["split"] == "train"].sample(batch_size * batches, random_state=run.seed)
    tokenizer, _ = models.load_tokenizer(run)
    limit = variant["tokens"]
    examples = sorted(instruction_examples(tokenizer, train, limit, PROMPT), key=lambda e: len(e["input_ids"]))
    blank = table.drop_duplicates("genre").assign(title="", text="")
    widest = limit + max(len(e["input_ids"]) for e in instruction_examples(tokenizer, blank, limit, PROMPT))
    to_limit = {"padding": "max_length", "max_length": widest} if variant["padding"] == "to the limit" else {}
    collate = DataCollatorForSeq2Seq(tokenizer, **to_limit)
    model = models.load_llm(run, tokenizer)
    attention, others = linear_layers(model)
    model = adapt(run, model, LoraConfig(r=32, lora_alpha=32, target_modules=attention + others, task_type="CAUSAL_LM"))
    parts = [collate(examples[start : start + batch_size]) for start in range(0, len(examples), batch_size)]
    seconds, peak = time_steps(run, model, parts, everywhere=variant["logits"] == "everywhere")
    tokens = sum(len(e["input_ids"]) for e in examples)
    return variant | {
        "seconds a story": seconds / len(examples),
        "minutes for 800": seconds / len(examples) * 800 / 60,
        "tokens a second": tokens / seconds,
        "peak GB": peak,
    }


def time_steps(
    run: runtime.Run,
    model,
    batches: list[dict],
    accumulation: int = 1,
    everywhere: bool = False,
    language_modelling: float = 0.0,
) -> tuple[float, float]:
    """Train on each batch once, after a step that warms up, on the last one.

    Args:
        run: its device, and its number type: in fp16 the loss is scaled, as in training.
        model: from `adapt`.
        batches: what the model takes, and `labels`; the last is the longest, so that the peak is its.
        accumulation: batches in one optimizer step.
        everywhere: whether the vocabulary's logits are computed at every position instead of for the answer alone.
        language_modelling: see `answer_loss`.

    Returns:
        Seconds without the warm-up, and peak memory in GB (10^9 bytes): of the GPU where there is one, else of the process.
    """
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    scaler = torch.amp.GradScaler(run.device.type, enabled=run.dtype == torch.float16)

    def train(some: list[dict]) -> None:
        for place, batch in enumerate(some, 1):
            batch = {key: value.to(run.device) for key, value in batch.items()}
            with run.autocast():
                if everywhere:
                    loss = model(**batch).loss
                else:
                    loss, _ = answer_loss(model, batch, language_modelling=language_modelling)
            scaler.scale(loss / accumulation).backward()
            if place % accumulation == 0 or place == len(some):
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad()
        if run.device.type == "cuda":
            torch.cuda.synchronize()

    with measuring.measure() as cost:
        train(batches[-1:])
        begin = time.perf_counter()
        train(batches)
        seconds = time.perf_counter() - begin
    return seconds, cost.peak_process_gb if cost.peak_gpu_gb is None else cost.peak_gpu_gb


def read_steps(run: runtime.Run) -> tuple[pd.DataFrame, dict] | None:
    """Table of the last `make bench-llm` of this profile, and where it was measured; None if there is none."""
    folder = run.workspace / "results" / "llm_benchmark"
    if not (folder / "steps.csv").exists():
        return None
    return pd.read_csv(folder / "steps.csv"), pd.read_json(folder / "facts.json", typ="series").to_dict()


def main() -> None:
    """Measure every variant and write the table to the workspace."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="cpu")
    parser.add_argument("--llm", help="a Hub name or a folder; by default the profile's")
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--batches", type=int, default=4)
    arguments = parser.parse_args()
    run = runtime.start(arguments.profile, llm=arguments.llm)
    folder = run.workspace / "results" / "llm_benchmark"
    rows = []
    for variant in VARIANTS:
        work = (arguments.profile, str(run.workspace), arguments.llm, variant, arguments.batch_size, arguments.batches)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(measure_steps, work))
        print(rows[-1])
        folder.mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame(rows).fillna({"checkpointing": False, "weights": str(run.dtype).removeprefix("torch.")})
        first = table["seconds a story"].iloc[0], table["peak GB"].iloc[0]
        table = table.assign(
            **{"time, ratio": table["seconds a story"] / first[0], "memory, ratio": table["peak GB"] / first[1]}
        )
        table.to_csv(folder / "steps.csv", index=False)
    _, label = models.load_tokenizer(run)
    write_json(folder / "facts.json", run.facts | {"model": label, "batch_size": arguments.batch_size})
    print(table.round(2).to_string())


if __name__ == "__main__":
    main()
