"""How many operations a loss is on a device without a compiler, each of which is a launch: forward and backward of a mean."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")

from torch import Tensor  # noqa: E402
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

import detloss  # noqa: E402
import detloss.torch  # noqa: E402
from detloss import Spec  # noqa: E402
from detloss.torch import _launches, _program  # noqa: E402
from detloss.torch._lowering import fused, lowered  # noqa: E402
from samples import classes, ordinary, takes_classes  # noqa: E402

SPECS = detloss.losses()
BOXES = [spec for spec in SPECS if spec.is_formula and len(spec.pred.fields) > 1]

_NO_LAUNCH = {
    *("alias", "as_strided", "detach", "expand", "permute", "reshape", "select", "slice", "split", "squeeze", "t", "transpose"),
    *("unbind", "unflatten", "unsqueeze", "view", "_reshape_alias", "_unsafe_view"),
    *("device", "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"),
}
"""Views, memory without numbers, and what is asked of the host."""


class _Count(TorchDispatchMode):
    """Counts operations by their names."""

    def __init__(self) -> None:
        super().__init__()
        self.launches: Counter[str] = Counter()
        self.devices: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name not in _NO_LAUNCH:
            # A copy, and then the value.
            self.launches[name] += 2 if name == "masked_fill" else 1
            self.devices.update(leaf.device.type for leaf in tree_leaves(result) if isinstance(leaf, Tensor))
        return result


Loss = Callable[[Tensor, Tensor], Tensor]


def there(array: Any, device: str) -> Tensor:
    """Memory for this array on a device."""
    tensor = torch.from_numpy(np.asarray(array))
    return torch.empty(tensor.shape, dtype=torch.float32 if tensor.is_floating_point() else tensor.dtype, device=device)


def launches(loss: Loss, arrays: tuple[Any, Any]) -> Counter[str]:
    """The operations of a call on a GPU that need not be there, and of the way back.

    PyTorch goes that way only on devices there are. So it goes on "meta", where the way there has to be the same.
    """
    with FakeTensorMode():
        pred, target = (there(array, "cuda") for array in arrays)
        with _Count() as on_gpu:
            loss(pred.requires_grad_(), target)
    pred, target = (there(array, "meta") for array in arrays)
    with _Count() as both:
        value = loss(pred.requires_grad_(), target)
        assert both.launches == on_gpu.launches and on_gpu.devices == {"cuda"}
        torch.autograd.backward(value)
    return both.launches


def inputs(spec: Spec) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Names of what is counted, and inputs for it."""
    yield spec.name, ordinary(spec)
    if takes_classes(spec):
        yield f"{spec.name} of classes", classes(spec)


CEILINGS: dict[str, int] = json.loads(Path(__file__).with_name("launches.json").read_text())
"""What there may be at most, by name. Who needs fewer writes down the smaller number, and nobody a larger one without a reason."""


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_no_more_than_before(spec: Spec) -> None:
    for name, arrays in inputs(spec):
        found = launches(getattr(detloss.torch, spec.name), arrays)
        assert name in CEILINGS, f'write "{name}": {found.total()} into launches.json'
        assert found.total() <= CEILINGS[name], f"{name} takes {found.total()} launches: {found}"


def test_ceilings_are_of_losses() -> None:
    assert set(CEILINGS) == {name for spec in SPECS for name, _ in inputs(spec)}


@pytest.mark.parametrize(("name", "theirs"), [("focal", 34), ("giou", 126), ("diou", 152), ("ciou", 187)])
def test_no_more_than_torchvision(name: str, theirs: int) -> None:
    """Losses that both have. So many are torchvision's, counted like ours."""
    assert CEILINGS[name] <= theirs


CONSTANTS = (0.0, 1.0, -1.0, 0.5, 2.0, 3.0, 0.25)
TIES = [tuple(map(CONSTANTS.index, tie)) for tie in ((0.0, 0.5, 1.0), (1.0, 0.5, 0.0), (-1.0, 0.0, 1.0), (1.0, 0.0, -1.0), (1.0, 2.0, 3.0))]


