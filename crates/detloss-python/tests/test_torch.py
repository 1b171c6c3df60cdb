"""What holds for every loss as a function of tensors, on both backends."""

from __future__ import annotations

import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")

import detloss  # noqa: E402
import detloss.torch  # noqa: E402
from samples import COLUMNS, classes, covering, ordinary, scalar_operations, takes_classes  # noqa: E402
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

BACKENDS = ("fused", "decomposed")
SPECS = detloss.losses()

all_losses = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
both_backends = pytest.mark.parametrize("backend", BACKENDS)

# All formulas are replayed by one function: the shortest will do that together have all operations and all kinds of operands.
REPLAYED = covering(
    sorted((spec for spec in SPECS if spec.is_formula), key=lambda spec: len(scalar_operations(spec))),
    lambda spec: {*scalar_operations(spec), spec.pred, spec.target},
)
all_torch_operations = pytest.mark.parametrize(
    "spec", [spec for spec in SPECS if spec in REPLAYED or not spec.is_formula], ids=lambda spec: spec.name
)


def function(spec):
    return getattr(detloss.torch, spec.name)


def tensors(arrays, dtype=torch.float64):
    pred, target = (torch.from_numpy(np.asarray(array)) for array in arrays)
    return pred.to(dtype).requires_grad_(), target.to(dtype) if target.is_floating_point() else target


def slope(value, pred, grad_output=None):
    return torch.autograd.grad(value, pred, grad_output)[0]


def calls(spec, rows):
    """Options in every combination that means something different."""
    random = np.random.default_rng(3)
    weigh = (lambda shape: random.integers(0, 2, shape)) if spec.scope == "set" else (lambda shape: random.uniform(0, 2, shape))
    units = (rows, COLUMNS) if spec.has_columns and not spec.pred.is_row else (rows,)
    yield {}
    yield {"reduction": "sum", "loss_weight": 2.5}
    yield {"reduction": "none", "loss_weight": 0.5}
    yield {"avg_factor": 7.0}
    yield {"avg_factor": torch.tensor(7.0), "weight": torch.from_numpy(weigh((rows,)))}
    yield {"weight": torch.from_numpy(weigh(units)), "reduction": "weighted_mean"}
    yield {"weight": torch.from_numpy(weigh(units)), "reduction": "none"}
    if "class_weight" in spec.options:
        yield {"class_weight": torch.from_numpy(random.uniform(0, 2, COLUMNS)), "reduction": "weighted_mean"}
    if "groups" in spec.options:
        groups = torch.from_numpy(random.integers(3, 7, rows))
        yield {"groups": groups}
        yield {"groups": groups, "reduction": "none"}
        yield {"groups": groups, "reduction": "weighted_mean", "weight": (groups != 4).double()}


@all_losses
def test_backends_agree(spec):
    """The kernel and the torch operations give the same values and slopes, whatever the options."""
    targets = [ordinary(spec), ordinary(spec, soft=spec.scope != "set")]
    targets += [classes(spec)] if takes_classes(spec) else []
    for arrays in targets:
        for options in calls(spec, 23):
            if arrays[1].dtype.kind == "i":
                options = {**options, "ignore_index": 2}
            pred, target = tensors(arrays)
            values = [function(spec)(pred, target, backend=backend, **options) for backend in BACKENDS]
            grad_output = torch.linspace(0.5, 2.0, values[0].numel(), dtype=torch.float64).reshape(values[0].shape)
            slopes = [slope(value, pred, grad_output) for value in values]
            torch.testing.assert_close(values[1], values[0], rtol=1e-9, atol=1e-11)
            torch.testing.assert_close(slopes[1], slopes[0], rtol=1e-8, atol=1e-10)


@all_losses
def test_fused_is_the_numpy_front_end(spec):
    pred, target = tensors(ordinary(spec))
    value = function(spec)(pred, target)
    expected, gradient = detloss.value_and_grad(spec.name, pred.detach().numpy(), target.numpy())
    assert value.item() == expected
    assert np.array_equal(slope(value, pred).numpy(), gradient)


@all_losses
@both_backends
def test_gradcheck(spec, backend):
    if not spec.has_exact_gradient:
        pytest.skip("its gradient is not the slope of its value")
    pred, target = tensors(ordinary(spec, rows=4))
    for reduction in ("mean", "none"):
        assert torch.autograd.gradcheck(lambda x: function(spec)(x, target, reduction=reduction, backend=backend), (pred,))


@all_losses
@both_backends
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_dtypes(spec, backend, dtype):
    """The result has the precision of the tensors, and is that of float64 as far as that precision goes."""
    pred, target = tensors(ordinary(spec), dtype)
    value = function(spec)(pred, target, backend=backend)
    gradient = slope(value, pred)
    assert value.dtype == dtype and gradient.dtype == dtype
    exact = pred.detach().double().requires_grad_()
    expected = function(spec)(exact, target.double(), backend="fused")
    tolerance = {"rtol": 4 * torch.finfo(dtype).eps, "atol": 4 * torch.finfo(dtype).eps}
    if dtype == torch.float32:
        tolerance = {"rtol": 1e-4, "atol": 1e-6}
    torch.testing.assert_close(value.double(), expected, **tolerance)
    torch.testing.assert_close(gradient.double(), slope(expected, exact), **tolerance)


