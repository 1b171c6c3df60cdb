"""Criteria in tensor operations, for devices, against the compiled core. Tensors of the CPU are sent that way by force."""

from __future__ import annotations

import json
from typing import Any

import pytest
import queries
import torch
from test_criteria import SIDE, Scene
from torch import Tensor
from torch.overrides import TorchFunctionMode

from detloss.torch import criteria
from detloss.torch.criteria import Criterion, Evaluation, Outputs

NAMES = [line.name for line in criteria.criteria()]

PARTS = ("logits", "boxes", "quality", "angle", "distribution")

BATCHES = {"some": [3, 0, 9], "one image": [4], "no truths": [0, 0]}

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def batch(criterion: Criterion, counts: list[int], dtype: torch.dtype = torch.float64, factor: float = 1.0) -> tuple[Any, ...]:
    """Outputs of every head, two layers of those with a matcher, and truths; whatever the criterion is."""
    scene = Scene(counts, len(counts))
    random = torch.Generator().manual_seed(7)
    heads = criterion.data["heads"]
    is_centers = any(head["decoder"] == "centers" for head in heads)
    is_rotated = any("rotated" in json.dumps(head["decoder"]) for head in heads)
    rows = 13 * 2 if is_centers else len(scene.points)
    images = len(counts)

    def normal(*shape: int) -> Tensor:
        numbers = torch.randn(*shape, generator=random, dtype=torch.float64) * factor
        return numbers.to(dtype).requires_grad_()

    def fractions(*shape: int) -> Tensor:
        return queries.boxes(torch.rand(*shape, generator=random, dtype=torch.float64)).to(dtype)

    truths = [fractions(count, 4) if is_centers else one.to(dtype) for count, one in zip(counts, scene.truths, strict=True)]
    labels = [label.clamp(min=1, max=5) for label in scene.labels]
    if is_rotated:
        truths = [
            torch.cat([(one[:, :2] + one[:, 2:]) / 2, one[:, 2:] - one[:, :2], torch.rand(len(one), 1, generator=random).to(dtype)], 1)
            for one in truths
        ]
    half = scene.strides[:, None] * 2
    squares = torch.cat([scene.points - half, scene.points + half], 1).to(dtype)
    points = (scene.points.to(dtype), scene.strides.to(dtype))
    outputs = []
    for head in heads:
        written = head["decoder"]
        bins = written.get("bins", written.get("rotated_bins", 1)) if isinstance(written, dict) else 1
        columns = 4 * bins * (7 if head["class_specific"] else 1)
        for _ in range(2):
            boxes = normal(images, rows, columns)
            if is_centers and factor == 1.0:
                boxes = fractions(images, rows, 4).requires_grad_()
            pairs = torch.full((images, rows), -1)
            for image, count in enumerate(counts):
                pairs[image, :count] = torch.arange(count)
                pairs[image, -3:] = -2
            outputs.append(
                Outputs(
                    normal(images, rows, 7),
                    boxes,
                    head=head["name"],
                    anchors=None if is_centers else squares if "deltas" in written else points,
                    levels=None if is_centers else scene.levels,
                    quality=normal(images, rows),
                    angle=normal(images, rows) if is_rotated else None,
                    distribution=normal(images, rows, 4 * 9) if is_centers else None,
                    references=fractions(images, rows, 4) if is_centers else None,
                    image_size=(SIDE, SIDE),
                    pairs=pairs if head["matcher"] is None else None,
                    seed=3,
                )
            )
    return outputs, truths, labels


def leaves_of(outputs: list[Outputs]) -> list[Tensor]:
    tensors = [getattr(one, part) for one in outputs for part in PARTS]
    return [tensor for tensor in tensors if tensor is not None]


def slopes(result: Evaluation, leaves: list[Tensor]) -> list[Tensor]:
    given = torch.autograd.grad(result.total, leaves, allow_unused=True)
    return [torch.zeros_like(leaf) if slope is None else slope for slope, leaf in zip(given, leaves, strict=True)]


