"""Dynamic soft label assignment, of RTMDet."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from detloss.torch._matching.base import Best, Block, Found, Pairs, Params, Scene, matcher, ranks
from detloss.torch._matching.boxes import center, holds
from detloss.torch._matching.dynamic_k import Candidates, counts, found
from detloss.torch._scalar import exp, ln, safe_div, softplus


@matcher("dynamic_soft_label", has_scores=True)
def dynamic_soft_label(scene: Scene, params: Params) -> Found:
    candidates = Candidates(scene, _inside(scene), lambda logits: _class_cost(logits, 0.0).sum(dim=1))

    def metric(pairs: Pairs, overlap: Tensor) -> Tensor:
        return -_cost(candidates, pairs, overlap, params)

    # What does not overlap a truth costs no less than this, and is not looked at where so many cost less.
    without_iou = -ln(scene.anchors.stride.new_full((), params["eps"])) * params["iou_weight"]
    taken = Best(scene)
    for block in scene.blocks():
        pairs = candidates.overlapping(block)
        overlap, row = candidates.iou(pairs), block.row(pairs)
        count = counts(block, pairs, overlap, int(params["topk"]))
        value = torch.where(overlap > 0.0, metric(pairs, overlap), -torch.inf)
        takes = (ranks(pairs.truth, value) < count[row]) & (value > -torch.inf)
        is_settled = _is_settled(block, row, value, takes, count, without_iou)
        taken.offer(pairs, value, takes & is_settled[row])
        pairs = block.pairs(block.of_image(candidates.flags) & ~is_settled[:, None])
        value = metric(pairs, candidates.iou(pairs))
        takes = (ranks(pairs.truth, value) < count[block.row(pairs)]) & (value > -torch.inf)
        taken.offer(pairs, value, takes)
    cheapest = Best(scene)
    for block in scene.blocks():
        pairs = block.pairs(block.of_image(taken.count > 1))
        cheapest.offer(pairs, metric(pairs, candidates.iou(pairs)))
    return found(candidates, taken, cheapest.truth)


def _is_settled(block: Block, row: Tensor, value: Tensor, takes: Tensor, count: Tensor, without_iou: Tensor) -> Tensor:
    """Whether a truth takes as many as it wants, and none that does not overlap it could cost less than the last of them."""
    taken = torch.zeros_like(count).index_add(0, row, takes.to(torch.int64))
    worst = value.new_full((len(block.image),), torch.inf)
    worst = worst.scatter_reduce(0, row, torch.where(takes, value, torch.inf), "amin")
    return (taken == count) & (worst > -without_iou)


def _inside(scene: Scene) -> Tensor:
    """Which points lie inside any truth of their image."""
    count = scene.of_predictions(0, torch.int32).view(scene.images, -1)
    for block in scene.blocks():
        count.index_add_(0, block.image, holds(block.truths, scene.anchors.center).to(torch.int32))
    return count.reshape(-1) > 0


def _cost(candidates: Candidates, pairs: Pairs, overlap: Tensor, params: Params) -> Tensor:
    scene = candidates.scene
    logit = scene.score_of(pairs)
    classes = candidates.numbers[pairs.prediction] + (_class_cost(logit, overlap) - _class_cost(logit, 0.0))
    (x, y), (cx, cy) = scene.anchors.center, center(scene.truths_of(pairs))
    distance = ((x[pairs.point] - cx).square() + (y[pairs.point] - cy).square()).sqrt()
    strides = safe_div(distance, scene.anchors.stride[pairs.point])
    prior = exp((strides - params["radius"]) * log(10.0))
    return classes - ln(overlap + params["eps"]) * params["iou_weight"] + prior


def _class_cost(logit: Tensor, label: Tensor | float) -> Tensor:
    """BCE(logit, label) · |label − sigmoid(logit)|²."""
    return (softplus(logit) - logit * label) * (label - logit.sigmoid()).square()