@all_losses
@both_backends
def test_autocast(spec, backend):
    """Halves are computed in float32 under autocast, and a wide target is not rounded to a narrow prediction."""
    pred, target = tensors(ordinary(spec), torch.bfloat16)
    wide = pred.detach().float().requires_grad_()
    expected = function(spec)(wide, target.float(), backend=backend)
    with torch.autocast("cpu", torch.bfloat16):
        value = function(spec)(pred, target, backend=backend)
    mixed = function(spec)(pred, target.float(), backend=backend)
    for got in (value, mixed):
        assert got.dtype == torch.float32
        assert torch.equal(got, expected)
        gradient = slope(got, pred)
        assert gradient.dtype == torch.bfloat16
        assert torch.equal(gradient, slope(function(spec)(wide, target.float(), backend=backend), wide).bfloat16())


@all_losses
@both_backends
def test_non_contiguous(spec, backend):
    pred, target = tensors(ordinary(spec))
    expected = function(spec)(pred, target, backend=backend)
    strided = torch.stack([pred.detach(), torch.full_like(pred, 9.0)], -1)[..., 0].requires_grad_()
    turned = target.T.contiguous().T if target.dim() == 2 else torch.stack([target, target], -1)[..., 1]
    assert not strided.is_contiguous() and not turned.is_contiguous()
    value = function(spec)(strided, turned, backend=backend)
    # torch adds up in the order of the memory.
    tolerance = {"rtol": 0.0, "atol": 0.0} if backend == "fused" else {"rtol": 1e-12, "atol": 1e-14}
    torch.testing.assert_close(value, expected, **tolerance)
    torch.testing.assert_close(slope(value, strided), slope(expected, pred), **tolerance)


@all_losses
@both_backends
def test_empty(spec, backend):
    """No rows are worth 0, and the graph stays connected."""
    pred, target = tensors(ordinary(spec, rows=0))
    for reduction in ("mean", "sum", "weighted_mean"):
        value = function(spec)(pred, target, reduction=reduction, backend=backend)
        assert value.item() == 0.0
        assert slope(value, pred).shape == pred.shape
    assert function(spec)(pred, target, reduction="none", backend=backend).numel() == 0


@all_losses
@both_backends
def test_graph_is_used_twice(spec, backend):
    """As often as wanted, through a view or not, and what somebody does to a gradient does not reach the next one."""
    pred, target = tensors(ordinary(spec))
    expected = slope(function(spec)(pred, target, backend=backend), pred)
    value = function(spec)(pred.view(pred.shape), target, backend=backend)
    for _ in range(3):
        value.backward(retain_graph=True)
        torch.testing.assert_close(pred.grad, expected, rtol=0.0, atol=0.0)
        pred.grad.data.zero_()
    given = torch.autograd.grad(value, pred, retain_graph=True)[0]
    given.mul_(100.0)
    assert torch.equal(slope(value, pred), expected)


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.family == "scores"], ids=lambda spec: spec.name)
@both_backends
def test_scaled_half_precision(spec, backend):
    """The slopes of a mean of many logits are too small for float16; a scaled loss saves them, as torch's own does."""
    pred = (3.0 * torch.randn(1 << 16, generator=torch.Generator().manual_seed(0))).half().requires_grad_()
    target = (torch.arange(1 << 16) % 7 == 0).half()
    gradient = slope(1024.0 * function(spec)(pred, target, backend=backend), pred).double()
    exact = pred.detach().double().requires_grad_()
    wanted = slope(1024.0 * function(spec)(exact, target.double()), exact)
    torch.testing.assert_close(gradient, wanted, rtol=2e-3, atol=torch.finfo(torch.float16).tiny)


@all_losses
@both_backends
def test_second_derivatives_are_refused(spec, backend):
    pred, target = tensors(ordinary(spec))
    gradient = torch.autograd.grad(function(spec)(pred, target, backend=backend), pred, create_graph=True)[0]
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        gradient.square().sum().backward()


@all_losses
@both_backends
def test_gradient_by_the_target(spec, backend):
    """A symmetric loss has it, the others say that they have not."""
    pred, target = tensors(ordinary(spec))
    target.requires_grad_()
    if not spec.symmetric:
        with pytest.raises(ValueError, match="target.detach"):
            function(spec)(pred, target, backend=backend)
        return
    value = function(spec)(pred, target, backend=backend)
    by_pred, by_target = torch.autograd.grad(value, (pred, target))
    assert torch.equal(by_pred, slope(function(spec)(pred, target.detach(), backend=backend), pred))
    assert torch.equal(by_target, slope(function(spec)(target, pred.detach(), backend=backend), target))
    if spec.has_exact_gradient:
        pred, target = tensors(ordinary(spec, rows=4))
        call = lambda a, b: function(spec)(a, b, reduction="none", backend=backend)  # noqa: E731
        assert torch.autograd.gradcheck(call, (pred, target.requires_grad_()))


