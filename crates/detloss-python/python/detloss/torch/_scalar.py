"""What the operations of ``detloss::scalar`` are for tensors. They keep its rules, for traced formulas and written operations alike."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

MAX_MAGNITUDE = 2.0**48
"""The largest magnitude a coordinate keeps."""

DIV_EPS = 2.0**-72
"""Denominators below this count as zero."""


def clamp_finite(x: Tensor) -> Tensor:
    """Values beyond ±2⁴⁸ count as ±2⁴⁸."""
    return x.clamp(-MAX_MAGNITUDE, MAX_MAGNITUDE)


def safe_div(numerator: Tensor | float, denominator: Tensor) -> Tensor:
    """A quotient; 0 where the denominator, which is never negative, is below 2⁻⁷². Not to be differentiated."""
    return (numerator / denominator).masked_fill_(denominator < DIV_EPS, 0.0)


def exp(x: Tensor) -> Tensor:
    """eˣ, saturating; 0 where it would be subnormal."""
    limits = torch.finfo(x.dtype)
    # `threshold` keeps what is above its limit: the largest subnormal.
    return functional.threshold(x.exp().clamp(max=limits.max), limits.tiny * (1.0 - limits.eps), 0.0)


def exp_m1(x: Tensor) -> Tensor:
    """eˣ − 1, saturating."""
    return x.expm1().clamp(max=torch.finfo(x.dtype).max)


def ln(x: Tensor) -> Tensor:
    """The natural logarithm, of no less than the smallest positive normal number."""
    return x.clamp(min=torch.finfo(x.dtype).tiny).log()


def softplus(x: Tensor) -> Tensor:
    """ln(1 + eˣ)."""
    # From 40 on it is x to the last digit, in float64 too.
    return functional.softplus(x, threshold=40.0)


ELEMENTARY: dict[str, Callable[..., Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "neg": torch.neg,
    "recip": torch.reciprocal,
    "min": torch.minimum,
    "max": torch.maximum,
    "abs": torch.abs,
    "clamp_finite": clamp_finite,
    "sqrt": torch.sqrt,
    "exp": exp,
    "exp_m1": exp_m1,
    "ln": ln,
    "ln_1p": torch.log1p,
    "atan2": torch.atan2,
    "sin": torch.sin,
    "cos": torch.cos,
    "atan": torch.atan,
    "sigmoid": torch.sigmoid,
    "softplus": softplus,
}
"""The operations of ``detloss::scalar::expr`` that are the same however a formula is replayed."""


def zero_or_nan(x: Tensor) -> Tensor:
    """0 where a number is 0, and NaN elsewhere."""
    # 0 ln y is 0, whatever y: also for one without a logarithm.
    result: Tensor = torch.special.xlogy(x, -1.0)
    return result
