"""Losses of rows of logits: ``crates/detloss/src/losses/rows``."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from detloss.torch._operations.base import Params, RowTerms, power, row_loss, zeroed
from detloss.torch._operations.softmax import Softmax, class_column
from detloss.torch._scalar import clamp_finite, safe_div


@row_loss("softmax_ce")
def softmax_ce(pred: Tensor, target: Tensor, class_weight: Tensor | None, params: Params) -> RowTerms:
    softmax, columns, smoothing = Softmax(pred), pred.shape[1], params["smoothing"]
    if _is_class(target) and smoothing == 0.0:
        at = softmax.at(class_column(target, columns))
        value, grad = at.surprise, softmax.slopes(at)
        if class_weight is not None:
            weight = class_weight[at.column]
            value, grad = _of_share(weight, value, -at.less), grad * weight
        return RowTerms(value.squeeze(-1), grad)
    if _is_class(target):
        share = torch.full_like(pred, smoothing / columns)
        share = share.scatter(-1, class_column(target, columns), smoothing / columns + (1.0 - smoothing))
    else:
        share = target if smoothing == 0.0 else target * (1.0 - smoothing) + smoothing / columns
    if class_weight is not None:
        share = _weighted(share, class_weight)
    mass = share.sum(-1, keepdim=True)
    # A logit of −∞ with no share adds 0, not 0 · ∞.
    below = torch.where(share == 0.0, share, share * softmax.shifted).sum(-1, keepdim=True)
    return RowTerms((mass * softmax.ln_sum - below).squeeze(-1), softmax.powers * (mass / softmax.sum) - share)


@row_loss("softmax_focal")
def softmax_focal(pred: Tensor, target: Tensor, class_weight: Tensor | None, params: Params) -> RowTerms:
    gamma, alpha = params["gamma"], params["alpha"]

    def term(likelihood: Tensor, wrong: Tensor, surprise: Tensor) -> tuple[Tensor, Tensor]:
        focus = power(wrong, gamma) if alpha == 1.0 else power(wrong, gamma) * alpha
        # Of a class that its logit excludes 0, not 0 · ∞.
        spread = likelihood * clamp_finite(surprise)
        return focus * surprise, torch.addcmul(focus, focus, safe_div(spread, wrong), value=gamma)

    return _sum_over_classes(pred, target, class_weight, term)


@row_loss("poly1_ce")
def poly1_ce(pred: Tensor, target: Tensor, class_weight: Tensor | None, params: Params) -> RowTerms:
    epsilon = params["epsilon"]

    def term(likelihood: Tensor, wrong: Tensor, surprise: Tensor) -> tuple[Tensor, Tensor]:
        return torch.add(surprise, wrong, alpha=epsilon), likelihood * epsilon + 1.0

    return _sum_over_classes(pred, target, class_weight, term)


@row_loss("softmax_kl")
def softmax_kl(pred: Tensor, target: Tensor, class_weight: Tensor | None, params: Params) -> RowTerms:
    temperature = params["temperature"]
    mine, theirs = Softmax(pred, temperature), Softmax(target, temperature)
    q, p = mine.probabilities, theirs.probabilities
    apart = q - p
    gap = (theirs.shifted - mine.shifted) + (mine.ln_sum - theirs.ln_sum)
    # p ln(p / q) + q − p: the same sum, of terms that are never negative.
    terms = torch.where(gap.abs() < _NEAR, p * _excess(gap), torch.addcmul(apart, p, gap))
    # A class that the teacher excludes adds q, not 0 · ∞.
    values = torch.where(p == 0.0, q, terms).sum(-1)
    if temperature == 1.0:
        return RowTerms(values, apart)
    return RowTerms(values * (temperature * temperature), apart * temperature)


@row_loss("distribution_focal")
def distribution_focal(pred: Tensor, target: Tensor, class_weight: Tensor | None, params: Params) -> RowTerms:
    softmax, last = Softmax(pred), pred.shape[1] - 1
    place = target.to(pred.dtype).clamp(0.0, last).unsqueeze(-1)
    # The last place is the right neighbour of the one before. Not a place, not a number: any column will do.
    left = place.nan_to_num(0.0).floor().clamp(max=max(last - 1, 0))
    share, column = place - left, left.to(torch.int64)
    share = torch.cat((1.0 - share, share), -1)[:, : last + 1]
    at = softmax.at(torch.cat((column, column + 1), -1)[:, : last + 1])
    # From the side that loses no digits: from 0 for a small share, from 1 for a large one.
    from_zero, from_one = (-at.surprise).exp() - share, (1.0 - share) + at.less
    grad = softmax.probabilities.scatter(-1, at.column, torch.where(share < 0.5, from_zero, from_one))
    # A place without a share adds 0, not 0 · ∞.
    return RowTerms(zeroed(share * at.surprise, share == 0.0).sum(-1), grad)


def _sum_over_classes(
    pred: Tensor,
    target: Tensor,
    class_weight: Tensor | None,
    term: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]],
) -> RowTerms:
    """Σₖ wₖ yₖ f(qₖ): ``crates/detloss/src/likelihood.rs``. ``term(q, 1 − q, −ln q)`` is f and its slope by −ln q."""
    softmax = Softmax(pred)
    if _is_class(target):
        at = softmax.at(class_column(target, pred.shape[1]))
        value, slope = term(at.less + 1.0, -at.less, at.surprise)
        if class_weight is not None:
            weight = class_weight[at.column]
            value, slope = _of_share(weight, value, -at.less), slope * weight
        return RowTerms(value.squeeze(-1), slope * softmax.slopes(at))
    share = target if class_weight is None else _weighted(target, class_weight)
    wrong = (softmax.rest + (1.0 - softmax.powers)) / softmax.sum
    terms = term(softmax.probabilities, wrong, softmax.ln_sum - softmax.shifted)
    values, slopes = (_of_share(share, each, wrong) for each in terms)
    return RowTerms(values.sum(-1), torch.addcmul(-slopes, softmax.powers, slopes.sum(-1, keepdim=True) / softmax.sum))


def _weighted(share: Tensor, weight: Tensor) -> Tensor:
    """The share of a class times its weight. A class without a share may weigh infinity, as 1 over a frequency of 0 does."""
    return torch.where(share == 0.0, share, share * weight)


def _of_share(share: Tensor, term: Tensor, wrong: Tensor) -> Tensor:
    """A term as far as it is asked for. A logit of −∞ with no share adds 0, not 0 · ∞; but NaN comes out again, which is in 1 − q too."""
    return share * torch.where(share == 0.0, wrong, term)


_NEAR = 0.25
"""Where the series of `_excess` is as precise as the numbers."""


def _excess(x: Tensor) -> Tensor:
    """e^−x − 1 + x for a small x, where the difference would cancel."""
    # Horner, from the inside out: x²/2 (1 − x/3 (1 − x/4 (…))).
    highest = 13 if x.dtype == torch.float64 else 8
    series = torch.rsub(x, 1.0, alpha=1.0 / highest)
    for order in range(highest - 1, 2, -1):
        series = torch.rsub(series * x, 1.0, alpha=1.0 / order)
    return x * x * series * 0.5


def _is_class(target: Tensor) -> bool:
    return not target.is_floating_point()
