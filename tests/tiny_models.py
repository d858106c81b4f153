"""Randomly initialised models of Qwen2's architecture, small enough to train in a test."""

import torch
from peft import LoraConfig
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2ForSequenceClassification

from helpers.llm.head import classification_head
from helpers.representations import states

LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
GENRES = ["Mystery", "Mystery Comedy", "Noir", "Western"]


def config(tokenizer, **changes):
    return Qwen2Config(
        **{
            "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "pad_token_id": tokenizer.pad_token_id, "use_cache": False, "initializer_range": 0.2,
        }
        | changes
    )  # fmt: skip


def causal(tokenizer, **changes):
    torch.manual_seed(0)
    return Qwen2ForCausalLM(config(tokenizer, **changes))


def with_head(tokenizer, reads=states.READS, **changes):
    torch.manual_seed(0)
    model = Qwen2ForSequenceClassification(config(tokenizer, num_labels=len(GENRES), **changes))
    model.score = classification_head(model, len(GENRES), reads)
    return model


def lora_config(task):
    return LoraConfig(r=16, lora_alpha=32, target_modules=LAYERS, lora_dropout=0.0, task_type=task)
