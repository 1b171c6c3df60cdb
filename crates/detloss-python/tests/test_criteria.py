"""Criteria beside the originals that each is named after: totals, terms, and gradients by the raw outputs."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from detloss import criteria, matching
from detloss.torch import criteria as modules
from detloss.torch.criteria import Outputs

SEEDS = pytest.mark.parametrize("seed", range(4))
CLASSES, SIDE = 7, 128


class Scene:
    """Raw outputs of every head there is, for images with these numbers of truths, in double precision."""

    def __init__(self, counts: list[int], seed: int, bins: int = 16) -> None:
        random = torch.Generator().manual_seed(seed)
        self.counts = counts

        def normal(*shape: int, scale: float = 1.0) -> Tensor:
            return (torch.randn(*shape, generator=random, dtype=torch.float64) * scale).requires_grad_()

        self.points, self.strides, self.levels = grid()
        rows, images = len(self.points), len(counts)
        self.truths = [boxes(count, random) for count in counts]
        self.labels = [torch.randint(0, CLASSES, (count,), generator=random) for count in counts]
        self.logits, self.quality = normal(images, rows, CLASSES), normal(images, rows)
        self.deltas = normal(images, rows, 4, scale=0.3)
        self.distances = (torch.rand(images, rows, 4, generator=random, dtype=torch.float64) * 4).requires_grad_()
        self.bins = normal(images, rows, 4 * bins)

    @property
    def anchors(self) -> tuple[Tensor, Tensor]:
        return self.points, self.strides

    def squares(self) -> Tensor:
        half = self.strides[:, None] * 2
        return torch.cat([self.points - half, self.points + half], 1)


def grid() -> tuple[Tensor, Tensor, list[int]]:
    points, strides, levels = [], [], []
    for stride in (8, 16, 32):
        along = (torch.arange(SIDE // stride, dtype=torch.float64) + 0.5) * stride
        y, x = torch.meshgrid(along, along, indexing="ij")
        points.append(torch.stack([x.flatten(), y.flatten()], 1))
        strides.append(torch.full((len(points[-1]),), float(stride), dtype=torch.float64))
        levels.append(len(points[-1]))
    return torch.cat(points), torch.cat(strides), levels


def boxes(count: int, random: torch.Generator) -> Tensor:
    numbers = torch.rand(count, 4, generator=random, dtype=torch.float64)
    size = 6 + numbers[:, 2:] * 60
    corner = numbers[:, :2] * (SIDE - size)
    return torch.cat([corner, corner + size], 1)


def hold(name: str, outputs: Any, truths: Any, labels: Any, theirs: dict[str, Tensor], leaves: list[Tensor], **settings: Any) -> None:
    """Our terms are theirs, and so are the gradients of the total by the leaves."""
    ours = modules.get_criterion(name, **settings)(outputs, truths, labels)
    expected = sum(theirs.values(), torch.zeros((), dtype=torch.float64))
    for term, value in theirs.items():
        assert ours.terms[term] == pytest.approx(value.item(), rel=1e-9, abs=1e-12), term
    assert ours.total.item() == pytest.approx(expected.item(), rel=1e-9)
    mine = torch.autograd.grad(ours.total, leaves, allow_unused=True, retain_graph=True)
    other = torch.autograd.grad(expected, leaves, allow_unused=True)
    for leaf, (one, two) in enumerate(zip(mine, other, strict=True)):
        two = torch.zeros_like(leaves[leaf]) if two is None else two
        torch.testing.assert_close(one, two, rtol=1e-7, atol=1e-11)


def targets_of(scene: Scene, first: int = 0) -> list[dict[str, Tensor]]:
    return [{"boxes": truths, "labels": labels + first} for truths, labels in zip(scene.truths, scene.labels, strict=True)]


@SEEDS
def test_retinanet_is_torchvisions(seed: int) -> None:
    retinanet = pytest.importorskip("torchvision.models.detection.retinanet")
    scene = Scene([seed, 3, 9], seed)
    anchors = scene.squares()
    head = retinanet.RetinaNetHead(8, 1, CLASSES)
    matcher = retinanet.det_utils.Matcher(0.5, 0.4, allow_low_quality_matches=True)
    model = SimpleNamespace(proposal_matcher=matcher, head=head)
    raw = {"cls_logits": scene.logits, "bbox_regression": scene.deltas}
    losses = retinanet.RetinaNet.compute_loss(model, targets_of(scene), raw, [anchors] * 3)
    hold(
        "retinanet",
        Outputs(scene.logits, scene.deltas, anchors=anchors),
        scene.truths,
        scene.labels,
        losses,
        [scene.logits, scene.deltas],
    )


@SEEDS
def test_fcos_is_torchvisions(seed: int) -> None:
    fcos = pytest.importorskip("torchvision.models.detection.fcos")
    scene = Scene([seed, 3, 12], seed)
    half = scene.strides[:, None] / 2
    squares = torch.cat([scene.points - half, scene.points + half], 1)
    model = SimpleNamespace(center_sampling_radius=1.5, head=fcos.FCOSHead(32, 1, CLASSES))
    raw = {"cls_logits": scene.logits, "bbox_regression": scene.distances, "bbox_ctrness": scene.quality[..., None]}
    losses = fcos.FCOS.compute_loss(model, targets_of(scene), raw, [squares] * 3, scene.levels)
    hold(
        "fcos",
        Outputs(scene.logits, scene.distances, anchors=scene.anchors, levels=scene.levels, quality=scene.quality),
        scene.truths,
        scene.labels,
        losses,
        [scene.logits, scene.distances, scene.quality],
        bbox_regression="giou(eps=1e-7)",
    )


@SEEDS
def test_ssd_is_torchvisions(seed: int) -> None:
    ssd = pytest.importorskip("torchvision.models.detection.ssd")
    utils = pytest.importorskip("torchvision.models.detection._utils")
    scene = Scene([seed + 1, 3, 9], seed)
    anchors = scene.squares()
    matched = [utils.SSDMatcher(0.5)(torch_iou(truths, anchors)) for truths in scene.truths]
    model = SimpleNamespace(neg_to_pos_ratio=3, box_coder=utils.BoxCoder((10.0, 10.0, 5.0, 5.0)))
    raw = {"cls_logits": scene.logits, "bbox_regression": scene.deltas}
    labels = [labels.clamp(max=CLASSES - 2) + 1 for labels in scene.labels]
    targets = [{"boxes": truths, "labels": of} for truths, of in zip(scene.truths, labels, strict=True)]
    losses = ssd.SSD.compute_loss(model, targets, raw, [anchors] * 3, matched)
    outputs = Outputs(scene.logits, scene.deltas, anchors=anchors)
    hold("ssd", outputs, scene.truths, labels, losses, [scene.logits, scene.deltas])


def torch_iou(truths: Tensor, anchors: Tensor) -> Tensor:
    ops = pytest.importorskip("torchvision.ops")
    overlaps: Tensor = ops.box_iou(truths, anchors)
    return overlaps


@pytest.fixture
def ultralytics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Its losses, in double precision, without its additive epsilons."""
    # When it is imported it writes its settings, and looks for what it might install.
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("YOLO_AUTOINSTALL", "false")
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    loss = pytest.importorskip("ultralytics.utils.loss")
    plain = loss.bbox_iou
    for module in (loss, pytest.importorskip("ultralytics.utils.tal")):
        monkeypatch.setattr(module, "bbox_iou", lambda *boxes, **options: plain(*boxes, **options, eps=1e-300))
    torch.set_default_dtype(torch.float64)
    yield loss
    torch.set_default_dtype(torch.float32)


