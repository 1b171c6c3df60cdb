"""Losses under ``torch.compile`` and the transforms of ``torch.func``."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")

from torch._dynamo.utils import counters  # noqa: E402
from torch.autograd import forward_ad  # noqa: E402
from torch.fx.experimental.proxy_tensor import make_fx  # noqa: E402

import detloss  # noqa: E402
import detloss.torch  # noqa: E402
from detloss.torch import _fused  # noqa: E402
from samples import classes, covering, ordinary, sized, takes_classes  # noqa: E402
from test_torch import SPECS, all_torch_operations, both_backends, function, slope, tensors  # noqa: E402


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch.compiler.reset()


def compiled_agrees(call, pred, target, backend, tolerance):
    value = call(pred, target)
    expected = slope(value, pred)
    compiled = torch.compile(call, fullgraph=True, backend=backend)(pred, target)
    torch.testing.assert_close(compiled, value, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(slope(compiled, pred), expected, rtol=tolerance, atol=tolerance)


# Under a compiler every kernel is one operator: what it is called with makes the difference.
CALLED = covering(SPECS, lambda spec: {(spec.pred, spec.target, spec.scope, spec.state, spec.options)})


@pytest.mark.parametrize("spec", CALLED, ids=lambda spec: spec.name)
def test_captured_as_one_graph(spec):
    """The whole loss with its backward, and what comes before and after it, without a break."""
    arrays = classes(spec) if takes_classes(spec) else ordinary(spec)
    pred, target = tensors(arrays)
    call = lambda x, y: 2.0 * function(spec)(x * 1.5, y, avg_factor=3.0) + x.sum()  # noqa: E731
    compiled_agrees(call, pred, target, "aot_eager", 1e-10)


@all_torch_operations
def test_the_decomposed_backend_is_captured_as_one_graph(spec):
    pred, target = tensors(classes(spec) if takes_classes(spec) else ordinary(spec))
    call = lambda x, y: 2.0 * function(spec)(x * 1.5, y, avg_factor=3.0, backend="decomposed") + x.sum()  # noqa: E731
    compiled_agrees(call, pred, target, "aot_eager", 1e-10)


@pytest.mark.parametrize("spec", [spec for spec in CALLED if spec.params], ids=lambda spec: spec.name)
def test_what_is_out_of_range_is_an_error(spec):
    pred, target = tensors(ordinary(spec))
    param = spec.params[0]
    call = lambda x, y: function(spec)(x, y, backend="decomposed", **{param.name: param.high + 1})  # noqa: E731
    with pytest.raises(Exception, match=f"{spec.name} cannot have {param.name} = "):
        torch.compile(call, backend="eager")(pred, target)


@pytest.mark.parametrize(("name", "backend"), [("ciou", "decomposed"), ("focal", "fused")])
def test_inductor(name, backend):
    """PyTorch's own compiler to the end: generated kernels, for sizes it has not seen and a parameter that is no default."""
    spec = next(spec for spec in SPECS if spec.name == name)
    module = getattr(detloss.torch, spec.class_name)(backend=backend, **{spec.params[0].name: spec.params[0].high / 2})
    compiled = torch.compile(lambda x, y: module(x * 1.5, y), fullgraph=True, dynamic=True)
    for rows in (23, 64):
        pred, target = tensors(ordinary(spec, rows=rows), torch.float32)
        value, expected = compiled(pred, target), module(pred * 1.5, target)
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(slope(value, pred), slope(expected, pred), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("name", ["giou", "focal", "softmax_ce", "ap"])
def test_operator(name, reduction, monkeypatch):
    """PyTorch's own checks of an operator. The one that differentiates all outputs is left out: the gradient is one of them."""
    operator = torch.ops.detloss.fused.default
    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    seen = []
    monkeypatch.setattr(_fused, "operator", lambda *arguments: seen.append(arguments) or operator(*arguments))
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    spec = next(spec for spec in SPECS if spec.name == name)
    function(spec)(*tensors(ordinary(spec)), reduction=reduction)
    monkeypatch.undo()
    (arguments,) = seen
    assert set(torch.library.opcheck(operator, arguments, test_utils=checks).values()) == {"SUCCESS"}


def steps_agree(call, settings, pred, target):
    """Calls `call` with each of the settings, compiled and not; how many graphs that took."""
    counters.clear()
    compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
    for setting in settings:
        value, expected = compiled(pred, target, *setting), call(pred, target, *setting)
        torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(slope(value, pred), slope(expected, pred), rtol=1e-10, atol=1e-12)
    return counters["stats"]["unique_graphs"]


@both_backends
def test_numbers_that_change_are_not_compiled_anew(backend):
    """As many positives as there are, and a weight on a schedule, in every step."""
    call = lambda x, y, n, w: detloss.torch.focal(x, y, avg_factor=n, loss_weight=w, backend=backend)  # noqa: E731
    settings = [(step, 0.5 + step) for step in range(2, 14)]
    assert steps_agree(call, settings, *tensors(ordinary(next(spec for spec in SPECS if spec.name == "focal")))) <= 3


WITH_PARAMS = covering(
    (spec for spec in SPECS if spec.params),
    lambda spec: {(spec.scope, spec.state, tuple(param.kind for param in spec.params))},
)


@pytest.mark.slow
@pytest.mark.parametrize("spec", WITH_PARAMS, ids=lambda spec: spec.name)
def test_parameters_that_change_are_not_compiled_anew(spec):
    """On the fused backend, of functions and of modules. The first graph takes them for constants, the second for numbers."""
    pred, target = tensors(ordinary(spec))
    module = getattr(detloss.torch, spec.class_name)(**sized(spec)).eval()
    settings = [tuple(between(param, step) for param in spec.params) for step in range(10)]

    def of_function(x, y, *values):
        return function(spec)(x, y, **dict(zip((param.name for param in spec.params), values, strict=True)))

    assert steps_agree(of_function, settings, pred, target) <= 2
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    counters.clear()
    for setting in settings:
        for param, value in zip(spec.params, setting, strict=True):
            setattr(module, param.name, value)
        torch.testing.assert_close(compiled(pred, target), module(pred, target))
    assert counters["stats"]["unique_graphs"] <= 2


def between(param, step):
    """A value of a parameter: its default, and then others on the way to the middle of its range."""
    if param.kind != "real":  # A switch is a branch of its own, and the state may have as many numbers as a count.
        return param.default
    return param.default + 0.05 * step * ((param.low + param.high) / 2 - param.default)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["focal", "softmax_focal", "ap"])
