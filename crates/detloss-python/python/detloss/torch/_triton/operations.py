"""What operations are in Triton, those of ``detloss::scalar::expr`` and those of PyTorch: the text of each, and the functions that it
calls.

Single precision comes out the same on all devices up to the last bit or so. ``tl.exp``, ``tl.log`` and the like are not used: near 1
these approximations have an absolute error.
"""

# mypy: ignore-errors
# pyright: basic, reportOperatorIssue=false, reportArgumentType=false, reportOptionalOperand=false, reportAttributeAccessIssue=false
# pyright: reportAssignmentType=false
# Triton reads the functions as text of a language of its own.

from __future__ import annotations

import triton
import triton.language as tl
from triton.language.extra import libdevice

OPERATIONS: dict[str, str] = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "mul_add": "tl.fma({0}, {1}, {2})",
    "neg": "-{0}",
    "safe_div": "safe_div({0}, {1})",
    "recip": "1.0 / {0}",
    "if_lt": "tl.where({0} < {1}, {2}, {3})",
    "min": "least({0}, {1})",
    "max": "largest({0}, {1})",
    "abs": "tl.abs({0})",
    "clamp_finite": "clamp_finite({0})",
    "sqrt": "sqrt({0})",
    "exp": "exp({0}, TINY, HUGE)",
    "exp_m1": "least(libdevice.expm1({0}), HUGE)",
    "ln": "libdevice.log(largest({0}, TINY))",
    "ln_1p": "libdevice.log1p({0})",
    "atan2": "atan2({0}, {1})",
    "sin": "sin({0})",
    "cos": "cos({0})",
    "atan": "libdevice.atan({0})",
    "sigmoid": "sigmoid({0})",
    "softplus": "softplus({0})",
}
"""A line for each; {0}, {1} and so on are the operands, TINY and HUGE the limits of the precision that is computed in."""

ATEN: dict[str, str] = {
    "abs.default": "tl.abs({0})",
    "add.Tensor": "{0} + {1} * {2}",
    "addcmul.default": "{0} + {1} * {2} * {3}",
    "any.default": "{0} > 0.0",
    "any.dim": "{0} > 0.0",
    "argmax.default": "place_of_largest({0}, column, in_row)",
    "bitwise_and.Tensor": "{0} & {1}",
    "bitwise_not.default": "{0} == 0",
    "clamp.default": "clamp({0}, {1}, {2})",
    "div.Tensor": "{0} / {1}",
    "eq.Scalar": "{0} == {1}",
    "eq.Tensor": "{0} == {1}",
    "exp.default": "libdevice.exp({0})",
    "expm1.default": "libdevice.expm1({0})",
    "floor.default": "tl.floor({0})",
    "full_like.default": "tl.full((), {1}, {T})",
    "gather.default": "sum_of_row(tl.where(column == {2}, {0}, 0.0), in_row)",
    "gt.Scalar": "{0} > {1}",
    "index.Tensor": "sum_of_row(tl.where(column == {1}, {0}, 0.0), in_row)",
    "isnan.default": "{0} != {0}",
    "log.default": "libdevice.log({0})",
    "log1p.default": "libdevice.log1p({0})",
    "lt.Scalar": "{0} < {1}",
    "masked_fill_.Scalar": "tl.where({1}, {2}, {0})",
    "max.dim": "largest_of_row({0}, column, in_row)",
    "mul.Tensor": "{0} * {1}",
    "nan_to_num.default": "tl.where({0} == {0}, {0}, {1})",
    "neg.default": "-{0}",
    "new_full.default": "tl.full((), {2}, {T})",
    "new_zeros.default": "tl.full((), 0, {T})",
    "ones_like.default": "tl.full((), 1, {T})",
    "pow.Tensor_Scalar": "power({0}, {1})",
    "reciprocal.default": "1.0 / {0}",
    "rsub.Scalar": "{1} - {2} * {0}",
    "scalar_tensor.default": "tl.full((), {0}, {T})",
    "scatter.src": "tl.where(column == {2}, {3}, {0})",
    "scatter.value": "tl.where(column == {2}, {3}, {0})",
    "sigmoid.default": "sigmoid({0})",
    "softplus.default": "softplus({0})",
    "sqrt.default": "sqrt({0})",
    "sub.Tensor": "{0} - {1} * {2}",
    "sum.dim_IntList": "sum_of_row({0}, in_row)",
    "where.self": "tl.where({0}, {1}, {2})",
    "zeros_like.default": "tl.full((), 0, {T})",
    "_to_copy.default": "({0}).to({1})",
}
"""A line for each operation on rows and sets; {0}, {1} and so on are its arguments, as PyTorch has them, with their defaults, and {T} is the
type of what comes out. Rows are lines of a tile or stand upright in it, and ``column`` is the place in them: beyond ``in_row`` they may
hold anything. A text with ``in_row`` is a sum over a row, or its largest."""


