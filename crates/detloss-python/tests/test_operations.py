"""The losses that are no formulas, in torch operations, against the compiled core: values and gradients."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import detloss
from detloss import Param, Spec
from detloss.torch._call import choose
from detloss.torch._operations import OPERATIONS
from detloss.torch._operations import steps as _steps
from detloss.torch._operations.steps import Steps

Array = NDArray[Any]

SPECS = [spec for spec in detloss.losses() if not spec.is_formula]
ROWS = [spec for spec in SPECS if spec.scope == "row"]
SETS = [spec for spec in SPECS if spec.scope == "set"]

PRECISE, SINGLE = (1e-11, 2e-14), (1e-4, 1e-6)
"""Relative to the largest number of an array, and what differences of probabilities leave where 0 should be."""


class Input(NamedTuple):
    """What one call is given."""

    what: str
    pred: Array
    target: Array
    class_weight: Array | None = None


def each(specs: list[Spec]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("spec", specs, ids=lambda spec: spec.name)


def random_of(spec: Spec) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(spec.name.encode()))


def settings(spec: Spec, random: np.random.Generator, count: int) -> Iterator[dict[str, float]]:
    """The defaults, both ends of every range, and numbers in between, small ones and large ones alike."""
    yield {}
    for param in spec.params:
        yield {param.name: param.low}
        yield {param.name: param.high}
    for _ in range(count if spec.params else 0):
        params = {param.name: between(param, random) for param in spec.params}
        if "delta" in params:
            # Beside enormous scores the core loses the digits of narrow steps: they have a test of their own, over pairs.
            params["delta"] = max(params["delta"], 1e-3)
        yield params


def between(param: Param, random: np.random.Generator) -> float:
    share = random.random() ** random.choice([1, 4])
    number = float(param.low + (param.high - param.low) * share)
    return number if param.kind == "real" else round(number)


def with_all(spec: Spec, params: dict[str, float]) -> dict[str, float]:
    return {param.name: params.get(param.name, param.default) for param in spec.params}


def logits(shape: tuple[int, ...], random: np.random.Generator) -> Array:
    """Of all sizes, some of them equal, some at the ends."""
    numbers = random.normal(size=shape) * random.choice([0.3, 2.0, 20.0])
    numbers = np.where(random.random(shape) < 0.3, np.round(numbers), numbers)
    return np.where(random.random(shape) < 0.03, random.choice([-1e4, 1e4, 0.0, 60.0], shape), numbers)


def rows_of(spec: Spec, rows: int, columns: int, random: np.random.Generator) -> Iterator[Input]:
    pred = logits((rows, columns), random)
    weight = random.random(columns) * 3.0
    if spec.target.is_label:
        classes = random.integers(0, columns, rows)
        spread = random.dirichlet(np.ones(columns), rows)
        one = np.eye(columns)[classes]
        for what, target in (("classes", classes), ("distributions", spread), ("certain distributions", one)):
            yield Input(what, pred, target)
            yield Input(f"{what}, weighted", pred, target, weight)
    elif not spec.target.is_row:
        yield Input("places", pred, random.random(rows) * (columns - 1))
        yield Input("places at columns and beyond", pred, random.integers(-1, columns + 1, rows).astype(float))
    elif spec.target.fields == spec.pred.fields:
        yield Input("teachers", pred, logits((rows, columns), random))
        yield Input("teachers that are nearly right", pred, pred + 1e-3 * random.normal(size=pred.shape))
        yield Input("teachers that are right", pred, pred.copy())
    else:
        hard = random.integers(0, 2, (rows, columns)).astype(float)
        yield Input("hard labels", pred, hard)
        yield Input("soft labels", pred, random.random((rows, columns)))
        yield Input("labels with void pixels", pred, np.where(random.random(hard.shape) < 0.3, -1.0, hard))
        yield Input("nothing there", pred, np.zeros_like(hard))
        yield Input("nothing there, nothing found", np.full_like(pred, -1e4), np.zeros_like(hard))
        yield Input("all void", pred, np.full_like(hard, -1.0))
        yield Input("equal logits", np.full_like(pred, 0.25), hard)
        yield Input("right by exactly the margin", 2.0 * hard - 1.0, hard)
        yield Input("perfect", 1e4 * (2.0 * hard - 1.0), hard)


def sets_of(spec: Spec, count: int, random: np.random.Generator) -> Iterator[Input]:
    """Sets of labels, of classes, or of numbers, whichever the loss wants."""
    if spec.pred.is_row:
        for columns in (1, 2, 5):
            classes = np.minimum(random.geometric(0.4, count) - 1, columns - 1)
            pred = logits((count, columns), random)
            yield Input(f"{columns} classes", pred, classes)
            yield Input(f"{columns} classes, as numbers", pred, classes.astype(float))
            yield Input(f"{columns} classes, all the same", pred, np.full(count, columns - 1))
            yield Input(f"{columns} classes, undecided", np.zeros_like(pred), classes)
            yield Input(f"{columns} classes, certain", 1e4 * np.eye(columns)[classes], classes)
        return
    scores = logits((count,), random)
    if not spec.target.is_label:
        yield Input("numbers", scores, logits((count,), random))
        yield Input("perfect", scores, scores.copy())
        yield Input("zeros", scores, np.zeros(count))
        yield Input("enormous numbers", np.where(scores > 0, 1e300, -1e300), np.zeros(count))
        return
    labels = np.where(random.random(count) < random.choice([0.05, 0.3, 0.7]), 1.0, 0.0)
    soft = labels * np.where(random.random(count) < 0.5, random.random(count), np.round(random.random(count) * 0.9, 1) + 0.1)
    enormous = np.where(random.random(count) < 0.3, random.choice([1e200, 1e300], count), scores)
    inputs = [
        ("labels", scores, labels),
        ("soft labels", scores, soft),
        ("no positives", scores, np.zeros(count)),
        ("no negatives", scores, 0.8 * soft + 0.2),
        ("equal scores", np.full(count, 0.7), soft),
        ("few scores", np.round(scores / 4.0), soft),
        ("a grid that ends on the borders of steps", np.round(scores * 4.0) / 4.0, soft),
        ("certain and right", 1e4 * np.where(labels > 0, 1.0, -1.0), labels),
        ("certain and wrong", 1e4 * np.where(labels > 0, -1.0, 1.0), labels),
        ("far from 0", scores + 1e6, soft),
        ("the largest numbers", enormous, soft),
    ]
    for what, pred, target in inputs:
        if len(spec.pred.fields) > 1:
            # What stands beside a negative is not read.
            pred = np.stack((pred, np.where(target > 0, random.random(count) * 2.0, np.nan)), -1)
        yield Input(what, pred, target)


def by_core(spec: Spec, given: Input, params: dict[str, float], **options: Any) -> tuple[Array, Array]:
    options.setdefault("reduction", "none" if spec.scope == "row" else "sum")
    options.update(params)
    options.update(class_weight=given.class_weight)
    value, grad = detloss.value_and_grad(spec.name, given.pred, given.target, **options)
    return np.asarray(value), grad


def tensor(array: Array | None) -> torch.Tensor | None:
    return None if array is None else torch.from_numpy(array)


def by_torch(
    spec: Spec, given: Input, params: dict[str, float], counts: Array | None = None, state: Array | None = None
) -> tuple[Array, Array, torch.Tensor | None]:
    pred = torch.from_numpy(given.pred.copy()).requires_grad_()
    operation, after = OPERATIONS[spec.name], None
    if spec.scope == "row":
        value = operation(pred, tensor(given.target), tensor(given.class_weight), with_all(spec, params))
    else:
        value, after = operation(pred, tensor(given.target), tensor(counts), tensor(state), with_all(spec, params))
        assert value.shape == ()
    assert value.dtype == pred.dtype
    torch.autograd.backward(value.sum())
    assert pred.grad is not None
    return value.detach().numpy(), pred.grad.numpy(), after


def hold(got: Array, wanted: Array, tolerance: tuple[float, float], what: str) -> None:
    assert got.shape == wanted.shape and got.dtype == wanted.dtype, what
    assert np.isfinite(got).all(), f"{what}: {got}"
    unit = np.abs(wanted).max(initial=0.0)
    error = np.abs(got - wanted).max(initial=0.0)
    assert error <= tolerance[0] * unit + tolerance[1], f"{what}: off by {error:.3g} where the largest is {unit:.3g}"


def compare(spec: Spec, given: Input, params: dict[str, float], tolerance: tuple[float, float] = PRECISE) -> None:
    what = f"{given.what} with {params}"
    value, grad, _ = by_torch(spec, given, params)
    wanted, wanted_grad = by_core(spec, given, params)
    hold(value, wanted.astype(value.dtype), tolerance, f"value of {what}")
    hold(grad, wanted_grad, tolerance, f"gradient of {what}")


def single(given: Input) -> Input:
    def cut(array: Array | None) -> Array | None:
        if array is None or array.dtype != np.float64:
            return array
        most = float(np.finfo(np.float32).max)
        return array.clip(-most, most).astype(np.float32)

    pred, target = cut(given.pred), cut(given.target)
    assert pred is not None and target is not None
    return Input(given.what, pred, target, cut(given.class_weight))


def test_every_loss_that_is_no_formula_has_an_operation() -> None:
    assert set(OPERATIONS) == {spec.name for spec in SPECS}


@each(ROWS)
def test_rows_are_those_of_the_core(spec: Spec) -> None:
    random = random_of(spec)
    for params in settings(spec, random, 6):
        for rows, columns in ((7, 5), (3, 1), (4, 2), (1, 40), (0, 3)):
            for given in rows_of(spec, rows, columns, random):
                compare(spec, given, params)


@each(SETS)
def test_sets_are_those_of_the_core(spec: Spec) -> None:
    random = random_of(spec)
    for params in settings(spec, random, 8):
        for count in (40, 1, 2, 5, 0):
            for given in sets_of(spec, count, random):
                compare(spec, given, params)


@each(ROWS)
def test_a_logit_of_minus_infinity_excludes_what_has_no_share(spec: Spec) -> None:
    if spec.family == "masks":
        return
    random = random_of(spec)
    pred = logits((6, 4), random)
    pred[:, 3] = -np.inf
    spread = random.dirichlet(np.ones(3), 6)
    places = np.array([0.0, 0.3, 1.0, 1.5, 1.9, 2.0])
    targets = {"label": spread, "position": places, "logit": pred + random.normal(size=(6, 1))}
    target = targets["label" if spec.target.is_label else spec.target.fields[0]]
    if spec.target.is_label:
        target = np.pad(target, ((0, 0), (0, 1)))
        compare(spec, Input("classes", pred, np.array([0, 1, 2, 0, 1, 2])), {})
    compare(spec, Input("none has a share", pred, target), {})


@each([spec for spec in SPECS if spec.name not in ("ap", "alrp", "rank_sort", "rmse", "ghm_r", "softmax_kl")])
def test_small_numbers_keep_their_digits(spec: Spec) -> None:
    """Of the values where all is right, and of the slopes where all is wrong: nothing is a difference of large ones."""
    for size in (20.0, 30.0, 40.0, -20.0, -30.0, -40.0):
        certain, here = size * (2.0 * np.eye(3) - 1.0), np.eye(3)
        if not spec.pred.is_row:
            given = Input("scores", certain.reshape(-1), here.reshape(-1))
        elif spec.family == "masks" and spec.scope == "row":
            given = Input("masks", certain, here)
        else:
            given = Input("rows", certain, np.arange(3) if spec.target.is_label else np.arange(3.0))
        for given, tolerance in ((given, 1e-9), (single(given), 1e-4)):
            value, grad, _ = by_torch(spec, given, {})
            wanted, wanted_grad = by_core(spec, given, {})
            np.testing.assert_allclose(value, wanted, rtol=tolerance)
            np.testing.assert_allclose(grad, wanted_grad, rtol=tolerance, atol=1e-30)


@each(SPECS)
def test_worked_cases_have_their_values(spec: Spec) -> None:
    assert spec.cases
    for case in spec.cases:
        target = torch.tensor(case.target, dtype=torch.float64)
        width = len(case.pred) // len(case.target) if spec.scope == "set" and len(case.target) > 0 else len(case.pred)
        if spec.scope == "row":
            target = target if not spec.target.is_row else target.reshape(1, -1)
        pred = torch.tensor(case.pred, dtype=torch.float64).reshape(-1, width)
        pred = pred.squeeze(-1) if spec.scope == "set" and width == 1 and not spec.pred.is_row else pred
        arguments = (None,) if spec.scope == "row" else (None, None)
        result = OPERATIONS[spec.name](pred, target, *arguments, with_all(spec, dict(case.params)))
        value = (result if spec.scope == "row" else result[0]).reshape(())
        assert value.item() == pytest.approx(case.value, rel=1e-9, abs=1e-15), case.what


@each(SPECS)
def test_float32_is_close_to_the_core(spec: Spec) -> None:
    random = random_of(spec)
    for params in settings(spec, random, 2):
        for given in rows_of(spec, 30, 6, random) if spec.scope == "row" else sets_of(spec, 200, random):
            if given.what in ("far from 0", "teachers that are nearly right"):
                # There only the last bits of the numbers matter, which float32 does not have.
                continue
            if by_core(spec, single(given), params)[0].max() > np.finfo(np.float32).max:
                # A sum of the largest numbers: the core has it in float64.
                assert given.what == "the largest numbers"
                continue
            compare(spec, single(given), params, SINGLE)


@each(ROWS)
def test_an_index_that_is_no_class_is_harmless(spec: Spec) -> None:
    if not spec.target.is_label:
        return
    pred = logits((6, 4), random_of(spec))
    for params in settings(spec, random_of(spec), 2):
        good = by_torch(spec, Input("", pred, np.array([0, 3, 0, 3, 1, 2])), params)
        bad = by_torch(spec, Input("", pred, np.array([-1, 255, -100, 4, 1, 2])), params)
        for one, other in zip(good[:2], bad[:2], strict=True):
            np.testing.assert_array_equal(one, other)


@each(SETS)
def test_what_does_not_count_is_not_there(spec: Spec) -> None:
    random = random_of(spec)
    for params in settings(spec, random, 4):
        for given in sets_of(spec, 60, random):
            for share in (0.5, 0.05, 0.0):
                counts = random.random(60) < share
                left = Input(given.what, given.pred[counts], given.target[counts])
                pred, target = given.pred.copy(), given.target.copy()
                pred[~counts] = np.nan
                target[~counts] = np.nan if target.dtype.kind == "f" else -1
                value, grad, _ = by_torch(spec, Input(given.what, pred, target), params, counts)
                wanted, wanted_grad = by_core(spec, left, params)
                what = f"{given.what} with {params}, {share} of it"
                hold(value, wanted.astype(value.dtype), PRECISE, f"value of {what}")
                hold(grad[counts], wanted_grad, PRECISE, f"gradient of {what}")
                assert (grad[~counts] == 0.0).all(), what


@each([spec for spec in SETS if spec.is_stateful])
def test_steps_remember_what_those_of_the_core_do(spec: Spec) -> None:
    random = random_of(spec)
    for params in settings(spec, random, 4):
        if spec.name == "alrp":
            params = {**params, "period": 3.0}
        inputs = [given for given in sets_of(spec, 30, random) if not spec.pred.is_row or given.pred.shape[1] == 5]
        state = detloss.initial_state(spec.name, num_classes=5, **params)
        mine = state.copy()
        for step, given in enumerate(inputs):
            counts = random.random(30) < 0.7 * (step % 4 > 0)
            weight, of_core = counts.astype(float), given
            if spec.state == "per_column" and spec.is_elementwise:
                # An operation is given element after element; the core knows their columns by the shape.
                weight, of_core = weight.reshape(-1, 5), Input(given.what, given.pred.reshape(-1, 5), given.target.reshape(-1, 5))
            wanted = by_core(spec, of_core, params, weight=weight, state=state)
            value, grad, after = by_torch(spec, given, params, counts, mine)
            assert after is not None
            mine = after.numpy()
            what = f"step {step}, {given.what}, with {params}"
            hold(value, wanted[0].astype(value.dtype), PRECISE, f"value of {what}")
            hold(grad, wanted[1].reshape(grad.shape), PRECISE, f"gradient of {what}")
            hold(mine, state, PRECISE, f"state after {what}")
        assert (state != detloss.initial_state(spec.name, num_classes=5, **params)).any()


@each([spec for spec in SETS if not spec.is_stateful])
def test_others_remember_nothing(spec: Spec) -> None:
    given = next(sets_of(spec, 5, random_of(spec)))
    assert by_torch(spec, given, {})[2] is None


@each(SETS)
def test_large_sets(spec: Spec) -> None:
    random = random_of(spec)
    for given in sets_of(spec, 3000, random):
        compare(spec, given, {})


@pytest.mark.parametrize("delta", [0.0, 1e-30, 1e-20, 1e-12, 1e-6, 1e-3, 0.1, 1.0, 100.0])
@pytest.mark.parametrize("largest", [1.0, 1e4, 2.0**48])
def test_sums_of_steps_are_those_over_all_pairs(delta: float, largest: float) -> None:
    random = np.random.default_rng(5)
    for far in (0.0, 1e6):
        points = np.round(random.normal(size=40), 1) + far
        points += delta * random.choice([-1.0, 0.0, 0.5, 1.0, 2.0, 3.0], 40)
        points[:4] = random.choice([-largest, largest], 4)
        points.sort()
        chosen, weights = random.random(40) < 0.6, random.random(40)
        pairs = np.array([[step(query, point, delta) for point in points] for query in points])
        steps = Steps(torch.from_numpy(points), delta)
        got = steps.sum(torch.from_numpy(chosen)).numpy()
        hold(got, pairs @ chosen, PRECISE, "numbers")
        got = steps.sum(torch.from_numpy(chosen), torch.from_numpy(weights)).numpy()
        hold(got, pairs @ (chosen * weights), PRECISE, "sums of weights")


def test_what_is_not_there_adds_exactly_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices add up in an order of their own: running sums then differ in their last bits where nothing was added."""
    running = _steps._running

    def trembling(terms: torch.Tensor) -> torch.Tensor:
        sums = running(terms)
        return torch.where(sums == sums.round(), sums, sums * (1.0 + 1e-15 * torch.randn_like(sums)))

    monkeypatch.setattr(_steps, "_running", trembling)
    torch.manual_seed(3)
    points = torch.randn(500, dtype=torch.float64).sort().values
    low, high = points < -1.0, points > 1.0
    between = (points > -0.9) & (points < 0.9)
    steps = Steps(points, 0.1)
    assert (steps.sum(low | high)[between] == low.sum()).all()
    assert (steps.sum(high, torch.rand_like(points))[between] == 0.0).all()


