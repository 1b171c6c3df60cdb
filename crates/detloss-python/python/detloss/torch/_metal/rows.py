"""What kernels of Metal do with a row: its vectorised form, traced, as text.

A thread has a row to itself, and reads it number by number, once for every sum that needs another.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from torch.fx import Node

from detloss._spec import Spec
from detloss.torch import _graph, _rows
from detloss.torch._graph import Line, Numbers, name
from detloss.torch._metal.frame import read
from detloss.torch._metal.kernel import Given, Unit, label_is_known, number
from detloss.torch._metal.operations import ATEN
from detloss.torch._rows import Form


class _Writer(_graph.Writer):
    """Writes the operations of a graph."""

    OPERATIONS = ATEN
    TABLE = "_metal/operations.py"
    TYPES = {torch.float32: "float", torch.int64: "int", torch.bool: "bool"}

    def _converted(self, node: Node, operands: Numbers) -> Numbers:
        """With a bound that is not given at infinity."""
        if name(node) != "clamp.default":
            return operands
        of, low, high = operands
        return of, "-INFINITY" if low == "None" else low, "INFINITY" if high == "None" else high

    def _constant(self, constant: Any) -> str:
        return number(constant) if isinstance(constant, float) else repr(constant)


def unit(spec: Spec, params: tuple[float, ...], given: Given) -> Unit:
    """What is done with a row of this loss."""
    by_class = given.class_weight is not None
    form = Form(given.columns, given.classes, by_class, torch.float32, given.with_grad)
    written = _Writer(_rows.trace(spec, params, form), (("x",), ("t",), ("w",)))
    target, is_along = _target(spec, given), spec.target.is_row and not given.classes
    part = [
        f"float x = {read(f'pred[row * {given.stride} + column]', given.pred)};",
        *(target if is_along else []),
        *(["x = is_known ? x : NAN;"] if given.classes else []),
    ]
    if given.class_weight is not None:
        part.append(f"const float w = {read('class_weight[column]', given.class_weight)};")
    readings, last = _rows.readings(written, ("x", "w", *(["t"] if is_along else [])))
    lines: list[str] = []
    for reading in readings:
        lines += map(_declared, reading.once)
        if reading.sums:
            begin, more = zip(*map(_accumulated, reading.sums), strict=True)
            lines += [*chain(*begin), *_loop(given, [*part, *map(_declared, reading.along), *more])]
    (value,), *slopes = written.outputs
    stored = [f"grad[row * {given.columns} + column] = counts ? {name} * slope : 0.0f;" for (name,) in slopes]
    mass = "importance"
    if given.class_weight is not None and given.classes:
        # The class of a row that does not count is not its own, and may weigh anything.
        mass = f"counts ? importance * {read('class_weight[t]', given.class_weight)} : 0.0f"
    return Unit(
        place="const INDEX row = unit;",
        load=[] if is_along else target,
        lines=lines,
        value=value,
        mass=mass,
        store=_loop(given, [*part, *map(_declared, last), *stored]) if stored else [],
    )


def _target(spec: Spec, given: Given) -> list[str]:
    """Lines that load the target of a row: a class index, a number, or one for every column, where what is no label is NaN."""
    if given.classes:
        return [
            "const long of_row = target[row];",
            f"const bool is_known = of_row >= 0 && of_row < {given.columns};",
            *(["counts = counts && of_row != sizes[2];"] if given.ignores else []),
            "const int t = is_known ? (int)of_row : 0;",
        ]
    if not spec.target.is_row:
        return [f"const float t = {read('target[row]', given.target)};"]
    lines = [f"float t = {read(f'target[row * {given.columns} + column]', given.target)};"]
    return [*lines, f"t = {label_is_known('t', spec.target)} ? t : NAN;"] if spec.target.is_probability else lines


def _declared(line: Line) -> str:
    (name,) = line.names
    return f"const {line.type} {name} = {line.text};"


def _accumulated(line: Line) -> tuple[list[str], str]:
    """A sum, or the largest, of a row: lines before it is read, and what is done with each number."""
    if len(line.names) == 1:
        (total,) = line.names
        return [f"float {total} = 0.0f;"], f"{total} += {line.text};"
    top, place = line.names
    is_larger = f"if ({line.operands[0]} > {top}) {{ {top} = {line.operands[0]}; {place} = column; }}"
    return [f"float {top} = -INFINITY;", f"int {place} = 0;"], is_larger


def _loop(given: Given, lines: list[str]) -> list[str]:
    """Lines for every number of a row."""
    return [f"for (int column = 0; column < {given.columns}; column++) {{", *(f"    {line}" for line in lines), "}"]
