"""One kernel for a formula: loss and gradient of every unit, weights, and the sum, in one launch.

The kernel is text, made of a frame that is the same for all and of the traced formula. Every program takes some tiles of units,
one after the other; the last one to finish adds up what all have left, in their order. So the bits of a sum depend on the length
alone, and nothing waits for anything.
"""

from __future__ import annotations

import linecache
import re
from functools import lru_cache
from typing import Any

import triton
import triton.language as tl

from detloss._spec import LEFT_OUT, MAX_LABEL, Spec, find, loss
from detloss.torch._triton import operations

FRAME = '''
@triton.jit(do_not_specialize=["lots", "tiles", "ignore", "scale", "scale_low"])
def {name}(
    pred, target, weight, class_weight, divisor, mean, value, grad, partials, counter, lots, tiles, ignore, scale, scale_low,
    F: tl.constexpr, SUM: tl.constexpr, TINY: tl.constexpr, HUGE: tl.constexpr, INDEX: tl.constexpr, STRIDE: tl.constexpr,
    COLUMNS: tl.constexpr, CLASSES: tl.constexpr, PER_ROW: tl.constexpr, LOT: tl.constexpr, MASS: tl.constexpr,
    TILE: tl.constexpr, PROGRAMS: tl.constexpr,
):
    if F == tl.float64:
        factor = ((scale.to(tl.int64) << 32) | (scale_low.to(tl.int64) & 0xFFFFFFFF)).to(F, bitcast=True)
    else:
        factor = scale.to(F, bitcast=True)
    if divisor is not None:
        count = tl.load(divisor).to(F)
        factor = factor / tl.where(count == 0.0, 1.0, count)
    units = lots.to(INDEX) * LOT
    first = tl.program_id(0).to(INDEX) * tiles * TILE
    lost = tl.zeros([TILE], F)
    mass = tl.zeros([TILE], F)
    for tile in range(tiles):
        unit = first + tile * TILE + tl.arange(0, TILE)
        inside = unit < units
        row = unit // COLUMNS
        column = unit % COLUMNS
        counts = inside
{load}
        importance = tl.full([TILE], 1.0, F)
        if weight is not None:
            importance = importance * tl.load(weight + (row if PER_ROW else unit), mask=inside, other=0.0).to(F)
        if class_weight is not None:
            importance = importance * tl.load(class_weight + column).to(F)
        importance = tl.where(counts, importance, 0.0)
{formula}
        loss = tl.where(counts, {value} * importance, 0.0)
        if partials is None:
            tl.store(value + unit, (loss * factor).to(value.dtype.element_ty), mask=inside)
        else:
            lost += loss
            if MASS:
                mass += importance
{store}
    if partials is not None:
        program = tl.program_id(0)
        tl.store(partials + program, tl.sum(lost, 0))
        if MASS:
            tl.store(partials + PROGRAMS + program, tl.sum(mass, 0))
        before = tl.atomic_add(counter, 1, sem="acq_rel")
        if before == tl.num_programs(0) - 1:
            part = tl.arange(0, PROGRAMS)
            there = part < tl.num_programs(0)
            sums = tl.load(partials + part, mask=there, other=0.0, cache_modifier=".cg")
            total = tl.sum(sums.to(SUM), 0).to(F) * factor
            if MASS:
                masses = tl.load(partials + PROGRAMS + part, mask=there, other=0.0, cache_modifier=".cg")
                whole = tl.sum(masses.to(SUM), 0).to(F)
                whole = tl.where(whole == 0.0, 1.0, whole)
                tl.store(partials + 2 * PROGRAMS, whole)
                total = total / whole
            tl.store(value, total.to(value.dtype.element_ty))
            tl.atomic_xchg(counter, 0)
'''
"""``partials`` has a place for the sum of each of at most ``PROGRAMS`` programs, and as many for the sums of their weights, if these are
asked for (``MASS``); the total of these is left at its end. There are ``LOT`` times ``lots`` units: loads are wide if that is known to be
divisible by 16. ``scale`` has the bits of a number, in double precision half of them."""


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


def _labels(spec: Spec) -> list[str]:
    """Lines that load the one field of a target: a class index for a whole row, where there are such, or a number for each unit.

    What is no class or no label makes its unit NaN, and what is left out does not count.
    """
    dense = _load("target", "t", 1, "1")
    if spec.target.is_probability:
        is_known = f"(t0 >= 0.0) & (t0 <= {MAX_LABEL!r})"
        if spec.target.can_be_left_out:
            is_known = f"({is_known}) | (t0 == {LEFT_OUT!r})"
            dense.append(f"counts = counts & (t0 != {LEFT_OUT!r})")
        dense.append(f'x0 = tl.where({is_known}, x0, float("nan"))')
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
    steps, outputs = traced
    fields, of_target = len(spec.pred.fields), len(spec.target.fields)
    inputs = [f"x{k}" for k in range(fields)] + [f"t{k}" for k in range(of_target)] + ["running_mean"]
    names: list[str] = []
    lines: list[str] = []
    for place, (operation, operands) in enumerate(steps):
        if operation == "input":
            names.append(inputs[operands[0]])
            continue
        names.append(f"v{place}")
        if operation == "const":
            lines.append(f"v{place} = tl.full((), {operands!r}, F)")
        else:
            text = operations.OPERATIONS[operation]
            lines.append(f"v{place} = {text.format(*(names[operand] for operand in operands))}")
    load = _load("pred", "x", fields, "STRIDE") if fields > 1 else [
        "x0 = tl.load(pred + (unit if STRIDE == COLUMNS else row * STRIDE + column), mask=inside, other=0.0).to(F)"
    ]
    load += _labels(spec) if of_target == 1 else _load("target", "t", of_target, str(of_target))
    if at_mean:
        load.append("running_mean = tl.load(mean).to(F)")
    value, *slopes = (names[output] for output in outputs)
    name = "detloss_" + re.sub(r"\W+", "_", spec.name).strip("_")
    store = _store(slopes) if with_grad else []
    return name, FRAME.format(name=name, load=_indented(load), formula=_indented(lines), value=value, store=_indented(store))


def _indented(lines: list[str]) -> str:
    return "\n".join(" " * 8 + line for line in lines)


@lru_cache(maxsize=512)
def kernel(name: str, params: tuple[float, ...], with_grad: bool, at_mean: bool) -> Any:
    """The kernel of the loss that is written so, with these parameters."""
    function, text = source(find(name), params, with_grad, at_mean)
    # Where Triton, and who shows a traceback, look for the text.
    place = f"<detloss {name} {params} {with_grad} {at_mean}>"
    linecache.cache[place] = (len(text), None, text.splitlines(keepends=True), place)
    names = vars(operations) | {"triton": triton, "tl": tl, "__name__": "detloss.torch._triton"}
    exec(compile(text, place, "exec"), names)
    return names[function]
