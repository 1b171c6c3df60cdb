"""Class indices of every integer type, rows that are ignored, and columns in any dimension, on every way to a tensor."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")

import detloss  # noqa: E402
import detloss.torch  # noqa: E402
from samples import COLUMNS, classes, ordinary, sized, takes_classes  # noqa: E402
from test_torch import SPECS, both_backends, function, slope, tensors  # noqa: E402

OF_CLASSES = [spec for spec in SPECS if takes_classes(spec)]
OF_COLUMNS = [spec for spec in SPECS if spec.has_columns]

INTEGERS = [
    torch.uint8,
    torch.uint16,
    torch.uint32,
    torch.uint64,
    torch.int8,
    torch.int16,
    torch.int32,
]
"""All but int64, which the others are held to."""

of_classes = pytest.mark.parametrize("spec", OF_CLASSES, ids=lambda spec: spec.name)
of_columns = pytest.mark.parametrize("spec", OF_COLUMNS, ids=lambda spec: spec.name)


def value_and_slope(call, pred):
    value = call(pred)
    return value.detach(), slope(value, pred)


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


@of_classes
@both_backends
@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_classes_of_any_integer_type(spec, backend, dtype):
    """An index that is compared in a narrow type with -1, with the columns or with what is ignored would wrap around."""
    pred, target = tensors(classes(spec))
    for ignored in (None, 2, -100, 255, 200):
        for options in ({}, {"reduction": "none"}, {"class_weight": torch.arange(1, COLUMNS + 1)}, {"weight": target % 2}):
            if options.keys() - {"reduction"} - {*spec.options}:
                continue
            call = lambda x, y: function(spec)(x, y, ignore_index=ignored, backend=backend, **options)  # noqa: B023, E731
            if options.get("reduction") == "none":
                assert torch.equal(call(pred, target.to(dtype)), call(pred, target))
                continue
            assert_same(value_and_slope(lambda x: call(x, target.to(dtype)), pred), value_and_slope(lambda x: call(x, target), pred))


@of_classes
@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_classes_beyond_a_narrow_type(spec, dtype):
    """More columns than the type has numbers, of which one is -100 in eight bits."""
    pred = torch.randn(4, 200, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([0, 100, 120, 3] if dtype == torch.int8 else [0, 156, 199, 3])
    for backend in ("fused", "decomposed"):
        expected = function(spec)(pred, target, ignore_index=-100, backend=backend)
        assert torch.equal(function(spec)(pred, target.to(dtype), ignore_index=-100, backend=backend), expected)


@of_classes
@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_transforms_of_classes(spec, dtype):
    pred, target = (tensor.detach() for tensor in tensors(classes(spec, rows=12)))
    images = pred.reshape(3, 4, COLUMNS), target.reshape(3, 4)
    narrow = images[0], images[1].to(dtype)
    values = torch.func.vmap(function(spec))
    slopes = torch.func.vmap(torch.func.grad(function(spec)))
    assert_same((values(*narrow), slopes(*narrow)), (values(*images), slopes(*images)))


@pytest.mark.parametrize("name", ["focal", "softmax_ce"])
@both_backends
def test_compiled_classes(name, backend):
    spec = next(spec for spec in SPECS if spec.name == name)
    pred, target = tensors(classes(spec))
    call = lambda x, y: function(spec)(x, y, ignore_index=-100, backend=backend)  # noqa: E731
    for dtype in (torch.uint8, torch.uint64):
        torch.compiler.reset()
        compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(pred, target.to(dtype)), call(pred, target))


def test_other_integers():
    """Weights, labels and groups may be of any integer type, too."""
    pred, labels = tensors(ordinary(next(spec for spec in SPECS if spec.name == "ap")))
    weight, groups = torch.arange(23) % 2, torch.arange(23) // 6
    for backend in ("fused", "decomposed"):
        for dtype in INTEGERS:
            for name in ("focal", "ap"):
                call = getattr(detloss.torch, name)
                options = {"weight": weight, **({"groups": groups} if name == "ap" else {})}
                narrow = {what: tensor.to(dtype) for what, tensor in options.items()}
                assert torch.equal(call(pred, labels.to(dtype), backend=backend, **narrow), call(pred, labels, backend=backend, **options))


@pytest.mark.parametrize("name", ["focal", "softmax_ce"])
def test_an_index_beyond_64_bits_does_not_wrap_around(name):
    """As a negative number it would be background, or be ignored."""
    beyond = 2**64 - 1
    for call, target in (
        (getattr(detloss.torch, name), torch.tensor([beyond], dtype=torch.uint64)),
        (getattr(detloss, name), np.array([beyond], dtype=np.uint64)),
    ):
        pred = torch.zeros(1, 3) if torch.is_tensor(target) else np.zeros((1, 3))
        with pytest.raises(ValueError, match=r"class 9223372036854775807, but there are 3 classes: use 0 to 2"):
            call(pred, target, ignore_index=-1)
    assert getattr(detloss.torch, name)(torch.zeros(1, 3), torch.tensor([beyond], dtype=torch.uint64), backend="decomposed").isnan()


@of_classes
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_an_ignored_row_may_hold_anything(spec, dtype, bad):
    """Value and gradient are those of the batch with zeros in the ignored rows, and these have none, on every way."""
    for ignored in (255, 2):
        pred, target = tensors(classes(spec), dtype)
        target[::3] = ignored
        out = target == ignored
        with torch.no_grad():
            pred[out] = 0.0
        odd = pred.detach().clone()
        odd[out] = bad
        odd.requires_grad_()
        for options in ({}, {"reduction": "sum"}, {"reduction": "weighted_mean"}):
            for backend in ("fused", "decomposed"):
                call = lambda x: function(spec)(x, target, ignore_index=ignored, backend=backend, **options)  # noqa: B023, E731
                found = value_and_slope(call, odd)
                assert_same(found, value_and_slope(call, pred))
                assert found[0].isfinite() and (found[1][out] == 0.0).all()
        transformed = torch.func.grad(lambda x: function(spec)(x, target, ignore_index=ignored))  # noqa: B023
        assert torch.equal(transformed(odd.detach()), transformed(pred.detach()))
        if dtype in (torch.float32, torch.float64):
            arrays = (odd.detach().numpy(), target.numpy())
            value, gradient = detloss.value_and_grad(spec.name, *arrays, ignore_index=ignored)
            assert np.isfinite(value) and np.isfinite(gradient).all() and (gradient[out] == 0.0).all()


def places(spec):
    """A prediction of a small image, columns last, with a target for each kind of it."""
    random = np.random.default_rng(5)
    arrays = ordinary(spec, rows=24)
    yield tuple(array.reshape(2, 3, 4, *array.shape[1:]) for array in arrays)
    if takes_classes(spec):
        yield arrays[0].reshape(2, 3, 4, COLUMNS), random.integers(0, COLUMNS, (2, 3, 4))


def moved(array, dim):
    """Columns that are last, put there. What has a dimension less has none."""
    return np.ascontiguousarray(np.moveaxis(array, -1, dim)) if np.ndim(array) == 4 else array


def calls_with_columns(spec):
    """Calls with their columns last: prediction and target, and the options."""
    random = np.random.default_rng(6)
    whole = (lambda shape: random.integers(0, 2, shape)) if spec.scope == "set" else (lambda shape: random.uniform(0, 2, shape))
    for arrays in places(spec):
        for reduction in ("mean", "none"):
            yield arrays, {"reduction": reduction}
            yield arrays, {"reduction": reduction, "weight": whole((2, 3, 4))}
            if not spec.pred.is_row:
                yield arrays, {"reduction": reduction, "weight": whole((2, 3, 4, COLUMNS))}
            if "class_weight" in spec.options:
                yield arrays, {"reduction": reduction, "class_weight": random.uniform(0, 2, COLUMNS)}


@of_columns
@pytest.mark.parametrize("dim", [0, 1, 2, 3, -1, -2, -3, -4])
def test_columns_in_any_dimension(spec, dim):
    """Values, gradients and weights are those of the columns put last, and lie where the prediction has them."""
    for arrays, options in calls_with_columns(spec):
        value, grad = (moved(result, dim) for result in detloss.value_and_grad(spec.name, *arrays, **options))
        there, options = [moved(array, dim) for array in arrays], {what: moved(given, dim) for what, given in options.items()}
        out = np.empty_like(there[0])
        found = detloss.value_and_grad(spec.name, *there, dim=dim, out=out, **options)
        np.testing.assert_array_equal(found[0], value)
        np.testing.assert_array_equal(found[1], grad)
        assert found[1] is out
        np.testing.assert_array_equal(getattr(detloss, spec.name)(*there, dim=dim, **options), value)
        given = {what: torch.from_numpy(array) if isinstance(array, np.ndarray) else array for what, array in options.items()}
        for backend in ("fused", "decomposed"):
            pred, target = torch.from_numpy(there[0]).requires_grad_(), torch.from_numpy(there[1])
            result = function(spec)(pred, target, backend=backend, dim=dim, **given)
            np.testing.assert_allclose(result.detach().numpy(), value, rtol=1e-9, atol=1e-11)
            np.testing.assert_allclose(slope(result.sum(), pred).numpy(), grad, rtol=1e-8, atol=1e-10)


@of_columns
def test_modules_know_the_dimension(spec):
    make = getattr(detloss.torch, spec.class_name)
    arrays = next(places(spec))
    columns = sized(spec)
    last, first = make(**columns), make(dim=1, **columns)
    expected = last(*map(torch.from_numpy, arrays))
    assert torch.equal(first(*(torch.from_numpy(moved(array, 1)) for array in arrays)), expected)
    assert "dim=1" in repr(first) and "dim" not in repr(last)


def test_the_layout_of_pytorch():
    logits, target = torch.randn(2, 4, 4, 4), torch.randint(0, 4, (2, 4, 4))
    expected = torch.nn.functional.cross_entropy(logits, target)
    torch.testing.assert_close(detloss.torch.softmax_ce(logits, target, dim=1), expected)
    torch.testing.assert_close(detloss.torch.SoftmaxCELoss(dim=1)(logits, target), expected)
    seesaw = detloss.torch.SeesawLoss(dim=1, num_classes=4)
    seesaw(logits, target)
    assert seesaw.state.sum() == target.numel()
    with pytest.raises(ValueError, match="make it with num_classes=5"):
        seesaw(torch.randn(2, 5, 4, 4), target)


@of_classes
def test_shapes_that_fit_elsewhere_name_the_dimension(spec):
    pred, target = np.zeros((2, 5, 7, 9)), np.zeros((2, 7, 9), dtype=np.int64)
    for call in (
        lambda **options: getattr(detloss, spec.name)(pred, target, **options),
        lambda **options: function(spec)(torch.from_numpy(pred), torch.from_numpy(target), **options),
    ):
        with pytest.raises(ValueError, match="if dimension 1 of the prediction is that of the columns, give dim=1$"):
            call()
        call(dim=1)
        with pytest.raises(ValueError, match=r"\[2, 5, 9, 7\].*with dim=2 moved to the end$"):
            call(dim=2)
        with pytest.raises(ValueError, match="dim is 4, and the prediction has 4 dimensions: give one from -4 to 3"):
            call(dim=4)
