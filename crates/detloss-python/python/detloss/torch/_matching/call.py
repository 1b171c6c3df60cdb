"""A call of a matcher with tensors on a device: checked there, and matched there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from detloss import _core
from detloss._matching import BACKGROUND, Given
from detloss._spec import find
from detloss.torch._call import Chosen, as_integers
from detloss.torch._matching.base import MATCHERS, Anchors, Scene
from detloss.torch._matching.boxes import Columns, center, length
from detloss.torch._operations.base import wide


@torch.no_grad()
def match(matcher: _core.Matcher, given: Given, device: torch.device) -> tuple[Tensor, Tensor | None] | None:
    """Indices and scores of an image, of shape (predictions,), or of a batch, of shape (images, predictions).

    None where something does not fit: the core has the words for what is wrong.
    """
    try:
        scene = _scene(matcher, given, device)
    except _Unfit:
        return None
    line = MATCHERS[matcher.name]
    if scene.image.numel() > 0 and scene.points > 0:
        truth, scores = line.rule(scene, {name: value for name, _, value, *_ in matcher.params})
    else:
        truth, scores = scene.of_predictions(BACKGROUND, torch.int64), scene.of_predictions(0.0) if line.has_scores else None
    counts, indices = scene.counts[:, None], truth.view(scene.images, scene.points)
    indices = torch.where(indices >= 0, indices - (counts.cumsum(0) - counts), indices)
    # By some rules an anchor is ignored for want of overlap; without truths everything is background.
    indices = torch.where(counts > 0, indices, BACKGROUND)
    scores = None if scores is None else scores.view(indices.shape)
    return (indices, scores) if given.is_batch else (indices[0], None if scores is None else scores[0])


def to_host(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Tensors on the host, by one copy for all of a device."""
    hosted: dict[int, Tensor] = {}
    for device in dict.fromkeys(tensor.device for tensor in tensors):
        places = [place for place, tensor in enumerate(tensors) if tensor.device == device]
        # The widest numbers first, so that all of them are aligned.
        places.sort(key=lambda place: -tensors[place].element_size())
        parts = [_bytes(tensors[place].detach().contiguous()) for place in places]
        packed = torch.split(torch.cat(parts).cpu(), [part.numel() for part in parts])
        for place, part in zip(places, packed, strict=True):
            hosted[place] = part.view(tensors[place].dtype).reshape(tensors[place].shape)
    return [hosted[place] for place in range(len(tensors))]


def _bytes(tensor: Tensor) -> Tensor:
    # A tensor of one number, or of none, counts as contiguous whatever its strides are; a view of another type does not take them.
    return tensor.as_strided((tensor.numel(),), (1,)).view(torch.uint8)


class _Unfit(Exception):
    """Something does not fit the matcher, or is no number that it can take."""


def _check(is_fit: bool) -> None:
    if not is_fit:
        raise _Unfit


def _scene(matcher: _core.Matcher, given: Given, device: torch.device) -> Scene:
    """What a matcher sees of its images."""
    inputs, images = matcher.inputs, len(given.truths)
    spec = None if matcher.overlap is None else find(matcher.overlap)
    width = 4 if spec is None else len(spec.pred.fields)
    _check("anchors" in inputs and images > 0 and (given.crowd is None or "crowd" in inputs))
    truths, places = [_on(device, one) for one in given.truths], [_on(device, one) for one in given.anchors]
    boxes, scores = (None if one is None else _on(device, one) for one in (given.boxes, given.scores))
    dtype = _precision([*truths, *places, *(one for one in (boxes, scores) if one is not None)])
    truths = [_rows(one, width) for one in truths]
    counts = [len(one) for one in truths]
    all_truths = torch.cat(truths).to(dtype)
    anchors, flaws = _anchors([one.to(dtype) for one in places], given.levels)
    flaws.append(~all_truths.isfinite().all())
    points = anchors.stride.shape[0]
    columns: tuple[Columns, Columns] = all_truths.unbind(-1), ()
    if "boxes" in inputs:
        boxes = _of_images(boxes, given.is_batch, (images, points, width))
        columns = columns[0], tuple(column.reshape(-1).to(dtype) for column in boxes.unbind(-1))
    if given.centers and width == 4:
        columns = _corners(columns[0]), _corners(columns[1])
    labels = None
    if "probabilities" in inputs or "logits" in inputs:
        scores = _of_images(scores, given.is_batch, (images, points, -1))
        labels = as_integers(torch.cat(_each(given.labels, counts, device, is_flags=False)))
        if points > 0:
            flaws.append(((labels < 0) | (labels >= scores.shape[2])).any())
    crowd = None if given.crowd is None else torch.cat(_each(given.crowd, counts, device, is_flags=True))
    _check(not _any(flaws))
    # Written there, and not copied there: the host would wait for a copy.
    image = torch.cat([torch.full((count,), place, device=device) for place, count in enumerate(counts)])
    return Scene(
        anchors=anchors,
        images=images,
        counts=torch.zeros(images, dtype=torch.int64, device=device).index_add(0, image, torch.ones_like(image)),
        image=image,
        truths=columns[0],
        labels=labels,
        crowd=crowd,
        boxes=columns[1],
        scores=scores,
        overlap=None if spec is None else Chosen(spec, {}).key,
    )


