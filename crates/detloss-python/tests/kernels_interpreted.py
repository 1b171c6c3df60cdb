"""The generated kernels in Triton's interpreter, held to the compiled core. ``test_kernels.py`` runs this in a process of its own: that it
is to interpret, Triton has to know when it is imported."""

from __future__ import annotations

import itertools
import warnings

import detloss
import detloss.torch
import pytest
import torch
import triton
import triton.language as tl
import triton_host
from detloss.torch import _device, _kernel
from detloss.torch._operations import TRACEABLE
from detloss.torch._triton import formula, launch, operations
from kernel_cases import assert_as_ugly, assert_equal_to_core, by_name, options_of, random, result, tensors
from samples import COLUMNS, classes, covering, near_default, ordinary, scalar_operations, shapes, takes_classes
from triton.runtime import interpreter
from triton_host import like_a_device  # noqa: F401

triton_host.install()

SPECS = [spec for spec in detloss.losses() if spec.is_formula or spec.name in TRACEABLE]
BY_NAME = {spec.name: spec for spec in SPECS}
SHORTEST = sorted(SPECS, key=lambda spec: len(scalar_operations(spec)))
KINDS = covering(SHORTEST, lambda spec: {(spec.pred, spec.target, tuple(spec.options))})
"""Losses that together are called in all ways: of each kind the shortest, as what surrounds a formula is the same for all."""

all_formulas = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
all_kinds = pytest.mark.parametrize("spec", KINDS, ids=lambda spec: spec.name)


@triton.jit
def every_function(first, second, values, COUNT: tl.constexpr):
    place = tl.arange(0, COUNT)
    x, y = tl.load(first + place), tl.load(second + place)
    tl.store(values + place, operations.sin(x))
    tl.store(values + COUNT + place, operations.cos(x))
    tl.store(values + 2 * COUNT + place, operations.softplus(x))
    tl.store(values + 3 * COUNT + place, operations.sigmoid(x))
    tl.store(values + 4 * COUNT + place, operations.atan2(x, y))


@pytest.mark.parametrize("most", [1.0, 10.0, 87.0, 1e5])
def test_functions_of_single_precision(most):
    """Those that are computed by series of our own are right to a few roundings, for angles up to 1e5."""
    x, y = random((2, 1 << 16), -most, most)
    values = torch.empty(5, x.numel())
    every_function[(1,)](x, y, values, x.numel())
    x, y = x.double(), y.double()
    exact = torch.stack([x.sin(), x.cos(), torch.logaddexp(x, torch.zeros_like(x)), x.sigmoid(), torch.atan2(x, y)])
    torch.testing.assert_close(values[:2].double(), exact[:2], rtol=0.0, atol=1e-7)
    torch.testing.assert_close(values[2:].double(), exact[2:], rtol=3e-7, atol=torch.finfo(torch.float32).tiny)


@all_formulas
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_value_and_gradient(spec, dtype):
    """With an odd number of units, and several programs of which one adds up."""
    assert_equal_to_core(spec, *tensors(ordinary(spec, rows=launch.tile(spec) + 37), dtype))


@all_kinds
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision(spec, dtype):
    assert_equal_to_core(spec, *tensors(ordinary(spec, rows=launch.tile(spec) + 37), dtype))


@pytest.fixture
def at_once(monkeypatch):
    """One program takes many units: it is of numbers, not of programs, that there are to be many."""
    monkeypatch.setattr(launch, "tile", lambda spec: 1 << 16 if len(spec.pred.fields) == 1 else 512)


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.params], ids=lambda spec: spec.name)
def test_parameters(spec):
    """They are constants of the text, each kernel has its own."""
    for param in spec.params:
        assert_equal_to_core(spec, *tensors(ordinary(spec, rows=9), torch.float64), **{param.name: near_default(param)})


@all_formulas
def test_value_alone(spec):
    pred, target = tensors(ordinary(spec, rows=37), torch.float64)
    function = getattr(detloss.torch, spec.name)
    for reduction in ("none", "mean"):
        value = function(pred, target, backend="kernel", reduction=reduction)
        torch.testing.assert_close(value, function(pred, target, reduction=reduction), rtol=1e-12, atol=1e-14)


@all_kinds
def test_options(spec):
    pred, target = tensors(ordinary(spec, rows=37))
    for options in options_of(spec, 37):
        assert_equal_to_core(spec, pred, target, **options)


