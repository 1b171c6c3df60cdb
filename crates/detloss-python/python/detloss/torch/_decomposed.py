"""The decomposed backend: everything in torch operations, on whatever device the tensors are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from detloss._spec import LEFT_OUT, MAX_LABEL
from detloss.torch import _program
from detloss.torch._call import Call
from detloss.torch._gradient import with_gradient
from detloss.torch._operations import OPERATIONS, running_mean
from detloss.torch._scalar import zero_or_nan


def run(call: Call, pred: Tensor, target: Tensor) -> Tensor:
    """The loss, differentiable by ``pred``. Nothing here waits for the device, but for losses that sort by groups."""
    dtype = pred.dtype
    if dtype in (torch.float16, torch.bfloat16):
        pred, target = pred.float(), target if call.at.classes else target.float()
    value = (_sets if call.chosen.spec.scope == "set" else _units)(call, pred, target)
    return (value if call.loss_weight == 1.0 else value * call.loss_weight).to(dtype)


class _Outside(NamedTuple):
    """Where a target is none or is left out, row by row or unit by unit, and what value and slopes are there.

    The kernels raise an error for a target that is none; here nobody waits for the device to find out, and it makes NaN. What is left out
    makes 0: whatever it holds, infinity and NaN included, must not reach the sum through a product with 0.
    """

    mask: Tensor
    instead: Tensor

    def put_into(self, numbers: Tensor) -> Tensor:
        """The numbers, which are of rows, of units or of their fields, with these among them."""
        inner = (..., *(None,) * (numbers.dim() - self.mask.dim()))
        return torch.where(self.mask[inner], self.instead[inner], numbers)


def _nearest(call: Call, target: Tensor) -> Tensor:
    """The class index or label that is nearest to each of these, some of which may be none."""
    if not call.at.classes:
        return target.clamp(0.0, MAX_LABEL)
    # A row of scores may be background, the number of columns; a row of a softmax is of some class.
    return target.clamp(0, call.at.columns - call.chosen.spec.pred.is_row)


def _outside(call: Call, pred: Tensor, target: Tensor) -> _Outside | None:
    """The class indices or labels that are none; None where every number is one."""
    kind = call.chosen.spec.target
    if not call.at.classes and (kind.is_row or not kind.is_probability):
        return None
    mask = target != _nearest(call, target)
    if call.ignore_index is not None:
        apart = target - call.ignore_index
        return _Outside(mask | (apart == 0), zero_or_nan(apart.to(pred.dtype)))
    if not call.at.classes and kind.can_be_left_out:
        return _Outside(mask, zero_or_nan(target - LEFT_OUT))
    return _Outside(mask, pred.new_full((), torch.nan))


def _known(call: Call, target: Tensor) -> Tensor:
    """Labels of the pixels of a row, with NaN for what is none. What is left out the row leaves out itself."""
    kind = call.chosen.spec.target
    if call.at.classes or not kind.is_probability:
        return target
    beyond = target - _nearest(call, target)
    return target + zero_or_nan(beyond * (target - LEFT_OUT) if kind.can_be_left_out else beyond)


def _units(call: Call, pred: Tensor, target: Tensor) -> Tensor:
    spec, at = call.chosen.spec, call.at
    weight = _weight(call)
    if spec.is_formula:
        goal, outside = _labels(call, pred, target), _outside(call, pred, target)
        values, grad = _program.units(pred, goal, call.chosen, mean_of(call, pred, goal))
        if outside is not None:
            values, grad = outside.put_into(values), None if grad is None else outside.put_into(grad)
        if weight is None and _is_mean(call) and not torch.compiler.is_compiling() and values.numel() > 0:
            # One operation instead of two, and none that is as long as the units on the way back.
            return with_gradient(pred, values.mean(), grad, spec.name, values.numel())
        values = with_gradient(pred, values, grad, spec.name)
    else:
        rows = prod(at.rows)
        labels = _known(call, target).reshape((rows, at.columns) if spec.target.is_row and not at.classes else (rows,)).contiguous()
        outside = _outside(call, pred, labels)
        values = OPERATIONS[spec.name](
            pred.reshape(rows, at.columns).contiguous(),
            labels,
            call.class_weight,
            call.chosen.named,
            *([] if outside is None else [outside.put_into]),
        ).reshape(at.units)
    return _reduced(call, values if weight is None else values * weight, lambda: weight_sum(call, pred, target))


def _is_mean(call: Call) -> bool:
    return call.reduction == "mean" and call.avg_factor is None


def mean_of(call: Call, pred: Tensor, target: Tensor) -> Tensor | None:
    """The running mean with the units of this step in it. What has weight 0 is left out, the rest counts alike."""
    if call.state is None:
        return None
    momentum, weight = _program.running_mean(call.chosen.key).momentum, _weight(call)
    values = _program.measured(pred, target, call.chosen)
    counts = torch.ones_like(values) if weight is None else (weight != 0).to(values.dtype).expand(values.shape)
    after = running_mean(call.state, values, counts, momentum)
    call.state.copy_(after)
    return after.reshape(())


def _reduced(call: Call, values: Tensor, mass: Callable[[], Tensor]) -> Tensor:
    """The values, or their sum divided by whatever the reduction says; by ``mass()`` for a weighted mean."""
    return values if call.reduction == "none" else _divided(call, values.sum(), values.numel(), mass)


def _divided(call: Call, total: Tensor, count: int, mass: Callable[[], Tensor]) -> Tensor:
    """The sum of so many values, divided by whatever the reduction says."""
    if isinstance(call.avg_factor, Tensor):
        return total / or_one(call.avg_factor.detach().to(total).reshape(()))
    if call.avg_factor is not None:
        return total / call.avg_factor
    if call.reduction == "mean":
        return total if count == 1 else total / max(1, count)
    return total / or_one(mass()) if call.reduction == "weighted_mean" else total


def or_one(factor: Tensor) -> Tensor:
    """A batch without positives, or without weights, is divided by 1."""
    return factor + (factor == 0.0)


def weight_sum(call: Call, pred: Tensor, target: Tensor) -> Tensor:
    """The weights of all units, and of the classes of their targets, added up."""
    spec, at, weight = call.chosen.spec, call.at, _weight(call)
    if spec.pred.is_row and at.classes and call.class_weight is not None:
        of_target = call.class_weight[target.clamp(0, at.columns - 1)]
        weight = of_target if weight is None else weight * of_target
    if call.ignore_index is not None:
        kept = _per_row(call, target != call.ignore_index).to(pred.dtype)
        weight = kept if weight is None else weight * kept
    if spec.scope == "unit" and spec.target.can_be_left_out and not at.classes:
        kept = (target != LEFT_OUT).to(pred.dtype)
        weight = kept if weight is None else weight * kept
    return pred.new_full((), prod(at.units)) if weight is None else weight.expand(at.units).sum()


def _labels(call: Call, pred: Tensor, target: Tensor) -> Tensor:
    """Class indices as a label per column; one that is no column's is background."""
    if not call.at.classes:
        return target
    columns = torch.arange(call.at.columns, device=target.device)
    return (target.unsqueeze(-1) == columns).to(pred.dtype).reshape(pred.shape)


