"""What all operations share: the list of them, and a value with its gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from detloss.torch._gradient import with_gradient

Params: TypeAlias = Mapping[str, float]

Operation: TypeAlias = Callable[..., Any]
"""Of a loss of rows, ``(pred, target, class_weight, params, correct) -> values``: ``pred`` (n, columns), ``target`` class
indices (n,) of any integer type, or numbers (n, columns) or (n,), ``class_weight`` (columns,) or None, and values (n,).
An index that is no class is taken for the nearest one: ``correct``, if given, puts right the values of such rows, and their slopes.

Of a loss of sets, ``(pred, target, counts, state, params) -> (value, state after)`` for one set: ``pred`` (m,),
(m, fields) or (m, columns), ``target`` (m,), ``counts`` a mask (m,) of the elements that count or None if all do,
``state`` the state of the loss or None. What does not count may hold anything, and has gradient 0.

``params`` has all parameters. Values are of the type of ``pred``, float32 or float64, and differentiable by it, once.
"""

OPERATIONS: dict[str, Operation] = {}
"""The operation of every loss that is no formula, by its name."""


class RowTerms(NamedTuple):
    """The values (n,) of rows, and their slopes (n, columns)."""

    values: Tensor
    grad: Tensor


class SetTerms(NamedTuple):
    """The value of a set, its slopes in the shape of ``pred``, and what is remembered."""

    value: Tensor
    grad: Tensor
    state: Tensor | None = None


RowLoss: TypeAlias = Callable[[Tensor, Tensor, Tensor | None, Params], RowTerms]
SetLoss: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor | None, Params], SetTerms]


TRACEABLE: dict[str, RowLoss] = {}
"""Losses of rows, by their names, that need no more of other columns than sums and the largest: what a kernel has of a row at once."""

TRACEABLE_SETS: dict[str, SetLoss] = {}
"""Losses of sets, by their names, that need no more of other elements than sums and the largest. Of what does not count they take whatever
is there."""


def row_loss(name: str, sorts: bool = False) -> Callable[[RowLoss], RowLoss]:
    """Enters a loss of rows into the list. ``sorts``: it needs the columns of a row in another order."""

    def enter(loss: RowLoss) -> RowLoss:
        if not sorts:
            TRACEABLE[name] = loss

        def operation(
            pred: Tensor,
            target: Tensor,
            class_weight: Tensor | None,
            params: Params,
            correct: Callable[[Tensor], Tensor] = lambda numbers: numbers,
        ) -> Tensor:
            values, grad = (correct(each.to(pred.dtype)) for each in loss(pred.detach(), target, class_weight, params))
            return with_gradient(pred, values, grad, name)

        OPERATIONS[name] = operation
        return loss

    return enter


def set_loss(name: str, sorts: bool = False) -> Callable[[SetLoss], SetLoss]:
    """Enters a loss of sets into the list. It sees a mask of what counts, and zeros for everything else. ``sorts``: it needs the elements
    in another order."""

    def enter(loss: SetLoss) -> SetLoss:
        if not sorts:
            TRACEABLE_SETS[name] = partial(_of_what_counts, loss)

        def operation(
            pred: Tensor, target: Tensor, counts: Tensor | None, state: Tensor | None, params: Params
        ) -> tuple[Tensor, Tensor | None]:
            if pred.shape[0] == 0:
                return pred.sum(), state
            fixed, before = pred.detach(), None if state is None else state.to(pred.device, wide(pred))
            if counts is None:
                everything = torch.ones(pred.shape[:1], dtype=torch.bool, device=pred.device)
                value, grad, after = loss(fixed, target, everything, before, params)
            else:
                value, grad, after = _of_what_counts(loss, fixed, target, counts, before, params)
            after = None if after is None or state is None else after.to(state)
            return with_gradient(pred, value.to(pred.dtype), grad.to(pred.dtype), name), after

        OPERATIONS[name] = operation
        return loss

    return enter


def _of_what_counts(
    loss: SetLoss, pred: Tensor, target: Tensor, counts: Tensor, state: Tensor | None, params: Params
) -> SetTerms:
    """The terms of a set, whatever those of its elements hold that do not count."""
    by_field, any_counts = counts.reshape(-1, *(1,) * (pred.dim() - 1)), counts.any()
    zero = pred.new_zeros(())
    of_counted = torch.where(by_field, pred, zero), torch.where(counts, target, zero if target.is_floating_point() else 0)
    value, grad, after = loss(*of_counted, counts, state, params)
    value, grad = torch.where(any_counts, value, zero), torch.where(by_field, grad, zero)
    return SetTerms(value, grad, None if after is None or state is None else torch.where(any_counts, after, state))


def wide(tensor: Tensor) -> torch.dtype:
    """The precision of long sums: float64 where the device has it."""
    device = tensor.device
    if device.type == "mps" or (device.type == "xpu" and not torch.xpu.get_device_properties(device).has_fp64):
        return torch.float32
    return torch.float64


def filled(numbers: Tensor, mask: Tensor, value: float) -> Tensor:
    """The numbers, which nobody else has, with a value where the mask is. It is of their shape, or of fewer dimensions."""
    if torch._C._are_functorch_transforms_active():
        return torch.where(mask, value, numbers)  # One of many numbers may need a mask for each of many.
    # `where` would make the value on the device first.
    return numbers.masked_fill_(mask, value)


def zeroed(numbers: Tensor, mask: Tensor) -> Tensor:
    """The numbers, which nobody else has, with 0 where the mask is."""
    return filled(numbers, mask, 0.0)


def power(base: Tensor, exponent: float) -> Tensor:
    """A number that is not negative to a constant power; 0 where it is too small for a logarithm."""
    if exponent == 0.0:
        return torch.ones_like(base)
    if exponent in (1.0, 2.0):
        return base if exponent == 1.0 else base * base
    tiny = torch.finfo(torch.float32).tiny
    return zeroed(base.clamp(min=tiny) ** exponent, base < tiny)


def negate_if_positive(is_positive: Tensor, number: Tensor) -> Tensor:
    """A number for negatives, its opposite for positives: a logit so turned speaks against its label."""
    return torch.where(is_positive, -number, number)


def masked_sum(terms: Tensor, mask: Tensor) -> Tensor:
    """The sum of the terms that are chosen."""
    return torch.where(mask, terms, 0.0).sum(dtype=wide(terms))


def running_mean(mean: Tensor, values: Tensor, counts: Tensor, momentum: float) -> Tensor:
    """A running mean after a batch with these values, each of which counts 1 or 0. One that says nothing leaves it as it is."""
    count = counts.sum(dtype=wide(values))
    now = (values * counts).sum(dtype=wide(values)) / count.clamp(min=1.0)
    return torch.where((count > 0.0) & now.isfinite(), mean + momentum * (now - mean), mean).to(mean)