def formula_by_chance(seed: int, inputs: int) -> tuple[list[tuple[str, Any]], list[int]]:
    """A trace that no loss has, with many a constant, and with the choices that derivatives of ``min`` and ``abs`` are made of."""
    chance = np.random.default_rng(seed)
    trace: list[tuple[str, Any]] = [("input", (place,)) for place in range(inputs)]
    trace += [("const", constant) for constant in CONSTANTS]

    def some(count: int) -> tuple[int, ...]:
        return tuple(chance.integers(0, len(trace), count).tolist())

    def constants(count: int) -> tuple[int, ...]:
        return tuple(chance.integers(0, len(CONSTANTS), count).tolist())

    kinds = {"neg": 1, "abs": 1, "add": 2, "sub": 2, "mul": 2, "min": 2, "max": 2, "mul_add": 3, "if_lt": 4, "safe_div": 2}
    for _ in range(20):
        low, high = some(2)
        match chance.integers(0, len(kinds) + 3):
            case kind if kind < len(kinds):
                name = list(kinds)[kind]
                operands = some(kinds[name])
                if name == "safe_div":
                    trace.append(("abs", operands[1:]))
                    operands = operands[0], len(trace) - 1
                trace.append((name, operands))
            case kind:
                # Less, equal and more; equidistant or not, about 0 or not, the other way round or not.
                low, high = [(inputs, high), (low, inputs), (low, high)][kind - len(kinds)]
                less, equal, more = constants(3) if chance.integers(0, 3) == 0 else TIES[chance.integers(0, len(TIES))]
                swapped = (high, low) if chance.integers(0, 4) else (low, high)
                trace.append(("if_lt", (low, high, inputs + less, inputs + equal)))
                trace.append(("if_lt", (*swapped, inputs + more, len(trace) - 1)))
    return trace, list(range(len(trace) - 12, len(trace)))


@pytest.mark.parametrize("inputs", [(1, 1), (4, 3)], ids=str)
def test_every_way_to_replay_says_the_same(inputs: tuple[int, int]) -> None:
    """As operations of a device, fused, side by side: of formulas by chance, on numbers that are equal to each other and to constants."""
    halves = torch.from_numpy(np.random.default_rng(5).integers(-4, 5, (sum(inputs), 60)) / 2.0)
    for seed in range(80):
        trace, outputs = formula_by_chance(seed, len(halves))
        expected = [output.expand(60) for output in _program.run(_program.in_steps(trace, outputs), list(halves))]
        for way in (lowered(trace, outputs), fused(lowered(trace, outputs))):
            for side_by_side in (False, True):
                plan = _launches.plan(way, inputs, side_by_side)
                given = halves.split(inputs) if max(inputs) > 1 else halves.unbind()
                value, slopes = _launches.run(plan, [*given])
                rows = slopes[0].unbind() if len(plan.slopes) < len(outputs) - 1 and slopes[0].dim() > 1 else slopes
                rows = [*rows] * (len(outputs) - 1) if len(rows) == 1 else rows
                found = [number.expand(60) for number in (value, *rows)]
                torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12, equal_nan=True, msg=lambda text: f"{seed}: {text}")


def test_both_ways_to_replay_know_the_same_operations() -> None:
    """With a compiler and without."""
    of_core = {name for spec in SPECS if spec.is_formula for name, _ in detloss._core.Loss(spec.name).trace(True)[0]}
    assert of_core - {"input", "const"} <= set(_program._TENSOR_OPERATIONS)
    beside = set(_program._TENSOR_OPERATIONS) - {"safe_div", "if_lt"}
    assert beside <= set(_launches._OPERATIONS)


@pytest.mark.parametrize("spec", [spec for spec in BOXES if len(spec.pred.fields) >= 4], ids=lambda spec: spec.name)
def test_right_boxes_are_left_alone(spec: Spec) -> None:
    """Where the kernels have a gradient of exactly 0, launches have it: ties are split in half."""
    target = torch.from_numpy(ordinary(spec, rows=200)[1]).float()
    values, grads = [], []
    for backend in ("fused", "decomposed"):
        pred = target.clone().requires_grad_()
        values.append(getattr(detloss.torch, spec.name)(pred, target, reduction="none", backend=backend))
        values[-1].sum().backward()
        grads.append(pred.grad)
    assert not grads[1][grads[0] == 0.0].any()
    assert not values[1][values[0] == 0.0].any()