def step(query: float, point: float, delta: float) -> float:
    """H(query − point), in fractions: exact."""
    x = Fraction(query) - Fraction(point)
    if delta == 0.0:
        return float(x >= 0)
    return float(min(max(x / (2 * Fraction(delta)) + Fraction(1, 2), Fraction(0)), Fraction(1)))


@each([spec for spec in ROWS if spec.target.is_label and spec.family != "masks"])
def test_a_row_that_asks_for_nothing_or_for_what_is_excluded(spec: Spec) -> None:
    sick, excluding, weight = np.array([[0.5, np.nan, 0.5]]), np.array([[0.5, -np.inf, 0.5]]), np.array([1.0, 0.0, 1.0])
    nothing, index, share = np.zeros((1, 3)), np.array([1]), np.array([[0.0, 1.0, 0.0]])
    for given in (Input("nothing", sick, nothing), Input("a class without weight", sick, index, weight)):
        assert np.isnan(by_torch(spec, given, {})[0]).all(), given.what
    for given in (Input("a class", excluding, index), Input("its share", excluding, share)):
        value, grad, _ = by_torch(spec, given, {})
        assert (value.tolist(), grad.tolist()) == ([np.inf], [[0.5, -1.0, 0.5]]), given.what
    finite, endless = np.array([[0.5, 0.25, -1.0]]), np.array([np.inf, 2.0, 1.0])
    for given in (Input("a class", finite, index, endless), Input("its share", finite, share, endless)):
        value, grad, _ = by_torch(spec, given, {})
        assert np.isfinite(value).all() and np.isfinite(grad).all(), given.what
    value, grad, _ = by_torch(spec, Input("a class without weight", excluding, index, weight), {})
    assert value.tolist() == [0.0] and not grad.any()


