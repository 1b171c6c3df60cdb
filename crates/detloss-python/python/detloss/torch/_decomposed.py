"""The decomposed backend: everything in torch operations, on whatever device the tensors are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

import torch
from torch import Tensor

from detloss._spec import LEFT_OUT, MAX_LABEL
from detloss.torch import _program
from detloss.torch._call import Call
from detloss.torch._operations import OPERATIONS, running_mean


def run(call: Call, pred: Tensor, target: Tensor) -> Tensor:
    """The loss, differentiable by ``pred``. Nothing here waits for the device, but for losses that sort by groups."""
    dtype = pred.dtype
    if dtype in (torch.float16, torch.bfloat16):
        pred, target = pred.float(), target if call.at.classes else target.float()
    value = (_sets if call.chosen.spec.scope == "set" else _units)(call, pred, target)
    return (value if call.loss_weight == 1.0 else value * call.loss_weight).to(dtype)


def _known(call: Call, pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Prediction and target without what is left out, and NaN where the target is none."""
    return _with_known_classes(call, pred, target) if call.at.classes else _with_known_labels(call, pred, target)


def _with_known_classes(call: Call, pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """NaN in the rows of a class that there is not: the kernels raise an error, but here nobody waits for the device to find out.

    And 0 in those that are ignored. Whatever they hold, infinity and NaN included, must not reach the sum through a product with 0.
    """
    columns, is_row = call.at.columns, call.chosen.spec.pred.is_row
    per_row = target.unsqueeze(-1) if pred.dim() > target.dim() else target
    # A row of scores may be background, the number of columns; a row of a softmax is of some class.
    is_known = (per_row >= 0) & (per_row <= (columns - 1 if is_row else columns))
    pred = pred + torch.where(is_known, 0.0, torch.nan).to(pred.dtype)
    return (pred if call.ignore_index is None else torch.where(per_row == call.ignore_index, 0.0, pred)), target


def _with_known_labels(call: Call, pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """NaN where a label is none, and 0 in what is left out, prediction and label."""
    kind = call.chosen.spec.target
    if not kind.is_probability:
        return pred, target
    is_label = (target >= 0.0) & (target <= MAX_LABEL)
    fields = (..., *(None,) * (pred.dim() - target.dim()))
    if not kind.can_be_left_out:
        return pred + torch.where(is_label, 0.0, torch.nan).to(pred.dtype)[fields], target
    left_out = target == LEFT_OUT
    pred = pred + torch.where(is_label | left_out, 0.0, torch.nan).to(pred.dtype)[fields]
    # A row of labels leaves out its pixels itself; an invalid one must not look like one of them.
    if call.chosen.spec.scope != "unit":
        return pred, torch.where(is_label | left_out, target, torch.nan)
    return torch.where(left_out, 0.0, pred), torch.where(left_out, 0.0, target)


def _units(call: Call, pred: Tensor, target: Tensor) -> Tensor:
    spec, at = call.chosen.spec, call.at
    weight = _weight(call, pred, target)
    mass = lambda: weight_sum(call, pred, target)  # noqa: E731
    known, labels = _known(call, pred, target)
    if spec.is_formula:
        goal = _labels(call, known, labels)
        values = _program.units(known, goal, call.chosen, mean_of(call, known, goal))
    else:
        rows = prod(at.rows)
        values = OPERATIONS[spec.name](
            known.reshape(rows, at.columns).contiguous(),
            (labels.reshape(rows, at.columns) if spec.target.is_row and not at.classes else labels.reshape(rows)).contiguous(),
            call.class_weight,
            call.chosen.named,
        ).reshape(at.units)
    if weight is not None:
        values = values * weight
    return _reduced(call, values, mass)


def mean_of(call: Call, pred: Tensor, target: Tensor) -> Tensor | None:
    """The running mean with the units of this step in it. What has weight 0 is left out, the rest counts alike."""
    if call.state is None:
        return None
    momentum, weight = _program.running_mean(call.chosen.key).momentum, _weight(call, pred, target)
    values = _program.measured(pred, target, call.chosen)
    counts = torch.ones_like(values) if weight is None else (weight != 0).to(values.dtype).expand(values.shape)
    after = running_mean(call.state, values, counts, momentum)
    call.state.copy_(after)
    return after.reshape(())


def _reduced(call: Call, values: Tensor, mass: Callable[[], Tensor]) -> Tensor:
    """The values, or their sum divided by whatever the reduction says; by ``mass()`` for a weighted mean."""
    if call.reduction == "none":
        return values
    total = values.sum()
    if isinstance(call.avg_factor, Tensor):
        return total / or_one(call.avg_factor.detach().to(total).reshape(()))
    if call.avg_factor is not None:
        return total / call.avg_factor
    if call.reduction == "mean":
        return total / max(1, values.numel())
    return total / or_one(mass()) if call.reduction == "weighted_mean" else total


def or_one(factor: Tensor) -> Tensor:
    """A batch without positives, or without weights, is divided by 1."""
    return torch.where(factor == 0.0, 1.0, factor)


def weight_sum(call: Call, pred: Tensor, target: Tensor) -> Tensor:
    """The weights of all units, and of the classes of their targets, added up."""
    at, weight = call.at, _weight(call, pred, target)
    if call.chosen.spec.pred.is_row and at.classes and call.class_weight is not None:
        of_target = call.class_weight[target.clamp(0, at.columns - 1)]
        weight = of_target if weight is None else weight * of_target
    return pred.new_full((), prod(at.units)) if weight is None else weight.expand(at.units).sum()


def _labels(call: Call, pred: Tensor, target: Tensor) -> Tensor:
    """Class indices as a label per column; one that is no column's is background."""
    if not call.at.classes:
        return target
    columns = torch.arange(call.at.columns, device=target.device)
    return (target.unsqueeze(-1) == columns).to(pred.dtype).reshape(pred.shape)


def _weight(call: Call, pred: Tensor, target: Tensor) -> Tensor | None:
    """The product of all weights, in a shape that multiplies the values."""
    at = call.at

    def per_row(tensor: Tensor) -> Tensor:
        return tensor if at.units == at.rows else tensor.unsqueeze(-1)

    weight: Tensor | None = None
    if call.weight is not None:
        weight = per_row(call.weight) if at.per_row else call.weight
    if call.class_weight is not None and not call.chosen.spec.pred.is_row:
        weight = call.class_weight if weight is None else weight * call.class_weight
    if call.ignore_index is not None:
        kept = per_row(target != call.ignore_index).to(pred.dtype)
        weight = kept if weight is None else weight * kept
    if call.chosen.spec.scope == "unit" and call.chosen.spec.target.can_be_left_out and not at.classes:
        kept = (target != LEFT_OUT).to(pred.dtype)
        weight = kept if weight is None else weight * kept
    return weight


def _sets(call: Call, pred: Tensor, target: Tensor) -> Tensor:
    """One set after the other; there are as many as images, so this is no loop over anything large."""
    rows = prod(call.at.rows)
    if rows == 0:
        return pred.new_empty(0) + pred.sum() if call.reduction == "none" else pred.sum() * 0.0
    counts = _counts(call, pred, target)
    pred, target = _known(call, pred, target)
    target = target if call.chosen.spec.pred.is_row else _labels(call, pred, target)
    pred, target = pred.reshape(rows, -1).contiguous(), target.reshape(rows, -1).contiguous()
    values, any_counts = [], []
    for chosen in _rows_of_sets(call):
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


def _rows_of_sets(call: Call) -> Iterator[Tensor | slice]:
    """The rows of every set, in ascending order of the groups. How many there are, only the device knows: it is waited for."""
    if call.groups is None:
        yield slice(None)
        return
    groups = call.groups.reshape(-1)
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
