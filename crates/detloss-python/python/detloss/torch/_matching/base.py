"""What matchers on a device share: the list of them, what they see, and how pairs are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from detloss._matching import BACKGROUND
from detloss.torch import _program
from detloss.torch._matching.boxes import Columns

BLOCK = 2**20
"""How many pairs are looked at together, at most; but always those of one truth. No tensor is larger, unless the input is."""

Params: TypeAlias = Mapping[str, float]


class Found(NamedTuple):
    """For every prediction of all images the place of its truth, or what it has instead; and how much it is to find it."""

    truth: Tensor
    scores: Tensor | None = None


Rule: TypeAlias = "Callable[[Scene, Params], Found]"
"""A matcher. It waits for the device only to learn how many pairs a block has."""


class Line(NamedTuple):
    """A line of the list."""

    rule: Rule
    has_scores: bool


MATCHERS: dict[str, Line] = {}
"""Every matcher that has a rule here, by its name. All others match on the host."""


def matcher(name: str, *, has_scores: bool = False) -> Callable[[Rule], Rule]:
    """Enters a matcher into the list."""

    def enter(rule: Rule) -> Rule:
        MATCHERS[name] = Line(rule, has_scores)
        return rule

    return enter


class Pairs(NamedTuple):
    """Predictions with truths, by ascending truth."""

    truth: Tensor
    """Its place among the truths of all images."""
    prediction: Tensor
    """Its place among the predictions of all images."""
    point: Tensor
    """Its place in its image, and so that of its anchor."""


class Anchors(NamedTuple):
    """What stands in the places of every image."""

    box: Columns
    center: Columns
    stride: Tensor
    levels: tuple[slice, ...]


class Scene(NamedTuple):
    """A batch of images with at least one truth and one prediction, checked. Boxes are by columns, and nothing has a dimension of images."""

    anchors: Anchors
    images: int
    counts: Tensor
    """How many truths every image has."""
    image: Tensor
    """The image of every truth."""
    truths: Columns
    labels: Tensor | None
    crowd: Tensor | None
    boxes: Columns
    """Those of all predictions, by their corners or as the overlap wants them."""
    scores: Tensor | None
    """(images, points, classes), in the precision that they were given in."""
    overlap: str | None
    """The key of the loss that the overlap is 1 minus of."""

    @property
    def points(self) -> int:
        """How many predictions an image has."""
        return self.anchors.stride.shape[0]

    def of_predictions(self, value: float, dtype: torch.dtype | None = None) -> Tensor:
        """A number for every prediction."""
        stride = self.anchors.stride
        return torch.full((self.images * self.points,), value, dtype=dtype or stride.dtype, device=stride.device)

    def blocks(self) -> Iterator[Block]:
        """All truths in their order, in blocks of a bounded number of pairs."""
        size = max(1, BLOCK // self.points)
        for start in range(0, self.image.shape[0], size):
            at = slice(start, start + size)
            yield Block(self, start, self.image[at], tuple(column[at, None] for column in self.truths))

    def truths_of(self, pairs: Pairs) -> Columns:
        """The truth of every pair."""
        return tuple(column[pairs.truth] for column in self.truths)

    def boxes_of(self, pairs: Pairs) -> Columns:
        """The predicted box of every pair."""
        return tuple(column[pairs.prediction] for column in self.boxes)

    def score_of(self, pairs: Pairs) -> Tensor:
        """The score of every pair for the class of its truth."""
        assert self.scores is not None and self.labels is not None
        score = self.scores[self.image[pairs.truth], pairs.point, self.labels[pairs.truth]]
        return score.to(self.anchors.stride.dtype)

    def overlap_of(self, pairs: Pairs) -> Tensor:
        """1 minus the loss of every pair; 0 where that is negative or NaN."""
        assert self.overlap is not None
        inputs = [*self.boxes_of(pairs), *self.truths_of(pairs)]
        [value] = _program.run(_program.program(self.overlap, False), inputs)
        overlap = 1.0 - value.expand(pairs.truth.shape)
        return torch.where(overlap > 0.0, overlap, 0.0)


class Block(NamedTuple):
    """Some truths, of one image or of several, against all points."""

    scene: Scene
    start: int
    image: Tensor
    truths: Columns
    """Each of shape (truths, 1), so that they meet the points of shape (points,)."""

    def of_image(self, numbers: Tensor) -> Tensor:
        """Numbers of all predictions: for every truth those of its image."""
        return numbers.view(self.scene.images, -1)[self.image]

    def pairs(self, mask: Tensor) -> Pairs:
        """The pairs that are chosen, by ascending truth and prediction. The device is waited for: only it knows how many they are."""
        place = mask.reshape(-1).nonzero().squeeze(1)
        return self._pairs(place // self.scene.points, place % self.scene.points)

    def pairs_with(self, point: Tensor) -> Pairs:
        """Every truth with the points of its row."""
        row = torch.arange(point.shape[0], device=point.device)
        return self._pairs(row.repeat_interleave(point.shape[1]), point.reshape(-1))

    def _pairs(self, row: Tensor, point: Tensor) -> Pairs:
        return Pairs(row + self.start, self.image[row] * self.scene.points + point, point)

    def row(self, pairs: Pairs) -> Tensor:
        """The place of the truth of every pair in this block."""
        return pairs.truth - self.start


NONE = torch.iinfo(torch.int32).max
"""The index of nothing, where the least one is looked for."""


def least_at(size: int, place: Tensor, index: Tensor) -> Tensor:
    """The least index at each place. In 32 bits, since Metal has no minimum of more."""
    least = torch.full((size,), NONE, dtype=torch.int32, device=place.device)
    return least.scatter_reduce(0, place, index.to(torch.int32), "amin").to(torch.int64)


class Best:
    """For every prediction the pair of the largest value so far, of equal ones that of the first truth; and how many pairs it has had."""

    def __init__(self, scene: Scene, least: float = -torch.inf) -> None:
        self.value = scene.of_predictions(least)
        self.truth = scene.of_predictions(BACKGROUND, torch.int64)
        self.count = scene.of_predictions(0, torch.int64)

    def offer(self, pairs: Pairs, value: Tensor, counts: Tensor | None = None) -> None:
        """Pairs of later truths than before. Those that do not count change nothing, and NaN does not count."""
        counts = ~value.isnan() if counts is None else counts & ~value.isnan()
        value = torch.where(counts, value.clamp(min=torch.finfo(value.dtype).min), -torch.inf)
        most = self.value.scatter_reduce(0, pairs.prediction, value, "amax")
        is_most = counts & (value == most[pairs.prediction])
        first = least_at(len(self.truth), pairs.prediction, torch.where(is_most, pairs.truth, NONE))
        self.truth = torch.where(most > self.value, first, self.truth)
        self.value = most
        self.count = self.count.index_add(0, pairs.prediction, counts.to(torch.int64))


def ranks(truth: Tensor, metric: Tensor) -> Tensor:
    """The place of every pair among those of its truth: the largest metric first, of equal ones the pair that stands first. NaN comes last."""
    # Plus 0: a sort by bits would put −0 behind 0.
    metric = torch.where(metric.isnan(), -torch.inf, metric + 0.0)
    order = metric.argsort(descending=True, stable=True)
    order = order[truth[order].argsort(stable=True)]
    of_truth = truth[order]
    rank = torch.arange(len(order), device=order.device) - torch.searchsorted(of_truth, of_truth)
    return torch.empty_like(order).scatter(0, order, rank)
