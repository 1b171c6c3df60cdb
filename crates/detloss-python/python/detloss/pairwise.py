"""Every box with every other one, as a matrix.

Each function takes n boxes and m others, NumPy arrays or PyTorch tensors, and gives n rows of m numbers of the same kind. Nothing is
differentiated. Boxes are x1, y1, x2, y2; rotated ones cx, cy, w, h, angle; upright ones in space cx, cy, cz, dx, dy, dz, yaw.
"""

from __future__ import annotations

from typing import Any

from detloss._core import pairwise as _core
from detloss._matching import boxes_like, like_boxes

__all__ = ["center_distance", "ciou", "diou", "giou", "iof", "iou", "l1", "loss", "rotated_iou", "yaw_iou3d"]


def iou(boxes: Any, others: Any) -> Any:
    """The IoU, from 0 to 1; 0 for two empty boxes. A small one has all its digits."""
    return like_boxes(_core.iou(*boxes_like(boxes, others)), boxes, others)


def iof(boxes: Any, others: Any) -> Any:
    """The intersection over the area of the first box: MMDetection's "iof". 0 for an empty box."""
    return like_boxes(_core.iof(*boxes_like(boxes, others)), boxes, others)


def giou(boxes: Any, others: Any) -> Any:
    """The GIoU, from -1 to 1."""
    return like_boxes(_core.giou(*boxes_like(boxes, others)), boxes, others)


def diou(boxes: Any, others: Any) -> Any:
    """The DIoU, from -1 to 1."""
    return like_boxes(_core.diou(*boxes_like(boxes, others)), boxes, others)


def ciou(boxes: Any, others: Any) -> Any:
    """The CIoU, from -1.5 to 1."""
    return like_boxes(_core.ciou(*boxes_like(boxes, others)), boxes, others)


def l1(boxes: Any, others: Any) -> Any:
    """The sum of the distances of the four numbers, whatever form they have."""
    return like_boxes(_core.l1(*boxes_like(boxes, others)), boxes, others)


def center_distance(boxes: Any, others: Any) -> Any:
    """The distance of the centres."""
    return like_boxes(_core.center_distance(*boxes_like(boxes, others)), boxes, others)


def rotated_iou(boxes: Any, others: Any) -> Any:
    """The IoU of rotated boxes, exact."""
    return like_boxes(_core.rotated_iou(*boxes_like(boxes, others)), boxes, others)


def yaw_iou3d(boxes: Any, others: Any) -> Any:
    """The IoU of upright boxes in space, exact."""
    return like_boxes(_core.yaw_iou3d(*boxes_like(boxes, others)), boxes, others)


def loss(name: str, boxes: Any, others: Any) -> Any:
    """Any loss of two boxes, with parameters and modifiers as they are written: ``siou``, ``kld(tau=1)``, ``inner(ciou, ratio=0.8)``.

    Args:
        name: the loss.
        boxes: the predictions.
        others: the targets.

    Raises:
        ValueError: no loss of two boxes is written so; with the remedy.
    """
    return like_boxes(_core.loss(name, *boxes_like(boxes, others)), boxes, others)
