"""The kernels of losses that rank in Triton's interpreter, held to the compiled core and to sums over pairs."""

from __future__ import annotations

import itertools

import detloss.torch
import numpy as np
import pytest
import torch
import triton_host
from detloss.torch import _device, _kernel
from detloss.torch._operations import RANKED
from detloss.torch._triton import launch, rank
from kernel_cases import EPS, assert_equal_to_core, by_name, random, result
from ranking_cases import (
    SPECS,
    UGLY,
    all_rankings,
    assert_as_defined,
    chosen,
    in_rows,
    inputs,
    many_programs,  # noqa: F401
    memory_of_others,  # noqa: F401
    of_scores,
    scores_and_labels,
    with_errors,
)
from samples import COLUMNS, near_default, takes_classes
from triton.runtime import interpreter
from triton_host import like_a_device  # noqa: F401

triton_host.install()

OF_CLASSES = by_name([spec for spec in SPECS if takes_classes(spec)])
DELTAS = (1.0, 0.0, 1e-3, 0.3, 100.0)


def by_default(spec):
    return {param.name: float(param.default) for param in spec.params}


def settings(spec, first):
    """Every δ, with the other parameters now as they are, now near that; which comes first in one precision, is second in the next."""
    ways = {}, {param.name: near_default(param) for param in spec.params}
    for place, delta in enumerate(DELTAS):
        yield ways[(first + place) % 2] | {"delta": delta}


@all_rankings
@pytest.mark.parametrize("dtype", [*EPS], ids=str)
def test_value_and_gradient(spec, dtype):
    """Of few positives and of many. Half precision is computed as single."""
    first = [*EPS].index(dtype)
    given = itertools.islice(settings(spec, first), None if dtype.itemsize > 2 else 2)
    parts = itertools.islice(itertools.cycle((0.05, 0.4, 1.0)), first, None)
    for seed, (params, positives) in enumerate(zip(given, parts, strict=False)):
        assert_equal_to_core(spec, *inputs(spec, 333, positives, seed, dtype=dtype), **params)


