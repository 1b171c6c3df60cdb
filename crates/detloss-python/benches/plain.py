"""What people compute these losses with: the published algorithms in plain torch, and polygons cut by shapely.

Each gives a loss for every pair of boxes: (cx, cy, w, h, angle) where they are rotated, else (x1, y1, x2, y2).
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi

import numpy
import torch
from torch import Tensor

Formula = Callable[[Tensor, Tensor], Tensor]

WITHIN = 1e-6
"""How far a corner may be outside of the other box, in sides of that, and still count as inside."""

LEAST = 1e-7
"""What squared distances are held above, as a root has no slope at 0."""


def corners(box: Tensor) -> Tensor:
    """The corners (n, 4, 2) of rotated boxes, in order."""
    x, y = box.new_tensor([0.5, -0.5, -0.5, 0.5]), box.new_tensor([0.5, 0.5, -0.5, -0.5])
    along, across = box[:, 2:3] * x, box[:, 3:4] * y
    cos, sin = box[:, 4:].cos(), box[:, 4:].sin()
    turned = torch.stack([along * cos - across * sin, along * sin + across * cos], -1)
    return turned + box[:, None, :2]


def _cross(one: Tensor, other: Tensor) -> Tensor:
    return one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]


def _crossings(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Where the edges of both cross, (n, 16, 2), and whether they do."""
    start, begin = one[:, :, None], other[:, None]
    edge, line = one.roll(-1, 1)[:, :, None] - start, other.roll(-1, 1)[:, None] - begin
    across = _cross(edge, line)
    parallel = across == 0
    across = torch.where(parallel, 1.0, across)
    t, u = _cross(begin - start, line) / across, _cross(begin - start, edge) / across
    met = ~parallel & (t > 0) & (t < 1) & (u > 0) & (u < 1)
    return (start + t[..., None] * edge).flatten(1, 2), met.flatten(1, 2)


def _is_inside(points: Tensor, box: Tensor) -> Tensor:
    """Which corners lie in the box of other corners."""
    from_corner = points - box[:, :1]
    inside = torch.ones_like(points[..., 0], dtype=torch.bool)
    for side in (box[:, 1:2] - box[:, :1], box[:, 3:] - box[:, :1]):
        share = (from_corner * side).sum(-1) / side.square().sum(-1)
        inside &= (share > -WITHIN) & (share < 1 + WITHIN)
    return inside


def candidate_points(pred: Tensor, target: Tensor) -> Tensor:
    """The rotated IoU loss as MMCV and Rotated_IoU have it: 24 points that may be corners of the overlap, those that are
    sorted around their mean, and the area between them.
    """
    one, other = corners(pred), corners(target)
    crossings, crossed = _crossings(one, other)
    points = torch.cat([one, other, crossings], 1)
    with torch.no_grad():
        found = torch.cat([_is_inside(one, other), _is_inside(other, one), crossed], 1)
        count = found.sum(-1, keepdim=True)
        mean = torch.where(found[..., None], points, 0.0).sum(1, keepdim=True) / count.clamp(min=1)[..., None]
        x, y = (points - mean).unbind(-1)
        angle = torch.where(found, torch.atan2(y, x), torch.inf)
        most = max(int(count.max()), 1)
        order = angle.argsort(-1)[:, :most]
        # What is not a corner is the first one again, where it adds nothing to the area.
        order = torch.where(torch.arange(most, device=order.device) < count, order, order[:, :1])
    ring = points.gather(1, order[..., None].expand(-1, -1, 2)) - mean
    area = torch.where(count[:, 0] > 2, _cross(ring, ring.roll(-1, 1)).sum(-1).abs() / 2, 0.0)
    union = pred[:, 2:4].prod(-1) + target[:, 2:4].prod(-1) - area
    return 1.0 - area / union


