"""Labels lie between 0 and 1, or are left out."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")

import detloss  # noqa: E402
import detloss.torch  # noqa: E402
from samples import ordinary  # noqa: E402
from test_torch import SPECS, both_backends, function, slope, tensors  # noqa: E402

OF_LABELS = [spec for spec in SPECS if spec.target.is_probability]
LEFT_OUT = [spec for spec in OF_LABELS if spec.target.can_be_left_out and spec.scope != "row"]

of_labels = pytest.mark.parametrize("spec", OF_LABELS, ids=lambda spec: spec.name)


@of_labels
@pytest.mark.parametrize("bad", [255.0, -0.5, 1.0625, np.inf])
def test_a_number_that_is_no_label(spec, bad):
    """An error where the numbers are at hand, NaN in its unit where nobody waits for the device."""
    pred, target = tensors(ordinary(spec))
    target.view(-1)[8] = bad
    with pytest.raises(ValueError, match=rf"number 8 of the target is {bad:g}: give a \w+ from 0 to 1"):
        getattr(detloss, spec.name)(pred.detach().numpy(), target.numpy())
    with pytest.raises(ValueError, match=r"number 8 of the target is"):
        function(spec)(pred, target, backend="fused")
    values = function(spec)(pred, target, backend="decomposed", reduction="none").reshape(-1)
    units = target.numel() // values.numel()
    expected = torch.arange(values.numel()) == 8 // units
    assert torch.equal(values.isnan(), expected)


@of_labels
@both_backends
@pytest.mark.parametrize("label", [1.0005, 1.0 + 2**-7])
def test_a_label_that_rounding_left_above_1(spec, label, backend):
    pred, target = tensors(ordinary(spec))
    target.view(-1)[8] = label
    assert function(spec)(pred, target, backend=backend).isfinite()


@pytest.mark.parametrize("spec", LEFT_OUT, ids=lambda spec: spec.name)
@both_backends
@pytest.mark.parametrize("reduction", ["none", "mean", "sum", "weighted_mean"])
def test_what_is_left_out_counts_as_with_weight_0(spec, backend, reduction):
    """Whatever is predicted there, infinity and NaN included."""
    pred, target = tensors(ordinary(spec))
    weight = torch.ones_like(target)
    weight.view(-1)[::3] = 0.0
    fields = pred.numel() // target.numel()
    expected = function(spec)(pred, target, weight=weight, reduction=reduction, backend=backend)
    grad = slope(expected.sum(), pred)
    for number in (0.0, 7.0, torch.nan, torch.inf, -torch.inf):
        filled = pred.detach().clone()
        filled.view(-1, fields)[::3] = number
        filled.requires_grad_()
        labels = torch.where(weight == 0.0, -1.0, target)
        value = function(spec)(filled, labels, reduction=reduction, backend=backend)
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=0.0)
        torch.testing.assert_close(slope(value.sum(), filled), grad, rtol=1e-12, atol=0.0)


def test_a_compiled_label():
    """The checks are part of the one graph."""
    pred, target = torch.zeros(6, requires_grad=True), torch.tensor([0.0, 1.0, -1.0, 255.0, 0.5, 0.0])
    compiled = torch.compile(lambda x, y: detloss.torch.focal(x, y, reduction="none", backend="decomposed"), fullgraph=True, backend="aot_eager")
    assert compiled(pred, target).isnan().tolist() == [False, False, False, True, False, False]
    assert compiled(pred, target)[2] == 0.0
