"""The softmax of rows of logits, accurate also for the probabilities near 0 and near 1."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Softmax:
    """qⱼ = e^((zⱼ − max) / T) / (1 + rest) over the last dimension, which the results keep."""

    def __init__(self, logits: Tensor, temperature: float = 1.0) -> None:
        largest, column = logits.max(-1, keepdim=True)
        self.shifted = logits - largest if temperature == 1.0 else (logits - largest) / temperature
        """(z − max) / T, never above 0."""
        self.powers = self.shifted.exp()
        """e^shifted."""
        # Less than all of ∞ there is nothing: then it is NaN, not 0.
        self.rest = self.powers.scatter(-1, column, largest - largest).sum(-1, keepdim=True)
        """Σ e^shifted − 1, of all columns but the largest: for a confident row it is far below the precision of the sum itself."""
        self.sum = self.rest + 1.0
        """Σ e^shifted."""

    @property
    def ln_sum(self) -> Tensor:
        """ln Σ e^shifted."""
        return self.rest.log1p()

    @property
    def probabilities(self) -> Tensor:
        """q of every column."""
        # A product, as in the core: equal scores there are equal here, which matters to what sorts them.
        return self.powers * self.sum.reciprocal()

    def at(self, column: Tensor) -> Likelihood:
        """Some columns of each row, (n, any number)."""
        own = self.shifted.gather(-1, column)
        # Without cancellation.
        return Likelihood(column, self.ln_sum - own, (own.expm1() - self.rest) / self.sum)

    def slopes(self, at: Likelihood) -> Tensor:
        """The slopes of the surprise at one column: q, and q − 1 there."""
        return self.probabilities.scatter(-1, at.column, at.less)


class Likelihood(NamedTuple):
    """What a softmax says of some columns of each row."""

    column: Tensor
    surprise: Tensor
    """−ln q."""
    less: Tensor
    """q − 1."""


def class_column(target: Tensor, columns: int) -> Tensor:
    """The column of each row's class. An index that is no class becomes the nearest one."""
    return target.to(torch.int64).clamp(0, columns - 1).unsqueeze(-1)


def through_softmax(slopes: Tensor, scores: Tensor) -> Tensor:
    """From the slopes by the probabilities of a row to those by its logits."""
    # Less the slope of the likeliest class, which changes nothing: its probability near 1 then meets no cancellation.
    slopes = slopes - slopes.gather(-1, scores.argmax(-1, keepdim=True))
    return (slopes - (slopes * scores).sum(-1, keepdim=True)) * scores
