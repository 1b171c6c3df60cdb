"""What holds for every loss as a function of NumPy arrays: values, gradients, and how they are weighted and added up."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import detloss
from detloss._functions import arguments
from samples import COLUMNS, classes, ordinary, takes_classes

SPECS = detloss.losses()

all_losses = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
losses_of_sets = pytest.mark.parametrize("spec", [s for s in SPECS if s.scope == "set"], ids=lambda s: s.name)
losses_of_columns = pytest.mark.parametrize("spec", [s for s in SPECS if "class_weight" in s.options], ids=lambda s: s.name)
losses_of_classes = pytest.mark.parametrize("spec", [*filter(takes_classes, SPECS)], ids=lambda s: s.name)


def function(spec):
    return getattr(detloss, spec.name)


def units(spec, rows):
    """The shape of the weights, one for each number of the prediction that is one of its own, or else for each row."""
    return (rows, COLUMNS) if spec.has_columns and not spec.pred.is_row else (rows,)


def weights(spec, shape, seed=1):
    random = np.random.default_rng(seed)
    return random.integers(0, 2, shape).astype(float) if spec.scope == "set" else random.uniform(0, 2, shape)


def settings(spec, seed=2):
    """Options in every combination that means something different, with a target for each."""
    rows = 7
    pred, target = ordinary(spec, rows, seed)
    yield pred, target, {}
    yield pred, target, {"reduction": "sum", "weight": weights(spec, (rows,))}
    yield pred, target, {"normalizer": 3.5, "weight": weights(spec, units(spec, rows))}
    yield pred, target, {"reduction": "weighted_mean", "weight": weights(spec, units(spec, rows))}
    if "class_weight" in spec.options:
        yield pred, target, {"class_weight": np.random.default_rng(3).uniform(0, 2, COLUMNS)}
    if "groups" in spec.options:
        yield pred, target, {"groups": np.array([5, -2, 5, 9, -2, 5, 9])}
    if takes_classes(spec):
        pred, indices = classes(spec, rows, seed)
        yield pred, indices, {"ignore_index": int(indices[0])}


@all_losses
def test_worked_cases(spec):
    for case in spec.cases:
        value = function(spec)(*arguments(spec, case), **case.params)
        assert_allclose(value, case.value, rtol=1e-8, atol=1e-9, err_msg=case.what)


def finite_differences(value, pred, step=1e-5):
    """The slope of ``value`` by every number of ``pred``, of fourth order."""
    slopes = np.empty_like(pred)
    for index in np.ndindex(pred.shape):

        def at(offset, index=index):
            moved = pred.copy()
            moved[index] += offset * step
            return value(moved)

        slopes[index] = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step)
    return slopes


@all_losses
def test_gradients(spec):
    """The gradient is the slope of the value, except for a loss that says it is not: then it is not."""
    differ = False
    for pred, target, options in settings(spec):
        value, grad = detloss.value_and_grad(spec.name, pred, target, **options)
        assert value == function(spec)(pred, target, **options)
        slopes = finite_differences(lambda pred: function(spec)(pred, target, **options), pred)
        if spec.has_exact_gradient:
            assert_allclose(grad, slopes, rtol=1e-6, atol=1e-8, err_msg=str(options))
        differ |= not np.allclose(grad, slopes, rtol=1e-4, atol=1e-6)
    assert differ != spec.has_exact_gradient


@all_losses
def test_reductions(spec):
    """Every reduction is made of the values that "none" gives, and so is every gradient."""
    for pred, target, options in settings(spec):
        if "reduction" in options or "normalizer" in options:
            continue

        def run(**changed):
            return detloss.value_and_grad(spec.name, pred, target, **options, **changed)

        values, each = run(reduction="none")
        assert values.dtype == pred.dtype
        if spec.scope == "set":
            assert values.shape == (len(np.unique(options.get("groups", 0))),)
        else:
            assert values.shape == units(spec, len(pred))
        for reduction, divisor in ({"reduction": "sum"}, 1), ({"normalizer": 2.5}, 2.5), ({"normalizer": 0}, 1), ({}, values.size):
            value, grad = run(**reduction)
            assert_allclose(value, values.sum() / divisor, rtol=1e-12, atol=1e-15)
            assert_allclose(grad, each / divisor, rtol=1e-12, atol=1e-15)
        assert_array_equal(function(spec)(pred, target, reduction="none", **options), values)


@all_losses
def test_weights(spec):
    """A weight multiplies; one of a row does so for all that is in it. For whole batches it chooses."""
    rows = 9
    pred, target = ordinary(spec, rows)
    plain, slopes = detloss.value_and_grad(spec.name, pred, target, reduction="none")
    per_row = weights(spec, (rows,))
    if spec.scope == "set":
        kept = per_row == 1
        value, grad = detloss.value_and_grad(spec.name, pred, target, weight=per_row)
        alone, slopes = detloss.value_and_grad(spec.name, pred[kept], target[kept])
        assert_allclose(value, alone, rtol=1e-12)
        assert_allclose(grad[kept], slopes, rtol=1e-12, atol=1e-15)
        assert not grad[~kept].any()
        return
    for weight in per_row, weights(spec, units(spec, rows)):
        over_units = weight.reshape(weight.shape + (1,) * (plain.ndim - weight.ndim))
        values, grad = detloss.value_and_grad(spec.name, pred, target, weight=weight, reduction="none")
        assert_allclose(values, plain * over_units, rtol=1e-12)
        assert_allclose(grad, slopes * weight.reshape(weight.shape + (1,) * (pred.ndim - weight.ndim)), rtol=1e-12)
        mean = function(spec)(pred, target, weight=weight, reduction="weighted_mean")
        assert_allclose(mean, values.sum() / np.broadcast_to(over_units, plain.shape).sum(), rtol=1e-12)
    assert function(spec)(pred, target, weight=np.zeros(rows), reduction="weighted_mean") == 0.0


@losses_of_columns
def test_class_weights(spec):
    """A weight per column multiplies, with class indices that of the class."""
    pred, target = ordinary(spec)
    weight = np.array([0.0, 1.0, 2.0, 0.5, 0.25])
    if not spec.pred.is_row:
        weighted = function(spec)(pred, target, class_weight=weight, reduction="none")
        assert_allclose(weighted, function(spec)(pred, target, reduction="none") * weight, rtol=1e-12)
        return
    pred, indices = classes(spec)
    weighted = function(spec)(pred, indices, class_weight=weight, reduction="none")
    assert_allclose(weighted, function(spec)(pred, indices, reduction="none") * weight[indices], rtol=1e-12)
    mean = function(spec)(pred, indices, class_weight=weight, reduction="weighted_mean")
    assert_allclose(mean, weighted.sum() / weight[indices].sum(), rtol=1e-12)


@losses_of_classes
def test_class_indices(spec):
    """They are short for labels of 0 and 1; the ignored ones count with weight 0."""
    pred, indices = classes(spec)
    values, grad = detloss.value_and_grad(spec.name, pred, indices, reduction="none")
    for kind in np.int32, np.uint8:
        assert_array_equal(function(spec)(pred, indices.astype(kind), reduction="none"), values)
    dense = indices.astype(float)
    if spec.target.is_row or not spec.pred.is_row:
        dense = (indices[:, None] == np.arange(COLUMNS)).astype(float)
    with pytest.raises(ValueError, match="row 0 has class -1"):
        function(spec)(pred, np.full_like(indices, -1))
    dense_values, dense_grad = detloss.value_and_grad(spec.name, pred, dense, reduction="none")
    assert_allclose(values, dense_values, rtol=1e-12)
    assert_allclose(grad, dense_grad, rtol=1e-12, atol=1e-15)
    ignored = indices.copy()
    ignored[3:6] = 255
    weight = (ignored != 255).astype(float)
    got = detloss.value_and_grad(spec.name, pred, ignored, ignore_index=255, reduction="weighted_mean")
    wanted = detloss.value_and_grad(spec.name, pred, indices, weight=weight, reduction="weighted_mean")
    assert_allclose(got[0], wanted[0], rtol=1e-12)
    assert_allclose(got[1], wanted[1], rtol=1e-12, atol=1e-15)
    assert not got[1][3:6].any()


@losses_of_sets
def test_groups(spec):
    """A group is a batch of its own, wherever its rows are."""
    pred, target = ordinary(spec, 30)
    groups = np.random.default_rng(4).choice([7, -3, 1000], 30)
    values, grad = detloss.value_and_grad(spec.name, pred, target, groups=groups, reduction="none")
    for value, group in zip(values, np.unique(groups), strict=True):
        rows = groups == group
        alone, slopes = detloss.value_and_grad(spec.name, pred[rows], target[rows])
        assert_allclose(value, alone, rtol=1e-12)
        assert_allclose(grad[rows], slopes, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("spec", [s for s in SPECS if s.is_stateful], ids=lambda s: s.name)
def test_state(spec):
    """A training run goes on where its state was saved, and what came before matters."""
    quick = {"momentum": 0.5, "period": 1.0}
    params = {param.name: quick[param.name] for param in spec.params if param.name in quick}
    columns = COLUMNS if spec.has_columns else 1
    first, second = ordinary(spec, seed=5), ordinary(spec, seed=6)

    def step(batch, state):
        return detloss.value_and_grad(spec.name, *batch, state=state, **params)

    fresh = detloss.initial_state(spec.name, columns, **params)
    state = fresh.copy()
    step(first, state)
    assert not np.array_equal(state, fresh)
    saved = state.copy()
    value, grad = step(second, state)
    again, again_grad = step(second, saved)
    assert value == again
    assert_array_equal(grad, again_grad)
    assert_array_equal(state, saved)
    without_past = step(second, fresh.copy())
    assert value != without_past[0] or not np.array_equal(grad, without_past[1])
    pure = [detloss.value_and_grad(spec.name, *second, **params)[0] for _ in range(2)]
    assert pure[0] == pure[1]
    for wrong, match in (np.zeros(len(fresh) + 1), "expected"), (fresh.astype(np.float32), "convert it to float64"):
        with pytest.raises((ValueError, TypeError), match=match):
            step(second, wrong)
    with pytest.raises(ValueError, match="leave out state"):
        detloss.value_and_grad(spec.name, *second, state=state, reduction="none", **params)


def test_only_some_remember():
    stateless = [spec.name for spec in SPECS if not spec.is_stateful]
    assert stateless and all(detloss.initial_state(name, 4).size == 0 for name in stateless)


@all_losses
def test_single_and_stacked(spec):
    """One prediction needs no batch around it, and a batch may have several dimensions."""
    pred, target = ordinary(spec, 6)
    values = function(spec)(pred, target, reduction="none")
    stack = lambda array: array.reshape(2, 3, *array.shape[1:])  # noqa: E731
    if spec.is_mask:
        images = pred.reshape(6, 1, COLUMNS), target.reshape(6, 1, COLUMNS)
        assert_array_equal(function(spec)(*images, reduction="none"), values)
    else:
        stacked = function(spec)(stack(pred), stack(target), reduction="none")
        assert_array_equal(stacked, values if spec.scope == "set" else stack(values))
    if spec.scope != "set":
        assert function(spec)(pred[2], target[2], reduction="sum") == pytest.approx(values[2].sum(), rel=1e-13)


@all_losses
def test_empty(spec):
    """Nothing is worth 0, and has a gradient of no numbers."""
    pred, target = ordinary(spec, 3)
    for reduction in "mean", "sum", "weighted_mean":
        value, grad = detloss.value_and_grad(spec.name, pred[:0], target[:0], reduction=reduction)
        assert value == 0.0
        assert grad.shape == pred[:0].shape
    values = function(spec)(pred[:0], target[:0], reduction="none")
    assert values.size == 0
    if takes_classes(spec):
        assert function(spec)(pred[:0], np.zeros(0, int), ignore_index=-100) == 0.0
    if "groups" in spec.options:
        assert function(spec)(pred[:0], target[:0], groups=np.zeros(0, int)) == 0.0