def test_parameters_that_change_on_the_decomposed_backend(name):
    """There they are constants of the graph: compiled anew, and right."""
    spec = next(spec for spec in SPECS if spec.name == name)
    param = spec.params[0]
    call = lambda x, y, value: function(spec)(x, y, backend="decomposed", **{param.name: value})  # noqa: E731
    settings = [(param.low + (param.high - param.low) * share,) for share in (0.25, 0.375, 0.5)]
    assert steps_agree(call, settings, *tensors(ordinary(spec))) == 3


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")  # PyTorch's own, in its first jvp.
@pytest.mark.parametrize("name", ["focal", "ap"])
def test_forward_mode_is_refused(name):
    """No derivative is better than a wrong one."""
    x, y = torch.randn(6), torch.ones(6)
    loss = getattr(detloss.torch, name)
    with pytest.raises((NotImplementedError, RuntimeError), match="jvp|forward"):
        torch.func.jvp(lambda a: loss(a, y), (x,), (torch.ones(6),))
    for backend in ("fused", "decomposed"):
        with forward_ad.dual_level(), pytest.raises((NotImplementedError, RuntimeError), match="jvp|forward"):
            loss(forward_ad.make_dual(x, torch.ones(6)), y, backend=backend)


def test_transforms_by_the_target():
    x, y = torch.rand(5, 4).cumsum(-1), torch.rand(5, 4).cumsum(-1)
    leaf = y.clone().requires_grad_()
    expected = slope(detloss.torch.giou(x, leaf), leaf)
    torch.testing.assert_close(torch.func.grad(lambda b: detloss.torch.giou(x, b))(y), expected)


@pytest.mark.parametrize("name", ["focal", "ap"])
def test_traced_calls_are_no_constants(name):
    x, y, other = torch.randn(6), torch.ones(6), torch.randn(6)
    loss = getattr(detloss.torch, name)
    torch.testing.assert_close(make_fx(lambda a: loss(a, y))(x)(other), loss(other, y))


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("name", ["focal", "softmax_ce", "giou"])
def test_torchscript_records_operations(name):
    """A kernel would leave nothing to record."""
    spec = next(spec for spec in SPECS if spec.name == name)
    pred, target = tensors(ordinary(spec))
    other = pred.detach() * 1.25
    loss = function(spec)
    traced = torch.jit.trace(lambda a, b: loss(a, b), (pred.detach(), target), check_trace=False)
    torch.testing.assert_close(traced(other, target), loss(other, target))


FORMULAS = [spec for spec in SPECS if spec.is_formula]


@pytest.mark.parametrize("spec", FORMULAS, ids=lambda spec: spec.name)
def test_transforms(spec):
    """A gradient for every image at once."""
    pred, target = (tensor.detach() for tensor in tensors(ordinary(spec, rows=12)))
    images = pred.reshape(3, 4, *pred.shape[1:]), target.reshape(3, 4, *target.shape[1:])
    values = torch.func.vmap(function(spec))(*images)
    slopes = torch.func.vmap(torch.func.grad(function(spec)))(*images)
    for image in range(3):
        leaf = images[0][image].clone().requires_grad_()
        expected = function(spec)(leaf, images[1][image])
        torch.testing.assert_close(values[image], expected.detach())
        torch.testing.assert_close(slopes[image], slope(expected, leaf))


def test_images_per_call():
    """A loss of whole batches computes one value per image by itself, which is what `vmap` would be wanted for."""
    spec = next(spec for spec in SPECS if spec.name == "ap")
    pred, target = tensors(ordinary(spec, rows=12))
    groups = torch.arange(12) // 4
    values = detloss.torch.ap(pred, target, groups=groups, reduction="none")
    for image in range(3):
        alone = detloss.torch.ap(pred[groups == image], target[groups == image])
        torch.testing.assert_close(values[image], alone)


@both_backends
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_many_ways_back_at_once(backend, reduction):
    """A Jacobian, row by row and in one go."""
    spec = next(spec for spec in SPECS if spec.name == "giou")
    pred, target = (tensor.detach() for tensor in tensors(ordinary(spec, rows=3)))
    call = lambda x: 2.0 * function(spec)(x, target, reduction=reduction, backend=backend)  # noqa: E731
    by_row = torch.autograd.functional.jacobian(call, pred)
    assert by_row.any()
    torch.testing.assert_close(torch.autograd.functional.jacobian(call, pred, vectorize=True), by_row)
