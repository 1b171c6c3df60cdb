"""The kernels of sets in Triton's interpreter, held to the compiled core, and where that raises errors to tensor operations."""

from __future__ import annotations

import itertools

import detloss
import detloss.torch
import numpy as np
import pytest
import torch
import triton_host
from detloss.torch import _device
from detloss.torch._operations import TRACEABLE_SETS
from detloss.torch._triton import cut, frame, launch, operations, rows, sets
from kernel_cases import EPS, assert_equal_to_core, by_name, random, result, tensors
from samples import COLUMNS, classes, covering, near_default, ordinary, settings, shapes, sized, takes_classes
from triton.runtime import interpreter
from triton_host import assert_state_survives_failures, like_a_device, step  # noqa: F401

triton_host.install()

SPECS = [spec for spec in detloss.losses() if spec.name in TRACEABLE_SETS]
OF_CLASSES = [spec for spec in SPECS if takes_classes(spec)]
OF_ROWS = [spec for spec in SPECS if spec.pred.is_row]
KINDS = covering(SPECS, lambda spec: {(spec.pred, spec.target, spec.options)})
"""Losses that together are called in all ways."""
STATEFUL = [spec for spec in SPECS if spec.is_stateful]


def inputs(spec, rows=37, seed=0):
    """Dense targets, and class indices where they will do."""
    return [ordinary(spec, rows, seed), *([classes(spec, rows, seed)] if takes_classes(spec) else [])]


def assert_equal_to_operations(spec, pred, target, **options):
    """What the kernel makes of numbers is what tensor operations make of the same numbers in double precision."""
    exact = target.double() if target.is_floating_point() else target
    ways = (("kernel", pred, target), ("decomposed", pred.double(), exact))
    (value, grad), (wanted, of_operations) = (
        result(spec, given, goal, backend=backend, **options) for backend, given, goal in ways
    )
    assert value.shape == wanted.shape and grad.shape == of_operations.shape
    for numbers, true in ((value, wanted), (grad, of_operations)):
        assert torch.equal(numbers.isnan(), true.isnan())
        most = true.nan_to_num(0.0, 0.0, 0.0).abs().max().item()
        eps = EPS[pred.dtype]
        torch.testing.assert_close(numbers.double(), true, rtol=eps, atol=eps * most, equal_nan=True)


WIDE = (torch.float64, torch.float32)


@pytest.mark.parametrize(
    ("spec", "dtype"),
    [(spec, dtype) for spec in SPECS for dtype in (EPS if spec in KINDS else WIDE)],
    ids=lambda given: str(getattr(given, "name", given)),
)
def test_value_and_gradient(spec, dtype, monkeypatch):
    """With an odd number of units, and several programs of which one adds up. Half precision is computed as single."""
    monkeypatch.setattr(rows, "NUMBERS", 64)
    for arrays in inputs(spec, rows=67):
        assert_equal_to_core(spec, *tensors(arrays, dtype))


@by_name(SPECS)
def test_all_forms(spec):
    """Every branch of the written form."""
    pred, target = tensors(inputs(spec, rows=9)[-1], torch.float64)
    for params in ({}, *settings(spec)):
        assert_equal_to_core(spec, pred, target, **params)


@by_name(OF_ROWS)
@pytest.mark.parametrize("columns", [1, 2, 3, 17, 130, 1203])
def test_columns(spec, columns):
    """Rows that are no power of two, that are one number, and that are longer than a tile of several."""
    pred = random((11, columns), -2.0, 2.0).double()
    assert_equal_to_core(spec, pred, torch.arange(11) % columns)


@by_name(SPECS)
def test_value_alone(spec):
    for arrays in inputs(spec):
        pred, target = tensors(arrays, torch.float64)
        function = getattr(detloss.torch, spec.name)
        for reduction in ("none", "mean"):
            value = function(pred, target, backend="kernel", reduction=reduction)
            torch.testing.assert_close(value, function(pred, target, reduction=reduction), rtol=1e-12, atol=1e-14)


