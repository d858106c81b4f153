"""LoRA training (Hu et al., 2022), one path for both LLM approaches: transformers' Trainer over a PEFT model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional as F
from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

from helpers.llm import pad_batch
from helpers.runtime import Run, measure
from helpers.training import Training, silence


class _MeanSoFar(nn.Module):
    """Mean over the tokens up to each one, in fp32: (batch, tokens, hidden) to the same shape.

    transformers reads a head's output at the last token that is not padding. With the padding on the right, that is the mean
    over the whole story and nothing else.
    """

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        count = torch.arange(1, states.shape[1] + 1, device=states.device)
        return states.float().cumsum(1) / count[:, None]


def classification_head(model, genres: int, pooling: str = "mean") -> nn.Sequential:
    """A head that pools the hidden states and normalises before the linear layer, in fp32.

    The last hidden state of an LLM is large; without the normalisation the loss starts near 15 instead of ln(genres).

    Args:
        model: of `AutoModelForSequenceClassification`.
        genres: their number.
        pooling: `mean` over the story's tokens, or its `last` token.
    """
    hidden = model.config.get_text_config().hidden_size
    linear = nn.Linear(hidden, genres)
    nn.init.normal_(linear.weight, std=0.02)
    nn.init.zeros_(linear.bias)
    pool = {"mean": _MeanSoFar, "last": nn.Identity}[pooling]()
    return nn.Sequential(pool, nn.LayerNorm(hidden), linear).to(model.device, torch.float32)


def fit_head(head: nn.Sequential, states: np.ndarray, labels: list[int], C: float = 0.01) -> None:
    """Start a head from the frozen model: fit its linear layer first, then tune all (Kumar et al., 2022).

    Tuned together from a random start, the adapters first move to suit a head that knows nothing.

    Args:
        head: from `classification_head`, changed in place.
        states: pooled hidden states of the training rows, float array (rows, hidden), pooled as the head pools.
        labels: place of each row's genre; every genre must occur.
        C: inverse strength of the regularisation.

    Raises:
        ValueError: a genre has no row.
    """
    _, norm, linear = head
    if len(set(labels)) != linear.out_features:
        raise ValueError(f"{len(set(labels))} of {linear.out_features} genres have training rows; each needs one.")
    with torch.no_grad():
        inputs = norm(torch.as_tensor(states, dtype=torch.float32, device=linear.weight.device)).cpu().numpy()
        fitted = LogisticRegression(C=C, max_iter=500).fit(inputs, labels)
        linear.weight.copy_(torch.as_tensor(fitted.coef_))
        linear.bias.copy_(torch.as_tensor(fitted.intercept_))


class _GenreTrainer(Trainer):
    """Trainer whose loss reads only the answer: logits of the head, or of the answer's positions in the vocabulary.

    With 152,000 to 262,000 words, logits for every position would be most of the memory and a third of the time.
    """

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs.pop("labels")
        if labels.dim() == 1:
            outputs = model(**inputs)
            logits, targets = outputs.logits, labels
        else:
            width = int((labels != -100).sum(1).max())
            # Positions as a tensor, not as a number: the kept states are then contiguous, and the vocabulary is read once a
            # batch instead of once a story.
            last = torch.arange(labels.shape[1] - width - 1, labels.shape[1], device=labels.device)
            outputs = model(**inputs, logits_to_keep=last)
            logits, targets = outputs.logits[:, :-1].flatten(0, 1), labels[:, -width:].flatten()
        smoothing = self.args.label_smoothing_factor if labels.dim() == 1 else 0.0
        loss = F.cross_entropy(logits.float(), targets, reduction="sum", label_smoothing=smoothing)
        loss = loss / (num_items_in_batch if num_items_in_batch is not None else (targets != -100).sum())
        return (loss, outputs) if return_outputs else loss


def train_lora(
    run: Run,
    name: str,
    model,
    tokenizer,
    config,
    examples: list[dict],
    *,
    epochs: float,
    learning_rate: float,
    batch_size: int = 4,
    accumulation: int = 1,
    warmup: float = 0.06,
    weight_decay: float = 0.0,
    label_smoothing: float = 0.0,
    lines: int = 10,
):
    """Train LoRA adapters, and a head where the model has one.

    Args:
        run: the running notebook.
        name: of the folder in the workspace.
        model: causal model, or one whose `score` is a `classification_head`.
        tokenizer: the model's.
        config: `peft.LoraConfig`.
        examples: from `helpers.llm`; int labels train the head, lists of labels the answer.
        epochs, learning_rate, batch_size, accumulation, warmup, weight_decay, label_smoothing: as in `TrainingArguments`;
            the rate falls linearly.
        lines: how many lines of progress to print.

    Returns:
        The `PeftModel`, its cost, its log (one dict a printed step), and the folder that holds the adapter.

    Raises:
        ValueError: there is nothing to train on, or the loss is not finite.
    """
    from peft import get_peft_model

    if not examples:
        raise ValueError("There are no training examples.")
    recipe = {
        "config": {key: sorted(v) if isinstance(v, set) else str(v) for key, v in config.to_dict().items()},
        "model": model.config._name_or_path.rsplit("/", 1)[-1],
        "examples": hashlib.sha256(json.dumps(examples).encode()).hexdigest(),
        "training": [epochs, learning_rate, batch_size, accumulation, warmup, weight_decay, label_smoothing],
    }
    if isinstance(head := getattr(model, "score", None), nn.Sequential):
        recipe["head"] = f"{head[0]}, weights of length {float(head[-1].weight.norm()):.2f}"
    training = Training(run, name, recipe, lines)
    adapter = training.folder / "adapter"
    if training.finished:
        return reload_adapter(model, adapter), training.cost, training.log, adapter

    model = get_peft_model(model, config)
    if run.profile.gradient_checkpointing:
        model.enable_input_require_grads()

    def collate(batch: list[dict]) -> dict[str, torch.Tensor]:
        sequences = [example["input_ids"] for example in batch]
        return pad_batch(tokenizer, sequences, side="right") | {"labels": torch.tensor([e["labels"] for e in batch])}

    collator = collate if isinstance(examples[0]["labels"], int) else DataCollatorForSeq2Seq(tokenizer)
    steps = max(1, round(len(examples) / (batch_size * accumulation) * epochs))
    arguments = TrainingArguments(
        output_dir=str(training.folder),
        num_train_epochs=epochs,
        per_device_train_batch_size=batch_size,
        gradient_accumulation_steps=accumulation,
        gradient_checkpointing=run.profile.gradient_checkpointing,
        learning_rate=learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=round(steps * warmup),
        weight_decay=weight_decay,
        label_smoothing_factor=label_smoothing,
        train_sampling_strategy="group_by_length",
        bf16=run.dtype == torch.bfloat16,
        fp16=run.dtype == torch.float16,
        use_cpu=run.device.type == "cpu",
        save_strategy="epoch",
        save_total_limit=1,
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to="none",
        seed=run.seed,
    )
    trainer = _GenreTrainer(
        model=model, args=arguments, train_dataset=examples, data_collator=collator, callbacks=[training.progress]
    )
    trainer.label_smoother = None
    silence(trainer)
    with measure() as cost:
        trainer.train(resume_from_checkpoint=training.checkpoint)
    losses = [entry["loss"] for entry in training.progress.log]
    if losses and losses[-1] != losses[-1]:
        raise ValueError("The loss is not finite: lower the learning rate, or train in fp32.")
    model.save_pretrained(adapter)
    training.finish(cost)
    return model, training.cost, training.log, adapter


def reload_adapter(base_model, adapter: Path):
    """Load a saved adapter, and its head, onto a fresh base model."""
    from peft import PeftModel

    return PeftModel.from_pretrained(base_model, adapter)
