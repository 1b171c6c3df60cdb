"""The drop-ins for MMDetection's losses, against its formulas in plain torch, and against itself if it is there."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.machinery
import inspect
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from detloss.compat import mmdet
from mmdet_cases import (
    CASES,
    CLASSES,
    COLUMN,
    F64,
    HEAT,
    LABELS,
    LOGITS,
    NEAR,
    OBJECTS,
    PER_ROW,
    PER_SCORE,
    PROBABILITIES,
    ROWS,
    TARGET,
    WITH_BACKGROUND,
    Case,
    balanced_l1,
    entropy,
    gaussian_focal,
    integers,
    normal,
    one_hot,
    random,
    smooth_l1,
    softmax_ce,
    varifocal,
)

CALLS: list[dict[str, Any]] = [
    {},
    {"avg_factor": 7.5},
    {"avg_factor": torch.tensor(7.5)},
    {"reduction_override": "sum"},
    {"reduction_override": "none"},
]


def weighted(values: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return values
    if weight.dim() > values.dim():
        return values * weight.mean(-1)
    if weight.numel() == values.numel():
        return values * weight.reshape(values.shape)
    return values * weight.reshape(-1, *(1,) * (values.dim() - 1))


def reduced(case: Case, weight: Tensor | None, avg_factor: Any = None, reduction_override: str = "mean") -> Tensor:
    """The formula of a case, weighted and reduced, of a prediction that has a gradient."""
    values = weighted(case.formula(*case.inputs), weight)
    if reduction_override != "mean":
        return values.sum() if reduction_override == "sum" else values
    return values.sum() / (avg_factor or case.count or values.numel())


def value_and_grad(compute: Callable[[Tensor], Tensor], pred: Tensor) -> tuple[Tensor, Tensor]:
    pred = pred.clone().requires_grad_()
    value = compute(pred)
    grad_output = torch.linspace(-1.0, 2.0, value.numel(), dtype=value.dtype).reshape(value.shape)
    (grad,) = torch.autograd.grad(value, pred, grad_output)
    return value.detach(), grad


def assert_close(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor], tolerance: float) -> None:
    for one, other in zip(found, expected, strict=True):
        scale = tolerance * other.abs().max().item()
        torch.testing.assert_close(one, other, rtol=tolerance, atol=scale, check_dtype=False)


def runs(case: Case) -> Iterator[tuple[Tensor | None, dict[str, Any]]]:
    for weight in (None, *case.weights):
        for call in CALLS:
            yield weight, call


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_formula(case: Case) -> None:
    loss = getattr(mmdet, case.name)(**case.arguments)
    # Added to the heights and not to the denominator of the factor, but in the published code.
    tolerance = 1e-5 if case.name == "CIoULoss" else 1e-12
    pred, *rest = case.inputs
    for weight, call in runs(case):
        expected = value_and_grad(lambda x: reduced(replaced(case, x), weight, **call), pred)
        assert_close(value_and_grad(lambda x: loss(x, *rest, weight=weight, **call), pred), expected, tolerance)


def replaced(case: Case, pred: Tensor) -> Case:
    return dataclasses.replace(case, inputs=(pred, *case.inputs[1:]))


def test_against_mmdetection() -> None:
    theirs = pytest.importorskip("mmdet.models.losses")
    for case in CASES:
        if case.name == "EfficientIoULoss":
            continue
        loss, other = (getattr(module, case.name)(**case.arguments) for module in (mmdet, theirs))
        pred, *rest = case.inputs
        for weight, call in runs(case):
            # A weight per row of labels or values is a column there.
            is_dense = isinstance(rest[0], Tensor) and rest[0].dim() > 1 and case.formula(*case.inputs).dim() > 1
            there = COLUMN if weight is PER_ROW and is_dense else weight
            expected = value_and_grad(lambda x: other(x, *rest, weight=there, **call), pred)
            found = value_and_grad(lambda x: loss(x, *rest, weight=weight, **call), pred)
            assert_close(found, expected, case.tolerance)


def test_masks() -> None:
    masks, labels, classes = normal(6, CLASSES, 4, 5, seed=40), random(6, 4, 5, seed=41), integers(CLASSES, 6, seed=42)
    loss = mmdet.CrossEntropyLoss(use_mask=True, loss_weight=2.0)
    found = value_and_grad(lambda x: loss(x, labels, classes), masks)
    expected = value_and_grad(lambda x: 2.0 * entropy(x[range(6), classes], labels).mean()[None], masks)
    assert_close(found, expected, 1e-12)


@pytest.mark.parametrize("call", [{}, {"avg_factor": 3.0}, {"reduction_override": "sum"}], ids=str)
def test_heatmap_with_its_positives_given(call: dict[str, Any]) -> None:
    scores, heat = random(30, CLASSES, seed=43, low=0.01, high=0.99), random(30, CLASSES, seed=44)
    heat[4, 2] = 1.0
    rows, columns = torch.tensor([4, 7, 7]), torch.tensor([2, 0, 1])
    loss = mmdet.GaussianFocalLoss(pos_weight=0.5, neg_weight=0.75, loss_weight=2.0)

    def formula(p: Tensor) -> Tensor:
        chosen = p[rows, columns]
        total: Tensor = torch.zeros((), dtype=F64)
        for values in (
            -0.5 * (1 - chosen) ** 2 * chosen.log(),
            -0.75 * (1 - heat) ** 4 * p**2 * (1 - p).log(),
        ):
            divisor = 1.0 if "reduction_override" in call else call.get("avg_factor", values.numel())
            total = total + values.sum() / divisor
        return 2.0 * total

    found = value_and_grad(lambda x: loss(x, heat, rows, columns, **call), scores)
    assert_close(found, value_and_grad(formula, scores), 1e-12)


def harmonized(values: Tensor, norms: Tensor, counts: Tensor, densities: list[float], momentum: float) -> Tensor:
    """A bin at a time: its values share one over the number of bins that have any."""
    total, used, bins = torch.zeros((), dtype=F64), 0, len(densities)
    for place in range(bins):
        chosen = counts & ((norms * bins).floor().clamp(max=bins - 1) == place)
        if chosen.any():
            used += 1
            densities[place] = momentum * densities[place] + (1 - momentum) * chosen.sum().item()
            total = total + values[chosen].sum() / densities[place]
    return total / used


@pytest.mark.parametrize("momentum", [0.0, 0.75])
@pytest.mark.parametrize("bins", [10, 30])
def test_harmonized(momentum: float, bins: int) -> None:
    scores = mmdet.GHMC(bins=bins, momentum=momentum, loss_weight=2.0)
    values = mmdet.GHMR(mu=0.1, bins=bins, momentum=momentum)
    memory, memory_of_values = [0.0] * bins, [0.0] * bins
    for step in range(3):
        logits, labels, counts = normal(ROWS, CLASSES, seed=step), LABELS.round(), PER_SCORE > 0.3

        def of_scores(x: Tensor) -> Tensor:
            norms = (x.sigmoid() - labels).abs().detach()
            return 2.0 * harmonized(entropy(x, labels), norms, counts, memory, momentum)

        def of_values(x: Tensor) -> Tensor:
            length = ((x - LABELS) ** 2 + 0.01).sqrt()
            norms = ((x - LABELS).abs() / length).detach()
            return harmonized(length - 0.1, norms, counts, memory_of_values, momentum)

        found = value_and_grad(lambda x: scores(x, labels, counts.double(), avg_factor=7.0), logits)
        assert_close(found, value_and_grad(of_scores, logits), 1e-12)
        found = value_and_grad(lambda x: values(x, LABELS, PER_SCORE * counts), logits)
        assert_close(found, value_and_grad(of_values, logits), 1e-10)


def test_harmonized_classes() -> None:
    loss, weight = mmdet.GHMC(), (PER_ROW > 0.3).double()
    classes = torch.where(WITH_BACKGROUND == 2, -1, WITH_BACKGROUND)
    wide = weight[:, None].expand(ROWS, CLASSES)
    torch.testing.assert_close(loss(LOGITS, classes, weight), loss(LOGITS, one_hot(classes), wide))


@pytest.mark.parametrize(
    "call, divisor",
    [
        ({}, None),
        ({"avg_factor": 9.0}, 9.0),
        ({"avg_factor": torch.tensor(9.0)}, 9.0),
        ({"reduction_override": "sum"}, 1.0),
        ({"label_weights": (PER_ROW > 0.3).double()}, None),
    ],
    ids=str,
)
def test_seesaw(call: dict[str, Any], divisor: float | None) -> None:
    loss = mmdet.SeesawLoss(num_classes=CLASSES, p=0.7, q=1.5, loss_weight=2.0)
    samples = torch.zeros(CLASSES, dtype=F64)
    weight = call.get("label_weights", torch.ones(ROWS, dtype=F64))
    for step in range(3):
        logits, classes = normal(ROWS, CLASSES + 2, seed=50 + step), integers(CLASSES + 1, ROWS, seed=60 + step)
        counted = (classes < CLASSES) & (weight > 0)
        for one in classes[counted].tolist():
            samples[one] += 1

        def of_classes(x: Tensor) -> Tensor:
            total: Tensor = torch.zeros((), dtype=F64)
            for row in counted.nonzero()[:, 0].tolist():
                own, q = int(classes[row]), x[row, :CLASSES].softmax(-1).detach()
                rarer = (samples.clamp(min=1) / samples[own].clamp(min=1)).clamp(max=1) ** 0.7
                preferred = (q / q[own].clamp(min=0.01)).clamp(min=1) ** 1.5
                powers = rarer * preferred * x[row, :CLASSES].exp()
                others = powers.sum() - powers[own]
                total = total - (x[row, own].exp() / (others + x[row, own].exp())).log()
            return 2.0 * total / (divisor or (classes < CLASSES).sum())

        def of_objects(x: Tensor) -> Tensor:
            surprise = softmax_ce(x[:, CLASSES:], (classes == CLASSES).long()) * weight
            total: Tensor = 2.0 * surprise.sum() / (divisor or ROWS)
            return total

        state = {name: tensor.clone() for name, tensor in loss.state_dict().items()}
        for key, formula in (("loss_cls_classes", of_classes), ("loss_cls_objectness", of_objects)):
            loss.load_state_dict(state)
            found = value_and_grad(lambda x: loss(x, classes, **call)[key], logits)
            assert_close(found, value_and_grad(formula, logits), 1e-10)


def test_seesaw_as_one_number() -> None:
    logits = normal(ROWS, CLASSES + 2, seed=50)
    plain = mmdet.SeesawLoss(num_classes=CLASSES, return_dict=False)
    both = mmdet.SeesawLoss(num_classes=CLASSES)(logits, WITH_BACKGROUND)
    torch.testing.assert_close(plain(logits, WITH_BACKGROUND), both["loss_cls_classes"] + both["loss_cls_objectness"])


def test_seesaw_in_a_head() -> None:
    loss = mmdet.SeesawLoss(num_classes=2)
    assert loss.get_cls_channels(2) == 4
    scores = torch.tensor([[0.0, 9.0, 9.0, 0.0], [0.0, 9.0, 0.0, 9.0]])
    shares = loss.get_activation(scores)
    torch.testing.assert_close(shares.sum(-1), torch.ones(2))
    assert shares.argmax(-1).tolist() == [1, 2]
    accuracy = loss.get_accuracy(scores, torch.tensor([0, 2]))
    assert accuracy["acc_objectness"].item() == 100.0 and accuracy["acc_classes"].item() == 0.0
    assert loss.get_accuracy(scores, torch.tensor([2, 2]))["acc_classes"].item() == 0.0


CONSTRUCTORS = {
    "IoULoss": "linear eps reduction loss_weight mode",
    "GIoULoss": "eps reduction loss_weight",
    "DIoULoss": "eps reduction loss_weight",
    "CIoULoss": "eps reduction loss_weight",
    "EfficientIoULoss": "reduction loss_weight",
    "L1Loss": "reduction loss_weight",
    "MSELoss": "reduction loss_weight",
    "SmoothL1Loss": "beta reduction loss_weight",
    "BalancedL1Loss": "alpha gamma beta reduction loss_weight",
    "CrossEntropyLoss": "use_sigmoid use_mask reduction class_weight ignore_index loss_weight avg_non_ignore",
    "FocalLoss": "use_sigmoid gamma alpha reduction loss_weight activated",
    "QualityFocalLoss": "use_sigmoid beta reduction loss_weight activated",
    "VarifocalLoss": "use_sigmoid alpha gamma iou_weighted reduction loss_weight",
    "GaussianFocalLoss": "alpha gamma reduction loss_weight pos_weight neg_weight",
    "DistributionFocalLoss": "reduction loss_weight",
    "KnowledgeDistillationKLDivLoss": "reduction loss_weight T",
    "DiceLoss": "use_sigmoid activate reduction naive_dice loss_weight eps",
    "GHMC": "bins momentum use_sigmoid loss_weight reduction",
    "GHMR": "mu bins momentum loss_weight reduction",
    "SeesawLoss": "use_sigmoid p q num_classes eps reduction loss_weight return_dict",
}


def test_constructors() -> None:
    assert {loss.__name__ for loss in mmdet.LOSSES} == set(CONSTRUCTORS)
    for loss in mmdet.LOSSES:
        assert list(inspect.signature(loss).parameters) == CONSTRUCTORS[loss.__name__].split()
        assert loss.__doc__


def test_defaults_are_those_of_mmdetection() -> None:
    theirs = pytest.importorskip("mmdet.models.losses")
    for loss in mmdet.LOSSES:
        if loss is not mmdet.EfficientIoULoss:
            there = inspect.signature(getattr(theirs, loss.__name__)).parameters.values()
            found = inspect.signature(loss).parameters.values()
            assert [(one.name, one.default) for one in found] == [(one.name, one.default) for one in there]


@pytest.mark.parametrize("name", [name for name in CONSTRUCTORS if name not in ("GHMC", "GHMR", "SeesawLoss")])
def test_reductions(name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    loss, other = getattr(mmdet, name)(**case.arguments), getattr(mmdet, name)(**case.arguments | {"reduction": "sum"})
    inputs = case.inputs
    with pytest.raises(ValueError, match="avg_factor"):
        loss(*inputs, avg_factor=2.0, reduction_override="sum")
    with pytest.raises(ValueError, match="avg_factor"):
        other(*inputs, avg_factor=2.0)
    with pytest.raises(ValueError, match="reduction"):
        loss(*inputs, reduction_override="weighted_mean")
    with pytest.raises(ValueError, match="reduction"):
        getattr(mmdet, name)(reduction="all")
    torch.testing.assert_close(
        loss(*inputs, avg_factor=2.0, reduction_override="none"), loss(*inputs, reduction_override="none")
    )
    torch.testing.assert_close(other(*inputs), loss(*inputs, reduction_override="sum"))
    torch.testing.assert_close(loss(*inputs, avg_factor=torch.tensor(0.0)), other(*inputs))


@pytest.mark.parametrize(
    "build",
    [
        lambda: mmdet.IoULoss(mode="cube"),
        lambda: mmdet.CrossEntropyLoss(use_sigmoid=True, use_mask=True),
        lambda: mmdet.CrossEntropyLoss(use_mask=True, class_weight=[1.0]),
        lambda: mmdet.CrossEntropyLoss(use_mask=True)(torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4)),
        lambda: mmdet.FocalLoss(use_sigmoid=False),
        lambda: mmdet.FocalLoss(alpha=-1.0),
        lambda: mmdet.QualityFocalLoss(use_sigmoid=False),
        lambda: mmdet.QualityFocalLoss()(LOGITS, OBJECTS),
        lambda: mmdet.VarifocalLoss(use_sigmoid=False),
        lambda: mmdet.DiceLoss(use_sigmoid=False),
        lambda: mmdet.GHMC(use_sigmoid=False),
        lambda: mmdet.GHMC()(LOGITS, LABELS, PER_SCORE, reduction_override="sum"),
        lambda: mmdet.GHMR(reduction="none")(LOGITS, LABELS, PER_SCORE),
        lambda: mmdet.SeesawLoss(use_sigmoid=True),
        lambda: mmdet.SeesawLoss(eps=0.1),
        lambda: mmdet.SeesawLoss(num_classes=9)(LOGITS, OBJECTS),
        lambda: mmdet.SeesawLoss(num_classes=3)(LOGITS, OBJECTS.clamp(max=3), reduction_override="none"),
        lambda: mmdet.GaussianFocalLoss()(PROBABILITIES, HEAT, OBJECTS),
        lambda: mmdet.GIoULoss()(NEAR, TARGET, PER_SCORE[:3, 0]),
        lambda: mmdet.L1Loss()(NEAR, TARGET, PER_SCORE),
    ],
)
def test_what_is_not_supported(build: Callable[[], Any]) -> None:
    with pytest.raises(ValueError):
        build()


def test_a_weight_per_row_is_never_one_per_column() -> None:
    pred, target, weight = NEAR[:4], TARGET[:4], torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=F64)
    found = mmdet.L1Loss(reduction="none")(pred, target, weight)
    torch.testing.assert_close(found, (pred - target).abs() * weight[:, None])


@pytest.mark.parametrize("name", ["IoULoss", "GIoULoss", "DIoULoss", "CIoULoss", "EfficientIoULoss"])
def test_boxes_that_go_wrong_there(name: str) -> None:
    loss = getattr(mmdet, name)(reduction="none")
    same, point = torch.tensor([[0.0, 0, 100, 100]]), torch.tensor([[5.0, 5, 5, 5]])
    inverted = torch.tensor([[100.0, 100, 0, 0]])
    for pred in (same, point, inverted):
        for part in value_and_grad(lambda x: loss(x, same), pred):
            assert part.isfinite().all()
    assert loss(inverted, same) >= 1.0 - 1e-6
    huge = torch.tensor([[0.0, 0, 800, 600]], dtype=torch.float16)
    assert loss(huge, huge).item() == pytest.approx(0.0, abs=1e-3)
    for empty in (torch.zeros(0, 4), torch.ones(3, 4)):
        value = getattr(mmdet, name)()(empty.requires_grad_(), empty.detach(), torch.zeros(len(empty)))
        assert value.item() == 0.0 and value.requires_grad


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_sure_probabilities(probability: float) -> None:
    pred = torch.full((3, CLASSES), probability)
    for dtype in (torch.float16, torch.float32, F64):
        for loss in (
            mmdet.FocalLoss(activated=True),
            mmdet.QualityFocalLoss(activated=True),
            mmdet.GaussianFocalLoss(),
            mmdet.DiceLoss(activate=False),
        ):
            for label in (torch.zeros(3, CLASSES), torch.ones(3, CLASSES)):
                value, grad = value_and_grad(lambda x: loss(x, label.to(dtype)), pred.to(dtype))
                assert value.isfinite().all() and not grad.isnan().any()


class Registry:
    """What MMDetection's registry does, as far as it is asked for."""

    def __init__(self, name: str) -> None:
        self.module_dict: dict[str, type] = {}

    def register_module(self, name: str, force: bool = False, module: type | None = None) -> None:
        if not force and name in self.module_dict:
            raise KeyError(f"{name} is registered already")
        assert module is not None
        self.module_dict[name] = module

    def build(self, config: dict[str, Any]) -> Any:
        return self.module_dict[config.pop("type")](**config)