@all_rankings
def test_every_number_of_elements(spec):
    """From one to more than a tile, with one positive or a few."""
    for count in (1, 2, 3, 63, 64, 65, 127, 128, 129, 257):
        for positives in (0.0, 0.3):
            pred, labels = inputs(spec, count, positives, count)
            labels[count // 2] = float(positives > 0.0)
            assert_equal_to_core(spec, pred, labels)


@all_rankings
@pytest.mark.parametrize("delta", [0.0, 1.0, 0.25])
def test_equal_scores(spec, delta):
    """Of positives and negatives, at every place of a step: in its middle, where it begins and where it ends."""
    chance = np.random.default_rng(7)
    dtypes = itertools.cycle((torch.float64, torch.float32) if delta > 0.0 else (torch.float32, torch.float64))
    for values, dtype in zip(((0.0,), (0.0, -0.0), (-0.5, 0.0, 0.5), tuple(range(-3, 4))), dtypes, strict=False):
        scores, labels = (torch.from_numpy(chance.choice(given, 150)) for given in (values, (0.0, 0.0, 0.5, 1.0)))
        assert_equal_to_core(spec, with_errors(spec, scores).to(dtype), labels.to(dtype), delta=delta)


@all_rankings
def test_well_apart_and_all_alike(spec):
    """All negatives below, above, and upon all positives; and whole tiles of them below, but on the step."""
    labels = (torch.arange(300) % 3 == 0).double()
    for gap in (-100.0, -0.5, 0.0, 100.0):
        pred = with_errors(spec, torch.where(labels > 0.0, 0.0, gap).double())
        for delta in (0.0, 1.0):
            assert_equal_to_core(spec, pred, labels, delta=delta)


@all_rankings
def test_right_order_costs_nothing(spec):
    """Exactly, and nothing of it the scores, whatever the boxes cost."""
    labels = (torch.arange(333) / 333.0) * (torch.arange(333) > 300)
    pred = with_errors(spec, torch.linspace(-50.0, 50.0, 333))
    _, grad = result(spec, pred, labels, backend="kernel", delta=0.01)
    assert not of_scores(grad, labels).any()
    pred.view(333, -1)[:, 1:] = 0.0
    value, _ = result(spec, pred, labels, backend="kernel", delta=0.01)
    assert value == 0.0


@all_rankings
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_ugly_scores(spec, dtype):
    chance = np.random.default_rng(3)
    for delta in (1.0, 0.0, 1e-20, 1e-30, 1e-3, 100.0):
        scores = torch.tensor(chance.choice(UGLY, 120), dtype=dtype)
        labels = torch.tensor(chance.choice((0.0, 1.0, 0.5), 120), dtype=dtype)
        assert_as_defined(spec, with_errors(spec, scores), labels, 1e-6 if dtype == torch.float32 else 1e-12, delta=delta)


@all_rankings
@pytest.mark.parametrize("far", [1e3, -1e6, 2.0**46])
def test_far_from_zero(spec, far):
    """Sums of scores are far beyond 2⁶⁴ units, and go round."""
    scores, labels = scores_and_labels(150, 0.3, 1)
    moved = scores.mul(64.0).round().div(64.0) + far
    for delta in (1.0, 1e-2, 1e-6):
        assert_as_defined(spec, with_errors(spec, moved), labels, 1e-12, delta=delta)


@all_rankings
def test_largest_sums(spec):
    """As many elements as there may be with their unit, all of them as far from the one positive as a step reaches, which is nearly as
    wide as a cell."""
    count = (1 << 8) - 1
    delta = 1.0 - 2.0**-20
    width = rank.constants(RANKED[spec.name](by_default(spec) | {"delta": delta}), torch.float64, 1, 1, 1, False, False, None)["WIDTH"]
    assert width == 2.0 and rank.exponent(delta, count) == 1 - 55
    labels = torch.zeros(count, dtype=torch.float64)
    labels[count // 3] = 1.0
    for within in (-(1.0 - 2.0**-19), 1.0 - 2.0**-19):
        for far in (0.0, 2.0**20):
            scores = torch.where(labels > 0.0, 0.0, within).double().add(far)
            assert_as_defined(spec, with_errors(spec, scores), labels, 1e-12, delta=delta)


@pytest.mark.parametrize("delta", [1e-20, 1e-3, 0.5, 1.0, 100.0])
def test_sums_fit(delta):
    """N (2δ / unit + 2) is less than 2⁶³, for every number of elements; and the unit is as small as that allows, but for two bits."""
    for elements in (1, 2, 3, 4, 1023, 1024, (1 << 20) - 1, 1 << 20, _kernel.MOST_RANKED - 1):
        in_units = int(2.0 * delta / 2.0 ** rank.exponent(delta, elements))
        assert elements * (in_units + 2) < 2**63 <= 4 * elements * (in_units + 2)


def test_nothing_is_less_than_nothing(monkeypatch):
    """A negative that only just is on the step, in units that take it for one that is not."""
    monkeypatch.setattr(rank, "exponent", lambda delta, elements: -10)
    labels = torch.tensor([1.0, 0.0], dtype=torch.float64)
    value, grad = result(SPECS[0], torch.tensor([1.0 + 2.0**-12, 1.5 * 2.0**-12]).double(), labels, backend="kernel", delta=1.0)
    assert value == 0.0 and not grad[0].any() and 0.0 <= grad[1] < 2.0**-10


def test_narrow_steps_keep_their_shape():
    """Elements on the step of a positive far from 0, in units that are exact."""
    spec, delta = SPECS[0], 2.0**-40
    scores = torch.tensor([4.0, 4.0 + 0.5 * delta, 4.0 - 0.25 * delta, 5.0, 3.0], dtype=torch.float64)
    labels = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    value, grad = result(spec, scores, labels, backend="kernel", delta=delta)
    above = 0.75 + 0.375 + 1.0
    torch.testing.assert_close(value.item(), above / (1.0 + above), rtol=1e-15, atol=0.0)
    wanted = torch.tensor([-above, 0.75, 0.375, 1.0, 0.0], dtype=torch.float64) / (1.0 + above)
    torch.testing.assert_close(grad, wanted, rtol=1e-15, atol=0.0)


@all_rankings
def test_what_is_no_number_or_label(spec):
    """One makes everything NaN that counts; what does not count may hold anything."""
    given, labels = inputs(spec, 140, 0.3, dtype=torch.float32)
    left_out = torch.from_numpy(np.random.default_rng(2).uniform(size=140) > 0.8)
    left_out[17] = False
    for what, wrong in (("score", torch.nan), ("label", torch.nan), ("label", 1.5), ("label", -0.5)):
        pred, target = given.clone(), labels.clone()
        pred[left_out], target[left_out] = torch.nan, -1.0
        of_pred = pred.view(140, -1)
        of_pred[17], target[17] = (wrong, 1.0) if what == "score" else (0.0, wrong)
        value, grad = result(spec, pred, target, backend="kernel")
        assert value.isnan() and grad[~left_out].isnan().all() and not grad[left_out].any()
        weight = (~left_out).float()
        weight[17] = 0.0
        target = target.nan_to_num(0.0).clamp(0.0, 1.0)
        value, grad = result(spec, pred, target, weight=weight, backend="kernel")
        torch.testing.assert_close((value, grad), result(spec, pred.nan_to_num(0.0), target, weight=weight, backend="fused"))


@OF_CLASSES
def test_class_indices(spec):
    pred = random((30, COLUMNS), -2.0, 2.0)
    target = torch.from_numpy(np.random.default_rng(1).integers(0, COLUMNS + 1, 30))
    for kind in (torch.int64, torch.int32, torch.uint8, torch.uint64):
        assert_equal_to_core(spec, pred, target.to(kind))
        assert_equal_to_core(spec, pred, target.to(kind), ignore_index=2, weight=chosen((30,)))
    unknown = torch.where(target == 1, -100, target)
    assert_equal_to_core(spec, torch.where((target == 1)[:, None], torch.nan, pred).nan_to_num(9.0), unknown, ignore_index=-100)
    for wrong in (-1, COLUMNS + 1):
        target[7] = wrong
        value, grad = result(spec, pred, target, backend="kernel")
        assert value.isnan() and grad.isnan().all()
    value, grad = result(spec, pred, target, ignore_index=COLUMNS + 1, backend="kernel")
    assert value.isfinite() and grad.isfinite().all() and not grad[7].any()


def options(units):
    yield {"reduction": "none"}
    yield {"reduction": "sum", "loss_weight": 2.5}
    yield {"reduction": "weighted_mean", "loss_weight": 0.0}
    yield {"avg_factor": 3.0, "loss_weight": -0.3}
    yield {"avg_factor": torch.tensor(7.0)}
    yield {"avg_factor": torch.tensor(0)}
    yield {"weight": chosen(units)}
    yield {"weight": chosen((40,)), "reduction": "weighted_mean"}
    yield {"weight": torch.zeros(40), "reduction": "none"}
    yield {"weight": chosen((40, 2))[:, 0], "reduction": "sum"}


@all_rankings
def test_options(spec):
    pred, target = in_rows(spec)
    for given in options(target.shape):
        assert_equal_to_core(spec, pred, target, torch.full((1,) if given.get("reduction") == "none" else (), -2.5), **given)
        value = getattr(detloss.torch, spec.name)(pred, target, backend="kernel", **given)
        torch.testing.assert_close(value, getattr(detloss.torch, spec.name)(pred, target, backend="fused", **given))


@all_rankings
@pytest.mark.parametrize("divisor", [torch.tensor(7), torch.tensor([0.0]), torch.tensor([[2.5]], dtype=torch.float64)], ids=str)
def test_divisor_on_the_device(spec, divisor, monkeypatch):
    """The kernel reads it; one of 0 is 1."""
    monkeypatch.setattr(_device, "divisor", lambda call, units, device: (call.avg_factor, call.loss_weight))
    assert_equal_to_core(spec, *inputs(spec, 100, 0.2), avg_factor=divisor, loss_weight=0.5)


@all_rankings
def test_layouts_and_precisions(spec):
    """Rows of wider tensors, columns in another dimension, tensors of many types."""
    pred, target = in_rows(spec)
    wide = torch.full((40, pred.shape[1] + 3), torch.nan)
    wide[..., 1:-2] = pred
    for view in (wide[..., 1:-2], pred.t().contiguous().t(), pred[:1].expand_as(pred)):
        assert_equal_to_core(spec, view, target)
    images, of_images = (given.unflatten(0, (4, 10)) for given in (pred, target))
    assert_equal_to_core(spec, images, of_images, weight=chosen((4, 10)))
    if spec.is_elementwise:
        assert_equal_to_core(spec, images.movedim(-1, 1), of_images.movedim(-1, 1), dim=1, weight=chosen((4, 10)))
    for kind in (torch.bool, torch.uint8, torch.int64, torch.float16, torch.float64):
        value, grad = result(spec, pred.half(), target.to(kind), backend="kernel")
        wanted, of_core = result(spec, pred.half(), target.to(kind), backend="fused")
        assert value.dtype == wanted.dtype and grad.dtype == of_core.dtype
        torch.testing.assert_close((value, grad), (wanted, of_core))


@all_rankings
def test_same_bits_in_any_order(spec, monkeypatch):
    """Of programs; and of elements, but for where their slopes are, if all positives are as good."""
    builder = interpreter.interpreter_builder
    whole, (scores, labels) = builder.set_grid_idx, scores_and_labels(300, 0.3, spread=0.5, dtype=torch.float32)
    pred = with_errors(spec, scores.mul(16.0).round().div(16.0))
    good = pred.clone()
    good.view(300, -1)[:, 1:] = 0.0
    value, grad = result(spec, pred, labels, backend="kernel")
    as_good, of_as_good = result(spec, good, labels.ceil(), backend="kernel")
    for seed in range(2):
        chance = np.random.default_rng(seed)
        shuffled = [chance.permutation(count) for count in range(64)]
        monkeypatch.setattr(builder, "set_grid_idx", lambda x, y, z, of=shuffled: whole(int(of[builder.grid_dim[0]][x]), y, z))
        of_programs = result(spec, pred, labels, backend="kernel")
        order = torch.from_numpy(chance.permutation(300))
        of_elements = result(spec, good[order], labels[order].ceil(), backend="kernel")
        assert torch.equal(of_programs[0], value) and torch.equal(of_programs[1], grad)
        assert torch.equal(of_elements[0], as_good) and torch.equal(of_elements[1], of_as_good[order])


@all_rankings
def test_several_tiles_of_a_program(spec, monkeypatch):
    monkeypatch.setattr(launch, "PROGRAMS", 2)
    for delta in (0.0, 1.0):
        assert_equal_to_core(spec, *inputs(spec, 300, 0.3), delta=delta)


@all_rankings
def test_large_indices(spec, monkeypatch):
    monkeypatch.setattr(launch, "index_type", lambda numbers: launch.tl.int64)
    assert_equal_to_core(spec, *inputs(spec, 100, 0.3))


@all_rankings
def test_the_way_back(spec):
    """The gradient is changed in place where nobody can see it again, and nowhere else; it is not differentiated again."""
    pred, target = inputs(spec, 100, 0.3)
    pred.requires_grad_()
    call = lambda: getattr(detloss.torch, spec.name)(pred, target, backend="kernel")  # noqa: E731
    expected = torch.autograd.grad(call(), pred)[0]
    tripled = 3.0 * call()
    for keeps in (True, True, False):
        torch.testing.assert_close(torch.autograd.grad(tripled, pred, retain_graph=keeps)[0], 3.0 * expected)
    many = torch.autograd.grad(call(), pred, torch.tensor([1.0, 2.0]).double(), is_grads_batched=True)[0]
    torch.testing.assert_close(many, torch.stack([expected, 2.0 * expected]))
    (again,) = torch.autograd.grad(call(), pred, create_graph=True)
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        again.square().sum().backward()


@all_rankings
def test_nothing_at_all(spec):
    for shape in ((0,), (0, COLUMNS), (3, 0)):
        pred = with_errors(spec, torch.zeros(shape))
        value, grad = result(spec, pred, torch.zeros(shape), backend="kernel")
        assert value == 0.0 and grad.shape == pred.shape
    assert_equal_to_core(spec, with_errors(spec, torch.zeros(5)), torch.full((5,), -1.0))


@all_rankings
def test_what_is_refused(spec, monkeypatch):
    pred, target = inputs(spec, 20, 0.3)
    function, numbers = getattr(detloss.torch, spec.name), pred.numel()
    with pytest.raises(ValueError, match=rf"{spec.name}: backend 'kernel' cannot take this call: it takes a batch for one set"):
        function(pred, target, groups=torch.arange(20) // 10, backend="kernel")
    monkeypatch.setattr(_kernel, "MOST_RANKED", numbers)
    with pytest.raises(ValueError, match=f"{numbers} numbers are more than"):
        function(pred, target, backend="kernel")
    assert function(pred[:19], target[:19], backend="kernel").isfinite()
    monkeypatch.setattr(_kernel, "wide", lambda tensor: torch.float32)
    with pytest.raises(ValueError, match="no double precision"):
        function(pred[:19], target[:19], backend="kernel")


def test_automatic_choice(monkeypatch):
    """On a device with kernels, those of rankings are taken, but not for groups."""
    launched = []
    monkeypatch.setattr(_kernel, "DEVICES", ("cpu",))
    monkeypatch.setattr(rank, "KERNELS", _device.Kernels(lambda call, *_: launched.append(call) or rank._launch(call, *_), rank.KERNELS.scale))
    pred, target = scores_and_labels(20, 0.3)
    function = getattr(detloss.torch, SPECS[0].name)
    function(pred, target)
    assert len(launched) == 1
    function(pred, target, groups=torch.arange(20) // 10)
    assert len(launched) == 1
