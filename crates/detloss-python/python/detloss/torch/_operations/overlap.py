"""Losses of masks that are made of sums over pixels: ``crates/detloss/src/overlap.rs`` and ``losses/masks``."""

from __future__ import annotations

import torch
from torch import Tensor

from detloss.torch._operations.base import Params, RowTerms, power, row_loss
from detloss.torch._scalar import safe_div


class _Pixels:
    """Masks (n, pixels) of logits and labels; all 0 for pixels that are left out, whose label is negative."""

    def __init__(self, logits: Tensor, labels: Tensor) -> None:
        is_void = labels < 0.0
        small = (-logits.abs()).exp()
        large = (small + 1.0).reciprocal()
        small = small * large
        self.score = torch.where(is_void, 0.0, torch.where(logits < 0.0, small, large))
        """How likely the pixel is one of the object: p."""
        self.rest = torch.where(is_void, 0.0, torch.where(logits < 0.0, large, small))
        """1 − p, without cancellation."""
        self.label = torch.where(is_void, 0.0, labels)
        """What the score should be: g."""

    @property
    def slope(self) -> Tensor:
        """The slope of the score by its logit: p (1 − p)."""
        return self.score * self.rest

    @property
    def extra(self) -> Tensor:
        """p (1 − g): more than the label asks for."""
        return self.score * (1.0 - self.label)

    @property
    def missed(self) -> Tensor:
        """(1 − p) g: less than the label asks for."""
        return self.rest * self.label


def _tversky(
    logits: Tensor, labels: Tensor, weights: tuple[float, float], eps: float, gamma: float | None = None
) -> RowTerms:
    """One less the Tversky index, or that to the power 1/γ. Where there is nothing to divide by, nothing is wrong."""
    pixels, (alpha, beta) = _Pixels(logits, labels), weights
    hits = (pixels.score * pixels.label).sum(-1, keepdim=True) + eps
    wrong = alpha * pixels.extra.sum(-1, keepdim=True) + beta * pixels.missed.sum(-1, keepdim=True)
    total = hits + wrong
    value = safe_div(wrong, total)
    # The slopes by the score of a pixel with the label 0, and with the label 1.
    per_unit = safe_div(1.0, total)
    background, object_ = alpha * safe_div(hits, total) * per_unit, -(beta * safe_div(hits, total) + value) * per_unit
    slope = (pixels.label * object_ + (1.0 - pixels.label) * background) * pixels.slope
    if gamma is None:
        return RowTerms(value.squeeze(-1), slope)
    raised = power(value, 1.0 / gamma)
    return RowTerms(raised.squeeze(-1), slope * (safe_div(raised, value) / gamma))


@row_loss("dice")
def dice(pred: Tensor, target: Tensor, class_weight: Tensor | None, params: Params) -> RowTerms:
    # Half of both denominators: Σ p + Σ g = 2 TP + FP + FN.
    return _tversky(pred, target, (0.5, 0.5), 0.5 * params["eps"])


@row_loss("jaccard")
def jaccard(pred: Tensor, target: Tensor, class_weight: Tensor | None, params: Params) -> RowTerms:
    return _tversky(pred, target, (1.0, 1.0), params["eps"])


@row_loss("tversky")
def tversky(pred: Tensor, target: Tensor, class_weight: Tensor | None, params: Params) -> RowTerms:
    return _tversky(pred, target, (params["alpha"], params["beta"]), params["eps"])


@row_loss("focal_tversky")
def focal_tversky(pred: Tensor, target: Tensor, class_weight: Tensor | None, params: Params) -> RowTerms:
    return _tversky(pred, target, (params["alpha"], params["beta"]), 0.0, params["gamma"])


@row_loss("dice_squared")
def dice_squared(pred: Tensor, target: Tensor, class_weight: Tensor | None, params: Params) -> RowTerms:
    pixels = _Pixels(pred, target)
    error = pixels.extra - pixels.missed
    squares = (pixels.score.square() + pixels.label.square()).sum(-1, keepdim=True)
    total = squares + params["eps"]
    value = safe_div(error.square().sum(-1, keepdim=True), total)
    return RowTerms(value.squeeze(-1), (error - pixels.score * value) * safe_div(2.0, total) * pixels.slope)
