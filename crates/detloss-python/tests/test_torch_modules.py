"""Modules, their state, and what is said of bad input."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")

import detloss  # noqa: E402
import detloss.torch  # noqa: E402
from samples import COLUMNS, classes, near_default, ordinary, shapes, sized, takes_classes  # noqa: E402
from test_torch import BACKENDS, SPECS, all_losses, both_backends, function, slope, tensors  # noqa: E402

stateless = pytest.mark.parametrize("spec", [spec for spec in SPECS if not spec.is_stateful], ids=lambda spec: spec.name)
stateful = pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.is_stateful], ids=lambda spec: spec.name)


def module(spec, **arguments):
    return getattr(detloss.torch, spec.class_name)(**arguments)


@stateless
def test_module_is_the_function(spec):
    params = {param.name: near_default(param) for param in spec.params}
    pred, target = tensors(ordinary(spec))
    for arguments in ({}, {"reduction": "sum", "loss_weight": 3.0}, {"backend": "decomposed"}):
        expected = function(spec)(pred, target, weight=torch.ones(len(pred)), **arguments, **params)
        built = module(spec, **arguments, **params)
        for each in (built, copy.deepcopy(built), pickle.loads(pickle.dumps(built))):
            assert torch.equal(each(pred, target, weight=torch.ones(len(pred))), expected)
        for name in [*params, *arguments]:
            assert f"{name}=" in repr(built)
    assert not list(built.state_dict())


@stateful
@both_backends
def test_state_is_saved_and_goes_on(spec, backend):
    """A run that is saved and loaded again is the run that was not; evaluation leaves no trace."""
    params = {param.name: param.high for param in spec.params if param.name == "momentum"}
    built = module(spec, **sized(spec), backend=backend, **params)
    first = built.state.clone()
    batches = [tensors(ordinary(spec, seed=seed)) for seed in range(3)]
    values = [built(*batches[0]), built(*batches[1])]
    assert not torch.equal(built.state, first)
    saved = copy.deepcopy(built.state_dict())
    expected = built(*batches[2])
    loaded = module(spec, **sized(spec), backend=backend, **params)
    loaded.load_state_dict(saved)
    assert torch.equal(loaded(*batches[2]), expected)
    state = detloss.initial_state(spec.name, COLUMNS, **params)
    for (pred, target), value in zip(batches, [*values, expected], strict=True):
        at_hand = detloss.value_and_grad(spec.name, pred.detach().numpy(), target.numpy(), state=state, **params)[0]
        assert value.item() == pytest.approx(at_hand, rel=1e-9)
    torch.testing.assert_close(built.state, torch.from_numpy(state), rtol=1e-9, atol=1e-12)
    before = built.state.clone()
    built.eval()
    with torch.no_grad():
        built(*batches[0])
    assert torch.equal(built.state, before)


def test_module_for_other_columns():
    spec = next(spec for spec in SPECS if spec.name == "seesaw")
    pred, target = tensors(ordinary(spec))
    with pytest.raises(ValueError, match=f"has 1 columns: make it with num_classes={COLUMNS}"):
        module(spec, num_classes=1)(pred, target)
    with pytest.raises(TypeError, match="say how many with num_classes"):
        module(spec)
    with pytest.raises(ValueError, match="num_classes is 0: give the number of columns"):
        module(spec, num_classes=0)
    with pytest.raises(TypeError, match="say how many with num_classes"):
        detloss.initial_state("seesaw")


def test_elements_without_a_dimension_of_columns_are_one_column():
    loss = detloss.torch.EqualizedFocalLoss(num_classes=1)
    scores, labels = torch.zeros(7), torch.ones(7)
    assert loss(scores, labels) == loss(scores.reshape(7, 1), labels.reshape(7, 1)) > 0.0
    with pytest.raises(ValueError, match="has 3 columns: make it with num_classes=1"):
        detloss.torch.EqualizedFocalLoss(num_classes=3)(scores, labels)


def test_steps_of_many_threads_all_count():
    loss = detloss.torch.SeesawLoss(num_classes=3)
    logits, classes = torch.zeros(5, 3), torch.tensor([0, 1, 2, 2, 2])
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: loss(logits, classes), range(400)))
    assert torch.equal(loss.state, torch.tensor([400.0, 400.0, 1200.0], dtype=torch.float64))


def test_a_parameter_that_the_state_is_as_long_as():
    loss = detloss.torch.GHMCLoss(bins=10, momentum=0.5)
    with pytest.raises(ValueError, match="with this bins the state has 20 numbers instead of 10: make a new module"):
        loss.bins = 20
    assert loss.bins == 10
    loss.momentum = 0.75


@stateful
def test_state_keeps_its_precision(spec):
    """A count in half precision would stop at 2048."""
    built = module(spec, **sized(spec))
    built(*tensors(ordinary(spec)))
    before = built.state.clone()
    for convert in (built.half, built.bfloat16, built.float, lambda: built.to(torch.float16)):
        assert convert() is built
        assert built.state.dtype == torch.float64 and torch.equal(built.state, before)
    assert built.to("meta").state.device.type == "meta"


def test_state_of_both_ways_round():
    """The gradient by the target is no second step."""
    spec = next(spec for spec in SPECS if spec.is_stateful and spec.symmetric)
    pred, target = tensors(ordinary(spec))
    by_pred, by_both = (module(spec, momentum=0.5) for _ in range(2))
    by_pred(pred, target)
    by_both(pred, target.requires_grad_())
    assert by_pred.state.any() and torch.equal(by_both.state, by_pred.state)


@pytest.mark.parametrize(
    "written", ["wiou_v2", "wiou_v3(momentum=0.5)", "inner(wise_v3(ciou, momentum=0.3), ratio=0.8)", "wise_v2(nwd, gamma=1)"]
)
@both_backends
def test_a_running_mean_is_that_of_the_core(written, backend):
    """With boxes that are left out, in every precision; one batch has none that counts."""
    spec = detloss.torch.get_loss("giou").spec
    for dtype, tolerance in [(torch.float64, 1e-12), (torch.float32, 1e-6), (torch.bfloat16, 0.02)]:
        built = detloss.torch.get_loss(written, backend=backend)
        assert [*built.state_dict()] == ["state"] and built.state.tolist() == [1.0]
        state = detloss.initial_state(written)
        for seed, counts in enumerate([[0.0, 0.5, 2.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]):
            pred, target = ordinary(spec, seed=seed)
            weight = np.resize(counts, len(pred))
            wanted, slopes = detloss.value_and_grad(written, pred, target, weight=weight, state=state)
            leaf = torch.tensor(pred, dtype=dtype, requires_grad=True)
            got = built(leaf, torch.tensor(target, dtype=dtype), weight=torch.tensor(weight, dtype=dtype))
            got.backward()
            assert got.item() == pytest.approx(wanted, rel=10 * tolerance)
            np.testing.assert_allclose(built.state.numpy(), state, rtol=tolerance)
            if dtype != torch.bfloat16:
                np.testing.assert_allclose(leaf.grad.numpy(), slopes, rtol=1e3 * tolerance, atol=10 * tolerance)
        before = built.state.clone()
        with torch.no_grad():
            built(leaf * torch.nan, torch.tensor(target, dtype=dtype))
        assert torch.equal(built.state, before)
        built.eval()(leaf, torch.tensor(target, dtype=dtype))
        assert torch.equal(built.state, before)


def test_parameters_change_during_training():
    """A schedule sets them on the module; what is no value of theirs is refused, and changes nothing."""
    spec = next(spec for spec in SPECS if spec.name == "focal")
    pred, target = tensors(ordinary(spec))
    built = module(spec)
    built.gamma = 0.5
    assert built.gamma == 0.5 and built.alpha == spec.params[1].default
    assert torch.equal(built(pred, target), function(spec)(pred, target, gamma=0.5))
    with pytest.raises(ValueError, match="gamma"):
        built.gamma = -1.0
    assert built.gamma == 0.5
    with pytest.raises(TypeError, match="takes no num_classes"):
        module(spec, num_classes=3)


@stateful
def test_state_under_compile(spec):
    torch.compiler.reset()  # Of one function there are only so many versions, whoever asked for them.
    built, plain = (module(spec, **sized(spec)) for _ in range(2))
    compiled = torch.compile(built, fullgraph=True, backend="aot_eager")
    for seed in range(2):
        pred, target = tensors(ordinary(spec, seed=seed))
        torch.testing.assert_close(compiled(pred, target), plain(pred, target))
    torch.testing.assert_close(built.state, plain.state)


@all_losses
def test_words_for_wrong_shapes(spec):
    pred, target = tensors(ordinary(spec))
    name = rf"^{spec.name}: "
    with pytest.raises(ValueError, match=name + "the target has shape"):
        function(spec)(pred, target[:-1])
    with pytest.raises(ValueError, match=name + "the weight has shape .*: give"):
        function(spec)(pred, target, weight=torch.ones(len(pred) + 1))
    if len(spec.pred.fields) > 1:
        with pytest.raises(ValueError, match=name + "the prediction has shape .* a last dimension of"):
            function(spec)(pred[:, :1], target)
    if "class_weight" in spec.options:
        with pytest.raises(ValueError, match=name + "class_weight has shape .*: give"):
            function(spec)(pred, target, class_weight=torch.ones(COLUMNS + 1))
    if "groups" in spec.options:
        with pytest.raises(ValueError, match=name + "groups has shape .*: give"):
            function(spec)(pred, target, groups=torch.zeros(len(pred) + 1, dtype=torch.int64))
        with pytest.raises(TypeError, match=name + "groups are of torch.float32: give integers"):
            function(spec)(pred, target, groups=torch.zeros(len(pred)))


@all_losses
def test_words_for_wrong_arguments(spec):
    pred, target = tensors(ordinary(spec))
    call = function(spec)
    wrong = [
        (TypeError, "pred is a ndarray: give a tensor", lambda: call(pred.detach().numpy(), target)),
        (TypeError, "pred is of torch.int64: give one of", lambda: call(pred.detach().long(), target)),
        (TypeError, "no keyword 'gama': it takes", lambda: call(pred, target, gama=2.0)),
        (ValueError, "reduction is 'average': give one of", lambda: call(pred, target, reduction="average")),
        (ValueError, "backend is 'fast': give one of", lambda: call(pred, target, backend="fast")),
        (ValueError, "avg_factor divides a mean", lambda: call(pred, target, reduction="sum", avg_factor=2.0)),
        (ValueError, "avg_factor has shape", lambda: call(pred, target, avg_factor=torch.ones(2))),
        (ValueError, "weight requires a gradient", lambda: call(pred, target, weight=torch.ones(len(pred)).requires_grad_())),
        (TypeError, "loss_weight is a tensor: give a number", lambda: call(pred, target, loss_weight=torch.ones(()))),
        (ValueError, "target is on meta, pred on cpu: move", lambda: call(pred, target.to("meta"))),
    ]
    for param in spec.params:
        beyond = {param.name: param.high + 1.0}
        wrong.append((ValueError, param.name, lambda beyond=beyond: call(pred, target, **beyond)))
        wrong.append((ValueError, param.name, lambda beyond=beyond: module(spec, **beyond)))
    for error, words, broken in wrong:
        with pytest.raises(error, match=words):
            broken()
    for option in {"class_weight", "ignore_index", "groups"} - set(spec.options):
        with pytest.raises(TypeError, match=option):
            call(pred, target, **{option: 1})
        with pytest.raises(TypeError, match=option):
            module(spec, **sized(spec))(pred, target, **{option: 1})


@pytest.mark.parametrize("spec", [spec for spec in SPECS if takes_classes(spec)], ids=lambda spec: spec.name)
@pytest.mark.parametrize("wrong", [-100, 255])
def test_class_without_a_column(spec, wrong):
    """An error on the host; elsewhere nobody waits for the device to find out, and the row is NaN: no class in its place."""
    pred, target = tensors(classes(spec))
    target[3] = wrong
    with pytest.raises(ValueError, match=str(wrong)):
        function(spec)(pred, target, backend="fused")
    value = function(spec)(pred, target, backend="decomposed")
    assert value.isnan()
    assert slope(value, pred)[3].isnan().all()
    kept = function(spec)(pred, target, backend="decomposed", ignore_index=wrong)
    torch.testing.assert_close(kept, function(spec)(pred, target, backend="fused", ignore_index=wrong))


@all_losses
@both_backends
def test_batch_without_positives(spec, backend):
    """A factor of 0, as a number or a tensor, counts as 1; a negative number is nobody's count."""
    pred, target = tensors(ordinary(spec))
    expected = function(spec)(pred, target, reduction="sum", backend=backend)
    for factor in (0, torch.tensor(0.0), torch.tensor(0)):
        assert torch.equal(function(spec)(pred, target, avg_factor=factor, backend=backend), expected)
    for factor in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="avg_factor"):
            function(spec)(pred, target, avg_factor=factor, backend=backend)
    unknown, negative = torch.tensor(float("nan")), torch.tensor(-2.0)
    if backend == "decomposed":
        assert function(spec)(pred, target, avg_factor=unknown, backend=backend).isnan()
    else:
        for factor, words in ((unknown, "nan"), (negative, "-2.0")):
            with pytest.raises(ValueError, match=f"avg_factor is {words}: give a positive number"):
                function(spec)(pred, target, avg_factor=factor, backend=backend)
    with pytest.raises(ValueError, match="avg_factor requires a gradient.*use avg_factor.detach"):
        function(spec)(pred, target, avg_factor=torch.tensor(2.0, requires_grad=True), backend=backend)


