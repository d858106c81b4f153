"""A language model on this machine that writes."""

from __future__ import annotations

from helpers.augmentation.faults import NoAnswer
from helpers.augmentation.targets import Answer, Target, count_tokens
from helpers.runtime import Run
from helpers.stories import count_words, shorten_middle


class LocalModel:
    """A causal language model on the run's own device: no key, no limits, and slow on a CPU."""

    name = "local"

    def __init__(self, run: Run, model: str | None = None):
        """
        Args:
            run: the running notebook.
            model: a Hub name or folder; the profile's LLM by default.
        """
        from transformers import pipeline

        from helpers.models import load_llm, load_tokenizer

        tokenizer, label = load_tokenizer(run, model)
        llm = load_llm(run, tokenizer, model).eval()
        sampling = {"do_sample": True, "temperature": 0.8, "top_p": 0.95, "use_cache": True}
        self._write = pipeline("text-generation", model=llm, tokenizer=tokenizer, **sampling)
        self.models = (label,)

    def answers(self, target: Target) -> bool:
        return True

    def signature(self, number: int, target: Target, prompt_ids: tuple[str, ...]) -> tuple[str, str]:
        return self.models[0], prompt_ids[number % len(prompt_ids)]

    def ask(self, target: Target, prompt: str, model: str, max_tokens: int, again: bool = False) -> Answer:
        """Generate one text; a story that does not fit the model's context loses its middle."""
        context = getattr(self._write.model.config, "max_position_embeddings", None) or 4096
        room = context - max_tokens - count_tokens(prompt) - 64
        share = min(1.0, room / count_tokens(target.story))
        story = shorten_middle(target.story, max(share, 0.05))
        asked = f"{prompt}\n\n{story}" if story else prompt
        if self._write.tokenizer.chat_template:
            asked = [{"role": "user", "content": asked}]
        text = self._write(asked, max_new_tokens=max_tokens, return_full_text=False)[0]["generated_text"].strip()
        if not text:
            raise NoAnswer("empty answer")
        note = "" if story == target.story else f"the story was too large: {share:.0%} of it was sent, without its middle"
        return Answer(text, story_words=count_words(story), note=note)