def polygons(pred: Tensor, target: Tensor) -> Tensor:
    """The rotated IoU loss by the polygons of shapely, in float64, without a gradient."""
    import shapely  # type: ignore[import-untyped]

    one, other = (shapely.polygons(corners(box.detach().double()).numpy()) for box in (pred, target))
    area = shapely.area(shapely.intersection(one, other))
    iou = area / (shapely.area(one) + shapely.area(other) - area)
    return torch.from_numpy(1.0 - numpy.asarray(iou))


def _covariance(box: Tensor) -> Tensor:
    cos, sin = box[:, 4].cos(), box[:, 4].sin()
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    half = torch.diag_embed(box[:, 2:4] / 2)
    return turn @ half.square() @ turn.transpose(-1, -2)


def _trace(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1).sum(-1)


def gwd(pred: Tensor, target: Tensor) -> Tensor:
    """MMRotate's ``GDLoss("gwd")``: ln(1 + W / s), with s twice the eighth root of both determinants."""
    p, t = _covariance(pred), _covariance(target)
    root_of_dets = (p.det() * t.det()).clamp(min=0).sqrt()
    shared = (_trace(p @ t) + 2 * root_of_dets).clamp(min=0).sqrt()
    squared = (pred[:, :2] - target[:, :2]).square().sum(-1) + _trace(p) + _trace(t) - 2 * shared
    scale = 2 * root_of_dets.clamp(min=LEAST).sqrt().sqrt()
    return (squared.clamp(min=LEAST).sqrt() / scale).log1p()


def kld(pred: Tensor, target: Tensor) -> Tensor:
    """MMRotate's ``GDLoss("kld")``: ln(1 + the root of the divergence)."""
    p, t = _covariance(pred), _covariance(target)
    (a, b), (c, d) = p[:, 0].unbind(-1), p[:, 1].unbind(-1)
    adjugate = torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], -2)
    inverse = adjugate / p.det()[:, None, None]
    offset = (pred[:, :2] - target[:, :2])[..., None]
    of_centres = (offset.transpose(-1, -2) @ inverse @ offset).flatten()
    of_shapes = _trace(inverse @ t) + p.det().log() - t.det().log()
    return ((of_centres + of_shapes) / 2 - 1.0).clamp(min=LEAST).sqrt().log1p()


def _iou(pred: Tensor, target: Tensor) -> Tensor:
    sides = (torch.minimum(pred[:, 2:], target[:, 2:]) - torch.maximum(pred[:, :2], target[:, :2])).clamp(min=0)
    shared = sides.prod(-1)
    return shared / ((pred[:, 2:] - pred[:, :2]).prod(-1) + (target[:, 2:] - target[:, :2]).prod(-1) - shared)


def _ciou(pred: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """CIoU with this IoU counted."""
    hull = torch.maximum(pred[:, 2:], target[:, 2:]) - torch.minimum(pred[:, :2], target[:, :2])
    gap = (pred[:, :2] + pred[:, 2:] - target[:, :2] - target[:, 2:]) / 2
    sides, wanted = pred[:, 2:] - pred[:, :2], target[:, 2:] - target[:, :2]
    turn = torch.atan(wanted[:, 0] / wanted[:, 1]) - torch.atan(sides[:, 0] / sides[:, 1])
    aspect = 4 / pi**2 * turn.square()
    with torch.no_grad():
        alpha = aspect / (1 - _iou(pred, target) + aspect)
    return 1 - counted + gap.square().sum(-1) / hull.square().sum(-1) + alpha * aspect


def ciou(pred: Tensor, target: Tensor) -> Tensor:
    """The CIoU loss."""
    return _ciou(pred, target, _iou(pred, target))


def inner_ciou(pred: Tensor, target: Tensor, ratio: float = 0.75) -> Tensor:
    """The CIoU loss with the IoU of both boxes scaled about their centres."""

    def scaled(box: Tensor) -> Tensor:
        centre, half = (box[:, :2] + box[:, 2:]) / 2, (box[:, 2:] - box[:, :2]) * (ratio / 2)
        return torch.cat([centre - half, centre + half], -1)

    return _ciou(pred, target, _iou(scaled(pred), scaled(target)))
