"""Whether outputs and truths fit their criterion. What does not goes over the host: the core has the words for what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from detloss._criteria import FLOATS, OF_ROWS, Outputs
from detloss._matching import IGNORED
from detloss.torch._criteria.decoder import Decoder
from detloss.torch._criteria.divisors import background_of
from detloss.torch._criteria.layer import groups_of


def fits(
    heads: dict[str, dict[str, Any]],
    decoders: dict[str, Decoder],
    outputs: Sequence[Outputs],
    truths: Sequence[Any],
    labels: Sequence[Any],
    device: torch.device,
) -> bool:
    """Whether all of it does. The device is waited for, once."""
    if not (isinstance(truths, (list, tuple)) and isinstance(labels, (list, tuple)) and 0 < len(truths) == len(labels)):
        return False
    first = next(iter(heads))
    of_heads = [heads.get(one.head or first) for one in outputs]
    if None in of_heads:
        return False
    width = decoders[first].width
    boxes = [_shape(one) for one in truths]
    counts = [0 if 0 in shape else shape[0] for shape in boxes if shape]
    if len(counts) != len(boxes) or any(count and shape != (count, width) for count, shape in zip(counts, boxes, strict=True)):
        return False
    if any(not _is_integer(one) or _shape(one) != (count,) for one, count in zip(labels, counts, strict=True) if count or _shape(one) != (0,)):
        return False
    last = {one.head or first: one for one in outputs}
    flaws = [~_on(one, device).isfinite().all() for one in truths]
    for given, head in zip(outputs, of_heads, strict=True):
        assert head is not None
        name = given.head or first
        if not _fits(head, decoders[name], given, len(truths), device) or decoders[name].width != width:
            return False
        teacher = last[name]
        if given.distribution is not None and any(
            _shape(getattr(given, what)) != _shape(getattr(teacher, what)) for what in ("distribution", "logits")
        ):
            return False
        classes = 0 if given.logits is None else given.logits.shape[-1]
        if classes:
            flaws += [_wrong_labels(_on(one, device), head, classes) for one in labels]
        if head["matcher"] is None:
            pairs, most = _on(given.pairs, device), torch.stack([torch.full((), count, device=device) for count in counts])
            flaws.append(((pairs < IGNORED) | (pairs >= most[:, None])).any())
        if given.anchors is not None:
            parts = given.anchors if isinstance(given.anchors, tuple) else (given.anchors,)
            flaws += [~_on(part, device).isfinite().all() for part in parts]
            flaws += [~(_on(parts[1], device) > 0).all()] if len(parts) == 2 else []
    return torch.stack(flaws).nonzero().shape[0] == 0


def _fits(head: dict[str, Any], decoder: Decoder, given: Outputs, images: int, device: torch.device) -> bool:
    """Whether the outputs of a head or layer have the shapes that they should have, and all are there."""
    compared = [term["compares"] for term in head["terms"]]
    kinds = {next(iter(one)) if isinstance(one, dict) else one for one in compared}
    needed = {"boxes"}
    needed |= {"quality"} if head["with_objectness"] or "quality" in kinds else set()
    needed |= {"angle"} if decoder.is_rotated else set()
    needed |= {"distribution", "references"} if kinds & {"refinement", "teacher"} else set()
    needed |= {"logits"} if "classes" in kinds or head["class_specific"] else set()
    needed |= {"anchors"} if decoder.has_anchors or head["class_specific"] else set()
    needed |= {"pairs"} if head["matcher"] is None else set()
    if any(getattr(given, name) is None for name in needed):
        return False
    if {"offsets": "mean_of_image"} in compared and not _is_size(given.image_size):
        return False
    shape = _shape(given.boxes)
    if len(shape) != 3 or shape[0] != images or given.groups not in _groups(head, given.groups):
        return False
    rows = shape[1]
    for name in (*FLOATS, "references", "pairs"):
        one = getattr(given, name)
        if one is None:
            continue
        if isinstance(one, Tensor) and one.device != device:
            return False
        got = _shape(one)
        if got[:2] != (images, rows) or len(got) != (2 if name in OF_ROWS else 3):
            return False
    columns = decoder.columns * (given.logits.shape[-1] if head["class_specific"] else 1)
    is_of_distributions = "references" not in needed or (_shape(given.references)[2] == 4 and _shape(given.distribution)[2] % 8 == 4)
    return (
        shape[2] == columns
        and is_of_distributions
        and ("logits" not in needed or given.logits.shape[-1] > 0)
        and ("pairs" not in needed or _is_integer(given.pairs))
        and (given.anchors is None or _fit_anchors(given, images, rows))
    )


def _fit_anchors(given: Outputs, images: int, rows: int) -> bool:
    anchors = given.anchors
    if isinstance(anchors, tuple):
        return len(anchors) == 2 and _shape(anchors[0]) == (rows, 2) and _shape(anchors[1]) == (rows,)
    if not hasattr(anchors, "shape") or (given.levels is not None and (sum(given.levels) != rows or min(given.levels, default=0) < 0)):
        return False
    # Those of each image have pairs that are given: matchers take one list.
    return _shape(anchors) == (rows, 4) or (_shape(anchors) == (images, rows, 4) and given.pairs is not None)


def _wrong_labels(labels: Tensor, head: dict[str, Any], classes: int) -> Tensor:
    kinds = [term["compares"].get("classes") for term in head["terms"] if isinstance(term["compares"], dict)]
    background = next((background_of(kind, classes) for kind in kinds if kind), classes)
    return ((labels < 0) | (labels >= classes) | (labels == background)).any()


def _groups(head: dict[str, Any], given: int) -> tuple[int, ...]:
    """The numbers of groups of queries that outputs may say they have."""
    return (max(given, 1),) if head["matcher"] is None else (1, groups_of(head, given))


def _is_size(size: Any) -> bool:
    return size is not None and len(size) == 2 and all(0.0 < float(side) < float("inf") for side in size)


def _is_integer(given: Any) -> bool:
    if isinstance(given, Tensor):
        return not (given.is_floating_point() or given.is_complex() or given.dtype == torch.bool)
    return bool(np.asarray(given).dtype.kind in "iu")


def _shape(given: Any) -> tuple[int, ...]:
    return tuple(given.shape) if hasattr(given, "shape") else tuple(np.shape(given))


def _on(given: Any, device: torch.device) -> Tensor:
    return torch.as_tensor(given, device=device)
