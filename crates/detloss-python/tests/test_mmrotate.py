"""The drop-ins for MMRotate's losses, against the formulas in plain torch, and against itself if it is there."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import inspect
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from detloss.compat import mmrotate
from openmmlab import (
    CALLS,
    F64,
    Case,
    Registry,
    assert_close,
    mmengine_registry,
    random,
    reduced,
    replaced,
    runs,
    value_and_grad,
)

ROWS = 12

# The formulas: of covariances (xx, yy, xy), and of a polygon that is cut.

Symmetric = tuple[Tensor, Tensor, Tensor]


def covariance(box: Tensor) -> Symmetric:
    cos, sin, (w, h) = box[:, 4].cos(), box[:, 4].sin(), (box[:, 2:4] ** 2 / 4).T
    return w * cos**2 + h * sin**2, w * sin**2 + h * cos**2, (w - h) * sin * cos


def det(matrix: Symmetric) -> Tensor:
    return matrix[0] * matrix[1] - matrix[2] ** 2


def inverse(matrix: Symmetric) -> Symmetric:
    return matrix[1] / det(matrix), matrix[0] / det(matrix), -matrix[2] / det(matrix)


def trace_of_product(one: Symmetric, other: Symmetric) -> Tensor:
    return one[0] * other[0] + one[1] * other[1] + 2 * one[2] * other[2]


def added(one: Symmetric, other: Symmetric) -> Symmetric:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def squared_offset(matrix: Symmetric, pred: Tensor, target: Tensor) -> Tensor:
    """That of the centres, with the matrix in between."""
    x, y = (pred[:, :2] - target[:, :2]).T
    return trace_of_product(matrix, (x**2, y**2, x * y))


def wasserstein(pred: Tensor, target: Tensor) -> Tensor:
    p, t = covariance(pred), covariance(target)
    shared = (trace_of_product(p, t) + 2 * (det(p) * det(t)).sqrt()).sqrt()
    return ((pred[:, :2] - target[:, :2]) ** 2).sum(-1) + p[0] + p[1] + t[0] + t[1] - 2 * shared


def mean_side(pred: Tensor, target: Tensor) -> Tensor:
    return (pred[:, 2:4].prod(-1) * target[:, 2:4].prod(-1)) ** 0.25


def divergence(pred: Tensor, target: Tensor) -> Tensor:
    """That of the target from the prediction."""
    p, t = covariance(pred), covariance(target)
    of_shapes = trace_of_product(inverse(p), t) + (det(p) / det(t)).log()
    return (squared_offset(inverse(p), pred, target) + of_shapes) / 2 - 1


def both_ways(pred: Tensor, target: Tensor) -> Tensor:
    return (divergence(pred, target) + divergence(target, pred)) / 2


def bhattacharyya(pred: Tensor, target: Tensor) -> Tensor:
    p, t = covariance(pred), covariance(target)
    double = added(p, t)
    offset = squared_offset(inverse(double), pred, target)
    return offset / 4 + (det(double) / 4 / (det(p) * det(t)).sqrt()).log() / 2


def kfiou(pred: Tensor, target: Tensor) -> Tensor:
    product = inverse(added(inverse(covariance(pred)), inverse(covariance(target))))
    overlap = 4 * det(product).sqrt()
    return overlap / (pred[:, 2:4].prod(-1) + target[:, 2:4].prod(-1) - overlap)


def corners(box: Tensor) -> list[Tensor]:
    cos, sin = box[4].cos(), box[4].sin()
    e, f = torch.stack([cos, sin]) * box[2] / 2, torch.stack([-sin, cos]) * box[3] / 2
    return [box[:2] + a * e + b * f for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]


def cross(a: Tensor, b: Tensor) -> Tensor:
    return a[0] * b[1] - a[1] * b[0]


def overlap(pred: Tensor, target: Tensor) -> Tensor:
    """The area of one box within the other: what the four edges of the other leave of it."""
    polygon, knife = corners(pred), corners(target)
    for start, end in zip(knife, knife[1:] + knife[:1], strict=True):
        kept, sides = [], [cross(end - start, corner - start) for corner in polygon]
        for i, side in enumerate(sides):
            if sides[i - 1] * side < 0:
                kept.append(polygon[i - 1] + (polygon[i] - polygon[i - 1]) * sides[i - 1] / (sides[i - 1] - side))
            if side >= 0:
                kept.append(polygon[i])
        polygon = kept
    area = pred.sum() * 0.0
    for i, corner in enumerate(polygon):
        area = area + cross(polygon[i - 1], corner) / 2
    return area


def iou(pred: Tensor, target: Tensor) -> Tensor:
    meet = torch.stack([overlap(*pair) for pair in zip(pred, target, strict=True)])
    return meet / (pred[:, 2:4].prod(-1) + target[:, 2:4].prod(-1) - meet)


def tempered(tau: float, values: Tensor) -> Tensor:
    return 1 - 1 / (tau + values)


def rooted(distance: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """What MMRotate's newer class makes of a divergence if it is told nothing else."""
    return lambda p, t: distance(p, t).sqrt().log1p()


