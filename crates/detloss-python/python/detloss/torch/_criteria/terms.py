"""The terms of a criterion over all images of a layer, each differentiable by the outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from detloss import _core
from detloss._spec import find
from detloss.torch import _kernel, _losses
from detloss.torch._criteria.divisors import Divisor, background_of, class_weight
from detloss.torch._criteria.layer import Layer
from detloss.torch._criteria.pairs import Pairs
from detloss.torch._scalar import safe_div

LEFT_OUT = -100
"""The class of a row that does not count."""

INDICES = ("one_hot", "background_first", "background_last")
"""Labels that are the index of a class."""

LEAST_LABEL = 1e-30
"""The label of a match whose IoU is 0."""


def _backend(pred: Tensor) -> str:
    """Kernels on a device that may have some; here nothing goes to the compiled core."""
    return "auto" if pred.device.type in _kernel.DEVICES else "decomposed"


class Term:
    """One term over one layer."""

    def __init__(self, term: dict[str, Any], layer: Layer, teacher: Layer | None, pairs: Pairs, divisor: Divisor) -> None:
        self.term, self.layer, self.teacher, self.pairs = term, layer, teacher, pairs
        number = divisor.number
        # What an image has of its own is a weight of its rows.
        self.of_image = 1.0 / number if isinstance(number, Tensor) and number.dim() == 1 else None
        self.divisor = 1.0 if self.of_image is not None else number
        self.shares = divisor.shares

    def value(self) -> Tensor:
        """The sum over its predictions, divided by the normalizer."""
        compares = self.term["compares"]
        if compares == "teacher":
            return self._of_teacher() / self.divisor
        ((what, how),) = compares.items()
        rules: dict[str, Callable[[Any], Tensor]] = {
            "classes": self._classes,
            "boxes": self._boxes,
            "offsets": self._offsets,
            "distribution": self._distribution,
            "quality": self._quality,
            "refinement": self._refinement,
        }
        return rules[what](how) / self.divisor

    def _sum(self, pred: Tensor, target: Tensor, weight: Tensor | None, **more: Any) -> Tensor:
        return _losses.compute(
            find(self.term["loss"]), pred, target, {}, weight=weight, reduction="sum", backend=_backend(pred), **more
        )

    def _of_pairs(self) -> Tensor:
        """The weight of every pair."""
        weights, _ = self.pairs.weights(self.term)
        return weights if self.of_image is None else weights * self.of_image[self.pairs.where[0]]

    def _of_rows(self, background: float, dtype: torch.dtype) -> Tensor:
        """The weight of every prediction of all images: this for background, and 0 for what is left out."""
        weights = self.pairs.is_background.to(dtype) * background
        if self.of_image is not None:
            weights = weights * self.of_image.repeat_interleave(self.layer.shape[1])
        return weights.index_put((self.pairs.flat,), self._of_pairs())

    def _classes(self, labels: str) -> Tensor:
        logits: Tensor = self.layer.given.logits.flatten(0, 1)
        is_soft, rows = labels not in INDICES, self.term["rows"]
        total = logits.new_zeros(())
        if rows != "matched":
            total = total + self._all_rows(labels, is_soft, logits)
        if is_soft or rows == "matched":
            total = total + self._matched_rows(labels, logits)
        return total

    def _all_rows(self, labels: str, is_soft: bool, logits: Tensor) -> Tensor:
        pairs, classes = self.pairs, self.layer.classes
        # Written there, and not copied there.
        target = torch.where(pairs.is_background, background_of(labels, classes), LEFT_OUT)
        if not is_soft:
            target = target.index_put((pairs.flat,), pairs.labels)
        rows = self.term["rows"]
        if isinstance(rows, dict):
            target = self._hardest(target, logits, rows["hard_negatives"])
        _, background = pairs.weights(self.term)
        weight = self._of_rows(background, logits.dtype)
        return self._sum(logits, target, weight, ignore_index=LEFT_OUT, class_weight=class_weight(self.term, logits))

    def _hardest(self, target: Tensor, logits: Tensor, ratio: int) -> Tensor:
        """Without the background of smaller losses than so many for each pair, image by image."""
        spec = find(self.term["loss"])
        losses = _losses.compute(
            spec, logits.detach(), target, {}, ignore_index=LEFT_OUT, reduction="none", backend=_backend(logits)
        )
        images, rows = self.layer.shape
        is_background = self.pairs.is_background.view(images, rows)
        losses = torch.where(is_background, losses.view(images, rows), -torch.inf)
        order = losses.argsort(dim=1, descending=True, stable=True)
        rank = torch.empty_like(order).scatter(1, order, torch.arange(rows, device=order.device).expand(images, rows))
        most = (self.pairs.matches.indices >= 0).sum(1, keepdim=True) * ratio
        return torch.where((is_background & (rank >= most)).reshape(-1), LEFT_OUT, target)

    def _matched_rows(self, labels: str, logits: Tensor) -> Tensor:
        pairs = self.pairs
        preds = logits[pairs.flat]
        by_class = class_weight(self.term, logits)
        if labels in INDICES:
            return self._sum(preds, pairs.labels, self._of_pairs(), class_weight=by_class)
        # A match that does not meet its truth is no background to a loss that tells them apart by the label.
        soft = pairs.score if labels == "score" else pairs.iou.clamp(min=LEAST_LABEL)
        dense = torch.zeros_like(preds, requires_grad=False).scatter(1, pairs.labels[:, None], soft[:, None])
        return self._sum(preds, dense, self._of_pairs(), class_weight=by_class)

    def _boxes(self, unit: str) -> Tensor:
        preds, targets = self.pairs.preds, self.pairs.targets
        if unit == "strides":
            stride = self.pairs.place.stride
            scale = safe_div(torch.ones_like(stride), stride)
            scales = torch.stack([scale] * 4 + [torch.ones_like(scale)] * (preds.shape[-1] - 4), -1)
            preds, targets = preds * scales, targets * scales
        return self._sum(preds, targets, self._of_pairs())

    def _offsets(self, sides: str) -> Tensor:
        preds, targets = self.pairs.numbers, self.pairs.encoded
        if sides == "mean_of_image":
            width, height = self.layer.given.image_size or (1.0, 1.0)
            x, y = (self.pairs.place.stride * (0.25 / side) for side in (width, height))
            scales = torch.stack([x, y, x, y], -1)
            preds, targets = preds * scales, targets * scales
        return self._sum(preds, targets, self._of_pairs())

    def _distribution(self, how: dict[str, float]) -> Tensor:
        bins = self.layer.decoder.columns // 4
        places = self.pairs.encoded.clamp(0.0, bins - 1.0 - how["margin"])
        weights = (self._of_pairs() * 0.25).repeat_interleave(4)
        return self._sum(self.pairs.raw.reshape(-1, bins), places.reshape(-1), weights)

    def _quality(self, label: str) -> Tensor:
        pairs, quality = self.pairs, self.layer.given.quality.flatten()
        of_pairs: Tensor = pairs.ones if label == "matched" else getattr(pairs, label)  # Centerness, or the IoU.
        labels = torch.zeros_like(quality, requires_grad=False).index_put((pairs.flat,), of_pairs)
        _, background = pairs.weights(self.term)
        return self._sum(quality, labels, self._of_rows(background if self.term["rows"] == "all" else 0.0, quality.dtype))

    def _refinement(self, how: dict[str, float]) -> Tensor:
        pairs, logits = self.pairs, self.layer.given.distribution
        bins = logits.shape[-1] // 4 - 1
        references = pairs.in_form_of_boxes(self.layer.given.references[pairs.where])
        (x1, y1, x2, y2), (a, b, c, d) = references.unbind(-1), pairs.targets.unbind(-1)
        outside = torch.stack([x1 - a, y1 - b, c - x2, d - y2], -1)
        sides = torch.stack([x2 - x1, y2 - y1] * 2, -1).clamp(min=0.0)
        offsets = torch.where(outside == 0.0, 0.0, outside * how["reg_scale"] / sides)
        values = logits.new_tensor(_core.offsets(bins, how["up"], how["reg_scale"]).tolist())
        above = torch.searchsorted(values, offsets, right=True).clamp(1, bins)
        low, high = values[above - 1], values[above]
        places = (above - 1 + (offsets - low) / (high - low)).clamp(0.0, float(bins))
        weights = self._of_pairs().repeat_interleave(4)
        return self._sum(logits[pairs.where].reshape(-1, bins + 1), places.reshape(-1), weights)

    def _of_teacher(self) -> Tensor:
        logits = self.layer.given.distribution
        if self.teacher is None:
            # The last layer is its own teacher, and has nothing to learn.
            return torch.zeros_like(self.pairs.place.stride.sum())
        assert self.shares is not None or self.term["normalizer"] not in ("roots", "roots_of_union")
        one = logits.new_ones(())
        positive, negative = (one, one) if self.shares is None else self.shares
        of_pairs, background = self.pairs.weights(self.term)
        if self.term["rows"] != "all":
            confidence = torch.zeros_like(one)
        elif self.term["row_weight"] == "confidence":
            confidence = self.teacher.given.logits.detach().sigmoid().amax(-1).flatten()
        else:
            confidence = one * background
        weights = torch.where(self.pairs.is_background, confidence * (negative * 0.25), 0.0)
        weights = weights.index_put((self.pairs.flat,), of_pairs * (positive * 0.25))
        if self.of_image is not None:
            weights = weights * self.of_image.repeat_interleave(self.layer.shape[1])
        places = logits.shape[-1] // 4
        teacher = self.teacher.given.distribution.detach()
        return self._sum(logits.reshape(-1, places), teacher.reshape(-1, places), weights.repeat_interleave(4))