@each(SPECS)
def test_a_nan_that_counts_shows(spec: Spec) -> None:
    random = random_of(spec)
    given = next(rows_of(spec, 5, 4, random)) if spec.scope == "row" else next(sets_of(spec, 5, random))
    pred = given.pred.copy()
    pred[1] = np.nan
    value, grad, _ = by_torch(spec, given._replace(pred=pred), {})
    if spec.scope == "row":
        wanted = by_core(spec, given, {})
        assert np.isnan(value[1]) and np.isfinite(grad[[0, 2, 3, 4]]).all()
        hold(np.delete(value, 1), np.delete(wanted[0], 1), PRECISE, "the other rows")
        hold(np.delete(grad, 1, 0), np.delete(wanted[1], 1, 0), PRECISE, "gradient of the other rows")
    else:
        assert np.isnan(value)
        assert np.isnan(grad).any()


@each(SPECS)
def test_the_gradient_is_scaled_and_only_once_differentiable(spec: Spec) -> None:
    random = random_of(spec)
    given = next(rows_of(spec, 5, 4, random)) if spec.scope == "row" else next(sets_of(spec, 9, random))
    pred = torch.from_numpy(given.pred).requires_grad_()
    arguments = (None,) if spec.scope == "row" else (None, None)
    result = OPERATIONS[spec.name](pred, tensor(given.target), *arguments, with_all(spec, {}))
    value = result if spec.scope == "row" else result[0]
    grad_output = torch.from_numpy(random.normal(size=value.shape))
    (grad,) = torch.autograd.grad(value, pred, grad_output.requires_grad_(), create_graph=True)
    wanted = by_torch(spec, given, {})[1] * grad_output.detach().reshape(-1, *(1,) * (pred.dim() - 1)).numpy()
    np.testing.assert_allclose(grad.detach().numpy(), wanted, rtol=1e-15)
    with pytest.raises(NotImplementedError, match="first derivatives only"):
        torch.autograd.backward(grad.sum())
    with torch.no_grad():
        result = OPERATIONS[spec.name](pred, tensor(given.target), *arguments, with_all(spec, {}))
        assert not (result if spec.scope == "row" else result[0]).requires_grad