@pytest.mark.parametrize("divisor", [torch.tensor(7), torch.tensor([0.0]), torch.tensor([[2.5]], dtype=torch.float64)], ids=str)
def test_divisor_on_the_device(divisor, monkeypatch):
    """The kernel reads it; one of 0 is 1."""
    monkeypatch.setattr(_device, "divisor", lambda call, units, device: (call.avg_factor, call.loss_weight))
    for spec, dtype in itertools.product(KINDS, (torch.float32, torch.float64)):
        assert_equal_to_core(spec, *tensors(ordinary(spec, rows=37), dtype), avg_factor=divisor, loss_weight=0.5)


@pytest.mark.parametrize("spec", [spec for spec in SPECS if takes_classes(spec)], ids=lambda spec: spec.name)
def test_classes(spec):
    """Class indices, background among them, have no label in memory. What is done with options is the same for all of a kind."""
    pred, target = tensors(classes(spec, rows=37))
    kinds = (torch.int64, torch.int32, torch.uint8, torch.int16)
    some = itertools.islice(options_of(spec, 37), None if spec in KINDS else len(kinds))
    for options, kind in zip(some, itertools.cycle(kinds), strict=False):
        assert_equal_to_core(spec, pred, target.to(kind), **options)
        assert_equal_to_core(spec, pred, target.to(kind), ignore_index=2, **options)
    unknown = torch.where(target == 1, -100, target)
    assert_equal_to_core(spec, pred, unknown, ignore_index=-100, reduction="weighted_mean")


@pytest.mark.parametrize("spec", [spec for spec in SPECS if takes_classes(spec) and spec.is_formula], ids=lambda spec: spec.name)
def test_what_is_no_class_or_label(spec):
    """It makes its own elements NaN and no others; what is ignored or left out may hold anything."""
    function = getattr(detloss.torch, spec.name)
    pred = random((6, COLUMNS), -2.0, 2.0).requires_grad_()
    target = torch.tensor([0, COLUMNS, -1, COLUMNS + 1, 2, -7])
    value = function(pred, target, reduction="none", backend="kernel")
    (grad,) = torch.autograd.grad(value.sum(), pred)
    for numbers in (value, grad):
        assert numbers.isnan().all(-1).tolist() == numbers.isnan().any(-1).tolist() == [False, False, True, True, False, True]
    with torch.no_grad():
        pred[4] = torch.nan
    value = function(pred, torch.tensor([0, 1, 5, 3, 2, 2]), ignore_index=2, backend="kernel")
    (grad,) = torch.autograd.grad(value, pred)
    assert value.isfinite() and grad.isfinite().all() and not grad[4:].any()
    labels = torch.zeros(6, COLUMNS)
    labels[0, 1], labels[1, 2], labels[2, 3] = -1.0, 1.5, -0.5
    value = function(pred.detach().nan_to_num().requires_grad_(), labels, reduction="none", backend="kernel")
    assert value.isnan().sum() == 2 and value[1, 2].isnan() and value[2, 3].isnan() and value[0, 1] == 0.0
    whole = labels.clamp(max=1.0).nan_to_num()
    whole[2, 3] = 0.0
    assert_equal_to_core(spec, pred.detach().nan_to_num(), whole, reduction="weighted_mean")
    for kind in (torch.bool, torch.uint8, torch.int64):
        assert_equal_to_core(spec, pred.detach().nan_to_num(), (labels == 0.0).to(kind))


@all_formulas
def test_ugly_numbers(spec, at_once):
    assert_as_ugly(spec, torch.float32, 1e-4)


@by_name(covering(SPECS, lambda spec: {spec.pred, spec.target, *scalar_operations(spec)}))
def test_ugly_numbers_in_double_precision(spec, at_once):
    """Coordinates are limited by another instruction there."""
    assert_as_ugly(spec, torch.float64, 1e-9)


@pytest.mark.parametrize("spec", [spec for spec in SPECS if len(spec.pred.fields) >= 4], ids=lambda spec: spec.name)
def test_perfect_predictions(spec, at_once):
    """They cost exactly as much as in the core, which is nothing for most losses, and have the same slopes."""
    _, target = tensors(ordinary(spec, rows=300, seed=5))
    ways = [result(spec, target, target, backend=backend, reduction="none") for backend in ("kernel", "fused")]
    assert torch.equal(ways[0][0] == 0.0, ways[1][0] == 0.0)
    torch.testing.assert_close(ways[0], ways[1], rtol=1e-5, atol=1e-6)


