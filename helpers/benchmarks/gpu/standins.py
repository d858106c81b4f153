"""Models with random weights that stand in for real ones: what a step costs depends on their shape, what it computes is checked on tiny ones.

Saved as folders, so that they are loaded by the same code as real models. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling, Transformer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModel, AutoModelForCausalLM, MPNetConfig, PreTrainedTokenizerFast, Qwen2Config
from transformers import Gemma3TextConfig as GemmaConfig

from helpers.config import PROFILES
from helpers.llm.check import qwen_config
from helpers.models import PACKAGED_ENCODER, PACKAGED_LLM
from helpers.stories import SAMPLE_CSV

TEXTS = ("Mystery Comedy Noir Western Classify: Genre: the of and horse jury laugh gun ship star wolf rain",) * 3
TINY = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
SPECIALS = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}


def build_tokenizer(
    specials: dict[str, str] = SPECIALS, texts: Sequence[str] = TEXTS, vocabulary: int = 400, **options
) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer, padding on the left.

    Args:
        specials: its special tokens by their role; they get the first places.
        texts: what its tokens are learned from.
        vocabulary: tokens, at most.
        **options: of `PreTrainedTokenizerFast`.
    """
    bpe = Tokenizer(models.BPE(unk_token=specials.get("unk_token")))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    kept = list(dict.fromkeys(specials.values()))
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=kept, initial_alphabet=alphabet, show_progress=False)
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, padding_side="left", **specials, **options)


def eight_stories() -> pd.DataFrame:
    """Eight stories of four genres, two of whose names begin alike: a story table small enough to be learned by heart."""
    rows = [
        ("Mystery", "who took the ring from the locked room"),
        ("Mystery", "the clock had stopped and nobody knew why"),
        ("Mystery Comedy", "the vicar hid the cheese and everybody laughed"),
        ("Mystery Comedy", "a goose gave evidence against the mayor"),
        ("Western", "the sheriff rode into town at noon"),
        ("Western", "cattle dust and a borrowed gun"),
        ("Noir", "rain on the neon and a dame with a past"),
        ("Noir", "I drank alone until the dead man called"),
    ]
    table = pd.DataFrame(rows, columns=["genre", "text"])
    return table.assign(title=[f"T{i}" for i in range(8)], story_id=[str(i) for i in range(8)])


def save_llm(folder: Path, tiny: bool, tokenizer: PreTrainedTokenizerFast | None = None) -> str:
    """An LLM of Qwen2.5-1.5B's shape in fp16, or a tiny one in fp32; returns the folder."""
    tokenizer = tokenizer or build_tokenizer()
    ids = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if tiny:
        shape = TINY | {"num_key_value_heads": 2, "vocab_size": len(tokenizer), "tie_word_embeddings": True}
        config = Qwen2Config(**shape, initializer_range=0.2, **ids)
    else:
        config = qwen_config()
        config.update(ids)
    with torch.device("cuda" if torch.cuda.is_available() and not tiny else "cpu"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32 if tiny else torch.float16)
    return _save(model, tokenizer, folder)


def save_gemma(folder: Path) -> str:
    """A tiny gemma-3 whose states pass 65,504, where fp16 ends, as those of the real ones do; returns the folder."""
    tokenizer = build_tokenizer()
    ids = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = GemmaConfig(**TINY, num_key_value_heads=2, head_dim=16, vocab_size=len(tokenizer), **ids)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.post_feedforward_layernorm.weight.fill_(5e4)
    return _save(model, tokenizer, folder)


def save_encoder(folder: Path, config=None, tokenizer: PreTrainedTokenizerFast | None = None) -> str:
    """A sentence encoder of random weights; returns the folder.

    Args:
        folder: where it goes.
        config: shape of its body, such as `mpnet()`; a tiny one by default.
        tokenizer: its own; by default one of the tiny kind.
    """
    tokenizer = tokenizer or build_tokenizer()
    tokenizer.model_max_length, tokenizer.model_input_names = 512, ["input_ids", "attention_mask"]
    ends = [(token, tokenizer.convert_tokens_to_ids(token)) for token in (tokenizer.bos_token, tokenizer.eos_token)]
    around = processors.TemplateProcessing(single=f"{ends[0][0]} $A {ends[1][0]}", special_tokens=ends)
    tokenizer.backend_tokenizer.post_processor = around  # an empty text is two tokens, not none
    config = config or MPNetConfig(**TINY, vocab_size=len(tokenizer), max_position_embeddings=514)
    config.pad_token_id = tokenizer.pad_token_id
    body = Path(folder).parent / "bodies" / Path(folder).name
    wrap_encoder(_save(AutoModel.from_config(config), tokenizer, body), folder)
    return str(folder)


def wrap_encoder(body: str, folder: Path) -> str:
    """Make a sentence encoder that reads 512 tokens out of a saved model; returns the folder."""
    inner = Transformer(body, max_seq_length=512)
    pooling = Pooling(inner.get_word_embedding_dimension())
    SentenceTransformer(modules=[inner, pooling], device="cpu").save(str(folder))
    return str(folder)


def mpnet() -> MPNetConfig:
    """The published shape of all-mpnet-base-v2 and paraphrase-mpnet-base-v2."""
    return MPNetConfig()


def embeddinggemma() -> GemmaConfig:
    """The published shape of google/embeddinggemma-300m."""
    heads = {"num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 256, "use_bidirectional_attention": True}
    shape = {"hidden_size": 768, "intermediate_size": 1152, "num_hidden_layers": 24, "vocab_size": 262144}
    return GemmaConfig(**shape, **heads, sliding_window=512)


def save_all_tiny(folder: Path) -> None:
    """Tiny stand-ins for every model of the profile `t4`, under the names by which `models.models_folder` is searched.

    Their tokens are learned from the sample corpus, so that a story has as few as with a real tokenizer.
    """
    profile, texts = PROFILES["t4"], pd.read_csv(SAMPLE_CSV)["story"]
    learned = {"texts": texts, "vocabulary": 4000}
    for name in {profile.llm, PACKAGED_LLM}:
        save_llm(folder / name.split("/")[-1], tiny=True, tokenizer=build_tokenizer(**learned))
    for name in {profile.encoder, profile.large_encoder, PACKAGED_ENCODER} - {None}:
        save_encoder(folder / name.split("/")[-1], tokenizer=build_tokenizer(**learned))


def _save(model, tokenizer, folder: Path) -> str:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
