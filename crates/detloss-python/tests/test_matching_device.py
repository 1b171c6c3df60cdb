"""Matchers in tensor operations, for devices, against the compiled core. Tensors of the CPU are sent that way by force."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from detloss import _matching, matching
from detloss.torch._matching import MATCHERS, base, to_host

BY_ASSIGNMENT = ["hungarian"]
"""Whose rule is one of all pairs together: it has no form for a device."""

RULES = {
    "max_iou": [
        "max_iou",
        "max_iou(high=0.7, low=0.3, min_best=0.3, claim=1)",
        "max_iou(high=0.5, low=0.5, low_quality=0)",
        "max_iou(high=0.6, low=0, all_best=0)",
        "max_iou(high=1, low=0.2, all_best=0, claim=1)",
    ],
    "ssd": ["ssd", "ssd(threshold=0.3)", "ssd(threshold=0)"],
    "atss": ["atss", "atss(topk=1)", "atss(topk=4, margin=3)", "atss(topk=1000, margin=0)"],
    "center_sampling": [
        "center_sampling",
        "center_sampling(radius=1000)",
        "center_sampling(radius=2.5, lower=1, upper=3)",
        "center_sampling(radius=1e6, lower=0, upper=1e6)",
    ],
    "sim_ota": [
        "sim_ota",
        "sim_ota(radius=2.5, in_box=1, eps=1e-7)",
        "sim_ota(radius=0.3, in_box=1, iou_weight=6)",
        "sim_ota(radius=20, topk=200, class_weight=0.2)",
        "sim_ota(radius=0.6)",
    ],
    "dynamic_soft_label": [
        "dynamic_soft_label",
        "dynamic_soft_label(radius=0, iou_weight=0.1)",
        "dynamic_soft_label(topk=200, eps=0.01)",
        "dynamic_soft_label(topk=2, radius=9, eps=0)",
    ],
    "task_aligned": [
        "task_aligned",
        "task_aligned(topk=7, topk2=1)",
        "task_aligned(topk=13, alpha=1, min_side=0, margin=0.01, among=0, overlap=iou)",
        "task_aligned(min_side=0, among=2)",
        "task_aligned(topk=200, min_side=40, among=2, alpha=0.3, beta=2.5, overlap=giou)",
        "task_aligned(topk=1000, topk2=3, alpha=0, beta=7, among=0, overlap=inner(siou, ratio=0.8))",
    ],
}
"""How each matcher is used, and the ends of its parameters."""

WRITTEN = [written for rules in RULES.values() for written in rules]

WIDTH, HEIGHT = 160, 120


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Thousands of small operations: threads that wait for each other take ten times as long where others use the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def grid(dtype: torch.dtype, strides: tuple[int, ...] = (8, 16, 32), width: int = WIDTH, height: int = HEIGHT) -> dict[str, Any]:
    """The points of an image, their strides, and how many each level has."""
    points, sizes, levels = [], [], []
    for stride in strides:
        y, x = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing="ij")
        points.append((torch.stack([x, y], dim=-1).reshape(-1, 2).to(dtype) + 0.5) * stride)
        sizes.append(torch.full((x.numel(),), float(stride), dtype=dtype))
        levels.append(x.numel())
    return {"anchors": (torch.cat(points), torch.cat(sizes)), "levels": levels}


def somewhere(random: np.random.Generator, count: int, least: float, most: float) -> Tensor:
    size = random.uniform(least, most, (count, 2))
    corner = random.uniform(0, 1, (count, 2)) * (np.array([WIDTH, HEIGHT]) - size)
    return torch.from_numpy(np.concatenate([corner, corner + size], axis=1))


def ordinary(random: np.random.Generator) -> list[Tensor]:
    """Truths of which nothing is equal to anything else."""
    return [somewhere(random, count, 4.0, 90.0) for count in (1, 2, 5, 12, 40, 0, 150)]


def nasty(random: np.random.Generator) -> list[Tensor]:
    """Nested, equal, tiny, empty, huge and far truths, and some that lie as the points do."""
    nested = [[8.0 * n, 8.0 * n, 150 - 8.0 * n, 110 - 8.0 * n] for n in range(6)]
    integers = torch.from_numpy(random.integers(0, 14, (30, 2))) * 8.0
    return [
        torch.tensor(nested, dtype=torch.float64),
        torch.tensor([[20.0, 20, 70, 60]] * 3, dtype=torch.float64),
        somewhere(random, 9, 0.01, 2.0),
        torch.tensor([[40.0, 40, 40, 80], [30, 30, 30, 30], [50, 50, 40, 90]], dtype=torch.float64),
        torch.tensor([[-1e6, -1e6, 1e6, 1e6], [10, 10, 60, 60]], dtype=torch.float64),
        torch.tensor([[900.0, 900, 950, 950], [10, 10, 60, 60]], dtype=torch.float64),
        torch.zeros(0, 4, dtype=torch.float64),
        torch.tensor([[16.0, 16, 80, 80], [32, 0, 64, 96]], dtype=torch.float64),
        torch.cat([integers, integers + torch.from_numpy(random.integers(0, 8, (30, 2))) * 8.0], dim=1),
    ]


def images(truths: list[Tensor], random: np.random.Generator, written: str, dtype: torch.dtype = torch.float64) -> dict[str, Any]:
    """All that a matcher may ask for, with predictions near the truths of their places, so that many overlap."""
    matcher, given, classes = matching.get_matcher(written), grid(torch.float64), 5
    truths = [these.double() for these in truths]
    points, _ = given["anchors"]
    boxes = torch.cat([points - 9.0, points + 9.0], dim=1).repeat(len(truths), 1, 1)
    for image, these in enumerate(truths):
        for truth in these.flip(0):
            inside = (points > truth[:2]).all(dim=1) & (points < truth[2:]).all(dim=1)
            boxes[image, inside] = truth
    boxes += torch.from_numpy(random.uniform(-5, 5, boxes.shape))
    scores = torch.from_numpy(random.uniform(0.001, 0.999, (*boxes.shape[:2], classes)))
    given |= {
        "truths": truths,
        "labels": [torch.from_numpy(random.integers(0, classes, len(these))) for these in truths],
        "boxes": boxes,
        "scores": scores.logit() if "logits" in inputs_of(matcher) else scores,
    }
    if "crowd" in inputs_of(matcher):
        given["crowd"] = [torch.from_numpy(random.random(len(these)) < 0.2) for these in truths]
    return {key: in_precision(value, dtype) for key, value in given.items()}


def inputs_of(matcher: matching.Matcher) -> list[str]:
    return matcher._matcher.inputs


def in_precision(given: Any, dtype: torch.dtype) -> Any:
    if isinstance(given, (list, tuple)):
        return type(given)(in_precision(one, dtype) for one in given)
    return given.to(dtype) if torch.is_tensor(given) and given.is_floating_point() else given


def both(written: str, given: dict[str, Any]) -> tuple[matching.Matches, matching.Matches]:
    """By tensor operations, and by the core."""
    matcher = matching.get_matcher(written)
    return matcher(**given, backend="decomposed"), matcher(**given, backend="fused")


def assert_same(ours: matching.Matches, cores: matching.Matches, what: str) -> None:
    assert ours.indices.dtype == torch.int64 and ours.indices.shape == cores.indices.shape
    differ = (ours.indices != cores.indices).nonzero()
    assert len(differ) == 0, f"{what}: {len(differ)} of {(cores.indices >= 0).sum()}, {differ[:5].tolist()}"
    assert (ours.scores is None) == (cores.scores is None)
    if ours.scores is not None:
        assert ours.scores.dtype == cores.scores.dtype
        # The powers of task-aligned scores multiply what single precision rounds.
        close = 1e-6 if ours.scores.dtype == torch.float64 else 1e-5
        torch.testing.assert_close(ours.scores, cores.scores, rtol=close, atol=close)


def test_every_matcher_of_the_list_has_its_form_or_an_assignment() -> None:
    assert [name for name in matching.matchers() if name not in MATCHERS] == BY_ASSIGNMENT
    assert set(MATCHERS) == set(RULES) == set(matching.matchers()) - set(BY_ASSIGNMENT)
    truths, points = torch.tensor([[0.0, 0.0, 8.0, 8.0]]), torch.tensor([[4.0, 4.0]])
    for name in BY_ASSIGNMENT:
        with pytest.raises(ValueError, match=f"{name} is matched by the core alone: use backend 'auto'"):
            matching.get_matcher(name)(truths, anchors=(points, torch.ones(1)), backend="decomposed")
    with pytest.raises(ValueError, match="backend 'decomposed' is of tensor operations: give tensors"):
        matching.Atss()(truths.numpy(), anchors=truths.numpy(), backend="decomposed")
    with pytest.raises(ValueError, match="backend is 'gpu': give one of 'auto', 'fused', 'decomposed'"):
        matching.Atss()(truths, anchors=truths, backend="gpu")


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("drawn", [ordinary, nasty], ids=["ordinary", "nasty"])
def test_it_finds_what_the_core_finds(
    written: str, dtype: torch.dtype, drawn: Callable[[np.random.Generator], list[Tensor]]
) -> None:
    positives, ties = 0, 0
    for seed in range(2):
        random = np.random.default_rng(seed)
        given = images(drawn(random), random, written, dtype)
        for what, changed in variants(given, random):
            ours, cores = both(written, given | changed)
            if dtype == torch.float32 and not torch.equal(ours.indices, cores.indices):
                # In single precision an overlap that is 1 minus a loss is rounded in another order.
                ours.indices[is_tied(written, given | changed, ours, cores)] = -3
                cores.indices[ours.indices == -3] = -3
                ties += int((ours.indices == -3).sum())
            assert_same(ours, cores, f"{written}, {what}, {seed}")
            positives += int((cores.indices >= 0).sum())
    assert positives > 20 and ties <= positives // 200


def is_tied(written: str, given: dict[str, Any], ours: matching.Matches, cores: matching.Matches) -> Tensor:
    """Where both differ, and the core by itself finds something else once all numbers are rounded a little otherwise."""
    random, varies = np.random.default_rng(0), torch.zeros_like(cores.indices, dtype=torch.bool)
    for _ in range(10):
        nearly = {}
        for key in ("truths", "boxes", "scores"):
            tensors = given[key] if isinstance(given[key], list) else [given[key]]
            moved = [one * (1 + 1e-6 * torch.from_numpy(random.uniform(-1, 1, one.shape)).to(one)) for one in tensors]
            nearly[key] = moved if isinstance(given[key], list) else moved[0]
        varies |= matching.get_matcher(written)(**(given | nearly)).indices != cores.indices
    return varies & (ours.indices != cores.indices)


def variants(given: dict[str, Any], random: np.random.Generator) -> Iterator[tuple[str, dict[str, Any]]]:
    """What else may be given: no levels, anchors that are boxes, predictions that are no numbers or far away, one class."""
    points, strides = given["anchors"]
    yield "as it is", {}
    size = torch.from_numpy(random.uniform(0.2, 3.0, (len(points), 2))).to(points) * strides[:, None]
    yield "boxes without levels", {"anchors": torch.cat([points - size, points + size], dim=1), "levels": None}
    broken, scores = given["boxes"].clone(), given["scores"].clone()
    broken[:, ::3, 1], broken[:, 1::7, 2], scores[:, 2::5] = torch.nan, torch.inf, torch.nan
    yield "NaN", {"boxes": broken, "scores": scores}
    yield "all NaN", {"boxes": broken * torch.nan}
    equal = {key: given[key][:, :1].expand_as(given[key]) for key in ("boxes", "scores")}
    yield "equal predictions", equal | {"labels": [torch.zeros_like(labels) for labels in given["labels"]]}


def test_the_best_of_a_truth_are_ranked_by_metric_then_by_index_and_nan_comes_last() -> None:
    nan, truth = torch.nan, torch.tensor([0, 0, 0, 0, 3, 3, 5, 5, 5])
    metric = torch.tensor([0.5, nan, 0.9, 0.5, -0.0, 0.0, nan, -torch.inf, 1.0])
    assert base.ranks(truth, metric).tolist() == [1, 3, 0, 2, 0, 1, 1, 2, 0]
    # Truths in any order are ranked, too.
    order = torch.tensor([6, 0, 8, 4, 2, 7, 5, 1, 3])
    assert base.ranks(truth[order], metric[order]).tolist() == [1, 1, 0, 0, 0, 2, 1, 3, 2]
    assert base.ranks(truth[:0], metric[:0]).tolist() == []


@pytest.mark.parametrize("written", WRITTEN)
def test_blocks_of_any_size_find_the_same(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of less than a truth, of some truths of an image, and of several images."""
    random = np.random.default_rng(7)
    given = images([*ordinary(random), *nasty(random)], random, written)
    points = given["boxes"].shape[1]
    whole, _ = both(written, given)
    for size in (1, 20 * points):
        monkeypatch.setattr(base, "BLOCK", size)
        assert_same(both(written, given)[0], whole, f"{written} in blocks of {size}")