def backwards(pred: Tensor, target: Tensor) -> Tensor:
    return divergence(target, pred)


def larger(pred: Tensor, target: Tensor) -> Tensor:
    return torch.maximum(divergence(pred, target), backwards(pred, target))


def smaller(pred: Tensor, target: Tensor) -> Tensor:
    return torch.minimum(divergence(pred, target), backwards(pred, target))


def rotated(seed: int) -> Tensor:
    centre, sides = random(ROWS, 2, seed=seed, high=50.0), random(ROWS, 2, seed=seed + 1, low=4.0, high=40.0)
    return torch.cat([centre, sides, random(ROWS, 1, seed=seed + 2, low=-4.0, high=4.0)], -1)


FAR, TARGET = rotated(80), rotated(84)
NEAR = TARGET + random(ROWS, 5, seed=88, low=-0.2, high=0.2) * torch.tensor([10.0, 10.0, 4.0, 4.0, 1.0], dtype=F64)
PER_ROW, PER_SIDE = random(ROWS, seed=90), random(ROWS, 5, seed=91)

GAUSSIAN: list[tuple[dict[str, Any], Callable[[Tensor, Tensor], Tensor]]] = [
    ({"loss_type": "gwd", "loss_weight": 5.0}, lambda p, t: 5 * (wasserstein(p, t).sqrt() / mean_side(p, t)).log1p()),
    ({"loss_type": "gwd", "tau": 2.0, "normalize": False}, lambda p, t: tempered(2, wasserstein(p, t).sqrt().log1p())),
    ({"loss_type": "gwd", "tau": 1.0, "fun": "none", "normalize": False}, lambda p, t: tempered(1, wasserstein(p, t).sqrt())),
    ({"loss_type": "gwd", "fun": "none"}, lambda p, t: wasserstein(p, t).sqrt() / mean_side(p, t)),
    ({"loss_type": "kld"}, rooted(divergence)),
    ({"loss_type": "kld", "tau": 1.0, "sqrt": False}, lambda p, t: tempered(1, divergence(p, t).log1p())),
    ({"loss_type": "kld", "fun": "none", "sqrt": False}, divergence),
    ({"loss_type": "kld", "fun": "sqrt", "sqrt": False, "tau": 0.5}, lambda p, t: divergence(p, t).sqrt()),
    ({"loss_type": "jd"}, rooted(both_ways)),
    ({"loss_type": "jd", "tau": 2.0, "sqrt": False}, lambda p, t: tempered(2, both_ways(p, t).log1p())),
    ({"loss_type": "kld_symmax"}, rooted(larger)),
    ({"loss_type": "kld_symmin", "loss_weight": 3.0}, lambda p, t: 3 * rooted(smaller)(p, t)),
    ({"loss_type": "kld_symmax", "tau": 1.0, "sqrt": False}, lambda p, t: tempered(1, larger(p, t).log1p())),
]

OF_IOU: list[tuple[dict[str, Any], Callable[[Tensor, Tensor], Tensor]]] = [
    ({}, lambda p, t: -iou(p, t).clamp(min=1e-6).log()),
    ({"eps": 0.01, "loss_weight": 2.0}, lambda p, t: -2 * iou(p, t).clamp(min=0.01).log()),
    ({"mode": "linear"}, lambda p, t: 1 - iou(p, t)),
    ({"linear": True}, lambda p, t: 1 - iou(p, t)),
    ({"mode": "square"}, lambda p, t: 1 - iou(p, t) ** 2),
]

CASES = [
    Case(name, arguments, (pred, TARGET), formula, (PER_ROW, PER_SIDE))
    for name, table in (("GDLoss", GAUSSIAN), ("RotatedIoULoss", OF_IOU))
    for arguments, formula in table
    for pred in (NEAR, FAR)
]

