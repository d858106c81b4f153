"""Models with random weights that stand in for real ones: what a step costs depends on their shape, what it computes is checked on tiny ones.

Saved as folders, so that they are loaded by the same code as real models. Nothing is downloaded.
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModel, AutoModelForCausalLM, MPNetConfig, PreTrainedTokenizerFast, Qwen2Config
from transformers import Gemma3TextConfig as GemmaConfig

from helpers.config import PROFILES
from helpers.llm.check import qwen_config
from helpers.models import PACKAGED_ENCODER, PACKAGED_LLM

SPECIALS = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}


def build_tokenizer(specials: dict[str, str] = SPECIALS, **options) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer of some 300 tokens, padding on the left.

    Args:
        specials: its special tokens by their role; they get the first places.
        **options: of `PreTrainedTokenizerFast`.
    """
    texts = ["Mystery Comedy Noir Western Classify: Genre: the of and horse jury laugh gun ship star wolf rain"] * 3
    bpe = Tokenizer(models.BPE(unk_token=specials.get("unk_token")))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    kept = list(dict.fromkeys(specials.values()))
    bpe.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=400, special_tokens=kept, initial_alphabet=alphabet))
    return PreTrainedTokenizerFast(tokenizer_object=bpe, padding_side="left", **specials, **options)


def save_llm(folder: Path, tiny: bool) -> str:
    """An LLM of Qwen2.5-1.5B's shape in fp16, or a tiny one in fp32; returns the folder."""
    tokenizer = build_tokenizer()
    ids = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if tiny:
        shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
        config = Qwen2Config(**shape, num_key_value_heads=2, vocab_size=len(tokenizer), initializer_range=0.2, **ids)
    else:
        config = qwen_config()
        config.update(ids)
    with torch.device("cuda" if torch.cuda.is_available() and not tiny else "cpu"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32 if tiny else torch.float16)
    return _save(model, tokenizer, folder)


def save_gemma(folder: Path) -> str:
    """A tiny gemma-3 whose states pass 65,504, where fp16 ends, as those of the real ones do; returns the folder."""
    tokenizer = build_tokenizer()
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "head_dim": 16}
    model = AutoModelForCausalLM.from_config(
        GemmaConfig(**shape, num_key_value_heads=2, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id)
    )
    with torch.no_grad():
        for layer in model.model.layers:
            layer.post_feedforward_layernorm.weight.fill_(5e4)
    return _save(model, tokenizer, folder)


def save_encoder(folder: Path, shape: str, max_tokens: int = 512) -> str:
    """A sentence encoder of random weights: `mpnet`, `embeddinggemma`, or `tiny`; returns the folder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer

    tokenizer = build_tokenizer(model_max_length=max_tokens, model_input_names=["input_ids", "attention_mask"])
    if shape == "embeddinggemma":  # the published shape of google/embeddinggemma-300m
        config = GemmaConfig(
            hidden_size=768,
            intermediate_size=1152,
            num_hidden_layers=24,
            num_attention_heads=3,
            num_key_value_heads=1,
            head_dim=256,
            vocab_size=262144,
            sliding_window=512,
            use_bidirectional_attention=True,
            pad_token_id=tokenizer.pad_token_id,
        )
    elif shape == "mpnet":  # of all-mpnet-base-v2 and paraphrase-mpnet-base-v2
        config = MPNetConfig(pad_token_id=tokenizer.pad_token_id)
    else:
        small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
        config = MPNetConfig(
            vocab_size=len(tokenizer), max_position_embeddings=max_tokens + 2, pad_token_id=tokenizer.pad_token_id, **small
        )
    inner = Path(folder).with_name(Path(folder).name + "-body")
    _save(AutoModel.from_config(config), tokenizer, inner)
    body = Transformer(str(inner), max_seq_length=max_tokens)
    SentenceTransformer(modules=[body, Pooling(config.hidden_size)], device="cpu").save(str(folder))
    return str(folder)


def save_all_tiny(folder: Path) -> None:
    """Tiny stand-ins for every model of the profile `t4`, under the names by which `models.models_folder` is searched."""
    profile = PROFILES["t4"]
    for name in {profile.llm, PACKAGED_LLM}:
        save_llm(folder / name.split("/")[-1], tiny=True)
    for name in {profile.encoder, profile.large_encoder, PACKAGED_ENCODER} - {None}:
        save_encoder(folder / name.split("/")[-1], "tiny")


def _save(model, tokenizer, folder: Path) -> str:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
