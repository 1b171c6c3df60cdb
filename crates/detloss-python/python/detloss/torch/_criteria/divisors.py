"""What the sums of terms are divided by, as tensors: the device is not waited for."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from detloss._matching import BACKGROUND
from detloss.torch._criteria.layer import Layer
from detloss.torch._criteria.pairs import Pairs


class Divisor(NamedTuple):
    """A number of all images, or one for each; and the weights of what has a truth and of background."""

    number: Tensor | float
    shares: tuple[Tensor, Tensor] | None = None


def divisor(term: dict[str, Any], layer: Layer, pairs: Pairs, union: Tensor | None) -> Divisor:
    indices, dtype = pairs.matches.indices, layer.place.x.dtype
    match term["normalizer"]:
        case "truths":
            return Divisor(max(1.0, float(pairs.truths.boxes.shape[0] * layer.groups)))
        case "positives":
            return Divisor((indices >= 0).sum().to(dtype).clamp(min=1.0))
        case "positives_of_image":
            return Divisor((indices >= 0).sum(1).to(dtype).clamp(min=1.0) * indices.shape[0])
        case "rows":
            return Divisor((indices >= BACKGROUND).sum().to(dtype).clamp(min=1.0))
        case "scores":
            scores = pairs.matches.scores
            return Divisor(1.0 if scores is None else scores.to(dtype).sum().clamp(min=1.0))
        case "weights":
            total = _weight_sum(term, layer, pairs)
            return Divisor(torch.where(total > 0.0, total, 1.0))
        case "roots":
            return Divisor(1.0, _roots(indices, indices, dtype))
        case "roots_of_union":
            return Divisor(1.0, _roots(indices, indices if union is None else union, dtype))
        case other:
            raise NotImplementedError(f"normalizer {other} has no form for a device")


def background_of(labels: str, classes: int) -> int:
    """The class index of background: that after the last class, where no column is background."""
    return {"background_first": 0, "background_last": classes - 1}.get(labels, classes)


def class_weight(term: dict[str, Any], like: Tensor) -> Tensor | None:
    """The weight of each class."""
    weights = term.get("class_weight")
    return like.new_tensor(weights) if weights else None


def _weight_sum(term: dict[str, Any], layer: Layer, pairs: Pairs) -> Tensor:
    """The sum of the weights of all predictions that a term is of."""
    of_pairs, background = pairs.weights(term)
    compares = term["compares"]
    labels = compares.get("classes") if isinstance(compares, dict) else None
    by_class = class_weight(term, of_pairs)
    if labels in ("background_first", "background_last") and by_class is not None:
        of_pairs = of_pairs * by_class[pairs.labels]
        background = background * term["class_weight"][background_of(labels, layer.classes)]
    elif not (isinstance(compares, dict) and ("classes" in compares or "quality" in compares)):
        background = 0.0
    total = of_pairs.sum()
    return total if term["rows"] == "matched" else total + pairs.is_background.to(total.dtype).sum() * background


def _roots(of: Tensor, ratio: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """One of the numbers of what has a truth and of background, mixed in the ratio of the roots of such numbers."""

    def numbers(indices: Tensor) -> Tensor:
        return torch.stack([(indices >= 0).sum(), (indices == BACKGROUND).sum()]).to(dtype)

    own, other = numbers(of), numbers(ratio)
    roots = torch.where((other == 0.0).all(), own, other).sqrt()
    shares = torch.where(own > 0.0, roots / (own * roots.sum()).clamp(min=torch.finfo(dtype).tiny), 0.0)
    return shares[0], shares[1]
