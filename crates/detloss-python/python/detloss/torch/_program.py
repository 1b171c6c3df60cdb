"""A traced formula, run with torch operations on any device, value and gradient in one pass.

``torch.compile`` makes one kernel of its operations, one after the other; without a compiler they are side by side, in `_launches`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from detloss import _core
from detloss._spec import find, loss
from detloss.torch import _launches
from detloss.torch._call import Chosen
from detloss.torch._gradient import is_wanted
from detloss.torch._lowering import fused, lowered
from detloss.torch._scalar import DIV_EPS, ELEMENTARY


class Step(NamedTuple):
    """An operation on earlier results."""

    name: str
    operands: tuple[int, ...]
    constant: float
    done_with: tuple[int, ...]
    """The results that nobody needs after it: what is kept for no reason fills the memory of the device."""


class Program(NamedTuple):
    """A formula, or a formula with its gradient, as operations."""

    steps: tuple[Step, ...]
    outputs: tuple[int, ...]


class RunningMean(NamedTuple):
    """The state of a formula: its momentum, and what it is the mean of."""

    momentum: float
    of: Program


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def program(key: str, with_grad: bool, at_mean: bool = False) -> Program:
    """The operations of the formula that is chosen with this key, with its gradient, and with its running mean as the last input, if
    asked for."""
    return _traced(key, with_grad, at_mean)


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def running_mean(key: str) -> RunningMean:
    """The running mean of the formula that is chosen with this key."""
    return _running_mean(key)


def _chosen(key: str) -> _core.Loss:
    name, *params = key.split()
    return loss(name, tuple(map(float, params)))


@lru_cache(maxsize=512)
def _traced(key: str, with_grad: bool, at_mean: bool) -> Program:
    traced = _chosen(key).trace(with_grad, at_mean)
    assert traced is not None, f"{key} is no formula"
    return in_steps(*traced)


@lru_cache(maxsize=512)
def _running_mean(key: str) -> RunningMean:
    known = _chosen(key).running_mean()
    assert known is not None, f"{key} has no running mean"
    momentum, of = known
    return RunningMean(momentum, in_steps(*of))


def in_steps(operations: list[tuple[str, Any]], outputs: list[int]) -> Program:
    """A trace of the core, ready to be run."""
    last_use = {
        operand: place
        for place, (name, operands) in enumerate(operations)
        if name not in ("const", "input")
        for operand in operands
    }
    steps = []
    for place, (name, operands) in enumerate(operations):
        done_with = tuple(index for index, last in last_use.items() if last == place and index not in outputs)
        if name == "const":
            steps.append(Step(name, (), operands, done_with))
        else:
            steps.append(Step(name, tuple(operands), 0.0, done_with))
    return Program(tuple(steps), tuple(outputs))


@lru_cache(maxsize=512)
def _plan(key: str, with_grad: bool, at_mean: bool, side_by_side: bool) -> _launches.Plan:
    """The launches of a formula."""
    traced = _chosen(key).trace(with_grad, at_mean)
    assert traced is not None, f"{key} is no formula"
    return _planned(key, at_mean, side_by_side, *traced)


@lru_cache(maxsize=512)
def _plan_of_mean(key: str, side_by_side: bool) -> _launches.Plan:
    """The launches of what a running mean is of."""
    known = _chosen(key).running_mean()
    assert known is not None, f"{key} has no running mean"
    return _planned(key, False, side_by_side, *known[1])


def _planned(
    key: str, at_mean: bool, side_by_side: bool, operations: list[tuple[str, Any]], outputs: list[int]
) -> _launches.Plan:
    spec, formula = find(key.split()[0]), lowered(operations, outputs)
    fields = len(spec.pred.fields), len(spec.target.fields), *((1,) if at_mean else ())
    return _launches.plan(fused(formula) if max(fields) == 1 else formula, fields, side_by_side)


def _is_side_by_side(tensor: Tensor) -> bool:
    """Whether a launch takes longer than its work there. On the CPU an operation begins at once."""
    return tensor.device.type != "cpu"


def _safe_div(numerator: Tensor, denominator: Tensor) -> Tensor:
    """The quotient of ``detloss::scalar``, with a derivative everywhere: decoders are differentiated."""
    is_small = denominator < DIV_EPS
    return torch.where(is_small, 0.0, numerator / torch.where(is_small, 1.0, denominator))


_TENSOR_OPERATIONS: dict[str, Callable[..., Tensor]] = ELEMENTARY | {
    "mul_add": lambda a, b, c: a * b + c,
    "safe_div": _safe_div,
    "if_lt": lambda a, b, then, otherwise: torch.where(a < b, then, otherwise),
}
"""What the operations of `detloss::scalar::expr` are here."""


def run(program: Program, inputs: list[Tensor]) -> list[Tensor]:
    """The outputs of a program."""
    results: list[Tensor | None] = []
    for step in program.steps:
        match step.name:
            case "input":
                results.append(inputs[step.operands[0]])
            case "const":
                results.append(inputs[0].new_full((), step.constant))
            case name:
                results.append(_TENSOR_OPERATIONS[name](*(results[operand] for operand in step.operands)))
        for index in step.done_with:
            results[index] = None
    outputs = [results[output] for output in program.outputs]
    return [output for output in outputs if output is not None]


class Terms(NamedTuple):
    """The value of every unit, and their slopes in the shape of the prediction, if they were asked for."""

    values: Tensor
    grad: Tensor | None


def measured(pred: Tensor, target: Tensor, chosen: Chosen) -> Tensor:
    """What the running mean of a formula is of, unit by unit."""
    if torch.compiler.is_compiling():
        spec = chosen.spec
        inputs = [*_split(pred.detach(), len(spec.pred.fields)), *_split(target, len(spec.target.fields))]
        return run(running_mean(chosen.key).of, inputs)[0]
    return _launches.run(_plan_of_mean(chosen.key, _is_side_by_side(pred)), _in_rows(pred.detach(), target, chosen))[0]


def units(pred: Tensor, target: Tensor, chosen: Chosen, mean: Tensor | None = None) -> Terms:
    """The loss of every unit. ``mean``: the running mean of a formula that has one; without, it is what a training run begins with."""
    fields, with_grad, at_mean = len(chosen.spec.pred.fields), is_wanted(pred), mean is not None
    shape = pred.shape if fields == 1 else pred.shape[:-1]
    means = [] if mean is None else [mean.to(pred.dtype)]
    if torch.compiler.is_compiling():
        inputs = [*_split(pred.detach(), fields), *_split(target, len(chosen.spec.target.fields)), *means]
        value, *slopes = run(program(chosen.key, with_grad, at_mean), inputs)
    else:
        inputs = _in_rows(pred.detach(), target, chosen)
        value, slopes = _launches.run(_plan(chosen.key, with_grad, at_mean, _is_side_by_side(pred)), [*inputs, *means])
        if fields > 1 and len(slopes) == 1:
            grad = slopes[0].expand(fields, *shape).movedim(0, -1).contiguous()
            return Terms(value.expand(shape), grad)
    if not with_grad:
        return Terms(value.expand(shape), None)
    slopes = [slope.expand(shape) for slope in slopes]
    return Terms(value.expand(shape), slopes[0] if fields == 1 else torch.stack(slopes, -1))


def _split(array: Tensor, fields: int) -> tuple[Tensor, ...]:
    return (array,) if fields == 1 else array.unbind(-1)


def _in_rows(pred: Tensor, target: Tensor, chosen: Chosen) -> list[Tensor]:
    """Prediction and target, with a row for each of their fields if there are several."""
    operands = (pred, chosen.spec.pred), (target, chosen.spec.target)
    return [array if len(operand.fields) == 1 else array.movedim(-1, 0) for array, operand in operands]
