"""Centre sampling, of FCOS."""

from __future__ import annotations

import torch
from torch import Tensor

from detloss.torch._matching.base import Best, Block, Found, Params, Scene, matcher
from detloss.torch._matching.boxes import area, center, holds


@matcher("center_sampling")
def center_sampling(scene: Scene, params: Params) -> Found:
    smallest = Best(scene)
    for block in scene.blocks():
        pairs = block.pairs(_may_find(block, params))
        smallest.offer(pairs, -area(scene.truths_of(pairs)))
    return Found(smallest.truth)


def _may_find(block: Block, params: Params) -> Tensor:
    """Which points are near the centre of a truth, inside it, and of its level."""
    anchors = block.scene.anchors
    (x, y), stride, (cx, cy) = anchors.center, anchors.stride, center(block.truths)
    reach = params["radius"] * stride
    may = ((x - cx).abs() < reach) & ((y - cy).abs() < reach) & holds(block.truths, (x, y))
    x1, y1, x2, y2 = block.truths
    farthest = torch.maximum(torch.maximum(x - x1, y - y1), torch.maximum(x2 - x, y2 - y))
    point = torch.arange(len(stride), device=stride.device)
    is_first: Tensor = point < anchors.levels[0].stop
    is_last: Tensor = point >= anchors.levels[-1].start
    is_large, is_small = farthest > params["lower"] * stride, farthest < params["upper"] * stride
    return may & (is_first | is_large) & (is_last | is_small)
