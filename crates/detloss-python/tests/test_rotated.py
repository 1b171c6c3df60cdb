"""The rotated IoU against polygons, which GEOS cuts in another way."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import detloss

shapely = pytest.importorskip("shapely", reason="shapely is not installed: pip install shapely")

ROWS = 2_000
GRID = 1e-11
WITHIN = {np.float32: 1e-5, np.float64: 1e-9}
PRECISIONS = pytest.mark.parametrize("dtype", WITHIN)

Boxes = NDArray[np.float64]


def polygons(boxes: Boxes) -> NDArray[np.object_]:
    x, y = np.array([0.5, -0.5, -0.5, 0.5]), np.array([0.5, 0.5, -0.5, -0.5])
    centres, (w, h, angle) = boxes[:, None, :2], boxes[:, 2:, None].transpose(1, 0, 2)
    cos, sin = np.cos(angle), np.sin(angle)
    return shapely.polygons(np.stack([w * x * cos - h * y * sin, w * x * sin + h * y * cos], -1) + centres)


def iou_of_polygons(pred: Boxes, target: Boxes) -> Boxes:
    """Of boxes about the origin, snapped to a grid: without one, GEOS finds no overlap at all for one of 2,000 boxes and the
    same box from another side.
    """
    place = np.pad(target[:, :2], ((0, 0), (0, 3)))
    one, other = polygons(pred - place), polygons(target - place)
    shared = shapely.area(shapely.intersection(one, other, grid_size=GRID))
    return shared / (shapely.area(one) + shapely.area(other) - shared)


def boxes(rows: int, seed: int) -> Boxes:
    """Boxes of 8 to 120 px, anywhere in an image of 1024 px."""
    rng = np.random.default_rng(seed)
    low, high = (0.0, 0.0, 8.0, 8.0, -3.2), (1024.0, 1024.0, 120.0, 120.0, 3.2)
    return rng.uniform(low, high, (rows, 5))


def near(target: Boxes, seed: int) -> Boxes:
    """Boxes near others; some do not overlap."""
    rng = np.random.default_rng(seed)
    pred = target.copy()
    pred[:, :2] += pred[:, 2:4] * rng.normal(0, 0.4, (len(pred), 2))
    pred[:, 2:4] *= np.exp(rng.normal(0, 0.4, (len(pred), 2)))
    pred[:, 4] += rng.uniform(-3.2, 3.2, len(pred))
    return pred


def iou(pred: Boxes, target: Boxes) -> Boxes:
    return 1.0 - detloss.rotated_iou(pred, target, reduction="none").astype(np.float64)


def assert_like_polygons(pred: Boxes, target: Boxes, dtype: type) -> None:
    """The same numbers for both: rounded first, then cut in float64."""
    pred, target = pred.astype(dtype), target.astype(dtype)
    wanted = iou_of_polygons(pred.astype(np.float64), target.astype(np.float64))
    np.testing.assert_allclose(iou(pred, target), wanted, rtol=0, atol=WITHIN[dtype])


@PRECISIONS
def test_random_pairs(dtype):
    target = boxes(ROWS, seed=1)
    pred = near(target, seed=2)
    found = iou(pred, target)
    assert (found == 0).mean() > 0.02 and (found > 0.3).mean() > 0.2, "pairs of all kinds"
    assert_like_polygons(pred, target, dtype)


@PRECISIONS
def test_equal_boxes(dtype):
    target = boxes(ROWS, seed=3).astype(dtype)
    np.testing.assert_array_equal(iou(target, target), 1.0)
    assert_like_polygons(target, target, dtype)


@PRECISIONS
@pytest.mark.parametrize("noise", [1e-9, 1e-7, 1e-5, 1e-3, 1e-1])
def test_nearly_equal_boxes(dtype, noise):
    target = boxes(ROWS, seed=4)
    pred = target + np.random.default_rng(5).normal(0, noise, target.shape) * [1, 1, 1, 1, 0.02]
    assert_like_polygons(pred, target, dtype)


@PRECISIONS
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_the_same_box_from_another_side(dtype, quarters):
    """Equal edges in another order; a turn that is rounded moves corners by up to that times the longer side."""
    target = boxes(ROWS, seed=6)
    pred = target.copy()
    pred[:, 4] += quarters * np.pi / 2
    if quarters % 2:
        pred[:, 2:4] = target[:, [3, 2]]
    assert_like_polygons(pred, target, dtype)


@PRECISIONS
def test_shared_edges_and_corners(dtype):
    """Boxes beside, inside and across each other whose edges lie on the same lines."""
    sizes, places = np.array([1.0, 2.0, 4.0]), np.array([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
    x, y, w, h, turn = (grid.ravel() for grid in np.meshgrid(places, places, sizes, sizes, [0.0, np.pi / 2, 0.3]))
    pred = np.stack([x, y, w, h, turn], -1)
    target = np.broadcast_to([0.0, 0.0, 2.0, 1.0, 0.0], pred.shape)
    assert_like_polygons(pred, target, dtype)