@triton.jit
def least(a, b):
    return tl.minimum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def largest(a, b):
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def sum_of_row(x, in_row):
    # A row lies as its columns do.
    AXIS: tl.constexpr = 1 if in_row.shape[0] == 1 else 0
    return tl.sum(tl.where(in_row, x, 0.0), AXIS, keep_dims=True)


@triton.jit
def largest_of_row(x, column, in_row):
    AXIS: tl.constexpr = 1 if in_row.shape[0] == 1 else 0
    # One that is no number makes no difference: a softmax finds it in its place.
    top = tl.max(tl.where(in_row, x, float("-inf")), AXIS, keep_dims=True)
    return top, tl.min(tl.where(in_row & (x == top), column, 2147483647), AXIS, keep_dims=True)


@triton.jit
def place_of_largest(x, column, in_row):
    _, place = largest_of_row(x, column, in_row)
    return place


@triton.jit
def larger(top, place, x, column, in_row):
    is_larger = in_row & (x > top)
    return tl.where(is_larger, x, top), tl.where(is_larger, column, place)


@triton.jit
def sum_of_line(x, in_line, T: tl.constexpr):
    return tl.sum(tl.ravel(tl.where(in_line, x.to(T), 0.0)), 0)


@triton.jit
def release(parts, numbers):
    """Makes every thread that has stored these numbers say so for itself. On AMD one that speaks for its program, after a barrier, does not
    speak for other warps."""
    # Of whole numbers, which AMD has an exchange of; they stay what they are.
    BITS: tl.constexpr = tl.int64 if parts.dtype.element_ty == tl.float64 else tl.int32
    same = numbers.to(parts.dtype.element_ty).to(BITS, bitcast=True)
    tl.atomic_xchg(parts.to(tl.pointer_type(BITS), bitcast=True), same, sem="release")


@triton.jit
def sum_of_parts(parts, programs, PROGRAMS: tl.constexpr, T: tl.constexpr):
    """The sum of what programs have left, one number each, in their order."""
    part = tl.arange(0, PROGRAMS)
    return tl.sum(tl.load(parts + part, mask=part < programs, other=0.0, cache_modifier=".cg").to(T), 0)


@triton.jit
def largest_of_parts(parts, programs, PROGRAMS: tl.constexpr, T: tl.constexpr):
    part = tl.arange(0, PROGRAMS)
    most = tl.load(parts + part, mask=part < programs, other=float("-inf"), cache_modifier=".cg")
    return tl.reduce(most, 0, largest).to(T)


@triton.jit
def sum_of_lines(parts, programs, LINE: tl.constexpr, T: tl.constexpr):
    """The sum of what programs have left, a line each, in their order."""
    # As many at a time as fit into the registers of 512 threads beside all else.
    LINES: tl.constexpr = 4096 // LINE // (1 + LINE // 2048)
    column = tl.arange(0, LINE)[None, :]
    sums = tl.zeros([LINES, LINE], T)
    for first in range(0, programs, LINES):
        program = first + tl.arange(0, LINES)[:, None]
        sums += tl.load(parts + program * LINE + column, mask=program < programs, other=0.0, cache_modifier=".cg").to(T)
    return tl.sum(sums, 0)


@triton.jit
def clamp(x, low: tl.constexpr, high: tl.constexpr):
    if low is not None:
        x = largest(x, low)
    if high is not None:
        x = least(x, high)
    return x


@triton.jit
def power(x, exponent: tl.constexpr):
    if exponent == 2:
        return x * x
    else:
        return libdevice.pow(x, tl.full((), exponent, x.dtype))


