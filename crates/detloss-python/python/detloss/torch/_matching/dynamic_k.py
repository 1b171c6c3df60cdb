"""What SimOTA and its successor share: how many predictions a truth takes, and who gets one that several take."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from detloss.torch._matching import base
from detloss.torch._matching.base import Best, Block, Found, Pairs, Scene, ranks
from detloss.torch._matching.boxes import iou, overlaps


class Candidates:
    """Candidates of all truths of an image together; of those that are proposed the ones that are finite, with a number for each.

    ``number``: from rows of scores to a number for each.
    """

    def __init__(self, scene: Scene, is_proposed: Tensor, number: Callable[[Tensor], Tensor]) -> None:
        assert scene.scores is not None
        self.scene = scene
        is_finite = torch.stack([column.isfinite() for column in scene.boxes]).all(dim=0)
        self.flags, self.numbers = is_proposed & is_finite, scene.of_predictions(0.0)
        rows = max(1, base.BLOCK // max(1, scene.scores.shape[2]))
        for prediction in torch.split(self.flags.nonzero().squeeze(1), rows):
            scores = scene.scores[prediction // scene.points, prediction % scene.points].to(self.numbers.dtype)
            self.flags[prediction] = scores.isfinite().all(dim=1)
            self.numbers[prediction] = number(scores)

    def iou(self, pairs: Pairs) -> Tensor:
        """The IoU of the predicted box and the truth of every pair."""
        return iou(self.scene.boxes_of(pairs), self.scene.truths_of(pairs)).clamp(max=1.0)

    def overlapping(self, block: Block) -> Pairs:
        """Every truth with the candidates whose boxes overlap it."""
        boxes = (block.of_image(column) for column in self.scene.boxes)
        return block.pairs(block.of_image(self.flags) & overlaps(tuple(boxes), block.truths))


def counts(block: Block, pairs: Pairs, overlap: Tensor, topk: int) -> Tensor:
    """How many predictions each truth takes: as many as its ``topk`` largest IoUs add up to, but one at least."""
    rows, columns = len(block.image), min(topk, block.scene.points)
    overlap = torch.where(overlap > 0.0, overlap, 0.0)  # NaN is none.
    rank = ranks(pairs.truth, overlap)
    place = torch.where(rank < columns, block.row(pairs) * columns + rank, rows * columns)
    largest = overlap.new_zeros(rows * columns + 1).scatter(0, place, overlap)[:-1].view(rows, columns)
    total = overlap.new_zeros(rows)
    # From the largest on, one after the other: a sum that is nearly whole is rounded as the core rounds it, on every device.
    for column in largest.unbind(1):
        total = total + column
    return total.clamp(min=1.0).to(torch.int64)


def found(candidates: Candidates, taken: Best, winner: Tensor) -> Found:
    """The matches when all truths have taken. ``winner``: the truth that gets a prediction which several took."""
    truth = torch.where(taken.count > 1, winner, taken.truth)
    scene = candidates.scene
    of_truth = tuple(column[truth.clamp(min=0)] for column in scene.truths)
    overlap = iou(scene.boxes, of_truth).clamp(max=1.0)
    return Found(truth, torch.where(truth >= 0, overlap, 0.0))
