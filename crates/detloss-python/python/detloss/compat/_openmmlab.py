"""What the losses of MMDetection and MMRotate have in common: reductions and weights, for the functions of ``detloss.torch``."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor, nn

REDUCTIONS = ("none", "mean", "sum")

PREFIX = "Detloss"
"""What stands before the names in a registry."""


class Loss(nn.Module):
    """A loss with the ways of MMDetection and MMRotate.

    Args:
        reduction: "none", "mean" or "sum"; ``reduction_override`` stands in for it in one call.
        loss_weight: what the result is multiplied by.

    ``avg_factor``, a number or a tensor of one, is what a mean divides the sum by: itself, and not itself plus 1.2e-7.
    0 counts as 1.

    A weight may have any shape that broadcasts to that of the values that it multiplies.
    """

    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0) -> None:
        super().__init__()
        self.reduction = _checked(reduction)
        self.loss_weight = loss_weight

    def _reduced(self, reduction_override: str | None) -> str:
        return _checked(reduction_override) if reduction_override else self.reduction

    def _how(
        self, weight: Tensor | None, avg_factor: Tensor | float | None, reduction_override: str | None
    ) -> dict[str, Any]:
        """The keywords of a function of ``detloss.torch``. With "none" nothing is divided; with "sum" it refuses to."""
        reduction = self._reduced(reduction_override)
        return {
            "weight": weight,
            "avg_factor": None if reduction == "none" else avg_factor,
            "reduction": reduction,
            "loss_weight": self.loss_weight,
        }

    def _only_mean(self, reduction_override: str | None) -> None:
        if self._reduced(reduction_override) != "mean":
            raise ValueError(f"{type(self).__name__} has one value for the whole batch: use reduction='mean'")

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}, loss_weight={self.loss_weight}"


class PairLoss(Loss):
    """A loss of a prediction against a target of its shape, or of one per row."""

    def _loss(self, pred: Tensor, target: Tensor, **how: Any) -> Tensor:
        raise NotImplementedError

    def _weight(self, weight: Tensor | None, pred: Tensor) -> Tensor | None:
        """The weight in a shape that ``_loss`` takes."""
        return fitting(weight, pred)

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The loss of ``pred`` against ``target``; the class says what these are, and how the weight may come."""
        return self._loss(pred, target, **self._how(self._weight(weight, pred), avg_factor, reduction_override))


class BoxLoss(PairLoss):
    """A loss of pairs of boxes; ``weight`` is one per box, (n,), or one per coordinate, of which each box has the mean."""

    def _weight(self, weight: Tensor | None, pred: Tensor) -> Tensor | None:
        return per_row(weight, pred.shape[:-1])


def register_in(models: Any, losses: tuple[type[Any], ...], theirs: str | None) -> None:
    """Registers the losses, or assigners, under their names with the prefix; those of the module ``theirs`` are replaced, if it is given."""
    for loss in losses:
        models.register_module(name=PREFIX + loss.__name__, force=True, module=loss)
    if theirs is None:
        return
    # Its own losses come first: they could not be registered under names that are taken.
    importlib.import_module(theirs)
    for loss in losses:
        if loss.__name__ in models.module_dict:
            models.register_module(name=loss.__name__, force=True, module=loss)


def _checked(reduction: str) -> str:
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction is {reduction!r}: give one of {', '.join(map(repr, REDUCTIONS))}")
    return reduction


def per_row(weight: Tensor | None, rows: torch.Size) -> Tensor | None:
    """A weight per row of ``rows``; of one per coordinate, (n, 4), the mean."""
    return broadcast(weight.mean(-1) if weight is not None and weight.dim() > len(rows) else weight, rows)


def fitting(weight: Tensor | None, pred: Tensor) -> Tensor | None:
    """A weight per row or per element; it may come as a column, flattened, or in another shape that broadcasts."""
    if weight is None or weight.shape in (pred.shape, pred.shape[:-1]):
        return weight
    if weight.shape == (*pred.shape[:-1], 1):
        return weight.squeeze(-1)
    return weight.reshape(pred.shape) if weight.numel() == pred.numel() else broadcast(weight, pred.shape)


def broadcast(weight: Tensor | None, shape: torch.Size) -> Tensor | None:
    """The weight in this shape. What does not go there stays as it is: the loss says what it takes."""
    if weight is None or weight.shape == shape:
        return weight
    padded = (*(1,) * (len(shape) - weight.dim()), *weight.shape)
    fits = len(padded) == len(shape) and all(own in (1, size) for own, size in zip(padded, shape, strict=True))
    return weight.expand(shape) if fits else weight


def widened(tensor: Tensor) -> Tensor:
    """The tensor in float32 if it is in less, for what is computed before a loss is."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def logits(probability: Tensor) -> Tensor:
    """The logits of probabilities, finite and with a finite slope at 0 and 1."""
    probability = widened(probability)
    limits = torch.finfo(probability.dtype)
    return probability.clamp(limits.tiny, 1.0 - limits.eps).logit()


def only_sigmoid(name: str, use_sigmoid: bool) -> None:
    if not use_sigmoid:
        raise ValueError(f"{name} is a loss of sigmoids: use_sigmoid=False is not supported")
