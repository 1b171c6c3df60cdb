"""What is particular to the kernels of rows and masks, in Triton's interpreter. ``kernels_interpreted.py`` has what they share with
formulas."""

from __future__ import annotations

import itertools

import detloss
import detloss.torch
import numpy as np
import pytest
import torch
import triton_host
from detloss.torch._operations import TRACEABLE
from detloss.torch._triton import operations, rows
from kernel_cases import assert_equal_to_core, by_name, random, result, tensors
from samples import near_default, settings, takes_classes
from triton_host import like_a_device  # noqa: F401

triton_host.install()

SPECS = [spec for spec in detloss.losses() if spec.name in TRACEABLE]
OF_CLASSES = [spec for spec in SPECS if takes_classes(spec)]
MASKS = [spec for spec in SPECS if spec.is_mask]


def of_columns(spec, count, columns, seed=0):
    """A prediction of so many rows and columns, and its dense target."""
    generator = np.random.default_rng(seed)
    pred = generator.normal(0, 2, (count, columns))
    kinds = {
        "probability": lambda: generator.dirichlet(np.ones(columns), count),
        "label": lambda: (generator.uniform(0, 1, (count, columns)) > 0.7).astype(float),
        "position": lambda: generator.uniform(0, columns - 1, count),
        "logit": lambda: generator.normal(0, 2, (count, columns)),
    }
    return pred, kinds[spec.target.fields[0]]()


@by_name(SPECS)
@pytest.mark.parametrize("columns", [1, 2, 16, 17, 130, 1203])
def test_columns(spec, columns):
    """Rows that are one number, that fit into a thread just so and just not, and that are longer than a tile of several."""
    pred, target = tensors(of_columns(spec, 7, columns), torch.float64)
    assert_equal_to_core(spec, pred, target, reduction="none")
    if takes_classes(spec):
        assert_equal_to_core(spec, pred, torch.arange(7) % columns)


@pytest.fixture
def anew():
    """Kernels are made for one test, and for none after it."""
    rows.kernel.cache_clear()
    yield
    rows.kernel.cache_clear()


@by_name(SPECS)
@pytest.mark.parametrize("upright", [False, True])
def test_either_way_up(spec, upright, anew, monkeypatch):
    """A tile of short rows for compilers before Triton 3.7 and for those after it."""
    monkeypatch.setattr(rows, "UPRIGHT", upright)
    pred, target = tensors(of_columns(spec, 130, 5), torch.float64)
    for given in ({"reduction": "none"}, {"weight": random((130,)), "reduction": "weighted_mean"}):
        assert_equal_to_core(spec, pred, target, **given)
        if takes_classes(spec):
            assert_equal_to_core(spec, pred, torch.arange(130) % 5, ignore_index=3, class_weight=random((5,)), **given)


@by_name([spec for spec in SPECS if spec.params])
def test_all_forms(spec):
    """Every branch of the written form, with shares and with indices of classes, the weights of classes now with these, now with those: no
    parameter asks whether there are such."""
    pred, target = tensors(of_columns(spec, 7, 5), torch.float64)
    ways = {"class_weight": random((5,))}, {}
    for place, params in enumerate(settings(spec)):
        if takes_classes(spec):
            assert_equal_to_core(spec, pred, target, **params, **ways[place % 2])
            assert_equal_to_core(spec, pred, torch.arange(7) % 5, **params, **ways[1 - place % 2])
        else:
            assert_equal_to_core(spec, pred, target, **params)


