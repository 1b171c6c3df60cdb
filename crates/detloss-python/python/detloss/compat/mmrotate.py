"""The loss classes of MMRotate for boxes x, y, w, h, angle, with its constructor arguments and ``forward``.

Angles are in radians, from x towards y, in any range. If MMRotate is installed, 1.0 or 0.3, importing this module
registers the losses with it as ``DetlossGDLoss`` and so on; a config needs ``custom_imports =
dict(imports=["detloss.compat.mmrotate"])`` and the prefix. MMCV and its operations are not needed, nor is a GPU.

Values and gradients are MMRotate's, but for what its classes say here, what :mod:`detloss.compat.mmdet` says of weights and
of ``avg_factor``, and this:

- A perfect box is at distance 0, with slope 0. There, the root of a rounding error remains, or the least distance of 1e-6. (A
  ``tau`` above 1 leaves it a loss of 1 - 1 / tau, as there.)
- A side below 1e-6 counts as that, there below 1e-7; lengths beyond a factor of a million of the target's w + h count
  as that. Nothing is NaN or infinite for finite numbers, boxes of zeros included.
- Targets have a gradient where a loss is symmetric; else one that requires it is an error.

Not here are the losses of points and polygons (``ConvexGIoULoss``, ``BCConvexGIoULoss``, ``KLDRepPointsLoss``,
``SpatialBorderLoss``), of angles as classes (``SmoothFocalLoss``), and those of H2RBox, which compare two views of an image.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from typing import Any

import torch
from torch import Tensor

import detloss.torch as losses
from detloss.compat._openmmlab import PREFIX, BoxLoss, Loss, per_row, register_in, widened

__all__ = ["GDLoss", "GDLoss_v1", "KFLoss", "LOSSES", "Loss", "PREFIX", "RotatedIoULoss", "register"]


class GDLoss(BoxLoss):
    """A loss of a distance d between both boxes as normal distributions.

    Args:
        loss_type: "gwd", the Wasserstein distance; "kld", the Kullback-Leibler divergence of the target from the
            prediction; "jd", the mean of both directions; "kld_symmax", "kld_symmin", the larger or the smaller one.
        representation: "xy_wh_r"; boxes as deviations and a correlation are an error.
        fun: "log1p": ln(1 + d) in place of d; "sqrt": √d, with ``sqrt=False``, as a root of a root is no loss of a paper;
            "none".
        tau: 1 - 1 / (tau + d) in place of that, from 1 on; below 1 nothing, as the default of 0.
        alpha: 1; to weigh the shape by another factor is an error.
        reduction: "none", "mean" or "sum".
        loss_weight: what the result is multiplied by.
        normalize: of "gwd", whether d is divided by the geometric mean of the four sides; True by default.
        sqrt: of the others, whether d is the root of the divergence; True by default.

    The form of the papers is, for the KLD, ``tau=1.0, sqrt=False``.
    """

    def __init__(
        self,
        loss_type: str,
        representation: str = "xy_wh_r",
        fun: str = "log1p",
        tau: float = 0.0,
        alpha: float = 1.0,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        *,
        normalize: bool | None = None,
        sqrt: bool | None = None,
    ) -> None:
        super().__init__(reduction, loss_weight)
        _check("loss_type", loss_type, ("gwd", "kld", "jd", "kld_symmax", "kld_symmin"))
        _check("fun", fun, ("log1p", "none", "sqrt"))
        if representation != "xy_wh_r":
            raise ValueError(f"representation is {representation!r}: only 'xy_wh_r' is supported, boxes x, y, w, h, angle")
        if alpha != 1.0:
            raise ValueError(f"alpha is {alpha}: only 1 is supported, where the shape counts as it does in the distance")
        if (sqrt if loss_type == "gwd" else normalize) is not None:
            raise ValueError(f"sqrt is for the divergences, normalize for 'gwd': leave out the other for {loss_type!r}")
        is_root = loss_type == "gwd" or sqrt is not False
        if fun == "sqrt" and is_root:
            raise ValueError(f"fun='sqrt' would be a root of a root for {loss_type!r}: give sqrt=False, which 'gwd' has not")
        self.loss_type, self.representation, self.fun, self.tau, self.alpha = loss_type, representation, fun, tau, alpha
        self.form: dict[str, Any] = {"tau": tau, "log": fun == "log1p", "root": is_root or fun == "sqrt"}
        if loss_type == "gwd":
            self.form["normalize"] = normalize is not False

    def _loss(self, pred: Tensor, target: Tensor, **how: Any) -> Tensor:
        if self.loss_type == "gwd":
            return losses.gwd(pred, target, **self.form, **how)
        if self.loss_type in ("kld", "jd"):
            return losses.kld(pred, target, reverse=0.0 if self.loss_type == "kld" else 0.5, **self.form, **how)
        pred = widened(pred)
        one, other = (losses.kld(pred, target, reverse=way, reduction="none", **self.form) for way in (0.0, 1.0))
        choose = torch.maximum if self.loss_type == "kld_symmax" else torch.minimum
        return _of_values(choose(one, other), how)


class GDLoss_v1(Loss):
    """The older loss of a distance between normal distributions: 1 - 1 / (tau + f(d)), as in the papers.

    ``loss_type`` is "gwd", "bcd" or "kld", which is twice the divergence of the prediction from the target, ``fun`` is
    "sqrt", "log1p", or "" (for "bcd" d itself, for "kld" as "log1p", for "gwd" the default of :class:`GDLoss`).

    Weights choose, by being above 0, and ``avg_factor`` is of no use, as there. There, the result is the values of the
    chosen boxes whatever the reduction, of which MMEngine takes the mean. Here the mean is by chosen boxes, and with "none"
    there is a value for each box, 0 if it is not chosen.
    """

    def __init__(
        self,
        loss_type: str,
        fun: str = "sqrt",
        tau: float = 1.0,
        reduction: str = "mean",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(reduction, loss_weight)
        _check("loss_type", loss_type, ("kld", "bcd", "gwd"))
        _check("fun", fun, ("log1p", "sqrt", ""))
        if tau < 1.0:
            raise ValueError(f"tau is {tau}: give 1 or more, below which good boxes would have a negative loss")
        self.loss_type, self.fun, self.tau = loss_type, fun, tau

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The loss of boxes (n, 5), chosen by weights (n,) or (n, 5)."""
        pred = widened(pred)
        weight = per_row(weight, pred.shape[:-1])
        chosen = pred.new_ones(pred.shape[:-1]) if weight is None else (weight > 0).to(pred.dtype)
        how = self._how(chosen, None, reduction_override)
        if how["reduction"] == "mean":
            how["avg_factor"] = chosen.sum()
        form: dict[str, Any] = {"tau": self.tau, "root": self.fun == "sqrt", "log": self.fun == "log1p"}
        if self.loss_type == "bcd":
            return losses.bcd(pred, target, **form, **how)
        if self.loss_type == "kld":
            form["log"] = self.fun != "sqrt"
            return losses.kld(pred, target, reverse=1.0, factor=2.0, **form, **how)
        if self.fun == "":
            form = {"tau": 0.0, "root": True, "log": True, "normalize": True}
        return losses.gwd(pred, target, **form, **how)