@all_kinds
def test_rows_of_wider_tensors(spec):
    pred, target = tensors(ordinary(spec, rows=37))
    wide = torch.full((*pred.shape[:-1], pred.shape[-1] + 3), torch.nan)
    wide[..., 1:-2] = pred
    views = [wide[..., 1:-2], pred.t().contiguous().t(), pred[:1].expand_as(pred), pred.repeat_interleave(2, 0)[::2]]
    for view, options in itertools.product(views, ({}, {"weight": random((37,)), "reduction": "none"})):
        assert_equal_to_core(spec, view, target, **options)
    images = wide.reshape(1, *wide.shape).expand(3, *wide.shape)[..., 1:-2]
    assert_equal_to_core(spec, images, target.expand(3, *target.shape), reduction="sum")


def test_one_column_of_wider_tensors():
    wide, labels = random((37, 6), -2.0, 2.0), (random((37,)) > 1.0).float()
    for options in ({"reduction": "none"}, {"weight": labels + 1.0}):
        assert_equal_to_core(BY_NAME["focal"], wide[:, 4], labels, **options)


@all_kinds
def test_columns_in_another_dimension(spec):
    if not spec.is_elementwise:
        return
    pred, target = random((2, COLUMNS, 3, 4), -2.0, 2.0), (random((2, COLUMNS, 3, 4), seed=5) > 1.0).float()
    for options in ({}, {"reduction": "none"}, {"weight": random((2, 3, 4))}):
        assert_equal_to_core(spec, pred, target, dim=1, **options)
    if takes_classes(spec):
        assert_equal_to_core(spec, pred, torch.randint(0, COLUMNS + 1, (2, 3, 4)), dim=1)


@all_kinds
def test_mixed_precision(spec):
    """Every tensor may be of its own; the widest is computed in, and the gradient goes back in that of the prediction."""
    pred, target = tensors(ordinary(spec, rows=23))
    for of_pred, of_target in itertools.product((torch.float16, torch.float32), (torch.float16, torch.bfloat16, torch.float64)):
        value, grad = result(spec, pred.to(of_pred), target.to(of_target), backend="kernel")
        wanted, of_core = result(spec, pred.to(of_pred), target.to(of_target), backend="fused")
        assert value.dtype == wanted.dtype and grad.dtype == of_core.dtype
        torch.testing.assert_close(value, wanted)
        torch.testing.assert_close(grad, of_core)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, grad = result(spec, pred.bfloat16(), target.bfloat16(), backend="kernel")
    assert value.dtype == torch.float32 and grad.dtype == torch.bfloat16


@all_kinds
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64], ids=str)
def test_the_way_back(spec, dtype):
    pred, target = tensors(ordinary(spec, rows=37), dtype)
    weight = random((37,))
    for options, upstream in (({}, 0.0), ({}, -2.5), ({"weight": weight, "reduction": "weighted_mean"}, 1.0)):
        assert_equal_to_core(spec, pred, target, torch.tensor(upstream, dtype=dtype), **options)
    value = getattr(detloss.torch, spec.name)(pred, target, reduction="none", backend="fused")
    assert_equal_to_core(spec, pred, target, random(value.shape, -1.0, 1.0).to(dtype), reduction="none")


@all_kinds
def test_kept_graphs(spec):
    """The gradient is changed in place where nobody can see it again, and nowhere else."""
    pred, target = tensors(ordinary(spec, rows=37))
    pred.requires_grad_()
    for options in ({}, {"weight": random((37,)), "reduction": "weighted_mean"}):
        call = lambda: getattr(detloss.torch, spec.name)(pred, target, backend="kernel", **options)  # noqa: B023, E731
        expected = torch.autograd.grad(call(), pred)[0]
        tripled = 3.0 * call()
        for keeps in (True, True, False):
            torch.testing.assert_close(torch.autograd.grad(tripled, pred, retain_graph=keeps)[0], 3.0 * expected)
        value = call()
        many = torch.autograd.grad(value, pred, torch.tensor([1.0, 2.0]), is_grads_batched=True)[0]
        torch.testing.assert_close(many, torch.stack([expected, 2.0 * expected]))
        (again,) = torch.autograd.grad(call(), pred, create_graph=True)
        torch.testing.assert_close(again, expected)
        with pytest.raises(NotImplementedError, match="first derivatives only"):
            again.square().sum().backward()


def test_slopes_of_a_scaled_loss_in_half_precision(at_once):
    """They are too small for float16 until they are multiplied."""
    focal = BY_NAME["focal"]
    pred, labels = random((1 << 12, 16), -3.0, 3.0).half(), (random((1 << 12, 16), seed=4) > 1.9).half()
    assert_equal_to_core(focal, pred, labels, torch.tensor(8192.0, dtype=torch.float16))


