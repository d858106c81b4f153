"""Is question answering kept? The same questions with an adapter on and off, and whether both systems fit into memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from helpers.comparison.metrics import bootstrap_interval
from helpers.llm.answers import ask, build_prompts, story_losses
from helpers.llm.lora import borrow_adapter
from helpers.llm.questions import cut_passages, hit_rate, make_questions, read_questions, retrieve
from helpers.runtime import Run
from helpers.workspace import write_json


class Check:
    """The same questions, passages and prompts for every state of a model.

    Args:
        run: the running notebook.
        table: story table. Passages are cut from all stories where the written questions are asked, else from those that do not train.
        tokenizer: the LLM's.
        encoder, label: from `models.load_encoder`.
        most: how many questions: the written ones where the stories are the sample's, as many of each kind, else ones made from stories that do not
            train.
        k: passages in a prompt.

    Where no question can be made (other languages, stories without names) or none is wanted, that is said and nothing is asked.

    Attributes:
        questions: see `read_questions`.
        passages: see `cut_passages`.
        found: see `retrieve`.
        prompts: see `build_prompts`.
        texts: held-out stories whose perplexity is taken: a third as many as questions, up to 24.
    """

    def __init__(self, run: Run, table: pd.DataFrame, tokenizer, encoder, label: str, most: int = 72, k: int = 2):
        self.run, self.tokenizer, self.k = run, tokenizer, k
        held_out = table[table["split"] != "train"]
        written = read_questions(table)
        if len(written):
            each = -(-most // written["kind"].nunique())
            self.questions = written.groupby("kind").head(each).head(most).reset_index(drop=True)
        else:
            self.questions = make_questions(held_out, most, run.seed)
        self.states: dict[str, tuple[pd.DataFrame, np.ndarray]] = {}
        if not len(self.questions):
            why = "no question is wanted" if most == 0 else "no question can be made of these stories"
            print(f"Whether question answering is kept is not checked: {why}.")
            return
        library = table if len(written) else _library(held_out, self.questions)
        self.passages = cut_passages(library)
        self.found = retrieve(run, encoder, label, self.questions, self.passages, k)
        self.prompts = build_prompts(tokenizer, self.questions, self.passages, self.found)
        self.texts = held_out["text"].head(min(24, most // 3 + 1)).tolist()

    def measure(self, name: str, model, state: str) -> pd.DataFrame:
        """Ask a model all questions, and take its loss on the held-out stories; returns what it answered.

        Args:
            name: of the row in `table`; the base model comes first.
            model: causal, with or without an adapter.
            state: see `ask`.
        """
        if not len(self.questions):
            return self.questions.assign(answer="", exact_match=0.0, token_f1=0.0)
        answered = ask(self.run, model, self.tokenizer, state, self.questions, self.prompts)
        self.states[name] = answered, story_losses(self.run, model, self.tokenizer, state, self.texts)
        return answered

    def measure_adapter(self, approach: str, model, label: str, adapter: Path) -> pd.DataFrame:
        """Measure a base model, the same with an adapter on, and with it off again, and keep the table beside the approach's results.

        Args:
            approach: folder in `results/`.
            model: causal, without an adapter; changed in place.
            label: its name.
            adapter: folder of the adapter, from `train_lora`, with or without a head.

        Returns:
            See `table`.
        """
        self.measure("base model", model, label)
        model = borrow_adapter(model, adapter)
        self.measure("adapter on", model, adapter.parent.name)
        with model.disable_adapter():
            self.measure("adapter off", model, f"{adapter.parent.name}, off")
        table = self.table()
        if len(table):
            write_json(self.run.workspace / "results" / approach / "qa.json", {"rows": table.reset_index().to_dict("records")})
        return table

    def examples(self, name: str = "adapter on", most: int = 6):
        """The first questions, what a state answered, and whether that was right, as a table to show; None where nothing was asked."""
        if not self.states:
            return None
        columns = ["question", "answers", "answer", "exact_match"]
        return self.states[name][0][columns].head(most).style.format({"exact_match": "{:.0f}"}).hide()

    def table(self) -> pd.DataFrame:
        """A row a state, each compared with the first, on the same questions and texts; empty where nothing was asked."""
        if not self.states:
            return pd.DataFrame()
        base, _ = next(iter(self.states.values()))
        hits = hit_rate(self.questions, self.passages, self.found)
        rows = []
        for name, (answered, losses) in self.states.items():
            row = {"": name, "questions": len(answered), f"retrieval hit@{self.k}": f"{hits:.0%}"}
            for measure, title in (("exact_match", "exact match"), ("token_f1", "token F1")):
                low, high = bootstrap_interval(answered[measure].to_numpy())
                row[title] = f"{answered[measure].mean():.1%} ({low:.0%} to {high:.0%})"
            lost = (answered["token_f1"] - base["token_f1"]).to_numpy()
            low, high = bootstrap_interval(lost)
            row["token F1 against the first row"] = f"{lost.mean():+.1%} ({low:+.0%} to {high:+.0%})"
            row["perplexity of held-out stories"] = f"{np.exp(losses.mean()):.1f}"
            rows.append(row)
        return pd.DataFrame(rows).set_index("")


def _library(held_out: pd.DataFrame, questions: pd.DataFrame, most: int = 1000) -> pd.DataFrame:
    """The held-out stories that passages are cut from: all of up to `most`, else those that are asked about and the first others."""
    asked = held_out["story_id"].isin(set(questions["story_id"]))
    others = held_out.index[~asked][: max(0, most - int(asked.sum()))]
    return held_out[asked | held_out.index.isin(others)]


def read_checks(run: Run, results: Path | None = None) -> pd.DataFrame:
    """The saved tables of all approaches, one below the other: the first row of each (the base model) once, and what each adapter does.

    Args:
        run: the running notebook.
        results: folder of a store; None for the workspace's own.
    """
    tables = []
    for path in sorted((results or run.workspace / "results").glob("*/qa.json")):
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        tables.append(pd.DataFrame(rows).assign(approach=path.parent.name))
    if not tables:
        return pd.DataFrame()
    table = pd.concat(tables, ignore_index=True)
    same = [column for column in table if column != "approach"]
    base = table[table[""] == "base model"].drop_duplicates(same).assign(approach="none")
    return pd.concat([base, table[table[""] == "adapter on"]]).set_index("approach")


def qwen_config():
    """The published shape of Qwen2.5-1.5B-Instruct, the LLM of the profile `t4`, as a `transformers.Qwen2Config`."""
    from transformers import Qwen2Config

    return Qwen2Config(
        hidden_size=1536,
        intermediate_size=8960,
        num_hidden_layers=28,
        num_attention_heads=12,
        num_key_value_heads=2,
        vocab_size=151936,
        tie_word_embeddings=True,
    )


def memory_table(tokens: int = 2048, rank: int = 32) -> pd.DataFrame:
    """What the T4's model and the encoders occupy, by arithmetic: GB (10^9 bytes) of weights, cache and adapter.

    Args:
        tokens: prompt and answer of one question.
        rank: of the LoRA adapter on all linear layers.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = qwen_config()
    with torch.device("meta"):  # a model has its parameters' shapes there, and no memory
        model = AutoModelForCausalLM.from_config(config)
        weights = model.num_parameters()
        adapter, _ = get_peft_model(model, LoraConfig(r=rank, target_modules="all-linear")).get_nb_trainable_parameters()
    head_size = config.hidden_size // config.num_attention_heads
    cache = 2 * config.num_hidden_layers * config.num_key_value_heads * head_size * tokens
    parts = {
        "Qwen2.5-1.5B-Instruct, fp16": weights * 2,
        f"keys and values of {tokens:,} tokens, fp16": cache * 2,
        "logits of one position, fp32": config.vocab_size * 4,
        "encoder for the passages (all-MiniLM-L6-v2, 22.7 million weights), fp32": 22.7e6 * 4,
    }
    answering = sum(parts.values())
    parts["question answering (limit 10)"] = answering
    parts[f"LoRA adapter of rank {rank}, fp32"] = adapter * 4
    parts["SetFit's encoder (mpnet, 109.5 million weights), fp32"] = 109.5e6 * 4
    parts["both systems (limit 24)"] = answering + adapter * 4 + 109.5e6 * 4
    return pd.DataFrame({"GB": {name: round(size / 1e9, 3) for name, size in parts.items()}})
