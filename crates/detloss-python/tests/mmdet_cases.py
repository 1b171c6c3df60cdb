"""MMDetection's formulas in plain torch, one value per row or element, and what they are compared on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from openmmlab import F64, Case, integers, normal, random

ROWS, CLASSES = 40, 5


def boxes(seed: int, side: float) -> Tensor:
    first, second = random(ROWS, 2, seed=seed, high=side), random(ROWS, 2, seed=seed + 1, high=side)
    return torch.cat([torch.minimum(first, second), torch.maximum(first, second) + side / 50], -1)


# The formulas, one value per row or element.


def sides(box: Tensor) -> tuple[Tensor, Tensor]:
    return box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]


def overlap(pred: Tensor, target: Tensor, eps: float = 0.0) -> Tensor:
    shared = torch.stack(
        [torch.minimum(pred[:, i + 2], target[:, i + 2]) - torch.maximum(pred[:, i], target[:, i]) for i in (0, 1)]
    )
    meet = shared.clamp(min=0.0).prod(0)
    (w, h), (v, g) = sides(pred), sides(target)
    return meet / (w * h + v * g - meet + eps)


def hull(pred: Tensor, target: Tensor) -> Tensor:
    return torch.cat([torch.minimum(pred[:, :2], target[:, :2]), torch.maximum(pred[:, 2:], target[:, 2:])], -1)


def giou(pred: Tensor, target: Tensor) -> Tensor:
    iou = overlap(pred, target)
    (w, h), (v, g), (a, b) = sides(pred), sides(target), sides(hull(pred, target))
    # The union is (both areas) / (1 + IoU).
    return 1 - iou + 1 - (w * h + v * g) / (1 + iou) / (a * b)


def diou(pred: Tensor, target: Tensor, eps: float = 1e-6) -> Tensor:
    x, y = ((pred[:, i] + pred[:, i + 2] - target[:, i] - target[:, i + 2]) / 2 for i in (0, 1))
    a, b = sides(hull(pred, target))
    return 1 - overlap(pred, target, eps) + (x**2 + y**2) / (a**2 + b**2 + eps)


def ciou(pred: Tensor, target: Tensor, eps: float = 1e-6) -> Tensor:
    iou = overlap(pred, target, eps)
    (w, h), (v, g) = sides(pred), sides(target)
    turn = 4 / torch.pi**2 * (torch.atan(v / (g + eps)) - torch.atan(w / (h + eps))) ** 2
    factor = torch.where(iou > 0.5, turn / (1 - iou + turn), 0.0).detach()
    return diou(pred, target, eps) + factor * turn


def eiou(pred: Tensor, target: Tensor) -> Tensor:
    (w, h), (v, g), (a, b) = sides(pred), sides(target), sides(hull(pred, target))
    return diou(pred, target, 0.0) + ((w - v) / a) ** 2 + ((h - g) / b) ** 2


def siou(pred: Tensor, target: Tensor) -> Tensor:
    sides_of_hull, distance, shape = sides(hull(pred, target)), 0.0, 0.0
    x, y = ((pred[:, i] + pred[:, i + 2] - target[:, i] - target[:, i + 2]) / 2 for i in (0, 1))
    length = (x**2 + y**2).sqrt()
    angle = 1 - 2 * torch.sin(torch.asin(torch.minimum(x.abs(), y.abs()) / length) - torch.pi / 4) ** 2
    for offset, side, own, other in zip((x, y), sides_of_hull, sides(pred), sides(target), strict=True):
        distance = distance + 1 - torch.exp(-(2 - angle) * (offset / side) ** 2)
        shape = shape + (1 - torch.exp(-(own - other).abs() / torch.maximum(own, other))) ** 4
    return 1 - overlap(pred, target) + (distance + shape) / 2


def bounded_iou(pred: Tensor, target: Tensor, beta: float = 0.2, eps: float = 1e-3) -> Tensor:
    bounds = []
    for i, side in enumerate(sides(target)):
        offset = (pred[:, i] + pred[:, i + 2] - target[:, i] - target[:, i + 2]).abs()
        bounds.append(((side - offset) / (side + offset + eps)).clamp(min=0))
    for own, other in zip(sides(pred), sides(target), strict=True):
        bounds.append(torch.minimum(other / (own + eps), own / (other + eps)))
    return smooth_l1(torch.stack(bounds, -1), torch.ones((), dtype=F64), beta)


def extended_iou(pred: Tensor, target: Tensor, smooth_point: float = 0.1) -> Tensor:
    corner = hull(pred, target)[:, :2]
    low = torch.maximum(pred[:, :2], target[:, :2]) - corner
    high = torch.minimum(pred[:, 2:], target[:, 2:]) - corner
    (l, t), (r, b) = low.T, high.T
    across, down = r - l, b - t
    apart = torch.where(across < 0, torch.where(down < 0, 2 * (r * b - l * t), across * (b + t)), down * (r + l))
    meet = torch.where((across < 0) | (down < 0), apart, across * down)
    (w, h), (v, g) = sides(pred), sides(target)
    return smooth_l1(1 - meet / (w * h + v * g - meet), torch.zeros((), dtype=F64), smooth_point)


def smooth_l1(pred: Tensor, target: Tensor, beta: float = 1.0) -> Tensor:
    error = (pred - target).abs()
    return torch.where(error < beta, error**2 / (2 * beta), error - beta / 2)


def balanced_l1(pred: Tensor, target: Tensor, alpha: float = 0.5, gamma: float = 1.5) -> Tensor:
    error, b = (pred - target).abs(), np.exp(gamma / alpha) - 1
    bowl = alpha / b * (b * error + 1) * torch.log(b * error + 1) - alpha * error
    return torch.where(error < 1, bowl, gamma * error + gamma / b - alpha)


def entropy(logit: Tensor, label: Tensor, pos_weight: Tensor | float = 1.0) -> Tensor:
    p = logit.sigmoid()
    return -pos_weight * label * p.log() - (1 - label) * (1 - p).log()


def one_hot(classes: Tensor) -> Tensor:
    return (classes[:, None] == torch.arange(CLASSES)).to(F64)


def focal(logit: Tensor, label: Tensor, gamma: float = 2.0, alpha: float = 0.25) -> Tensor:
    label = one_hot(label) if label.dim() < logit.dim() else label
    p = logit.sigmoid()
    wrong, share = p * (1 - label) + (1 - p) * label, alpha * label + (1 - alpha) * (1 - label)
    return share * wrong**gamma * entropy(logit, label)


def quality_focal(logit: Tensor, target: tuple[Tensor, Tensor] | Tensor, beta: float = 2.0) -> Tensor:
    quality = target if isinstance(target, Tensor) else one_hot(target[0]) * target[1][:, None]
    return ((quality - logit.sigmoid()).abs() ** beta * entropy(logit, quality)).sum(-1)


def varifocal(logit: Tensor, quality: Tensor, alpha: float = 0.75, weighted: bool = True) -> Tensor:
    positive = quality if weighted else torch.ones_like(quality)
    return torch.where(quality > 0, positive, alpha * logit.sigmoid() ** 2) * entropy(logit, quality)


def gaussian_focal(p: Tensor, label: Tensor, positive: float = 1.0, negative: float = 1.0) -> Tensor:
    of_negative = -((1 - label) ** 4) * p**2 * (1 - p).log()
    return torch.where(label == 1, -positive * (1 - p) ** 2 * p.log(), negative * of_negative)


def distribution_focal(logit: Tensor, place: Tensor) -> Tensor:
    surprise, left = -logit.log_softmax(-1), place.long()
    of_left, of_right = (surprise.gather(-1, (left + i)[:, None])[:, 0] for i in (0, 1))
    return of_left * (left + 1 - place) + of_right * (place - left)


def divergence(logit: Tensor, teacher: Tensor, temperature: float = 10.0) -> Tensor:
    p, q = (teacher / temperature).softmax(-1), (logit / temperature).softmax(-1)
    return temperature**2 * (p * (p / q).log()).mean(-1)


def softmax_ce(logit: Tensor, classes: Tensor, weights: Tensor | None = None, ignored: int = -100) -> Tensor:
    surprise = -logit.log_softmax(1)
    if classes.is_floating_point():
        return (classes * surprise).sum(1)
    counts, classes = classes != ignored, classes.clamp(min=0)
    of_class = surprise.gather(1, classes.unsqueeze(1)).squeeze(1)
    return of_class * counts * (1.0 if weights is None else weights[classes])


def sigmoid_ce(logit: Tensor, label: Tensor, pos_weight: Tensor | float = 1.0, ignored: int = -100) -> Tensor:
    counts = (label >= 0) & (label != ignored)
    if label.dim() < logit.dim():
        label, counts = one_hot(label), counts[:, None]
    return entropy(logit, label.to(F64), pos_weight) * counts


def multi_positive(logit: Tensor, label: Tensor) -> Tensor:
    pairs = (logit[:, :, None] - logit[:, None, :]).exp()
    counts = (label == 0)[:, :, None] & (label >= 1)[:, None, :]
    return (1 + (pairs * counts).sum((1, 2))).log()


def dice(p: Tensor, label: Tensor, naive: bool, eps: float = 1e-3) -> Tensor:
    p, label = p.flatten(1), label.flatten(1)
    if naive:
        return 1 - (2 * (p * label).sum(1) + eps) / (p.sum(1) + label.sum(1) + eps)
    return ((p - label) ** 2).sum(1) / ((p**2).sum(1) + (label**2).sum(1) + 2 * eps)


PER_ROW, PER_SIDE = random(ROWS, seed=90), random(ROWS, 4, seed=91)
PER_SCORE = random(ROWS, CLASSES, seed=92)
COLUMN = PER_ROW[:, None]
FACTORS = torch.tensor([0.5, 2.0, 1.0, 0.25, 3.0], dtype=F64)
WEIGHED: dict[str, Any] = {"class_weight": FACTORS.tolist()}
SIGMOID: dict[str, Any] = {"use_sigmoid": True}
FAR, TARGET = boxes(8, 50.0), boxes(10, 50.0)
NEAR = TARGET + random(ROWS, 4, seed=12, low=-0.2, high=0.2) * torch.stack(sides(TARGET), -1).repeat(1, 2)
LOGITS = normal(ROWS, CLASSES, seed=20)
SCORES = LOGITS.sigmoid()
OBJECTS = integers(CLASSES, ROWS, seed=21)
WITH_BACKGROUND = integers(CLASSES + 1, ROWS, seed=22)
LABELS = random(ROWS, CLASSES, seed=23)
QUALITIES = torch.where(LABELS > 0.6, LABELS, 0.0)
HEAT = torch.where(random(2, 3, 6, 6, seed=24) > 0.8, 1.0, random(2, 3, 6, 6, seed=25))
PROBABILITIES = random(2, 3, 6, 6, seed=26, low=1e-3, high=0.999)
SOME_IGNORED = torch.where(random(ROWS, seed=27) > 0.7, 3, WITH_BACKGROUND.clamp(max=CLASSES - 1))
MARKED = torch.where(LABELS > 0.8, -1, (LABELS > 0.5).long())
# Some rows have no positive, some no negative.
POSITIVES = integers(3, ROWS, CLASSES, seed=33).masked_fill(COLUMN > 0.9, 1).masked_fill(COLUMN < 0.1, 0)
MASKS, MASK_LABELS = normal(6, 4, 5, seed=28), random(6, 4, 5, seed=29).round()

OF_BOXES: list[tuple[str, dict[str, Any], Callable[..., Tensor], float]] = [
    ("IoULoss", {"mode": "linear"}, lambda p, t: 1 - overlap(p, t), 1e-6),
    ("IoULoss", {"linear": True}, lambda p, t: 1 - overlap(p, t), 1e-6),
    ("IoULoss", {"mode": "square"}, lambda p, t: 1 - overlap(p, t) ** 2, 1e-6),
    ("IoULoss", {"loss_weight": 2.0}, lambda p, t: -2.0 * overlap(p, t).clamp(min=1e-6).log(), 1e-6),
    ("IoULoss", {"eps": 1e-3}, lambda p, t: -overlap(p, t).clamp(min=1e-3).log(), 1e-3),
    ("GIoULoss", {}, giou, 1e-6),
    ("DIoULoss", {"loss_weight": 0.7}, lambda p, t: 0.7 * diou(p, t), 1e-6),
    ("DIoULoss", {"eps": 1e-3}, lambda p, t: diou(p, t, 1e-3), 1e-6),
    ("CIoULoss", {}, ciou, 1e-6),
    ("EfficientIoULoss", {}, eiou, 1e-6),
    ("EIoULoss", {}, extended_iou, 1e-6),
    ("EIoULoss", {"smooth_point": 0.5, "loss_weight": 2.0}, lambda p, t: 2 * extended_iou(p, t, 0.5), 1e-6),
    # Its epsilon is added to the offsets, whose angle has a kink.
    ("SIoULoss", {"neg_gamma": True, "loss_weight": 2.0}, lambda p, t: 2 * siou(p, t), 1e-4),
]

CASES = [
    *(
        Case(name, arguments, (pred, TARGET), formula, (PER_ROW, PER_SIDE), tolerance=tolerance)
        for name, arguments, formula, tolerance in OF_BOXES
        for pred in (NEAR, FAR)
    ),
    *(
        Case("BoundedIoULoss", arguments, (pred, TARGET), formula, (PER_SIDE, PER_ROW, COLUMN))
        for arguments, formula in (
            ({}, bounded_iou),
            ({"beta": 1.0, "eps": 0.0, "loss_weight": 10.0}, lambda p, t: 10 * bounded_iou(p, t, 1.0, 0.0)),
        )
        for pred in (NEAR, FAR)
    ),
    *(
        Case(name, arguments, (LOGITS, LABELS), formula, (PER_SCORE, PER_ROW, COLUMN))
        for name, arguments, formula in (
            ("L1Loss", {}, lambda p, t: (p - t).abs()),
            ("MSELoss", {"loss_weight": 3.0}, lambda p, t: 3 * (p - t) ** 2),
            ("SmoothL1Loss", {}, smooth_l1),
            ("SmoothL1Loss", {"beta": 1 / 9}, lambda p, t: smooth_l1(p, t, 1 / 9)),
            ("BalancedL1Loss", {}, balanced_l1),
            ("BalancedL1Loss", {"alpha": 0.7, "gamma": 1.2}, lambda p, t: balanced_l1(p, t, 0.7, 1.2)),
            ("VarifocalLoss", {"alpha": 0.5}, lambda p, t: varifocal(p, t, 0.5)),
        )
    ),
    Case("VarifocalLoss", {}, (LOGITS, QUALITIES), varifocal, (PER_SCORE,)),
    Case("VarifocalLoss", {"iou_weighted": False}, (LOGITS, QUALITIES), lambda p, t: varifocal(p, t, weighted=False)),
    Case("FocalLoss", {}, (LOGITS, WITH_BACKGROUND), focal, (PER_ROW, COLUMN, PER_SCORE, PER_SCORE.flatten())),
    Case("FocalLoss", {"gamma": 1.5, "alpha": 0.4}, (LOGITS, LABELS), lambda p, t: focal(p, t, 1.5, 0.4), (PER_ROW,)),
    Case("FocalLoss", {"activated": True}, (SCORES, WITH_BACKGROUND), lambda p, t: focal(p.logit(), t)),
    Case(
        "FocalCustomLoss",
        {"num_classes": CLASSES, "alpha": 0.4},
        (LOGITS, WITH_BACKGROUND),
        lambda p, t: focal(p, t, 2.0, 0.4),
        (PER_ROW,),
    ),
    Case("QualityFocalLoss", {}, (LOGITS, (WITH_BACKGROUND, PER_ROW)), quality_focal, (PER_ROW,)),
    Case("QualityFocalLoss", {"beta": 1.5}, (LOGITS, QUALITIES), lambda p, t: quality_focal(p, t, 1.5), (PER_ROW,)),
    Case("QualityFocalLoss", {"activated": True}, (SCORES, QUALITIES), lambda p, t: quality_focal(p.logit(), t)),
    Case("GaussianFocalLoss", {}, (PROBABILITIES, HEAT), gaussian_focal),
    Case(
        "GaussianFocalLoss",
        {"pos_weight": 0.5, "neg_weight": 2.0},
        (PROBABILITIES, HEAT),
        lambda p, t: gaussian_focal(p, t, 0.5, 2.0),
    ),
    Case("DistributionFocalLoss", {}, (LOGITS, 3.9 * PER_ROW), distribution_focal, (PER_ROW,)),
    Case("KnowledgeDistillationKLDivLoss", {}, (LOGITS, LABELS), divergence, (PER_ROW,)),
    Case("KnowledgeDistillationKLDivLoss", {"T": 2}, (LOGITS, LABELS), lambda p, t: divergence(p, t, 2.0), (PER_ROW,)),
    Case("CrossEntropyLoss", {}, (LOGITS, OBJECTS), softmax_ce, (PER_ROW,)),
    Case(
        "CrossEntropyCustomLoss",
        WEIGHED | {"num_classes": CLASSES - 1},
        (LOGITS, OBJECTS),
        lambda p, t: softmax_ce(p, t, FACTORS),
        (PER_ROW,),
    ),
    Case("CrossEntropyCustomLoss", SIGMOID | {"num_classes": CLASSES}, (LOGITS, WITH_BACKGROUND), sigmoid_ce, (PER_ROW,)),
    Case(
        "MultiPosCrossEntropyLoss",
        {"loss_weight": 0.25},
        (LOGITS, POSITIVES),
        lambda p, t: 0.25 * multi_positive(p, t),
        (PER_ROW,),
    ),
    Case("CrossEntropyLoss", {}, (LOGITS, LABELS.softmax(-1)), softmax_ce, (PER_ROW,)),
    Case("CrossEntropyLoss", WEIGHED, (LOGITS, OBJECTS), lambda p, t: softmax_ce(p, t, FACTORS), (PER_ROW,)),
    Case(
        "CrossEntropyLoss",
        {"ignore_index": 3, "avg_non_ignore": True},
        (LOGITS, SOME_IGNORED),
        lambda p, t: softmax_ce(p, t, ignored=3),
        (PER_ROW,),
        (SOME_IGNORED != 3).sum().item(),
    ),
    Case(
        "CrossEntropyLoss",
        WEIGHED,
        (normal(2, CLASSES, 3, 4, seed=30), integers(CLASSES, 2, 3, 4, seed=31)),
        lambda p, t: softmax_ce(p, t, FACTORS),
        (random(2, 3, 4, seed=32),),
    ),
    Case("CrossEntropyLoss", SIGMOID, (LOGITS, WITH_BACKGROUND - 1), sigmoid_ce, (PER_ROW, COLUMN)),
    Case("CrossEntropyLoss", SIGMOID, (LOGITS, MARKED), sigmoid_ce, (PER_SCORE, COLUMN, PER_ROW)),
    Case("CrossEntropyLoss", SIGMOID, (LOGITS[:, 0], PER_ROW), sigmoid_ce, (LABELS[:, 0],)),
    *(
        Case("CrossEntropyLoss", SIGMOID | WEIGHED, (LOGITS, label), lambda p, t: sigmoid_ce(p, t, FACTORS), (weight,))
        for label, weight in ((LABELS, PER_SCORE), (WITH_BACKGROUND, PER_ROW))
    ),
    Case(
        "CrossEntropyLoss",
        SIGMOID | {"ignore_index": 3, "avg_non_ignore": True},
        (LOGITS, SOME_IGNORED),
        lambda p, t: sigmoid_ce(p, t, ignored=3),
        (PER_ROW,),
        CLASSES * (SOME_IGNORED != 3).sum().item(),
    ),
    *(
        Case(
            "DiceLoss",
            {"naive_dice": naive, "activate": activate},
            (MASKS if activate else MASKS.sigmoid(), MASK_LABELS),
            lambda p, t, naive=naive, activate=activate: dice(p.sigmoid() if activate else p, t, naive),
            (PER_ROW[:6],),
            tolerance=1e-6 if naive else 1e-3,
        )
        for naive in (False, True)
        for activate in (False, True)
    ),
]
