"""Models whose hidden states do not fit into fp16: they compute in fp32 where a card has no bf16."""

from __future__ import annotations

import functools

import torch

from helpers.runtime import Run

_OVERFLOWING = ("gemma2", "gemma3", "gemma4", "t5", "mt5", "umt5")
"""Architectures (the beginning of `model_type`; EmbeddingGemma is a `gemma3_text`) that were trained in bf16 and whose hidden states pass 65,504, where
fp16 ends: in gemma-3-270m by the eighth of 18 layers. A T4 has no bf16, so they compute in fp32 there."""


def overflows(run: Run, config) -> bool:
    return run.dtype == torch.float16 and config.model_type.startswith(_OVERFLOWING)


def compute_in_fp32(model: torch.nn.Module) -> None:
    """Switch autocast off in a model, whoever calls it. Its parts are hooked, because PEFT calls the whole by `forward`, past its hooks."""
    contexts = []

    def enter(module, inputs):
        contexts.append(torch.autocast(next(model.parameters()).device.type, enabled=False))
        contexts[-1].__enter__()

    def leave(module, inputs, outputs):
        contexts.pop().__exit__(None, None, None)

    for part in model.children():
        part.register_forward_pre_hook(enter)
        part.register_forward_hook(leave, always_call=True)


@functools.cache
def say_fp32(label: str) -> None:
    print(f"{label} computes in fp32: its architecture overflows in fp16.")
