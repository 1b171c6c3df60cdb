"""Every box with every other one, as a matrix.

Each function takes n boxes and m others, NumPy arrays or PyTorch tensors, and gives n rows of m numbers of the same kind. Nothing is
differentiated. Boxes are x1, y1, x2, y2; rotated ones cx, cy, w, h, angle; upright ones in space cx, cy, cz, dx, dy, dz, yaw.
"""

from __future__ import annotations

from typing import Any as _Any

from detloss._core import pairwise as _core
from detloss._matching import boxes_like as _boxes_like
from detloss._matching import like_boxes as _like_boxes


def iou(boxes: _Any, others: _Any) -> _Any:
    """The IoU, from 0 to 1; 0 for two empty boxes. A small one has all its digits."""
    return _like_boxes(_core.iou(*_boxes_like(boxes, others)), boxes, others)


def iof(boxes: _Any, others: _Any) -> _Any:
    """The intersection over the area of the first box: MMDetection's "iof". 0 for an empty box."""
    return _like_boxes(_core.iof(*_boxes_like(boxes, others)), boxes, others)


def giou(boxes: _Any, others: _Any) -> _Any:
    """The GIoU, from -1 to 1."""
    return _like_boxes(_core.giou(*_boxes_like(boxes, others)), boxes, others)


def diou(boxes: _Any, others: _Any) -> _Any:
    """The DIoU, from -1 to 1."""
    return _like_boxes(_core.diou(*_boxes_like(boxes, others)), boxes, others)


def ciou(boxes: _Any, others: _Any) -> _Any:
    """The CIoU, from -1.5 to 1."""
    return _like_boxes(_core.ciou(*_boxes_like(boxes, others)), boxes, others)


def l1(boxes: _Any, others: _Any) -> _Any:
    """The sum of the distances of the four numbers, whatever form they have."""
    return _like_boxes(_core.l1(*_boxes_like(boxes, others)), boxes, others)


def center_distance(boxes: _Any, others: _Any) -> _Any:
    """The distance of the centres."""
    return _like_boxes(_core.center_distance(*_boxes_like(boxes, others)), boxes, others)


def rotated_iou(boxes: _Any, others: _Any) -> _Any:
    """The IoU of rotated boxes, exact."""
    return _like_boxes(_core.rotated_iou(*_boxes_like(boxes, others)), boxes, others)


def yaw_iou3d(boxes: _Any, others: _Any) -> _Any:
    """The IoU of upright boxes in space, exact."""
    return _like_boxes(_core.yaw_iou3d(*_boxes_like(boxes, others)), boxes, others)


def loss(name: str, boxes: _Any, others: _Any) -> _Any:
    """Any loss of two boxes, with parameters and modifiers as they are written: ``siou``, ``kld(tau=1)``, ``inner(ciou, ratio=0.8)``.

    Args:
        name: the loss.
        boxes: the predictions.
        others: the targets.

    Raises:
        ValueError: no loss of two boxes is written so; with the remedy.
    """
    return _like_boxes(_core.loss(name, *_boxes_like(boxes, others)), boxes, others)
