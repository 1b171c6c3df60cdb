"""Adaptive training sample selection."""

from __future__ import annotations

import torch
from torch import Tensor

from detloss.torch._matching.base import Best, Block, Found, Params, Scene, matcher
from detloss.torch._matching.boxes import center, holds, iou
from detloss.torch._operations.base import wide


@matcher("atss")
def atss(scene: Scene, params: Params) -> Found:
    best = Best(scene, 0.0)
    for block in scene.blocks():
        point = _nearest(block, int(params["topk"]))
        pairs = block.pairs_with(point)
        target = scene.truths_of(pairs)
        overlap = iou(tuple(column[pairs.point] for column in scene.anchors.box), target)
        is_enough = overlap.view_as(point) >= _threshold(overlap.view_as(point))
        is_inside = holds(target, tuple(column[pairs.point] for column in scene.anchors.center), params["margin"])
        best.offer(pairs, overlap, is_enough.reshape(-1) & is_inside)
    return Found(best.truth)


def _nearest(block: Block, topk: int) -> Tensor:
    """For every truth the anchors of every level whose centres are nearest to its own, of equal ones the first ones. So many it always has,
    and the device need not be asked."""
    (x, y), (cx, cy) = block.scene.anchors.center, center(block.truths)
    nearest = []
    for level in block.scene.anchors.levels:
        distance = (x[level] - cx).square() + (y[level] - cy).square()
        nearest.append(distance.argsort(dim=1, stable=True)[:, :topk] + level.start)
    return torch.cat(nearest, dim=1)


def _threshold(overlap: Tensor) -> Tensor:
    """Mean and standard deviation of a row added up. Seen from the first IoU, so that equal ones reach their own threshold."""
    numbers = overlap.to(wide(overlap))
    offset, count = numbers - numbers[:, :1], overlap.shape[1]
    mean = offset.sum(dim=1, keepdim=True) / count
    squares = (offset - mean).square().sum(dim=1, keepdim=True)
    return (numbers[:, :1] + mean + (squares / max(1, count - 1)).sqrt()).to(overlap.dtype)
