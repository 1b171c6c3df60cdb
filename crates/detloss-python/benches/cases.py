"""What is compared: the same function of the same tensors, by detloss, by torch or torchvision, and compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from typing import NamedTuple

import torch
import torchvision.ops  # type: ignore[import-untyped]
from torch import Tensor
from torch.nn import functional

import detloss.torch

MEGA = 1 << 20
EPS = 1e-7
"""What torchvision adds to denominators; ours is asked for the same."""

Loss = Callable[..., Tensor]
Inputs = tuple[Tensor, Tensor]


class Functions(NamedTuple):
    """The same function by everybody."""

    loss: str
    """Its name in the list of detloss."""
    peer: str
    """What ``eager`` is, in a table."""
    ours: Loss
    eager: Loss
    compilable: Loss | None
    """For torch.compile; None if there is nothing to compile."""


class Sample(NamedTuple):
    """Eager is a loop that is run in part; its time is carried forward to all of it."""

    size: int
    """How many elements there are where the results are compared, with the whole loop."""
    steps: int
    """How many steps of the loop are timed."""


@dataclass(frozen=True)
class Case:
    """Functions on inputs of one size."""

    name: str
    functions: Functions
    size: int
    inputs: Callable[[int], Inputs]
    targets: tuple[float | None, float | None] = (None, None)
    """How many times as fast as eager (tuned, if it is large) and as the compiled function we want to be."""
    is_small: bool = False
    """The overhead of a call is what counts."""
    sample: Sample | None = None
    is_detailed: bool = False
    """Where the time of our step goes is measured as well."""

    def sized(self, quick: bool) -> int:
        """How large the inputs are; small ones are for trying the script out."""
        return max(self.size // 64, 100) if quick else self.size


def scores(size: int) -> Inputs:
    """One positive in a hundred, as labels."""
    return torch.randn(size) * 2.0 - 2.0, (torch.rand(size) < 0.01).float()


def hundred_rows(_: int) -> Inputs:
    """Scores of 100 places and 80 classes."""
    logits, labels = scores(8000)
    return logits.view(100, 80), labels.view(100, 80)


def rows(size: int) -> Inputs:
    """Logits of 80 classes, and the class."""
    return torch.randn(size, 80) * 2.0, torch.randint(0, 80, (size,))


def values(size: int) -> Inputs:
    """Errors of about 1, where smooth L1 changes its form."""
    target = torch.randn(size)
    return target + torch.randn(size), target


def boxes(size: int) -> Inputs:
    """Boxes near their targets; about one pair in eight does not overlap.

    They lie on two grids, so that no two edges are the same: there a slope has two sides, and everybody has a choice.
    """
    corner, sides = torch.rand(size, 2) * 1000.0, torch.rand(size, 2) * 200.0 + 4.0
    target = torch.cat([corner, corner + sides], -1)
    moved, scaled = corner + sides * torch.randn(size, 2) * 0.5, sides * (torch.randn(size, 2) * 0.3).exp()
    pred = torch.cat([moved, moved + scaled], -1)
    return ((pred * 64.0).floor() + 0.5) / 64.0, (target * 64.0).round() / 64.0


def ranking(size: int) -> Inputs:
    """One positive in a hundred, and nearly all negatives within reach of the lowest positive."""
    labels = torch.zeros(size)
    labels[: size // 100] = 1.0
    labels = labels[torch.randperm(size)]
    return torch.randn(size) + 2.0 * labels - 1.0, labels


def _overlap(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """IoU, union, and the sides of the hull."""
    x1, y1, x2, y2 = pred.unbind(-1)
    u1, v1, u2, v2 = target.unbind(-1)
    width = (torch.minimum(x2, u2) - torch.maximum(x1, u1)).clamp(min=0.0)
    height = (torch.minimum(y2, v2) - torch.maximum(y1, v1)).clamp(min=0.0)
    shared = width * height
    union = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1) - shared
    hull_width = torch.maximum(x2, u2) - torch.minimum(x1, u1)
    hull_height = torch.maximum(y2, v2) - torch.minimum(y1, v1)
    return shared / (union + EPS), union, hull_width, hull_height


def _distance(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The DIoU loss of every pair, and the IoU."""
    iou, _, width, height = _overlap(pred, target)
    gap = (pred[:, :2] + pred[:, 2:] - target[:, :2] - target[:, 2:]) * 0.5
    return 1.0 - iou + gap.square().sum(-1) / (width.square() + height.square() + EPS), iou


def giou(pred: Tensor, target: Tensor) -> Tensor:
    """torchvision's GIoU loss without its masks, which a compiler cannot see through."""
    iou, union, width, height = _overlap(pred, target)
    hull = width * height
    return (1.0 - iou + (hull - union) / (hull + EPS)).mean()


def diou(pred: Tensor, target: Tensor) -> Tensor:
    """The same of its DIoU loss."""
    return _distance(pred, target)[0].mean()


