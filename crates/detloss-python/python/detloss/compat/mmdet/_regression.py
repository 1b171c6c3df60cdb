"""Losses of boxes x1, y1, x2, y2, and of their coordinates."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import detloss.torch as losses
from detloss.compat._openmmlab import BoxLoss, PairLoss, fitting, widened


class IoULoss(BoxLoss):
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


class _WithEps(BoxLoss):
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


class EIoULoss(_WithEps):
    """The *extended* IoU loss (Peng and Yu, https://arxiv.org/abs/2112.01793), as there.

    What most people call EIoU is :class:`EfficientIoULoss`. ``eps`` has no effect: none is needed here.
    """

    def __init__(
        self, eps: float = 1e-6, reduction: str = "mean", loss_weight: float = 1.0, smooth_point: float = 0.1
    ) -> None:
        super().__init__(eps, reduction, loss_weight)
        self.smooth_point = smooth_point

    def _loss(self, pred: Tensor, target: Tensor, **how: Any) -> Tensor:
        return losses.extended_iou(pred, target, smooth_point=self.smooth_point, **how)


class EfficientIoULoss(BoxLoss):
    """The *efficient* IoU loss (Zhang et al., https://arxiv.org/abs/2101.08158), which most people call EIoU.

    MMDetection does not have it: its ``EIoULoss`` is another loss. So this one is not called ``EIoULoss``.
    """

    def _loss(self, pred: Tensor, target: Tensor, **how: Any) -> Tensor:
        return losses.eiou(pred, target, **how)


class SIoULoss(_WithEps):
    """The SIoU loss, always as its paper has it, which is ``neg_gamma=True``: the default here.

    The default there is False. It has the wrong sign in the exponents of the distance, so that a box gains by moving
    away, and far boxes cost 0, with slope 0. Here it is an error. There the loss is also cut off at 2, with no slope
    beyond; here it ends at 2.024. ``eps`` has no effect: none is needed here, where centres in a row or a column have the
    mean of both slopes.
    """

    def __init__(
        self, eps: float = 1e-6, reduction: str = "mean", loss_weight: float = 1.0, neg_gamma: bool = True
    ) -> None:
        super().__init__(eps, reduction, loss_weight)
        if not neg_gamma:
            raise ValueError("neg_gamma=False rewards distance, so that far boxes cost 0: leave it out, or give True")
        self.neg_gamma = neg_gamma

    def _loss(self, pred: Tensor, target: Tensor, **how: Any) -> Tensor:
        return losses.siou(pred, target, **how)


class BoundedIoULoss(PairLoss):
    """The bounded IoU loss: four values per box, (n, 4), for x, y, width and height; the mean is that of all of them.

    ``weight`` is one per value, or one per row, (n,), also for four rows. ``eps`` is added to the denominators, as there, so
    that a value of a perfect box is not 0, but 2.5e-6 for a side of 1; with 0 it is 0.
    """

    def __init__(
        self, beta: float = 0.2, eps: float = 1e-3, reduction: str = "mean", loss_weight: float = 1.0
    ) -> None:
        super().__init__(reduction, loss_weight)
        self.beta, self.eps = beta, eps

    def _weight(self, weight: Tensor | None, pred: Tensor) -> Tensor | None:
        weight = fitting(weight, pred)
        if weight is None or weight.shape != pred.shape[:-1]:
            return weight
        return weight.unsqueeze(-1).expand(pred.shape)

    def _loss(self, pred: Tensor, target: Tensor, **how: Any) -> Tensor:
        one_wrong, right = _one_wrong(pred, target)
        value = losses.bounded_iou(one_wrong, right, beta=self.beta, eps=self.eps, **how)
        if self.eps == 0.0:
            return value
        # What is right costs something, too: as much as offset or size of a perfect box.
        return value - 0.5 * losses.bounded_iou(right, right, beta=self.beta, eps=self.eps, **how)


def _one_wrong(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Four pairs of boxes for each, (..., 4, 4), which differ in centre x, centre y, width or height, laid along x, without height."""
    pred, target = (widened(box) for box in (pred, target))
    size, right_size = (box[..., 2:] - box[..., :2] for box in (pred, target))
    offset = 0.5 * ((pred[..., :2] - target[..., :2]) + (pred[..., 2:] - target[..., 2:]))
    starts = torch.cat([offset, 0.5 * (right_size - size)], -1)
    ends = torch.cat([right_size + offset, 0.5 * (right_size + size)], -1)
    none = torch.zeros_like(starts)
    lengths = torch.cat([right_size, right_size], -1)
    return torch.stack([starts, none, ends, none], -1), torch.stack([none, none, lengths, none], -1)


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
