"""Predictions with their truths, and what each of them weighs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from detloss._matching import BACKGROUND, Matches
from detloss.torch import _program
from detloss.torch._criteria.decoder import Place
from detloss.torch._criteria.layer import Layer, Truths
from detloss.torch._matching.boxes import iou


@dataclass(frozen=True)
class Pairs:
    """A layer with the matches of all images. Nothing is computed but what some term asks for."""

    layer: Layer
    truths: Truths
    matches: Matches

    @cached_property
    def where(self) -> tuple[Tensor, Tensor]:
        """Image and row of every prediction with a truth. The device is waited for."""
        image, row = (self.matches.indices >= 0).nonzero(as_tuple=True)
        return image, row

    @cached_property
    def flat(self) -> Tensor:
        """Its place among the predictions of all images."""
        image, row = self.where
        return image * self.layer.shape[1] + row

    @cached_property
    def truth(self) -> Tensor:
        """The place of its truth among those of all images."""
        own: Tensor = self.matches.indices[self.where]
        return own + self.truths.starts[self.where[0]]

    @cached_property
    def labels(self) -> Tensor:
        return self.truths.labels[self.truth]

    @cached_property
    def place(self) -> Place:
        return self.layer.place.at(self.where)

    @cached_property
    def raw(self) -> Tensor:
        """The raw numbers of its box, differentiable: (pairs, columns)."""
        boxes = self.layer.given.boxes
        if not self.layer.head["class_specific"]:
            gathered: Tensor = boxes[self.where]
            return gathered
        images, rows = self.layer.shape
        of_class: Tensor = boxes.reshape(images, rows, self.layer.classes, -1)[(*self.where, self.labels)]
        return of_class

    @cached_property
    def numbers(self) -> Tensor:
        """Four of them, of distributions their means."""
        return self.layer.decoder.numbers(self.raw)

    @cached_property
    def preds(self) -> Tensor:
        """The decoded boxes, differentiable."""
        angle = None if self.layer.given.angle is None else self.layer.given.angle[self.where]
        return self.layer.decoder.boxes(self.numbers, angle, self.place)

    @cached_property
    def written(self) -> Tensor:
        """The truth of each as it was given."""
        return self.truths.boxes[self.truth]

    @cached_property
    def targets(self) -> Tensor:
        """The same in the form of decoded boxes."""
        return self.in_form_of_boxes(self.written)

    def in_form_of_boxes(self, boxes: Tensor) -> Tensor:
        """Boxes in the form of the truths, in that of decoded boxes."""
        decoder = self.layer.decoder
        return decoder.boxes(boxes, None, self.place) if decoder.is_centers else boxes

    @cached_property
    def encoded(self) -> Tensor:
        """The four numbers that each truth is encoded to."""
        decoder = self.layer.decoder
        # As it is: from corners and back, it would be rounded.
        return self.written if decoder.is_centers else decoder.encoded(self.targets, self.place)

    @cached_property
    def iou(self) -> Tensor:
        """A constant. Of upright boxes the IoU itself: a small one keeps its digits, which 1 minus a loss does not."""
        preds, targets = self.preds.detach().unbind(-1), self.targets.unbind(-1)
        if not self.layer.decoder.is_rotated:
            return iou(preds, targets)
        from detloss.torch import RotatedIoULoss  # Made when the package is.

        [value] = _program.run(_program.program(RotatedIoULoss().chosen.key, False), [*preds, *targets])
        return 1.0 - value

    @cached_property
    def score(self) -> Tensor:
        """The score of a match; 1 from a matcher without scores."""
        scores = self.matches.scores
        return self.ones if scores is None else scores[self.where].to(self.ones.dtype)

    @property
    def ones(self) -> Tensor:
        return torch.ones_like(self.place.stride)

    @cached_property
    def centerness(self) -> Tensor:
        return self.layer.decoder.centerness(self.targets, self.place)

    @cached_property
    def is_background(self) -> Tensor:
        """Of every prediction of all images, in one row."""
        flags: Tensor = (self.matches.indices == BACKGROUND).reshape(-1)
        return flags

    def weights(self, term: dict[str, Any]) -> tuple[Tensor, float]:
        """The weight of each prediction with a truth, and that of background."""
        match term["row_weight"]:
            case "one":
                return self.ones, 1.0
            case "score":
                return self.score, 0.0
            case "centerness":
                return self.centerness, 0.0
            case {"background": weight}:
                return self.ones, weight
            case _:
                # The IoU, or the confidence, which is another one for background alone.
                return self.iou, 0.0