@triton.jit
def clamp_finite(x):
    # Between opposite numbers tl.clamp is one instruction, which there is not for double precision: it fails to compile.
    if x.dtype == tl.float64:
        return least(largest(x, -281474976710656.0), 281474976710656.0)
    else:
        return tl.clamp(x, -281474976710656.0, 281474976710656.0, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def safe_div(a, b):
    # The derivatives need the reciprocal anyway; the correction makes x / x exactly 1.
    per_unit = 1.0 / b
    quotient = a * per_unit
    quotient = tl.fma(tl.fma(-quotient, b, a), per_unit, quotient)
    return tl.where(b < 2.117582368135751e-22, 0.0, quotient)


@triton.jit
def sqrt(x):
    if x.dtype == tl.float64:
        return tl.sqrt(x)
    else:
        return tl.sqrt_rn(x)


@triton.jit
def exp(x, TINY: tl.constexpr, HUGE: tl.constexpr):
    power = libdevice.exp(x)
    return tl.where(power < TINY, 0.0, least(power, HUGE))


@triton.jit
def sigmoid(x):
    small = libdevice.exp(-tl.abs(x))
    large = 1.0 / (1.0 + small)
    return tl.where(x < 0.0, small * large, large)


@triton.jit
def softplus(x):
    small = libdevice.exp(-tl.abs(x))
    if x.dtype == tl.float64:
        rest = libdevice.log1p(small)
    else:
        # ln(1 + e) = 2 artanh(e / (2 + e)): a series without a branch, as e is between 0 and 1.
        place = small / (2.0 + small)
        square = place * place
        series = tl.fma(square, 0.11619591, 0.10851641)
        series = tl.fma(square, series, 0.14296293)
        series = tl.fma(square, series, 0.19999851)
        series = tl.fma(square, series, 0.33333333)
        rest = 2.0 * tl.fma(place * square, series, place)
    return largest(x, 0.0) + rest


@triton.jit
def atan2(y, x):
    if x.dtype == tl.float64:
        return libdevice.atan2(y, x)
    else:
        across, up = tl.abs(x), tl.abs(y)
        long = largest(across, up)
        place = least(across, up) / tl.where(long == 0.0, 1.0, long)
        square = place * place
        series = tl.fma(square, -0.0024470331, 0.013750292)
        series = tl.fma(square, series, -0.036270186)
        series = tl.fma(square, series, 0.062843621)
        series = tl.fma(square, series, -0.086731717)
        series = tl.fma(square, series, 0.11037994)
        series = tl.fma(square, series, -0.14279111)
        series = tl.fma(square, series, 0.19999766)
        series = tl.fma(square, series, -0.33333331)
        angle = tl.fma(place * square, series, place)
        angle = tl.where(up > across, 1.5707963267948966 - angle, angle)
        angle = tl.where(x < 0.0, 3.141592653589793 - angle, angle)
        return tl.where(y < 0.0, -angle, angle)


@triton.jit
def sin(x):
    if x.dtype == tl.float64:
        return libdevice.sin(x)
    else:
        return _sin_of_turned(x, 0)


@triton.jit
def cos(x):
    if x.dtype == tl.float64:
        return libdevice.cos(x)
    else:
        return _sin_of_turned(x, 1)


@triton.jit
def _sin_of_turned(x, quarters: tl.constexpr):
    # libdevice's takes any angle, and a table in memory for it. This one is accurate up to 1e5, as those of the CPU are.
    # 1.5 * 2^23: adding it rounds to a whole number, which is left in the lowest bits of the sum.
    rounded = tl.fma(x, 0.6366197723675814, 12582912.0)
    n = rounded - 12582912.0
    # pi / 2 in three parts.
    r = tl.fma(n, -1.57079637050628662109375, x)
    r = tl.fma(n, 4.37113882867379114e-8, r)
    r = tl.fma(n, 1.71512451e-15, r)
    r = tl.clamp(r, -0.8, 0.8, propagate_nan=tl.PropagateNan.ALL)  # pi / 4, and what 2 / pi is rounded by, times n.
    square = r * r
    odd = tl.fma(square, tl.fma(square, -0.000195182920, 0.00833218900), -0.166666550)
    odd = tl.fma(r * square, odd, r)
    even = tl.fma(square, tl.fma(square, 2.44323200e-5, -0.00138873100), 0.0416666460)
    even = tl.fma(square * square, even, tl.fma(square, -0.5, 1.0))
    turns = rounded.to(tl.int32, bitcast=True) + quarters
    size = tl.where((turns & 1) == 0, odd, even)
    return tl.where((turns & 2) == 0, size, -size)
