"""Losses of NumPy arrays."""

from __future__ import annotations

import os
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detloss import _core
from detloss._layout import Form, check_dim, form
from detloss._spec import Spec, check_divisor, check_reduction, find, loss

_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


OPTIONS: dict[str, Any] = {
    "weight": None,
    "class_weight": None,
    "ignore_index": None,
    "groups": None,
    "dim": -1,
    "normalizer": None,
    "reduction": "mean",
}
"""The keywords of every function, and their defaults."""


def get_num_threads() -> int:
    """How many threads large NumPy batches use."""
    return _threads


def set_num_threads(threads: int) -> None:
    """Large NumPy batches use this many threads from now on; the results have the same bits for any number.

    PyTorch has a setting of its own, which :mod:`detloss.torch` obeys.
    """
    global _threads
    if threads < 1:
        raise ValueError(f"{threads} threads can do nothing: give 1 or more")
    _threads = threads


_FLOATS = {np.dtype(kind): np.dtype(kind) for kind in (np.float32, np.float64, np.float16)}
"""The types that losses are computed of, and what others are converted to; bfloat16 joins when it is met."""


def _array(given: ArrayLike, what: str) -> NDArray[Any]:
    """As an array, unless something in it would be taken for a number without a word."""
    if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
        raise ValueError(f"{what} is an array with a mask, which is of no effect here: give it filled, and masked rows a weight of 0")
    array = np.asarray(given)
    if array.dtype == object:
        places = (place for place, number in np.ndenumerate(array) if number is None)
        if (place := next(places, None)) is not None:
            raise ValueError(f"{what} has None at {list(place)}: give a number, and a weight of 0 to what is not to count")
    return array


def _floats(array: NDArray[Any]) -> NDArray[Any]:
    """As an array of a type that can be computed with; a copy only if it has to be."""
    dtype = _FLOATS.get(array.dtype)
    if dtype is None:
        native = array.dtype.newbyteorder("=")
        dtype = _FLOATS[array.dtype] = native if native in _FLOATS or native.name == "bfloat16" else np.dtype(np.float64)
    return like(array, dtype, "the prediction")


def like(array: NDArray[Any], dtype: Any, what: str) -> NDArray[Any]:
    """As a contiguous array of this type; a copy only if it has to be."""
    if array.dtype is not dtype and array.dtype != dtype:
        if array.dtype.kind not in "fiub" and array.dtype.name not in ("bfloat16", "object"):
            raise TypeError(f"{what} is of {array.dtype}: give real numbers")
        array = array.astype(dtype)
    flags = array.flags
    return array if flags.c_contiguous and flags.aligned else array.copy()


_INT64 = np.dtype(np.int64)


def integers(array: NDArray[Any], what: str) -> NDArray[np.int64]:
    """As 64-bit integers. What is beyond them counts as the largest, and does not wrap around."""
    if array.dtype.kind not in "iu" and array.size > 0:
        raise TypeError(f"{what} are of {array.dtype}: give integers")
    if array.dtype.kind == "u" and array.dtype.itemsize == 8:
        array = np.minimum(array, np.iinfo(np.int64).max)
    return like(array, _INT64, what)


def numbers(given: ArrayLike, what: str) -> NDArray[np.float64]:
    """As a contiguous array of float64, for the functions beside the losses."""
    return like(_array(given, what), np.dtype(np.float64), what)


def _columns_last(array: NDArray[Any], dim: int, dims: int) -> NDArray[Any]:
    """With the columns last. What has one dimension less than the prediction's ``dims`` is of rows, and has none."""
    return np.moveaxis(array, dim, -1) if array.ndim == dims else array


