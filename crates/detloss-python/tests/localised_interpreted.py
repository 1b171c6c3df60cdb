"""The kernels of a ranking of boxes in Triton's interpreter: their errors, and what is remembered from step to step."""

from __future__ import annotations

import detloss.torch
import numpy as np
import pytest
import torch
import triton_host
from detloss.torch._triton import launch
from kernel_cases import EPS, assert_equal_to_core, by_name, result
from ranking_cases import (
    SPECS,
    UGLY,
    assert_as_defined,
    chosen,
    inputs,
    many_programs,  # noqa: F401
    memory_of_others,  # noqa: F401
)
from triton_host import assert_state_survives_failures, like_a_device, step  # noqa: F401

triton_host.install()

OF_BOXES = by_name([spec for spec in SPECS if spec.pred.fields[-1] == "error"])
STATEFUL = by_name([spec for spec in SPECS if spec.is_stateful])


@OF_BOXES
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_ugly_errors(spec, dtype):
    """Of positives; those of negatives may be anything."""
    chance = np.random.default_rng(5)
    for params in ({}, {"smooth_order": True}, {"delta": 0.0}, {"delta": 1e-3, "smooth_order": True}):
        pred, labels = inputs(spec, 120, 0.4, dtype=dtype)
        pred[:, 1] = torch.tensor(chance.choice([abs(number) for number in UGLY], 120), dtype=dtype)
        assert_as_defined(spec, pred, labels, 1e-6 if dtype == torch.float32 else 1e-12, **params)
        pred[:, 1] = torch.where(labels > 0.0, 0.5, torch.nan)
        assert_equal_to_core(spec, pred, labels, **params)
        pred[labels.argmax(), 1] = torch.nan
        assert_equal_to_core(spec, pred, labels, **params)


@OF_BOXES
def test_next_to_no_negative_above(spec):
    """Nothing is passed to one of which less than 1e-5 counts."""
    labels = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    for counts, is_passed in ((2e-6, False), (2e-5, True)):
        pred = torch.tensor([[0.0, 0.5], [2.0 * counts - 1.0, 0.0], [5.0, 0.5]], dtype=torch.float64)
        assert_equal_to_core(spec, pred, labels)
        assert result(spec, pred, labels, backend="kernel")[1][0, 0].bool() == is_passed


# What is remembered --------------------------------------------------------------------------------------------------------------------


@STATEFUL
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16], ids=str)
def test_state(spec, dtype):
    """Over several periods; of a batch without positives, too. Half precision of either kind is computed as single."""
    kernel, fused = (getattr(detloss.torch, spec.class_name)(backend=way, period=2, loss_weight=0.5) for way in ("kernel", "fused"))
    for seed, positives in enumerate((0.3, 0.1, 0.0, 0.4, 1.0, 0.0, 0.0, 0.2)):
        pred, target = inputs(spec, 120, positives, seed, dtype=dtype)
        options = {"weight": chosen((120,)), "avg_factor": 3.0} if seed == 3 else {}
        ways = zip(*(step(module, pred, target, **options) for module in (kernel, fused)), strict=True)
        for numbers, true in ways:
            eps = EPS[dtype]
            torch.testing.assert_close(numbers, true, rtol=eps, atol=eps * true.abs().max().item())
    with torch.no_grad():
        kernel(pred, target), fused(pred, target)
    torch.testing.assert_close(kernel.state, fused.state, rtol=EPS[dtype], atol=0.0)


@STATEFUL
def test_state_stays(spec):
    """After a batch of which nothing counts, or that has a score that is none."""
    kernel, operations = (getattr(detloss.torch, spec.class_name)(backend=way, period=3) for way in ("kernel", "decomposed"))
    pred, target = inputs(spec, 100, 0.3)
    for module in (kernel, operations):
        module(pred, target)
    before = kernel.state.clone()
    assert before[3] == 1.0
    value, grad, after = step(kernel, pred, target, weight=torch.zeros(100))
    assert value == 0.0 and not grad.any() and torch.equal(after, before)
    for field in (1, 0):
        pred[target.argmax(), field] = torch.nan
        for numbers, wanted in zip(step(kernel, pred, target), step(operations, pred, target), strict=True):
            torch.testing.assert_close(numbers, wanted, equal_nan=True)
        if field == 0:
            assert kernel.state.isnan().tolist() == [False, False, True, False]


@STATEFUL
def test_state_after_a_failure(spec, monkeypatch):
    """Whichever kernel cannot be launched: who takes over begins with the state as it was."""
    assert_state_survives_failures(spec, *inputs(spec, 60, 0.3), 8, monkeypatch)


@STATEFUL
def test_counter(spec, monkeypatch):
    """One for all launches, which is as it was after each."""
    counter = torch.zeros((), dtype=torch.int32)
    monkeypatch.setattr(launch, "counter", lambda device: counter)
    pred, target = inputs(spec, 300, 0.5)
    for _ in range(3):
        assert_equal_to_core(spec, pred, target)
        assert counter == 0