@each(SPECS)
def test_nothing_waits_for_the_device(spec: Spec) -> None:
    """There are no numbers on the device "meta", so that whoever asks for one fails."""
    random = random_of(spec)
    for given in rows_of(spec, 5, 4, random) if spec.scope == "row" else sets_of(spec, 9, random):
        pred, target = (torch.from_numpy(array).to("meta") for array in (given.pred, given.target))
        arguments = (None,) if spec.scope == "row" else (pred.new_ones(9, dtype=torch.bool), None)
        result = OPERATIONS[spec.name](pred.requires_grad_(), target, *arguments, with_all(spec, {}))
        value = result if spec.scope == "row" else result[0]
        assert value.shape == ((5,) if spec.scope == "row" else ())
        torch.autograd.backward(value.sum())
        assert pred.grad is not None and pred.grad.shape == pred.shape


@each(SPECS)
def test_vmap_and_grad_of_functions(spec: Spec) -> None:
    random = random_of(spec)
    inputs = [next(rows_of(spec, 5, 4, random) if spec.scope == "row" else sets_of(spec, 9, random)) for _ in range(3)]

    def value(pred: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        arguments = (None,) if spec.scope == "row" else (None, None)
        result = OPERATIONS[spec.name](pred, target, *arguments, with_all(spec, {}))
        total: torch.Tensor = result.sum() if spec.scope == "row" else result[0]
        return total

    preds, targets = (torch.from_numpy(np.stack(arrays)) for arrays in list(zip(*inputs, strict=True))[1:3])
    grads = torch.func.vmap(torch.func.grad(value))(preds, targets)
    for grad, given in zip(grads, inputs, strict=True):
        hold(grad.numpy(), by_torch(spec, given, {})[1], PRECISE, "gradient")


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.params], ids=lambda spec: spec.name)
def test_what_no_parameter_can_be(spec: Spec) -> None:
    """An error on every backend: operations and kernels would compute something."""
    for param in spec.params:
        for value in (param.low - 1.0, param.high + 1.0, float("nan")):
            with pytest.raises(ValueError, match=f"{spec.name} cannot have {param.name} = "):
                choose(spec, {param.name: value})