@all_kinds
def test_gradient_by_the_target(spec):
    pred, target = tensors(ordinary(spec, rows=37), torch.float64)
    function = getattr(detloss.torch, spec.name)
    pred.requires_grad_()
    target.requires_grad_()
    if not spec.symmetric:
        with pytest.raises(ValueError, match="target.detach"):
            function(pred, target, backend="kernel")
        return
    ways = [torch.autograd.grad(function(pred, target, backend=backend), (pred, target)) for backend in ("kernel", "fused")]
    torch.testing.assert_close(ways[0], ways[1])


@all_kinds
def test_several_tiles_of_a_program(spec, monkeypatch):
    """One of the programs has a tile less than it takes."""
    monkeypatch.setattr(launch, "PROGRAMS", 2)
    rows = 2 * launch.tile(spec) + 37
    pred, target = tensors(ordinary(spec, rows=rows))
    assert_equal_to_core(spec, pred, target)
    assert_equal_to_core(spec, pred, target, weight=random((rows,)), reduction="weighted_mean")


def test_large_indices(monkeypatch):
    """Numbers beyond 2³¹ are counted by wider integers."""
    monkeypatch.setattr(launch, "index_type", lambda numbers: launch.tl.int64)
    for spec in KINDS:
        assert_equal_to_core(spec, *tensors(ordinary(spec, rows=37)))


