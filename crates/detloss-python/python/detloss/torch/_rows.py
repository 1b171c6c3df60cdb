"""A loss of rows as its vectorised form, traced and cut at its sums: what is done with a row that is read part by part."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.fx import Graph

from detloss._spec import Spec
from detloss.torch import _graph
from detloss.torch._graph import Line, Writer, needed_lines
from detloss.torch._operations import TRACEABLE


class Form(NamedTuple):
    """What is asked of a loss of rows by a call."""

    columns: int
    classes: bool
    """The target of a row is a class index."""
    by_class: bool
    """Every class has a weight."""
    dtype: torch.dtype
    """What is computed in."""
    with_grad: bool


def trace(spec: Spec, params: tuple[float, ...], of: Form) -> Graph:
    """The operations of a loss on rows."""
    named = {param.name: value for param, value in zip(spec.params, params, strict=True)}

    def terms(pred: Tensor, target: Tensor, class_weight: Tensor) -> tuple[Tensor, ...]:
        values, grad = TRACEABLE[spec.name](pred, target, class_weight if of.by_class else None, named)
        return (values, grad) if of.with_grad else (values,)

    of_target = (3, of.columns) if spec.target.is_row and not of.classes else (3,)
    like = ((3, of.columns), of.dtype), (of_target, torch.int64 if of.classes else of.dtype), ((of.columns,), of.dtype)
    return _graph.trace(terms, *like)


class Reading(NamedTuple):
    """What is done until a row has been read once more."""

    once: list[Line]
    """Computed before, for the whole row."""
    along: list[Line]
    """Computed of each number that is read, as the sums need it."""
    sums: list[Line]
    """What is made of the row as it is read: sums, and the largest of it."""


def readings(written: Writer, given: Iterable[str]) -> tuple[list[Reading], list[Line]]:
    """How often a row has to be read up to its value, and what the slopes need of each number when it is read for the last time.

    ``given``: the names of what there is of each number that is read.
    """
    sums: set[str] = set()
    depth: dict[str, int] = {}
    along = {*given}
    for line in written.lines:
        at = max((depth.get(operand, 0) + (operand in sums) for operand in line.operands), default=0)
        depth |= dict.fromkeys(line.names, at)
        if line.is_of_row:
            sums |= {*line.names}
        elif "column" in line.text or along & {*line.operands}:
            along |= {*line.names}
    found = []
    for at in range(max(depth.values()) + 1):
        of_reading = [line for line in written.lines if depth[line.names[0]] == at]
        once = [line for line in of_reading if not {*line.names} & (along | sums)]
        of_row = [line for line in of_reading if line.is_of_row]
        found.append(Reading(once, needed_lines(written.lines, {operand for line in of_row for operand in line.operands}, along), of_row))
    slopes = {slope for output in written.outputs[1:] for slope in output}
    return found, needed_lines(written.lines, slopes, along)
