"""Maximum IoU with thresholds."""

from __future__ import annotations

import torch
from torch import Tensor

from detloss._matching import BACKGROUND, IGNORED
from detloss.torch._matching.base import NONE, Best, Block, Found, Pairs, Params, Scene, least_at, matcher
from detloss.torch._matching.boxes import Columns, area, intersection, iou, overlaps
from detloss.torch._scalar import safe_div


@matcher("max_iou")
def max_iou(scene: Scene, params: Params) -> Found:
    ignored = None if scene.crowd is None else _in_crowds(scene, scene.crowd, params["ignore"])
    best = Best(scene, 0.0)
    kept = scene.of_predictions(BACKGROUND, torch.int32)
    for block in scene.blocks():
        mask = overlaps(scene.anchors.box, block.truths)
        if scene.crowd is not None and ignored is not None:
            mask &= ~scene.crowd[block.start : block.start + len(block.image), None] & ~block.of_image(ignored)
        pairs = block.pairs(mask)
        overlap = iou(_anchors_of(scene, pairs), scene.truths_of(pairs))
        overlap = torch.where(overlap > 0.0, overlap, 0.0)  # NaN is none.
        best.offer(pairs, overlap)
        if params["low_quality"]:
            is_best = _is_best(block, pairs, overlap, params)
            truth = torch.where(is_best, pairs.truth, BACKGROUND).to(torch.int32)
            kept = kept.scatter_reduce(0, pairs.prediction, truth, "amax")  # Of several truths the last one.
    is_found = (best.truth != BACKGROUND) & (best.value >= params["high"])
    found = torch.where(best.value >= params["low"], IGNORED, BACKGROUND)
    found = torch.where(is_found, best.truth, found)
    if ignored is not None:
        found = torch.where(ignored, IGNORED, found)
    return Found(torch.where(kept != BACKGROUND, kept.to(torch.int64) if params["claim"] else best.truth, found))


def _anchors_of(scene: Scene, pairs: Pairs) -> Columns:
    return tuple(column[pairs.point] for column in scene.anchors.box)


def _is_best(block: Block, pairs: Pairs, overlap: Tensor, params: Params) -> Tensor:
    """Whether the IoU of a pair is the largest of its truth; of equal ones only the first, unless all are wanted."""
    row = block.row(pairs)
    most = overlap.new_zeros(len(block.image)).scatter_reduce(0, row, overlap, "amax")
    is_best = (overlap == most[row]) & (overlap > 0.0) & (overlap >= params["min_best"])
    if params["all_best"]:
        return is_best
    first = least_at(len(block.image), row, torch.where(is_best, pairs.point, NONE))
    return is_best & (pairs.point == first[row])


def _in_crowds(scene: Scene, crowd: Tensor, ignore: float) -> Tensor:
    """Which anchors lie in crowds."""
    count = scene.of_predictions(0, torch.int64)
    for block in scene.blocks():
        is_crowd = crowd[block.start : block.start + len(block.image), None]
        pairs = block.pairs(overlaps(scene.anchors.box, block.truths) & is_crowd)
        anchors = _anchors_of(scene, pairs)
        share = safe_div(area(intersection(anchors, scene.truths_of(pairs))), area(anchors))
        count.index_add_(0, pairs.prediction, (share > ignore).to(torch.int64))
    return count > 0
