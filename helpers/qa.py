"""Question answering over the stories, to see what a LoRA adapter does to it.

Passages are retrieved with a sentence encoder, and the LLM answers from them, greedily and in a few words. Retrieval does not touch the LLM, so it is
the same with the adapter on and off; what the LLM makes of the passages may not be.
"""

from __future__ import annotations

import hashlib
import json
import re
import string
from collections import Counter

import numpy as np
import pandas as pd
import torch

from helpers import encoders, llm
from helpers.config import DATA
from helpers.evaluation import bootstrap_interval
from helpers.runtime import Run, write_json
from helpers.stories import chunk_stories

PROMPT = """Answer the question in a few words taken from the text.

Text: The ferry to Skagen left at six, and Maren Holt stood at the rail with her brother's violin.
Question: Who stood at the rail?
Answer: Maren Holt

Text: {passages}
Question: {question}
Answer:"""

_NAME = r"[A-Z][a-z]+(?:[ -][A-Z][a-z]+)*"
_WHO = re.compile(
    rf"(?<=[a-z,;] )({_NAME})(?= (?:was|had|said|looked|took|turned|stood|felt|knew|asked|could|would|went|did)\b)"
)
_WHERE = re.compile(rf"\b(?:in|at|to|from|near|into|of) (?:the )?({_NAME})(?=[ ,.;])")


