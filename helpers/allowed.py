"""What the notebooks' parameters may be: a wrong value is told in one line that lists what is allowed, before anything is loaded.

`None` leaves a choice to the profile, `0` means none wherever none can be meant.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import PurePath

from helpers.config import PROFILES


class ParameterError(ValueError):
    """A parameter has a value that means nothing. Shown in a notebook as its lines, without a traceback."""

    def _render_traceback_(self):
        return [str(self)]


@dataclass(frozen=True)
class Rule:
    """What one parameter may be.

    Attributes:
        words: what is allowed, as the message says it.
        fits: whether a value is.
        names: the allowed names, to tell which one was meant.
    """

    words: str
    fits: Callable[[object], bool]
    names: tuple[str, ...] = ()

    def or_none(self, meaning: str = "the profile's") -> Rule:
        """The same, or `None`."""
        return Rule(f"{self.words}, or None ({meaning})", lambda value: value is None or self.fits(value), self.names)

    def or_zero(self, meaning: str) -> Rule:
        """The same, or `0`."""
        return Rule(f"{self.words}, or 0 ({meaning})", lambda value: _is_zero(value) or self.fits(value), self.names)


_KEY = re.compile(r"\b(?:gsk_|hf_|sk-)[\w-]{8,}")
"""A key that was put where another value belongs: it is not repeated."""


def _is_zero(value) -> bool:
    return isinstance(value, (bool, int, float)) and value == 0


def _is_change(value) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(name, str) for name in value)


def _whole(least: int, most: int | None = None) -> Rule:
    words = f"a whole number from {least}" + (f" to {most:,}" if most else " on")
    return Rule(words, lambda v: type(v) is int and v >= least and (most is None or v <= most))


def _one_of(*names: str) -> Rule:
    return Rule(f"one of {', '.join(map(repr, names))}", lambda value: isinstance(value, str) and value in names, names)


def _text(what: str) -> Rule:
    return Rule(what, lambda value: isinstance(value, str) and bool(value.strip()) and "\0" not in value)


def _list_of(rule: Rule, what: str) -> Rule:
    return Rule(what, lambda v: isinstance(v, (list, tuple)) and len(v) > 0 and all(map(rule.fits, v)), rule.names)


_FLAG = Rule("True or False", lambda value: isinstance(value, (bool, int)) and value in (0, 1))
_MODEL = _text("the name of a model on the Hugging Face Hub or a folder").or_none()
_SOURCES = ("original", "chunk", "paraphrase", "synthetic", "description")
_CHANGES = Rule(
    "a list of changes such as [{'learning_rate': 5e-4}], or 0 (none)",
    lambda value: value is None or _is_zero(value) or (isinstance(value, (list, tuple)) and all(map(_is_change, value))),
)
_FOLDS = Rule(
    "True, False, or a list of folds such as [0, 3]", lambda value: _FLAG.fits(value) or _list_of(_whole(0, 4), "").fits(value)
)

ALLOWED: dict[str, Rule] = {
    "PROFILE": _one_of("auto", *PROFILES),
    "WORKSPACE": Rule(
        "a folder", lambda v: isinstance(v, (str, PurePath)) and bool(str(v).strip()) and "\0" not in str(v)
    ).or_none("Drive in Colab, checkpoints/<profile> elsewhere"),
    "SEED": _whole(0, 2**32 - 1),
    "DTYPE": _one_of("auto", "fp32", "bf16", "fp16"),
    "STORIES_CSV": _text("the path of a CSV, TSV, JSON lines or Parquet file").or_none("the profile's dataset"),
    "HUB_DATASET": _text("the name of a dataset on the Hugging Face Hub, 'owner/name' or 'owner/name:configuration'").or_none(),
    "HUB_SPLIT": _text("the name of a split of HUB_DATASET such as 'train'"),
    "TEXT_COLUMN": _text("the name of a column").or_none("'story' or 'text'"),
    "LABEL_COLUMN": _text("the name of a column").or_none("'genre' or 'label'"),
    "TITLE_COLUMN": _text("the name of a column").or_none("'title', where there is one").or_zero("none is read"),
    "ID_COLUMN": _text("the name of a column").or_none("'id', where there is one").or_zero("rows are numbered"),
    "GENRES": _whole(2).or_none(),
    "DROP_PROMPTS": _FLAG,
    "PROVIDER": _one_of("auto", "groq", "local", "recorded"),
    "MODELS": _list_of(_text(""), "a list of model names such as ['llama-3.1-8b-instant']"),
    "LOCAL_MODEL": _MODEL,
    "BASE_URL": Rule(
        "an address such as 'https://api.groq.com/openai/v1'",
        lambda value: isinstance(value, str) and value.startswith(("http://", "https://")) and len(value) > 8,
    ),
    "TARGET": _whole(0).or_none("one for two training stories"),
    "WORDS": _whole(20, 3000).or_none("the training stories' median, at most 600, or 250 for recorded ones"),
    "MOST_REQUESTS": _whole(0).or_none("no bound"),
    "MOST_TOKENS": _whole(0).or_none("no bound"),
    "VARIANT": _one_of("tuned", "seed"),
    "LLM": _MODEL,
    "STORY_TOKENS": _whole(8).or_none(),
    "EPOCHS": Rule("a number above 0", lambda value: type(value) in (int, float) and 0 < value < 1000).or_none(),
    "GRADIENT_CHECKPOINTING": _FLAG.or_none(),
    "FOUR_BIT": _FLAG,
    "SOURCES": _list_of(_one_of(*_SOURCES), f"a list of one or more of {', '.join(map(repr, _SOURCES))}").or_none(),
    "TRIALS": _CHANGES,
    "FIVE_FOLDS": _FOLDS,
    "QUESTIONS": _whole(0).or_none(),
    "SAVE_MINUTES": Rule("a number of minutes above 0", lambda value: type(value) in (int, float) and value > 0).or_none(),
    "QA_EXAMPLES": _whole(0).or_none("the profile's, and none with the seed's recipe"),
    "ENCODER": _MODEL,
    "LARGE_ENCODER": _MODEL.or_zero("none"),
    "SETFIT_ITERATIONS": _whole(0).or_none(),
    "SETFIT_EPOCHS": _whole(1).or_none(),
    "SETFIT_TRIALS": _CHANGES,
    "SETFIT_FOLDS": _FOLDS,
}
"""What each parameter of the notebooks may be."""

_NUMBER = Rule("a number above 0", lambda value: type(value) in (int, float) and 0 < value < float("inf"))
_SHARE = Rule("a number from 0 to below 1", lambda value: type(value) in (int, float) and 0 <= value < 1)
_HEAD = {
    "reads": _list_of(_one_of("opening", "mean", "last"), "a list of one or more of 'opening', 'mean', 'last'"),
    "fitted_first": _FLAG,
    "label_smoothing": _SHARE,
    "head_learning_rate": _NUMBER.or_none(),
}
_PRACTICE = {"qa_examples": _whole(0)}
_LORA = {
    "epochs": _NUMBER,
    "learning_rate": _NUMBER,
    "batch_size": _whole(1),
    "accumulation": _whole(1),
    "warmup": _SHARE,
    "weight_decay": _NUMBER.or_zero("none"),
    "r": _whole(1),
    "lora_alpha": _NUMBER,
    "lora_dropout": _SHARE,
    "use_dora": _FLAG,
    "use_rslora": _FLAG,
    "language_modelling": _NUMBER.or_zero("none"),
}
_SETFIT = {
    "sources": _list_of(_one_of(*_SOURCES), f"a list of one or more of {', '.join(map(repr, _SOURCES))}"),
    "column": _one_of("text", "text_clean"),
    "titles": _whole(0),
    "reads": Rule(
        "a list of 'opening', 'whole', 'ends' and 'title', or 0 (none)",
        lambda v: _is_zero(v) or (isinstance(v, (list, tuple)) and set(map(str, v)) <= {"opening", "whole", "ends", "title"}),
    ),
    "num_epochs": _whole(1),
    "num_iterations": _whole(1),
    "batch_size": _whole(2),
    "body_learning_rate": _NUMBER,
}
_TAKEN = {"task_type", "peft_type", "output_dir", "seed", "report_to", "show_progress_bar", "save_strategy", "use_amp"}
"""Of the libraries' settings those that are not a trial's to change."""


def _flat(changes):
    """Names and values of all changes, those within a whole `training` among them."""
    for change in changes:
        for name, value in change.items():
            yield from _flat([value]) if name == "training" and _is_change(value) else [(name, value)]


def _wrong_changes(values: Mapping) -> list[str]:
    """A line for each change to a recipe that its training would refuse, which would be known after the recipe itself was trained."""
    found = []
    for parameter in ("TRIALS", "SETFIT_TRIALS"):
        if not values.get(parameter) or not _CHANGES.fits(values[parameter]):
            continue
        if parameter == "TRIALS":
            from peft import LoraConfig as settings

            rules = _LORA | (_PRACTICE if "QA_EXAMPLES" in values else _HEAD)  # 05_instruct_lora trains no head
        else:
            from setfit import TrainingArguments as settings

            rules = _SETFIT
        others = {setting.name for setting in fields(settings)} - _TAKEN
        for name, value in _flat(values[parameter]):
            if name not in rules.keys() | others:
                close = difflib.get_close_matches(name, rules.keys() | others, 1, 0.6)
                meant = f" Is {close[0]!r} meant?" if close else ""
                found.append(
                    f"{parameter}: there is nothing called {name!r} to change in this recipe. There are {', '.join(rules)}, and what "
                    f"{settings.__module__.split('.')[0]}.{settings.__name__} takes.{meant}"
                )
            elif name in rules and not rules[name].fits(value):
                found.append(f"{parameter}: {name} = {_shown(value)} is not allowed: {rules[name].words}.")
    return found


def check(values: Mapping) -> None:
    """Look at all parameters that are among some values, such as a notebook's `globals()`.

    Raises:
        ParameterError: some are not allowed; one line for each, with what is.
    """
    wrong = [
        f"{name} = {_shown(values[name])} is not allowed: {rule.words}.{_hint(values[name], rule)}"
        for name, rule in ALLOWED.items()
        if name in values and not rule.fits(values[name])
    ]
    if all(isinstance(values.get(name), str) for name in ("STORIES_CSV", "HUB_DATASET")):
        wrong.append("STORIES_CSV and HUB_DATASET both name a dataset: set one of them to None.")
    wrong += _wrong_changes(values)
    if wrong:
        raise ParameterError("\n".join(wrong))


def _shown(value) -> str:
    text = " ".join(_KEY.sub("[key]", repr(value)).split())
    return text if len(text) <= 80 else text[:77] + "..."


def _hint(value, rule: Rule) -> str:
    named = [value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []
    unknown = [str(name) for name in named if name not in rule.names] or list(map(str, named))
    close = difflib.get_close_matches(unknown[0].lower(), rule.names, 1, 0.6) if unknown else []
    return f" Is {close[0]!r} meant?" if close else ""