def _room(out: NDArray[Any] | None, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out is a {type(out).__name__}: give a NumPy array")
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(f"out has shape {out.shape} and dtype {out.dtype}: give {shape} and {dtype}")
    return out


def _sets(at: Form, groups: NDArray[np.int64] | None) -> int:
    """How many sets a batch has."""
    return min(prod(at.rows), 1) if groups is None else len(np.unique(groups))


def compute(
    spec: Spec,
    pred: ArrayLike,
    target: ArrayLike,
    *,
    with_grad: bool,
    weight: ArrayLike | None,
    class_weight: ArrayLike | None,
    ignore_index: int | None,
    groups: ArrayLike | None,
    dim: int,
    normalizer: float | None,
    reduction: str,
    state: NDArray[np.float64] | None,
    out: NDArray[Any] | None,
    params: dict[str, float],
) -> tuple[float | NDArray[Any], NDArray[Any] | None]:
    check_reduction(reduction, normalizer, "normalizer")
    if state is not None and reduction == "none":
        raise ValueError("a step of a training run has one value: leave out state, or reduction=\"none\"")
    chosen = loss(spec.name, spec.values(params))
    given, goal = _array(pred, "the prediction"), _array(target, "the target")
    factors = None if weight is None else _array(weight, "the weight")
    shape = given.shape
    if dim != -1:
        check_dim(spec, dim, given.ndim)
        given, goal = _columns_last(given, dim, len(shape)), _columns_last(goal, dim, len(shape))
        factors = None if factors is None else _columns_last(factors, dim, len(shape))
    given = _floats(given)
    dtype = given.dtype
    call: _core.Call = {"reduction": reduction, "threads": _threads}
    if normalizer is not None:
        call["normalizer"] = check_divisor(normalizer, "normalizer")
    if ignore_index is not None:
        call["ignore_index"] = ignore_index
    if factors is not None:
        factors = call["weight"] = like(factors, dtype, "the weight")
    if class_weight is not None:
        class_weight = call["class_weight"] = like(_array(class_weight, "the class weight"), dtype, "the class weight")
    if groups is not None:
        groups = call["groups"] = integers(_array(groups, "the array of groups"), "the groups")
    at = form(
        spec,
        given.shape,
        goal.shape,
        goal.dtype.kind in "iu",
        None if factors is None else factors.shape,
        None if class_weight is None else class_weight.shape,
        None if groups is None else groups.shape,
        dim=dim,
    )
    call["columns"], call["classes"], call["per_row"] = at.columns, at.classes, at.per_row
    grad = slopes = rows = None
    if with_grad:
        grad = _room(out, shape, dtype)
        # Columns that are not last are put there, and back where they were.
        slopes = call["grad"] = grad if dim == -1 else np.empty(given.shape, dtype)
    if reduction == "none":
        rows = call["rows"] = np.empty(at.units if spec.scope != "set" else (_sets(at, groups),), dtype)
    if state is not None:
        call["state"] = state
    goal = integers(goal, "the target") if at.classes else like(goal, dtype, "the target")
    value = chosen.run(given, goal, call)
    if dim != -1:
        if grad is not None and slopes is not None:
            grad[...] = np.moveaxis(slopes, -1, dim)
        if rows is not None and rows.ndim == given.ndim:
            rows = np.moveaxis(rows, -1, dim)
    return (value if rows is None else rows), grad


def value(spec: Spec, pred: ArrayLike, target: ArrayLike, params: dict[str, float], **options: Any) -> Any:
    """The loss called ``spec.name``; see :func:`value_and_grad` for the options."""
    return compute(spec, pred, target, with_grad=False, state=None, out=None, params=params, **options)[0]


def value_and_grad(
    name: str,
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str = "mean",
    state: NDArray[np.float64] | None = None,
    out: NDArray[Any] | None = None,
    **params: float,
) -> tuple[Any, NDArray[Any]]:
    """The loss called ``name`` and its gradient by ``pred``, in one pass over the memory.

    Args:
        name: an id of :func:`losses`.
        pred: predictions of float16, bfloat16 (``ml_dtypes``), float32 or float64; anything else is computed in float64.
            Contiguous arrays are not copied. Shapes are on the page of each function.
        target: what they should be, of any number type, brought to the precision of ``pred``; class indices are integers.
        weight: a factor per value, or per row. Losses of whole batches take 0 and 1: what has weight 0 is left out.
        class_weight: a factor per column.
        ignore_index: rows of this class count with weight 0, whatever they hold.
        groups: the image of each row, for losses of whole batches: one value per image, in ascending order.
        dim: the dimension of ``pred`` that the columns are in, such as 1 for (n, columns, height, width).
        normalizer: what the sum is divided by, instead of the number of values.
        reduction: "mean", "sum", "weighted_mean" (divides by the sum of the weights), or "none": a value for each unit,
            and the gradient of each by its own part of ``pred``.
        state: the state of the loss, from :func:`initial_state`, brought up to date in place.
        out: room for the gradient. Fresh memory costs more time than most losses.
        **params: the parameters of the loss.

    Returns:
        The value (a float, or an array for "none") and the gradient, of the shape and dtype of ``pred``.

    Raises:
        ValueError: shapes that do not fit, numbers out of range, an unknown name; with the remedy.
        TypeError: an unknown parameter, or an array of no numbers.
    """
    spec = find(name)
    spec.check_options(class_weight=class_weight, ignore_index=ignore_index, groups=groups)
    value, grad = compute(
        spec,
        pred,
        target,
        with_grad=True,
        weight=weight,
        class_weight=class_weight,
        ignore_index=ignore_index,
        groups=groups,
        dim=dim,
        normalizer=normalizer,
        reduction=reduction,
        state=state,
        out=out,
        params=params,
    )
    assert grad is not None
    return value, grad


def initial_state(name: str, num_classes: int | None = None, **params: float) -> NDArray[np.float64]:
    """The state that a training run with the loss called ``name`` begins with. Save it with checkpoints.

    A loss whose state has numbers per column (class), such as ``seesaw``, has to know ``num_classes``.
    """
    spec = find(name)
    if spec.state == "per_column" and num_classes is None:
        raise TypeError(f"{name} has numbers per column as its state: say how many with num_classes")
    if num_classes is not None and num_classes < 1:
        raise ValueError(f"num_classes is {num_classes}: give the number of columns, 1 or more")
    return np.array(loss(name, spec.values(params)).initial_state(num_classes or 1), dtype=np.float64)
