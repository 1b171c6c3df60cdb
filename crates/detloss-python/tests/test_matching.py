"""Matchers in Python, and side by side with those of other libraries."""

from __future__ import annotations

import ast
import inspect
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from detloss import matching
from detloss.matching import BACKGROUND, IGNORED, Matches, sampling

SEEDS = pytest.mark.parametrize("seed", range(6))


def grid(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, list[int]]:
    """The points of an image of 320 x 320, their strides, and how many each level has."""
    points, strides, levels = [], [], []
    for stride in (8, 16, 32):
        side = 320 // stride
        y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        points.append((torch.stack([x, y], dim=-1).reshape(-1, 2).to(dtype) + 0.5) * stride)
        strides.append(torch.full((side * side,), float(stride), dtype=dtype))
        levels.append(side * side)
    return torch.cat(points), torch.cat(strides), levels


def some_boxes(count: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    random = np.random.default_rng(seed)
    size = random.uniform(6, 150, (count, 2))
    corner = random.uniform(0, 1, (count, 2)) * (320 - size)
    return torch.from_numpy(np.concatenate([corner, corner + size], axis=1)).to(dtype)


class Scene:
    """A batch of images with truths, labels, and predictions that find some of them."""

    def __init__(self, counts: list[int], seed: int, dtype: torch.dtype = torch.float64, classes: int = 7) -> None:
        random = np.random.default_rng(seed)
        self.points, self.strides, self.levels = grid(dtype)
        self.truths = [some_boxes(count, seed * 100 + image, dtype) for image, count in enumerate(counts)]
        self.labels = [torch.from_numpy(random.integers(0, classes, count)) for count in counts]
        shape = (len(counts), len(self.points))
        half = torch.from_numpy(random.uniform(5, 70, (*shape, 2))).to(dtype)
        self.boxes = torch.cat([self.points - half, self.points + half], dim=-1)
        self.scores = torch.from_numpy(random.uniform(0.001, 0.999, (*shape, classes))).to(dtype)

    @property
    def anchors(self) -> tuple[Tensor, Tensor]:
        return self.points, self.strides

    @property
    def squares(self) -> Tensor:
        """The anchors as boxes."""
        half = self.strides[:, None] / 2
        return torch.cat([self.points - half, self.points + half], dim=-1)

    def everything(self) -> dict[str, Any]:
        return {
            "labels": self.labels,
            "anchors": self.anchors,
            "levels": self.levels,
            "boxes": self.boxes,
            "scores": self.scores,
        }


@pytest.mark.parametrize("name", matching.matchers())
def test_arrays_and_tensors_batches_and_images_are_answered_alike(name: str) -> None:
    scene, matcher = Scene([3, 0, 20], 1), matching.get_matcher(name)
    whole = matcher(scene.truths, **scene.everything())
    assert whole.indices.dtype == torch.int64 and whole.indices.shape == scene.boxes.shape[:2]
    assert (whole.indices >= 0).any(dim=1).tolist() == [True, False, True]
    arrays = matcher(
        [truths.numpy() for truths in scene.truths],
        labels=[labels.numpy() for labels in scene.labels],
        anchors=tuple(part.numpy() for part in scene.anchors),
        levels=scene.levels,
        boxes=scene.boxes.numpy(),
        scores=scene.scores.numpy(),
    )
    assert isinstance(arrays.indices, np.ndarray)
    np.testing.assert_array_equal(arrays.indices, whole.indices.numpy())
    for image in range(3):
        one = matcher(
            scene.truths[image],
            labels=scene.labels[image],
            anchors=scene.anchors,
            levels=scene.levels,
            boxes=scene.boxes[image],
            scores=scene.scores[image],
        )
        assert torch.equal(one.indices, whole.indices[image])
        if whole.scores is not None:
            assert torch.equal(one.scores, whole.scores[image])
    image, prediction, truth = whole.pairs()
    assert torch.equal(whole.indices[image, prediction], truth) and len(truth) == int((whole.indices >= 0).sum())
    rows = np.nonzero(arrays.indices >= 0)
    assert all(np.array_equal(one, other) for one, other in zip(arrays.pairs(), (*rows, arrays.indices[rows]), strict=True))


@pytest.mark.parametrize("name", matching.matchers())
def test_classes_say_what_they_take(name: str) -> None:
    matcher = matching.get_matcher(name)
    class_name = "".join(part.title() for part in name.split("_"))
    [made] = [getattr(matching, one) for one in matching.__all__ if one.lower() == class_name.lower()]
    assert made() == matcher and made.__doc__ and "# References" in made.__doc__
    keywords = inspect.signature(made).parameters
    assert {key: keywords[key].default for key in matcher.params} == matcher.params
    assert ("overlap" in keywords) == (matcher.overlap is not None)
    assert pickle.loads(pickle.dumps(made())) == matcher and hash(made()) == hash(matcher)


def test_the_types_that_are_checked_in_are_those_of_the_package() -> None:
    tree = ast.parse(Path(str(matching.__file__)).with_suffix(".pyi").read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    assert {"CenterHeatmap", "Matcher", "Matches", *classes} == {one for one in matching.__all__ if inspect.isclass(getattr(matching, one))}
    for name, node in classes.items():
        [init] = [one for one in node.body if isinstance(one, ast.FunctionDef)]
        defaults = [ast.literal_eval(default) for default in init.args.kw_defaults if default is not None]
        written = dict(zip((argument.arg for argument in init.args.kwonlyargs), defaults, strict=True))
        signature = inspect.signature(getattr(matching, name)).parameters
        assert written == {key: one.default for key, one in signature.items()}


def test_parameters_and_overlaps_are_written_or_given() -> None:
    written = matching.get_matcher("task_aligned(topk=13, overlap=siou)")
    given = matching.TaskAligned(topk=13, overlap="siou")
    assert written == given and repr(given) == "<detloss matcher task_aligned(topk=13, overlap=siou)>"
    assert given.params["topk"] == 13 and given.overlap == "siou"
    assert given != matching.TaskAligned() and given != "task_aligned"


def test_errors_name_the_remedy() -> None:
    scene = Scene([2], 3)
    matcher = matching.TaskAligned()
    everything = scene.everything()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"labels": None}, "task_aligned needs labels of the truths"),
        ({"scores": None}, "task_aligned needs scores"),
        ({"anchors": None}, "task_aligned needs anchors"),
        ({"boxes": scene.boxes[0]}, r"boxes have shape \(2100, 4\): give \(1, predictions, numbers\)"),
        ({"boxes": scene.boxes[:, 1:]}, r"predicted boxes has shape \[1, 2099, 4\]: give \[1, 2100, 4\]"),
        ({"scores": scene.scores.mT}, r"scores has shape \[1, 7, 2100\]: give \[1, 2100, classes\]"),
        ({"anchors": scene.squares.T}, r"anchors has shape \[4, 2100\]: give \[anchors, 4\]"),
        ({"labels": [torch.tensor([0, 7])]}, "image 0: truth 1 has label 7, but there are scores of 7 classes"),
        ({"labels": scene.labels * 2}, "labels are of 2 images, truths of 1"),
        ({"labels": [torch.tensor([0.5, 1.0])]}, "labels"),
        ({"levels": [1, 2]}, "expected 2100 elements in all levels together, got 3"),
        ({"crowd": [torch.tensor([True, False])]}, "task_aligned knows no crowds"),
    ]
    for changed, message in cases:
        with pytest.raises((ValueError, TypeError), match=message):
            matcher(scene.truths, **(everything | changed))
    with pytest.raises(ValueError, match="number 1 of the truths is NaN: give a finite number"):
        matcher([torch.tensor([[0.0, float("nan"), 1.0, 1.0]])], **(everything | {"labels": [torch.tensor([0])]}))
    with pytest.raises(ValueError, match="no matcher is called"):
        matching.get_matcher("max_iuo")
    with pytest.raises(ValueError, match="topk"):
        matching.TaskAligned(topk=0)
    with pytest.raises(TypeError, match="top_k"):
        matching.TaskAligned(top_k=5)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="overlap"):
        matching.TaskAligned(overlap="focal")


