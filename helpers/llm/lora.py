"""LoRA training (Hu et al., 2022), one path for both LLM approaches: transformers' Trainer over a PEFT model."""

from __future__ import annotations

import copy
import hashlib
import inspect
import json
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from helpers.measuring import measure
from helpers.representations.tokens import pad_batch
from helpers.runtime import Run, keeps_random_state
from helpers.workspace import plain, whole_files


def adapt(run: Run, model, config):
    """Put LoRA onto a model, in place, with gradient checkpointing where the profile says so; returns the `PeftModel`.

    The configuration stays as it is: PEFT notes in it what it did, so that the same recipe would read differently the second time.
    """
    from peft import get_peft_model

    model = get_peft_model(model, copy.deepcopy(config))
    if run.profile.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    return model


def answer_loss(model, batch: dict, items: int | None = None, label_smoothing: float = 0.0, language_modelling: float = 0.0):
    """Cross-entropy of the head's genre, or of the answer's tokens alone; in training, perhaps with a share of the next word's.

    With 152,000 to 262,000 words, logits for every position would be most of the memory and a third of the time; so Trainer's `compute_loss_func`, which
    comes after them, will not do.

    Args:
        model: with a head, or causal.
        batch: what the model takes, and `labels`: int64 (batch,) for a head, (batch, tokens) with -100 over the prompt for an answer. Answers must stand
            at the right end, so padding belongs on the left.
        items: what the summed loss is divided by; the number of labels in the batch by default.
        label_smoothing: for a head.
        language_modelling: how much of `next_word_loss` is added while the model trains, λ of Radford et al. (2018), equation 5; a model
            that is evaluated is judged by the labels alone.

    Returns:
        The loss and the model's outputs.
    """
    batch = dict(batch)
    labels = batch.pop("labels")
    language_modelling *= model.training
    if language_modelling:
        batch["output_hidden_states"] = True
    if labels.dim() == 1:
        outputs = model(**batch)
        logits, targets = outputs.logits, labels
    else:
        width = int((labels != -100).sum(1).max())
        # Positions as a tensor, not as a number: the kept states are then contiguous, and the vocabulary is read once a
        # batch instead of once a story.
        last = torch.arange(labels.shape[1] - width - 1, labels.shape[1], device=labels.device)
        outputs = model(**batch, **_positions(model, batch["attention_mask"]), logits_to_keep=last)
        logits, targets = outputs.logits[:, :-1].flatten(0, 1), labels[:, -width:].flatten()
        label_smoothing = 0.0
    loss = F.cross_entropy(logits.float(), targets, reduction="sum", label_smoothing=label_smoothing)
    counted = (targets != -100).sum()
    items = counted if items is None else items
    loss = loss / items
    if language_modelling:
        # Of a batch that is one of several in a step, its part of the step: as many as it has of the labels.
        loss = loss + language_modelling * counted / items * next_word_loss(model, outputs.hidden_states[-1], batch)
    return loss, outputs


def next_word_loss(model, states: torch.Tensor, batch: dict, places: int = 96) -> torch.Tensor:
    """Cross-entropy of the next token at random places of a batch, what the model was made with.

    Kept small beside another loss, it keeps the model able to do what it could before. Logits of every place would be most of the memory.

    Args:
        model: causal, or with a head on a model whose input embeddings are its output layer too.
        states: what the output layer reads, float (batch, tokens, hidden).
        batch: `input_ids` and `attention_mask`, int64 (batch, tokens).
        places: how many are drawn, fewer where the batch has fewer.
    """
    known = batch["attention_mask"].bool()
    rows, columns = (known[:, :-1] & known[:, 1:]).nonzero(as_tuple=True)
    drawn = torch.randperm(len(rows))[:places].to(rows.device)
    rows, columns = rows[drawn], columns[drawn]
    words = (model.get_output_embeddings() or model.get_input_embeddings()).weight
    logits = F.linear(states[rows, columns].to(words.dtype), words)
    return F.cross_entropy(logits.float(), batch["input_ids"][rows, columns + 1])


def _positions(model, mask: torch.Tensor) -> dict[str, torch.Tensor]:
    """Where each token stands, not counting the padding before it, for models that learned a vector for each place (GPT-2); rotary ones need none."""
    base = getattr(model, "get_base_model", lambda: model)()
    if getattr(base.config, "rope_parameters", None) or "position_ids" not in inspect.signature(base.forward).parameters:
        return {}
    return {"position_ids": (mask.cumsum(1) - 1).clamp(min=0)}


