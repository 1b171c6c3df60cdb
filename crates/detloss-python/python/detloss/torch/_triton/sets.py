"""Kernels for a loss of sets: its vectorised form, traced and cut at its full sums.

A pass is a launch that reads all elements. It adds up what can be added up by then; the last of its programs computes what there is once for
the set, or once for each column or bin, and leaves what later passes ask for. Nothing else is kept from pass to pass: each computes anew
what it needs of an element. The slopes are left by the first pass that can have them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor
from torch.fx import Graph

from detloss._spec import LEFT_OUT, Spec, find
from detloss.torch import _device, _graph
from detloss.torch._operations import TRACEABLE_SETS
from detloss.torch._text import kernel_name
from detloss.torch._triton import cut, formula, frame, rows
from detloss.torch._triton.cut import Form, Pass, Writer

def form(spec: Spec, columns: int, classes: bool, state: Tensor | None, with_grad: bool) -> Form:
    """What is asked of a kernel by a call."""
    has_lines = spec.pred.is_row or (state is not None and spec.state == "per_column")
    return Form(columns if has_lines else 0, classes and spec.pred.is_row, 0 if state is None else state.numel(), with_grad)


def trace(spec: Spec, params: tuple[float, ...], of: Form) -> Graph:
    """The operations of a loss on a set: in single precision, which stands for the one that is computed in, and in double precision, which
    is that of sums."""
    named = {param.name: value for param, value in zip(spec.params, params, strict=True)}

    def terms(pred: Tensor, target: Tensor, counts: Tensor, state: Tensor) -> tuple[Tensor, ...]:
        value, grad, after = TRACEABLE_SETS[spec.name](pred, target, counts, state if of.state else None, named)
        return (value, *([] if after is None else [after]), *([grad] if of.with_grad else []))

    units = (3,) if spec.pred.is_row else (3 * max(1, of.columns),)
    pred = (3, of.columns) if spec.pred.is_row else units
    of_target = torch.int64 if of.classes else torch.float32
    return _graph.trace(terms, (pred, torch.float32), (units, of_target), (units, torch.bool), ((of.state,), torch.float64))


FRAME = '''
@triton.jit(do_not_specialize=["lots", "tiles", "ignore", "scale", "scale_low"])
def {name}(
    pred, target, weight, divisor, state, value, grad, after, partials, numbers, counter, lots, tiles, ignore, scale, scale_low,
    F: tl.constexpr, SUM: tl.constexpr, INDEX: tl.constexpr, STRIDE: tl.constexpr, COLUMNS: tl.constexpr, CLASSES: tl.constexpr,
    PER_ROW: tl.constexpr, LOT: tl.constexpr, TILE: tl.constexpr, PROGRAMS: tl.constexpr,
):
{factor}
    units = lots.to(INDEX) * LOT
    first = tl.program_id(0).to(INDEX) * tiles * TILE
    program, programs = tl.program_id(0), tl.num_programs(0)
{before}
    for tile in range(tiles):
{along}
{last}
'''
"""``partials`` has a place for what each program leaves, sum by sum, and ``numbers`` one for what passes leave for each other."""

LAST = '''
    before = tl.atomic_add(counter, 1, sem="acq_rel")
    if before == programs - 1:
{after}
        tl.atomic_xchg(counter, 0)
'''


class Kernel(NamedTuple):
    """One of a loss."""

    function: Any
    parts: int
    """How many numbers a program leaves."""
    has_elements: bool
    """A tile has rows with all their numbers, not one for each row."""
    has_lines: bool
    """Some sums are of columns or bins."""


class Kernels(NamedTuple):
    """Those of a loss, one after the other."""

    passes: list[Kernel]
    numbers: int
    """How many they leave for each other."""


class Plan(NamedTuple):
    """How a pass is launched."""

    tile: int
    """How many units a program takes at once."""
    warps: int
    tiles: int
    """How many tiles it takes, one after the other."""
    programs: int


LEFT = 1 << 17
"""How many numbers the programs of a pass leave together, unless there are few programs."""


def plan(kernel: Kernel, of: Form, units: int, programs: int) -> Plan:
    """For so many units, with at most so many programs."""
    of_tile, warps = rows.tile_of_lines(of.columns) if kernel.has_elements else (rows.NUMBERS, 4)
    if kernel.has_lines:
        # Who adds up many numbers is many threads. There are as many in all: of fewer programs, so that there are fewer numbers.
        of_tile, warps = max(1, 2 * rows.NUMBERS // (rows.line_of(of.columns) if kernel.has_elements else 1)), 16
        programs = min(programs // 4, max(64, LEFT // kernel.parts))
    tiles = _device.parts(_device.parts(units, of_tile), programs)
    return Plan(of_tile, warps, tiles, _device.parts(units, of_tile * tiles))


class _Text:
    """The text of all passes of a loss."""

    def __init__(self, spec: Spec, of: Form, written: Writer) -> None:
        self.spec, self.of, self.written = spec, of, written
        self.line = rows.line_of(of.columns) if of.columns else triton.next_power_of_2(max(1, written.line))
        self.has_rows, self.is_by_row = of.columns > 0, spec.pred.is_row
        self.place, self.in_line = ("column", "in_row") if self.has_rows else ("bin", "in_line")
        self.slots: dict[str, int] = {}
        self.numbers = 0

    def kernel(self, at: int, of: Pass) -> tuple[str, str, Kernel]:
        """The name of a pass, its text, and what there is to know to launch it."""
        has_elements = self.has_rows and any(self._scope(name) == "element" for name in of.needed)
        of_unit = "[TILE, 1]" if self.has_rows else "[TILE]"
        shapes = {"unit": of_unit, "element": f"[TILE, {self.line}]"}
        masks = {"unit": "inside", "element": "inside & in_row"}
        begin = [sum_.begin(shapes, self.line) for sum_ in of.sums]
        more = [sum_.more(masks, self.line) for sum_ in of.sums]
        before = [*self._places(), *self._state(of), *map(self._given, of.given), *map(str, of.before), *begin]
        along = [*self._load("x0" in of.needed), *map(str, of.along), *more, *map(self._slope, of.slopes)]
        last, parts = self._last(of)
        name = f"{kernel_name(self.spec.name)}_{at}"
        indented = {"before": _indented(before, 1), "along": _indented(along, 2), "last": last}
        text = FRAME.format(name=name, factor=frame.FACTOR, **indented)
        return name, text, Kernel(None, parts, has_elements, any(sum_.is_line for sum_ in of.sums))

    def _scope(self, name: str) -> str:
        return self.written.kinds[name].scope if name in self.written.kinds else "set"

    def _places(self) -> list[str]:
        """Lines that say where the numbers of a line are."""
        if not self.has_rows:
            return [f"bin = tl.arange(0, {self.line})", f"in_line = bin < {self.written.line}"]
        return [f"column = tl.arange(0, {self.line})[None, :]", "in_row = column < COLUMNS", "in_line = in_row"]

    def _state(self, of: Pass) -> list[str]:
        width = self.of.columns
        states = [f"state{part}" for part in range(self.of.state // width if width else 1)]
        return [
            f"{name} = tl.load(state + {part * width} + {self.place}, mask=in_line, other=0.0).to(SUM)"
            for part, name in enumerate(states)
            if name in of.needed
        ]

    def _slot(self, name: str) -> str:
        """Where a number is left."""
        is_line = self._scope(name) == "line"
        if name not in self.slots:
            self.slots[name] = self.numbers
            self.numbers += self.line if is_line else 1
        return f"numbers + {self.slots[name]}{f' + {self.place}' if is_line else ''}"

    def _given(self, name: str) -> str:
        type_ = self.written.kinds[name].type
        number = f"tl.load({self._slot(name)})"
        return f"{name} = {number} != 0.0" if type_ == "tl.int1" else f"{name} = {number}.to({type_})"

    def _load(self, has_pred: bool) -> list[str]:
        """Lines that load a tile."""
        place = "first + tile * TILE + tl.arange(0, TILE)"
        if not self.has_rows:
            lines = [f"unit = {place}", "inside = unit < units", "row = unit // COLUMNS", "column = unit % COLUMNS"]
        elif self.is_by_row:
            lines = [f"row = ({place})[:, None]", "unit = row", "inside = row < units"]
        else:
            lines = [
                f"row = tl.broadcast_to(({place})[:, None], [TILE, {self.line}])",
                "unit = row * COLUMNS + column",
                "inside = (row < units) & in_row",
            ]
        lines += ["counts = inside", "if weight is not None:"]
        lines += ["    counts = counts & (tl.load(weight + (row if PER_ROW else unit), mask=inside, other=0) != 0)"]
        if self.is_by_row:
            pred = ["x0 = tl.load(pred + row * STRIDE + column, mask=inside & in_row, other=0.0).to(F)"]
            target = _class(self.of.classes)
        else:
            pred = ["x0 = tl.load(pred + (unit if STRIDE == COLUMNS else row * STRIDE + column), mask=inside, other=0.0).to(F)"]
            target = formula.labels(self.spec)
        is_known = ['x0 = tl.where(is_known, x0, float("nan"))'] if self.of.classes else []
        return [*lines, *(pred if has_pred or not self.is_by_row else []), *target, *(is_known if has_pred else [])]

    def _slope(self, name: str) -> str:
        if not self.is_by_row:
            return f"tl.store(grad + unit, {name} * factor, mask=inside)"
        return f"tl.store(grad + row * COLUMNS + column, {name} * factor, mask=inside & in_row)"

    def _last(self, of: Pass) -> tuple[str, int]:
        """The text of what is done with the sums, and how many numbers a program leaves."""
        if not of.sums:
            return "", 0
        stored, totals, parts = [], [], 0
        for sum_ in of.sums:
            begin, width = f"partials + {parts} * programs", self.line if sum_.is_line else 1
            of_program = f" * {self.line} + tl.arange(0, {self.line})" if sum_.is_line else ""
            stored.append(f"tl.store({begin} + program{of_program}, {sum_.of_program})")
            if sum_.is_line:
                stored.append(f"release({begin} + program{of_program}, {sum_.of_program})")
                added = f"sum_of_lines({begin}, programs, {self.line}, SUM)"
                totals.append(f"{sum_.name} = {f'tl.expand_dims({added}, 0)' if self.has_rows else added}")
            else:
                function = "largest_of_parts" if sum_.kind == "largest" else "sum_of_parts"
                totals.append(f"{sum_.name} = {function}({begin}, programs, PROGRAMS, SUM)")
            parts += width
        left = [f"tl.store({self._slot(name)}, ({name}).to(SUM))" for name in of.left]
        outputs = [self._output(name) for name in of.outputs]
        after = _indented([*totals, *map(str, of.after), *left, *outputs], 2)
        return _indented(stored, 1) + LAST.format(after=after), parts

    def _output(self, name: str) -> str:
        """The line that stores a number of the set: its value, or what is remembered."""
        (value,), *others = self.written.outputs
        if name == value:
            return f"tl.store(value, ({name}.to(F) * factor).to(value.dtype.element_ty))"
        part = others[0].index(name)
        place = f"after + {part * self.of.columns} + {self.place}"
        return f"tl.store({place}, ({name}).to(after.dtype.element_ty), mask=in_line)"


def _indented(lines: list[str], depth: int) -> str:
    return "\n".join(" " * 4 * depth + line for line in lines)


def _class(is_index: bool) -> list[str]:
    """Lines that load the class of a row. What is none is taken for the nearest one."""
    if not is_index:
        return ["t0 = tl.load(target + row, mask=inside, other=0.0).to(F)", f"counts = counts & (t0 != {LEFT_OUT!r})"]
    return [
        "of_row = tl.load(target + row, mask=inside, other=0).to(tl.int64)",
        "is_known = (of_row >= 0) & (of_row < COLUMNS)",
        "if ignore is not None:",
        "    counts = counts & (of_row != ignore)",
        "t0 = tl.minimum(tl.maximum(of_row, 0), COLUMNS - 1).to(tl.int32)",
    ]


@lru_cache(maxsize=512)
def kernels(name: str, params: tuple[float, ...], of: Form) -> Kernels:
    """Those of the loss that is written so."""
    spec = find(name)
    written = Writer(trace(spec, params, of), of, spec.pred.is_row)
    if frame.VERSION < (3, 4) and any(sum_.kind == "count" for sum_ in written.sums.values()):
        raise NotImplementedError("it counts in a histogram, which takes Triton 3.4, that of PyTorch 2.8")
    text, made = _Text(spec, of, written), []
    for at, of_pass in enumerate(cut.passes(written)):
        function, source, kernel = text.kernel(at, of_pass)
        made.append(kernel._replace(function=frame.build(function, source, (name, params, of, at))))
    return Kernels(made, text.numbers)
