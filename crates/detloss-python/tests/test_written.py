"""Losses by what they are written as: parameters and modifiers with their names."""

from __future__ import annotations

import copy
import io
import pickle

import numpy as np
import pytest
import torch

import detloss
import detloss.torch
from detloss._spec import find

WRITTEN = [
    "ciou(gate=0.5)",
    "inner(ciou, ratio=0.8)",
    "inner(giou, ratio=1.25)",
    "focaler(siou, d=0.1, u=0.9)",
    "alpha(diou, alpha=2)",
    "alpha(nwd, alpha=0.5)",
    "wise(eiou)",
    # A module takes a step, a function has the mean of before: with this momentum they are one.
    "wise_v2(giou, gamma=1, momentum=0)",
    "inner(wise_v3(ciou, momentum=0), ratio=0.8)",
    "focal(mpdiou, gamma=1, detach=false)",
    "inner(focaler(alpha(wise(focal(shape_iou(scale=1))), alpha=2)), ratio=0.7)",
]
CORNERS = np.random.default_rng(3).uniform(0, 10, (2, 57, 2, 2))
PRED, TARGET = (np.concatenate([box.min(1), box.max(1) + 0.5], -1) for box in CORNERS)


def by_torch(written: str, backend: str, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    pred = torch.tensor(PRED, dtype=dtype, requires_grad=True)
    module = detloss.torch.get_loss(written, reduction="sum", backend=backend)
    value = module(pred, torch.tensor(TARGET, dtype=dtype))
    value.backward()
    assert pred.grad is not None
    return value.detach(), pred.grad


@pytest.mark.parametrize("written", WRITTEN)
def test_all_ways_agree(written: str) -> None:
    expected, gradient = detloss.value_and_grad(written, PRED, TARGET, reduction="sum")
    assert detloss.get_loss(written)(PRED, TARGET, reduction="sum") == pytest.approx(expected, rel=1e-12)
    assert np.any(gradient)
    for backend in ("fused", "decomposed"):
        value, grad = by_torch(written, backend)
        assert value.item() == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(grad.numpy(), gradient, rtol=1e-9, atol=1e-12)
    value, grad = by_torch(written, "fused", torch.float32)
    assert value.item() == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(grad.numpy(), gradient, rtol=1e-3, atol=1e-5)


def test_what_detaches_nothing_has_the_slope_as_gradient() -> None:
    exact = [written for written in WRITTEN if find(written).has_exact_gradient]
    assert exact == ["inner(giou, ratio=1.25)", "focaler(siou, d=0.1, u=0.9)", "alpha(diou, alpha=2)"]
    direction = np.random.default_rng(4).normal(size=PRED.shape)
    for written in exact:
        _, gradient = detloss.value_and_grad(written, PRED, TARGET, reduction="sum")
        ahead, behind = (
            detloss.value_and_grad(written, PRED + step * direction, TARGET, reduction="sum")[0] for step in (1e-6, -1e-6)
        )
        assert (gradient * direction).sum() == pytest.approx((ahead - behind) / 2e-6, rel=1e-4)


def test_focal_eiou_is_a_modified_eiou() -> None:
    for one, other in [("focal_eiou", "focal(eiou)"), ("wiou", "wise(iou)"), ("wiou_v3", "wise_v3(iou)")]:
        (value, gradient), expected = (detloss.value_and_grad(name, PRED, TARGET) for name in (other, one))
        assert value == pytest.approx(expected[0], rel=1e-13)
        np.testing.assert_allclose(gradient, expected[1], rtol=1e-10, atol=1e-14)


def test_a_plain_name_is_the_loss() -> None:
    assert find("giou") is find("giou")
    assert detloss.get_loss("giou")(PRED, TARGET) == detloss.giou(PRED, TARGET)
    assert type(detloss.torch.get_loss("giou")).__name__ == "GIoULoss"


def test_what_is_written_is_a_default() -> None:
    function = detloss.get_loss("inner(ciou(gate=0.5), ratio=0.8)")
    assert function(PRED, TARGET, gate=0.0) == pytest.approx(detloss.get_loss("inner(ciou, ratio=0.8)")(PRED, TARGET, gate=0.0))
    module = detloss.torch.get_loss("inner(ciou(gate=0.5), ratio=0.8)")
    assert module.gate == 0.5
    assert type(module).__name__ == "InnerCIoULoss"
    assert repr(module) == "InnerCIoULoss(gate=0.5, eps=0)"
    module.gate = 0.0
    expected = detloss.value_and_grad("inner(ciou, ratio=0.8)", PRED, TARGET, gate=0.0)[0]
    assert module(torch.tensor(PRED), torch.tensor(TARGET)).item() == pytest.approx(expected)


def test_a_module_is_copied_and_saved() -> None:
    module = detloss.torch.get_loss("inner(ciou, ratio=0.8)", gate=0.25, loss_weight=2.0)
    file = io.BytesIO()
    torch.save(torch.nn.ModuleList([module]), file)
    file.seek(0)
    (saved,) = torch.load(file, weights_only=False)
    expected = module(torch.tensor(PRED), torch.tensor(TARGET))
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), saved):
        assert (other.gate, other.loss_weight, type(other)) == (0.25, 2.0, type(module))
        assert other(torch.tensor(PRED), torch.tensor(TARGET)) == expected


def test_a_compiler_knows_it() -> None:
    module = detloss.torch.get_loss("inner(focaler(ciou), ratio=0.8)")
    pred, target = torch.tensor(PRED), torch.tensor(TARGET)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    assert compiled(pred, target).item() == pytest.approx(module(pred, target).item(), rel=1e-12)


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ("inner(nwd)", "IoU"),
        ("inner(focal_l1)", "did you mean"),
        ("inner(inner(ciou))", "twice"),
        ("outer(ciou)", "inner"),
        ("inner(ciou, ratio=9)", "0.5"),
        ("inner(l1)", "boxes"),
        ("inner(ciou", "write"),
    ],
)
def test_errors_name_the_remedy(written: str, remedy: str) -> None:
    for call in (detloss.get_loss, detloss.torch.get_loss):
        with pytest.raises(ValueError, match=remedy):
            call(written)
