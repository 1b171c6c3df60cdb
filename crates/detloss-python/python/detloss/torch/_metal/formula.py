"""What kernels of Metal do with a unit of a formula: the traced formula, as text."""

from __future__ import annotations

from detloss._spec import LEFT_OUT, Spec, loss
from detloss.torch._metal.frame import read
from detloss.torch._metal.kernel import Given, Unit, label_is_known, number
from detloss.torch._metal.operations import OPERATIONS
from detloss.torch._text import assigned


def unit(spec: Spec, params: tuple[float, ...], given: Given) -> Unit:
    """What is done with a unit of this loss."""
    traced = loss(spec.name, params).trace(given.with_grad, given.mean is not None)
    assert traced is not None, f"{spec.name} is no formula"
    fields, of_target = len(spec.pred.fields), len(spec.target.fields)
    inputs = [f"x{k}" for k in range(fields)] + [f"t{k}" for k in range(of_target)] + ["running_mean"]
    formula = assigned(traced, inputs, OPERATIONS, number)
    value, *slopes = formula.outputs
    load = [f"float x{k} = {read(place, given.pred)};" for k, place in enumerate(_places(fields, given))]
    load += _target(spec, given)
    if given.mean is not None:
        load.append(f"const float running_mean = {read('mean[0]', given.mean)};")
    if given.class_weight is not None:
        load.append(f"importance *= {read('class_weight[column]', given.class_weight)};")
    return Unit(
        place=f"const INDEX row = unit / {given.columns}, column = unit % {given.columns};",
        load=load,
        lines=[f"const float {name} = {what};" for name, what in formula.assignments],
        value=value,
        mass="importance",
        store=[f"grad[unit * {fields} + {k}] = counts ? {of_field} * slope : 0.0f;" for k, of_field in enumerate(slopes)],
    )


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
    left_out = [f"counts = counts && t0 != {number(LEFT_OUT)};"] if spec.target.can_be_left_out else []
    return [*lines, *left_out, f"x0 = {label_is_known('t0', spec.target)} ? x0 : NAN;"]
