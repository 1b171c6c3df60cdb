"""Kernels for a formula: loss and gradient of every unit, weights, and the sum. Their text is the frame with the traced formula in it."""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import torch

from detloss._spec import LEFT_OUT, MAX_LABEL, Operand, Spec, find, loss
from detloss.torch._metal import frame
from detloss.torch._metal.frame import GROUPS, arguments, read, written
from detloss.torch._metal.operations import OPERATIONS
from detloss.torch._text import assigned, kernel_name


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


def source(name: str, params: tuple[float, ...], given: Given) -> str:
    """The text of all kernels of a loss. That of its units is called by the name of the loss."""
    kernels = [_of_units(find(name), params, given)]
    return frame.source(kernels if given.is_done else [*kernels, _total(given)], given.is_wide)


def _of_units(spec: Spec, params: tuple[float, ...], given: Given) -> str:
    traced = loss(spec.name, params).trace(given.with_grad, given.mean is not None)
    assert traced is not None, f"{spec.name} is no formula"
    fields, of_target = len(spec.pred.fields), len(spec.target.fields)
    inputs = [f"x{k}" for k in range(fields)] + [f"t{k}" for k in range(of_target)] + ["running_mean"]
    formula = assigned(traced, inputs, OPERATIONS, _number)
    value, *slopes = formula.outputs
    load = [f"float x{k} = {read(place, given.pred)};" for k, place in enumerate(_places(fields, given))]
    load += _target(spec, given)
    if given.mean is not None:
        load.append(f"const float running_mean = {read('mean[0]', given.mean)};")
    if given.weight is not None:
        load.append(f"importance *= {read('weight[row]' if given.per_row else 'weight[unit]', given.weight)};")
    if given.class_weight is not None:
        load.append(f"importance *= {read('class_weight[column]', given.class_weight)};")
    store = [f"value[unit] = {written('loss * factor', given.value)};"] if given.is_whole else []
    if given.with_grad:
        store.append("const float slope = importance * factor;")
        store += [f"grad[unit * {fields} + {k}] = counts ? {of_field} * slope : 0.0f;" for k, of_field in enumerate(slopes)]
    tensors = {name: getattr(given, name) for name in ("pred", "target", "weight", "class_weight", "divisor", "mean")}
    results = {
        "value": given.value if given.is_done else None,
        "grad": torch.float32 if given.with_grad else None,
        "partials": None if given.is_done and not given.has_mass else torch.float32,
    }
    parts = [f"partials[{GROUPS if name == 'masses' else 0} + group] = {name}[0];" for name in given.sums]
    return frame.KERNEL.format(
        name=kernel_name(spec.name),
        arguments=arguments(tensors, results, has_scale=True),
        factor=given.factor,
        columns=given.columns,
        load=frame.indented(3, load),
        lines=frame.indented(3, [f"const float {name} = {what};" for name, what in formula.assignments]),
        value=value,
        store=frame.indented(3, store),
        **frame.added(given.sums, _leave_total(given) if given.is_done else parts),
    )


def _number(number: float) -> str:
    return f"{ctypes.c_float(number).value!r}f"


def _places(fields: int, given: Given) -> list[str]:
    """Where the fields of a unit are."""
    if fields > 1:
        return [f"pred[unit * {given.stride} + {k}]" for k in range(fields)]
    return ["pred[unit]" if given.stride == given.columns else f"pred[row * {given.stride} + column]"]


def _target(spec: Spec, given: Given) -> list[str]:
    """Lines that load the target of a unit: its fields, a number, or a class index for a whole row.

    What is no class or no label makes its unit NaN, and what is left out does not count.
    """
    fields = len(spec.target.fields)
    if given.classes:
        ignored = ["counts = counts && of_row != sizes[2];"] if given.ignores else []
        return [
            "const long of_row = target[row];",
            *ignored,
            # The number of columns is background.
            f"x0 = of_row >= 0 && of_row <= {given.columns} ? x0 : NAN;",
            "const float t0 = of_row == (long)column ? 1.0f : 0.0f;",
        ]
    lines = [f"const float t{k} = {read(f'target[unit * {fields} + {k}]', given.target)};" for k in range(fields)]
    if not spec.target.is_probability:
        return lines
    left_out = [f"counts = counts && t0 != {_number(LEFT_OUT)};"] if spec.target.can_be_left_out else []
    return [*lines, *left_out, f"x0 = {_label_is_known(spec.target)} ? x0 : NAN;"]


def _label_is_known(kind: Operand) -> str:
    """Whether a label is one, or left out where it may be."""
    is_known = f"t0 >= 0.0f && t0 <= {_number(MAX_LABEL)}"
    return f"({is_known}) || t0 == {_number(LEFT_OUT)}" if kind.can_be_left_out else is_known


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
