"""What calls of kernels are tested with, and how their results are held to those of the core."""

from __future__ import annotations

import itertools

import detloss.torch
import numpy as np
import pytest
import torch
from samples import COLUMNS, shapes

EPS = {torch.float64: 1e-12, torch.float32: 2e-6, torch.float16: 1.5e-3, torch.bfloat16: 1.2e-2}


def by_name(specs):
    return pytest.mark.parametrize("spec", specs, ids=lambda spec: spec.name)


def result(spec, pred, target, upstream=None, **options):
    pred = pred.detach().requires_grad_()
    value = getattr(detloss.torch, spec.name)(pred, target, **options)
    return value.detach(), torch.autograd.grad(value, pred, torch.ones_like(value) if upstream is None else upstream)[0]


def assert_equal_to_core(spec, pred, target, upstream=None, tolerance=None, **options):
    """What the kernel makes of numbers is what the core makes of the same numbers in double precision."""
    eps = EPS[pred.dtype] if tolerance is None else tolerance
    exactly = lambda given: given.double() if torch.is_tensor(given) and given.is_floating_point() else given  # noqa: E731
    value, grad = result(spec, pred, target, upstream, backend="kernel", **options)
    given = {name: exactly(option) for name, option in options.items()}
    true_value, true_grad = result(spec, exactly(pred), exactly(target), exactly(upstream), backend="fused", **given)
    assert value.shape == true_value.shape and grad.shape == true_grad.shape and grad.dtype == pred.dtype
    for numbers, true in ((value, true_value), (grad, true_grad)):
        most = true.nan_to_num(0.0).abs().max().item()
        torch.testing.assert_close(numbers.double(), true, rtol=eps, atol=eps * most, equal_nan=True)


def tensors(arrays, dtype=torch.float32):
    pred, target = (torch.from_numpy(np.asarray(array)) for array in arrays)
    return pred.to(dtype), target.to(dtype) if target.is_floating_point() else target


def random(shape, low=0.0, high=2.0, seed=3):
    return torch.from_numpy(np.random.default_rng(seed).uniform(low, high, shape)).float()


def options_of(spec, rows):
    units = shapes(spec, rows)[0] if spec.scope == "unit" and len(spec.pred.fields) == 1 else (rows,)
    yield {"reduction": "sum", "loss_weight": 2.5}
    yield {"reduction": "none", "loss_weight": 0.5}
    yield {"reduction": "weighted_mean"}
    yield {"loss_weight": 0.0}
    yield {"avg_factor": 3.0, "loss_weight": 0.3}
    yield {"avg_factor": torch.tensor(7.0)}
    yield {"avg_factor": torch.tensor(0)}
    for shape, reduction in itertools.product({units, (rows,)}, ("none", "sum", "mean", "weighted_mean")):
        yield {"weight": random(shape), "reduction": reduction}
    yield {"weight": torch.zeros(rows), "reduction": "weighted_mean"}
    yield {"weight": random((rows, 2))[:, 0], "reduction": "sum"}
    if "class_weight" in spec.options:
        yield {"class_weight": random((COLUMNS,)), "reduction": "weighted_mean"}
        yield {"class_weight": random((COLUMNS,)), "weight": random((rows,)), "reduction": "none"}


UGLY = (0.0, -0.0, 1e-30, -1e-30, 1e4, -1e4, 1e-45, float("inf"), float("-inf"), 30.0, -30.0)
HUGE = (3e38, -3e38)
"""Logits of a row are subtracted from each other, and then they are infinite."""


def assert_as_ugly(spec, dtype, rtol):
    """Whatever goes in, the kernel is NaN where the core is, and says the same elsewhere."""
    choose = np.random.default_rng(3).choice
    of_pred, of_target = shapes(spec, 400)
    labels = (0.0, 1.0, 0.5)
    ugly = UGLY + HUGE if spec.is_formula else UGLY
    pred = torch.tensor(choose(ugly, of_pred), dtype=dtype)
    target = torch.tensor(choose(labels if spec.target.is_probability else ugly, of_target), dtype=dtype)
    for numbers, wanted in zip(*(result(spec, pred, target, backend=way, reduction="none") for way in ("kernel", "fused")), strict=True):
        assert torch.equal(numbers.isnan(), wanted.isnan())
        differ = ~torch.isclose(numbers, wanted, rtol=rtol, atol=rtol / 100.0, equal_nan=True)
        assert not differ.any(), f"{int(differ.sum())} of {differ.numel()}: {numbers[differ][:4]} instead of {wanted[differ][:4]}"