@by_name(OF_CLASSES)
def test_what_is_no_class(spec):
    """It makes its own row NaN and no others; what is ignored may hold anything, and has no weight."""
    function = getattr(detloss.torch, spec.name)
    pred = random((6, 5), -2.0, 2.0).requires_grad_()
    target = torch.tensor([0, 4, -1, 5, 2, -7])
    value = function(pred, target, reduction="none", backend="kernel")
    (grad,) = torch.autograd.grad(value.sum(), pred)
    for numbers in (value.isnan(), grad.isnan().all(-1), grad.isnan().any(-1)):
        assert numbers.tolist() == [False, False, True, True, False, True]
    with torch.no_grad():
        pred[2], pred[4] = torch.nan, torch.inf
    target = torch.tensor([0, 4, 255, 1, 255, 2], dtype=torch.uint8)
    for options in ({}, {"class_weight": random((5,))}):
        value = function(pred, target, ignore_index=255, reduction="weighted_mean", backend="kernel", **options)
        (grad,) = torch.autograd.grad(value, pred)
        assert value.isfinite() and grad.isfinite().all() and not grad[[2, 4]].any()
        assert_equal_to_core(spec, pred[[0, 1, 3, 5]], target[[0, 1, 3, 5]], reduction="weighted_mean", **options)


@by_name(OF_CLASSES)
def test_a_class_that_no_row_has(spec):
    """It may weigh anything: one over its frequency is infinite."""
    pred, target = random((7, 5), -2.0, 2.0), torch.tensor([1, 2, 3, 4, 255, 1, 255])
    for weight in (torch.inf, torch.nan):
        of_classes = random((5,))
        of_classes[0] = weight
        for part in (slice(0, 4), slice(0, 7)):
            assert_equal_to_core(
                spec, pred[part], target[part], class_weight=of_classes, ignore_index=255, reduction="weighted_mean"
            )


@by_name(OF_CLASSES)
def test_class_indices_of_every_type(spec):
    pred, target = random((37, 5), -2.0, 2.0), torch.arange(37) % 5
    for kind in (torch.int8, torch.uint8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.uint64, torch.int64):
        assert_equal_to_core(spec, pred, target.to(kind), class_weight=random((5,)), weight=random((37,)), reduction="weighted_mean")


@by_name(OF_CLASSES)
def test_maps_of_classes(spec):
    """(n, classes, height, width), and rows of any number of dimensions."""
    pred, target = random((2, 5, 3, 4), -2.0, 2.0), torch.arange(24).reshape(2, 3, 4) % 5
    for options in ({}, {"reduction": "none"}, {"weight": random((2, 3, 4))}):
        assert_equal_to_core(spec, pred, target, dim=1, ignore_index=3, **options)
        assert_equal_to_core(spec, pred.movedim(1, -1).contiguous(), target, **options)


@by_name(OF_CLASSES)
def test_labels_of_no_class(spec):
    """A share that is none makes its row NaN, and no other."""
    pred, share = tensors(of_columns(spec, 6, 5))
    share[2, 1], share[4, 3] = 1.5, -0.25
    value, grad = result(spec, pred, share, reduction="none", backend="kernel")
    assert value.isnan().tolist() == grad.isnan().any(-1).tolist() == [False, False, True, False, True, False]


@by_name(MASKS)
def test_masks(spec):
    """Of any number of dimensions, in any type, with pixels that are left out and such as have no label."""
    pred, target = random((4, 7, 9), -2.0, 2.0), (random((4, 7, 9), seed=5) > 1.2).float()
    for kind in (torch.float32, torch.float16, torch.bool, torch.uint8, torch.int64):
        assert_equal_to_core(spec, pred, target.to(kind), weight=random((4,)))
    target[0, :3], target[3] = -1.0, -1.0
    with torch.no_grad():
        pred[0, :3] = torch.nan
    assert_equal_to_core(spec, pred.nan_to_num(3.0), target, reduction="none")
    value, grad = result(spec, pred, target, backend="kernel")
    assert value.isfinite() and grad.isfinite().all() and not grad[0, :3].any()
    target[1, 2, 3] = 2.0
    value, _ = result(spec, pred, target, reduction="none", backend="kernel")
    assert value.isnan().tolist() == [False, True, False, False]


