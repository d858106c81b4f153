"""A frozen language model as an encoder: its hidden states, read in three ways, and a linear head on them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.representations.cache import kept_vectors
from helpers.representations.tokens import QUESTION, batches_by_length, classification_examples, pad_batch
from helpers.runtime import Run

READS = ("opening", "mean", "last")
"""What is read of the hidden states: the mean over the first `OPENING` tokens, the mean over all, and the last one, which stands at the question's end."""
OPENING = 64


def embed_stories(run: Run, model, tokenizer, examples: list[dict]) -> np.ndarray:
    """The frozen LLM as an encoder: last hidden states, read in the three ways of `READS`.

    Args:
        run: the running notebook.
        model: causal, or with a classification head.
        examples: from `classification_examples`.

    Returns:
        float32 array (stories, 3, hidden size).

    Raises:
        ValueError: states are not finite.
    """
    return _read_ends(run, model, tokenizer, [example["input_ids"] for example in examples], (0,))[:, 0]


@torch.inference_mode()
def _read_ends(run: Run, model, tokenizer, sequences: list[list[int]], before: tuple[int, ...]) -> np.ndarray:
    """States so many tokens before each sequence's last one: float32 array (sequences, places, 3, hidden size)."""
    decoder = getattr(model, model.base_model_prefix)
    states: list[np.ndarray | None] = [None] * len(sequences)
    decoder.eval()
    for rows in batches_by_length(sequences, 4):
        batch = pad_batch(tokenizer, [sequences[i] for i in rows], run.device, side="right")
        with run.autocast():
            hidden = decoder(**batch, use_cache=False).last_hidden_state
        places = batch["attention_mask"].sum(1, keepdim=True) - 1 - torch.tensor(before, device=run.device)
        for i, of_story in zip(rows, read_states(hidden)[torch.arange(len(rows))[:, None], places]):
            states[i] = of_story.cpu().numpy()
    states = np.stack(states)
    if not np.isfinite(states).all():
        raise ValueError(f"{type(model).__name__} overflows in {run.dtype}: its states are not finite. Set DTYPE = 'fp32'.")
    return states


def keep_states(run: Run, label: str, tokenizer, load_model, examples: list[dict]) -> np.ndarray:
    """`embed_stories`, kept in the workspace: computed once, and the model is loaded only for what is new.

    Args:
        run: the running notebook.
        label: the model's name, part of the cache's key.
        tokenizer: the model's.
        load_model: function without arguments that returns the model.
        examples: from `classification_examples`.
    """

    def encode(new: list[list[int]]) -> np.ndarray:
        return _read_ends(run, load_model(), tokenizer, new, (0,))[:, 0]

    return _keep(run, label, [example["input_ids"] for example in examples], encode)


def keep_both(run: Run, label: str, tokenizer, load_model, examples: list[dict], question: str = QUESTION) -> tuple:
    """`keep_states` at the end of each story and at the end of the question after it, from one pass.

    What a causal model makes of a story does not depend on what follows, so the story need not be read a second time without the question.

    Args:
        run, label, tokenizer, load_model: see `keep_states`.
        examples: from `classification_examples`, with this question.

    Returns:
        Two arrays as from `keep_states`: of the stories as if nothing had been asked, and with the question.
    """
    length = len(tokenizer(question, add_special_tokens=False)["input_ids"])
    unasked: dict[tuple, np.ndarray] = {}

    def encode_both(new: list[list[int]]) -> np.ndarray:
        both = _read_ends(run, load_model(), tokenizer, new, (length, 0))
        unasked.update(zip((tuple(ids[:-length]) for ids in new), both[:, 0]))
        return both[:, 1]

    def encode_rest(new: list[list[int]]) -> np.ndarray:
        rest = [ids for ids in new if tuple(ids) not in unasked]
        if rest:
            unasked.update(zip(map(tuple, rest), _read_ends(run, load_model(), tokenizer, rest, (0,))[:, 0]))
        return np.stack([unasked[tuple(ids)] for ids in new])

    asked = _keep(run, label, [example["input_ids"] for example in examples], encode_both)
    return _keep(run, label, [example["input_ids"][:-length] for example in examples], encode_rest), asked