OLDER: list[tuple[dict[str, Any], Callable[[Tensor, Tensor], Tensor]]] = [
    ({"loss_type": "gwd"}, lambda p, t: tempered(1, wasserstein(p, t).sqrt())),
    ({"loss_type": "gwd", "fun": "log1p", "tau": 2.0}, lambda p, t: tempered(2, wasserstein(p, t).log1p())),
    ({"loss_type": "gwd", "fun": ""}, lambda p, t: (wasserstein(p, t).sqrt() / mean_side(p, t)).log1p()),
    ({"loss_type": "bcd"}, lambda p, t: tempered(1, bhattacharyya(p, t).sqrt())),
    ({"loss_type": "bcd", "fun": "log1p"}, lambda p, t: tempered(1, bhattacharyya(p, t).log1p())),
    ({"loss_type": "bcd", "fun": ""}, lambda p, t: tempered(1, bhattacharyya(p, t))),
    ({"loss_type": "kld", "tau": 1.5}, lambda p, t: tempered(1.5, (2 * backwards(p, t)).sqrt())),
    ({"loss_type": "kld", "fun": "log1p"}, lambda p, t: tempered(1, (2 * backwards(p, t)).log1p())),
    ({"loss_type": "kld", "fun": "", "tau": 2.0}, lambda p, t: tempered(2, (2 * backwards(p, t)).log1p())),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_formula(case: Case) -> None:
    loss = getattr(mmrotate, case.name)(**case.arguments)
    pred, target = case.inputs
    for weight, call in runs(case):
        expected = value_and_grad(lambda x: reduced(replaced(case, x), weight, **call), pred)
        assert_close(value_and_grad(lambda x: loss(x, target, weight=weight, **call), pred), expected, 1e-9)


@pytest.mark.parametrize(("arguments", "formula"), OLDER, ids=lambda value: str(value) if isinstance(value, dict) else "formula")
def test_the_older_formula(arguments: dict[str, Any], formula: Callable[[Tensor, Tensor], Tensor]) -> None:
    loss = mmrotate.GDLoss_v1(loss_weight=2.0, **arguments)
    for weight in (None, (PER_ROW - 0.4).clamp(min=0.0), (PER_SIDE[:, :1] - 0.4).clamp(min=0.0).expand(ROWS, 5)):
        chosen = torch.ones(ROWS) > 0 if weight is None else weight.reshape(ROWS, -1)[:, 0] > 0
        for call, reduce in (
            ({}, lambda values: values.sum() / chosen.sum()),
            ({"avg_factor": 7.5}, lambda values: values.sum() / chosen.sum()),
            ({"reduction_override": "sum"}, Tensor.sum),
            ({"reduction_override": "none"}, lambda values: values),
        ):
            found = value_and_grad(lambda x: loss(x, TARGET, weight, **call), NEAR)
            expected = value_and_grad(lambda x: reduce(2.0 * formula(x, TARGET) * chosen), NEAR)
            assert_close(found, expected, 1e-9)


@pytest.mark.parametrize("fun", ["none", "ln", "exp"])
@pytest.mark.parametrize("weight", [None, PER_ROW, PER_SIDE], ids=["plain", "per row", "per side"])
def test_kalman(fun: str, weight: Tensor | None) -> None:
    loss = mmrotate.KFLoss(fun=fun, loss_weight=5.0)
    encoded, right = NEAR / 50.0, TARGET / 50.0

    def formula(x: Tensor, boxes: Tensor) -> Tensor:
        overlap, error = kfiou(boxes, TARGET), (x[:, :2] - right[:, :2]).abs()
        shape = {"none": 1 - overlap, "ln": -(overlap + 1e-6).log(), "exp": (1 - overlap).exp() - 1}[fun]
        offsets = torch.where(error < 1 / 9, 4.5 * error**2, error - 1 / 18)
        return 5.0 * (offsets.sum(-1) + shape)

    for call in CALLS:
        for x, boxes in ((encoded, NEAR), (encoded, FAR), (FAR / 50.0, NEAR)):
            case = Case("KFLoss", {}, (boxes,), lambda b, x=x: formula(x, b))
            given: dict[str, Any] = {"weight": weight, "targets_decode": TARGET, **call}
            expected = value_and_grad(lambda b: reduced(replaced(case, b), weight, **call), boxes)
            assert_close(value_and_grad(lambda b: loss(x, right, pred_decode=b, **given), boxes), expected, 1e-9)
            case = Case("KFLoss", {}, (x,), lambda x, boxes=boxes: formula(x, boxes))
            expected = value_and_grad(lambda x: reduced(replaced(case, x), weight, **call), x)
            assert_close(value_and_grad(lambda x: loss(x, right, pred_decode=boxes, **given), x), expected, 1e-9)


def test_against_mmrotate() -> None:
    theirs = pytest.importorskip("mmrotate.models.losses")
    weight = (PER_ROW - 0.4).clamp(min=0.0)
    for case in CASES:
        # Its IoU needs an operation of MMCV.
        if case.name == "GDLoss":
            loss, other = (module.GDLoss(**case.arguments) for module in (mmrotate, theirs))
            pred, target = case.inputs
            for weights, call in runs(case):
                expected = value_and_grad(lambda x: other(x, target, weight=weights, **call), pred)
                found = value_and_grad(lambda x: loss(x, target, weight=weights, **call), pred)
                assert_close(found, expected, 1e-6)
    for arguments, _ in OLDER:
        loss, other = (module.GDLoss_v1(**arguments) for module in (mmrotate, theirs))
        expected = value_and_grad(lambda x: other(x, TARGET, weight).mean(), NEAR)
        assert_close(value_and_grad(lambda x: loss(x, TARGET, weight), NEAR), expected, 1e-6)
    for fun in ("none", "ln", "exp"):
        loss, other = (module.KFLoss(fun=fun) for module in (mmrotate, theirs))
        given: dict[str, Any] = {"targets_decode": TARGET, "weight": PER_ROW, "avg_factor": 7.5}
        expected = value_and_grad(lambda b: other(NEAR, TARGET, pred_decode=b, **given), NEAR)
        assert_close(value_and_grad(lambda b: loss(NEAR, TARGET, pred_decode=b, **given), NEAR), expected, 1e-6)


CONSTRUCTORS = {
    "GDLoss": "loss_type representation fun tau alpha reduction loss_weight normalize sqrt",
    "GDLoss_v1": "loss_type fun tau reduction loss_weight",
    "KFLoss": "fun reduction loss_weight",
    "RotatedIoULoss": "linear eps reduction loss_weight mode",
}


def test_constructors() -> None:
    assert {loss.__name__ for loss in mmrotate.LOSSES} == set(CONSTRUCTORS)
    for loss in mmrotate.LOSSES:
        assert list(inspect.signature(loss).parameters) == CONSTRUCTORS[loss.__name__].split()
        assert loss.__doc__


def test_defaults_are_those_of_mmrotate() -> None:
    theirs = pytest.importorskip("mmrotate.models.losses")
    for loss in mmrotate.LOSSES:
        there = inspect.signature(getattr(theirs, loss.__name__)).parameters.values()
        found = {one.name: one.default for one in inspect.signature(loss).parameters.values()}
        # What goes through there as any keyword is None here until it is given.
        assert {one.name: one.default for one in there if one.name != "kwargs"} == {
            name: default for name, default in found.items() if name not in ("normalize", "sqrt")
        }


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: mmrotate.GDLoss("iou"), "loss_type"),
        (lambda: mmrotate.GDLoss("kld", fun="ln"), "fun"),
        (lambda: mmrotate.GDLoss("kld", representation="xy_stddev_pearson"), "xy_wh_r"),
        (lambda: mmrotate.GDLoss("kld", alpha=2.0), "alpha"),
        (lambda: mmrotate.GDLoss("kld", fun="sqrt"), "sqrt=False"),
        (lambda: mmrotate.GDLoss("gwd", fun="sqrt"), "root of a root"),
        (lambda: mmrotate.GDLoss("gwd", sqrt=False), "leave out"),
        (lambda: mmrotate.GDLoss("jd", normalize=True), "leave out"),
        (lambda: mmrotate.GDLoss("kld", reduction="all"), "reduction"),
        (lambda: mmrotate.GDLoss_v1("jd"), "loss_type"),
        (lambda: mmrotate.GDLoss_v1("kld", fun="none"), "fun"),
        (lambda: mmrotate.GDLoss_v1("kld", tau=0.0), "tau"),
        (lambda: mmrotate.KFLoss(fun="log"), "fun"),
        (lambda: mmrotate.KFLoss()(NEAR, TARGET, pred_decode=NEAR), "targets_decode"),
        (lambda: mmrotate.RotatedIoULoss(mode="cube"), "mode"),
        (lambda: mmrotate.RotatedIoULoss(mode="linear")(NEAR, TARGET, avg_factor=2.0, reduction_override="sum"), "avg_factor"),
    ],
)
def test_what_is_not_supported(build: Callable[[], Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        build()


def kalman(pred: Tensor, target: Tensor) -> Tensor:
    return mmrotate.KFLoss(reduction="none")(pred, target, pred_decode=pred, targets_decode=target)


OF_PAIRS: list[tuple[Callable[..., Tensor], float]] = [
    # Any tau above 1 leaves something of a perfect box, as there.
    *(
        (build(reduction="none", **arguments), 1 - 1 / max(arguments.get("tau", 1.0), 1.0))
        for build, table in ((mmrotate.GDLoss, GAUSSIAN), (mmrotate.GDLoss_v1, OLDER))
        for arguments, _ in table
    ),
    *((mmrotate.RotatedIoULoss(reduction="none", mode=mode), 0.0) for mode in ("linear", "log", "square")),
    (kalman, 2 / 3),
]


@pytest.mark.parametrize(("loss", "perfect"), OF_PAIRS)
def test_boxes_that_go_wrong_there(loss: Callable[..., Tensor], perfect: float) -> None:
    same = torch.tensor([[30.0, 40.0, 20.0, 8.0, 0.7]])
    for dtype in (torch.float16, torch.float32, F64):
        value, grad = value_and_grad(lambda x: loss(x, same.to(dtype)), same.to(dtype))
        assert value.item() == pytest.approx(perfect, abs=1e-3 if dtype is torch.float16 else 1e-6)
        assert grad.abs().max() <= 1e-6
    for pred in ([0.0] * 5, [30.0, 40.0, 0.0, 8.0, 0.7], [30.0, 40.0, -5.0, 8.0, 0.7], [900.0, 0.0, 1.0, 50.0, 3.0]):
        for target in ([0.0] * 5, [30.0, 40.0, 20.0, 8.0, 0.7]):
            one, other = torch.tensor([pred]), torch.tensor([target])
            for part in value_and_grad(lambda x: loss(x, other), one):
                assert part.isfinite().all()


def test_without_boxes() -> None:
    for rows in (0, 3):
        boxes, weight = torch.rand(rows, 5).requires_grad_(), torch.zeros(rows)
        for loss in (mmrotate.GDLoss("kld"), mmrotate.GDLoss("kld_symmin"), mmrotate.GDLoss_v1("kld"), mmrotate.RotatedIoULoss()):
            value = loss(boxes, boxes.detach() + 1.0, weight)
            assert value.item() == 0.0 and value.requires_grad


@pytest.mark.parametrize("registry", [Registry, mmengine_registry])
@pytest.mark.parametrize("version", ["1.0", "0.3"])
def test_registration(registry: Callable[[str], Any], version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    their_own: Any = type("GDLoss", (), {})
    models = registry("model")
    models.register_module(name="GDLoss", module=their_own)
    room, of = {"1.0": ("mmrotate.registry", "MODELS"), "0.3": ("mmrotate.models.builder", "ROTATED_LOSSES")}[version]
    monkeypatch.delitem(sys.modules, "mmrotate.registry", raising=False)
    for name in ("mmrotate", "mmrotate.models", room):
        module: Any = types.ModuleType(name)
        module.__spec__, module.__path__ = importlib.machinery.ModuleSpec(name, None, is_package=True), []
        monkeypatch.setitem(sys.modules, name, module)
    setattr(sys.modules[room], of, models)
    importlib.reload(mmrotate)
    assert models.build({"type": "DetlossGDLoss", "loss_type": "gwd"}).loss_type == "gwd"
    assert {f"Detloss{name}" for name in CONSTRUCTORS} | {"GDLoss"} == set(models.module_dict)
    assert models.module_dict["GDLoss"] is their_own
    mmrotate.register(override=True)
    assert models.module_dict["GDLoss"] is mmrotate.GDLoss
    assert "KFLoss" not in models.module_dict


def test_mmrotate_is_not_needed() -> None:
    with pytest.raises(ModuleNotFoundError, match="mmrotate"):
        if importlib.util.find_spec("mmrotate") is not None:
            pytest.skip("MMRotate is installed")
        mmrotate.register()
