"""A small detector learns as with torchvision's losses: the same loss in every step, from equal weights and images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import detloss.torch as losses
from detloss.compat import mmdet
from detloss.compat import torchvision as ours

theirs = pytest.importorskip("torchvision.ops")

CLASSES, SIDE, STRIDE, STEPS = 2, 64, 8, 30

# Logits and boxes of all places, their classes (CLASSES is background) and target boxes.
Criterion = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


class Detector(nn.Module):
    """Every place of a coarse grid predicts a class, and a box by the distances of its edges, as FCOS does."""

    places: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, 2, 1),
            nn.ReLU(),
        )
        self.scores = nn.Conv2d(32, CLASSES, 3, 1, 1)
        self.edges = nn.Conv2d(32, 4, 3, 1, 1)
        nn.init.constant_(self.scores.bias, -2.0)  # type: ignore[arg-type]
        self.register_buffer("places", places())

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(images)
        logits = self.scores(features).permute(0, 2, 3, 1).reshape(-1, CLASSES)
        edges = self.edges(features).permute(0, 2, 3, 1).reshape(-1, 4).clamp(-4.0, 4.0).exp() * STRIDE
        at = self.places.repeat(len(images), 1).to(edges.dtype)
        return logits, torch.cat([at - edges[:, :2], at + edges[:, 2:]], -1)


def places() -> Tensor:
    """The middle of every cell of the grid, x and y."""
    middles = (torch.arange(SIDE // STRIDE) + 0.5) * STRIDE
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2)


def scene(generator: torch.Generator, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Four noisy images with a bright rectangle of either colour each; classes and boxes of all places."""
    images = torch.rand(4, 3, SIDE, SIDE, generator=generator) * 0.3
    corners = torch.randint(0, SIDE // 2, (4, 2), generator=generator)
    sides = torch.randint(SIDE // 4, SIDE // 2, (4, 2), generator=generator)
    boxes = torch.cat([corners, corners + sides], -1)
    kinds = torch.randint(0, CLASSES, (4,), generator=generator)
    for image, (x1, y1, x2, y2), kind in zip(images, boxes.tolist(), kinds.tolist(), strict=True):
        image[kind, y1:y2, x1:x2] += 1.0
    at = places()
    inside = ((at > boxes[:, None, :2]) & (at < boxes[:, None, 2:])).all(-1)
    classes = torch.where(inside, kinds[:, None], CLASSES)
    return images.to(dtype), classes.reshape(-1), boxes.repeat_interleave(len(at), 0).to(dtype)


def by_torchvision(library: Any) -> Criterion:
    """What RetinaNet and FCOS do in torchvision."""

    def criterion(logits: Tensor, boxes: Tensor, classes: Tensor, target: Tensor) -> Tensor:
        is_object = classes < CLASSES
        labels = nn.functional.one_hot(classes, CLASSES + 1)[:, :CLASSES].to(logits.dtype)
        focal: Tensor = library.sigmoid_focal_loss(logits, labels, reduction="sum")
        overlap: Tensor = library.generalized_box_iou_loss(boxes[is_object], target[is_object], reduction="sum")
        return (focal + overlap) / is_object.sum().clamp(min=1)

    return criterion


THEIRS, OURS = by_torchvision(theirs), by_torchvision(ours)


def by_functions(logits: Tensor, boxes: Tensor, classes: Tensor, target: Tensor) -> Tensor:
    """Class indices and weights: nothing is copied, chosen or waited for."""
    is_object = classes < CLASSES
    objects = is_object.sum()
    focal = losses.focal(logits, classes, avg_factor=objects)
    return focal + losses.giou(boxes, target, weight=is_object, avg_factor=objects, eps=1e-7)


def by_mmdetection(logits: Tensor, boxes: Tensor, classes: Tensor, target: Tensor) -> Tensor:
    is_object = classes < CLASSES
    objects = is_object.sum()
    weight = is_object[:, None].expand_as(boxes).to(boxes.dtype)
    focal: Tensor = mmdet.FocalLoss()(logits, classes, avg_factor=objects)
    overlap: Tensor = mmdet.GIoULoss()(boxes, target, weight, avg_factor=objects)
    return focal + overlap


@cache
def train(criterion: Criterion, dtype: torch.dtype = torch.float64, autocast: bool = False) -> Tensor:
    """The loss of every step."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    detector = Detector().to(dtype)
    optimizer = torch.optim.SGD(detector.parameters(), lr=0.05, momentum=0.9)

    curve = []
    for _ in range(STEPS):
        images, classes, target = scene(generator, dtype)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            logits, boxes = detector(images)
            loss = criterion(logits, boxes, classes, target)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        curve.append(loss.item())
    return torch.tensor(curve, dtype=torch.float64)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The tensors are too small for more, and threads that wait for each other are slow on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def assert_learns(curve: Tensor) -> None:
    assert curve[-5:].mean() < 0.6 * curve[:5].mean(), curve


@pytest.mark.parametrize(
    "criterion, rtol",
    # MMDetection's GIoU loss has no epsilon where boxes are larger than one.
    [(OURS, 1e-10), (by_functions, 1e-10), (by_mmdetection, 1e-5)],
)
def test_the_same_curve_as_torchvision(criterion: Criterion, rtol: float) -> None:
    curve = train(THEIRS)
    assert_learns(curve)
    torch.testing.assert_close(train(criterion), curve, rtol=rtol, atol=0.0)


@pytest.mark.parametrize("criterion", [OURS, by_functions])
def test_the_same_curve_in_single_precision(criterion: Criterion) -> None:
    curve = train(THEIRS, torch.float32)
    torch.testing.assert_close(train(criterion, torch.float32), curve, rtol=1e-3, atol=0.0)


@pytest.mark.parametrize("criterion", [OURS, by_functions])
def test_the_same_curve_with_autocast(criterion: Criterion) -> None:
    """As long as the weights are alike: torchvision rounds probabilities to bfloat16, and what that changes doubles every two steps, by
    other digits on other processors. In later steps its losses see what ours have learned."""
    seen = []

    def followed(*predictions: Tensor) -> Tensor:
        seen.append(THEIRS(*predictions).item())
        return criterion(*predictions)

    curve = train(followed, torch.float32, autocast=True)
    assert_learns(curve)
    torch.testing.assert_close(curve, torch.tensor(seen, dtype=torch.float64), rtol=2**-8, atol=0.0)
    expected = train(THEIRS, torch.float32, autocast=True)
    first = slice(STEPS // 2)
    torch.testing.assert_close(curve[first], expected[first], rtol=0.02, atol=0.0)


# The compiler looks at the gradients of tensors that have none, and hides the warning unless it is an error.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_the_same_curve_compiled() -> None:
    torch.compiler.reset()
    curve = train(torch.compile(by_functions, fullgraph=True, backend="aot_eager"))
    torch.testing.assert_close(curve, train(by_functions), rtol=1e-9, atol=0.0)
