"""The way back: a gradient times what comes after it."""

# mypy: ignore-errors
# pyright: basic
# Triton reads the function as text of a language of its own.

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["numbers"])
def detloss_scale(slope, grad, upstream, mass, numbers, INDEX: tl.constexpr, IN_PLACE: tl.constexpr, TILE: tl.constexpr):
    """``slope`` becomes ``grad`` times ``upstream``, divided by ``mass`` if there is one; in place nothing is done if that is 1."""
    factor = tl.load(upstream).to(grad.dtype.element_ty)
    if mass is not None:
        factor = factor / tl.load(mass)
    if (not IN_PLACE) | (factor != 1.0):
        place = tl.program_id(0).to(INDEX) * TILE + tl.arange(0, TILE)
        inside = place < numbers
        scaled = tl.load(grad + place, mask=inside) * factor
        tl.store(slope + place, scaled.to(slope.dtype.element_ty), mask=inside)