@pytest.mark.parametrize("written", ["task_aligned(overlap=prob_iou(floor=0.01))", "task_aligned(min_side=0, among=2, overlap=rotated_iou)"])
def test_rotated_boxes_are_matched(written: str) -> None:
    positives = 0
    for seed in range(5):
        random = np.random.default_rng(seed)
        given = images(ordinary(random), random, "task_aligned")

        def rotated(boxes: Tensor, random: np.random.Generator = random) -> Tensor:
            x1, y1, x2, y2 = boxes.unbind(-1)
            angle = torch.from_numpy(random.uniform(-4, 4, x1.shape))
            return torch.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, angle], dim=-1)

        given |= {"truths": [rotated(truths) for truths in given["truths"]], "boxes": rotated(given["boxes"])}
        ours, cores = both(written, given)
        assert_same(ours, cores, f"{written}, {seed}")
        positives += int((cores.indices >= 0).sum())
    assert positives > 50


@pytest.mark.parametrize("name", sorted(MATCHERS))
def test_an_image_and_a_batch_arrays_and_halves_are_answered_alike(name: str) -> None:
    random = np.random.default_rng(3)
    truths = [these for these in ordinary(random) if len(these) in (0, 5, 40)]
    given = images(truths, random, name, torch.float32)
    batch, _ = both(name, given)
    matcher = matching.get_matcher(name)
    for image in range(len(truths)):
        one = {key: given[key][image] for key in ("truths", "labels", "boxes", "scores", "crowd") if key in given}
        single = matcher(**one, anchors=given["anchors"], levels=given["levels"], backend="decomposed")
        assert torch.equal(single.indices, batch.indices[image])
        assert single.scores is None or torch.equal(single.scores, batch.scores[image])
    lists = given | {"labels": [labels.tolist() for labels in given["labels"]], "truths": [one.numpy() for one in given["truths"]]}
    assert_same(matcher(**lists, backend="decomposed"), batch, name)
    half = given | {"boxes": given["boxes"].bfloat16(), "scores": given["scores"].half()}
    rounded = half | {"boxes": half["boxes"].float(), "scores": half["scores"].float()}
    assert_same(*both(name, half), name)
    assert_same(both(name, half)[0], both(name, rounded)[0], name)
    centers = {
        "truths": [torch.cat([(box[:, :2] + box[:, 2:]) / 2, box[:, 2:] - box[:, :2]], dim=1) for box in given["truths"]],
        "boxes": torch.cat([(given["boxes"][..., :2] + given["boxes"][..., 2:]) / 2, given["boxes"][..., 2:] - given["boxes"][..., :2]], -1),
    }
    assert_same(*both(name, given | centers | {"centers": True}), name)