UGLY = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-6, 1e6, -1e6, 3.0, 3.0, 1e-30, 1e4, -1e4, 3e38, -3e38]


@all_losses
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_finite_in_finite_out(spec, data):
    """Zero areas, inverted corners, points, huge sides and logits, in any mixture: numbers out on both backends."""
    rows = data.draw(st.integers(1, 6))
    pred_shape, target_shape = shapes(spec, rows)
    numbers = UGLY if spec.family == "boxes" else [x for x in UGLY if abs(x) <= 1e6]
    logits = [x for x in numbers if abs(x) <= 1e4]

    def draw(shape, values):
        return torch.tensor(data.draw(st.lists(st.sampled_from(values), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))).reshape(shape)

    pred = draw(pred_shape, numbers if spec.family in ("boxes", "values") else logits).requires_grad_()
    match spec.target.fields[0]:
        case "label" | "probability":
            target = draw(target_shape, [0.0, 1.0])
        case "class" | "position":
            target = draw(target_shape, [0.0, 1.0, 2.0])
        case "logit":
            target = draw(target_shape, logits)
        case _:
            target = draw(target_shape, numbers)
    for backend in BACKENDS:
        value = function(spec)(pred, target, backend=backend)
        assert torch.isfinite(value), backend
        assert torch.isfinite(slope(value, pred)).all(), backend


