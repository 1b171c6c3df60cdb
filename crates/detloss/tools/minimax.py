"""Prints the polynomial coefficients of src/scalar/lanes/math.rs (needs numpy and mpmath).

Each is the minimax polynomial of the relative error of its function, by Lawson's iteration
(least squares whose weights grow where the error is largest). The coefficients are rounded to
f32 one by one from the lowest order, and the rest fitted again, so the errors printed are those
of the f32 coefficients in exact arithmetic.
"""

import numpy as np
from mpmath import mp, mpf, atan, cos, exp, log, log1p, pi, sin, sqrt

mp.dps = 40
NODES = 2000


def lawson(basis, target, rounds=400):
    weight = np.ones(len(target))
    best, best_error = None, np.inf
    for _ in range(rounds):
        root = np.sqrt(weight)
        fit = np.linalg.lstsq(basis * root[:, None], target * root, rcond=None)[0]
        residual = np.abs(basis @ fit - target)
        if residual.max() < best_error:
            best, best_error = fit, residual.max()
        weight *= residual + 1e-3 * residual.max()
        weight /= weight.sum()
    return best


def minimax(name, degree, low, high, variable, target, scale):
    """`target(x)` by a polynomial in `variable(x)`; `scale(x)` turns its error into a relative one."""
    nodes = [(low + high) / 2 + (high - low) / 2 * cos(pi * (k + mpf(1) / 2) / NODES) for k in range(NODES)]
    powers = np.array([[float(variable(x) ** k * scale(x)) for k in range(degree + 1)] for x in nodes])
    rest = np.array([float(target(x) * scale(x)) for x in nodes])
    wanted, rounded = rest.copy(), []
    for k in range(degree + 1):
        coefficient = np.float32(lawson(powers[:, k:], rest)[0])
        rounded.append(coefficient)
        rest = rest - powers[:, k] * float(coefficient)
    error = np.abs(powers @ np.array(rounded, dtype=float) - wanted).max()
    print(f"{name}: degree {degree}, relative error 2^{np.log2(error):.2f}")
    print("    " + ", ".join(str(c) for c in rounded))


def quadratic_remainder(name, degree, low, high, function):
    """`function(x)` = f(0) + x + x^2 * polynomial(x)."""
    minimax(name, degree, low, high, lambda x: x, lambda x: (function(x) - function(mpf(0)) - x) / x**2,
            lambda x: x**2 / function(x))


quadratic_remainder("EXP", 4, -log(2) / 2, log(2) / 2, exp)
quadratic_remainder("LN", 7, sqrt(mpf(1) / 2) - 1, sqrt(mpf(2)) - 1, log1p)
quadratic_remainder("LN_1P_UNIT", 7, mpf(0), mpf(1), log1p)
minimax("ATAN", 7, mpf(0), mpf(1), lambda x: x**2, lambda x: (atan(x) - x) / x**3, lambda x: x**3 / atan(x))
minimax("SIN", 2, mpf(0), pi / 4, lambda x: x**2, lambda x: (sin(x) - x) / x**3, lambda x: x**3 / sin(x))
minimax("COS", 2, mpf(0), pi / 4, lambda x: x**2, lambda x: (cos(x) - 1 + x**2 / 2) / x**4, lambda x: x**4 / cos(x))
