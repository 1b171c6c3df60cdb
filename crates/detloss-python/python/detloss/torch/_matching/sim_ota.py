"""SimOTA, of YOLOX."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from detloss.torch._matching.base import Best, Block, Found, Pairs, Params, Scene, matcher, ranks
from detloss.torch._matching.boxes import Columns, center, holds
from detloss.torch._matching.dynamic_k import Candidates, counts, found
from detloss.torch._scalar import ln


@matcher("sim_ota", has_scores=True)
def sim_ota(scene: Scene, params: Params) -> Found:
    radius, in_box = params["radius"], bool(params["in_box"])
    candidates = Candidates(scene, _proposed(scene, radius, in_box), lambda scores: _minus_ln(1.0 - scores).sum(dim=1))

    def metric(pairs: Pairs) -> Tensor:
        score = scene.score_of(pairs)
        classes = candidates.numbers[pairs.prediction] + (_minus_ln(score) - _minus_ln(1.0 - score))
        overlap = ln(candidates.iou(pairs) + params["eps"])
        return overlap * params["iou_weight"] - classes * params["class_weight"]

    taken = Best(scene)
    for block in scene.blocks():
        pairs = candidates.overlapping(block)
        count = counts(block, pairs, candidates.iou(pairs), int(params["topk"]))
        of_image, own = block.of_image(candidates.flags), _own(block, radius, in_box)
        _take(taken, block, block.pairs(of_image & own), metric, count)
        # What is not its own comes after all that is.
        missing = count - (of_image & own).sum(dim=1)
        _take(taken, block, block.pairs(of_image & ~own & (missing > 0)[:, None]), metric, missing)
    owner, any_truth = Best(scene), Best(scene)
    for block in scene.blocks():
        pairs = block.pairs(block.of_image(taken.count > 1))
        value = metric(pairs)
        owner.offer(pairs, value, _is_own(scene, pairs, radius, in_box))
        any_truth.offer(pairs, value)
    return found(candidates, taken, torch.where(owner.count > 0, owner.truth, any_truth.truth))


def _take(taken: Best, block: Block, pairs: Pairs, metric: Callable[[Pairs], Tensor], count: Tensor) -> None:
    """Every truth takes so many of its pairs."""
    value = metric(pairs)
    takes = (ranks(pairs.truth, value) < count[block.row(pairs)]) & (value > -torch.inf)
    taken.offer(pairs, value, takes)


def _is_near(truth: Columns, point: Columns, stride: Tensor, radius: float) -> Tensor:
    (x, y), reach = center(truth), stride * radius
    return holds((x - reach, y - reach, x + reach, y + reach), point)


def _own(block: Block, radius: float, in_box: bool) -> Tensor:
    """Which points are a truth's own."""
    anchors = block.scene.anchors
    is_near = _is_near(block.truths, anchors.center, anchors.stride, radius)
    return is_near & holds(block.truths, anchors.center) if in_box else is_near


def _is_own(scene: Scene, pairs: Pairs, radius: float, in_box: bool) -> Tensor:
    """The same of pairs."""
    truth, point = scene.truths_of(pairs), tuple(column[pairs.point] for column in scene.anchors.center)
    is_near = _is_near(truth, point, scene.anchors.stride[pairs.point], radius)
    return is_near & holds(truth, point) if in_box else is_near


def _proposed(scene: Scene, radius: float, in_box: bool) -> Tensor:
    """Which predictions are near the centre of any truth, or with ``in_box`` inside one."""
    count = scene.of_predictions(0, torch.int32).view(scene.images, -1)
    for block in scene.blocks():
        may = _is_near(block.truths, scene.anchors.center, scene.anchors.stride, radius)
        if in_box:
            may |= holds(block.truths, scene.anchors.center)
        count.index_add_(0, block.image, may.to(torch.int32))
    return count.reshape(-1) > 0


def _minus_ln(p: Tensor) -> Tensor:
    """−ln p, at most 100."""
    return torch.where(p > 0.0, (-ln(p)).clamp(max=100.0), 100.0)