@all_losses
@both_backends
def test_perfect_predictions_cost_nothing(spec, backend):
    if spec.family != "boxes":
        pytest.skip("the list says what is perfect for the others; see the tests of the core")
    corner = torch.rand(50, 2, dtype=torch.float64)
    for side in (1e-6, 1e-3, 1.0, 1e6):
        boxes = torch.cat([corner, corner + side], -1).float()
        pred = boxes.clone().requires_grad_()
        value = function(spec)(pred, boxes, backend=backend)
        assert value.item() == 0.0
        assert not slope(value, pred).any()


def test_list_of_classes():
    """As many modules and functions as losses, all with names and pages of their own."""
    names = [spec.class_name for spec in SPECS]
    assert len(set(names)) == len(names)
    assert set(detloss.torch.__all__) == {"Loss", "get_loss", *names, *(spec.name for spec in SPECS)}
    for name in detloss.torch.__all__:
        assert getattr(detloss.torch, name).__module__.startswith("detloss.torch")
        assert getattr(detloss.torch, name).__doc__


@pytest.mark.parametrize("spec", [spec for spec in SPECS if takes_classes(spec)], ids=lambda spec: spec.name)
@both_backends
def test_ignored_rows(spec, backend):
    """A row of the ignored class has no slope, whatever the index."""
    pred, target = tensors(classes(spec))
    target = target.masked_fill(target == 2, 255)
    value = function(spec)(pred, target, ignore_index=255, backend=backend)
    gradient = slope(value, pred)
    assert torch.isfinite(value) and torch.isfinite(gradient).all()
    assert not gradient[target == 255].any()
    assert gradient[target != 255].any()