@pytest.mark.parametrize("name", sorted(MATCHERS))
def test_without_predictions_or_truths_there_is_nothing(name: str) -> None:
    given = images([torch.zeros(0, 4), torch.zeros(0, 4)], np.random.default_rng(0), name)
    ours, cores = both(name, given)
    assert (ours.indices == -1).all()
    assert_same(ours, cores, name)
    given = images([torch.ones(2, 4), torch.zeros(0, 4)], np.random.default_rng(0), name)
    given |= {"boxes": given["boxes"][:, :0], "scores": given["scores"][:, :0]}
    given |= {"anchors": tuple(part[:0] for part in given["anchors"]), "levels": [0, 0]}
    assert matching.get_matcher(name)(**given, backend="decomposed").indices.shape == (2, 0)


@pytest.mark.parametrize("name", sorted(MATCHERS))
def test_what_does_not_fit_is_said_in_the_words_of_the_core(name: str) -> None:
    given = images([torch.tensor([[10.0, 10, 60, 60], [0, 0, 20, 30]])], np.random.default_rng(1), name)
    (points, strides), inputs = given["anchors"], inputs_of(matching.get_matcher(name))
    cases: list[dict[str, Any]] = [
        {"anchors": None},
        {"anchors": (points,)},
        {"anchors": (points[1:], strides)},
        {"anchors": (points, strides * 0)},
        {"anchors": (points * torch.inf, strides)},
        {"levels": [1, 2]},
        {"truths": [torch.tensor([[0.0, torch.nan, 1, 1], [0, 0, 1, 1]])]},
        {"truths": [torch.ones(2, 5)]},
    ]
    if "crowd" in inputs:
        cases += [{"crowd": [torch.ones(2)]}, {"crowd": [torch.ones(3, dtype=torch.bool)]}]
    else:
        cases += [{"crowd": [torch.ones(2, dtype=torch.bool)]}]
    if "boxes" in inputs:
        cases += [{"boxes": None}, {"scores": None}, {"labels": None}, {"boxes": given["boxes"][0]}, {"boxes": given["boxes"][:, 1:]}]
        cases += [{"labels": [torch.tensor([0, 5])]}, {"labels": [torch.tensor([-1, 0])]}, {"labels": [torch.tensor([0.0, 1.0])]}]
        cases += [{"labels": [torch.zeros(1, dtype=torch.int64)]}, {"labels": given["labels"] * 2}, {"scores": given["scores"][:, 1:]}]
    matcher = matching.get_matcher(name)
    for changed in cases:
        words = []
        for backend in ("decomposed", "fused"):
            with pytest.raises((ValueError, TypeError)) as caught:
                matcher(**(given | changed), backend=backend)
            words.append(str(caught.value))
        assert words[0] == words[1]


