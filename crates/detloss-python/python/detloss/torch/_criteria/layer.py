"""The outputs of a head or layer, on their device, and what they are matched with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from detloss._criteria import FLOATS, Outputs
from detloss._matching import BACKGROUND, Matches, get_matcher
from detloss.matching import sampling
from detloss.torch._criteria.decoder import Decoder, Place
from detloss.torch._matching import MATCHERS


@dataclass(frozen=True)
class Truths:
    """Those of all images in one list."""

    of_images: list[Tensor]
    labels_of_images: list[Tensor]
    boxes: Tensor
    labels: Tensor
    starts: Tensor
    """The place of the first one of every image."""

    @property
    def images(self) -> int:
        return len(self.of_images)


@dataclass(frozen=True)
class Layer:
    """Outputs that fit their head."""

    head: dict[str, Any]
    decoder: Decoder
    given: Outputs
    """With tensors of one precision, and boxes clamped where the head does so."""
    anchors: tuple[Tensor, ...]
    place: Place
    """Of every prediction of every image."""
    groups: int

    @property
    def shape(self) -> tuple[int, int]:
        """Images and predictions."""
        return self.place.x.shape[0], self.place.x.shape[1]

    @property
    def classes(self) -> int:
        """How many columns the logits have."""
        return 0 if self.given.logits is None else self.given.logits.shape[-1]

    def matched(self, truths: Truths) -> Matches:
        """The truth of every prediction in its image."""
        if self.head["matcher"] is None:
            return Matches(self.given.pairs, None)
        matcher = get_matcher(self.head["matcher"])
        name = matcher._matcher.name
        inputs = matcher._matcher.inputs
        found = matcher(
            truths.of_images,
            labels=truths.labels_of_images,
            anchors=self.anchors if len(self.anchors) == 2 else self.anchors[0] if self.anchors else None,
            levels=self.given.levels,
            boxes=self._boxes() if "boxes" in inputs else None,
            scores=self._scores("logits" in inputs) if "logits" in inputs or "probabilities" in inputs else None,
            centers=self.decoder.is_centers,
            backend="decomposed" if name in MATCHERS else "auto",
        )
        sampler = self.head["sampler"]
        if sampler is None:
            return found
        seeds = [(self.given.seed * 0x9E3779B9 + image) % 2**64 for image in range(truths.images)]
        return sampling.balanced(found, sampler["size"], sampler["positive"], seeds)

    def _boxes(self) -> Tensor:
        raw: Tensor = self.given.boxes.detach()
        if not self.decoder.has_anchors:
            return raw
        angle = None if self.given.angle is None else self.given.angle.detach()
        return self.decoder.boxes(self.decoder.numbers(raw), angle, self.place)

    def _scores(self, as_logits: bool) -> Tensor:
        logits: Tensor = self.given.logits.detach()
        if as_logits:
            return logits
        scores = logits.sigmoid()
        if not self.head["with_objectness"]:
            return scores
        quality: Tensor = self.given.quality.detach()
        return (scores * quality.sigmoid()[..., None]).sqrt()


def layer_of(head: dict[str, Any], decoder: Decoder, given: Outputs, dtype: torch.dtype, images: int) -> Layer:
    """Outputs with their head. What does not fit is an error, and the core has the words for it."""
    device = given.boxes.device
    tensors = {name: getattr(given, name) for name in (*FLOATS, "references") if getattr(given, name) is not None}
    tensors = {name: torch.as_tensor(tensor, device=device).to(dtype) for name, tensor in tensors.items()}
    if head["clamp"]:
        tensors["boxes"] = tensors["boxes"].clamp(0.0, 1.0)
    if given.pairs is not None:
        tensors["pairs"] = torch.as_tensor(given.pairs, device=device).to(torch.int64)
    parts = given.anchors if isinstance(given.anchors, tuple) else () if given.anchors is None else (given.anchors,)
    anchors = tuple(torch.as_tensor(part, device=device).to(dtype) for part in parts)
    rows = anchors[0].shape[-2] if anchors else tensors["boxes"].shape[1]
    place = Place(*(number.expand(images, rows) for number in _places(anchors, tensors["boxes"])))
    return Layer(head, decoder, given.replaced(**tensors), anchors, place, groups_of(head, given.groups))


def groups_of(head: dict[str, Any], given: int) -> int:
    """How many groups of queries there are: those of the matcher, or what the outputs say."""
    return given if head["matcher"] is None else int(get_matcher(head["matcher"]).params.get("groups", 1))


def _places(anchors: tuple[Tensor, ...], like: Tensor) -> tuple[Tensor, ...]:
    if not anchors:
        zero = like.new_zeros(())
        return zero, zero, zero, zero, like.new_ones(())
    if len(anchors) == 2:
        (x, y), stride = anchors[0].unbind(-1), anchors[1]
        half = stride * 0.5
        return x, y, (x + half) - (x - half), (y + half) - (y - half), stride
    x1, y1, x2, y2 = anchors[0].unbind(-1)
    width, height = x2 - x1, y2 - y1
    return (x1 + x2) * 0.5, (y1 + y2) * 0.5, width, height, width


def united(layers: list[Tensor]) -> Tensor:
    """The truth that most layers give a prediction, of several the lowest; see ``detloss.matching.union``."""
    all_layers = torch.stack(layers)
    most = torch.full_like(layers[0], 0)
    truth = torch.full_like(layers[0], BACKGROUND)
    for one in layers:
        count = torch.where(one >= 0, (all_layers == one).sum(0), 0)
        is_better = (count > most) | ((count == most) & (count > 0) & (one < truth))
        truth, most = torch.where(is_better, one, truth), torch.maximum(most, count)
    return truth
