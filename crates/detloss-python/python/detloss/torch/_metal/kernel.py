"""What kernels of Metal are made for, and their text but for that of the loss itself: the frame of a launch, sums, and the way back."""

from __future__ import annotations

import ctypes
from math import isfinite, isnan
from typing import NamedTuple

import torch

from detloss._spec import LEFT_OUT, MAX_LABEL, Operand, Spec
from detloss.torch._metal import frame
from detloss.torch._metal.frame import GROUPS, arguments, read, written
from detloss.torch._text import kernel_name


class Given(NamedTuple):
    """What a kernel is compiled for, besides its loss. A training run has the same all along."""

    pred: torch.dtype
    target: torch.dtype
    weight: torch.dtype | None
    class_weight: torch.dtype | None
    divisor: torch.dtype | None
    mean: torch.dtype | None
    value: torch.dtype
    with_grad: bool
    is_whole: bool
    """Whether every unit has its value, and nothing is added up."""
    is_done: bool
    """Whether its launch leaves the value, so that no other has to add up: if every unit has its own, or there is one group."""
    has_mass: bool
    """Whether the sum is divided by that of the weights."""
    classes: bool
    ignores: bool
    per_row: bool
    columns: int
    stride: int
    is_wide: bool

    @property
    def factor(self) -> str:
        """What the loss is multiplied with."""
        return "scale[0]" if self.divisor is None else f"divided(scale[0], {read('divisor[0]', self.divisor)})"

    @property
    def sums(self) -> dict[str, str]:
        """What is added up: in the memory of a group, and by a thread."""
        return {} if self.is_whole else {"sums": "lost"} | ({"masses": "mass"} if self.has_mass else {})


class Unit(NamedTuple):
    """What is done with a unit, as lines of text."""

    place: str
    """Says where it is."""
    load: list[str]
    """Load its prediction and its target, and say in ``counts`` whether it is left out."""
    lines: list[str]
    """Compute its loss."""
    value: str
    """What that is."""
    mass: str
    """What it is in the sum of the weights."""
    store: list[str]
    """Store its gradient, times ``slope``."""


def source(spec: Spec, given: Given, unit: Unit) -> str:
    """The text of all kernels of a loss. That of its units is called by the name of the loss."""
    kernels = [_of_units(spec, given, unit)]
    return frame.source(kernels if given.is_done else [*kernels, _total(given)], given.is_wide)


def _of_units(spec: Spec, given: Given, unit: Unit) -> str:
    store = [f"value[unit] = {written('loss * factor', given.value)};"] if given.is_whole else []
    if given.with_grad:
        store += ["const float slope = importance * factor;", *unit.store]
    tensors = {name: getattr(given, name) for name in ("pred", "target", "weight", "class_weight", "divisor", "mean")}
    results = {
        "value": given.value if given.is_done else None,
        "grad": torch.float32 if given.with_grad else None,
        "partials": None if given.is_done and not given.has_mass else torch.float32,
    }
    parts = [f"partials[{GROUPS if name == 'masses' else 0} + group] = {name}[0];" for name in given.sums]
    load = list(unit.load)
    if given.weight is not None:
        load.append(f"importance *= {read('weight[row]' if given.per_row else 'weight[unit]', given.weight)};")
    return frame.KERNEL.format(
        name=kernel_name(spec.name),
        arguments=arguments(tensors, results, has_scale=True),
        factor=given.factor,
        place=unit.place,
        load=frame.indented(3, load),
        lines=frame.indented(3, unit.lines),
        value=unit.value,
        mass=unit.mass,
        store=frame.indented(3, store),
        **frame.added(given.sums, _leave_total(given) if given.is_done else parts),
    )


def number(of: float) -> str:
    """The text of a number in single precision."""
    single = ctypes.c_float(of).value
    if isnan(single):
        return "NAN"
    return f"{single!r}f" if isfinite(single) else ("INFINITY" if single > 0.0 else "-INFINITY")


def label_is_known(label: str, kind: Operand) -> str:
    """Whether a label is one, or left out where it may be."""
    is_known = f"{label} >= 0.0f && {label} <= {number(MAX_LABEL)}"
    return f"({is_known}) || {label} == {number(LEFT_OUT)}" if kind.can_be_left_out else is_known


def _total(given: Given) -> str:
    """The kernel that adds up what groups have left."""
    lines = [f"{own} += partials[{GROUPS if name == 'masses' else 0} + part];" for name, own in given.sums.items()]
    results = {"partials": torch.float32, "value": given.value}
    return frame.TOTAL.format(
        arguments=arguments({"divisor": given.divisor}, results, has_scale=True),
        lines=frame.indented(3, lines),
        **frame.added(given.sums, _leave_total(given)),
    )


def _leave_total(given: Given) -> list[str]:
    """Lines that store the value, and what is still to divide the gradient."""
    total = f"sums[0] * {given.factor}"
    if not given.has_mass:
        return [f"value[0] = {written(total, given.value)};"]
    return [
        f"partials[{2 * GROUPS}] = masses[0] == 0.0f ? 1.0f : masses[0];",
        f"value[0] = {written(f'divided({total}, masses[0])', given.value)};",
    ]


class Scaled(NamedTuple):
    """What the kernel of the way back is compiled for."""

    slope: torch.dtype
    upstream: torch.dtype
    has_mass: bool
    is_in_place: bool
    is_wide: bool


def scale_source(of: Scaled) -> str:
    """The text of the way back."""
    factor = read("upstream[0]", of.upstream)
    tensors = {"grad": torch.float32, "upstream": of.upstream, "mass": torch.float32 if of.has_mass else None}
    kernel = frame.SCALE.format(
        arguments=arguments(tensors, {"slope": of.slope}, has_scale=False),
        factor=f"{factor} / mass[0]" if of.has_mass else factor,
        is_needed="factor != 1.0f" if of.is_in_place else "true",
        scaled=written("grad[number] * factor", of.slope),
    )
    return frame.source([kernel], of.is_wide)