def _on(device: torch.device, given: Any) -> Tensor:
    """As a tensor there, in its own precision."""
    return (given.detach() if isinstance(given, Tensor) else torch.as_tensor(np.asarray(given))).to(device)


def _precision(tensors: Sequence[Tensor]) -> torch.dtype:
    """Single, unless something is in double precision, or nothing is of floats."""
    _check(not any(tensor.is_complex() for tensor in tensors))
    sizes = [tensor.element_size() for tensor in tensors if tensor.is_floating_point()]
    return torch.float32 if sizes and max(sizes) <= 4 else wide(tensors[0])


def _rows(tensor: Tensor, width: int) -> Tensor:
    """Rows of so many numbers."""
    _check(tensor.numel() == 0 or (tensor.dim() > 0 and tensor.shape[-1] == width))
    return tensor.reshape(-1, width) if tensor.numel() > 0 else tensor.new_zeros(0, width)


def _of_images(tensor: Tensor | None, is_batch: bool, shape: tuple[int, int, int]) -> Tensor:
    """A tensor of all images, of this shape; −1 is any number."""
    if tensor is None or tensor.dim() != (3 if is_batch else 2):
        raise _Unfit
    tensor = tensor if is_batch else tensor[None]
    _check(all(wanted in (-1, got) for wanted, got in zip(shape, tensor.shape, strict=True)))
    return tensor


def _each(given: Sequence[Any] | None, counts: Sequence[int], device: torch.device, *, is_flags: bool) -> list[Tensor]:
    """A number or a flag for every truth of every image."""
    if given is None:
        raise _Unfit
    tensors = [_on(device, one).reshape(-1) for one in given]
    for tensor, count in zip(tensors, counts, strict=True):
        is_number = not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)
        _check(tensor.numel() == count and (count == 0 or (tensor.dtype == torch.bool if is_flags else is_number)))
    return [tensor.to(torch.bool) if is_flags else as_integers(tensor) for tensor in tensors]


def _anchors(places: Sequence[Tensor], levels: Sequence[int] | None) -> tuple[Anchors, list[Tensor]]:
    """Boxes, or points with strides; and whether some of their numbers cannot be."""
    _check(len(places) > 0)
    if len(places) == 1:
        box: Columns = _rows(places[0], 4).unbind(-1)
        middle, stride = center(box), length(box[0], box[2])
        flaws = [~places[0].isfinite().all()]
    else:
        middle, stride = _rows(places[0], 2).unbind(-1), places[1].reshape(-1)
        _check(middle[0].shape == stride.shape)
        half = stride * 0.5
        box = (*(number - half for number in middle), *(number + half for number in middle))
        flaws = [~places[0].isfinite().all(), ~((stride > 0.0) & stride.isfinite()).all()]
    counts = [len(stride)] if levels is None else list(levels)
    _check(sum(counts) == len(stride) and min(counts, default=0) >= 0)
    ends = [sum(counts[: place + 1]) for place in range(len(counts))]
    slices = tuple(slice(end - count, end) for end, count in zip(ends, counts, strict=True))
    return Anchors(box, middle, stride, slices), flaws


def _corners(box: Columns) -> Columns:
    """By their corners, of centres and sizes; nothing of nothing."""
    if not box:
        return box
    cx, cy, width, height = box
    half_width, half_height = width * 0.5, height * 0.5
    return cx - half_width, cy - half_height, cx + half_width, cy + half_height


def _any(flags: Sequence[Tensor]) -> bool:
    """Whether one of these is true; the device is waited for, once for all of them."""
    return torch.stack(list(flags)).nonzero().shape[0] > 0
