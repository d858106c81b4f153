"""Models that are not built like Qwen2, and what only a GPU without bf16 shows.

Written for: LoRA that asked Phi-3 and GPT-2 for layers named `q_proj`, a tokenizer whose only special token is the end token, GPT-2's learned positions that
counted the padding, and gemma-3, whose states were NaN on a T4 (fp16).
"""

import copy
import dataclasses

import numpy as np
import pytest
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling, Transformer
from tiny_models import GENRES
from transformers import AutoModelForCausalLM, DataCollatorForSeq2Seq

from helpers import models, overflow, runtime
from helpers.benchmarks.gpu.standins import build_tokenizer
from helpers.llm.examples import PROMPT, answer_ids, instruction_examples, prompt_ids
from helpers.llm.head import classification_head
from helpers.llm.layers import linear_layers
from helpers.llm.lora import answer_loss, train_lora
from helpers.llm.scoring import answer_freely, classify, score_genres
from helpers.representations.sentences import encode
from helpers.representations.states import embed_stories
from helpers.representations.tokens import classification_examples

LIKE_LLAMA = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.2,
}  # fmt: skip
LIKE_GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.2}
USUAL = (["q_proj", "k_proj", "v_proj", "o_proj"], ["gate_proj", "up_proj", "down_proj"])
ARCHITECTURES = {
    "Qwen2": (LIKE_LLAMA, USUAL),
    "Phi3": (LIKE_LLAMA, (["o_proj", "qkv_proj"], ["gate_up_proj", "down_proj"])),
    "GPT2": (LIKE_GPT, (["c_attn", "attn.c_proj"], ["mlp.c_proj", "c_fc"])),
    "GPTNeoX": (LIKE_LLAMA, (["query_key_value", "dense"], ["dense_h_to_4h", "dense_4h_to_h"])),
    "OPT": (
        {
            "hidden_size": 32,
            "word_embed_proj_dim": 32,
            "ffn_dim": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "init_std": 0.2,
        },
        (["k_proj", "v_proj", "q_proj", "out_proj"], ["fc1", "fc2"]),
    ),
    "Bloom": (
        {"hidden_size": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.2},
        (["query_key_value", "dense"], ["dense_h_to_4h", "dense_4h_to_h"]),
    ),
    "Gemma3Text": (LIKE_LLAMA | {"head_dim": 8, "sliding_window": 32}, USUAL),
}


def build(tokenizer, name: str, **changes):
    """A causal model of an architecture, with random weights."""
    fields = {"vocab_size": len(tokenizer), "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**ARCHITECTURES[name][0] | fields | changes)
    return AutoModelForCausalLM.from_config(config)


@pytest.fixture
def given(tokenizer, tmp_path):
    """Function of an architecture and changes: saves it as a user has it, and returns a run whose LLM it is."""

    def save(name, own_tokenizer=tokenizer, **changes):
        folder = tmp_path / name
        build(tokenizer, name, **changes).save_pretrained(folder)
        own_tokenizer.save_pretrained(folder)
        return runtime.start("smoke", str(tmp_path / "workspace"), llm=str(folder))

    return save


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_layers_are_found_by_the_names_that_they_have(tokenizer, name):
    model = build(tokenizer, name)
    found = linear_layers(model)
    assert tuple(map(sorted, found)) == tuple(map(sorted, ARCHITECTURES[name][1]))
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=found[0], task_type="CAUSAL_LM"))
    paths = [path for path, module in adapted.named_modules() if hasattr(module, "lora_A")]
    assert paths and all("att" in path for path in paths)


