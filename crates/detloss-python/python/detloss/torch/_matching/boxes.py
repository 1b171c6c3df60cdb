"""Boxes by columns: a tensor for each number of a box, all of one shape or of shapes that meet."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor

from detloss.torch._scalar import safe_div

Columns: TypeAlias = tuple[Tensor, ...]
"""x1, y1, x2, y2; or x, y."""


def length(low: Tensor, high: Tensor) -> Tensor:
    """The distance of two ends, not below 0."""
    return (high - low).clamp(min=0.0)


def area(box: Columns) -> Tensor:
    """Width times height; an inverted box is empty."""
    x1, y1, x2, y2 = box
    return length(x1, x2) * length(y1, y2)


def center(box: Columns) -> Columns:
    """The middle."""
    x1, y1, x2, y2 = box
    return (x1 + x2) * 0.5, (y1 + y2) * 0.5


def intersection(box: Columns, other: Columns) -> Columns:
    """What both cover."""
    low = [torch.maximum(box[side], other[side]) for side in (0, 1)]
    high = [torch.minimum(box[side], other[side]) for side in (2, 3)]
    return (*low, *high)


def iou(box: Columns, other: Columns) -> Tensor:
    """Intersection over union itself: a small one keeps its digits, which 1 minus a loss does not. 0 for two empty boxes."""
    both = area(intersection(box, other))
    return safe_div(both, area(box) + area(other) - both)


def overlaps(box: Columns, other: Columns) -> Tensor:
    """Whether two boxes have more than an edge in common, unless one is empty."""
    (x1, y1, x2, y2), (left, top, right, bottom) = box, other
    return (x1 < right) & (left < x2) & (y1 < bottom) & (top < y2)


def holds(box: Columns, point: Columns, margin: float = 0.0) -> Tensor:
    """Whether a point lies inside by more than a margin."""
    (x1, y1, x2, y2), (x, y) = box, point
    return (x - x1 > margin) & (y - y1 > margin) & (x2 - x > margin) & (y2 - y > margin)