def test_more_units_than_small_integers_count():
    """Of 2³¹ units the first program computes its own."""
    of_tile, spec = 512, BY_NAME["l1"]
    pred, values = random((of_tile,)), torch.full((of_tile,), torch.nan)
    low, high = launch.bits(1.0, torch.float32)
    arguments = (pred, torch.zeros(of_tile), None, None, None, None, values, None, None, None, (1 << 31) // 16, 1, None, high, low)
    known = launch.constants(torch.float32, launch.tl.float64, 16, 1, 1, False, False, False, of_tile, launch.index_type(1 << 31))
    launch.start(formula.kernel("l1", spec.values({}), False, False), pred.device, 1, arguments, known)
    assert torch.equal(values, pred)


@pytest.mark.parametrize("name", ["inner(focaler(ciou), ratio=0.8)", "wise(siou(theta=2))", "alpha(giou, alpha=2)"])
def test_modifiers(name):
    giou = BY_NAME["giou"]
    pred, target = tensors(ordinary(giou, rows=37), torch.float64)
    loss = detloss.torch.get_loss(name)
    values = []
    for loss.backend in ("kernel", "fused"):
        asked = pred.clone().requires_grad_()
        value = loss(asked, target)
        values.append((value.detach(), torch.autograd.grad(value, asked)[0]))
    torch.testing.assert_close(values[0], values[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.is_stateful], ids=lambda spec: spec.name)
def test_running_mean(spec):
    """Losses of units with a state are taken, too: the mean is one number more that the kernel reads."""
    modules = [getattr(detloss.torch, spec.class_name)(backend=backend) for backend in ("kernel", "fused")]
    for step in range(3):
        pred, target = tensors(ordinary(spec, rows=37, seed=step), torch.float64)
        weight = (random((37,), seed=step) > 0.5).double()
        ways = []
        for module in modules:
            asked = pred.clone().requires_grad_()
            value = module(asked, target, weight=weight)
            ways.append((value.detach(), torch.autograd.grad(value, asked)[0], module.state.clone()))
        torch.testing.assert_close(ways[0], ways[1], rtol=1e-10, atol=1e-12)


def test_nothing_at_all():
    for spec in KINDS:
        pred, target = (torch.zeros(shape) for shape in shapes(spec, 0))
        value, grad = result(spec, pred, target, backend="kernel")
        assert value == 0.0 and grad.shape == pred.shape
        assert getattr(detloss.torch, spec.name)(pred, target, reduction="none", backend="kernel").numel() == 0


def test_same_bits(monkeypatch):
    """The counter, one for all launches, is as it was after each of them, and the order of the sum does not change."""
    counter = torch.zeros((), dtype=torch.int32)
    monkeypatch.setattr(launch, "counter", lambda device: counter)
    spec = BY_NAME["focal"]
    pred, target = tensors(ordinary(spec, rows=1000))
    values = set()
    for _ in range(3):
        values.add(detloss.torch.focal(pred, target, backend="kernel").item())
        assert counter == 0
    assert len(values) == 1


def test_the_last_program_alone_adds_up(monkeypatch):
    """On a device all others may still be at work then."""
    builder, done = interpreter.interpreter_builder, []
    whole = builder.create_atomic_rmw

    def noted(operation, *rest):
        done.append(operation.name)
        return whole(operation, *rest)

    monkeypatch.setattr(builder, "create_atomic_rmw", noted)
    detloss.torch.focal(*tensors(ordinary(BY_NAME["focal"], rows=1000)), backend="kernel")
    assert done.count("ADD") > 2 and done == ["ADD"] * (len(done) - 1) + ["XCHG"]


@pytest.fixture
def as_on_a_device(monkeypatch):
    """The CPU is taken for a device with kernels. Gives the losses that were launched."""
    launched = []
    whole = formula.kernel

    def kernel(name, *rest):
        launched.append(name)
        return whole(name, *rest)

    monkeypatch.setattr(_kernel, "DEVICES", ("cpu",))
    monkeypatch.setattr(_kernel, "_warnings", [])
    monkeypatch.setattr(_kernel, "_failed", set())
    monkeypatch.setattr(formula, "kernel", kernel)
    return launched


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:FutureWarning", "ignore::torch.jit.TracerWarning")
def test_automatic_choice(as_on_a_device):
    """Formulas are launched; what looks through operations, and what has no kernel, is not."""
    pred, target = tensors(ordinary(BY_NAME["giou"]))
    loss = lambda x: detloss.torch.giou(x, target)  # noqa: E731
    expected = loss(pred)
    assert as_on_a_device == ["giou"]
    others = [
        torch.compile(loss, backend="eager", fullgraph=True)(pred.requires_grad_()),
        torch.func.vmap(loss)(pred.detach().expand(2, *pred.shape))[0],
        torch.func.grad_and_value(loss)(pred.detach())[1],
        torch.fx.experimental.proxy_tensor.make_fx(loss)(pred.detach())(pred.detach()),
        torch.jit.trace(loss, pred.detach(), check_trace=False)(pred.detach()),
        detloss.torch.giou(pred, target, backend="decomposed"),
        detloss.torch.giou(pred, target, backend="fused"),
    ]
    detloss.torch.lovasz_softmax(torch.zeros(2, 4), torch.tensor([0, 1]))
    assert as_on_a_device == ["giou"]
    for value in others:
        torch.testing.assert_close(value, expected)


def test_what_cannot_be_compiled_is_replayed(as_on_a_device, monkeypatch):
    """With one warning, and with the state as it is to be; and an error if the kernel was asked for."""

    def kernel(*_):
        raise RuntimeError("Failed to find C compiler. Please specify via CC environment variable.\nMore words.")

    monkeypatch.setattr(formula, "kernel", kernel)
    spec = next(spec for spec in SPECS if spec.is_stateful)
    modules = [getattr(detloss.torch, spec.class_name)(backend=backend) for backend in ("auto", "decomposed")]
    pred, target = tensors(ordinary(spec))
    with pytest.warns(RuntimeWarning, match="one kernel.*Failed to find C compiler.*'decomposed'") as seen:
        values = [modules[0](pred, target)]
    assert len(seen) == 1
    torch.testing.assert_close(values[0], modules[1](pred, target))
    torch.testing.assert_close(modules[0].state, modules[1].state)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detloss.torch.giou(pred, target)
        modules[0](pred, target)
    with pytest.raises(RuntimeError, match="Failed to find C compiler"):
        detloss.torch.giou(pred, target, backend="kernel")


def test_where_triton_is_missing(as_on_a_device, monkeypatch):
    monkeypatch.setattr(_kernel, "_lacks_import", lambda: "Triton cannot be imported (ModuleNotFoundError: No module named 'triton')")
    _kernel._lacks_triton.cache_clear()
    pred, target = tensors(ordinary(BY_NAME["giou"]))
    with pytest.warns(RuntimeWarning, match="No module named 'triton'.*pip install triton"):
        detloss.torch.giou(pred, target)
    with pytest.raises(ValueError, match="giou: backend 'kernel' cannot take this call.*pip install triton"):
        detloss.torch.giou(pred, target, backend="kernel")
    assert not as_on_a_device
    _kernel._lacks_triton.cache_clear()


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace:FutureWarning", "ignore::torch.jit.TracerWarning")
def test_what_the_kernel_backend_refuses():
    pred, target = tensors(ordinary(BY_NAME["giou"]))
    with pytest.raises(ValueError, match="lovasz_softmax: backend 'kernel' cannot take this call: .*whole batches"):
        detloss.torch.lovasz_softmax(torch.zeros(2, 4), torch.tensor([0, 1]), backend="kernel")
    with pytest.raises(ValueError, match="giou: backend 'kernel' .*transform"):
        torch.func.grad(lambda x: detloss.torch.giou(x, target, backend="kernel"))(pred)
    with pytest.raises(ValueError, match="giou: backend 'kernel' .*takes note"):
        torch.jit.trace(lambda x: detloss.torch.giou(x, target, backend="kernel"), pred)