@pytest.mark.parametrize("approach", ["head", "instruction"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_trains_and_reloads(given, eight, name, approach):
    run = given(name)
    tokenizer, _ = models.load_tokenizer(run)

    def load():
        torch.manual_seed(0)
        if approach == "instruction":
            return models.load_llm(run, tokenizer)
        model = models.load_llm(run, tokenizer, genres=len(GENRES))
        model.score = classification_head(model, len(GENRES))
        return model

    if approach == "head":
        examples = classification_examples(tokenizer, eight, 40, GENRES)
    else:
        examples = instruction_examples(tokenizer, eight, 40, PROMPT)

    def score(model):
        if approach == "head":
            return classify(run, model, tokenizer, examples)
        return score_genres(run, model, tokenizer, prompt_ids(tokenizer, eight, 40, PROMPT), GENRES)

    model = load()
    attention, others = linear_layers(model)
    task = {"head": "SEQ_CLS", "instruction": "CAUSAL_LM"}[approach]
    config = LoraConfig(r=8, lora_alpha=16, target_modules=attention + others, task_type=task)
    model, _, log, adapter = train_lora(run, name, model, tokenizer, config, examples, epochs=12, learning_rate=1e-2)
    assert log[-1]["loss"] < log[0]["loss"] / 2
    assert (score(PeftModel.from_pretrained(load(), adapter)) == score(model)).all()
    if approach == "instruction":
        answers = answer_freely(run, model, tokenizer, prompt_ids(tokenizer, eight, 40, PROMPT), batch_size=8)
        alone = [answer_freely(run, model, tokenizer, [p])[0] for p in prompt_ids(tokenizer, eight, 40, PROMPT)]
        assert answers == alone


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_padding_changes_no_loss(tokenizer, eight, name):
    model = build(tokenizer, name).eval()
    examples = instruction_examples(tokenizer, eight, 40, PROMPT)
    collate = DataCollatorForSeq2Seq(tokenizer)
    with torch.no_grad():
        together = answer_loss(model, collate(examples), 1)[0]
        alone = sum(answer_loss(model, collate([example]), 1)[0] for example in examples)
    assert together.item() == pytest.approx(alone.item(), rel=1e-4)


def test_a_tokenizer_with_nothing_to_spare_pads_with_its_end_token(given, eight):
    run = given(
        "GPT2", build_tokenizer({"bos_token": "<end>", "eos_token": "<end>"}), bos_token_id=0, eos_token_id=0, pad_token_id=None
    )
    loaded, _ = models.load_tokenizer(run)
    assert loaded.all_special_tokens == ["<end>"] and loaded.pad_token_id == loaded.eos_token_id == 0
    model = models.load_llm(run, loaded, genres=len(GENRES))
    model.score = classification_head(model, len(GENRES))
    examples = classification_examples(loaded, eight, 30)
    together = classify(run, model, loaded, examples, batch_size=8)
    np.testing.assert_allclose(together, np.concatenate([classify(run, model, loaded, [e]) for e in examples]), atol=1e-5)
    causal = models.load_llm(run, loaded).eval()
    examples = instruction_examples(loaded, eight, 30, PROMPT)
    batch = DataCollatorForSeq2Seq(loaded)(examples)
    supervised = batch["labels"] != -100
    for labels, kept, genre in zip(batch["labels"], supervised, eight["genre"]):
        assert labels[kept].tolist() == answer_ids(loaded, genre)
    prompts = prompt_ids(loaded, eight, 30, PROMPT)
    assert answer_freely(run, causal, loaded, prompts, batch_size=8) == [
        answer_freely(run, causal, loaded, [p])[0] for p in prompts
    ]


def test_a_tokenizer_without_an_end_is_an_error(tokenizer, given):
    endless = copy.deepcopy(tokenizer)
    endless.eos_token = None
    with pytest.raises(ValueError, match="has no end token"):
        models.load_tokenizer(given("Qwen2", endless))


def test_a_story_is_cut_to_what_the_model_reads(tokenizer, given, eight):
    short = copy.deepcopy(tokenizer)
    short.model_max_length = 128
    run = given("GPT2", short, n_positions=128)
    loaded, _ = models.load_tokenizer(run)
    model = models.load_llm(run, loaded)
    long = eight.assign(text=eight["text"] * 40)
    prompts = prompt_ids(loaded, long, 1024, PROMPT)
    assert max(map(len, prompts)) < 128
    assert score_genres(run, model, loaded, prompts[:2], GENRES).shape == (2, 4)


@pytest.mark.parametrize(
    ("name", "genres", "message"),
    [("Granite", 4, "no granite with a classification head"), ("T5", None, "no t5 that generates")],
)
def test_a_model_that_cannot_serve_is_one_clear_error(run, tokenizer, tmp_path, name, genres, message):
    getattr(transformers, f"{name}Config")().save_pretrained(tmp_path / name)
    with pytest.raises(ValueError, match=message):
        models.load_llm(run, tokenizer, str(tmp_path / name), genres)


def test_a_model_without_keys_and_values_is_one_clear_error(run, tokenizer, eight):
    config = transformers.MambaConfig(
        hidden_size=32, num_hidden_layers=2, vocab_size=len(tokenizer), pad_token_id=1, bos_token_id=2, eos_token_id=3
    )
    model = AutoModelForCausalLM.from_config(config)
    with pytest.raises(ValueError, match="keeps no keys and values"):
        score_genres(run, model, tokenizer, prompt_ids(tokenizer, eight, 20, PROMPT), GENRES)


@pytest.fixture
def loud(tokenizer, given):
    """A run in fp16, as on a T4, with a tiny gemma-3 whose states grow past 65,504 as those of the real one do."""
    run = given("Gemma3Text")
    model = AutoModelForCausalLM.from_pretrained(run.profile.llm)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.post_feedforward_layernorm.weight.fill_(5e4)
    model.save_pretrained(run.profile.llm)
    return dataclasses.replace(run, dtype=torch.float16)


def test_a_model_that_overflows_in_fp16_computes_in_fp32(loud, tokenizer, eight, capsys):
    examples = classification_examples(tokenizer, eight, 30)
    untouched = AutoModelForCausalLM.from_pretrained(loud.profile.llm, dtype=torch.float16)
    with pytest.raises(ValueError, match="Set DTYPE = 'fp32'"):
        embed_stories(loud, untouched, tokenizer, examples)
    overflow.say_fp32.cache_clear()
    loaded, label = models.load_tokenizer(loud)
    capsys.readouterr()
    model, _ = models.load_llm(loud, loaded), models.load_llm(loud, loaded, genres=4)
    assert capsys.readouterr().out.count("computes in fp32") == 1 and label.endswith(", fp32")
    states = embed_stories(loud, model, loaded, examples)
    in_fp32 = dataclasses.replace(loud, dtype=torch.float32)
    expected = embed_stories(in_fp32, models.load_llm(in_fp32, loaded), loaded, examples)
    np.testing.assert_array_equal(states, expected)
    prompts = prompt_ids(loaded, eight.head(2), 20, PROMPT)
    assert np.isfinite(score_genres(loud, model, loaded, prompts, GENRES)).all()
    assert not torch.is_autocast_enabled("cpu")


def test_an_adapted_model_keeps_computing_in_fp32(loud, tokenizer, eight):
    """PEFT calls a model's `forward`, past its hooks."""
    model = models.load_llm(loud, tokenizer)
    batch = DataCollatorForSeq2Seq(tokenizer)(instruction_examples(tokenizer, eight, 30, PROMPT))
    model = get_peft_model(model, LoraConfig(r=2, target_modules=USUAL[0], task_type="CAUSAL_LM"))
    expected = answer_loss(model, batch)[0]
    with loud.autocast():
        loss = answer_loss(model, batch)[0]
    assert loss == expected and torch.isfinite(loss)


def test_an_encoder_that_overflows_in_fp16_computes_in_fp32(loud, tokenizer, tmp_path, capsys):
    body = Transformer(loud.profile.llm, max_seq_length=64)
    SentenceTransformer(modules=[body, Pooling(32)]).save(str(tmp_path / "encoder"))
    overflow.say_fp32.cache_clear()
    encoder, label = models.load_encoder(loud, str(tmp_path / "encoder"))
    assert label.startswith("encoder (") and label.endswith(", fp32") and "computes in fp32" in capsys.readouterr().out
    texts = ["the sheriff rode into town at noon", "rain"]
    in_fp32 = dataclasses.replace(loud, dtype=torch.float32)
    expected = encode(in_fp32, models.load_encoder(in_fp32, str(tmp_path / "encoder"))[0], texts)
    np.testing.assert_array_equal(encode(loud, encoder, texts), expected)
    assert np.isfinite(expected).all()
