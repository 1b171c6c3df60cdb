"""The drop-ins for torchvision's losses, side by side with torchvision itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from detloss.compat import torchvision as ours

theirs = pytest.importorskip("torchvision.ops")

Loss = Callable[..., Tensor]

BOX_LOSSES = ("generalized_box_iou_loss", "distance_box_iou_loss", "complete_box_iou_loss")
REDUCTIONS = ("none", "mean", "sum")

box_loss = pytest.mark.parametrize("name", BOX_LOSSES)
reductions = pytest.mark.parametrize("reduction", REDUCTIONS)


def boxes(rows: int, side: float, seed: int) -> Tensor:
    random = np.random.default_rng(seed)
    first, second = random.uniform(0, side, (2, rows, 2))
    return torch.from_numpy(np.concatenate([np.minimum(first, second), np.maximum(first, second)], axis=-1))


def both_ways(loss: Loss, tensors: tuple[Tensor, ...], *arguments: Any) -> list[Tensor]:
    """Value and gradients by all tensors, for a slope that differs from row to row."""
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    value = loss(*leaves, *arguments)
    grad_output = torch.linspace(-1.0, 2.0, value.numel(), dtype=value.dtype).reshape(value.shape)
    grads = torch.autograd.grad(value, leaves, grad_output)
    return [value.detach(), *grads]


def assert_equal(found: list[Tensor], expected: list[Tensor], rtol: float) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        scale = other.abs().max().item() if other.numel() else 1.0
        torch.testing.assert_close(one, other, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("name", ours.__all__)
def test_signature(name: str) -> None:
    def seen(loss: Loss) -> list[tuple[str, Any, Any]]:
        return [(one.name, one.kind, one.default) for one in inspect.signature(loss).parameters.values()]

    assert seen(getattr(ours, name)) == seen(getattr(theirs, name))


@box_loss
@reductions
@pytest.mark.parametrize("side", [0.01, 1.0, 1000.0])
def test_boxes(name: str, reduction: str, side: float) -> None:
    pair = boxes(500, side, 1), boxes(500, side, 2)
    found = both_ways(getattr(ours, name), pair, reduction)
    assert_equal(found, both_ways(getattr(theirs, name), pair, reduction), 1e-12)


@box_loss
def test_predictions_near_their_targets(name: str) -> None:
    target = boxes(500, 100.0, 3)
    pair = target + torch.from_numpy(np.random.default_rng(4).normal(0, 0.01, (500, 4))), target
    found = both_ways(getattr(ours, name), pair)
    assert_equal(found, both_ways(getattr(theirs, name), pair), 1e-12)


@box_loss
def test_the_gradient_by_either_alone(name: str) -> None:
    loss, pair = getattr(ours, name), (boxes(50, 1.0, 5), boxes(50, 1.0, 6))
    _, by_first, by_second = both_ways(loss, pair)
    assert_equal(both_ways(lambda first: loss(first, pair[1]), pair[:1])[1:], [by_first], 1e-15)
    assert_equal(both_ways(lambda second: loss(pair[0], second), pair[1:])[1:], [by_second], 1e-15)
    same = boxes(50, 1.0, 7)
    assert_equal(both_ways(lambda one: loss(one, one + 0.1), (same,)), both_ways(
        lambda one: getattr(theirs, name)(one, one + 0.1), (same,)
    ), 1e-12)


@box_loss
@reductions
def test_compiled(name: str, reduction: str) -> None:
    loss, pair = getattr(ours, name), (boxes(20, 1.0, 8), boxes(20, 1.0, 9))
    torch.compiler.reset()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    assert_equal(both_ways(compiled, pair, reduction), both_ways(loss, pair, reduction), 1e-15)


@pytest.mark.parametrize("name", BOX_LOSSES[:2])
def test_eps(name: str) -> None:
    pair = boxes(200, 0.1, 10), boxes(200, 0.1, 11)
    found = both_ways(getattr(ours, name), pair, "none", 1e-3)
    assert_equal(found, both_ways(getattr(theirs, name), pair, "none", 1e-3), 1e-12)


def test_eps_of_ciou_goes_to_every_denominator() -> None:
    pair = boxes(200, 0.1, 12), boxes(200, 0.1, 13)
    eps = 1e-3
    found = ours.complete_box_iou_loss(*pair, eps=eps)
    first, second = ((corners[:, 2:] - corners[:, :2]).unbind(-1) for corners in pair)
    angle = torch.atan2(*second) - torch.atan2(*first)
    v = 4 / torch.pi**2 * angle**2
    distance = theirs.distance_box_iou_loss(*pair, eps=eps)
    overlap = (torch.minimum(pair[0], pair[1])[:, 2:] - torch.maximum(pair[0], pair[1])[:, :2]).clamp(min=0).prod(-1)
    iou = overlap / (first[0] * first[1] + second[0] * second[1] - overlap + eps)
    torch.testing.assert_close(found, distance + v * v / (1 - iou + v + eps), rtol=1e-12, atol=1e-12)
    assert (found - theirs.complete_box_iou_loss(*pair, eps=eps)).abs().max() > 1e-2


@box_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64])
@reductions
def test_dtypes(name: str, dtype: torch.dtype, reduction: str) -> None:
    pair = boxes(100, 500.0, 14).to(dtype), boxes(100, 500.0, 15).to(dtype)
    found, expected = getattr(ours, name)(*pair, reduction), getattr(theirs, name)(*pair, reduction)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@box_loss
def test_half_precision_gradients(name: str) -> None:
    pair = boxes(100, 500.0, 14).half(), boxes(100, 500.0, 15).half()
    found = both_ways(getattr(ours, name), pair, "sum")
    assert_equal(found, both_ways(getattr(theirs, name), pair, "sum"), 2e-3)


@box_loss
@reductions
@pytest.mark.parametrize("shape", [(4,), (0, 4), (2, 3, 4)])
def test_shapes(name: str, reduction: str, shape: tuple[int, ...]) -> None:
    rows = boxes(24, 1.0, 16)
    first = rows[: int(np.prod(shape)) // 4].reshape(shape)
    second = rows[24 - int(np.prod(shape)) // 4 :].reshape(shape)
    assert_equal(
        both_ways(getattr(ours, name), (first, second), reduction),
        both_ways(getattr(theirs, name), (first, second), reduction),
        1e-12,
    )


@box_loss
def test_one_target_for_all(name: str) -> None:
    pair = boxes(20, 1.0, 17), boxes(1, 1.0, 18)[0]
    found = both_ways(getattr(ours, name), pair, "sum")
    assert_equal(found, both_ways(getattr(theirs, name), pair, "sum"), 1e-12)


@box_loss
def test_errors_are_of_the_same_kind(name: str) -> None:
    wrong: list[tuple[Any, ...]] = [
        (torch.rand(3, 5), torch.rand(3, 5)),
        (torch.rand(3, 4), torch.rand(3, 3)),
        (torch.rand(3, 4), torch.rand(2, 4)),
        (torch.rand(3, 4), torch.rand(3, 4), "weighted_mean"),
        (torch.rand(3, 4), torch.rand(3, 4), "mode"),
    ]
    for arguments in wrong:
        with pytest.raises((ValueError, RuntimeError)) as there:
            getattr(theirs, name)(*arguments)
        with pytest.raises(there.type):
            getattr(ours, name)(*arguments)


UGLY = [0.0, 0.0, 1.0, 1e-30, 1e-6, 3.0, 3.0, -5.0, 1e4, 1e12, -1e30]


@box_loss
@given(st.lists(st.sampled_from(UGLY) | st.floats(-(2.0**116), 2.0**116, width=32), min_size=8, max_size=40))
@settings(max_examples=100)
def test_ugly_boxes_stay_finite(name: str, numbers: list[float]) -> None:
    rows = torch.tensor(numbers[: len(numbers) // 8 * 8]).reshape(-1, 8)
    for eps in (0.0, 1e-7):
        for part in both_ways(getattr(ours, name), (rows[:, :4], rows[:, 4:]), "none", eps):
            assert part.isfinite().all()


def test_an_inverted_box_is_no_perfect_prediction() -> None:
    box, inverted = torch.tensor([0.0, 0.0, 2.0, 2.0]), torch.tensor([2.0, 2.0, 0.0, 0.0])
    assert theirs.generalized_box_iou_loss(inverted, inverted) < 1e-6
    assert theirs.generalized_box_iou_loss(inverted, box) < 1.0
    for name in BOX_LOSSES:
        assert getattr(ours, name)(inverted, box) >= 1.0


def test_ciou_without_height() -> None:
    flat, box, point = torch.tensor([0.0, 1, 2, 1]), torch.tensor([0.0, 0, 2, 2]), torch.tensor([1.0, 1, 1, 1])
    assert both_ways(theirs.complete_box_iou_loss, (flat, box))[1].isnan().any()
    assert theirs.complete_box_iou_loss(point, box).isnan()
    for ugly in (flat, point):
        assert all(part.isfinite().all() for part in both_ways(ours.complete_box_iou_loss, (ugly, box)))


def scores(rows: int, seed: int, soft: bool) -> tuple[Tensor, Tensor]:
    random = np.random.default_rng(seed)
    labels = random.uniform(0, 1, (rows, 7))
    return torch.from_numpy(random.normal(0, 5, (rows, 7))), torch.from_numpy(labels if soft else np.round(labels))


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("alpha", [0.25, -1, 0, 1])
@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2, 3.3])
@reductions
def test_focal(soft: bool, alpha: float, gamma: float, reduction: str) -> None:
    logits, labels = scores(100, 20, soft)
    found = both_ways(lambda x: ours.sigmoid_focal_loss(x, labels, alpha, gamma, reduction), (logits,))
    expected = both_ways(lambda x: theirs.sigmoid_focal_loss(x, labels, alpha, gamma, reduction), (logits,))
    assert_equal(found, expected, 1e-12)


DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@pytest.mark.parametrize("one", DTYPES)
@pytest.mark.parametrize("other", DTYPES)
@pytest.mark.parametrize("autocast", [False, True])
def test_focal_dtypes(one: torch.dtype, other: torch.dtype, autocast: bool) -> None:
    logits, labels = scores(50, 21, False)
    logits, labels = logits.clamp(-4, 4).to(one), labels.to(other)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found, expected = ours.sigmoid_focal_loss(logits, labels), theirs.sigmoid_focal_loss(logits, labels)
    assert found.dtype == expected.dtype
    # torchvision computes some of it in the narrower of the two.
    tolerance = 20 * max(torch.finfo(dtype).eps for dtype in (one, other, torch.float32 if autocast else one))
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@reductions
@pytest.mark.parametrize("shape", [(), (5,), (0, 3), (2, 3, 4)])
def test_focal_shapes(reduction: str, shape: tuple[int, ...]) -> None:
    logits, labels = torch.zeros(shape, dtype=torch.float64), torch.ones(shape, dtype=torch.float64)
    found, expected = (module.sigmoid_focal_loss(logits, labels, reduction=reduction) for module in (ours, theirs))
    if reduction == "mean" and not logits.numel():
        assert expected.isnan() and found == 0
    else:
        assert_equal([found], [expected], 1e-12)


@pytest.mark.parametrize("change", [{"alpha": 2}, {"alpha": -0.5}, {"reduction": "weighted_mean"}, {"targets": 3}])
def test_focal_errors(change: dict[str, Any]) -> None:
    logits, labels = torch.zeros(3, 2), torch.zeros(3, 2)
    if "targets" in change:
        labels, change = torch.zeros(change["targets"]), {}
    for module in (theirs, ours):
        with pytest.raises(ValueError):
            module.sigmoid_focal_loss(logits, labels, **change)


def test_focal_of_classes_is_an_error() -> None:
    with pytest.raises(ValueError, match="a label for each logit"):
        ours.sigmoid_focal_loss(torch.zeros(3, 2), torch.tensor([0, 1, 2]))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_of_sure_logits(gamma: float) -> None:
    logits = torch.tensor([1e4, -1e4, 100.0, -100.0, 3e38, -3e38])
    for labels in (torch.ones(6), torch.zeros(6), torch.full((6,), 0.3)):
        for part in both_ways(lambda x: ours.sigmoid_focal_loss(x, labels, gamma=gamma), (logits,)):
            assert not part.isnan().any()
            assert part[:4].isfinite().all()
    there = both_ways(lambda x: theirs.sigmoid_focal_loss(x, torch.ones(6), gamma=0.5), (logits,))
    assert there[1].isnan().any()
