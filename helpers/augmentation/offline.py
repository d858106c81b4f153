"""Who writes without an endpoint: a local model, or the answers that come with the project."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd

from helpers import stories as story_tables
from helpers.augmentation.targets import Answer, NoAnswer, NotRecorded, Target, count_tokens, shorten_middle
from helpers.config import DATA
from helpers.runtime import Run
from helpers.stories import is_sample


class LocalModel:
    """A causal language model on the run's own device: no key, no limits, and slow on a CPU."""

    name = "local"

    def __init__(self, run: Run, model: str | None = None):
        """
        Args:
            run: the running notebook.
            model: a Hub name or folder; the profile's LLM by default.
        """
        from helpers.models import load_llm, load_tokenizer

        self._tokenizer, label = load_tokenizer(run, model)
        self._model = load_llm(run, self._tokenizer, model).eval()
        self.models = (label,)

    def answers(self, target: Target) -> bool:
        return True

    def signature(self, number: int, target: Target, prompt_ids: tuple[str, ...]) -> tuple[str, str]:
        return self.models[0], prompt_ids[number % len(prompt_ids)]

    def ask(self, target: Target, prompt: str, model: str, max_tokens: int, again: bool = False) -> Answer:
        """Generate one text; a story that does not fit the model's context loses its middle."""
        import torch

        context = getattr(self._model.config, "max_position_embeddings", None) or 4096
        room = context - max_tokens - count_tokens(prompt) - 64
        share = min(1.0, room / count_tokens(target.story))
        story = shorten_middle(target.story, max(share, 0.05))
        content = f"{prompt}\n\n{story}" if story else prompt
        if self._tokenizer.chat_template:
            content = self._tokenizer.apply_chat_template(
                [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
            )
        inputs = self._tokenizer(content, return_tensors="pt", add_special_tokens=not self._tokenizer.chat_template)
        inputs = inputs.to(self._model.device)
        with torch.inference_mode():
            output = self._model.generate(
                **inputs, max_new_tokens=max_tokens, do_sample=True, temperature=0.8, top_p=0.95, use_cache=True
            )[0]
        text = self._tokenizer.decode(output[inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip()
        if not text:
            raise NoAnswer("empty answer")
        note = "" if story == target.story else f"the story was too large: {share:.0%} of it was sent, without its middle"
        return Answer(text, tokens=len(output), story_words=story_tables.count_words(story), note=note)


class RecordedAnswers:
    """Answers that were written for this project and stand in `data/`, so that everything runs without a key.

    For the sample corpus, `sample_augmentations.jsonl`: its paraphrases and its synthetic stories. For the real dataset and others with its labels
    (`stories.is_known`), `synthetic_stories.jsonl`: synthetic stories by the genre's name. For any other dataset, nothing: a label such as `Crime` may
    stand anywhere. A paraphrase, of a sample story or one of the real dataset's (`paraphrases.jsonl`), counts for a story with the same id and the
    same text only.
    """

    name = "recorded"
    retold_words = 250
    """Length that the paraphrases of the real dataset were written to; those of the sample are as long as their parents."""

    def __init__(self, stories: pd.DataFrame, folder: Path = DATA):
        """
        Args:
            stories: story table that will be augmented.
            folder: where the recorded answers stand.
        """
        known = story_tables.sample_texts()
        rows = read_lines(folder / "sample_augmentations.jsonl")
        of_sample = [row | {"parent_sha256": text_hash(known[row["parent_id"]])} for row in rows if row["task"] == "paraphrase"]
        retold = [row | {"words": self.retold_words} for row in read_lines(folder / "paraphrases.jsonl")]
        self._paraphrases = {(row["parent_id"], row["parent_sha256"], row["slot"]): row for row in of_sample + retold}
        if not is_sample(stories):
            rows = read_lines(folder / "synthetic_stories.jsonl") if story_tables.is_known(stories) else []
        self._synthetic = {(row["genre"], row["slot"]): row for row in rows if row["task"] == "synthetic"}
        self.models = tuple(sorted({row["model"] for row in rows})) or ("none",)

    def _find(self, target: Target) -> dict | None:
        if target.task == "synthetic":
            return self._synthetic.get((target.genre, target.slot))
        return self._paraphrases.get((target.parent_id, text_hash(target.story), target.slot))

    def answers(self, target: Target) -> bool:
        return self._find(target) is not None

    def signature(self, number: int, target: Target, prompt_ids: tuple[str, ...]) -> tuple[str, str]:
        """Who wrote the recorded answer, and to which prompt: not one of the notebook's."""
        row = self._find(target) or {}
        return row.get("model", ""), row.get("prompt_id", "")

    def ask(self, target: Target, prompt: str, model: str, max_tokens: int, again: bool = False) -> Answer:
        """Look the answer up.

        Raises:
            NotRecorded: there is none, or it is asked for again: the records hold no second try.
        """
        row = None if again else self._find(target)
        if row is None:
            raise NotRecorded
        words = row.get("words") or story_tables.count_words(target.story)
        return Answer(row["text"], row["title"], story_words=words, created_at=row["created_at"])


def text_hash(text: str) -> str:
    """By which a recorded paraphrase knows its parent: SHA-256 of the text as published, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_lines(path: Path) -> list[dict]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
