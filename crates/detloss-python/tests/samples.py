"""Inputs for any loss of the list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import detloss
from detloss import Param, Spec

Array = NDArray[Any]

COLUMNS = 5


def shapes(spec: Spec, rows: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of a prediction of so many rows and of its dense target."""
    if spec.pred.is_row:
        return (rows, COLUMNS), (rows, COLUMNS) if spec.target.is_row else (rows,)
    if len(spec.pred.fields) > 1:
        wide = len(spec.target.fields) > 1
        return (rows, len(spec.pred.fields)), (rows, len(spec.target.fields)) if wide else (rows,)
    return (rows, COLUMNS), (rows, COLUMNS)


def ordinary(spec: Spec, rows: int = 23, seed: int = 0, soft: bool = False) -> tuple[Array, Array]:
    """A prediction and a dense target in float64, away from kinks. Labels are 0 and 1, or with ``soft`` anything between."""
    random = np.random.default_rng(seed)
    pred_shape, target_shape = shapes(spec, rows)
    if spec.family == "boxes":
        corner, side = random.uniform(0, 5, (2, rows, 2))
        target = np.concatenate([corner, corner + side + 1], axis=-1)
        return target + random.uniform(-1, 1, (rows, 4)), target
    if spec.pred.fields[0] == "x1":
        corner, side = random.uniform(0, 5, (2, rows, 3))
        target = np.concatenate([corner, corner + side + 1], axis=-1)
        return target + random.uniform(-1, 1, (rows, 6)), target
    if spec.pred.fields[0] == "cx":
        dimensions = len(spec.pred.fields) // 2
        center, side = random.uniform(0, 5, (2, rows, dimensions))
        angle = random.uniform(-3, 3, (rows, 1))
        target = np.concatenate([center, side + 1, angle], axis=-1)
        apart = random.uniform(-0.4, 0.4, (rows, 2 * dimensions))
        # Sides that are not nearly parallel: where those cross is no matter of float32.
        turn = random.uniform(0.1, 0.7, (rows, 1))
        return target + np.concatenate([apart, turn], axis=-1), target
    pred = random.normal(0, 2, pred_shape)
    if spec.pred.fields[-1] == "error":
        pred[:, 1] = random.uniform(0, 1, rows)
    match spec.target.fields[0]:
        case "label":
            labels = random.uniform(0, 1, target_shape)
            return pred, labels if soft else (labels > 0.7).astype(float)
        case "probability":
            powers = np.exp(random.normal(0, 1, target_shape))
            return pred, powers / powers.sum(-1, keepdims=True)
        case "class":
            return pred, random.integers(0, COLUMNS, target_shape).astype(float)
        case "position":
            return pred, random.uniform(0, COLUMNS - 1, target_shape)
        case _:
            return pred, random.normal(0, 2, target_shape)


def classes(spec: Spec, rows: int = 23, seed: int = 0) -> tuple[Array, Array]:
    """A prediction and class indices, one per row; for scores with some rows of background."""
    random = np.random.default_rng(seed)
    background = 0 if spec.pred.is_row else 1
    return ordinary(spec, rows, seed)[0], random.integers(0, COLUMNS + background, rows)


def sized(spec: Spec) -> dict[str, int]:
    """How many classes the module of a loss is told of."""
    return {"num_classes": COLUMNS} if spec.state == "per_column" else {}


def near_default(param: Param) -> float:
    """A value of a parameter that is not its default."""
    match param.kind:
        case "switch":
            return not param.default
        case "count":
            return param.default + 1
        case _:
            return min(param.high, param.default * 1.25 + 0.003)


def settings(spec: Spec) -> Iterable[dict[str, float]]:
    """Values of the parameters for which a loss may be written otherwise: without a factor, a power or a term; and of no such."""
    for param in spec.params:
        yield from ({param.name: value} for value in (0.0, 0.5, 1.0, 2.0) if param.kind == "real" and param.low <= value <= param.high)
    yield {param.name: near_default(param) for param in spec.params}


def covering(specs: Iterable[Spec], traits: Callable[[Spec], set[Any]]) -> list[Spec]:
    """Losses that together have every trait: for tests that take long, of what losses with the same traits have in common."""
    seen: set[Any] = set()
    chosen = []
    for spec in specs:
        if not traits(spec) <= seen:
            seen |= traits(spec)
            chosen.append(spec)
    return chosen


def scalar_operations(spec: Spec) -> list[str]:
    """The operations of a formula and of its gradient, one after the other; none of what is no formula."""
    return [name for name, _ in detloss._core.Loss(spec.name).trace(True)[0]] if spec.is_formula else []


def takes_classes(spec: Spec) -> bool:
    """Whether class indices will do for a target."""
    return "ignore_index" in spec.options
