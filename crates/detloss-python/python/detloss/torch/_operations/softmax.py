"""The softmax of rows of logits, accurate also for the probabilities near 0 and near 1."""

from __future__ import annotations

import torch
from torch import Tensor


class Softmax:
    """qⱼ = e^((zⱼ − max) / T) / (1 + rest) over the last dimension, which the results keep."""

    def __init__(self, logits: Tensor, temperature: float = 1.0) -> None:
        self.shifted = (logits - logits.amax(-1, keepdim=True)) / temperature
        """(z − max) / T, never above 0."""
        self.powers = self.shifted.exp()
        """e^shifted."""
        is_largest = ~(self.shifted < 0.0)
        # Σ e^shifted − 1: for a confident row it is far below the precision of the sum itself.
        rest = (self.powers - is_largest.to(logits.dtype)).sum(-1, keepdim=True)
        self.rest = rest + (is_largest.sum(-1, keepdim=True) - 1)

    @property
    def sum(self) -> Tensor:
        """Σ e^shifted."""
        return 1.0 + self.rest

    @property
    def ln_sum(self) -> Tensor:
        """ln Σ e^shifted."""
        return self.rest.log1p()

    @property
    def probabilities(self) -> Tensor:
        """q of every column."""
        return self.powers * self.sum.reciprocal()

    def surprise(self, column: Tensor) -> Tensor:
        """−ln q of one column of each row."""
        return self.ln_sum - self.shifted.gather(-1, column)

    def complement(self, column: Tensor) -> Tensor:
        """1 − q of one column of each row, without cancellation."""
        return (self.rest - self.shifted.gather(-1, column).expm1()) / self.sum

    def slopes(self, column: Tensor) -> Tensor:
        """The slopes of the surprise at one column: q, and q − 1 there."""
        return self.probabilities.scatter(-1, column, -self.complement(column))


def class_column(target: Tensor, columns: int) -> Tensor:
    """The column of each row's class. An index that is no class becomes the nearest one."""
    return target.to(torch.int64).clamp(0, columns - 1).unsqueeze(-1)


def through_softmax(slopes: Tensor, scores: Tensor) -> Tensor:
    """From the slopes by the probabilities of a row to those by its logits."""
    # Less the slope of the likeliest class, which changes nothing: its probability near 1 then meets no cancellation.
    slopes = slopes - slopes.gather(-1, scores.argmax(-1, keepdim=True))
    return (slopes - (slopes * scores).sum(-1, keepdim=True)) * scores