class _Watch(TorchDispatchMode):
    """Keeps the size of the largest result, and how often the device would be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.largest, self.waits = 0, 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        self.waits += operation is torch.ops.aten.nonzero.default
        assert operation is not torch.ops.aten._local_scalar_dense.default, "a number is read"
        if operation.is_view:
            return result
        for tensor in filter(torch.is_tensor, result if isinstance(result, (tuple, list)) else [result]):
            self.largest = max(self.largest, tensor.numel())
        return result


@pytest.mark.parametrize("name", sorted(MATCHERS))
@pytest.mark.parametrize("is_crowded", [False, True])
def test_nothing_is_as_large_as_predictions_times_truths(name: str, is_crowded: bool) -> None:
    """8,400 points, 500 truths, 80 classes: 4.2 million pairs. Or 300 that hold every point, so that all pairs are candidates. The scores are
    halves and larger than a block: a copy of them in single precision would be seen, too."""
    random = np.random.default_rng(5)
    given = grid(torch.float32, width=640, height=640)
    points, classes, count = len(given["anchors"][0]), 80, 300 if is_crowded else 500
    corner = torch.from_numpy(random.uniform(0, 560, (count, 2))).float()
    far = 640 + corner / 560 if is_crowded else corner + torch.from_numpy(random.uniform(8, 80, (count, 2))).float()
    half = torch.from_numpy(random.uniform(5, 70, (2, points, 2))).float()
    given |= {
        "truths": [torch.cat([-corner / 560 if is_crowded else corner, far], dim=1), torch.zeros(0, 4)],
        "labels": [torch.from_numpy(random.integers(0, classes, count)), torch.zeros(0, dtype=torch.int64)],
        "boxes": torch.cat([given["anchors"][0] - half, given["anchors"][0] + half], dim=2),
        "scores": torch.from_numpy(random.uniform(0.01, 0.99, (2, points, classes))).half(),
    }
    with _Watch() as watch:
        ours = matching.get_matcher(name)(**given, backend="decomposed")
    blocks = -(-count // (base.BLOCK // points))
    assert blocks >= 3 and given["scores"].numel() > base.BLOCK and watch.largest <= base.BLOCK + 1
    # Each block at most four times, the values once, and the candidates once.
    assert 0 < watch.waits <= 4 * blocks + 2
    assert_same(ours, matching.get_matcher(name)(**given, backend="fused"), name)


class _OnDevice(TorchDispatchMode):
    """Refuses results elsewhere than on this device, or of another type than these. What only a device knows, how many flags are set, is
    given: none of one flag, and these many of more."""

    def __init__(self, device: str, dtypes: set[torch.dtype], count: int) -> None:
        super().__init__()
        self.device, self.dtypes, self.count, self.operations = device, dtypes, count, 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += 1
        if operation is torch.ops.aten.nonzero.default:
            [flags] = args
            return flags.new_empty((self.count if flags.numel() > 8 else 0, flags.dim()), dtype=torch.int64)
        result = operation(*args, **(kwargs or {}))
        for tensor in filter(torch.is_tensor, result if isinstance(result, (tuple, list)) else [result]):
            assert tensor.device.type == self.device, f"{operation} works on {tensor.device}"
            assert tensor.dtype in self.dtypes, f"{operation} makes {tensor.dtype}"
        return result


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("has_doubles", [True, False])
def test_nothing_leaves_the_device(written: str, has_doubles: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake tensors know what device they are on, without one, and have no numbers that could be read."""
    dtypes = {torch.float32, torch.int64, torch.int32, torch.bool} | ({torch.float64} if has_doubles else set())
    if not has_doubles:
        for module in list(sys.modules):
            if module.startswith("detloss.torch._matching.") and hasattr(sys.modules[module], "wide"):
                monkeypatch.setattr(sys.modules[module], "wide", lambda tensor: torch.float32)
    given = images(ordinary(np.random.default_rng(1)), np.random.default_rng(1), written, torch.float32)

    def there(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(there(one) for one in value)
        return torch.empty(value.shape, dtype=value.dtype, device="cuda") if torch.is_tensor(value) else value

    with FakeTensorMode():
        given = {key: there(value) for key, value in given.items()}
        for count in (0, 77):
            with _OnDevice("cuda", dtypes, count) as watched:
                matches = matching.get_matcher(written)(**given)
            assert matches.indices.device.type == "cuda" and matches.indices.shape == given["boxes"].shape[:2]
            assert matches.scores is None or (matches.scores.device.type == "cuda" and matches.scores.dtype == torch.float32)
            assert watched.operations > 50


class _Copies(TorchFunctionMode):
    """Counts copies to the host."""

    count = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += function is torch.Tensor.cpu
        return function(*args, **(kwargs or {}))


def test_matching_on_the_host_is_one_copy_there(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(4)
    given = images(ordinary(random), random, "hungarian")
    cores = matching.Hungarian()(**given)
    monkeypatch.setattr(_matching, "is_elsewhere", torch.is_tensor)
    with _Copies() as copies:
        assert_same(matching.Hungarian()(**given), cores, "hungarian")
    # Then NumPy's view of what is on the host already, which is no copy.
    hosted = sum(map(torch.is_tensor, [*given["truths"], *given["labels"], *given["anchors"], given["boxes"], given["scores"]]))
    assert copies.count == 1 + hosted


def test_what_is_packed_is_the_same_on_the_host() -> None:
    tensors = [
        torch.tensor([True, False, True]),
        torch.arange(5),
        torch.rand(3, 4).half(),
        torch.zeros(0, 4),
        torch.rand(2, 3, dtype=torch.float64).T,
        torch.tensor(2.5, requires_grad=True),
        torch.rand(7).bfloat16(),
    ]
    for tensor, hosted in zip(tensors, to_host(tensors), strict=True):
        assert hosted.dtype == tensor.dtype and torch.equal(hosted, tensor)


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is at hand")
def test_gpu(written: str) -> None:
    """What the core finds, the GPU finds too."""

    def there(value: Any) -> Any:
        return type(value)(map(there, value)) if isinstance(value, (list, tuple)) else value.cuda() if torch.is_tensor(value) else value

    for drawn in (ordinary, nasty):
        random = np.random.default_rng(9)
        given = images(drawn(random), random, written)
        matches = matching.get_matcher(written)(**{key: there(value) for key, value in given.items()})
        assert matches.indices.device.type == "cuda"
        hosted = matching.Matches(matches.indices.cpu(), None if matches.scores is None else matches.scores.cpu())
        assert_same(hosted, matching.get_matcher(written)(**given), written)