def mmengine_registry(name: str) -> Any:
    return pytest.importorskip("mmengine.registry").Registry(name)


@pytest.mark.parametrize("registry", [Registry, mmengine_registry])
def test_registration(registry: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    their_own: Any = type("GIoULoss", (), {})
    models = registry("model")
    models.register_module(name="GIoULoss", module=their_own)
    for name in ("mmdet", "mmdet.registry", "mmdet.models"):
        module: Any = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.MODELS = models
        monkeypatch.setitem(sys.modules, name, module)
    importlib.reload(mmdet)
    assert models.build({"type": "DetlossGIoULoss", "loss_weight": 2.0}).loss_weight == 2.0
    assert {f"Detloss{name}" for name in CONSTRUCTORS} | {"GIoULoss"} == set(models.module_dict)
    assert models.module_dict["GIoULoss"] is their_own
    mmdet.register(override=True)
    assert models.module_dict["GIoULoss"] is mmdet.GIoULoss
    assert "L1Loss" not in models.module_dict and "EIoULoss" not in models.module_dict


def test_neither_library_is_needed() -> None:
    code = """
import sys
sys.modules["torchvision"] = sys.modules["mmdet"] = None
import detloss.compat.torchvision, detloss.compat.mmdet
try:
    detloss.compat.mmdet.register()
except ModuleNotFoundError as error:
    print(error.name)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip().startswith("mmdet")


GRID = (2, 3, 4, 5)
HEATS = random(*GRID, seed=70, low=0.01, high=0.99)
OF_GRIDS: list[tuple[str, dict[str, Any], tuple[Tensor, Tensor], Callable[..., Tensor]]] = [
    ("L1Loss", {}, (normal(*GRID), normal(*GRID, seed=1)), lambda p, t: (p - t).abs()),
    ("MSELoss", {}, (normal(*GRID), normal(*GRID, seed=1)), lambda p, t: (p - t) ** 2),
    ("SmoothL1Loss", {}, (normal(*GRID), normal(*GRID, seed=1)), smooth_l1),
    ("BalancedL1Loss", {}, (normal(*GRID), normal(*GRID, seed=1)), balanced_l1),
    ("VarifocalLoss", {}, (normal(*GRID), HEATS.round() * HEATS), varifocal),
    ("GaussianFocalLoss", {}, (HEATS, HEATS.round()), gaussian_focal),
    ("CrossEntropyLoss", {"use_sigmoid": True}, (normal(*GRID), HEATS.round()), entropy),
]


@pytest.mark.parametrize(("name", "arguments", "inputs", "formula"), OF_GRIDS, ids=lambda given: given if isinstance(given, str) else "")
@pytest.mark.parametrize("shape", [(2, 1, 4, 5), (1, 3, 1, 1), (2, 1, 1, 1), (4, 1), (1,), ()], ids=str)
def test_a_weight_multiplies_by_broadcasting(
    name: str, arguments: dict[str, Any], inputs: tuple[Tensor, Tensor], formula: Callable[..., Tensor], shape: tuple[int, ...]
) -> None:
    """CornerNet gives one weight for both coordinates of every place."""
    loss, weight = getattr(mmdet, name)(**arguments), random(*shape, seed=71)
    pred, target = inputs
    for call in CALLS:
        found = value_and_grad(lambda x: loss(x, target, weight=weight, **call), pred)
        values = Case(name, arguments, inputs, lambda p, t: formula(p, t) * weight)
        assert_close(found, value_and_grad(lambda x: reduced(replaced(values, x), None, **call), pred), 1e-12)


@pytest.mark.parametrize("name", [name for name in CONSTRUCTORS if name not in ("GHMC", "GHMR", "SeesawLoss")])
def test_one_weight_for_all(name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    loss = getattr(mmdet, name)(**case.arguments)
    for shape in ((), (1,)):
        found = loss(*case.inputs, weight=torch.full(shape, 0.5, dtype=F64))
        torch.testing.assert_close(found, 0.5 * loss(*case.inputs))