def _keep(run: Run, label: str, sequences: list[list[int]], encode) -> np.ndarray:
    """Vectors of token sequences through `kept_vectors`, which keeps vectors of texts."""
    pieces = [json.dumps(sequence) for sequence in sequences]
    known = kept_vectors(
        run,
        f"{label} states",
        list(dict.fromkeys(pieces)),
        lambda new: encode([json.loads(piece) for piece in new]),
        block=100,
    )
    return np.stack([known[piece] for piece in pieces])


def read_states(hidden: torch.Tensor) -> torch.Tensor:
    """Hidden states (batch, tokens, hidden) as `READS` has them at each token: fp32 (batch, tokens, 3, hidden).

    A token's means run over the tokens up to it, so with the padding on the right the last token has those of the whole sequence.
    """
    hidden = hidden.float()
    count = torch.arange(1, hidden.shape[1] + 1, device=hidden.device)
    mean = hidden.cumsum(1) / count[:, None]
    opening = mean[:, (count - 1).clamp(max=OPENING - 1)]
    return torch.stack([opening, mean, hidden], dim=2)


class States(TransformerMixin, BaseEstimator):
    """A frozen LLM's states of a story, its readings side by side: a scikit-learn transformer of story tables.

    Args:
        run, label, tokenizer, load_model: see `keep_states`.
        limit: tokens kept of title and story together.
        keep: False for stories that come one by one and never again.
    """

    def __init__(self, run: Run, label: str, tokenizer, load_model, limit: int, keep: bool = True):
        self.run, self.label, self.tokenizer = run, label, tokenizer
        self.load_model, self.limit, self.keep = load_model, limit, keep

    def __sklearn_clone__(self) -> States:
        return self  # nothing is fitted, and a copy would copy the model

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, table: pd.DataFrame, genres=None) -> States:
        """Nothing to fit."""
        return self

    def transform(self, table: pd.DataFrame) -> np.ndarray:
        """States as `side_by_side` has them: float array (stories, readings × hidden size)."""
        if not self.keep:
            examples = classification_examples(self.tokenizer, table, self.limit)
            return side_by_side(embed_stories(self.run, self.load_model(), self.tokenizer, examples))
        stories = (table["title"] + "\n" + table["text"]).tolist()
        place = {story: number for number, story in enumerate(stories)}

        def states_of(new: list[str]) -> np.ndarray:
            examples = classification_examples(self.tokenizer, table.iloc[[place[story] for story in new]], self.limit)
            return keep_states(self.run, self.label, self.tokenizer, self.load_model, examples)

        # A story whose states are kept is not even split into tokens.
        name = f"{self.label} states of {self.limit} tokens before {QUESTION}"
        known = kept_vectors(self.run, name, list(place), states_of, block=len(place))
        return side_by_side(np.stack([known[story] for story in stories]))


def frozen(run: Run, label: str, tokenizer, load_model, limit: int, keep: bool = True) -> Pipeline:
    """Logistic regression on a frozen LLM's states, its three readings side by side.

    Args:
        run, label, tokenizer, load_model, limit, keep: see `States`.

    Returns:
        A scikit-learn pipeline over story tables, see `helpers.representations.scores`.
    """
    return make_pipeline(States(run, label, tokenizer, load_model, limit, keep), *linear_head())


def side_by_side(states: np.ndarray, reads: tuple[str, ...] = READS) -> np.ndarray:
    """Some of the readings, each with mean 0 and standard deviation 1 over its dimensions, as a layer norm has it.

    Args:
        states: from `embed_stories`.
        reads: any of `READS`.

    Returns:
        float array (stories, readings × hidden size).
    """
    chosen = states[:, [READS.index(read) for read in reads]]
    normalised = (chosen - chosen.mean(-1, keepdims=True)) / chosen.std(-1, keepdims=True)
    return normalised.reshape(len(states), -1)


def linear_head(C: float = 0.003) -> Pipeline:
    """Logistic regression on standardised inputs, for what `side_by_side` returns; `C` is the inverse strength of the regularisation."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=300))
