"""Matrices of all pairs, beside torchvision's and pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import detloss
from detloss import pairwise

UPRIGHT = ("iou", "iof", "giou", "diou", "ciou", "l1", "center_distance")


def boxes(count: int, seed: int) -> torch.Tensor:
    random = np.random.default_rng(seed)
    corner, size = random.uniform(0, 60, (count, 2)), random.uniform(1, 40, (count, 2))
    return torch.from_numpy(np.concatenate([corner, corner + size], axis=1))


@pytest.mark.parametrize("name", ["iou", "giou", "diou", "ciou"])
def test_overlaps_are_torchvisions(name: str) -> None:
    ops = pytest.importorskip("torchvision.ops")
    theirs = {"iou": "box_iou", "giou": "generalized_box_iou", "diou": "distance_box_iou", "ciou": "complete_box_iou"}
    one, other = boxes(37, 1), boxes(90, 2)
    ours = getattr(pairwise, name)(one, other)
    torch.testing.assert_close(ours, getattr(ops, theirs[name])(one, other), rtol=1e-6, atol=1e-6)
    assert ours.dtype == torch.float64


def test_distances_and_intersections_are_what_they_say() -> None:
    one, other = boxes(20, 3), boxes(30, 4)
    torch.testing.assert_close(pairwise.l1(one, other), torch.cdist(one, other, p=1))
    centers = [(part[:, :2] + part[:, 2:]) / 2 for part in (one, other)]
    torch.testing.assert_close(pairwise.center_distance(one, other), torch.cdist(*centers))
    low, high = torch.maximum(one[:, None, :2], other[:, :2]), torch.minimum(one[:, None, 2:], other[:, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    torch.testing.assert_close(pairwise.iof(one, other), shared / (one[:, 2:] - one[:, :2]).prod(-1)[:, None])


def test_a_loss_of_all_pairs_is_that_of_each() -> None:
    one, other = boxes(5, 5).numpy(), boxes(7, 6).numpy()
    found = pairwise.loss("inner(siou, ratio=0.8)", one, other)
    loss = detloss.get_loss("inner(siou, ratio=0.8)")
    each = [[loss(pred, target) for target in other] for pred in one]
    np.testing.assert_allclose(found, each, rtol=1e-12)
    turned = np.array([[5.0, 5.0, 4.0, 2.0, 0.7], [50.0, 5.0, 4.0, 2.0, 0.7]])
    np.testing.assert_array_equal(pairwise.rotated_iou(turned, turned), np.eye(2))
    upright = np.array([[5.0, 5.0, 1.0, 4.0, 2.0, 2.0, 0.7], [50.0, 5.0, 1.0, 4.0, 2.0, 2.0, 0.7]])
    np.testing.assert_array_equal(pairwise.yaw_iou3d(upright, upright), np.eye(2))


@pytest.mark.parametrize("name", UPRIGHT)
def test_kinds_types_and_no_boxes(name: str) -> None:
    function = getattr(pairwise, name)
    one, other = boxes(3, 7), boxes(4, 8)
    single = function(one.float(), other.float())
    assert single.dtype == torch.float32 and single.shape == (3, 4)
    assert isinstance(function(one.numpy(), other.numpy()), np.ndarray)
    assert isinstance(function(one.numpy(), other), torch.Tensor)
    assert function(one[:0], other).shape == (0, 4) and function(one, other[:0]).shape == (3, 0)
    assert not function(one.requires_grad_(), other).requires_grad
    with pytest.raises(ValueError, match=r"others have shape \[4, 3\]: give \(boxes, 4\)"):
        function(one, other[:, :3])


def test_errors_name_the_remedy() -> None:
    with pytest.raises(ValueError, match="focal"):
        pairwise.loss("focal", boxes(1, 1), boxes(1, 1))
    with pytest.raises(ValueError, match="no loss is called"):
        pairwise.loss("cious", boxes(1, 1), boxes(1, 1))