def _optimizer(model, learning_rate: float, head_learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW with a learning rate of its own for the head."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    head = [p for name, p in trained.items() if ".score." in name]
    adapters = [p for name, p in trained.items() if ".score." not in name]
    groups = [{"params": adapters}, {"params": head, "lr": head_learning_rate}]
    return torch.optim.AdamW(groups, lr=learning_rate, weight_decay=weight_decay)


@keeps_random_state
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
    head_learning_rate: float | None = None,
    language_modelling: float = 0.0,
    validation: list[dict] | None = None,
    lines: int = 10,
    resume: bool | None = None,
):
    """Train LoRA adapters, and a head where the model has one.

    With validation examples, their loss is taken after every epoch, and the epoch with the lowest is kept.

    Args:
        run: the running notebook.
        name: of the folder in the workspace.
        model: causal model, or one whose `score` is a `classification_head`.
        tokenizer: the model's.
        config: `peft.LoraConfig`.
        examples: from `helpers.llm`; int labels train the head, lists of labels the answer.
        epochs, learning_rate, batch_size, accumulation, warmup, weight_decay, label_smoothing: as in `TrainingArguments`;
            the rate falls linearly.
        head_learning_rate: the head's own, where it shall differ.
        language_modelling: see `answer_loss`.
        validation: examples of stories that do not train; None to keep the last epoch.
        lines, resume: see `Training`.

    Returns:
        The `PeftModel`, its cost, its log (one dict a printed step), and the folder that holds the adapter.

    Raises:
        ValueError: there is nothing to train on, the loss is not finite, or the next word cannot be asked of a model with a head.
    """
    # They take seconds to import, and a notebook that trains nothing imports this module too.
    from peft import PeftModel
    from transformers import DataCollatorForSeq2Seq, TrainingArguments

    from helpers.llm.trainer import GenreTrainer
    from helpers.training import Training

    if not examples:
        raise ValueError("There are no training examples.")
    recipe = {
        "config": {key: value if isinstance(value, list) else str(value) for key, value in plain(config).items()},
        "model": model.config._name_or_path.rsplit("/", 1)[-1] + (", NF4" if run.profile.four_bit else ""),
        "examples": hashlib.sha256(json.dumps(examples).encode()).hexdigest(),
        "training": [epochs, learning_rate, batch_size, accumulation, warmup, weight_decay, label_smoothing],
    }
    if validation:
        recipe["validation"] = hashlib.sha256(json.dumps(validation).encode()).hexdigest()
    if language_modelling:
        if isinstance(examples[0]["labels"], int) and not model.config.get_text_config().tie_word_embeddings:
            raise ValueError(
                "This model's output layer is not its input embeddings, and a head replaces it: set language_modelling to 0."
            )
        recipe["language_modelling"] = language_modelling
    if head_learning_rate:
        recipe["head_learning_rate"] = head_learning_rate
    if isinstance(head := getattr(model, "score", None), nn.Sequential):
        recipe["head"] = f"{head[0].places}, weights of length {float(head[-1].weight.norm()):.2f}"
    training = Training(run, name, recipe, lines, resume)
    adapter = training.folder / "adapter"
    if training.finished:
        return PeftModel.from_pretrained(model, adapter, is_trainable=True), training.cost, training.log, adapter

    model = adapt(run, model, config)

    def collate(batch: list[dict]) -> dict[str, torch.Tensor]:
        sequences = [example["input_ids"] for example in batch]
        return pad_batch(tokenizer, sequences, side="right") | {"labels": torch.tensor([e["labels"] for e in batch])}

    collator = collate if isinstance(examples[0]["labels"], int) else DataCollatorForSeq2Seq(tokenizer)
    steps = max(1, round(len(examples) / (batch_size * accumulation) * epochs))
    arguments = TrainingArguments(
        output_dir=str(training.folder),
        num_train_epochs=epochs,
        per_device_train_batch_size=batch_size,
        per_device_eval_batch_size=batch_size,
        gradient_accumulation_steps=accumulation,
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
        eval_strategy="epoch" if validation else "no",
        load_best_model_at_end=bool(validation),
        prediction_loss_only=True,
        label_names=["labels"],
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to="none",
        seed=run.seed,
    )
    trainer = GenreTrainer(
        language_modelling,
        model=model,
        args=arguments,
        train_dataset=examples,
        eval_dataset=validation,
        data_collator=collator,
        optimizers=(head_learning_rate and _optimizer(model, learning_rate, head_learning_rate, weight_decay), None),
    )
    trainer.label_smoother = None
    with measure() as cost, training.following(trainer):
        trainer.train()
        with whole_files(adapter) as local:
            model.save_pretrained(local)
    training.finish(cost)
    if run.profile.gradient_checkpointing:
        model.gradient_checkpointing_disable()
        model.disable_input_require_grads()
    return model, training.cost, training.log, adapter


def borrow_adapter(causal_model, adapter: Path):
    """Put an adapter onto a causal model, without the head that it may have been trained with: what does it do to everything else the model is used for?

    `PeftModel.from_pretrained` would load it too, and pass over weights that have no place.

    Raises:
        ValueError: a weight of the adapter fits nowhere in the model.
    """
    from peft import PeftConfig, get_peft_model, set_peft_model_state_dict
    from peft.utils import load_peft_weights

    config = PeftConfig.from_pretrained(adapter)
    config.task_type, config.modules_to_save, config.inference_mode = "CAUSAL_LM", None, True
    model = get_peft_model(causal_model, config)
    weights = {name: value for name, value in load_peft_weights(str(adapter), device="cpu").items() if ".lora_" in name}
    lost = set_peft_model_state_dict(model, weights).unexpected_keys
    if lost or not weights:
        raise ValueError(f"{len(lost)} of {len(weights)} adapter weights have no place in this model: {sorted(lost)[:2]}")
    return model