def ultralytics_model(bins: int, **gains: float) -> Any:
    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.args = SimpleNamespace(**({"box": 7.5, "cls": 0.5, "dfl": 1.5} | gains))
            detect = SimpleNamespace(stride=torch.tensor([8.0, 16.0, 32.0]), nc=CLASSES, reg_max=bins)
            self.model = [detect]

    return Model()


def ultralytics_batch(scene: Scene) -> dict[str, Tensor]:
    centers = [torch.cat([(truths[:, :2] + truths[:, 2:]) / 2, truths[:, 2:] - truths[:, :2]], 1) / SIDE for truths in scene.truths]
    image = [torch.full((count,), float(place)) for place, count in enumerate(scene.counts)]
    labels = torch.cat(scene.labels).double()
    return {"batch_idx": torch.cat(image), "cls": labels, "bboxes": torch.cat(centers)}


def ultralytics_outputs(scene: Scene, raw: Tensor) -> dict[str, Any]:
    feats = [torch.zeros(1, 1, SIDE // stride, SIDE // stride) for stride in (8, 16, 32)]
    return {"boxes": raw.permute(0, 2, 1), "scores": scene.logits.permute(0, 2, 1), "feats": feats}


@SEEDS
def test_yolo8_is_ultralytics(seed: int, ultralytics: Any) -> None:
    scene = Scene([seed, 5, 14], seed)
    criterion = ultralytics.v8DetectionLoss(ultralytics_model(16))
    losses, _ = criterion(ultralytics_outputs(scene, scene.bins), ultralytics_batch(scene))
    theirs = dict(zip(("box", "cls", "dfl"), losses, strict=True))
    hold("yolo8", Outputs(scene.logits, scene.bins, anchors=scene.anchors), scene.truths, scene.labels, theirs, [scene.logits, scene.bins])


@SEEDS
def test_yolo26_is_ultralytics(seed: int, ultralytics: Any) -> None:
    many, one = Scene([seed, 5, 14], seed), Scene([seed, 5, 14], seed + 100)
    model = ultralytics_model(1)
    model.args.epochs = 11
    criterion = ultralytics.E2ELoss(model)
    batch = ultralytics_batch(many)
    for progress in (0.0, 0.3):
        if progress > 0:
            for _ in range(3):
                criterion.update()
        preds = {"one2many": ultralytics_outputs(many, many.distances), "one2one": ultralytics_outputs(one, one.distances)}
        losses, _ = criterion(preds, batch)
        outputs = [
            Outputs(scene.logits, scene.distances, anchors=scene.anchors, head=head, image_size=(SIDE, SIDE))
            for scene, head in ((many, "one_to_many"), (one, "one_to_one"))
        ]
        leaves = [many.logits, many.distances, one.logits, one.distances]
        ours = modules.get_criterion("yolo26").at(progress)(outputs, many.truths, many.labels)
        assert ours.total.item() == pytest.approx(losses.sum().item(), rel=1e-9)
        mine, other = torch.autograd.grad(ours.total, leaves), torch.autograd.grad(losses.sum(), leaves)
        for first, second in zip(mine, other, strict=True):
            torch.testing.assert_close(first, second, rtol=1e-7, atol=1e-11)


@SEEDS
def test_yolo10_is_ultralytics(seed: int, ultralytics: Any) -> None:
    many, one = Scene([seed, 5, 14], seed), Scene([seed, 5, 14], seed + 100)
    criterion = ultralytics.E2EDetectLoss(ultralytics_model(16)) if hasattr(ultralytics, "E2EDetectLoss") else None
    if criterion is None:
        pytest.skip("this version has no E2EDetectLoss")
    preds = {"one2many": ultralytics_outputs(many, many.bins), "one2one": ultralytics_outputs(one, one.bins)}
    losses, _ = criterion(preds, ultralytics_batch(many))
    outputs = [
        Outputs(scene.logits, scene.bins, anchors=scene.anchors, head=head)
        for scene, head in ((many, "one_to_many"), (one, "one_to_one"))
    ]
    leaves = [many.logits, many.bins, one.logits, one.bins]
    ours = modules.get_criterion("yolo10")(outputs, many.truths, many.labels)
    assert ours.total.item() == pytest.approx(losses.sum().item(), rel=1e-9)
    for first, second in zip(torch.autograd.grad(ours.total, leaves), torch.autograd.grad(losses.sum(), leaves), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-7, atol=1e-11)


@SEEDS
def test_yolo8_obb_is_ultralytics(seed: int, ultralytics: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ultralytics.probiou
    for module in (ultralytics, pytest.importorskip("ultralytics.utils.tal")):
        monkeypatch.setattr(module, "probiou", lambda *boxes, **options: plain(*boxes, **options, eps=1e-300))
    scene = Scene([seed, 5, 14], seed)
    random = torch.Generator().manual_seed(seed)
    angle = (torch.rand(3, len(scene.points), generator=random) * 3 - 1.5).requires_grad_()
    angles = [torch.rand(count, 1, generator=random) * 3 - 1.5 for count in scene.counts]
    centers = [torch.cat([(of[:, :2] + of[:, 2:]) / 2, of[:, 2:] - of[:, :2]], 1) for of in scene.truths]
    truths = [torch.cat(both, 1) for both in zip(centers, angles, strict=True)]
    batch = ultralytics_batch(scene) | {"bboxes": torch.cat(truths) / torch.tensor([SIDE, SIDE, SIDE, SIDE, 1.0])}
    criterion = ultralytics.v8OBBLoss(ultralytics_model(16, angle=1.0))
    outputs = ultralytics_outputs(scene, scene.bins) | {"angle": angle[:, None, :]}
    losses, _ = criterion.loss(outputs, batch)
    theirs = dict(zip(("box", "cls", "dfl", "angle"), losses, strict=True))
    leaves = [scene.logits, scene.bins, angle]
    hold("yolo8_obb", Outputs(scene.logits, scene.bins, anchors=scene.anchors, angle=angle), truths, scene.labels, theirs, leaves)


def iou(one: Tensor, other: Tensor) -> Tensor:
    """Of pairs of boxes by their corners."""
    low, high = torch.maximum(one[:, :2], other[:, :2]), torch.minimum(one[:, 2:], other[:, 2:])
    overlap = (high - low).clamp(min=0).prod(-1)
    union = (one[:, 2:] - one[:, :2]).prod(-1) + (other[:, 2:] - other[:, :2]).prod(-1) - overlap
    return overlap / union


def giou(one: Tensor, other: Tensor) -> Tensor:
    """The GIoU loss of the same."""
    hull = (torch.maximum(one[:, 2:], other[:, 2:]) - torch.minimum(one[:, :2], other[:, :2])).prod(-1)
    areas = sum((box[:, 2:] - box[:, :2]).prod(-1) for box in (one, other))
    overlap = iou(one, other)
    union = areas / (1 + overlap)
    return 1 - overlap + (hull - union) / hull


def of_pairs(scene: Scene, matches: Any) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor]:
    """Where there are matches, their truths, and labels of all classes that are 1 for the class of each."""
    image, row, truth = matches.pairs()
    truths = torch.stack([scene.truths[i][t] for i, t in zip(image, truth, strict=True)])
    one_hot = torch.zeros_like(scene.logits)
    for i, r, t in zip(image, row, truth, strict=True):
        one_hot[i, r, scene.labels[i][t]] = 1
    return (image, row), truths, one_hot


def bce(logits: Tensor, labels: Tensor) -> Tensor:
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")


@SEEDS
def test_yolox_as_it_is_written(seed: int) -> None:
    scene = Scene([seed, 5, 9], seed)
    strides = scene.strides[:, None]
    centers = scene.points + (scene.deltas[..., :2] - 0.5) * strides
    sides = scene.deltas[..., 2:].exp() * strides
    decoded_ = torch.cat([centers - sides / 2, centers + sides / 2], -1)
    scores = (scene.logits.sigmoid() * scene.quality.sigmoid()[..., None]).sqrt()
    matches = matching.SimOta()(scene.truths, labels=scene.labels, anchors=scene.anchors, boxes=decoded_, scores=scores)
    where, truths, one_hot = of_pairs(scene, matches)
    overlap, count = iou(decoded_[where], truths), len(truths)
    raw, stride = scene.deltas[where], strides[where[1]]
    wanted = [((truths[:, :2] + truths[:, 2:]) / 2 - scene.points[where[1]]) / stride + 0.5]
    wanted.append(((truths[:, 2:] - truths[:, :2]) / stride).log())
    theirs = {
        "iou": 5 * (1 - overlap**2).sum() / count,
        "obj": bce(scene.quality, (matches.indices >= 0).double()).sum() / count,
        "cls": bce(scene.logits[where], one_hot[where] * overlap.detach()[:, None]).sum() / count,
        "l1": (raw - torch.cat(wanted, 1)).abs().sum() / count,
    }
    outputs = Outputs(scene.logits, scene.deltas, anchors=scene.anchors, quality=scene.quality)
    leaves = [scene.logits, scene.deltas, scene.quality]
    hold("yolox", outputs, scene.truths, scene.labels, theirs, leaves, **{"l1.weight": 1})


@SEEDS
def test_rtmdet_as_it_is_written(seed: int) -> None:
    scene = Scene([seed, 5, 9], seed)
    sides = scene.distances * scene.strides[:, None]
    boxes_ = torch.cat([scene.points - sides[..., :2], scene.points + sides[..., 2:]], -1)
    given = {"labels": scene.labels, "anchors": scene.anchors, "boxes": boxes_, "scores": scene.logits}
    matches = matching.DynamicSoftLabel()(scene.truths, **given)
    where, truths, one_hot = of_pairs(scene, matches)
    labels, total = one_hot * matches.scores[..., None], matches.scores.sum().clamp(min=1)
    theirs = {
        "cls": ((labels - scene.logits.sigmoid()).abs() ** 2 * bce(scene.logits, labels)).sum() / total,
        "bbox": 2 * (giou(boxes_[where], truths) * matches.scores[where]).sum() / total,
    }
    outputs = Outputs(scene.logits, scene.distances, anchors=scene.anchors)
    hold("rtmdet", outputs, scene.truths, scene.labels, theirs, [scene.logits, scene.distances])


@SEEDS
def test_ppyoloe_as_it_is_written(seed: int) -> None:
    scene = Scene([seed, 5, 9], seed, bins=17)
    distances = scene.bins.reshape(3, -1, 4, 17).softmax(-1) @ torch.arange(17, dtype=torch.float64)
    sides = distances * scene.strides[:, None]
    boxes_ = torch.cat([scene.points - sides[..., :2], scene.points + sides[..., 2:]], -1)
    assigner = matching.TaskAligned(topk=13, alpha=1, min_side=0, margin=0, among=0, overlap="iou")
    given = {"labels": scene.labels, "anchors": scene.anchors, "boxes": boxes_, "scores": scene.logits.sigmoid()}
    matches = assigner(scene.truths, **given)
    where, truths, one_hot = of_pairs(scene, matches)
    labels, weights = one_hot * matches.scores[..., None], matches.scores[where]
    total = matches.scores.sum().clamp(min=1)
    weight = torch.where(labels > 0, labels, 0.75 * scene.logits.sigmoid() ** 2)
    points, strides = scene.points[where[1]], scene.strides[where[1], None]
    places = (torch.cat([points - truths[:, :2], truths[:, 2:] - points], 1) / strides).clamp(0, 15.99)
    left = places.long()
    share = places - left
    log_q = scene.bins[where].reshape(-1, 4, 17).log_softmax(-1)
    two = [log_q.gather(2, bin_[..., None])[..., 0] for bin_ in (left, left + 1)]
    dfl = -((1 - share) * two[0] + share * two[1]).mean(1)
    theirs = {
        "cls": (weight * bce(scene.logits, labels)).sum() / total,
        "iou": 2.5 * (giou(boxes_[where], truths) * weights).sum() / total,
        "dfl": 0.5 * (dfl * weights).sum() / total,
    }
    hold("ppyoloe", Outputs(scene.logits, scene.bins, anchors=scene.anchors), scene.truths, scene.labels, theirs, [scene.logits, scene.bins])


def test_yolo9_is_yolo8_twice() -> None:
    main, auxiliary = Scene([2, 5], 1), Scene([2, 5], 2)
    outputs = [
        Outputs(scene.logits, scene.bins, anchors=scene.anchors, head=head)
        for scene, head in ((main, "main"), (auxiliary, "auxiliary"))
    ]
    total = modules.get_criterion("yolo9")(outputs, main.truths, main.labels).total
    alone = modules.get_criterion("yolo8", matcher="task_aligned(min_side=0, among=2)")
    totals = [alone(given.replaced(head=None), main.truths, main.labels).total for given in outputs]
    assert total.item() == pytest.approx((totals[0] + totals[1] / 4).item(), rel=1e-12)


@SEEDS
def test_the_stages_of_faster_rcnn_are_torchvisions(seed: int) -> None:
    rpn = pytest.importorskip("torchvision.models.detection.rpn")
    roi_heads = pytest.importorskip("torchvision.models.detection.roi_heads")
    scene = Scene([seed + 1, 3, 9], seed)
    labels = [labels.clamp(max=CLASSES - 2) + 1 for labels in scene.labels]
    targets = [{"boxes": truths, "labels": of} for truths, of in zip(scene.truths, labels, strict=True)]
    criterion = modules.get_criterion("faster_rcnn")

    anchors = scene.squares()
    first = Outputs(None, scene.deltas, anchors=anchors, quality=scene.quality, head="rpn", seed=seed)
    chosen = criterion(first, scene.truths, labels).indices[0]
    assert ((chosen != -2).sum(1) <= 256).all() and (chosen == -2).any()
    network = rpn.RegionProposalNetwork(None, None, 0.7, 0.3, 256, 0.5, {}, {}, 0.7)
    network.fg_bg_sampler = lambda _: ([of >= 0 for of in chosen], [of == -1 for of in chosen])
    matched, boxes_ = network.assign_targets_to_anchors([anchors] * 3, targets)
    for of, mine in zip(matched, chosen, strict=True):
        assert torch.equal(of[mine != -2] > 0, mine[mine != -2] >= 0)
    matched = [of.double() for of in matched]
    encoded = network.box_coder.encode(boxes_, [anchors] * 3)
    of_first = network.compute_loss(scene.quality.flatten()[:, None], scene.deltas.reshape(-1, 4), matched, encoded)

    random = torch.Generator().manual_seed(seed)
    proposals = torch.stack([boxes(60, random) for _ in range(3)])
    proposals[:, 0] = torch.stack([truths[0] for truths in scene.truths])
    logits = torch.randn(3, 60, CLASSES, generator=random, dtype=torch.float64).requires_grad_()
    deltas = torch.randn(3, 60, 4 * CLASSES, generator=random, dtype=torch.float64).requires_grad_()
    pairs = torch.stack([
        matching.MaxIou(high=0.5, low=0.5, low_quality=False)([truths], anchors=of).indices[0]
        for truths, of in zip(scene.truths, proposals, strict=True)
    ])
    pairs[:, 50:] = -2
    second = Outputs(logits, deltas, anchors=proposals, pairs=pairs, head="roi")
    counted = pairs != -2
    of_pairs = [(of[pair.clamp(min=0)] * (pair >= 0))[pair != -2] for of, pair in zip(labels, pairs, strict=True)]
    coder = roi_heads.det_utils.BoxCoder((10.0, 10.0, 5.0, 5.0))
    found = [truths[pair.clamp(min=0)][pair != -2] for truths, pair in zip(scene.truths, pairs, strict=True)]
    encoded = coder.encode(found, [of[pair != -2] for of, pair in zip(proposals, pairs, strict=True)])
    of_second = roi_heads.fastrcnn_loss(logits[counted], deltas[counted], of_pairs, encoded)

    names = ("rpn.objectness", "rpn.box_reg", "roi.classifier", "roi.box_reg")
    theirs = dict(zip(names, (*of_first, *of_second), strict=True))
    assert all(value > 0 for value in theirs.values())
    leaves = [scene.quality, scene.deltas, logits, deltas]
    hold("faster_rcnn", [first, second], scene.truths, labels, theirs, leaves)


def test_classes_weigh_as_in_ultralytics() -> None:
    """Its ``class_weights`` multiply the cross entropy of every class; a list is a setting."""
    scene = Scene([2, 5], 3)
    weights = [1.0, 2.0, 0.5, 0.0, 1.0, 3.0, 1.0]
    outputs = Outputs(scene.logits, scene.bins, anchors=scene.anchors)
    by_data = modules.get_criterion("yolo8", **{"cls.class_weight": weights})
    assert by_data.data["heads"][0]["terms"][1]["class_weight"] == weights
    plain, weighted = (criterion(outputs, scene.truths, scene.labels) for criterion in (modules.get_criterion("yolo8"), by_data))
    (of_plain,) = torch.autograd.grad(plain.total, [scene.logits])
    (of_weighted,) = torch.autograd.grad(weighted.total, [scene.logits])
    torch.testing.assert_close(of_weighted, of_plain * torch.tensor(weights), rtol=1e-12, atol=0.0)


def test_without_gradients_there_is_the_value_alone() -> None:
    scene = Scene([2, 5], 4)
    module = modules.get_criterion("yolo8")
    outputs = Outputs(scene.logits, scene.bins, anchors=scene.anchors)
    whole = module(outputs, scene.truths, scene.labels)
    with torch.no_grad():
        value = module(outputs, scene.truths, scene.labels)
    constant = module(Outputs(scene.logits.detach(), scene.bins.detach(), anchors=scene.anchors), scene.truths, scene.labels)
    assert whole.total.requires_grad and not value.total.requires_grad and not constant.total.requires_grad
    assert whole.total.item() == value.total.item() == constant.total.item() and whole.terms == value.terms


def test_a_criterion_is_data() -> None:
    yolo = criteria.get_criterion("yolo8", box="siou", **{"dfl.weight": 2})
    assert yolo == criteria.get_criterion("yolo11(box=siou, dfl.weight=2)")
    assert yolo == criteria.get_criterion(yolo.data)
    assert yolo != criteria.get_criterion("yolo8")
    changed = copy.deepcopy(yolo.data)
    changed["heads"][0]["terms"][0]["loss"] = "ciou"
    assert criteria.get_criterion(changed) == criteria.get_criterion("yolo8", **{"dfl.weight": 2})
    module = modules.get_criterion("yolo8", box="siou")
    assert pickle.loads(pickle.dumps(module)).data == module.data == copy.deepcopy(module).data


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("yolo", {}, "no criterion is called"),
        ("yolo8(box)", {}, "is no criterion with settings"),
        ("yolo8", {"bbox": "giou"}, "it has box, box.weight, cls, cls.weight, cls.class_weight, dfl, dfl.weight, matcher"),
        ("yolo8", {"box": "focal"}, "give a loss of two boxes"),
        ("yolo8", {"cls": "ap"}, "give a loss of scores"),
        ("yolo8", {"box.weight": "much"}, "give a finite number"),
    ],
)
def test_wrong_criteria_name_the_remedy(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message.replace("(", r"\(")):
        criteria.get_criterion(name, **settings)