@pytest.mark.parametrize("side_by_side", [True, False])
@pytest.mark.parametrize("spec", BOXES, ids=lambda spec: spec.name)
def test_products_of_boxes_keep_their_rounding(spec: Spec, side_by_side: bool) -> None:
    """What a device makes of a product and a sum in one operation, it may round once: then x · x − y · y is not 0 where x is y."""
    key = detloss.torch._call.choose(spec, {}).key
    plans = [_program._plan(key, with_grad, False, side_by_side) for with_grad in (True, False)]
    plans += [_program._plan_of_mean(key, side_by_side)] if spec.is_stateful else []
    used = {launch.name for plan in plans for launch in plan.launches}
    assert not used & {"mul_add", "less_mul", "times_add"}


@pytest.mark.parametrize("spec", BOXES, ids=lambda spec: spec.name)
def test_side_by_side_is_the_same_as_one_by_one(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU runs operations one by one, devices side by side: for one box, for boxes and for images with boxes; in any layout."""
    arrays = [torch.from_numpy(array) for array in ordinary(spec, rows=24)]
    ways = []
    for side_by_side in (False, True):
        monkeypatch.setattr(_program, "_is_side_by_side", lambda _, says=side_by_side: says)
        results = []
        for pred, target in (
            [array[0] for array in arrays],
            arrays,
            [array.unflatten(0, (4, 6)) for array in arrays],
            [array.unflatten(0, (4, 6)).transpose(0, 1) for array in arrays],
        ):
            module = getattr(detloss.torch, spec.class_name)(backend="decomposed")
            pred = pred.clone().requires_grad_()
            loss = module(pred, target)
            values = getattr(detloss.torch, spec.name)(pred, target, reduction="none", backend="decomposed")
            results += [loss.detach(), values.detach(), *torch.autograd.grad(loss + values.square().sum(), pred)]
        ways.append(results)
    torch.testing.assert_close(ways[1], ways[0], rtol=1e-12, atol=1e-14)


def test_on_the_cpu_nothing_is_put_together() -> None:
    """Operations begin at once there, and rows put together leave the caches: the gradient alone is."""
    ciou = next(spec for spec in SPECS if spec.name == "ciou")
    pred, target = (torch.from_numpy(array) for array in ordinary(ciou))
    with _Count() as counted:
        detloss.torch.ciou(pred.requires_grad_(), target, backend="decomposed")
    assert counted.launches["stack"] == 1, counted.launches


def test_constants_are_no_places() -> None:
    """Two formulas that differ in this alone: x · y, and x · 1."""
    inputs = [("input", (0,)), ("input", (1,))]
    product = lowered([*inputs, ("mul", (0, 1))], [2])
    scaled = lowered([*inputs, ("const", 3.0), ("mul", (0, 2)), ("mul", (0, 1)), ("add", (3, 4))], [5])
    assert len(scaled.nodes) == 5
    of_constant = lowered([*inputs, ("const", 1.0), ("mul", (0, 2)), ("mul", (0, 1)), ("add", (3, 4))], [5])
    assert len(of_constant.nodes) == 5
    x, y = torch.tensor([2.0, 3.0]), torch.tensor([5.0, 7.0])
    assert _launches.run(_launches.plan(product, (1, 1), True), [x, y])[0].tolist() == [10.0, 21.0]
    assert _launches.run(_launches.plan(scaled, (1, 1), True), [x, y])[0].tolist() == [16.0, 30.0]
    assert _launches.run(_launches.plan(of_constant, (1, 1), True), [x, y])[0].tolist() == [12.0, 24.0]


@pytest.mark.parametrize("side_by_side", [True, False])
def test_values_may_be_changed_in_place(side_by_side: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the user's memory: no view of something that is needed on the way back."""
    monkeypatch.setattr(_program, "_is_side_by_side", lambda _: side_by_side)
    pred, target = (torch.from_numpy(array) for array in ordinary(next(spec for spec in SPECS if spec.name == "giou")))
    pred.requires_grad_()
    weight = torch.linspace(0.5, 2.0, len(pred), dtype=torch.float64)
    values = detloss.torch.giou(pred, target, reduction="none", backend="decomposed")
    expected = torch.autograd.grad((values * weight).sum(), pred, retain_graph=True)[0]
    values.mul_(weight)
    assert torch.equal(torch.autograd.grad(values.sum(), pred)[0], expected)


def test_the_counts_are_of_the_device() -> None:
    """What is counted here is seen: a number made on the device is an operation."""
    counted = launches(lambda a, b: torch.where(a < b, a * 2.0, 0.0).sum(), (np.zeros(3), np.zeros(3)))
    assert counted["scalar_tensor"] >= 1 and counted["where"] == 2 and counted["mul"] == 2, counted
