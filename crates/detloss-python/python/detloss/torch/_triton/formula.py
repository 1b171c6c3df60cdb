"""One kernel for a formula: loss and gradient of every unit, weights, and the sum, in one launch. Its text is the frame with the traced
formula in it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from detloss._spec import LEFT_OUT, Spec, find, loss
from detloss.torch._text import assigned
from detloss.torch._triton import frame, operations


def _load(pointer: str, name: str, fields: int, stride: str) -> list[str]:
    """Lines that load the fields of the units of a tile. Four of them come as 128 bits."""
    if fields not in (2, 4):
        return [f"{name}{k} = tl.load({pointer} + {place}, mask=inside, other=0.0).to(F)" for k, place in _places(fields, stride)]
    place = f"unit[:, None] * {stride} + tl.arange(0, {fields})[None, :]"
    lines = [f"{name} = tl.load({pointer} + {place}, mask=inside[:, None], other=0.0).to(F)"]
    if fields == 2:
        return [*lines, f"{name}0, {name}1 = tl.split({name})"]
    return [
        *lines,
        f"{name}_even, {name}_odd = tl.split(tl.reshape({name}, (TILE, 2, 2)))",
        f"{name}0, {name}2 = tl.split({name}_even)",
        f"{name}1, {name}3 = tl.split({name}_odd)",
    ]


def _places(fields: int, stride: str) -> list[tuple[int, str]]:
    """Every field of a unit, with its place."""
    return [(k, f"unit * {stride} + {k}" if fields > 1 else "unit") for k in range(fields)]


def _store(slopes: list[str]) -> list[str]:
    """Lines that store the gradient of the units of a tile, one place after the other."""
    fields = len(slopes)
    lines = ["slope = importance * factor"]
    lines += [f"d{k} = tl.where(counts, {slope} * slope, 0.0)" for k, slope in enumerate(slopes)]
    if fields not in (2, 4):
        return [*lines, *(f"tl.store(grad + {place}, d{k}, mask=inside)" for k, place in _places(fields, str(fields)))]
    joined = "tl.join(d0, d1)" if fields == 2 else "tl.reshape(tl.join(tl.join(d0, d2), tl.join(d1, d3)), (TILE, 4))"
    place = f"unit[:, None] * {fields} + tl.arange(0, {fields})[None, :]"
    return [*lines, f"tl.store(grad + {place}, {joined}, mask=inside[:, None])"]


def labels(spec: Spec) -> list[str]:
    """Lines that load the one field of a target: a class index for a whole row, where there are such, or a number for each unit.

    What is no class or no label makes its unit NaN, and what is left out does not count.
    """
    dense = _load("target", "t", 1, "1")
    if spec.target.is_probability:
        if spec.target.can_be_left_out:
            dense.append(f"counts = counts & (t0 != {LEFT_OUT!r})")
        dense.append(f'x0 = tl.where({frame.label_is_known("t0", spec.target)}, x0, float("nan"))')
    if "ignore_index" not in spec.options:
        return dense
    return [
        "if CLASSES:",
        "    of_row = tl.load(target + row, mask=inside, other=0).to(tl.int64)",
        # The number of columns is background.
        "    is_known = (of_row >= 0) & (of_row <= COLUMNS)",
        "    if ignore is not None:",
        "        counts = counts & (of_row != ignore)",
        '    x0 = tl.where(is_known, x0, float("nan"))',
        "    t0 = (of_row == column).to(F)",
        "else:",
        *(f"    {line}" for line in dense),
    ]


def source(spec: Spec, params: tuple[float, ...], with_grad: bool, at_mean: bool) -> tuple[str, str]:
    """The name of the kernel, and its text."""
    traced = loss(spec.name, params).trace(with_grad, at_mean)
    assert traced is not None, f"{spec.name} is no formula"
    fields, of_target = len(spec.pred.fields), len(spec.target.fields)
    inputs = [f"x{k}" for k in range(fields)] + [f"t{k}" for k in range(of_target)] + ["running_mean"]
    formula = assigned(traced, inputs, operations.OPERATIONS, lambda number: f"tl.full((), {number!r}, F)")
    lines = [f"{name} = {what}" for name, what in formula.assignments]
    load = _load("pred", "x", fields, "STRIDE") if fields > 1 else [
        "x0 = tl.load(pred + (unit if STRIDE == COLUMNS else row * STRIDE + column), mask=inside, other=0.0).to(F)"
    ]
    load += labels(spec) if of_target == 1 else _load("target", "t", of_target, str(of_target))
    if at_mean:
        load.append("running_mean = tl.load(mean).to(F)")
    value, *slopes = formula.outputs
    weigh = ["if class_weight is not None:", "    importance = importance * tl.load(class_weight + column).to(F)"]
    load = ["row = unit // COLUMNS", "column = unit % COLUMNS", *load]
    store = _store(slopes) if with_grad else []
    return frame.text(spec.name, "[TILE]", "tl.arange(0, TILE)", load, weigh, lines, value, "importance", store)


@lru_cache(maxsize=512)
def kernel(name: str, params: tuple[float, ...], with_grad: bool, at_mean: bool) -> Any:
    """The kernel of the loss that is written so, with these parameters."""
    function, text = source(find(name), params, with_grad, at_mean)
    return frame.build(function, text, (name, params, with_grad, at_mean))
