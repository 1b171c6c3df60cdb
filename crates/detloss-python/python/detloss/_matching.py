"""Matchers of NumPy arrays and of tensors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from detloss import _core, _numpy
from detloss._spec import Param, check_backend

BACKGROUND = -1
"""The index of a prediction that is to find nothing."""

IGNORED = -2
"""The index of a prediction that is left out: neither found nor background."""


class Matches(NamedTuple):
    """For every prediction, the truth that it is to find.

    ``indices``: integers of shape (predictions,), or (images, predictions): the index of the truth in its image, ``BACKGROUND`` or
    ``IGNORED``. ``scores``: of the same shape, how much a prediction is to find its truth, from 0 to 1: the label of its class; 0 for what
    has no truth, None from matchers without soft scores.
    """

    indices: Any
    scores: Any

    def pairs(self) -> tuple[Any, ...]:
        """The index of every prediction that has a truth, and that of its truth; of a batch, that of its image before them."""
        if isinstance(self.indices, np.ndarray):
            where = np.nonzero(self.indices >= 0)
        else:
            where = (self.indices >= 0).nonzero(as_tuple=True)
        return (*where, self.indices[where])


def union(layers: Sequence[Matches]) -> Matches:
    """The consensus of several layers of a decoder for the same queries: every query finds the truth that most layers give it.

    Of several truths it is the one with the lowest index. What no layer gives a truth is background. A truth may then have several
    queries, and there are no scores. D-FINE, DEIM and DEIMv2 train boxes and distributions by it, classes by the matches of each layer.

    Args:
        layers: the matches of each layer, of one image or of a batch.

    Raises:
        ValueError: the layers are not of the same queries.
    """
    given = [layer.indices for layer in layers]
    tensor = next((one for one in given if _is_tensor(one)), None)
    arrays = [_numpy.integers(array_of(one), "indices") for one in given]
    shape = arrays[0].shape if arrays else (0,)
    other = next((one.shape for one in arrays if one.shape != shape), None)
    if other is not None:
        raise ValueError(f"a layer's indices have shape {other}, the first one's {shape}: give matches of the same queries")
    return Matches(_like(_core.union(arrays).reshape(shape), tensor), None)


@dataclass(frozen=True)
class CenterHeatmap:
    """The targets of CenterNet: a map for every class with a peak at the centre of each truth.

    A peak is exp(-distance^2 / (2 sigma^2)) with sigma = (2 r + 1) / 6, within r cells in x and in y. Two corners of a box may move by r
    inwards, and its IoU is still ``min_overlap``. Where peaks overlap, the largest value counts.

    Args:
        classes: how many classes there are.
        rows: how many rows a map has.
        columns: how many columns a map has.
        stride: how many pixels a cell is wide and high.
        min_overlap: the IoU that a box keeps whose corners move by r, from 0 to 1. MMDetection's head has 0.3.
        original: whether r is that of the authors' code, which solves for it wrongly.
    """

    classes: int
    rows: int
    columns: int
    stride: float = 4.0
    min_overlap: float = 0.7
    original: bool = False

    def draw(self, truths: Any, labels: Any) -> tuple[Any, Matches]:
        """The map of one image, or those of a batch, and which truth each cell is to find.

        The map is of shape (classes, rows, columns), for a batch (images, classes, rows, columns). A cell finds the first truth that has
        its centre there; cells are counted row after row: cell ``row * columns + column``. A truth without area, or with its centre
        outside of the map, draws nothing and is found by no cell.

        Args:
            truths: the boxes to find, in pixels, of shape (truths, 4): x1, y1, x2, y2; for a batch a list of them, one for each image.
            labels: the class of every truth, integers of shape (truths,), or a list of them.

        Raises:
            ValueError: what does not fit, or is not finite; with the remedy.
        """
        is_batch = isinstance(truths, (list, tuple)) and not _is_rows(truths)
        images = list(truths) if is_batch else [truths]
        tensor = next((one for one in images if _is_tensor(one)), None)
        arrays = [array_of(one) for one in images]
        dtype = np.dtype(precision_of(arrays))
        classes = [_numpy.integers(array_of(one), "labels") for one in each(labels, is_batch, len(images), "labels") or ()]
        maps = np.zeros((len(images), self.classes, self.rows, self.columns), dtype)
        boxes = [_numpy.like(array, dtype, "truths") for array in arrays]
        indices = _core.center_heatmap(maps, boxes, classes, self.stride, self.min_overlap, self.original)
        indices = indices.reshape(len(images), self.rows * self.columns)
        return _like(maps if is_batch else maps[0], tensor), Matches(_like(indices if is_batch else indices[0], tensor), None)


class Matcher:
    """A matcher with its parameters, made by a class of its own or by ``get_matcher``."""

    def __init__(self, name: str, overlap: str | None = None, **params: float) -> None:
        self._matcher = _core.Matcher(name, list(params.items()), overlap)

    @property
    def params(self) -> dict[str, float]:
        """The values of its parameters."""
        return {param.name: param.default for param in params_of(self._matcher)}

    @property
    def overlap(self) -> str | None:
        """The loss that its overlap is 1 minus of; None if it is defined by the IoU."""
        return self._matcher.overlap

    @property
    def text(self) -> str:
        """As it is written for :func:`get_matcher`, and as the ``matcher`` of a criterion."""
        return self._matcher.text

    def __repr__(self) -> str:
        return f"<detloss matcher {self.text}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Matcher) and self._matcher.text == other._matcher.text

    def __hash__(self) -> int:
        return hash(self._matcher.text)

    def __reduce__(self) -> tuple[Any, ...]:
        return Matcher, (self._matcher.text,)

    def __call__(
        self,
        truths: Any,
        *,
        labels: Any = None,
        crowd: Any = None,
        anchors: Any = None,
        levels: Sequence[int] | None = None,
        boxes: Any = None,
        scores: Any = None,
        centers: bool = False,
        backend: str = "auto",
    ) -> Matches:
        """Matches one image, or a batch.

        Args:
            truths: the boxes to find, of shape (truths, 4): x1, y1, x2, y2; for a batch a list of them, one for each image. Rotated
                boxes for an overlap of rotated boxes.
            labels: the class of every truth, integers of shape (truths,), or a list of them.
            crowd: which truths are crowds, booleans of shape (truths,), or a list of them.
            anchors: boxes of shape (predictions, 4); or points with strides, a tuple of shapes (predictions, 2) and (predictions,). The
                same for all images.
            levels: how many anchors each level has, in their order.
            boxes: the box of every prediction, of shape (predictions, 4), for a batch (images, predictions, 4).
            scores: the scores of every prediction, of shape (predictions, classes), for a batch (images, predictions, classes).
            centers: whether truths and predicted boxes are cx, cy, w, h, as in DETR, and not corners.
            backend: "fused" (the compiled core, on the CPU), "decomposed" (tensor operations on the device of the first tensor), or
                "auto": the former for what is on the CPU, the latter for what is on another device, if the matcher has it.

        Raises:
            ValueError: what is missing, does not fit, or is not finite; with the remedy.
        """
        check_backend(backend)
        is_batch = isinstance(truths, (list, tuple)) and not _is_rows(truths)
        images = list(truths) if is_batch else [truths]
        if isinstance(anchors, tuple) and len(anchors) != 2:
            raise ValueError(f"anchors are a tuple of {len(anchors)}: give (points, strides), or one array of boxes")
        given = Given(
            images,
            each(labels, is_batch, len(images), "labels"),
            each(crowd, is_batch, len(images), "crowd"),
            anchors if isinstance(anchors, tuple) else () if anchors is None else (anchors,),
            None if levels is None else [int(level) for level in levels],
            boxes,
            scores,
            centers,
            is_batch,
        )
        tensor = next((one for one in given.floats if _is_tensor(one)), None)
        answer = self._by_tensor_operations(given, tensor, backend)
        if answer is None:
            shape = (len(images), -1) if is_batch and images else (-1,)
            by_core = (None if one is None else one.reshape(shape) for one in _by_core(self._matcher, given))
            answer = tuple(None if one is None else _like(one, tensor) for one in by_core)
        return Matches(*answer)

    def _by_tensor_operations(self, given: Given, tensor: Any, backend: str) -> tuple[Any, ...] | None:
        """Indices and scores, found on the device of a tensor; None where the core is to match, or to say what does not fit."""
        is_forced = backend == "decomposed"
        if is_forced and tensor is None:
            raise ValueError("backend 'decomposed' is of tensor operations: give tensors, or use 'auto'")
        if tensor is None or backend == "fused" or not (is_forced or is_elsewhere(tensor)):
            return None
        from detloss.torch import _matching as of_tensors

        if self._matcher.name in of_tensors.MATCHERS:
            return of_tensors.match(self._matcher, given, tensor.device)
        if is_forced:
            raise ValueError(f"{self._matcher.name} is matched by the core alone: use backend 'auto'")
        return None


class Given(NamedTuple):
    """What a matcher was given, in lists with an entry for each image where it is of single images."""

    truths: list[Any]
    labels: list[Any] | None
    crowd: list[Any] | None
    anchors: tuple[Any, ...]
    """Nothing, boxes, or points and strides."""
    levels: list[int] | None
    boxes: Any
    scores: Any
    centers: bool
    is_batch: bool

    @property
    def floats(self) -> list[Any]:
        """All that is of real numbers."""
        return [*self.truths, *self.anchors, *(one for one in (self.boxes, self.scores) if one is not None)]


def _by_core(matcher: _core.Matcher, given: Given) -> tuple[Any, Any]:
    """Indices and scores of all images, one after the other."""
    floats, images = given.floats, len(given.truths)
    flags = [*(given.labels or ()), *(given.crowd or ())]
    arrays = _arrays([*floats, *flags])
    arrays, rest = arrays[: len(floats)], iter(arrays[len(floats) :])
    dtype = np.dtype(precision_of(arrays))
    arrays = [_numpy.like(array, dtype, "an input of the matcher") for array in arrays]
    numbers = iter(arrays[images:])
    places = [next(numbers) for _ in given.anchors]
    call: Any = {
        "labels": None if given.labels is None else [_numpy.integers(next(rest), "labels") for _ in given.labels],
        "crowd": None if given.crowd is None else [_booleans(next(rest), "crowd") for _ in given.crowd],
        "boxes": None if given.boxes is None else _of_images(next(numbers), given.is_batch, images, "boxes"),
        "scores": None if given.scores is None else _of_images(next(numbers), given.is_batch, images, "scores"),
        "levels": given.levels,
        "centers": given.centers,
        "threads": _numpy.get_num_threads(),
    }
    call.update(zip(("points", "strides") if len(places) == 2 else ("anchors",), places))
    return matcher.run(arrays[:images], call)


def _is_rows(given: Sequence[Any]) -> bool:
    """Whether a list is the rows of one image, and not one array for every image."""
    return len(given) > 0 and all(isinstance(row, (list, tuple)) and all(np.isscalar(number) for number in row) for row in given)


def _is_tensor(given: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(given, torch.Tensor)


def is_elsewhere(given: Any) -> bool:
    """Whether it is a tensor that is not on the CPU."""
    return _is_tensor(given) and given.device.type != "cpu"


def _arrays(given: Sequence[Any]) -> list[Any]:
    """As arrays. What is on a device comes by one copy."""
    away = [one for one in given if is_elsewhere(one)]
    if away:
        from detloss.torch._matching import to_host

        hosted = iter(to_host(away))
        given = [next(hosted) if is_elsewhere(one) else one for one in given]
    return [array_of(one) for one in given]


def array_of(given: Any) -> Any:
    """As a NumPy array; a tensor without its graph, in single precision if it is in half."""
    if not _is_tensor(given):
        return np.asarray(given)
    tensor = given.detach().cpu()
    return (tensor.float() if tensor.element_size() == 2 and tensor.is_floating_point() else tensor).numpy()


def _booleans(array: Any, what: str) -> Any:
    if array.dtype != np.bool_ and array.size > 0:
        raise TypeError(f"{what} is of {array.dtype}: give booleans")
    return np.ascontiguousarray(array, np.bool_)


def each(given: Any, is_batch: bool, images: int, what: str) -> list[Any] | None:
    """Something for every image."""
    if given is None:
        return None
    of_images = list(given) if is_batch else [given]
    if len(of_images) != images:
        raise ValueError(f"{what} are of {len(of_images)} images, truths of {images}: give a list with one array for each image")
    return of_images


def _of_images(array: Any, is_batch: bool, images: int, what: str) -> Any:
    """An array of all images."""
    wanted = 3 if is_batch else 2
    if array.ndim != wanted or (is_batch and array.shape[0] != images):
        batch = f"({images}, predictions, numbers)" if is_batch else "(predictions, numbers)"
        raise ValueError(f"{what} have shape {array.shape}: give {batch}")
    return array if is_batch else array[None]


def _like(array: Any, tensor: Any) -> Any:
    """As a tensor on the device of ``tensor``, if there is one."""
    return array if tensor is None else sys.modules["torch"].from_numpy(array).to(tensor.device)


def like_given(array: Any, given: Any) -> Any:
    """Of the type of ``given``, and a tensor on its device if it is one."""
    return sys.modules["torch"].from_numpy(array).to(given) if _is_tensor(given) else array.astype(given.dtype, copy=False)


def boxes_like(boxes: Any, others: Any) -> tuple[Any, Any, int]:
    """Both as contiguous arrays of one type, and how many threads compare them."""
    arrays = _arrays([boxes, others])
    dtype = np.dtype(precision_of(arrays))
    return _numpy.like(arrays[0], dtype, "boxes"), _numpy.like(arrays[1], dtype, "others"), _numpy.get_num_threads()


def like_boxes(matrix: Any, boxes: Any, others: Any) -> Any:
    """With a row for each box; a tensor where one of both is."""
    tensor = next((one for one in (boxes, others) if _is_tensor(one)), None)
    return _like(matrix.reshape(len(boxes), len(others)), tensor)


def precision_of(arrays: Sequence[Any]) -> Any:
    """Single, unless something is in double precision, or nothing is of floats."""
    floats = [array.dtype.itemsize for array in arrays if array.dtype.kind == "f"]
    return np.float32 if floats and max(floats) <= 4 else np.float64


def params_of(matcher: _core.Matcher) -> list[Param]:
    """The parameters of a matcher, their values as defaults."""
    return [Param(name, kind, value, low, high, doc) for name, kind, value, low, high, doc in matcher.params]


def matchers() -> list[str]:
    """The names of all matchers."""
    return _core.matchers()


def get_matcher(name: str) -> Matcher:
    """The matcher that is written as ``name``: ``max_iou``, ``task_aligned(topk=13, overlap=siou)``.

    Raises:
        ValueError: no matcher is written so; with the remedy.
    """
    return Matcher(name)
