"""Which layers of a language model LoRA adapts: its linear ones, by the names that its architecture gives them."""

from __future__ import annotations

import torch


def linear_layers(model) -> tuple[list[str], list[str]]:
    """Names of a decoder's linear layers as `LoraConfig(target_modules=...)` takes them.

    PEFT's own `all-linear` does not serve here: it would adapt the linear layer inside our head too, and the seed adapts attention alone.

    Args:
        model: causal, or with a classification head.

    Returns:
        Those of attention, and the others: `q_proj`, `k_proj`, ... and `gate_proj`, ... in most models, `qkv_proj` and `gate_up_proj` in Phi-3; in GPT-2, where
        both have a `c_proj`, `attn.c_proj` and `mlp.c_proj`. A model without attention (Mamba) has all its layers in both.

    Raises:
        ValueError: there is no linear layer.
    """
    from transformers.pytorch_utils import Conv1D

    decoder = getattr(model, model.base_model_prefix)
    paths = [name.split(".") for name, module in decoder.named_modules() if isinstance(module, (torch.nn.Linear, Conv1D))]
    if not paths:
        raise ValueError(f"{type(model).__name__} has no linear layers for LoRA to adapt; give LLM another model.")
    parents: dict[str, dict[str, None]] = {}  # of every name, in the model's order
    for path in paths:
        parents.setdefault(path[-1], {})[path[-2] if len(path) > 1 else ""] = None
    attention: list[str] = []
    others: list[str] = []
    for name, under in parents.items():
        kinds = {parent: "att" in parent.lower() for parent in under}
        alike = len(set(kinds.values())) == 1
        for parent, attends in list(kinds.items())[:1] if alike else kinds.items():
            (attention if attends else others).append(name if alike else f"{parent}.{name}")
    return (attention, others) if attention else (others, others)