@SEEDS
def test_max_iou_is_torchvisions_matcher(seed: int) -> None:
    utils = pytest.importorskip("torchvision.models.detection._utils")
    ops = pytest.importorskip("torchvision.ops")
    scene = Scene([seed + 1], seed)
    anchors = torch.cat([scene.squares, some_boxes(500, seed + 50)])
    for high, low, low_quality in ((0.5, 0.4, True), (0.7, 0.3, True), (0.5, 0.5, False)):
        theirs = utils.Matcher(high, low, low_quality)(ops.box_iou(scene.truths[0], anchors))
        ours = matching.MaxIou(high=high, low=low, low_quality=low_quality)(scene.truths[0], anchors=anchors)
        assert torch.equal(ours.indices, theirs)


@SEEDS
def test_ssd_is_torchvisions_matcher(seed: int) -> None:
    utils = pytest.importorskip("torchvision.models.detection._utils")
    ops = pytest.importorskip("torchvision.ops")
    scene = Scene([seed + 1], seed)
    anchors = torch.cat([scene.squares, some_boxes(500, seed + 50)])
    theirs = utils.SSDMatcher(0.5)(ops.box_iou(scene.truths[0], anchors))
    assert torch.equal(matching.Ssd()(scene.truths[0], anchors=anchors).indices, theirs)


