"""How arrays make up a batch, and where the columns of a prediction are: the keyword ``dim``."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from detloss._spec import Spec, loss


class Form(NamedTuple):
    """How the arrays of one call make up a batch."""

    columns: int
    """How many units make a row."""
    units: tuple[int, ...]
    """The shape of the values, one per unit. Losses of whole batches have a unit per group."""
    rows: tuple[int, ...]
    """The shape of what is one per row: class indices, groups, weights per row."""
    classes: bool
    """The target is class indices."""
    per_row: bool
    """The weight is one per row."""


def check_dim(spec: Spec, dim: int, dims: int) -> None:
    """An error for a dimension that a prediction of so many has not, or for one of a loss without columns."""
    if dim == -1:
        return
    if not spec.has_columns:
        raise TypeError(f"{spec.name} takes no dim: its prediction has no columns to look for")
    if not -dims <= dim < dims:
        raise ValueError(f"{spec.name}: dim is {dim}, and the prediction has {dims} dimensions: give one from {-dims} to {dims - 1}")


def form(
    spec: Spec,
    pred: Sequence[int],
    target: Sequence[int],
    target_is_integer: bool,
    *others: Sequence[int] | None,
    dim: int = -1,
) -> Form:
    """How arrays of these shapes, their columns moved to the end, make up a batch; see ``_form``.

    A ``ValueError`` names the ``dim`` with which the shapes would fit.
    """
    try:
        return _form(spec, pred, target, target_is_integer, *others)
    except ValueError as error:
        words = str(error)
    if dim != -1:
        raise ValueError(f"{words}; these are the shapes with dim={dim} moved to the end")
    # PyTorch's place of the classes first.
    places = sorted(range(len(pred) - 1), key=lambda place: (place != 1, place)) if spec.has_columns else []
    for place in places:
        shapes = [_moved(shape, place, len(pred)) for shape in (pred, target, *others)]
        if _fits(spec, shapes, target_is_integer):
            words += f"; if dimension {place} of the prediction is that of the columns, give dim={place}"
            break
    raise ValueError(words)


def _form(
    spec: Spec,
    pred: Sequence[int],
    target: Sequence[int],
    target_is_integer: bool,
    weight: Sequence[int] | None = None,
    class_weight: Sequence[int] | None = None,
    groups: Sequence[int] | None = None,
) -> Form:
    """The shapes of one call as a batch.

    The core says which dimensions count rows, and what is wrong. Only what fits is joined here, out of sizes that a compiler may not
    know yet.
    """
    pred, target = tuple(pred), tuple(target)
    lead = spec.row_dims[len(pred)]
    rows, fields = pred[:lead], len(spec.pred.fields)
    units = pred if spec.is_elementwise else rows
    classes = target_is_integer and target == rows and "ignore_index" in spec.options and (spec.pred.is_row or rows != pred)
    per_row = weight is not None and tuple(weight) == rows
    dense = units if spec.is_elementwise or len(spec.target.fields) == 1 else (*rows, len(spec.target.fields))
    fits = (
        (classes or target == (pred if spec.target.is_row else dense))
        and (fields == 1 or pred[lead:] == (fields,))
        and (not spec.pred.is_row or (len(pred) > 0 and (0 not in pred[lead:] or 0 in rows)))
        and (weight is None or per_row or tuple(weight) == units)
        and class_weight is None
        and groups is None
    )
    columns = prod(pred[lead:]) if fields == 1 else 1
    if not fits:
        shapes = [None if shape is None else tuple(shape) for shape in (weight, class_weight, groups)]
        chosen = loss(spec.name, spec.values({}))
        columns, units_, rows_, classes, per_row = chosen.shapes(pred, target, target_is_integer, *shapes)
        units, rows = tuple(units_), tuple(rows_)
    return Form(columns, units, rows, classes, per_row)


def _moved(shape: Sequence[int] | None, place: int, dims: int) -> Sequence[int] | None:
    """A shape with the columns at the end. What has one dimension less than the prediction has none."""
    if shape is None or len(shape) != dims:
        return shape
    return (*shape[:place], *shape[place + 1 :], shape[place])


def _fits(spec: Spec, shapes: list[Sequence[int] | None], target_is_integer: bool) -> bool:
    pred, target, *others = shapes
    assert pred is not None and target is not None
    try:
        _form(spec, pred, target, target_is_integer, *others)
    except ValueError:
        return False
    return True
