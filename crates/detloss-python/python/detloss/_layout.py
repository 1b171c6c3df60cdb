"""Where the columns of a prediction are: the keyword ``dim``."""

from __future__ import annotations

from collections.abc import Sequence

from detloss import _spec
from detloss._spec import Form, Spec


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
    """How arrays of these shapes, their columns moved to the end, make up a batch; see ``_spec.form``.

    A ``ValueError`` names the ``dim`` with which the shapes would fit.
    """
    try:
        return _spec.form(spec, pred, target, target_is_integer, *others)
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


def _moved(shape: Sequence[int] | None, place: int, dims: int) -> Sequence[int] | None:
    """A shape with the columns at the end. What has one dimension less than the prediction has none."""
    if shape is None or len(shape) != dims:
        return shape
    return (*shape[:place], *shape[place + 1 :], shape[place])


def _fits(spec: Spec, shapes: list[Sequence[int] | None], target_is_integer: bool) -> bool:
    pred, target, *others = shapes
    assert pred is not None and target is not None
    try:
        _spec.form(spec, pred, target, target_is_integer, *others)
    except ValueError:
        return False
    return True
