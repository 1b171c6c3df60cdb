"""The text that all kernels have alike, and how text becomes a kernel.

Every program takes some tiles of units, one after the other; the last one to finish adds up what all have left, in their order. So the
bits of a sum depend on the length alone, and nothing waits for anything.
"""

from __future__ import annotations

import linecache
from typing import Any

import triton
import triton.language as tl

from detloss._spec import LEFT_OUT, MAX_LABEL, Operand
from detloss.torch._text import kernel_name
from detloss.torch._triton import operations

VERSION = tuple(map(int, triton.__version__.split(".")[:2]))
"""That of Triton, as PyTorch's own wheels bring it: 3.2 with PyTorch 2.6, 3.9 with 2.15."""

FACTOR = '''    if F == tl.float64:
        factor = ((scale.to(tl.int64) << 32) | (scale_low.to(tl.int64) & 0xFFFFFFFF)).to(F, bitcast=True)
    else:
        factor = scale.to(F, bitcast=True)
    if divisor is not None:
        count = tl.load(divisor).to(F)
        factor = factor / tl.where(count == 0.0, 1.0, count)'''
"""What a loss is multiplied with. ``scale`` has the bits of a number, in double precision half of them; a divisor is one on the device."""

FRAME = '''
@triton.jit(do_not_specialize=["lots", "tiles", "ignore", "scale", "scale_low"])
def {name}(
    pred, target, weight, class_weight, divisor, mean, value, grad, partials, counter, lots, tiles, ignore, scale, scale_low,
    F: tl.constexpr, SUM: tl.constexpr, TINY: tl.constexpr, HUGE: tl.constexpr, INDEX: tl.constexpr, STRIDE: tl.constexpr,
    COLUMNS: tl.constexpr, CLASSES: tl.constexpr, PER_ROW: tl.constexpr, LOT: tl.constexpr, MASS: tl.constexpr,
    TILE: tl.constexpr, PROGRAMS: tl.constexpr,
):
{factor}
    units = lots.to(INDEX) * LOT
    first = tl.program_id(0).to(INDEX) * tiles * TILE
    lost = tl.zeros({shape}, F)
    mass = tl.zeros({shape}, F)
    for tile in range(tiles):
        unit = first + tile * TILE + {places}
        inside = unit < units
        counts = inside
{load}
        importance = tl.full({shape}, 1.0, F)
        if weight is not None:
            importance = importance * tl.load(weight + (row if PER_ROW else unit), mask=inside, other=0.0).to(F)
{weigh}
        importance = tl.where(counts, importance, 0.0)
{lines}
        loss = tl.where(counts, {value} * importance, 0.0)
        if partials is None:
            tl.store(value + unit, (loss * factor).to(value.dtype.element_ty), mask=inside)
        else:
            lost += loss
            if MASS:
                mass += {mass}
{store}
    if partials is not None:
        program = tl.program_id(0)
        tl.store(partials + program, tl.sum(tl.reshape(lost, [TILE]), 0))
        if MASS:
            tl.store(partials + PROGRAMS + program, tl.sum(tl.reshape(mass, [TILE]), 0))
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
divisible by 16."""


def text(
    loss: str, shape: str, places: str, load: list[str], weigh: list[str], lines: list[str], value: str, mass: str, store: list[str]
) -> tuple[str, str]:
    """The name of a kernel, in profiles that of its loss, and its text.

    ``shape`` and ``places``: of a tile, and of its units in it. ``load``: lines that load a prediction and its target, and say in
    ``counts`` what is left out; ``weigh``: lines that change the ``importance`` of a unit. ``lines`` compute the loss, which is ``value``.
    ``mass``: what a unit is in the sum of the weights. ``store``: lines that store the gradient.
    """
    name = kernel_name(loss)
    parts = {"load": load, "weigh": weigh, "lines": lines, "store": store}
    indented = {part: "\n".join(" " * 8 + line for line in of_part) for part, of_part in parts.items()}
    return name, FRAME.format(name=name, shape=shape, places=places, value=value, mass=mass, factor=FACTOR, **indented)


def build(name: str, text: str, what: tuple[object, ...]) -> Any:
    """The kernel of this name in this text; ``what`` it is of tells it from all others."""
    # Where Triton, and who shows a traceback, look for the text.
    place = f"<detloss {' '.join(map(str, what))}>"
    linecache.cache[place] = (len(text), None, text.splitlines(keepends=True), place)
    names = vars(operations) | {"triton": triton, "tl": tl, "__name__": "detloss.torch._triton"}
    exec(compile(text, place, "exec"), names)
    return names[name]


def label_is_known(label: str, kind: Operand) -> str:
    """Whether a label is one, or left out where it may be."""
    is_known = f"(({label} >= 0.0) & ({label} <= {MAX_LABEL!r}))"
    return f"({is_known} | ({label} == {LEFT_OUT!r}))" if kind.can_be_left_out else is_known
