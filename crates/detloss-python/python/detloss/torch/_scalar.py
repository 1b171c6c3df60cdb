"""What the operations of ``detloss::scalar`` are for tensors. They keep its rules, for traced formulas and written operations alike."""

from __future__ import annotations

import torch
from torch import Tensor

MAX_MAGNITUDE = 2.0**48
"""The largest magnitude a coordinate keeps."""

DIV_EPS = 2.0**-72
"""Denominators below this count as zero."""


def clamp_finite(x: Tensor) -> Tensor:
    """Values beyond ±2⁴⁸ count as ±2⁴⁸."""
    return x.clamp(-MAX_MAGNITUDE, MAX_MAGNITUDE)


def safe_div(numerator: Tensor | float, denominator: Tensor) -> Tensor:
    """A quotient; 0 where the denominator, which is never negative, is below 2⁻⁷²."""
    is_small = denominator < DIV_EPS
    return torch.where(is_small, 0.0, numerator / torch.where(is_small, 1.0, denominator))


def exp(x: Tensor) -> Tensor:
    """eˣ, saturating; 0 where it would be subnormal."""
    power, limits = x.exp(), torch.finfo(x.dtype)
    return torch.where(power < limits.tiny, 0.0, power.clamp(max=limits.max))


def exp_m1(x: Tensor) -> Tensor:
    """eˣ − 1, saturating."""
    return x.expm1().clamp(max=torch.finfo(x.dtype).max)


def ln(x: Tensor) -> Tensor:
    """The natural logarithm, of no less than the smallest positive normal number."""
    return x.clamp(min=torch.finfo(x.dtype).tiny).log()


def softplus(x: Tensor) -> Tensor:
    """ln(1 + eˣ)."""
    return x.clamp(min=0.0) + (-x.abs()).exp().log1p()
