"""One kernel for a loss of rows: its vectorised form, traced, as the text of what is done with a tile of whole rows.

A tile has the rows as its lines, each made as long as a power of two. What is one number for a row is a column of it. Of short rows a thread
has one to itself, adds it up without others, and computes what is one number for it once.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from typing import Any

import torch

from detloss._spec import Spec, find
from detloss.torch import _rows
from detloss.torch._graph import Line
from detloss.torch._rows import Form
from detloss.torch._triton import LONGEST, frame
from detloss.torch._triton.writer import Writer

NUMBERS = 512
"""How many numbers a tile has, of as many rows as that takes; of a longer row a tile has one."""

SHORT = 128
"""How many bytes of a row a thread holds, with several numbers computed of each fitting into its registers."""

UPRIGHT = frame.VERSION >= (3, 7)
"""Whether rows that threads have to themselves stand upright in their tile, side by side. Threads are dealt out along the axis on which
numbers lie side by side; if on none, along the last one, and before Triton 3.7 along the first."""

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


def _in_parts(written: Writer, part: list[str]) -> tuple[list[str], list[str]]:
    """Lines for a row that is read part by part, once for every sum that needs another: up to the value, and those of the gradient, which
    is in the last reading. ``part``: lines that load one."""
    readings, last = _rows.readings(written, {line.split(" = ")[0] for line in part})
    text: list[str] = []
    for reading in readings:
        text += map(str, reading.once)
        if reading.sums:
            begin, more, end = zip(*map(_accumulated, reading.sums), strict=True)
            text += [*chain(*begin), *_loop(part, map(str, reading.along), more), *chain(*end)]
    slopes = [slope for output in written.outputs[1:] for slope in output]
    return text, _loop(part, map(str, last), map(_stored, slopes)) if slopes else []


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


def _loop(part: list[str], *bodies: Iterable[str]) -> list[str]:
    """Lines for every part of a row."""
    return [f"for start in range(0, COLUMNS, {PART}):", *(f"    {line}" for line in chain(part, *bodies))]


def _stored(slope: str) -> str:
    gradient = f"tl.where(counts & in_row, {slope} * (importance * factor), 0.0)"
    return f"tl.store(grad + row * COLUMNS + column, {gradient}, mask=inside & in_row)"


def source(spec: Spec, params: tuple[float, ...], of: Form) -> tuple[str, str]:
    """The name of the kernel, and its text."""
    is_whole, short = of.columns <= LONGEST, is_short(of.columns, of.dtype)
    upright = short and UPRIGHT
    rows, along = ("[None, :]", "[:, None]") if upright else ("[:, None]", "[None, :]")
    # Numbers that lie side by side for all the compiler knows it would deal out to threads side by side. The gradient may be.
    place = "tl.minimum(column, COLUMNS - 1)" if short else "column"
    target = _target(spec, of.classes, place)
    is_along = spec.target.is_row and not of.classes
    part = [
        f"column = {'' if is_whole else 'start + '}tl.arange(0, {line_of(of.columns)}){along}",
        "in_row = column < COLUMNS",
        f"x = tl.load(pred + row * STRIDE + {place}, mask=inside & in_row, other=0.0).to(F)",
        *(target if is_along else []),
        *(['x = tl.where(is_known, x, float("nan"))'] if of.classes else []),
        *([f"w = tl.load(class_weight + {place}, mask=in_row, other=0.0).to(F)"] if of.by_class else []),
    ]
    load = ["row = unit", *([] if is_along else target)]
    written = Writer(_rows.trace(spec, params, of), (("x",), ("t",), ("w",)))
    (value,), *slopes = written.outputs
    if is_whole:
        text, store = [*part, *map(str, written.lines)], [_stored(slope) for (slope,) in slopes]
    else:
        text, store = _in_parts(written, part)
    # The class of a row that does not count is not its own, and may weigh anything.
    of_class = "importance * tl.load(class_weight + t, mask=counts, other=0.0).to(F)"
    mass = of_class if of.classes and of.by_class else "importance"
    shape = "[1, TILE]" if upright else "[TILE, 1]"
    return frame.text(spec.name, shape, f"tl.arange(0, TILE){rows}", load, [], text, value, mass, store)


@lru_cache(maxsize=512)
def kernel(name: str, params: tuple[float, ...], of: Form) -> Any:
    """The kernel of the loss that is written so."""
    function, text = source(find(name), params, of)
    return frame.build(function, text, (name, params, of))