def options_of(spec, rows):
    units = shapes(spec, rows)[0] if spec.is_elementwise else (rows,)
    yield {"reduction": "sum", "loss_weight": 2.5}
    yield {"reduction": "none", "loss_weight": 0.5}
    yield {"reduction": "weighted_mean"}
    yield {"loss_weight": 0.0}
    for factor in (3.0, torch.tensor(7.0), torch.tensor(0)):
        yield {"avg_factor": factor, "loss_weight": 0.3}
    for shape, reduction in itertools.product({units, (rows,)}, ("none", "sum", "mean", "weighted_mean")):
        weight = random(shape) > 0.8
        yield {"weight": weight if reduction == "sum" else weight.float(), "reduction": reduction}
    yield {"weight": torch.zeros(rows)}
    yield {"weight": (random((rows, 2)) > 0.8).half()[:, 0]}


@by_name(KINDS)
def test_options(spec):
    for arrays in inputs(spec):
        pred, target = tensors(arrays)
        for options in options_of(spec, 37):
            assert_equal_to_core(spec, pred, target, **options)
            if not target.is_floating_point():
                assert_equal_to_core(spec, pred, target, ignore_index=2, **options)


@by_name(KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_divisor_on_the_device(spec, dtype, monkeypatch):
    """The kernels read it; one of 0 is 1."""
    monkeypatch.setattr(_device, "divisor", lambda call, units, device: (call.avg_factor, call.loss_weight))
    for divisor in (torch.tensor(7), torch.tensor([0.0])):
        assert_equal_to_core(spec, *tensors(ordinary(spec, rows=37), dtype), avg_factor=divisor, loss_weight=0.5)


@by_name([spec for spec in SPECS if spec.target.is_label])
def test_what_is_left_out(spec):
    """A label of -1 does not count, whatever its prediction holds."""
    pred, target = tensors(ordinary(spec, rows=37))
    target.view(-1)[::3] = -1.0
    assert_equal_to_core(spec, pred, target)
    with torch.no_grad():
        pred[target == -1.0] = torch.nan
    value, grad = result(spec, pred, target, backend="kernel")
    assert value.isfinite() and grad.isfinite().all() and not grad[target == -1.0].any()
    assert_equal_to_core(spec, torch.where(pred.isnan(), 3.0, pred), target)
    if spec.is_elementwise:
        for kind in (torch.bool, torch.uint8, torch.int64):
            labels = (target == 1.0).to(kind).reshape(1, *target.shape)
            assert_equal_to_core(spec, pred.nan_to_num(3.0).reshape(labels.shape), labels)


@by_name(OF_CLASSES)
def test_what_is_no_class(spec):
    """It makes the loss NaN, as in tensor operations; what is ignored may hold anything."""
    pred = random((6, COLUMNS), -2.0, 2.0)
    for target in ([0, 4, -1, 1, 2, 3], [0, 4, COLUMNS + 1, 1, 2, 3], [0, -7, 2, 2, 1, 1]):
        assert_equal_to_operations(spec, pred, torch.tensor(target))
    with torch.no_grad():
        pred[2], pred[4] = torch.nan, torch.inf
    target = torch.tensor([0, 4, 255, 1, 255, 2], dtype=torch.uint8)
    value, grad = result(spec, pred, target, ignore_index=255, backend="kernel")
    assert value.isfinite() and grad.isfinite().all() and not grad[[2, 4]].any()
    wanted, of_rest = result(spec, pred[[0, 1, 3, 5]], target[[0, 1, 3, 5]], backend="fused")
    torch.testing.assert_close(value, wanted)
    torch.testing.assert_close(grad[[0, 1, 3, 5]], of_rest)


@by_name(covering(OF_CLASSES, lambda spec: {spec.pred}))
def test_class_indices_of_every_type(spec):
    for kind in (torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.uint64, torch.int64):
        assert_equal_to_core(spec, random((37, COLUMNS), -2.0, 2.0), (torch.arange(37) % COLUMNS).to(kind))


UGLY = (0.0, -0.0, 1e-30, -1e-30, 1e4, -1e4, 1e-45, 30.0, -30.0, 3e38, -3e38, float("inf"), float("-inf"), float("nan"))


@by_name(SPECS)
def test_ugly_numbers(spec):
    """One of them among others, and many of them, but of those whose sum single precision does not hold."""
    choose = np.random.default_rng(3).choice
    pred, target = tensors(ordinary(spec, rows=12))
    for ugly in UGLY:
        given = pred.clone()
        given[3, 2] = ugly
        assert_equal_to_operations(spec, given, target)
    assert_equal_to_operations(spec, torch.tensor(choose(UGLY[:-5], pred.shape), dtype=torch.float32), target)
    assert_equal_to_operations(spec, torch.tensor(choose(UGLY[:-3], pred.shape), dtype=torch.float64), target)


@by_name(KINDS)
def test_strides(spec):
    pred, target = tensors(ordinary(spec, rows=37))
    wide = torch.full((37, COLUMNS + 3), torch.nan)
    wide[:, 1:-2] = pred
    for view in (wide[:, 1:-2], pred.t().contiguous().t(), pred[:1].expand_as(pred), pred.repeat_interleave(2, 0)[::2]):
        for options in ({}, {"weight": (random((37,)) > 0.8).float()}):
            assert_equal_to_core(spec, view, target, **options)


@by_name(OF_CLASSES)
def test_columns_in_another_dimension(spec):
    pred, target = random((2, COLUMNS, 3, 4), -2.0, 2.0), torch.arange(24).reshape(2, 3, 4) % COLUMNS
    for options in ({}, {"reduction": "none"}, {"weight": (random((2, 3, 4)) > 0.8).float(), "ignore_index": 3}):
        assert_equal_to_core(spec, pred, target, dim=1, **options)
        assert_equal_to_core(spec, pred.movedim(1, -1).contiguous(), target, **options)


@by_name(KINDS)
def test_mixed_precision(spec):
    """Every tensor may be of its own; the widest is computed in, and the gradient goes back in that of the prediction."""
    pred, target = tensors(ordinary(spec, rows=23))
    for of_pred, of_target in itertools.product((torch.float16, torch.float32), (torch.bfloat16, torch.float64)):
        (value, grad), (wanted, of_core) = (
            result(spec, pred.to(of_pred), target.to(of_target), backend=backend) for backend in ("kernel", "fused")
        )
        assert value.dtype == wanted.dtype and grad.dtype == of_core.dtype
        torch.testing.assert_close(value, wanted)
        torch.testing.assert_close(grad, of_core)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, grad = result(spec, pred.bfloat16(), target.bfloat16(), backend="kernel")
    assert value.dtype == torch.float32 and grad.dtype == torch.bfloat16


@by_name(KINDS)
def test_the_way_back(spec):
    """The gradient is that of what comes after, changed in place where nobody can see it again, and refused a second time."""
    pred, target = tensors(ordinary(spec, rows=37))
    for upstream, dtype in itertools.product((0.0, 1.0, -2.5), (torch.float32, torch.float16, torch.float64)):
        assert_equal_to_core(spec, pred.to(dtype), target.to(dtype), torch.tensor(upstream, dtype=dtype))
        given = torch.tensor([upstream], dtype=dtype)
        assert_equal_to_core(spec, pred.to(dtype), target.to(dtype), given, reduction="none")
    pred.requires_grad_()
    call = lambda: getattr(detloss.torch, spec.name)(pred, target, backend="kernel")  # noqa: E731
    expected = torch.autograd.grad(call(), pred)[0]
    tripled = 3.0 * call()
    for keeps in (True, True, False):
        torch.testing.assert_close(torch.autograd.grad(tripled, pred, retain_graph=keeps)[0], 3.0 * expected)
    (again,) = torch.autograd.grad(call(), pred, create_graph=True)
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        again.square().sum().backward()


@by_name([spec for spec in SPECS if spec.symmetric])
def test_gradient_by_the_target(spec):
    pred, target = tensors(ordinary(spec, rows=37), torch.float64)
    pred.requires_grad_()
    target.requires_grad_()
    function = getattr(detloss.torch, spec.name)
    ways = [torch.autograd.grad(function(pred, target, backend=backend), (pred, target)) for backend in ("kernel", "fused")]
    torch.testing.assert_close(ways[0], ways[1])


@by_name(SPECS)
def test_nothing_at_all(spec):
    pred, target = (torch.zeros(shape) for shape in shapes(spec, 0))
    value, grad = result(spec, pred, target, backend="kernel")
    assert value == 0.0 and grad.shape == pred.shape
    pred, target = tensors(ordinary(spec, rows=37))
    value, grad = result(spec, pred, target, weight=torch.zeros(37), backend="kernel")
    assert value == 0.0 and not grad.any()


@by_name(SPECS)
def test_programs_and_tiles(spec, monkeypatch):
    """Few programs with many tiles each, and places that are counted by wider integers."""
    monkeypatch.setattr(rows, "NUMBERS", 32)
    monkeypatch.setattr(launch, "PROGRAMS", 8)
    monkeypatch.setattr(launch, "index_type", lambda numbers: launch.tl.int64)
    for arrays in inputs(spec, rows=41):
        assert_equal_to_core(spec, *tensors(arrays, torch.float64))


@by_name(SPECS)
def test_same_bits(spec, monkeypatch):
    """The counter, one for all launches, is as it was after each of them, and the order of the sums does not change."""
    monkeypatch.setattr(rows, "NUMBERS", 32)
    counter = torch.zeros((), dtype=torch.int32)
    monkeypatch.setattr(launch, "counter", lambda device: counter)
    pred, target = tensors(ordinary(spec, rows=31))
    values = set()
    for _ in range(2):
        value, grad = result(spec, pred, target, backend="kernel")
        values.add((value.item(), tuple(grad.flatten().tolist())))
        assert counter == 0
    assert len(values) == 1


@by_name(SPECS)
def test_no_program_waits(spec, monkeypatch):
    """They may run in any order: whichever is the last adds up."""
    monkeypatch.setattr(rows, "NUMBERS", 32)
    pred, target = tensors(ordinary(spec, rows=31), torch.float64)
    wanted = result(spec, pred, target, backend="kernel")
    builder = interpreter.interpreter_builder
    whole = builder.set_grid_idx
    monkeypatch.setattr(builder, "set_grid_idx", lambda x, y, z: whole(builder.grid_dim[0] - 1 - x, y, z))
    for numbers, expected in zip(result(spec, pred, target, backend="kernel"), wanted, strict=True):
        assert torch.equal(numbers, expected)


# What is remembered --------------------------------------------------------------------------------------------------------------------


def modules(spec, **params):
    return [getattr(detloss.torch, spec.class_name)(backend=backend, **sized(spec), **params) for backend in ("kernel", "fused")]


@by_name(STATEFUL)
def test_state(spec, monkeypatch):
    monkeypatch.setattr(rows, "NUMBERS", 64)
    others = {param.name: near_default(param) for param in spec.params}
    for dtype, params in ((torch.float64, {}), (torch.float16, others)):
        made = modules(spec, **params)
        for seed in range(2):
            for arrays in inputs(spec, seed=seed):
                pred, target = tensors(arrays, dtype)
                options = {"weight": (random((37,), seed=seed) > 0.5).double()} if seed else {}
                ways = [step(module, pred, target, **options) for module in made]
                eps = EPS[dtype]
                for numbers, true in zip(*ways, strict=True):
                    torch.testing.assert_close(numbers, true, rtol=eps, atol=eps * true.abs().max().item())


@by_name(STATEFUL)
def test_state_of_what_does_not_count(spec):
    """A batch of which nothing counts leaves it as it is; one that is NaN leaves what tensor operations leave."""
    kernel, operations_ = (getattr(detloss.torch, spec.class_name)(backend=way, **sized(spec)) for way in ("kernel", "decomposed"))
    pred, target = tensors(ordinary(spec, rows=37), torch.float64)
    for module in (kernel, operations_):
        module(pred, target)
    before = kernel.state.clone()
    kernel(pred, target, weight=torch.zeros(37))
    assert torch.equal(kernel.state, before)
    pred[5, 1] = torch.nan
    for given in (target, *([torch.arange(37) % (COLUMNS + 2) - 1] if takes_classes(spec) else [])):
        for numbers, expected in zip(step(kernel, pred, given), step(operations_, pred, given), strict=True):
            torch.testing.assert_close(numbers, expected, equal_nan=True)


@by_name(STATEFUL)
def test_state_after_a_failure(spec, monkeypatch):
    """Whichever pass cannot be launched: who takes over begins with the state as it was."""
    pred, target = tensors(ordinary(spec, rows=37), torch.float64)
    assert_state_survives_failures(spec, pred, target, 2, monkeypatch, **sized(spec))


@by_name([spec for spec in SPECS if spec.state == "fixed"])
@pytest.mark.parametrize("bins", [1, 2, 30, 1000])
def test_bins(spec, bins):
    for nonempty, arrays in itertools.product((False, True), inputs(spec)):
        pred, target = tensors(arrays, torch.float64)
        assert_equal_to_core(spec, pred, target, bins=bins, nonempty=nonempty)
    for numbers, true in zip(*(step(module, pred, target) for module in modules(spec, bins=bins, momentum=0.75)), strict=True):
        torch.testing.assert_close(numbers, true, rtol=1e-12, atol=1e-14)


# What is refused -----------------------------------------------------------------------------------------------------------------------


def test_what_is_refused():
    pred, labels = torch.zeros(2, 4), torch.ones(2, 4)
    with pytest.raises(ValueError, match="rmse: backend 'kernel' cannot take this call: .*groups make several"):
        detloss.torch.rmse(pred, labels, groups=torch.tensor([0, 1]), backend="kernel")
    with pytest.raises(ValueError, match="lovasz_softmax: backend 'kernel' cannot take this call: .*sorts"):
        detloss.torch.lovasz_softmax(pred, torch.tensor([0, 1]), backend="kernel")
    with pytest.raises(ValueError, match="seesaw: backend 'kernel' cannot take this call: its rows are longer than 2048 numbers"):
        detloss.torch.seesaw(torch.zeros(1, 2049), torch.tensor([0]), backend="kernel")


@by_name(SPECS)
def test_histograms_of_an_older_triton(spec, monkeypatch):
    """A loss that counts in one says what it lacks."""
    monkeypatch.setattr(frame, "VERSION", (3, 3))
    sets.kernels.cache_clear()
    pred, target = tensors(ordinary(spec, rows=5))
    if spec.name in ("ghm_c", "ghm_r", "seesaw"):
        with pytest.raises(RuntimeError, match=r"it counts in a histogram, which takes Triton 3\.4, that of PyTorch 2\.8"):
            getattr(detloss.torch, spec.name)(pred, target, backend="kernel")
    else:
        assert getattr(detloss.torch, spec.name)(pred, target, backend="kernel").isfinite().all()


def test_an_operation_without_a_line(monkeypatch):
    """It is named."""
    monkeypatch.delitem(operations.ATEN, "softplus.default")
    sets.kernels.cache_clear()
    with pytest.raises(RuntimeError, match=r"aten\.softplus\.default has no line in _triton/operations\.py"):
        detloss.torch.balanced_ce(torch.zeros(2, 3), torch.zeros(2, 3), backend="kernel")
    sets.kernels.cache_clear()


@by_name(SPECS)
def test_passes(spec):
    """The slopes are left by one pass, all outputs by some, and nothing is asked for that nobody has left."""
    of = sets.form(spec, COLUMNS, True, None, True)
    written = cut.Writer(sets.trace(spec, spec.values({}), of), of, spec.pred.is_row)
    passes = cut.passes(written)
    assert 2 <= len(passes) <= 3
    assert [name for of_pass in passes for name in (*of_pass.outputs, *of_pass.slopes)].count(written.outputs[0][0]) == 1
    assert sum(len(of_pass.slopes) for of_pass in passes) == 1
    left = set()
    for of_pass in passes:
        assert left.issuperset(of_pass.given)
        left |= {*of_pass.left}
