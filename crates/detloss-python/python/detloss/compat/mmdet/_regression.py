"""Losses of boxes and of their coordinates."""

from __future__ import annotations

from typing import Any

from torch import Tensor

import detloss.torch as losses
from detloss.compat.mmdet._base import PairLoss, per_row


class _BoxLoss(PairLoss):
    """A loss of pairs of boxes x1, y1, x2, y2, (n, 4); ``weight`` is one per box, (n,), or (n, 4), of which each box has the mean."""

    def _weight(self, weight: Tensor | None, pred: Tensor) -> Tensor | None:
        return per_row(weight, pred.shape[:-1])


class IoULoss(_BoxLoss):
    """The IoU loss: ``mode`` "log", "square" or "linear" (which ``linear=True`` means, too).

    ``eps`` is the least IoU that the logarithm is taken of. In the other modes no intersection is an IoU of 0 and not
    of ``eps``.
    """

    def __init__(
        self,
        linear: bool = False,
        eps: float = 1e-6,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        mode: str = "log",
    ) -> None:
        super().__init__(reduction, loss_weight)
        if mode not in ("linear", "square", "log"):
            raise ValueError(f"mode is {mode!r}: give one of 'linear', 'square', 'log'")
        self.linear, self.eps, self.mode = linear, eps, "linear" if linear else mode

    def _loss(self, pred: Tensor, target: Tensor, **how: Any) -> Tensor:
        if self.mode == "linear":
            return losses.iou(pred, target, **how)
        if self.mode == "square":
            return losses.iou_square(pred, target, **how)
        return losses.iou_log(pred, target, floor=self.eps, **how)


class _WithEps(_BoxLoss):
    def __init__(self, eps: float = 1e-6, reduction: str = "mean", loss_weight: float = 1.0) -> None:
        super().__init__(reduction, loss_weight)
        self.eps = eps


class GIoULoss(_WithEps):
    """The generalised IoU loss. ``eps``, the least denominator there, has no effect: none is needed here."""

    def _loss(self, pred: Tensor, target: Tensor, **how: Any) -> Tensor:
        return losses.giou(pred, target, **how)


class DIoULoss(_WithEps):
    """The distance IoU loss.

    ``eps`` is added to the denominators, as there: a perfect box costs eps / (area + eps), 0.99 for a side of 1e-4 and an
    ``eps`` of 1e-6. With 0 it costs 0, down to sides of 1.5e-11.
    """

    def _loss(self, pred: Tensor, target: Tensor, **how: Any) -> Tensor:
        return losses.diou(pred, target, eps=self.eps, **how)


class CIoULoss(_WithEps):
    """The complete IoU loss, whose aspect ratio counts where the IoU is above 0.5.

    ``eps`` is added to the denominators, that of the factor of the aspect ratio as well: there that one has none, and
    is NaN for some perfect boxes. It is not added to the heights. A perfect box costs eps / (area + eps), as there; with 0
    it costs 0, down to sides of 1.5e-11.
    """

    def _loss(self, pred: Tensor, target: Tensor, **how: Any) -> Tensor:
        return losses.ciou(pred, target, gate=0.5, eps=self.eps, **how)


class EfficientIoULoss(_BoxLoss):
    """The *efficient* IoU loss (Zhang et al., https://arxiv.org/abs/2101.08158), which most people call EIoU.

    MMDetection's ``EIoULoss`` is another loss, the *extended* IoU loss of Peng and Yu, and has no counterpart here. So
    this one is not called ``EIoULoss``.
    """

    def _loss(self, pred: Tensor, target: Tensor, **how: Any) -> Tensor:
        return losses.eiou(pred, target, **how)


class _ValueLoss(PairLoss):
    """A loss of values, each for itself; the mean is that of all elements.

    ``weight`` is one per row, (n,), also where there are as many rows as columns, or it broadcasts to the elements.
    """


class L1Loss(_ValueLoss):
    """The absolute error."""

    def _loss(self, pred: Tensor, target: Tensor, **how: Any) -> Tensor:
        return losses.l1(pred, target, **how)


class MSELoss(_ValueLoss):
    """The squared error."""

    def _loss(self, pred: Tensor, target: Tensor, **how: Any) -> Tensor:
        return losses.l2(pred, target, **how)


class SmoothL1Loss(_ValueLoss):
    """The smooth L1 loss; a ``beta`` of 0 is the L1 loss."""

    def __init__(self, beta: float = 1.0, reduction: str = "mean", loss_weight: float = 1.0) -> None:
        super().__init__(reduction, loss_weight)
        self.beta = beta

    def _loss(self, pred: Tensor, target: Tensor, **how: Any) -> Tensor:
        return losses.smooth_l1(pred, target, beta=self.beta, **how)


class BalancedL1Loss(_ValueLoss):
    """The balanced L1 loss. For a ``beta`` other than 1 its slope is α ln(b e / β + 1), which it is not there."""

    def __init__(
        self,
        alpha: float = 0.5,
        gamma: float = 1.5,
        beta: float = 1.0,
        reduction: str = "mean",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(reduction, loss_weight)
        self.alpha, self.gamma, self.beta = alpha, gamma, beta

    def _loss(self, pred: Tensor, target: Tensor, **how: Any) -> Tensor:
        return losses.balanced_l1(pred, target, alpha=self.alpha, gamma=self.gamma, beta=self.beta, **how)
