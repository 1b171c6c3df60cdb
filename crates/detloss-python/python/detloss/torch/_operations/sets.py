"""Losses of whole sets that need no ranking: ``crates/detloss/src/losses/sets``."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from detloss.torch._operations.base import Params, SetTerms, masked_sum, negate_if_positive, set_loss, wide
from detloss.torch._operations.softmax import Softmax, class_column
from detloss.torch._scalar import clamp_finite, safe_div, softplus


@set_loss("rmse")
def rmse(pred: Tensor, target: Tensor, counts: Tensor, state: Tensor | None, params: Params) -> SetTerms:
    count = _count(pred, counts)
    error = clamp_finite(pred) - clamp_finite(target)
    root = (masked_sum(error.square(), counts) / count).sqrt()
    return SetTerms(root, error * safe_div(1.0, count * root).to(pred.dtype))


@set_loss("balanced_ce")
def balanced_ce(pred: Tensor, target: Tensor, counts: Tensor, state: Tensor | None, params: Params) -> SetTerms:
    is_positive = target > 0
    wrong = negate_if_positive(is_positive, pred)
    surprise = softplus(wrong)
    count = _count(pred, counts)
    positives, negatives = (side.sum(dtype=count.dtype) for side in (counts & is_positive, counts & ~is_positive))
    alpha = torch.where((positives > 0) & (negatives > 0), negatives / count, 0.5)
    of_positives, of_negatives = (masked_sum(surprise, counts & side) for side in (is_positive, ~is_positive))
    weight = torch.where(is_positive, alpha / count, (1.0 - alpha) / count).to(pred.dtype)
    value = (alpha * of_positives + (1.0 - alpha) * of_negatives) / count
    return SetTerms(value, negate_if_positive(is_positive, wrong.sigmoid() * weight))


@set_loss("dr")
def dr(pred: Tensor, target: Tensor, counts: Tensor, state: Tensor | None, params: Params) -> SetTerms:
    # Both classes are seen from their labels: the distance of a score is p for negatives and 1 − p for positives, and
    # the weights are e^(distance/λ) for either.
    is_positive = target > 0
    wrong = negate_if_positive(is_positive, pred)
    distance = wrong.sigmoid()
    grad, violation = torch.zeros_like(pred), pred.new_full((), params["margin"] - 1.0, dtype=wide(pred))
    sides = []
    rates = ((~is_positive, 1.0 / params["lambda_neg"]), (is_positive, 1.0 / params["lambda_pos"]))
    for side, rate in rates:
        side = side & counts
        worst = torch.where(side, distance, 0.0).amax()
        power = torch.where(side, ((distance - worst) * rate).exp(), 0.0)
        total = power.sum(dtype=wide(pred))
        # P⁻, and 1 − P⁺.
        expected = safe_div((power * distance).sum(dtype=wide(pred)), total)
        violation = violation + expected
        bend = rate if params["detach"] == 0.0 else 0.0
        sides.append((side, power, total, expected, bend))
    sharpness, tau = params["sharpness"], params["tau"]
    violation = sharpness * violation
    pull = tau * violation.sigmoid()
    for side, power, total, expected, bend in sides:
        bent = (distance - expected.to(pred.dtype)) * bend + 1.0
        slope = power * safe_div(pull, total).to(pred.dtype) * bent * distance * (-wrong).sigmoid()
        grad = torch.where(side, slope, grad)
    return SetTerms(tau * softplus(violation) / sharpness, negate_if_positive(is_positive, grad))


_LEAST = 0.01
"""The least probability that Seesaw compares another one with."""


@set_loss("seesaw")
def seesaw(pred: Tensor, target: Tensor, counts: Tensor, state: Tensor | None, params: Params) -> SetTerms:
    columns, softmax = pred.shape[1], Softmax(pred)
    column = class_column(target, columns)
    of_set = pred.new_zeros(columns, dtype=wide(pred)).scatter_add(0, column.squeeze(-1), counts.to(wide(pred)))
    seen = of_set if state is None else state + of_set
    ln_seen = seen.clamp(min=1.0).log().to(pred.dtype)
    ln_q = softmax.shifted - softmax.ln_sum
    own = ln_q.gather(-1, column).clamp(min=log(_LEAST))
    rarer = (ln_seen - ln_seen[column]).clamp(max=0.0)
    preferred = (ln_q - own).clamp(min=0.0)
    adjusted = Softmax(softmax.shifted + (rarer * params["p"] + preferred * params["q"]))
    at, count = adjusted.at(column), _count(pred, counts)
    value = masked_sum(at.surprise.squeeze(-1), counts) / count
    return SetTerms(value, adjusted.slopes(at) / count.to(pred.dtype), None if state is None else seen)


_LEAST_PUSH = 1e-10
"""What EQL v2 adds to the gradients of the negatives of a class, by which it divides. Gradients that come to no more are none."""


@set_loss("eqlv2")
def eqlv2(pred: Tensor, target: Tensor, counts: Tensor, state: Tensor | None, params: Params) -> SetTerms:
    columns = pred.shape[1]
    is_class = class_column(target, columns) == torch.arange(columns, device=pred.device)
    wrong = negate_if_positive(is_class, pred)
    norm = wrong.sigmoid()
    # Column by column: the positives, then the negatives.
    sides = torch.stack((is_class, ~is_class)) & counts.unsqueeze(-1)
    losses, norms = (torch.where(sides, each, 0.0).sum(1, dtype=wide(pred)) for each in (softplus(wrong), norm))
    weights = torch.ones_like(norms)
    before = torch.zeros_like(norms) if state is None else state.reshape(2, columns)
    if state is not None:
        pulled, pushed = before
        above = params["gamma"] * (pulled / (pushed + _LEAST_PUSH) - params["mu"])
        is_balanced = pulled + pushed > _LEAST_PUSH
        if params["background"] != 0.0:
            is_balanced = is_balanced & (torch.arange(columns, device=pred.device) < columns - 1)
        balanced = torch.stack((1.0 + params["alpha"] * (-above).sigmoid(), above.sigmoid()))
        weights = torch.where(is_balanced, balanced, weights)
    count = _count(pred, counts)
    value = (weights * losses).sum() / count
    of_positives, of_negatives = (weights / count).to(pred.dtype)
    weight = torch.where(is_class, of_positives, of_negatives)
    grad = negate_if_positive(is_class, norm * weight)
    if state is None:
        return SetTerms(value, grad)
    # A NaN is not remembered.
    after = torch.where(value.isnan(), before, before + weights * norms)
    return SetTerms(value, grad, after.reshape(-1))


@set_loss("efl")
def efl(pred: Tensor, target: Tensor, counts: Tensor, state: Tensor | None, params: Params) -> SetTerms:
    gamma, alpha = params["gamma"], params["alpha"]
    is_positive = target > 0
    # Column by column; without a state all are alike.
    sides = torch.stack((is_positive, ~is_positive)) & counts
    gammas: Tensor | float = gamma
    before = None if state is None else state.reshape(2, -1)
    if before is not None:
        pulled, pushed = before
        ratio = torch.where(pulled + pushed > _LEAST_PUSH, (pulled / (pushed + _LEAST_PUSH)).clamp(max=1.0), 1.0)
        per_column = (gamma + params["scale"] * (1.0 - ratio)).to(pred.dtype)
        gammas = per_column.expand(pred.shape[0] // before.shape[1], -1).reshape(-1)
    wrong = negate_if_positive(is_positive, pred)
    surprise, norm = softplus(wrong), wrong.sigmoid()
    of_positive, of_negative = (1.0, 1.0) if alpha < 0.0 else (alpha, 1.0 - alpha)
    weight = torch.where(is_positive, pred.new_full((), of_positive), pred.new_full((), of_negative))
    focus = (-gammas * softplus(-wrong)).exp() * weight * (gammas / gamma)
    slope = focus * (gammas * (-wrong).sigmoid() * surprise + norm)
    share = 1.0 / sides[0].sum().clamp(min=1).to(wide(pred))
    value = masked_sum(focus * surprise, counts) * share
    grad = negate_if_positive(is_positive, slope * share.to(pred.dtype))
    if before is None:
        return SetTerms(value, grad)
    norms = torch.where(sides, slope, 0.0).reshape(2, -1, before.shape[1]).sum(1, dtype=wide(pred)) * share
    # A NaN is not remembered.
    return SetTerms(value, grad, torch.where(value.isnan(), before, before + norms).reshape(-1))


def _count(pred: Tensor, counts: Tensor) -> Tensor:
    """How many elements count, at least 1."""
    return counts.sum(dtype=wide(pred)).clamp(min=1.0)
