"""Losses of rows of logits: ``crates/detloss/src/losses/rows``."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from detloss.torch._operations.base import Params, RowTerms, power, row_loss
from detloss.torch._operations.softmax import Softmax, class_column
from detloss.torch._scalar import safe_div


@row_loss("softmax_ce")
def softmax_ce(pred: Tensor, target: Tensor, class_weight: Tensor | None, params: Params) -> RowTerms:
    softmax, columns, smoothing = Softmax(pred), pred.shape[1], params["smoothing"]
    if _is_class(target) and smoothing == 0.0:
        column = class_column(target, columns)
        weight = _weight_of(column, class_weight)
        return RowTerms((weight * softmax.surprise(column)).squeeze(-1), weight * softmax.slopes(column))
    if _is_class(target):
        share = torch.full_like(pred, smoothing / columns)
        share = share.scatter(-1, class_column(target, columns), smoothing / columns + (1.0 - smoothing))
    else:
        share = target * (1.0 - smoothing) + smoothing / columns
    if class_weight is not None:
        share = share * class_weight
    mass = share.sum(-1, keepdim=True)
    # A logit of −∞ with no share adds 0, not 0 · ∞.
    below = torch.where(share == 0.0, share, share * softmax.shifted).sum(-1, keepdim=True)
    return RowTerms((mass * softmax.ln_sum - below).squeeze(-1), softmax.powers * (mass / softmax.sum) - share)


@row_loss("softmax_focal")
def softmax_focal(pred: Tensor, target: Tensor, class_weight: Tensor | None, params: Params) -> RowTerms:
    gamma, alpha = params["gamma"], params["alpha"]

    def term(likelihood: Tensor, wrong: Tensor, surprise: Tensor) -> tuple[Tensor, Tensor]:
        focus = alpha * power(wrong, gamma)
        return focus * surprise, -focus * (1.0 + safe_div(likelihood * surprise, wrong) * gamma)

    return _sum_over_classes(pred, target, class_weight, term)


@row_loss("poly1_ce")
def poly1_ce(pred: Tensor, target: Tensor, class_weight: Tensor | None, params: Params) -> RowTerms:
    epsilon = params["epsilon"]

    def term(likelihood: Tensor, wrong: Tensor, surprise: Tensor) -> tuple[Tensor, Tensor]:
        return surprise + epsilon * wrong, -epsilon * likelihood - 1.0

    return _sum_over_classes(pred, target, class_weight, term)


@row_loss("softmax_kl")
def softmax_kl(pred: Tensor, target: Tensor, class_weight: Tensor | None, params: Params) -> RowTerms:
    temperature = params["temperature"]
    mine, theirs = Softmax(pred, temperature), Softmax(target, temperature)
    q, p = mine.probabilities, theirs.probabilities
    gap = (theirs.shifted - mine.shifted) + (mine.ln_sum - theirs.ln_sum)
    # p ln(p / q) + q − p: the same sum, of terms that are never negative.
    terms = torch.where(gap.abs() < _NEAR, p * _excess(gap), p * gap + (q - p))
    # A class that the teacher excludes adds q, not 0 · ∞.
    terms = torch.where(p == 0.0, q, terms)
    return RowTerms(temperature * temperature * terms.sum(-1), (q - p) * temperature)


@row_loss("distribution_focal")
def distribution_focal(pred: Tensor, target: Tensor, class_weight: Tensor | None, params: Params) -> RowTerms:
    softmax, last = Softmax(pred), pred.shape[1] - 1
    place = target.to(pred.dtype).clamp(0.0, last).unsqueeze(-1)
    # The last place is the right neighbour of the one before. Not a place, not a number: any column will do.
    left = place.nan_to_num(0.0).floor().clamp(max=max(last - 1, 0))
    right_share = place - left
    column = left.to(torch.int64)
    value, grad = torch.zeros_like(place), softmax.probabilities
    for step, share in ((0, 1.0 - right_share), (1, right_share)):
        if step > last:
            continue
        surprise = softmax.surprise(column + step)
        # From the side that loses no digits: from 0 for a small share, from 1 for a large one.
        from_zero, from_one = (-surprise).exp() - share, (1.0 - share) - softmax.complement(column + step)
        grad = grad.scatter(-1, column + step, torch.where(share < 0.5, from_zero, from_one))
        # A place without a share adds 0, not 0 · ∞.
        value = value + torch.where(share == 0.0, 0.0, share * surprise)
    return RowTerms(value.squeeze(-1), grad)


def _sum_over_classes(
    pred: Tensor,
    target: Tensor,
    class_weight: Tensor | None,
    term: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]],
) -> RowTerms:
    """Σₖ wₖ yₖ f(qₖ): ``crates/detloss/src/likelihood.rs``. ``term(q, 1 − q, −ln q)`` is f and its slope by ln q."""
    softmax = Softmax(pred)
    if _is_class(target):
        column = class_column(target, pred.shape[1])
        weight, wrong = _weight_of(column, class_weight), softmax.complement(column)
        value, slope = term(1.0 - wrong, wrong, softmax.surprise(column))
        return RowTerms((weight * value).squeeze(-1), -weight * slope * softmax.slopes(column))
    share = target if class_weight is None else target * class_weight
    wrong = (softmax.rest + (1.0 - softmax.powers)) * softmax.sum.reciprocal()
    terms = term(softmax.probabilities, wrong, softmax.ln_sum - softmax.shifted)
    # A logit of −∞ with no share adds 0, not 0 · ∞.
    values, slopes = (torch.where(share == 0.0, share, share * each) for each in terms)
    return RowTerms(values.sum(-1), slopes - softmax.powers * (slopes.sum(-1, keepdim=True) / softmax.sum))


_NEAR = 0.25
"""Where the series of `_excess` is as precise as float64."""


def _excess(x: Tensor) -> Tensor:
    """e^−x − 1 + x for a small x, where the difference would cancel."""
    # Horner, from the inside out: x²/2 (1 − x/3 (1 − x/4 (…))).
    series = torch.ones_like(x)
    for order in range(13, 2, -1):
        series = 1.0 - series * x / order
    return x * x * series * 0.5


def _is_class(target: Tensor) -> bool:
    return not target.is_floating_point()


def _weight_of(column: Tensor, class_weight: Tensor | None) -> Tensor | float:
    return 1.0 if class_weight is None else class_weight[column]
