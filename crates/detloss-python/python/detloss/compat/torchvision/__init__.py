"""The four losses of ``torchvision.ops``, as in torchvision 0.29: replacing the import is all the migration.

Names, order and defaults of the arguments, dtypes, shapes and kinds of errors are torchvision's. Values and gradients
are, too, up to rounding, but for what is a defect there:

- A box with x2 < x1 or y2 < y1 is empty here. There, negative sides make a positive area, and a target turned inside
  out is a perfect prediction for ``generalized_box_iou_loss``.
- Values and gradients are finite for all finite boxes and logits, as far as the dtype can hold them; two boxes without
  area have no slope over ``eps``. There, ``complete_box_iou_loss`` has a gradient of
  NaN for a box without height and a value of NaN for one that is a point, and ``sigmoid_focal_loss`` has a gradient of
  NaN for a sure logit and a gamma between 0 and 1.
- ``complete_box_iou_loss`` adds ``eps`` to every denominator. There, the intersection over union and the distance keep
  1e-7.
- The mean of no logits is 0. There, it is NaN, while that of no boxes is 0.

A perfect box costs eps / (area + eps), as there, which is most of 1 for normalised boxes of side 1e-4.

And but for what is narrower here, or wider: ``eps`` is 0.01 at most, and ``gamma`` from 0 to 10; the targets of
``sigmoid_focal_loss`` have no gradient, and asking for one is an error; boxes and targets may be integers. Beyond 2⁴⁸,
coordinates count as ±2⁴⁸. Gradients are first derivatives: there is no backward through the backward. ``torch.jit.trace``
records torch operations; ``torch.jit.script`` cannot read these functions.
"""

from __future__ import annotations

import torch
from torch import Tensor

import detloss.torch as losses

__all__ = ["complete_box_iou_loss", "distance_box_iou_loss", "generalized_box_iou_loss", "sigmoid_focal_loss"]

_REDUCTIONS = ("none", "mean", "sum")


def sigmoid_focal_loss(
    inputs: Tensor,
    targets: Tensor,
    alpha: float = 0.25,
    gamma: float = 2,
    reduction: str = "none",
) -> Tensor:
    """The focal loss of logits; see ``detloss.torch.focal`` for the formula.

    Args:
        inputs: logits of any shape.
        targets: labels of the same shape, from 0 (negative) to 1 (positive).
        alpha: weight of the positives, from 0 to 1; the negatives have 1 - alpha. -1 switches the weights off.
        gamma: how strongly easy examples are turned away from, from 0 to 10.
        reduction: "none", "mean" or "sum".

    Returns:
        The loss, in the wider dtype of the two; with "none" of the shape of ``inputs``. Half precision is computed in
        float32.

    Raises:
        ValueError: for different shapes, an alpha or a gamma out of range, or another reduction.
    """
    if not (0 <= alpha <= 1) and alpha != -1:
        raise ValueError(f"Invalid alpha value: {alpha}. Give a number from 0 to 1, or -1 to switch the weights off")
    _check_reduction(reduction)
    if targets.shape != inputs.shape:
        raise ValueError(
            f"targets have shape {tuple(targets.shape)}, inputs {tuple(inputs.shape)}: give a label for each logit"
        )
    return losses.focal(inputs, targets, alpha=alpha, gamma=gamma, reduction=reduction)


def generalized_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """The GIoU loss of pairs of boxes; see ``detloss.torch.giou`` for the formula.

    Differentiable by both boxes, which are interchangeable.

    Args:
        boxes1: corners x1, y1, x2, y2, of shape (..., 4).
        boxes2: as many, or one for all.
        reduction: "none", "mean" or "sum".
        eps: what is added to every denominator, from 0 to 0.01. At 0 a perfect prediction costs exactly 0, however
            small.

    Returns:
        The loss; with "none" that of each pair, of shape (...). float64 for float64, float32 for all others.

    Raises:
        ValueError: for a last dimension other than 4, an eps out of range, or another reduction.
        RuntimeError: for shapes that do not go together.
    """
    _check_reduction(reduction)
    return losses.giou(*_pairs(boxes1, boxes2), reduction=reduction, eps=eps)


def distance_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """The DIoU loss of pairs of boxes; see ``detloss.torch.diou`` for the formula.

    Arguments, result and errors are those of :func:`generalized_box_iou_loss`.
    """
    _check_reduction(reduction)
    return losses.diou(*_pairs(boxes1, boxes2), reduction=reduction, eps=eps)


def complete_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """The CIoU loss of pairs of boxes; see ``detloss.torch.ciou`` for the formula.

    Arguments, result and errors are those of :func:`generalized_box_iou_loss`. The factor of the aspect ratio is held
    still in the gradient, as there.
    """
    _check_reduction(reduction)
    return losses.ciou(*_pairs(boxes1, boxes2), reduction=reduction, eps=eps)


def _check_reduction(reduction: str) -> None:
    if reduction not in _REDUCTIONS:
        names = ", ".join(map(repr, _REDUCTIONS))
        raise ValueError(f"Invalid Value for arg 'reduction': {reduction!r}. Give one of {names}")


def _pairs(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes in float32 or float64, one for one."""
    for name, boxes in (("boxes1", boxes1), ("boxes2", boxes2)):
        if boxes.shape[-1:] != (4,):
            raise ValueError(f"{name} has shape {tuple(boxes.shape)}: its last dimension is 4 (x1, y1, x2, y2)")
    return _upcast(boxes1), _upcast(boxes2).expand_as(boxes1)


def _upcast(boxes: Tensor) -> Tensor:
    return boxes if boxes.dtype in (torch.float32, torch.float64) else boxes.float()
