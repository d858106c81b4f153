"""A classification head on a language model: readings of its hidden states, normalised, and a linear layer that may be fitted first."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from helpers.representations.states import READS, linear_head, read_states, side_by_side


class _Readings(nn.Module):
    """Chosen readings of the hidden states, each normalised, side by side: (batch, tokens, hidden) to fp32 (batch, tokens, readings × hidden).

    transformers reads a head's output at the last token that is not padding.
    """

    def __init__(self, reads: tuple[str, ...]):
        super().__init__()
        self.places = [READS.index(read) for read in reads]

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        chosen = read_states(states)[:, :, self.places]
        return F.layer_norm(chosen, chosen.shape[-1:]).flatten(2)


class _Standardise(nn.Module):
    """Subtract the training set's mean and divide by its standard deviation; as it comes, it does nothing."""

    def __init__(self, width: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return (inputs - self.mean) / self.scale


def classification_head(model, genres: int, reads: tuple[str, ...] = READS) -> nn.Sequential:
    """A linear head, in fp32, on readings of the hidden states that are normalised first.

    The last hidden state of an LLM is large; without the normalisation the loss starts near 15 instead of ln(genres).

    Args:
        model: of `AutoModelForSequenceClassification`.
        genres: their number.
        reads: any of `READS`.
    """
    width = model.config.get_text_config().hidden_size * len(reads)
    linear = nn.Linear(width, genres)
    nn.init.normal_(linear.weight, std=0.02)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(_Readings(reads), _Standardise(width), linear).to(model.device, torch.float32)


def fit_head(head: nn.Sequential, states: np.ndarray, labels: list[int], C: float = 0.003) -> None:
    """Start a head from the frozen model: fit its linear layer first, then tune all (Kumar et al., 2022).

    Tuned together from a random start, the adapters first move to suit a head that knows nothing.

    Args:
        head: from `classification_head`, changed in place.
        states: of the training rows, from `embed_stories`.
        labels: place of each row's genre; every genre must occur.
        C: inverse strength of the regularisation.

    Raises:
        ValueError: a genre has no row.
    """
    readings, standardise, linear = head
    if len(set(labels)) != linear.out_features:
        raise ValueError(f"{len(set(labels))} of {linear.out_features} genres have training rows; each needs one.")
    reads = tuple(READS[place] for place in readings.places)
    scaler, fitted = linear_head(C).fit(side_by_side(states, reads), labels)
    with torch.no_grad():
        standardise.mean.copy_(torch.as_tensor(scaler.mean_))
        standardise.scale.copy_(torch.as_tensor(scaler.scale_))
        # scikit-learn has a single row of coefficients for two classes, that of the second against the first.
        weight, bias = (
            values if len(fitted.classes_) > 2 else np.concatenate([-values / 2, values / 2])
            for values in (fitted.coef_, fitted.intercept_)
        )
        linear.weight.copy_(torch.as_tensor(weight))
        linear.bias.copy_(torch.as_tensor(bias))
