"""The drop-ins for MMDetection's losses, against its formulas in plain torch, and against itself if it is there."""

from __future__ import annotations

import importlib
import importlib.machinery
import inspect
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from detloss.compat import mmdet
from mmdet_cases import (
    CASES,
    CLASSES,
    COLUMN,
    HEAT,
    LABELS,
    LOGITS,
    NEAR,
    OBJECTS,
    PER_ROW,
    PER_SCORE,
    POSITIVES,
    PROBABILITIES,
    TARGET,
    balanced_l1,
    entropy,
    gaussian_focal,
    multi_positive,
    smooth_l1,
    varifocal,
)
from mmdet_itself import theirs as theirs_of
from openmmlab import (
    CALLS,
    F64,
    Case,
    Registry,
    assert_close,
    integers,
    mmengine_registry,
    normal,
    random,
    reduced,
    replaced,
    runs,
    value_and_grad,
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_formula(case: Case) -> None:
    loss = getattr(mmdet, case.name)(**case.arguments)
    # Added to the heights and not to the denominator of the factor, but in the published code.
    tolerance = 1e-5 if case.name == "CIoULoss" else 1e-12
    pred, *rest = case.inputs
    for weight, call in runs(case):
        expected = value_and_grad(lambda x: reduced(replaced(case, x), weight, **call), pred)
        assert_close(value_and_grad(lambda x: loss(x, *rest, weight=weight, **call), pred), expected, tolerance)


@pytest.mark.filterwarnings("ignore:DeprecationWarning. Setting .linear=True:UserWarning")
def test_against_mmdetection() -> None:
    theirs = theirs_of("mmdet.models.losses")
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


def test_far_boxes_cost_something() -> None:
    """With the sign that is the default of MMDetection they cost nothing, and stay where they are."""
    far, target = torch.tensor([[50.0, 60.0, 52.0, 62.0]], dtype=F64), torch.tensor([[0.0, 0.0, 10.0, 8.0]], dtype=F64)
    value, grad = value_and_grad(lambda x: mmdet.SIoULoss(reduction="sum")(x, target), far)
    assert value > 1.5 and grad.all()
    theirs = theirs_of("mmdet.models.losses").SIoULoss(reduction="sum")
    value, grad = value_and_grad(lambda x: theirs(x, target), far)
    assert value == 0.0 and not grad.any()


def test_labels_below_0_are_left_out() -> None:
    loss, label = mmdet.MultiPosCrossEntropyLoss(reduction="none"), POSITIVES.clone()
    label[:, 2] = -1
    found = value_and_grad(lambda x: loss(x, label), LOGITS)
    rest = [0, 1, 3, 4]
    assert_close(found, value_and_grad(lambda x: multi_positive(x[:, rest], label[:, rest]), LOGITS), 1e-12)
    for dtype in (torch.float16, torch.float32, F64):
        for part in value_and_grad(lambda x: loss(x, label), 1e4 * LOGITS.sign().to(dtype)):
            assert part.isfinite().all()


def test_one_number_of_a_box_is_wrong() -> None:
    """Each of the four values knows one number only; without an epsilon those of a perfect box are 0."""
    target = torch.tensor([[1.0, 2.0, 5.0, 8.0]])
    loss = mmdet.BoundedIoULoss(eps=0.0, reduction="none")
    for column, pred in enumerate([[1.5, 2, 5.5, 8], [1, 2.5, 5, 8.5], [0.5, 2, 5.5, 8], [1, 1.5, 5, 8.5]]):
        assert loss(torch.tensor([pred]), target).nonzero().tolist() == [[0, column]]
    values, grad = value_and_grad(lambda x: loss(x, target), target)
    assert not values.any() and not grad.any()
    unit = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    perfect = mmdet.BoundedIoULoss(reduction="none")(unit, unit)
    torch.testing.assert_close(perfect, torch.full((1, 4), 2.49501e-6), rtol=1e-3, atol=0.0)


CONSTRUCTORS = {
    "IoULoss": "linear eps reduction loss_weight mode",
    "GIoULoss": "eps reduction loss_weight",
    "DIoULoss": "eps reduction loss_weight",
    "CIoULoss": "eps reduction loss_weight",
    "EIoULoss": "eps reduction loss_weight smooth_point",
    "EfficientIoULoss": "reduction loss_weight",
    "SIoULoss": "eps reduction loss_weight neg_gamma",
    "BoundedIoULoss": "beta eps reduction loss_weight",
    "L1Loss": "reduction loss_weight",
    "MSELoss": "reduction loss_weight",
    "SmoothL1Loss": "beta reduction loss_weight",
    "BalancedL1Loss": "alpha gamma beta reduction loss_weight",
    "CrossEntropyLoss": "use_sigmoid use_mask reduction class_weight ignore_index loss_weight avg_non_ignore",
    "CrossEntropyCustomLoss": "use_sigmoid use_mask reduction num_classes class_weight ignore_index loss_weight avg_non_ignore",
    "FocalCustomLoss": "use_sigmoid num_classes gamma alpha reduction loss_weight activated",
    "FocalLoss": "use_sigmoid gamma alpha reduction loss_weight activated",
    "QualityFocalLoss": "use_sigmoid beta reduction loss_weight activated",
    "VarifocalLoss": "use_sigmoid alpha gamma iou_weighted reduction loss_weight",
    "GaussianFocalLoss": "alpha gamma reduction loss_weight pos_weight neg_weight",
    "DistributionFocalLoss": "reduction loss_weight",
    "KnowledgeDistillationKLDivLoss": "reduction loss_weight T",
    "MultiPosCrossEntropyLoss": "reduction loss_weight",
    "DiceLoss": "use_sigmoid activate reduction naive_dice loss_weight eps",
    "GHMC": "bins momentum use_sigmoid loss_weight reduction",
    "GHMR": "mu bins momentum loss_weight reduction",
    "SeesawLoss": "use_sigmoid p q num_classes eps reduction loss_weight return_dict",
    "EQLV2Loss": "use_sigmoid reduction class_weight loss_weight num_classes use_distributed mu alpha gamma vis_grad test_with_obj",
}


OF_ROWS = [name for name in CONSTRUCTORS if name not in ("GHMC", "GHMR", "SeesawLoss", "EQLV2Loss")]


def test_constructors() -> None:
    assert {loss.__name__ for loss in mmdet.LOSSES} == set(CONSTRUCTORS)
    for loss in mmdet.LOSSES:
        assert list(inspect.signature(loss).parameters) == CONSTRUCTORS[loss.__name__].split()
        assert loss.__doc__


def test_defaults_are_those_of_mmdetection() -> None:
    theirs = theirs_of("mmdet.models.losses")
    for loss in mmdet.LOSSES:
        if loss is not mmdet.EfficientIoULoss:
            there = inspect.signature(getattr(theirs, loss.__name__)).parameters.values()
            found = inspect.signature(loss).parameters.values()
            # With the default there, boxes are rewarded for distance.
            right = {"neg_gamma": True} if loss is mmdet.SIoULoss else {}
            assert {one.name: one.default for one in found} == {one.name: one.default for one in there} | right


@pytest.mark.parametrize("name", OF_ROWS)
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
        getattr(mmdet, name)(**case.arguments | {"reduction": "all"})
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
        lambda: mmdet.SIoULoss(neg_gamma=False),
        lambda: mmdet.EQLV2Loss(use_sigmoid=False),
        lambda: mmdet.EQLV2Loss(class_weight=PER_ROW),
        lambda: mmdet.EQLV2Loss(num_classes=4)(LOGITS, OBJECTS, reduction_override="sum"),
        lambda: mmdet.EQLV2Loss(num_classes=9)(LOGITS, OBJECTS),
        lambda: mmdet.MultiPosCrossEntropyLoss()(LOGITS, OBJECTS),
        lambda: mmdet.CrossEntropyCustomLoss(),
        lambda: mmdet.FocalCustomLoss(),
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


BOX_LOSSES = "IoULoss GIoULoss DIoULoss CIoULoss EIoULoss EfficientIoULoss SIoULoss BoundedIoULoss".split()


@pytest.mark.parametrize("name", BOX_LOSSES)
def test_boxes_that_go_wrong_there(name: str) -> None:
    loss = getattr(mmdet, name)(reduction="none")
    same, point = torch.tensor([[0.0, 0, 100, 100]]), torch.tensor([[5.0, 5, 5, 5]])
    inverted = torch.tensor([[100.0, 100, 0, 0]])
    for pred in (same, point, inverted):
        for part in value_and_grad(lambda x: loss(x, same), pred):
            assert part.isfinite().all()
    assert loss(inverted, same).sum() >= 1.0 - 1e-6
    huge = torch.tensor([[0.0, 0, 800, 600]], dtype=torch.float16)
    assert loss(huge, huge).sum().item() == pytest.approx(0.0, abs=1e-3)
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


@pytest.mark.parametrize("registry", [Registry, mmengine_registry])
def test_registration(registry: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    their_own: Any = type("GIoULoss", (), {})
    models, tasks = registry("model"), registry("task util")
    models.register_module(name="GIoULoss", module=their_own)
    for name in ("mmcv", "mmdet", "mmdet.registry", "mmdet.models"):
        module: Any = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.MODELS, module.TASK_UTILS = models, tasks
        monkeypatch.setitem(sys.modules, name, module)
    importlib.reload(mmdet)
    assert models.build({"type": "DetlossGIoULoss", "loss_weight": 2.0}).loss_weight == 2.0
    assert {f"Detloss{name}" for name in CONSTRUCTORS} | {"GIoULoss"} == set(models.module_dict)
    assert models.module_dict["GIoULoss"] is their_own
    assert {f"Detloss{assigner.__name__}" for assigner in mmdet.ASSIGNERS} == set(tasks.module_dict)
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


@pytest.mark.parametrize("name", OF_ROWS)
def test_one_weight_for_all(name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    loss = getattr(mmdet, name)(**case.arguments)
    for shape in ((), (1,)):
        found = loss(*case.inputs, weight=torch.full(shape, 0.5, dtype=F64))
        torch.testing.assert_close(found, 0.5 * loss(*case.inputs))
