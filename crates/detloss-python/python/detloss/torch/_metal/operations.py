"""What operations are in C and Metal, those of ``detloss::scalar::expr`` and those of PyTorch: the text of each, and the functions that it
calls.

All numbers are of single precision: Metal has no double one. Its own functions are asked for in their precise form, at most 6 units in
the last place away; two that it lacks are here.
"""

from __future__ import annotations

OPERATIONS: dict[str, str] = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "mul_add": "fma({0}, {1}, {2})",
    "neg": "-{0}",
    "safe_div": "safe_div({0}, {1})",
    "recip": "1.0f / {0}",
    "if_lt": "{0} < {1} ? {2} : {3}",
    "min": "least({0}, {1})",
    "max": "largest({0}, {1})",
    "abs": "fabs({0})",
    "clamp_finite": "clamp_finite({0})",
    "sqrt": "sqrt({0})",
    "exp": "saturated_exp({0})",
    "exp_m1": "exp_m1({0})",
    "ln": "log(largest({0}, LEAST_NORMAL))",
    "ln_1p": "ln_1p({0})",
    "atan2": "atan2({0}, {1} + 0.0f)",
    "sin": "sin({0})",
    "cos": "cos({0})",
    "atan": "atan({0})",
    "sigmoid": "sigmoid({0})",
    "softplus": "softplus({0})",
}
"""A line for each; {0}, {1} and so on are the operands."""

ATEN: dict[str, str] = {
    "_to_copy.default": "({1}){0}",
    "abs.default": "fabs({0})",
    "add.Tensor": "{0} + {1} * {2}",
    "addcmul.default": "{0} + {1} * {2} * {3}",
    "clamp.default": "{0} < {1} ? {1} : {0} > {2} ? {2} : {0}",
    "div.Tensor": "{0} / {1}",
    "eq.Scalar": "{0} == {1}",
    "exp.default": "exp({0})",
    "expm1.default": "exp_m1({0})",
    "floor.default": "floor({0})",
    "full_like.default": "{1}",
    "gather.default": "column == {2} ? {0} : 0.0f",
    "index.Tensor": "column == {1} ? {0} : 0.0f",
    "log1p.default": "ln_1p({0})",
    "lt.Scalar": "{0} < {1}",
    "masked_fill_.Scalar": "{1} ? {2} : {0}",
    "max.dim": "{0}",
    "mul.Tensor": "{0} * {1}",
    "nan_to_num.default": "{0} == {0} ? {0} : {1}",
    "neg.default": "-{0}",
    "ones_like.default": "1.0f",
    "pow.Tensor_Scalar": "power({0}, {1})",
    "reciprocal.default": "1.0f / {0}",
    "rsub.Scalar": "{1} - {2} * {0}",
    "scatter.src": "column == {2} ? {3} : {0}",
    "scatter.value": "column == {2} ? {3} : {0}",
    "sigmoid.default": "sigmoid({0})",
    "sub.Tensor": "{0} - {1} * {2}",
    "sum.dim_IntList": "{0}",
    "where.self": "{0} ? {1} : {2}",
}
"""A line for each operation on rows; {0}, {1} and so on are its arguments, as PyTorch has them, with their defaults, and ``column`` is the place
in a row. Of a sum over a row it is what is added up."""

FUNCTIONS = """
#define LEAST_NORMAL 0x1p-126f
#define LARGEST_FINITE 0x1.fffffep127f

// The second operand decides, so that what is no number stays none where it is the first, as it does on the CPU.
FUNCTION float least(float a, float b) {
    return b < a ? b : a;
}

FUNCTION float largest(float a, float b) {
    return a < b ? b : a;
}

FUNCTION float clamp_finite(float x) {
    return least(largest(x, -0x1p48f), 0x1p48f);
}

// The derivatives need the reciprocal anyway; the correction makes x / x exactly 1.
FUNCTION float safe_div(float a, float b) {
    const float per_unit = b < 0x1p-72f ? 0.0f : 1.0f / b;
    const float quotient = a * per_unit;
    return fma(fma(-quotient, b, a), per_unit, quotient);
}

FUNCTION float saturated_exp(float x) {
    const float power = exp(x);
    return power < LEAST_NORMAL ? 0.0f : least(power, LARGEST_FINITE);
}

// By the hyperbolic tangent of the half, which keeps all digits of small numbers.
FUNCTION float exp_m1(float x) {
    const float half_way = tanh(0.5f * x);
    return fabs(x) < 0.5f ? 2.0f * half_way / (1.0f - half_way) : least(exp(x) - 1.0f, LARGEST_FINITE);
}

// 2 artanh(s), of s from 0 to 1/3.
FUNCTION float twice_artanh(float s) {
    const float square = s * s;
    float series = fma(square, 0.11619591f, 0.10851641f);
    series = fma(square, series, 0.14296293f);
    series = fma(square, series, 0.19999851f);
    series = fma(square, series, 0.33333333f);
    return 2.0f * fma(s * square, series, s);
}

FUNCTION float ln_1p(float x) {
    x = largest(x, 0.0f);
    return x > 1.0f ? log(1.0f + x) : twice_artanh(x / (2.0f + x));
}

FUNCTION float sigmoid(float x) {
    const float small = exp(-fabs(x));
    const float large = 1.0f / (1.0f + small);
    return x < 0.0f ? small * large : large;
}

FUNCTION float softplus(float x) {
    const float small = exp(-fabs(x));
    return largest(x, 0.0f) + twice_artanh(small / (2.0f + small));
}

FUNCTION float power(float x, float exponent) {
    return exponent == 2.0f ? x * x : pow(x, exponent);
}

FUNCTION float divided(float number, float count) {
    return number / (count == 0.0f ? 1.0f : count);
}
"""
