"""One kernel for a loss of rows: its vectorised form, traced, as the text of what is done with a tile of whole rows.

A tile has the rows as its lines, each made as long as a power of two. What is one number for a row is a column of it. Short rows stand
upright, side by side: a thread has a row to itself, adds it up without others, and computes what is one number for it once.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from typing import Any

import torch
from torch.fx import Graph

from detloss._spec import Spec, find
from detloss.torch._operations import TRACEABLE
from detloss.torch._triton import LONGEST, frame, graph
from detloss.torch._triton.graph import Line

NUMBERS = 512
"""How many numbers a tile has, of as many rows as that takes; of a longer row a tile has one."""

SHORT = 128
"""How many bytes of a row a thread holds, with several numbers computed of each fitting into its registers."""

PART = 1 << 11
"""How many numbers of a longer row are read at a time."""


def is_short(columns: int, dtype: torch.dtype) -> bool:
    """Whether a thread has a row to itself."""
    return 1 < columns and columns * dtype.itemsize <= SHORT


def tile(columns: int, dtype: torch.dtype) -> tuple[int, int]:
    """The rows of a tile, and the warps that have it: a thread has no more numbers than fit into its registers."""
    return (128, 4) if is_short(columns, dtype) else tile_of_lines(columns)


def tile_of_lines(columns: int) -> tuple[int, int]:
    """The rows of a tile that has them as its lines, and the warps that have it."""
    if columns > LONGEST:
        return 1, 8
    line = line_of(columns)
    return max(1, NUMBERS // line), max(4, line // 512)


def line_of(columns: int) -> int:
    """How many numbers of a row are in a tile."""
    return 1 << (columns - 1).bit_length() if columns <= LONGEST else PART


def trace(
    spec: Spec, params: tuple[float, ...], columns: int, classes: bool, by_class: bool, dtype: torch.dtype, with_grad: bool
) -> Graph:
    """The operations of a loss on rows of so many columns. ``by_class``: every class has a weight."""
    named = {param.name: value for param, value in zip(spec.params, params, strict=True)}

    def terms(pred: torch.Tensor, target: torch.Tensor, class_weight: torch.Tensor) -> tuple[torch.Tensor, ...]:
        values, grad = TRACEABLE[spec.name](pred, target, class_weight if by_class else None, named)
        return (values, grad) if with_grad else (values,)

    of_target = (3, columns) if spec.target.is_row and not classes else (3,)
    like = ((3, columns), dtype), (of_target, torch.int64 if classes else dtype), ((columns,), dtype)
    return graph.trace(terms, *like)


def _target(spec: Spec, classes: bool, place: str) -> list[str]:
    """Lines that load the target of each row: a class index, a number, or one for every column, where what is no label is NaN."""
    if classes:
        return [
            "of_row = tl.load(target + row, mask=inside, other=0).to(tl.int64)",
            "is_known = (of_row >= 0) & (of_row < COLUMNS)",
            "if ignore is not None:",
            "    counts = counts & (of_row != ignore)",
            "t = tl.where(is_known, of_row, 0).to(tl.int32)",
        ]
    if not spec.target.is_row:
        return ["t = tl.load(target + row, mask=inside, other=0.0).to(F)"]
    load = [f"t = tl.load(target + row * COLUMNS + {place}, mask=inside & in_row, other=0.0).to(F)"]
    if spec.target.is_probability:
        load.append(f't = tl.where({frame.label_is_known("t", spec.target)}, t, float("nan"))')
    return load


def passes(written: list[Line], outputs: list[str], part: list[str]) -> tuple[list[str], list[str]]:
    """Lines for a row that is read part by part, once for every sum that needs another: up to the value, and those of the gradient, which
    is in the last pass.

    ``part``: lines that load one, and the names ``x``, ``t`` and ``w`` of what is there.
    """
    sums: dict[str, int] = {}
    depth: dict[str, int] = {}
    along = {line.split(" = ")[0] for line in part}
    for line in written:
        is_sum = "in_row" in line.text
        at = max((depth.get(operand, 0) + (operand in sums) for operand in line.operands), default=0)
        for name in line.names:
            depth[name] = at
            if is_sum:
                sums[name] = at
            elif "column" in line.text or along & {*line.operands}:
                along.add(name)
    text: list[str] = []
    for at in range(max(depth.values()) + 1):
        of_pass = [line for line in written if depth[line.names[0]] == at]
        text += [str(line) for line in of_pass if not {*line.names} & (along | {*sums})]
        reduced = [line for line in of_pass if line.names[0] in sums]
        if reduced:
            begin, more, end = zip(*map(_accumulated, reduced), strict=True)
            needed = {operand for line in reduced for operand in line.operands}
            text += [*chain(*begin), *_loop(part, _needed(written, along, needed), more), *chain(*end)]
    slopes = outputs[1:]
    return text, _loop(part, _needed(written, along, {*slopes}), [_stored(slope) for slope in slopes]) if slopes else []


def _accumulated(line: Line) -> tuple[list[str], str, list[str]]:
    """A sum, or the largest, over all parts of a row: a line of a tile to begin with, what a part adds to it, and what it is at last."""
    tile = [f"{name}_of_part" for name in line.names]
    if len(tile) == 1:
        number = line.text.removeprefix("sum_of_row(").removesuffix(", in_row)")
        begin, more = [f"{tile[0]} = tl.zeros([TILE, {PART}], F)"], f"{tile[0]} += tl.where(in_row, {number}, 0.0)"
        return begin, more, [f"{line.names[0]} = tl.sum({tile[0]}, 1, keep_dims=True)"]
    top, place = tile
    begin = [f'{top} = tl.full([TILE, {PART}], float("-inf"), F)', f"{place} = tl.full([TILE, {PART}], 0, tl.int32)"]
    more = f"{top}, {place} = larger({top}, {place}, {line.operands[0]}, column, in_row)"
    return begin, more, [f"{', '.join(line.names)} = largest_of_row({top}, {place}, {place} >= 0)"]


def _needed(written: list[Line], along: set[str], names: set[str]) -> list[str]:
    """The lines of a part of a row that these names need."""
    needed, kept = set(names), []
    for line in reversed(written):
        if needed & {*line.names} & along:
            needed |= {*line.operands}
            kept.append(str(line))
    return kept[::-1]


def _loop(part: list[str], *bodies: Iterable[str]) -> list[str]:
    """Lines for every part of a row."""
    return [f"for start in range(0, COLUMNS, {PART}):", *(f"    {line}" for line in chain(part, *bodies))]


def _stored(slope: str) -> str:
    gradient = f"tl.where(counts & in_row, {slope} * (importance * factor), 0.0)"
    return f"tl.store(grad + row * COLUMNS + column, {gradient}, mask=inside & in_row)"


def source(
    spec: Spec, params: tuple[float, ...], columns: int, classes: bool, by_class: bool, dtype: torch.dtype, with_grad: bool
) -> tuple[str, str]:
    """The name of the kernel, and its text."""
    is_whole, upright = columns <= LONGEST, is_short(columns, dtype)
    rows, along = ("[None, :]", "[:, None]") if upright else ("[:, None]", "[None, :]")
    # Numbers that lie side by side for all the compiler knows it would deal out to threads side by side. The gradient may be.
    place = "tl.minimum(column, COLUMNS - 1)" if upright else "column"
    target = _target(spec, classes, place)
    is_along = spec.target.is_row and not classes
    part = [
        f"column = {'' if is_whole else 'start + '}tl.arange(0, {line_of(columns)}){along}",
        "in_row = column < COLUMNS",
        f"x = tl.load(pred + row * STRIDE + {place}, mask=inside & in_row, other=0.0).to(F)",
        *(target if is_along else []),
        *(['x = tl.where(is_known, x, float("nan"))'] if classes else []),
        *([f"w = tl.load(class_weight + {place}, mask=in_row, other=0.0).to(F)"] if by_class else []),
    ]
    load = ["row = unit", *([] if is_along else target)]
    traced = graph.Writer(trace(spec, params, columns, classes, by_class, dtype, with_grad), (("x",), ("t",), ("w",)))
    written, outputs = traced.lines, [output[0] for output in traced.outputs]
    if is_whole:
        text, store = [*part, *map(str, written)], [_stored(slope) for slope in outputs[1:]]
    else:
        text, store = passes(written, outputs, part)
    mass = "importance * tl.load(class_weight + t).to(F)" if classes and by_class else "importance"
    shape = "[1, TILE]" if upright else "[TILE, 1]"
    return frame.text(spec.name, shape, f"tl.arange(0, TILE){rows}", load, [], text, outputs[0], mass, store)


@lru_cache(maxsize=512)
def kernel(name: str, params: tuple[float, ...], columns: int, classes: bool, by_class: bool, dtype: torch.dtype, with_grad: bool) -> Any:
    """The kernel of the loss that is written so, for rows of so many columns in this precision."""
    function, text = source(find(name), params, columns, classes, by_class, dtype, with_grad)
    return frame.build(function, text, (name, params, columns, classes, by_class, dtype, with_grad))