def hold(criterion: Criterion, given: tuple[Any, ...], rel: float = 1e-9, slope_rel: float = 1e-7, least: float = 1e-11) -> None:
    """Both roads find the same, term by term."""
    fused = criterion(*given, backend="fused")
    there = criterion(*given, backend="decomposed")
    assert isinstance(next(iter(there.terms.values())), Tensor), "it went over the host"
    assert all(torch.equal(one.long(), two.long()) for one, two in zip(fused.indices, there.indices, strict=True))
    assert list(there.terms) == list(fused.terms)
    for name, value in fused.terms.items():
        assert there.terms[name].item() == pytest.approx(value, rel=rel, abs=least), name
    assert there.total.item() == pytest.approx(fused.total.item(), rel=rel)
    leaves = leaves_of(given[0])
    for one, two in zip(slopes(there, leaves), slopes(fused, leaves), strict=True):
        torch.testing.assert_close(one, two, rtol=slope_rel, atol=least)


@pytest.mark.parametrize("counts", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("name", NAMES)
def test_both_roads_are_one(name: str, counts: list[int]) -> None:
    criterion = criteria.get_criterion(name)
    hold(criterion, batch(criterion, counts))


@pytest.mark.parametrize("name", NAMES)
def test_single_precision_is_near(name: str) -> None:
    criterion = criteria.get_criterion(name)
    hold(criterion, batch(criterion, [3, 5], torch.float32), rel=1e-4, slope_rel=1e-3, least=1e-4)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("yolo8", {"box": "siou", "cls": "focal", "matcher": "atss"}),
        ("fcos", {"bbox_regression": "inner(ciou, ratio=0.8)", "classification.weight": 3}),
        ("rt_detr", {"giou": "diou", "bbox.weight": 0}),
    ],
)
def test_settings_hold_on_both(name: str, settings: dict[str, Any]) -> None:
    criterion = criteria.get_criterion(name, **settings)
    hold(criterion, batch(criterion, [3, 0, 6]))


@pytest.mark.parametrize("name", NAMES)
def test_huge_outputs_stay_finite(name: str) -> None:
    criterion = criteria.get_criterion(name)
    given = batch(criterion, [3, 2], factor=1e4)
    result = criterion(*given, backend="decomposed")
    assert isinstance(next(iter(result.terms.values())), Tensor)
    assert result.total.isfinite()
    assert all(slope.isfinite().all() for slope in slopes(result, leaves_of(given[0])))


@pytest.mark.parametrize("backend", ["decomposed", "fused"])
def test_what_does_not_fit_is_said_by_the_core(backend: str) -> None:
    criterion = criteria.get_criterion("yolo8")
    outputs, truths, labels = batch(criterion, [3])
    with pytest.raises(ValueError, match="image 0"):
        criterion(outputs, truths, [torch.tensor([0, 7, 1])], backend=backend)
    with pytest.raises(ValueError, match="backend is 'cuda'"):
        criterion(outputs, truths, labels, backend="cuda")


class Reads(TorchFunctionMode):
    """Counts the ways in which the host reads a tensor."""

    WAYS = ("item", "tolist", "cpu", "numpy", "__bool__", "__int__", "__float__", "nonzero")

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(function, "__name__", "")
        if name in self.WAYS:
            self.seen.append(name)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["retinanet", "fcos", "ssd", "yolox", "yolo8", "rtmdet", "ppyoloe"])
def test_the_host_reads_nothing_but_numbers_of_pairs(name: str) -> None:
    criterion = criteria.get_criterion(name)
    given = batch(criterion, [3, 0, 6])
    with Reads() as reads:
        criterion(*given, backend="decomposed")
    assert set(reads.seen) <= {"nonzero"}, reads.seen


@gpu
@pytest.mark.parametrize("name", NAMES)
def test_gpu_is_the_host(name: str) -> None:
    criterion = criteria.get_criterion(name)
    outputs, truths, labels = batch(criterion, [3, 0, 6])
    fused = criterion(outputs, truths, labels)
    there = [
        one.replaced(**{part: getattr(one, part).cuda() for part in PARTS if getattr(one, part) is not None}) for one in outputs
    ]
    result = criterion(there, truths, labels)
    assert result.total.device.type == "cuda"
    assert result.total.item() == pytest.approx(fused.total.item(), rel=1e-8)
    leaves = leaves_of(outputs)
    for one, two in zip(slopes(result, leaves), slopes(fused, leaves), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-10)
