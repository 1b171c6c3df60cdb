"""The losses of the gradient harmonizing mechanism: ``crates/detloss/src/density.rs``.

The norms of all gradients of a set, numbers of 0..=1, are counted in bins of equal width. An element counts the less,
the more elements share its bin.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from detloss.torch._operations.base import Params, SetTerms, masked_sum, negate_if_positive, set_loss, wide
from detloss.torch._scalar import clamp_finite, safe_div, softplus


class _GhmTerm(NamedTuple):
    """What a loss is of each element before any weight: the norm of its gradient, its value and its slope."""

    norm: Tensor
    value: Tensor
    slope: Tensor


def _harmonize(elements: _GhmTerm, counts: Tensor, state: Tensor | None, params: Params) -> SetTerms:
    norm, value, slope = elements
    bins = int(params["bins"] + 0.5)
    # A norm on an edge belongs to the bin above it, 1 to the last bin, and NaN to the first.
    bin_of = (norm * bins).nan_to_num(0.0).to(torch.int64).clamp(0, bins - 1)
    density = norm.new_zeros(bins, dtype=wide(norm)).scatter_add(0, bin_of, counts.to(wide(norm)))
    is_filled = density > 0.0
    sharing = is_filled.sum() if params["nonempty"] != 0.0 else bins
    if state is not None:
        # An empty bin keeps its state.
        momentum = params["momentum"]
        state = torch.where(is_filled, momentum * state + (1.0 - momentum) * density, state)
        density = torch.where(is_filled, state, density)
    weights = torch.where(is_filled, 1.0 / (density * sharing), 0.0).to(norm.dtype)[bin_of]
    return SetTerms(masked_sum(weights * value, counts), weights * slope, state)


@set_loss("ghm_c")
def ghm_c(pred: Tensor, target: Tensor, counts: Tensor, state: Tensor | None, params: Params) -> SetTerms:
    is_positive = target > 0
    wrong = negate_if_positive(is_positive, pred)
    norm = wrong.sigmoid()
    return _harmonize(_GhmTerm(norm, softplus(wrong), negate_if_positive(is_positive, norm)), counts, state, params)


@set_loss("ghm_r")
def ghm_r(pred: Tensor, target: Tensor, counts: Tensor, state: Tensor | None, params: Params) -> SetTerms:
    mu = params["mu"]
    error = clamp_finite(pred) - clamp_finite(target)
    length = (error.square() + mu * mu).sqrt()
    slope = safe_div(error, length)
    # √(d² + μ²) − μ would lose a small d.
    value = safe_div(error.square(), length + mu)
    return _harmonize(_GhmTerm(slope.abs(), value, slope), counts, state, params)