def test_numpy_and_tensors_are_one() -> None:
    scene = Scene([2, 5], 0)
    outputs = Outputs(scene.logits, scene.bins, anchors=scene.anchors)
    theirs = modules.get_criterion("yolo8")(outputs, scene.truths, scene.labels)
    arrays = Outputs(scene.logits.detach().numpy(), scene.bins.detach().numpy(), anchors=(scene.points.numpy(), scene.strides.numpy()))
    ours = criteria.get_criterion("yolo8")(arrays, [truths.numpy() for truths in scene.truths], [of.numpy() for of in scene.labels])
    assert ours.total == theirs.total.item() and ours.terms == theirs.terms
    theirs.total.backward()
    np.testing.assert_array_equal(ours.grads[0].boxes, scene.bins.grad)
    direct = matching.TaskAligned()(
        scene.truths,
        labels=scene.labels,
        anchors=scene.anchors,
        boxes=decoded(scene),
        scores=scene.logits.sigmoid(),
    )
    assert torch.equal(theirs.indices[0], direct.indices)


def decoded(scene: Scene) -> Tensor:
    distances = scene.bins.reshape(len(scene.counts), -1, 4, 16).softmax(-1) @ torch.arange(16, dtype=torch.float64)
    distances = distances * scene.strides[:, None]
    return torch.cat([scene.points - distances[..., :2], scene.points + distances[..., 2:]], -1)