@all_losses
def test_nothing_waits_for_the_device(spec):
    """Meta tensors have no numbers to wait for. Only groups, and the sorting of Rank & Sort, have to be counted by the host."""
    pred, target = tensors(classes(spec) if takes_classes(spec) else ordinary(spec), torch.float32)
    pred, target = pred.detach().to("meta").requires_grad_(), target.to("meta")
    factor = torch.ones((), device="meta")
    value = function(spec)(pred, target, avg_factor=factor)
    assert value.shape == () and value.device.type == "meta"
    assert slope(value, pred).shape == pred.shape


class _OnDevice(TorchDispatchMode):
    """Refuses operations whose results are elsewhere than on this device, or of another type than these."""

    def __init__(self, device, dtypes):
        super().__init__()
        self.device, self.dtypes = device, dtypes

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        for tensor in filter(torch.is_tensor, result if isinstance(result, tuple | list) else [result]):
            assert tensor.device.type == self.device, f"{operation} works on {tensor.device}"
            assert tensor.dtype in self.dtypes, f"{operation} makes {tensor.dtype}"
        return result


@all_torch_operations
@pytest.mark.parametrize("has_doubles", [True, False])
def test_nothing_leaves_the_device(spec, has_doubles, monkeypatch):
    """Fake tensors know what device they are on, without one. Value and slopes come in one pass, so the way there is all there is."""
    dtypes = {torch.float32, torch.int64, torch.int32, torch.bool} | ({torch.float64} if has_doubles else set())
    if not has_doubles:
        for module in sys.modules.copy():
            if module.startswith("detloss.torch._operations.") and hasattr(sys.modules[module], "wide"):
                monkeypatch.setattr(sys.modules[module], "wide", lambda tensor: torch.float32)

    def there(tensor):
        return torch.empty(tensor.shape, dtype=torch.float32 if tensor.is_floating_point() else tensor.dtype, device="cuda")

    for arrays in [ordinary(spec), *([classes(spec)] if takes_classes(spec) else [])]:
        for options in calls(spec, rows=len(arrays[0])):
            if "groups" in options:
                continue  # The host counts them.
            with FakeTensorMode():
                pred, target = (there(torch.from_numpy(array)) for array in arrays)
                options = {name: there(given) if torch.is_tensor(given) else given for name, given in options.items()}
                with _OnDevice("cuda", dtypes):
                    value = function(spec)(pred.requires_grad_(), target, **options)
            assert value.device.type == "cuda" and value.dtype == torch.float32


@all_losses
def test_any_number_of_threads_gives_the_same_bits(spec):
    pred, target = tensors(ordinary(spec, rows=30_000), torch.float32)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            value = function(spec)(pred, target, backend="fused")
            results.append((value.detach(), slope(value, pred)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


@all_losses
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is at hand")
def test_gpu(spec):
    """What the host computes, the GPU computes too."""
    for arrays in [ordinary(spec), *([classes(spec)] if takes_classes(spec) else [])]:
        for dtype, tolerance in ((torch.float32, 1e-4), (torch.float64, 1e-9)):
            pred, target = tensors(arrays, dtype)
            expected = function(spec)(pred, target)
            there = pred.detach().cuda().requires_grad_()
            value = function(spec)(there, target.cuda())
            assert value.device.type == "cuda"
            torch.testing.assert_close(value.cpu(), expected, rtol=tolerance, atol=tolerance)
            torch.testing.assert_close(slope(value, there).cpu(), slope(expected, pred), rtol=tolerance, atol=tolerance)


@all_losses
def test_kept_graph_gives_the_same_again(spec):
    """The gradient is scaled in place where it can be, and nowhere else."""
    pred, target = tensors(ordinary(spec))
    value = function(spec)(pred, target)
    expected = slope(function(spec)(pred, target), pred)
    tripled = 3.0 * value
    for _ in range(2):
        pred.grad = None
        tripled.backward(retain_graph=True)
        assert torch.equal(pred.grad, 3.0 * expected)
    pred.grad = None
    tripled.backward()
    assert torch.equal(pred.grad, 3.0 * expected)


@pytest.mark.parametrize("size", [1 << 16, 100_003])
@pytest.mark.parametrize("first", [0, 3])
def test_gradient_lies_half_a_page_away(size, first):
    """Elsewhere the CPU takes the numbers to be read for those just written, and waits."""
    pred = torch.randn(size + first)[first:].requires_grad_()
    detloss.torch.focal(pred, (torch.rand(size) < 0.5).float()).backward()
    assert pred.grad.shape == pred.shape
    assert (pred.grad.data_ptr() - pred.data_ptr()) % 4096 == 2048
