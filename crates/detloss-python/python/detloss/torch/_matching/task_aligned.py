"""Task-aligned assignment."""

from __future__ import annotations

import torch
from torch import Tensor

from detloss._matching import BACKGROUND
from detloss.torch._matching.base import Best, Block, Found, Params, Scene, matcher, ranks
from detloss.torch._matching.boxes import Columns, holds
from detloss.torch._scalar import exp, ln, safe_div

ROTATED = 5
"""How many numbers a rotated box has."""


@matcher("task_aligned", has_scores=True)
def task_aligned(scene: Scene, params: Params) -> Found:
    among = int(params["among"])
    # Of every prediction the truth of the largest overlap, of those that it may get; and the one that took it.
    best, taken = Best(scene, 0.0), Best(scene, 0.0)
    for block in scene.blocks():
        pairs = block.pairs(_candidates(block, params))
        overlap = scene.overlap_of(pairs)
        metric = _metric(scene.score_of(pairs), overlap, params)
        metric = torch.where((overlap > 0.0) & (metric > 0.0), metric, -torch.inf)
        takes = (ranks(pairs.truth, metric) < int(params["topk"])) & (metric > 0.0)
        taken.offer(pairs, overlap, takes)
        if among < 2:
            best.offer(pairs, overlap, takes if among == 0 else None)
    is_contested = taken.count > 1
    if among == 2:
        best = Best(scene)
        for block in scene.blocks():
            pairs = block.pairs(block.of_image(is_contested))
            best.offer(pairs, scene.overlap_of(pairs))
    truth = torch.where(is_contested, best.truth, taken.truth)
    overlap = torch.where(is_contested, best.value, taken.value)
    metric = _metric(_probability(scene, truth), overlap, params)
    if params["topk2"] > 0:
        place = ranks(truth, metric)
        is_kept = (place < int(params["topk2"])) & ~metric.isnan()
        truth = torch.where(is_kept, truth, BACKGROUND)
    return Found(truth, _scores(scene, truth, overlap, metric, params["eps"]))


def _candidates(block: Block, params: Params) -> Tensor:
    """The points inside of a truth whose sides count as ``min_side`` at least."""
    point, least = block.scene.anchors.center, params["min_side"]
    if len(block.truths) == ROTATED:
        return _is_in_rotated(block.truths, point, least)
    x1, y1, x2, y2 = block.truths
    (x1, x2), (y1, y2) = _lengthened(x1, x2, least), _lengthened(y1, y2, least)
    return holds((x1, y1, x2, y2), point, params["margin"])


def _lengthened(low: Tensor, high: Tensor, least: float) -> Columns:
    """The ends of a side, about their middle, ``least`` apart at least."""
    is_short, middle, half = high - low < least, (low + high) * 0.5, least * 0.5
    return torch.where(is_short, middle - half, low), torch.where(is_short, middle + half, high)


def _is_in_rotated(truth: Columns, point: Columns, least: float) -> Tensor:
    """Whether a point lies in a rotated box, at least on its edge."""
    cx, cy, width, height, angle = truth
    x, y, cos, sin = point[0] - cx, point[1] - cy, angle.cos(), angle.sin()
    along, across = x * cos + y * sin, y * cos - x * sin
    return (along.abs() <= width.clamp(min=least) * 0.5) & (across.abs() <= height.clamp(min=least) * 0.5)


def _metric(probability: Tensor, overlap: Tensor, params: Params) -> Tensor:
    return _power(probability, params["alpha"]) * _power(overlap, params["beta"])


def _power(base: Tensor, exponent: float) -> Tensor:
    """A power, rounded as the core rounds it."""
    if exponent == 0.5:
        return base.sqrt()
    if exponent == int(exponent) and exponent <= 8.0:
        power, square, rest = torch.ones_like(base), base, int(exponent)
        while rest > 0:
            power = power * square if rest % 2 == 1 else power
            square, rest = square * square, rest // 2
        return power
    power = exp(ln(base) * exponent)
    return torch.where(base < torch.finfo(torch.float32).tiny, 0.0, power)


def _probability(scene: Scene, truth: Tensor) -> Tensor:
    """The probability of every prediction for the class of its truth; 0 without one."""
    assert scene.scores is not None and scene.labels is not None
    label = scene.labels[truth.clamp(min=0)].view(scene.images, -1, 1)
    probability = scene.scores.gather(2, label).reshape(-1).to(scene.anchors.stride.dtype)
    return torch.where(truth >= 0, probability, 0.0)


def _scores(scene: Scene, truth: Tensor, overlap: Tensor, metric: Tensor, eps: float) -> Tensor:
    """t / max t · max o, each over the predictions of one truth."""
    is_matched, place = truth >= 0, truth.clamp(min=0)

    def most(number: Tensor) -> Tensor:
        of_matched = torch.where(is_matched & (number > 0.0), number, 0.0)
        return number.new_zeros(scene.image.shape).scatter_reduce(0, place, of_matched, "amax")[place]

    return torch.where(is_matched, safe_div(metric * most(overlap), most(metric) + eps), 0.0)