def ciou(pred: Tensor, target: Tensor) -> Tensor:
    """The same of its CIoU loss."""
    loss, iou = _distance(pred, target)
    sides, wanted = pred[:, 2:] - pred[:, :2], target[:, 2:] - target[:, :2]
    angle = torch.atan(wanted[:, 0] / wanted[:, 1]) - torch.atan(sides[:, 0] / sides[:, 1])
    aspect = 4.0 / pi**2 * angle.square()
    alpha = (aspect / (1.0 - iou + aspect + EPS)).detach()
    return (loss + alpha * aspect).mean()


class _Loop(torch.autograd.Function):
    """AP loss as published code has it: for one positive after the other, all negatives that the lowest can reach."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, pred: Tensor, target: Tensor, steps: int) -> Tensor:
        positive = target > 0
        high = pred[positive].sort().values
        reachable = (target == 0) & (pred > high[0] - 1.0)
        low = pred[reachable]
        of_low, of_high = torch.zeros_like(low), torch.zeros_like(high)
        best, total = 0.0, 0.0
        for index in range(min(steps, len(high))):
            score = high[index]
            above = ((high - score) * 0.5 + 0.5).clamp(0.0, 1.0).sum() + 0.5
            shares = ((low - score) * 0.5 + 0.5).clamp(0.0, 1.0)
            below = shares.sum()
            shares /= above + below
            precision = float(above / (above + below))
            if precision < best:
                shares *= (1.0 - best) / (1.0 - precision)
            best = max(best, precision)
            of_low += shares
            of_high[index] = best - 1.0
            total += 1.0 - best
        grad = torch.zeros_like(pred)
        grad[reachable] = of_low / len(high)
        order = pred[positive].argsort()
        grad[positive.nonzero().squeeze(-1)[order]] = of_high / len(high)
        ctx.save_for_backward(grad)
        return pred.new_tensor(total / len(high))

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grad_output: Tensor) -> tuple[Tensor, None, None]:
        (grad,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad * grad_output[0], None, None


def loop(pred: Tensor, target: Tensor, steps: int = 1 << 30) -> Tensor:
    """The AP loss of the first so many positives."""
    value: Tensor = _Loop.apply(pred, target, steps)
    return value


def _focal(pred: Tensor, target: Tensor) -> Tensor:
    value: Tensor = torchvision.ops.sigmoid_focal_loss(pred, target, reduction="mean")
    return value


def _boxes(name: str, label: str, peer: Loss, compilable: Loss) -> tuple[str, Functions]:
    """A box loss in torchvision, with its epsilon."""

    def ours(pred: Tensor, target: Tensor) -> Tensor:
        value: Tensor = getattr(detloss.torch, name)(pred, target, eps=EPS)
        return value

    def eager(pred: Tensor, target: Tensor) -> Tensor:
        return peer(pred, target, reduction="mean", eps=EPS)

    return label, Functions(name, f"torchvision `{peer.__name__}`", ours, eager, compilable)


_BOX_LOSSES = (
    _boxes("giou", "GIoU", torchvision.ops.generalized_box_iou_loss, giou),
    _boxes("diou", "DIoU", torchvision.ops.distance_box_iou_loss, diou),
    _boxes("ciou", "CIoU", torchvision.ops.complete_box_iou_loss, ciou),
)
_FOCAL = Functions("focal", "torchvision `sigmoid_focal_loss`", detloss.torch.focal, _focal, _focal)
_SMOOTH_L1 = Functions(
    "smooth_l1",
    "torch `smooth_l1_loss`",
    detloss.torch.smooth_l1,
    functional.smooth_l1_loss,
    functional.smooth_l1_loss,
)
_CROSS_ENTROPY = Functions(
    "softmax_ce",
    "torch `cross_entropy`",
    detloss.torch.softmax_ce,
    functional.cross_entropy,
    functional.cross_entropy,
)
_AP = Functions("ap", "the loop over positives", detloss.torch.ap, loop, None)

CASES: tuple[Case, ...] = (
    Case("focal, 16 M logits", _FOCAL, 16 * MEGA, scores, (10.0, 4.0), is_detailed=True),
    Case("cross entropy, 200 k rows of 80", _CROSS_ENTROPY, 200_000, rows, (2.0, None), is_detailed=True),
    Case("smooth L1, 16 M values", _SMOOTH_L1, 16 * MEGA, values, (2.0, None), is_detailed=True),
    *(
        Case(f"{label}, {size} M pairs", functions, size * MEGA, boxes, (50.0, 10.0), is_detailed=size == 4)
        for label, functions in _BOX_LOSSES
        for size in (1, 4)
    ),
    Case("AP, 10 k positives in 1 M scores", _AP, 1_000_000, ranking, (500.0, None), sample=Sample(10_000, 1000)),
    *(
        Case(f"{label}, 100 pairs", functions, 100, boxes, (1.0, None), is_small=True, is_detailed=label == "GIoU")
        for label, functions in _BOX_LOSSES
    ),
    Case("focal, 100 x 80 logits", _FOCAL, 100, hundred_rows, (1.0, None), is_small=True),
    Case("smooth L1, 100 x 4 values", _SMOOTH_L1, 100, boxes, is_small=True),
)

BY_NAME = {case.name: case for case in CASES}