@SEEDS
def test_center_sampling_is_torchvisions_fcos(seed: int) -> None:
    fcos = pytest.importorskip("torchvision.models.detection.fcos")
    scene = Scene([seed + 1, 4 * seed + 2], seed)
    theirs: list[Tensor] = []
    head = SimpleNamespace(compute_loss=lambda targets, outputs, anchors, matched: theirs.extend(matched))
    model = SimpleNamespace(center_sampling_radius=1.5, head=head)
    targets = [{"boxes": truths} for truths in scene.truths]
    fcos.FCOS.compute_loss(model, targets, {}, [scene.squares] * 2, scene.levels)
    ours = matching.CenterSampling()(scene.truths, anchors=scene.squares, levels=scene.levels)
    assert torch.equal(ours.indices, torch.stack(theirs)) and bool((ours.indices >= 0).any())


@SEEDS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_task_aligned_is_ultralytics(
    seed: int, dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # When it is imported it writes its settings, and looks for what it might install.
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("YOLO_AUTOINSTALL", "false")
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    tal = pytest.importorskip("ultralytics.utils.tal")
    scene = Scene([seed + 1, 9 * seed + 3], seed, dtype)
    most = max(len(truths) for truths in scene.truths)
    padded, labels, mask = torch.zeros(2, most, 4, dtype=dtype), torch.zeros(2, most, 1), torch.zeros(2, most, 1)
    for image, truths in enumerate(scene.truths):
        padded[image, : len(truths)], labels[image, : len(truths), 0] = truths, scene.labels[image].float()
        mask[image, : len(truths)] = 1
    for topk, topk2 in ((10, None), (7, 1)):
        assigner = tal.TaskAlignedAssigner(topk=topk, num_classes=7, alpha=0.5, beta=6.0, topk2=topk2)
        _, _, scores, found, truth = assigner(scene.scores, scene.boxes, scene.points, labels, padded, mask)
        ours = matching.TaskAligned(topk=topk, topk2=topk2 or 0)(scene.truths, **scene.everything())
        theirs = torch.where(found, truth, -1)
        # What they took by a tie of metrics that are 0 is worth nothing.
        is_tie = (ours.indices < 0) & (scores.sum(dim=-1) == 0)
        assert torch.equal(ours.indices[~is_tie], theirs[~is_tie])
        torch.testing.assert_close(ours.scores, scores.sum(dim=-1).to(dtype), rtol=1e-4, atol=1e-6)


@SEEDS
def test_hungarian_has_the_least_sum_of_detrs_costs(seed: int) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    ops = pytest.importorskip("torchvision.ops")
    random = np.random.default_rng(seed)
    counts = [1 + seed, 20 * seed, 30]
    truths = [torch.from_numpy(random.uniform(0.05, 0.5, (count, 4))) for count in counts]
    labels = [torch.from_numpy(random.integers(0, 9, count)) for count in counts]
    boxes = torch.from_numpy(random.uniform(0.05, 0.5, (3, 60, 4)))
    logits = torch.from_numpy(random.normal(0, 2, (3, 60, 9)))
    ours = matching.Hungarian()(truths, labels=labels, boxes=boxes, scores=logits, centers=True)
    softmax = matching.Hungarian(softmax=True, class_weight=1)
    theirs, others = [], []
    for image, wanted in enumerate(truths):
        p = logits[image].sigmoid()
        positive = 0.25 * (1 - p) ** 2 * -(p + 1e-8).log()
        negative = 0.75 * p**2 * -(1 - p + 1e-8).log()
        focal = (positive - negative)[:, labels[image]]
        one, other = ops.box_convert(boxes[image], "cxcywh", "xyxy"), ops.box_convert(wanted, "cxcywh", "xyxy")
        rest = 5 * torch.cdist(boxes[image], wanted, p=1) - 2 * ops.generalized_box_iou(one, other)
        theirs.append(optimize.linear_sum_assignment(2 * focal + rest))
        others.append(optimize.linear_sum_assignment(rest - logits[image].softmax(-1)[:, labels[image]]))
    for matches, pairs in ((ours, theirs), (softmax(truths, labels=labels, boxes=boxes, scores=logits, centers=True), others)):
        for image, (query, truth) in enumerate(pairs):
            expected = torch.full((60,), -1)
            expected[torch.from_numpy(query)] = torch.from_numpy(truth)
            assert torch.equal(matches.indices[image], expected)


def some_matches(seed: int, shape: tuple[int, ...] = (3, 400), truths: int = 6) -> Matches:
    """Matches with truths, background and what is ignored, and scores of what has a truth."""
    random = np.random.default_rng(seed)
    indices = random.choice([IGNORED, *[BACKGROUND] * 12, *range(truths)], shape)
    return Matches(indices, np.where(indices >= 0, random.uniform(0.1, 1, shape), 0).astype(np.float32))


def as_tensors(matches: Matches) -> Matches:
    return Matches(torch.from_numpy(matches.indices), torch.from_numpy(matches.scores))


def check_sample(before: Matches, after: Matches) -> None:
    """What was chosen is as it was, and all else is left out."""
    left_out = after.indices == IGNORED
    np.testing.assert_array_equal(after.indices[~left_out], before.indices[~left_out])
    np.testing.assert_array_equal(after.scores, np.where(left_out, 0, before.scores))
    assert after.indices.dtype == np.int64 and after.scores.dtype == before.scores.dtype


@SEEDS
def test_the_union_is_what_most_layers_say(seed: int) -> None:
    layers = [some_matches(10 * seed + layer, (2, 50), truths=3) for layer in range(6)]
    union = matching.union(layers)
    for image, query in np.ndindex(2, 50):
        truths = [layer.indices[image, query] for layer in layers]
        most = max(range(3), key=lambda truth: (truths.count(truth), -truth))
        assert union.indices[image, query] == (most if most in truths else BACKGROUND)
    assert union.scores is None and (union.indices >= 0).sum() > 20
    tensors = matching.union([as_tensors(layer) for layer in layers])
    assert torch.equal(tensors.indices, torch.from_numpy(union.indices))
    one = matching.union([Matches(layer.indices[0], None) for layer in layers])
    np.testing.assert_array_equal(one.indices, union.indices[0])


def test_unions_of_the_core_and_what_is_none() -> None:
    layers = [Matches(np.array(indices), None) for indices in ([0, -1], [-1, 0])]
    assert matching.union(layers).indices.tolist() == [0, 0]
    assert matching.union([]).indices.shape == (0,)
    with pytest.raises(ValueError, match=r"shape \(3,\), the first one's \(2,\): give matches of the same queries"):
        matching.union([*layers, Matches(np.array([0, 1, 2]), None)])
    with pytest.raises(ValueError, match="number 1 of the indices of the matches is -3: give the index of a truth"):
        matching.union([Matches(np.array([0, -3]), None)])


@SEEDS
def test_a_balanced_sample_has_torchvisions_numbers(seed: int) -> None:
    utils = pytest.importorskip("torchvision.models.detection._utils")
    matches = some_matches(seed)
    kinds = np.where(matches.indices >= 0, 1.0, np.where(matches.indices == BACKGROUND, 0.0, -1.0))
    for size, share in ((256, 0.5), (64, 0.25), (11, 0.5), (20, 0.0), (390, 1.0)):
        sampled = sampling.balanced(matches, size, share, range(3))
        check_sample(matches, sampled)
        theirs = utils.BalancedPositiveNegativeSampler(size, share)(list(torch.from_numpy(kinds)))
        for image in range(3):
            positives, negatives = (int(mask[image].sum()) for mask in theirs)
            assert (sampled.indices[image] >= 0).sum() == positives
            assert (sampled.indices[image] == BACKGROUND).sum() == negatives
            one = sampling.balanced(Matches(matches.indices[image], None), size, share, image)
            np.testing.assert_array_equal(one.indices, sampled.indices[image])
        tensors = sampling.balanced(as_tensors(matches), size, share, seed=torch.arange(3))
        np.testing.assert_array_equal(tensors.indices.numpy(), sampled.indices)
    others = sampling.balanced(matches, 64, 0.25, range(3, 6))
    assert (others.indices != sampling.balanced(matches, 64, 0.25, range(3)).indices).any(axis=1).all()


@SEEDS
def test_hard_examples_have_the_largest_losses(seed: int) -> None:
    matches, random = some_matches(seed), np.random.default_rng(seed)
    # Few different ones, so that there are ties.
    losses = random.choice([0.0, 0.25, 0.5, 7.0], (3, 400)).astype(np.float32)
    losses[matches.indices == IGNORED] = np.nan

    def largest(image: int, of: Any, size: int) -> set[int]:
        candidates = [int(index) for index in np.nonzero(of)[0]]
        return set(sorted(candidates, key=lambda index: (-losses[image, index], index))[:size])

    hardest, negatives = sampling.hardest(matches, losses, 30), sampling.hard_negatives(matches, losses, 2)
    for image, indices in enumerate(matches.indices):
        chosen = largest(image, indices != IGNORED, 30)
        assert set(np.nonzero(hardest.indices[image] != IGNORED)[0]) == chosen
        positives = set(np.nonzero(indices >= 0)[0])
        chosen = positives | largest(image, indices == BACKGROUND, 2 * len(positives))
        assert set(np.nonzero(negatives.indices[image] != IGNORED)[0]) == chosen
    check_sample(matches, hardest)
    check_sample(matches, negatives)
    tensor = torch.from_numpy(losses).requires_grad_()
    tensors = sampling.hard_negatives(as_tensors(matches), tensor, 2)
    np.testing.assert_array_equal(tensors.indices.numpy(), negatives.indices)
    np.testing.assert_array_equal(tensors.scores.numpy(), negatives.scores)
    half = Matches(*(part.to(kind) for part, kind in zip(as_tensors(matches), (torch.int32, torch.bfloat16), strict=True)))
    rounded = sampling.hardest(half, tensor, 30)
    assert (rounded.indices.dtype, rounded.scores.dtype) == (torch.int32, torch.bfloat16)


def test_what_cannot_be_sampled_is_named() -> None:
    matches = some_matches(0)
    cases: list[tuple[Any, str]] = [
        (lambda: sampling.balanced(matches, 9, 1.5, range(3)), "the share of positives is 1.5: give a number from 0 to 1"),
        (lambda: sampling.balanced(matches, 9, 0.5, 7), r"3 images have 1 seeds: give one for each, such as range\(3 \* step"),
        (lambda: sampling.hardest(matches, np.zeros((400, 3)), 9), r"losses have shape \(400, 3\): give that of the indices, \(3, 400\)"),
        (lambda: sampling.hard_negatives(matches, np.full((3, 400), np.nan), 3), "image 0: number . of the losses is NaN"),
        (lambda: sampling.hardest(Matches(np.zeros((1, 1, 1), int), None), np.zeros((1, 1, 1)), 1), r"indices have shape \(1, 1, 1\)"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()


def overlap_of(w: float, h: float, x1: float, y1: float, x2: float, y2: float) -> float:
    """The IoU of a box at 0 of this size with another one."""
    shared = max(0.0, min(w, x2) - max(0.0, x1)) * max(0.0, min(h, y2) - max(0.0, y1))
    return float(shared / (w * h + (x2 - x1) * (y2 - y1) - shared))


def reach(w: float, h: float, least: float) -> float:
    """How far both corners may move inwards, outwards, or the same way, until the IoU is less than this: by halving."""
    moves = [lambda r: (r, r, w - r, h - r), lambda r: (-r, -r, w + r, h + r), lambda r: (r, r, w + r, h + r)]
    reaches = []
    for move, most in zip(moves, (min(w, h) / 2, 1e6, min(w, h)), strict=True):
        low, high = 0.0, most
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if overlap_of(w, h, *move(middle)) >= least else (low, middle)
        reaches.append(low)
    return min(reaches)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("least", [0.7, 0.3])
def test_a_heatmap_is_its_definition(dtype: Any, least: float) -> None:
    random = np.random.default_rng(3)
    truths = [some_boxes(count, count).numpy().astype(dtype) for count in (9, 0, 40)]
    labels = [random.integers(0, 3, len(boxes)) for boxes in truths]
    maps = matching.CenterHeatmap(3, 40, 36, stride=8, min_overlap=least)
    heatmap, matches = maps.draw(truths, labels)
    assert heatmap.shape == (3, 3, 40, 36) and heatmap.dtype == dtype and matches.indices.shape == (3, 40 * 36)
    y, x = np.mgrid[:40, :36]
    for image, (boxes, classes) in enumerate(zip(truths, labels, strict=True)):
        expected, found = np.zeros((3, 40, 36)), np.full((40, 36), BACKGROUND)
        for truth, (x1, y1, x2, y2) in enumerate(boxes.astype(float) / 8):
            column, row = int((x1 + x2) / 2), int((y1 + y2) / 2)
            if column < 36:
                radius = int(reach(x2 - x1, y2 - y1, least))
                peak = np.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * ((2 * radius + 1) / 6) ** 2))
                peak[(abs(x - column) > radius) | (abs(y - row) > radius)] = 0
                expected[classes[truth]] = np.maximum(expected[classes[truth]], peak)
                found[row, column] = truth if found[row, column] == BACKGROUND else found[row, column]
        np.testing.assert_allclose(heatmap[image], expected, atol=1e-6)
        np.testing.assert_array_equal(matches.indices[image], found.ravel())
        one, of_one = maps.draw(torch.from_numpy(boxes), torch.from_numpy(classes))
        assert torch.equal(one, torch.from_numpy(heatmap[image]))
        assert torch.equal(of_one.indices, torch.from_numpy(matches.indices[image]))
    assert (matches.indices >= 0).sum() > 25


def test_heatmaps_of_the_core_and_what_is_none() -> None:
    maps = matching.CenterHeatmap(2, 3, 5)
    heatmap, matches = maps.draw([[2.0, 2.0, 14.0, 8.0]], [1])
    assert [part.tolist() for part in matches.pairs()] == [[7], [0]] and heatmap[1, 1, 2] == 1
    truth = np.array([[2.0, 2.0, 14.0, 8.0]])
    cases: list[tuple[Any, str]] = [
        (lambda: maps.draw(truth, [2]), "image 0: truth 0 has label 2, but there are scores of 2 classes"),
        (lambda: maps.draw(truth, []), "expected 1 elements in the labels of the truths, got 0"),
        (lambda: maps.draw(truth.T, [0]), r"the truths have shape \[4, 1\]: give \(truths, 4\)"),
        (lambda: maps.draw(truth, [0.5]), "labels are of float64: give integers"),
        (lambda: maps.draw([truth, truth], [[0]]), "labels are of 1 images, truths of 2"),
        (lambda: maps.draw(truth * np.nan, [0]), "number 0 of the truths is NaN"),
        (lambda: matching.CenterHeatmap(2, 3, 5, stride=0).draw(truth, [0]), "the stride is 0: give a positive number"),
    ]
    for call, message in cases:
        with pytest.raises((ValueError, TypeError), match=message):
            call()