def read_questions(table: pd.DataFrame) -> pd.DataFrame:
    """The questions that were written for the sample stories (`data/sample_questions.jsonl`), those whose story is in the table.

    Returns:
        DataFrame of `question`, `answers` (list of equally good short ones), `story_id` and `kind`: what the question goes by, the story's content,
        `title`, `id` or `genre`. Empty for another dataset.
    """
    lines = (DATA / "sample_questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions = pd.DataFrame([json.loads(line) for line in lines])
    return questions[questions["story_id"].isin(set(table["story_id"]))].reset_index(drop=True)


def make_questions(table: pd.DataFrame, most: int, seed: int = 42) -> pd.DataFrame:
    """Extractive questions made from any stories: a sentence with a name or a place taken out, or a sentence whose story's title is asked for.

    Args:
        table: story table.
        most: how many; each story gives at most one, and the kinds take turns.
        seed: of the stories' order and of the choice of sentences.

    Returns:
        DataFrame as from `read_questions`, of the kinds `who`, `where` and `which title`.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict] = []
    kinds = ("who", "where", "which title")
    for place in rng.permutation(len(table)):
        if len(rows) == most:
            break
        story = table.iloc[place]
        kind = kinds[len(rows) % len(kinds)]
        if not story["title"] or not (found := _sentences_for(kind, story["text"])):
            continue
        sentence, answer = found[rng.integers(len(found))]
        question = {
            "who": f'In "{story["title"]}", who is ____ in this sentence: "{sentence}"',
            "where": f'In "{story["title"]}", which place is ____ in this sentence: "{sentence}"',
            "which title": f'What is the title of the story with this sentence: "{sentence}"',
        }[kind]
        rows.append({"question": question, "answers": [answer or story["title"]], "story_id": story["story_id"], "kind": kind})
    return pd.DataFrame(rows, columns=["question", "answers", "story_id", "kind"])


def _sentences_for(kind: str, text: str) -> list[tuple[str, str]]:
    """Sentences of 8 to 30 words that can be asked for, and the answers (empty for a title)."""
    found = []
    places = {match[1] for match in _WHERE.finditer(text)}
    for sentence in re.split(r"(?<=[.!?])\s+", " ".join(text.split())):
        if not 8 <= len(sentence.split()) <= 30 or '"' in sentence:
            continue
        if kind == "which title":
            found.append((sentence, ""))
            continue
        for match in (_WHO if kind == "who" else _WHERE).finditer(sentence):
            # A name that occurs again elsewhere in the story, so that the passages hold it although the sentence does not.
            answerable = sentence.count(match[1]) == 1 and text.count(match[1]) > 1
            if answerable and (kind == "where" or match[1] not in places):
                found.append((sentence[: match.start(1)] + "____" + sentence[match.end(1) :], match[1]))
    return found


def cut_passages(table: pd.DataFrame, size: int = 600) -> pd.DataFrame:
    """Passages of the stories, each under a line with the story's id, title and genre.

    Args:
        table: story table.
        size: of a passage, in characters.

    Returns:
        DataFrame of `story_id`, `title`, `genre`, `passage`.
    """
    chunks = chunk_stories(table, size=size, overlap=size // 10)
    heads = ("Story " + chunks["parent_id"] + ', "' + chunks["title"] + '", ' + chunks["genre"] + ": ").tolist()
    return pd.DataFrame(
        {
            "story_id": chunks["parent_id"],
            "title": chunks["title"],
            "genre": chunks["genre"],
            "passage": [head + text for head, text in zip(heads, chunks["text"])],
        }
    )


def retrieve(run: Run, encoder, label: str, questions: pd.DataFrame, passages: pd.DataFrame, k: int = 3) -> np.ndarray:
    """Places of the `k` passages closest to each question, closest first: int array (questions, k).

    A question that names a story by its id or quoted title, or else names a genre, is looked up among the passages of that story or genre alone.
    """
    asked = encoders.embed(run, encoder, label, questions["question"].tolist())
    held = encoders.embed(run, encoder, label, passages["passage"].tolist(), reads="opening")
    close = asked @ held.T
    for row, question in enumerate(questions["question"]):
        named = [
            [f'"{title}"' in question for title in passages["title"]],
            [bool(re.search(rf"\bstory {re.escape(i)}\b", question)) for i in passages["story_id"]],
            [
                bool(re.search(rf"\b[Tt]he {re.escape(genre)} (?:about|in which|with)\b", question))
                for genre in passages["genre"]
            ],
        ]
        for mask in map(np.array, named):
            if mask.any():
                close[row, ~mask] -= 10
                break
    return np.argsort(-close, axis=1, kind="stable")[:, :k]


def hit_rate(questions: pd.DataFrame, passages: pd.DataFrame, found: np.ndarray) -> float:
    """hit@k: the share of questions for which a passage of the right story was among those retrieved."""
    stories = passages["story_id"].to_numpy()[found]
    return float((stories == questions["story_id"].to_numpy()[:, None]).any(axis=1).mean())


def build_prompts(tokenizer, questions: pd.DataFrame, passages: pd.DataFrame, found: np.ndarray) -> list[list[int]]:
    """Tokens of each question's prompt, its passages in it, up to where the answer begins."""
    texts = passages["passage"].to_numpy()
    return [
        llm.begin_ids(tokenizer)
        + tokenizer(
            PROMPT.replace("{passages}", "\n".join(texts[places])).replace("{question}", question), add_special_tokens=False
        )["input_ids"]
        for question, places in zip(questions["question"], found)
    ]


def training_examples(tokenizer, questions: pd.DataFrame, prompts: list[list[int]]) -> list[dict]:
    """Examples like those of `llm.instruction_examples`: the prompt, and a supervised answer after it."""
    answers = tokenizer([f" {some[0]}\n" for some in questions["answers"]], add_special_tokens=False)["input_ids"]
    return [llm.supervise(prompt, answer + [tokenizer.eos_token_id]) for prompt, answer in zip(prompts, answers)]


def normalise(answer: str) -> str:
    """An answer as SQuAD compares them: lower case, without punctuation and articles (Rajpurkar et al., 2016)."""
    kept = "".join(letter for letter in answer.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", kept).split())


def exact_match(answer: str, references: list[str]) -> float:
    """1.0 where the answer is one of the references, as SQuAD compares them."""
    return float(normalise(answer) in {normalise(reference) for reference in references})


def token_f1(answer: str, references: list[str]) -> float:
    """Harmonic mean of precision and recall over words, for the closest reference."""
    words = normalise(answer).split()
    best = 0.0
    for reference in references:
        wanted = normalise(reference).split()
        shared = sum((Counter(words) & Counter(wanted)).values())
        best = max(best, 2 * shared / (len(words) + len(wanted)) if shared else 0.0)
    return best


def ask(run: Run, model, tokenizer, state: str, questions: pd.DataFrame, prompts: list[list[int]]) -> pd.DataFrame:
    """Answer every question, or read the answers where this state answered these prompts before.

    Args:
        run: the running notebook; its workspace keeps the answers.
        model: a causal model, with or without an adapter.
        tokenizer: the model's.
        state: what answers, such as the base model's name or an adapter's folder; part of the key.
        questions, prompts: see `build_prompts`.

    Returns:
        `questions` with the columns `answer`, `exact_match` and `token_f1`.
    """

    def answer() -> list[str]:
        return llm.answer_freely(run, model, tokenizer, prompts, max_new_tokens=10, batch_size=8)

    answers = _kept(run, state, prompts, "answers", answer)
    return questions.assign(
        answer=answers,
        exact_match=[exact_match(a, r) for a, r in zip(answers, questions["answers"])],
        token_f1=[token_f1(a, r) for a, r in zip(answers, questions["answers"])],
    )


@torch.inference_mode()
def story_losses(run: Run, model, tokenizer, state: str, texts: list[str], limit: int = 256) -> np.ndarray:
    """Mean loss (nats) a token of each text's first `limit` tokens: float array (texts,); the exponential of their mean is the perplexity."""
    begin = llm.begin_ids(tokenizer)
    sequences = [begin + ids[:limit] for ids in tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]]

    def loss(sequence: list[int]) -> float:
        ids = torch.tensor([sequence], device=run.device)
        with run.autocast():
            logits = model(input_ids=ids).logits[0, :-1].float()
        return torch.nn.functional.cross_entropy(logits, ids[0, 1:]).item()

    def losses() -> list[float]:
        model.eval()
        return [loss(sequence) for sequence in sequences]

    return np.array(_kept(run, state, sequences, "losses", losses))


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
        library = table if len(written) else held_out
        self.passages = cut_passages(library)
        self.found = retrieve(run, encoder, label, self.questions, self.passages, k)
        self.prompts = build_prompts(tokenizer, self.questions, self.passages, self.found)
        self.texts = held_out["text"].head(min(24, most // 3 + 1)).tolist()
        self.states: dict[str, tuple[pd.DataFrame, np.ndarray]] = {}

    def measure(self, name: str, model, state: str) -> pd.DataFrame:
        """Ask a model all questions, and take its loss on the held-out stories; returns what it answered.

        Args:
            name: of the row in `table`; the base model comes first.
            model: causal, with or without an adapter.
            state: see `ask`.
        """
        answered = ask(self.run, model, self.tokenizer, state, self.questions, self.prompts)
        self.states[name] = answered, story_losses(self.run, model, self.tokenizer, state, self.texts)
        return answered

    def table(self) -> pd.DataFrame:
        """A row a state, each compared with the first, on the same questions and texts."""
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

    def save(self, approach: str) -> None:
        """Keep the table beside the approach's results."""
        write_json(
            self.run.workspace / "results" / approach / "qa.json", {"rows": self.table().reset_index().to_dict("records")}
        )


def read_checks(run: Run) -> pd.DataFrame:
    """The saved tables of all approaches, one below the other: the first row of each (the base model) once, and what each adapter does."""
    tables = []
    for path in sorted((run.workspace / "results").glob("*/qa.json")):
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        tables.append(pd.DataFrame(rows).assign(approach=path.parent.name))
    if not tables:
        return pd.DataFrame()
    table = pd.concat(tables, ignore_index=True)
    same = [column for column in table if column != "approach"]
    base = table[table[""] == "base model"].drop_duplicates(same).assign(approach="none")
    return pd.concat([base, table[table[""] == "adapter on"]]).set_index("approach")


def memory_table(tokens: int = 2048, rank: int = 32) -> pd.DataFrame:
    """What the T4's model and the encoders occupy, by arithmetic: GB (10^9 bytes) of weights, cache and adapter.

    Args:
        tokens: prompt and answer of one question.
        rank: of the LoRA adapter on all linear layers.
    """
    from transformers import AutoModelForCausalLM, Qwen2Config

    # The published shape of Qwen2.5-1.5B-Instruct; on the meta device a model has its parameters' shapes and no memory.
    config = Qwen2Config(
        hidden_size=1536,
        intermediate_size=8960,
        num_hidden_layers=28,
        num_attention_heads=12,
        num_key_value_heads=2,
        vocab_size=151936,
        tie_word_embeddings=True,
    )
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    weights = sum(parameter.numel() for parameter in model.parameters())
    linear = [m for name, m in model.named_modules() if isinstance(m, torch.nn.Linear) and "lm_head" not in name]
    adapter = sum(rank * (m.in_features + m.out_features) for m in linear)
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


def _kept(run: Run, state: str, sequences: list[list[int]], name: str, compute) -> list:
    """What a state made of these sequences before, else what it makes of them now."""
    key = hashlib.sha256(json.dumps([state, str(run.dtype), sequences]).encode()).hexdigest()[:16]
    file = run.workspace / "qa" / f"{key}.json"
    if not file.exists():
        write_json(file, {"state": state, name: compute()})
    return json.loads(file.read_text(encoding="utf-8"))[name]
