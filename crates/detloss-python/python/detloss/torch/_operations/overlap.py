"""Losses of masks that are made of sums over pixels: ``crates/detloss/src/overlap.rs`` and ``losses/masks``."""

from __future__ import annotations

import torch
from torch import Tensor

from detloss.torch._operations.base import Params, RowTerms, SetTerms, filled, power, row_loss, set_loss, wide, zeroed
from detloss.torch._operations.softmax import Softmax, class_column, through_softmax
from detloss.torch._scalar import DIV_EPS, safe_div


class _Pixels:
    """Masks (n, pixels) of logits and labels; all 0 for pixels that are left out, whose label is negative."""

    def __init__(self, logits: Tensor, labels: Tensor) -> None:
        is_void = labels < 0.0
        self.score = zeroed(logits.sigmoid(), is_void)
        """How likely the pixel is one of the object: p."""
        self.rest = zeroed((-logits).sigmoid(), is_void)
        """1 − p, without cancellation."""
        self.label = labels.clamp(min=0.0)
        """What the score should be: g."""
        self.background = 1.0 - self.label
        """1 − g."""

    @property
    def slope(self) -> Tensor:
        """The slope of the score by its logit: p (1 − p)."""
        return self.score * self.rest

    @property
    def extra(self) -> Tensor:
        """p (1 − g): more than the label asks for."""
        return self.score * self.background

    @property
    def missed(self) -> Tensor:
        """(1 − p) g: less than the label asks for."""
        return self.rest * self.label


def _index(
    sums: tuple[Tensor, Tensor, Tensor], weights: tuple[float, float], eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """One less the Tversky index of TP, FP and FN. Where there is nothing to divide by, nothing is wrong.

    And its slopes by the score of a pixel with the label 0, and with the label 1, the latter with its sign turned.
    """
    (hits, extra, missed), (alpha, beta) = sums, weights
    hits = hits if eps == 0.0 else hits + eps
    wrong = torch.add(extra * alpha, missed, alpha=beta)
    total = hits + wrong
    # By infinity: then all are 0.
    total = filled(total, total < DIV_EPS, torch.inf)
    value, index, per_unit = wrong / total, hits / total, total.reciprocal()
    return value, index * per_unit * alpha, torch.add(value, index, alpha=beta) * per_unit


def _tversky(
    logits: Tensor, labels: Tensor, weights: tuple[float, float], eps: float, gamma: float | None = None
) -> RowTerms:
    """One less the Tversky index, or that to the power 1/γ."""
    pixels = _Pixels(logits, labels)
    hits = (pixels.score * pixels.label).sum(-1, keepdim=True)
    extra, missed = (each.sum(-1, keepdim=True) for each in (pixels.extra, pixels.missed))
    value, background, object_ = _index((hits, extra, missed), weights, eps)
    slope = torch.addcmul(pixels.background * background, pixels.label, object_, value=-1.0) * pixels.slope
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
    total = filled(total, total < DIV_EPS, torch.inf)
    value = error.square().sum(-1, keepdim=True) / total
    return RowTerms(value.squeeze(-1), (error - pixels.score * value) * (total.reciprocal() * 2.0) * pixels.slope)


def _mean_over_classes(
    pred: Tensor, target: Tensor, counts: Tensor, absent: float, weights: tuple[float, float], eps: float
) -> SetTerms:
    """The mean loss of the classes of a set of pixels."""
    columns, softmax = pred.shape[1], Softmax(pred)
    scores, column = softmax.probabilities, class_column(target, columns)
    is_class = column == torch.arange(columns, device=pred.device)
    is_there, is_elsewhere = is_class & counts.unsqueeze(-1), ~is_class & counts.unsqueeze(-1)
    hits, extra, missed = (
        torch.where(mask, each, 0.0).sum(0, dtype=wide(pred))
        for mask, each in ((is_there, scores), (is_elsewhere, scores), (is_there, -softmax.at(column).less))
    )
    values, background, object_ = _index((hits, extra, missed), weights, eps)
    is_counted = torch.ones_like(is_there[0]) if absent != 0.0 else is_there.any(0)
    share = is_counted / is_counted.sum(dtype=wide(pred)).clamp(min=1.0)
    value = torch.where(is_counted, values * share, 0.0).sum()
    of_object, of_background = ((each * share).to(pred.dtype) for each in (object_, background))
    slopes = torch.where(is_class, -of_object, of_background)
    return SetTerms(value, through_softmax(slopes, scores))


@set_loss("softmax_dice")
def softmax_dice(pred: Tensor, target: Tensor, counts: Tensor, state: Tensor | None, params: Params) -> SetTerms:
    return _mean_over_classes(pred, target, counts, params["absent"], (0.5, 0.5), 0.5 * params["eps"])


@set_loss("softmax_jaccard")
def softmax_jaccard(pred: Tensor, target: Tensor, counts: Tensor, state: Tensor | None, params: Params) -> SetTerms:
    return _mean_over_classes(pred, target, counts, params["absent"], (1.0, 1.0), params["eps"])


@set_loss("softmax_tversky")
def softmax_tversky(pred: Tensor, target: Tensor, counts: Tensor, state: Tensor | None, params: Params) -> SetTerms:
    weights = (params["alpha"], params["beta"])
    return _mean_over_classes(pred, target, counts, params["absent"], weights, params["eps"])