class KFLoss(Loss):
    """The KFIoU loss of boxes, with ``fun`` 1 - KFIoU ("none"), its logarithm ("ln") or exponential ("exp"), and the smooth L1
    loss of the encoded centres with a beta of 1/9.

    A perfect box costs 2/3 with "none". There, 1e-6 is added to the union.
    """

    def __init__(self, fun: str = "none", reduction: str = "mean", loss_weight: float = 1.0) -> None:
        super().__init__(reduction, loss_weight)
        _check("fun", fun, ("none", "ln", "exp"))
        self.fun = fun

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
        pred_decode: Tensor | None = None,
        targets_decode: Tensor | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The loss of encoded boxes (n, 5), of which the centres count, and of the boxes ``pred_decode`` and ``targets_decode``.

        ``weight`` is one per box, (n,), or (n, 5), of which each box has the mean.
        """
        if pred_decode is None or targets_decode is None:
            raise ValueError("KFLoss takes the decoded boxes, too: give pred_decode and targets_decode")
        how = self._how(per_row(weight, pred.shape[:-1]), avg_factor, reduction_override)
        form = ("none", "ln", "exp").index(self.fun)
        of_shapes = losses.kfiou(pred_decode, targets_decode, form=form, **how)
        if how["reduction"] == "mean" and avg_factor is None:
            how["avg_factor"] = math.prod(pred.shape[:-1])
        of_centres = losses.smooth_l1(pred[..., :2], target[..., :2], beta=1.0 / 9.0, **how)
        return of_shapes + (of_centres.sum(-1) if how["reduction"] == "none" else of_centres)


class RotatedIoULoss(BoxLoss):
    """The IoU loss of rotated boxes: ``mode`` "log", "square" or "linear" (which ``linear=True`` means, too).

    The IoU is exact, for equal and for parallel boxes, too, where MMCV's is wrong. ``eps`` is the least IoU that the
    logarithm is taken of. In the other modes no intersection is an IoU of 0 and not of ``eps``.
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
        _check("mode", mode, ("linear", "square", "log"))
        self.linear, self.eps, self.mode = linear, eps, "linear" if linear else mode

    def _loss(self, pred: Tensor, target: Tensor, **how: Any) -> Tensor:
        if self.mode == "linear":
            return losses.rotated_iou(pred, target, **how)
        if self.mode == "square":
            return losses.rotated_iou_square(pred, target, **how)
        return losses.rotated_iou_log(pred, target, floor=self.eps, **how)


def _check(keyword: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise ValueError(f"{keyword} is {given!r}: give one of {', '.join(map(repr, known))}")


def _of_values(values: Tensor, how: dict[str, Any]) -> Tensor:
    """Values of boxes, 0 or more, weighed and reduced."""
    return losses.l1(values, torch.zeros_like(values), **how)


LOSSES: tuple[type[Loss], ...] = (GDLoss, GDLoss_v1, KFLoss, RotatedIoULoss)
"""All of them."""


def register(override: bool = False) -> None:
    """Registers the losses with MMRotate: ``DetlossGDLoss`` and so on.

    Args:
        override: whether ``GDLoss`` and so on are these, too, for all that is built from then on.

    Raises:
        ModuleNotFoundError: without MMRotate.
    """
    register_in(_models(), LOSSES, "mmrotate.models" if override else None)


def _models() -> Any:
    """The registry of MMRotate 1.0, or that of 0.3."""
    try:
        return importlib.import_module("mmrotate.registry").MODELS
    except ModuleNotFoundError as error:
        if error.name != "mmrotate.registry":
            raise
    return importlib.import_module("mmrotate.models.builder").ROTATED_LOSSES


if importlib.util.find_spec("mmrotate") is not None:
    register()