@by_name(MASKS)
def test_perfect_and_empty_masks(spec):
    """They cost what they cost in the core: nothing for most losses."""
    labels = torch.zeros(3, 40)
    labels[0, :9] = 1.0
    logits = torch.where(labels > 0.0, 200.0, -200.0)
    (value, grad), (wanted, of_core) = (result(spec, logits, labels, backend=way, reduction="none") for way in ("kernel", "fused"))
    assert torch.equal(value, wanted) and torch.equal(grad, of_core)


@by_name([spec for spec in SPECS if not spec.is_mask and spec.target.fields != spec.pred.fields])
def test_confident_logits(spec):
    """The loss of a confident row is right in all its digits, and so are its slopes, though 1 is no more than they round to."""
    confident = torch.tensor([[0.0, -5.0, 30.0], [60.0, 0.0, -60.0], [88.0, 0.0, 1.0]])
    targets = {
        "probability": torch.tensor([2, 0, 0]),
        "position": torch.tensor([2.0, 0.0, 0.0]),
    }
    target = targets[spec.target.fields[0]]
    value, grad = result(spec, confident, target, reduction="none", backend="kernel")
    exact = target.double() if target.is_floating_point() else target
    wanted, of_core = result(spec, confident.double(), exact, reduction="none", backend="fused")
    torch.testing.assert_close(value.double(), wanted, rtol=2e-5, atol=1e-37)
    torch.testing.assert_close(grad.double(), of_core, rtol=2e-5, atol=1e-37)


def test_what_sorts():
    with pytest.raises(ValueError, match="lovasz_hinge: backend 'kernel' cannot take this call: this loss sorts"):
        detloss.torch.lovasz_hinge(torch.zeros(2, 4), torch.ones(2, 4), backend="kernel")


@pytest.fixture
def in_parts(anew, monkeypatch):
    """Rows of more than four numbers are read in parts of two."""
    monkeypatch.setattr(rows, "SHORT", 0)
    monkeypatch.setattr(rows, "LONGEST", 4)
    monkeypatch.setattr(rows, "PART", 2)


@by_name(SPECS)
def test_long_rows(spec, in_parts):
    """They are read part by part, the last of which is not whole, once for each sum that needs another."""
    pred, target = tensors(of_columns(spec, 3, 5), torch.float64)
    options = ({"weight": random((3,)), "reduction": "weighted_mean"}, {"reduction": "none"})
    for given in (*options, {param.name: near_default(param) for param in spec.params}):
        assert_equal_to_core(spec, pred, target, **given)
        if takes_classes(spec):
            assert_equal_to_core(spec, pred.float(), torch.tensor([4, 0, 2]), ignore_index=0, class_weight=random((5,)), **given)
    if takes_classes(spec):
        assert_equal_to_core(spec, pred, torch.tensor([4, 0, 2]))
    value = getattr(detloss.torch, spec.name)(pred, target, backend="kernel")
    torch.testing.assert_close(value, getattr(detloss.torch, spec.name)(pred, target, backend="fused"))


@by_name(OF_CLASSES)
def test_infinite_logits_of_long_rows(spec, in_parts):
    """The largest may be in any part, and is not what a part has beyond the end of the row; a logit that is no number makes its row none."""
    pred = random((14, 11), -2.0, 2.0)
    pred[12] -= 3.0
    pred[13] = -3.3e38
    for row, (place, logit) in enumerate(itertools.product((0, 5, 10), (torch.inf, -torch.inf, torch.nan, 1e4))):
        pred[row, place] = logit
    target = torch.full((14,), 4)
    (value, grad), (wanted, of_core) = (result(spec, pred, target, reduction="none", backend=way) for way in ("kernel", "fused"))
    torch.testing.assert_close(value, wanted, equal_nan=True)
    torch.testing.assert_close(grad, of_core, equal_nan=True, atol=1e-6, rtol=1e-5)


def test_an_operation_without_a_line(anew, monkeypatch):
    """It is named."""
    monkeypatch.delitem(operations.ATEN, "log1p.default")
    with pytest.raises(RuntimeError, match=r"aten\.log1p\.default has no line in _triton/operations\.py"):
        detloss.torch.softmax_ce(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64), backend="kernel")