def _per_row(call: Call, tensor: Tensor) -> Tensor:
    """A number per row, in a shape that multiplies the values."""
    return tensor if call.at.units == call.at.rows else tensor.unsqueeze(-1)


def _weight(call: Call) -> Tensor | None:
    """The product of the weights that are given, in a shape that multiplies the values."""
    weight: Tensor | None = None
    if call.weight is not None:
        weight = _per_row(call, call.weight) if call.at.per_row else call.weight
    if call.class_weight is not None and not call.chosen.spec.pred.is_row:
        weight = call.class_weight if weight is None else weight * call.class_weight
    return weight


def _sets(call: Call, pred: Tensor, target: Tensor) -> Tensor:
    """One set after the other; there are as many as images, so this is no loop over anything large."""
    rows = prod(call.at.rows)
    if rows == 0:
        return pred.new_empty(0) + pred.sum() if call.reduction == "none" else pred.sum() * 0.0
    counts = _counts(call, pred, target)
    if call.at.classes or call.chosen.spec.target.is_probability:
        # NaN where it is none; what does not count is no matter.
        beyond = zero_or_nan((target - _nearest(call, target)).to(pred.dtype))
        pred = pred + beyond[(..., *(None,) * (pred.dim() - target.dim()))]
    target = target if call.chosen.spec.pred.is_row else _labels(call, pred, target)
    pred, target = pred.reshape(rows, -1).contiguous(), target.reshape(rows, -1).contiguous()
    if call.groups is None:
        value = _set(call, pred, target, None if counts is None else counts.reshape(-1))
        return value.unsqueeze(0) if call.reduction == "none" else _divided(call, value, 1, lambda: value.new_ones(()))
    values, any_counts = [], []
    for chosen in _rows_of_sets(call.groups.reshape(-1)):
        of_set = None if counts is None else counts[chosen].reshape(-1)
        values.append(_set(call, pred[chosen], target[chosen], of_set))
        any_counts.append(pred.new_ones((), dtype=torch.bool) if of_set is None else of_set.any())
    return _reduced(call, torch.stack(values), lambda: torch.stack(any_counts).sum())


def _set(call: Call, pred: Tensor, target: Tensor, counts: Tensor | None) -> Tensor:
    is_flat = not call.chosen.spec.pred.is_row and len(call.chosen.spec.pred.fields) == 1
    pred = pred.reshape(-1) if is_flat else pred
    value: Tensor
    value, after = OPERATIONS[call.chosen.spec.name](pred, target.reshape(-1), counts, call.state, call.chosen.named)
    if call.state is not None and after is not None:
        call.state.copy_(after.detach())
    return value


def _rows_of_sets(groups: Tensor) -> Iterator[Tensor]:
    """The rows of every set, in ascending order of the groups. How many there are, only the device knows: it is waited for."""
    for group in torch.unique(groups):
        yield (groups == group).nonzero().squeeze(-1)


def _counts(call: Call, pred: Tensor, target: Tensor) -> Tensor | None:
    """Which elements count, row by row; None if all do."""
    spec, at = call.chosen.spec, call.at
    rows = prod(at.rows)
    items = 1 if at.units == at.rows else at.columns
    counts: Tensor | None = None
    if call.weight is not None:
        counts = (call.weight != 0).reshape(rows, -1).expand(rows, items)
    if spec.target.is_label and not at.classes:
        known = (target != LEFT_OUT).reshape(rows, -1)
        counts = known if counts is None else counts & known
    if call.ignore_index is not None:
        kept = (target != call.ignore_index).reshape(rows, 1)
        counts = kept.expand(rows, items) if counts is None else counts & kept
    return counts
