"""Criteria of NumPy arrays and of tensors: what both front doors share."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np

from detloss import _core, _numpy
from detloss._matching import Matcher, array_of, each, precision_of


class Line(NamedTuple):
    """A line of the list of criteria."""

    name: str
    aliases: list[str]
    label: str
    source: str
    doc: str


def lines() -> list[Line]:
    """All criteria: names, whose numbers each gives, and its documentation."""
    return [Line(*line) for line in _core.criteria_list()]


@dataclass(frozen=True)
class Outputs:
    """The raw outputs of a model for a batch of images: of one head, or of one layer of it.

    Args:
        logits: of all classes, of shape (images, predictions, classes); None for a head without, such as one of region proposals.
        boxes: the raw numbers of boxes, of shape (images, predictions, numbers): what the head's decoder takes.
        anchors: boxes of shape (predictions, 4), or (images, predictions, 4) for proposals of each image; or points with strides, a
            tuple of shapes (predictions, 2) and (predictions,); all in the unit of the truths.
        quality: the logit that each prediction has besides its classes, objectness or centreness, of shape (images, predictions).
        angle: the angle of each prediction's box in radians, for rotated boxes, of shape (images, predictions).
        distribution: the logits of the four distributions that each prediction has besides its box, of shape (images, predictions, 4 (N + 1)).
        references: the boxes that these are seen from, of shape (images, predictions, 4), in the form of the truths. They have no gradient.
        head: the head that they are of; the first one by default.
        levels: how many anchors each level has, in their order.
        image_size: width and height of the images, in the unit of the truths, for criteria that measure sides as fractions of them.
        groups: how many groups of queries there are.
        pairs: for a head without a matcher, the index of the truth of every prediction in its image, -1 for background and -2 for what is
            left out, of shape (images, predictions).
        seed: for a head that chooses by chance. Give every step another.
    """

    logits: Any
    boxes: Any
    anchors: Any = None
    quality: Any = None
    angle: Any = None
    head: str | None = None
    levels: Sequence[int] | None = None
    image_size: tuple[float, float] | None = None
    groups: int = 1
    pairs: Any = None
    seed: int = 0
    distribution: Any = None
    references: Any = None

    def replaced(self, **changes: Any) -> Outputs:
        """The same with some things changed."""
        return replace(self, **changes)


class Evaluation(NamedTuple):
    """What a batch is worth.

    ``total``: the sum of all terms. ``terms``: each by its name, with its head in front where there are several, weighted and normalised.
    ``grads``: for each of the outputs, the gradient of the total by each of its tensors. ``indices``: for each of the outputs, the truth of
    every prediction, of shape (images, predictions).
    """

    total: Any
    terms: dict[str, float]
    grads: list[Outputs]
    indices: list[Any]


def make(name: str | Mapping[str, Any], settings: Mapping[str, Any]) -> _core.Criterion:
    """The criterion that is written so, or that was saved as data, with these settings."""
    made = _core.Criterion(name) if isinstance(name, str) else _core.Criterion(json.dumps(name), json=True)
    for setting, value in settings.items():
        made = made.with_setting(setting, _written(setting, value))
    return made


def _written(setting: str, value: Any) -> str:
    """A setting as it is written."""
    if isinstance(value, Matcher):
        return value.text
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    if callable(value):
        raise TypeError(f"{setting} is {type(value).__name__}: give a loss or a matcher as it is written, such as 'focal(gamma=1.5)'")
    return str(value)


Self_ = TypeVar("Self_", bound="Data")


class Data:
    """What criteria of arrays and of tensors have in common: they are data."""

    _criterion: _core.Criterion

    def __init__(self, criterion: _core.Criterion) -> None:
        super().__init__()
        self._criterion = criterion

    @property
    def data(self) -> dict[str, Any]:
        """All of it, as dictionaries, lists and numbers: save it, and give it to ``get_criterion``."""
        answer: dict[str, Any] = json.loads(self._criterion.json())
        return answer

    def at(self: Self_, progress: float) -> Self_:
        """The criterion with the weights of this moment of a training run, from 0 at its beginning to 1 at its end."""
        if progress != progress:
            raise ValueError("progress is NaN: give a number from 0 to 1")
        other = copy.copy(self)
        other._criterion = self._criterion.at(progress)
        return other

    def described(self) -> str:
        """Its terms: weights and losses."""
        data = self.data
        heads = [
            (head["name"], ", ".join(f"{term['name']} {term['weight']:g} {term['loss']}" for term in head["terms"])) for head in data["heads"]
        ]
        return heads[0][1] if len(heads) == 1 else "; ".join(f"{name}: {terms}" for name, terms in heads)


FLOATS = ("logits", "boxes", "quality", "angle", "distribution")
"""What has a gradient."""

OF_ROWS = ("quality", "angle", "pairs")
"""What has one number for every prediction."""


def evaluate(
    criterion: _core.Criterion,
    outputs: Outputs | Sequence[Outputs],
    truths: Sequence[Any],
    labels: Sequence[Any],
    threads: int,
    with_grad: bool = True,
    all_reduce: Callable[[list[float]], list[float]] | None = None,
) -> Evaluation:
    """The terms of a batch and the gradient by every output, as arrays.

    ``all_reduce`` makes of sums of this process their means over all.
    """
    layers = layers_of(outputs)
    for what, of_images in (("truths", truths), ("labels", labels)):
        if not isinstance(of_images, (list, tuple)):
            raise TypeError(f"{what} are no list: give a list with the {'boxes' if what == 'truths' else 'labels'} of each image")
    given = [array for layer in layers for array in _floats(layer)] + list(truths)
    dtype = np.dtype(precision_of([array_of(one) for one in given]))
    boxes = [_boxes(one, dtype, image) for image, one in enumerate(truths)]
    classes = [_numpy.integers(array_of(one), "labels") for one in each(labels, True, len(boxes), "labels") or ()]
    calls = [_call(layer, dtype, len(boxes)) for layer in layers]
    # Memory of NumPy, which asks for huge pages: the pages of fresh memory cost as much as a term. All else is mostly zeros, and has no page for them.
    logits = [None if call["logits"] is None else np.empty_like(call["logits"]) for call in calls] if with_grad else None
    answer = criterion.evaluate(calls, boxes, classes, threads, logits, all_reduce)
    heads = {head for head, _, _ in answer["terms"]}
    terms = {f"{head}.{term}" if len(heads) > 1 else term: value for head, term, value in answer["terms"]}
    grads = [_grads(*of_layer) for of_layer in zip(calls, logits, answer["grads"], strict=True)] if logits else []
    indices = [flat.reshape(call["boxes"].shape[:2]) for call, flat in zip(calls, answer["indices"], strict=True)]
    return Evaluation(answer["total"], terms, grads, indices)


def _grads(call: dict[str, Any], logits: Any, others: dict[str, Any]) -> Outputs:
    """The gradient by each of the outputs of a head or layer, of their shapes."""
    return Outputs(logits, **{name: others[name].reshape(call[name].shape) for name in FLOATS[1:] if call[name] is not None})


def layers_of(outputs: Outputs | Sequence[Outputs]) -> list[Outputs]:
    """The outputs of each head and layer."""
    layers = [outputs] if isinstance(outputs, Outputs) else list(outputs)
    other = next((layer for layer in layers if not isinstance(layer, Outputs)), None)
    if other is not None:
        raise TypeError(f"outputs are of {type(other).__name__}: give Outputs(logits, boxes), or a list of them")
    return layers


def _boxes(given: Any, dtype: np.dtype[Any], image: int) -> Any:
    """The truths of an image, each in a row."""
    boxes = array_of(given)
    if boxes.dtype == np.bool_:
        raise TypeError(f"image {image}: the truths are of {boxes.dtype}: give real numbers")
    if boxes.size and (boxes.ndim != 2 or boxes.shape[1] not in (4, 5)):
        raise ValueError(f"image {image}: the truths have shape {boxes.shape}: give (truths, 4), or (truths, 5) for rotated boxes")
    return _numpy.like(boxes, dtype, "the truths")


def _floats(layer: Outputs) -> list[Any]:
    return [one for one in (getattr(layer, name) for name in (*FLOATS, "references")) if one is not None]


def _like(given: Any, dtype: np.dtype[Any], what: str) -> Any:
    return _numpy.like(array_of(given), dtype, what)


def _call(layer: Outputs, dtype: np.dtype[Any], images: int) -> dict[str, Any]:
    """Outputs as the core takes them."""
    call: dict[str, Any] = {field.name: getattr(layer, field.name) for field in fields(layer)}
    if call["boxes"] is None:
        raise ValueError("outputs without boxes: give the raw numbers of boxes, of shape (images, predictions, numbers)")
    predictions = None
    for name in ("boxes", *(name for name in (*FLOATS, "references") if name != "boxes")):
        if call[name] is not None:
            call[name] = _like(call[name], dtype, f"the {name}")
            predictions = _check_shape(name, call[name].shape, images, predictions)
    if call["pairs"] is not None:
        pairs = _numpy.integers(array_of(call["pairs"]), "the pairs")
        _check_shape("pairs", pairs.shape, images, predictions)
        call["pairs"] = pairs.clip(-(2**31), 2**31 - 1).astype(np.int32)
    if call["image_size"] is not None:
        call["image_size"] = _size(call["image_size"])
    if call["groups"] < 1:
        raise ValueError(f"groups is {call['groups']}: give 1 or more")
    call["seed"] = int(call["seed"]) % 2**64
    anchors = call["anchors"]
    if isinstance(anchors, tuple):
        if len(anchors) != 2:
            raise ValueError(f"anchors are a tuple of {len(anchors)}: give (points, strides), or one array of boxes")
        call["anchors"] = None
        points, strides = (_like(part, dtype, "the anchors") for part in anchors)
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"the points have shape {points.shape}: give (predictions, 2)")
        call |= {"points": points, "strides": strides}
    elif isinstance(anchors, list) and any(hasattr(part, "shape") for part in anchors):
        raise TypeError("anchors are a list of arrays: give (points, strides), a tuple, or one array of boxes")
    elif anchors is not None:
        given = _like(anchors, dtype, "the anchors")
        if given.ndim not in (2, 3) or given.shape[-1] != 4:
            raise ValueError(f"the anchors have shape {given.shape}: give (predictions, 4), or (images, predictions, 4)")
        if given.ndim == 3 and len(given) != images:
            raise ValueError(f"the anchors have shape {given.shape}, the truths are of {images} images: give those of each image")
        call["anchors"] = list(given) if given.ndim == 3 else [given]
    return call


def _check_shape(name: str, shape: tuple[int, ...], images: int, predictions: int | None) -> int:
    """How many predictions an image has; ``predictions`` is what the boxes say."""
    wanted = "(images, predictions)" if name in OF_ROWS else "(images, predictions, numbers)"
    if len(shape) != wanted.count(",") + 1 or shape[0] != images:
        raise ValueError(f"the {name} have shape {shape}, the truths are of {images} images: give {wanted}")
    if predictions is not None and shape[1] != predictions:
        raise ValueError(f"the {name} have shape {shape}, the boxes are of {predictions} predictions an image: give {wanted}")
    return shape[1]


def _size(given: Any) -> tuple[float, float]:
    """Width and height of the images."""
    sides = np.asarray(array_of(given), np.float64)
    if sides.shape != (2,) or not (np.isfinite(sides).all() and (sides > 0).all()):
        raise ValueError(f"image_size is {given!r}: give (width, height), both above 0")
    return float(sides[0]), float(sides[1])
