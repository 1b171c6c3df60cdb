"""The matchers and the drop-ins for MMDetection's assigners, against MMDetection itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from detloss import matching
from detloss.compat import mmdet
from mmdet_itself import theirs
from test_matching import Scene, some_boxes

ASSIGNERS = "mmdet.models.task_modules.assigners"
CALCULATORS = pytest.mark.filterwarnings("ignore:.*torch.cuda.amp.autocast:FutureWarning")


class Case:
    """One image, as heads give it to an assigner."""

    def __init__(self, scene: Scene, truths: Tensor | None = None) -> None:
        self.truths = scene.truths[0] if truths is None else truths
        self.labels = torch.arange(len(self.truths)) % scene.scores.shape[-1]
        self.points, self.strides, self.levels = scene.points, scene.strides, list(scene.levels)
        self.boxes, self.scores = scene.boxes[0], scene.scores[0]
        half = self.strides[:, None] * 4
        self.anchors = torch.cat([self.points - half, self.points + half], dim=1)

    def without_priors(self) -> Case:
        for name in ("points", "strides", "boxes", "scores", "anchors"):
            setattr(self, name, getattr(self, name)[:0])
        self.levels = [0, 0, 0]
        return self

    def near(self) -> Case:
        """Predictions inside of a truth are around it, others around nothing."""
        which = torch.arange(len(self.points)) % max(len(self.truths), 1)
        if len(self.truths):
            inside = ((self.points > self.truths[which, :2]) & (self.points < self.truths[which, 2:])).all(1)
            self.boxes = torch.where(inside[:, None], self.truths[which] * 0.8 + self.boxes * 0.2, self.boxes)
        return self

    def instances(self, priors: Tensor, scores: Tensor | None = None) -> tuple[Any, Any]:
        InstanceData = theirs("mmengine.structures").InstanceData
        more = {"bboxes": self.boxes, "scores": scores} if scores is not None else {}
        return InstanceData(priors=priors, **more), InstanceData(bboxes=self.truths, labels=self.labels)


def scenes() -> Iterator[tuple[str, Case]]:
    for seed in range(4):
        yield f"random {seed}", Case(Scene([(1, 5, 20, 60)[seed]], seed)).near()
    scene = Scene([8], 9)
    yield "no truths", Case(scene, scene.truths[0][:0])
    yield "no priors", Case(scene).without_priors()
    yield "duplicates", Case(scene, scene.truths[0].repeat(2, 1)).near()
    middle = torch.tensor([[101.3, 99.1, 101.3, 99.1]], dtype=torch.float64)
    yield "nested", Case(scene, middle + torch.tensor([-1.0, -1.0, 1.0, 1.0]) * torch.arange(5, 80, 15.5)[:, None]).near()
    yield "tiny", Case(scene, torch.cat([some_boxes(6, 3)[:, :2]] * 2, 1) + torch.tensor([0.0, 0.0, 3.0, 2.5])).near()


SCENES = pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in scenes()])


def both(name: str, /, **arguments: Any) -> tuple[Any, Any]:
    """Ours from the registry, and theirs."""
    theirs(ASSIGNERS)
    mmdet.register()
    build = theirs("mmdet.registry").TASK_UTILS.build
    return build({"type": f"Detloss{name}", **arguments}), build({"type": name, **arguments})


def assert_same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected) and found.num_gts == expected.num_gts
    assert torch.equal(found.gt_inds, expected.gt_inds)
    assert torch.equal(found.labels, expected.labels)
    if expected.max_overlaps is None:
        assert found.max_overlaps is None
    else:
        torch.testing.assert_close(found.max_overlaps, expected.max_overlaps, rtol=1e-6, atol=1e-6, check_dtype=False)


@SCENES
@pytest.mark.parametrize(
    "arguments",
    [
        {"pos_iou_thr": 0.5, "neg_iou_thr": 0.4, "min_pos_iou": 1e-6},
        {"pos_iou_thr": 0.7, "neg_iou_thr": 0.3, "min_pos_iou": 0.3},
        {"pos_iou_thr": 0.5, "neg_iou_thr": 0.5, "match_low_quality": False},
        {"pos_iou_thr": 0.5, "neg_iou_thr": (0.0, 0.4), "min_pos_iou": 0.1, "gt_max_assign_all": False},
        {"pos_iou_thr": 0.5, "neg_iou_thr": 0.4, "min_pos_iou": 0.1, "ignore_iof_thr": 0.5},
    ],
    ids=str,
)
def test_max_iou(case: Case, arguments: dict[str, Any]) -> None:
    ours, others = both("MaxIoUAssigner", **arguments)
    predictions, truths = case.instances(case.anchors)
    left_out = type(truths)(bboxes=some_boxes(5, 77))
    for ignore in (None, left_out):
        assert_same(ours.assign(predictions, truths, ignore), others.assign(predictions, truths, ignore))


def test_a_truth_that_no_prior_overlaps_takes_none() -> None:
    """There it takes all that overlap nothing."""
    ours, others = both("MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.4)
    case = Case(Scene([1], 0), torch.tensor([[9000.0, 9000.0, 9010.0, 9010.0]], dtype=torch.float64))
    assert (ours.assign(*case.instances(case.anchors)).gt_inds == 0).all()
    assert (others.assign(*case.instances(case.anchors)).gt_inds == 1).all()


@SCENES
def test_atss(case: Case) -> None:
    ours, others = both("ATSSAssigner", topk=9)
    predictions, truths = case.instances(case.anchors)
    assert_same(ours.assign(predictions, case.levels, truths), others.assign(predictions, case.levels, truths))


@CALCULATORS
@SCENES
@pytest.mark.parametrize("name", ["SimOTAAssigner", "DynamicSoftLabelAssigner"])
def test_dynamic_k(case: Case, name: str) -> None:
    ours, others = both(name)
    priors = torch.cat([case.points, case.strides[:, None], case.strides[:, None]], dim=1)
    scores = case.scores if name == "SimOTAAssigner" else case.scores.logit()
    given = case.instances(priors, scores)
    # Theirs is of single precision.
    given = tuple(type(one)(**{key: value.float() if value.is_floating_point() else value for key, value in one.items()}) for one in given)
    assert_same(ours.assign(*given), others.assign(*given))


@SCENES
def test_task_aligned(case: Case) -> None:
    if not len(case.points):
        assert len(mmdet.TaskAlignedAssigner(13).assign(*case.instances(case.anchors, case.scores)).gt_inds) == 0
        return
    # As many as there are: every truth takes all that is inside of it.
    given = [one[::3] if index == 0 else one for index, one in enumerate(case.instances(case.anchors, case.scores))]
    ours, others = both("TaskAlignedAssigner", topk=len(given[0]))
    for powers in ({}, {"alpha": 0.5, "beta": 3}):
        found, expected = (assigner.assign(*given, **powers) for assigner in (ours, others))
        assert_same(found, expected)
        torch.testing.assert_close(found.assign_metrics, expected.assign_metrics)
    # The best of a single truth, where what is outside of it overlaps nothing.
    ours, others = both("TaskAlignedAssigner", topk=13)
    boxes, truths, labels = case.boxes, case.truths, case.labels
    for truth, label in list(zip(truths, labels, strict=True))[:10]:
        inside = ((case.points > truth[:2] + 0.01) & (case.points < truth[2:] - 0.01)).all(1)
        case.boxes, case.truths, case.labels = torch.where(inside[:, None], boxes, boxes + 5000.0), truth[None], label[None]
        given = case.instances(case.anchors, case.scores)
        assert_same(ours.assign(*given), others.assign(*given))
    case.boxes, case.truths, case.labels = boxes, truths, labels


def test_what_is_outside_of_a_truth_takes_no_place_of_it() -> None:
    """There it does, and is dropped then."""
    ours, others = both("TaskAlignedAssigner", topk=1)
    case = Case(Scene([1], 0), torch.tensor([[100.0, 100.0, 140.0, 140.0]], dtype=torch.float64))
    inside = ((case.points > case.truths[0, :2]) & (case.points < case.truths[0, 2:])).all(1)
    case.boxes = torch.where(inside[:, None], case.truths + 10.0, case.truths)
    predictions, truths = case.instances(case.anchors, case.scores)
    assert (ours.assign(predictions, truths).gt_inds > 0).sum() == 1
    assert (others.assign(predictions, truths).gt_inds == 0).all()


COSTS: list[list[dict[str, Any]]] = [
    [{"type": "FocalLossCost", "weight": 2.0}, {"type": "BBoxL1Cost", "weight": 5.0, "box_format": "xywh"}, {"type": "IoUCost", "weight": 2.0}],
    [{"type": "ClassificationCost", "weight": 1.0}, {"type": "BBoxL1Cost", "weight": 5.0, "box_format": "xywh"}, {"type": "IoUCost", "iou_mode": "iou", "weight": 2.0}],
    [{"type": "FocalLossCost", "alpha": 0.4, "gamma": 1.5}],
]


@SCENES
@pytest.mark.parametrize("costs", COSTS, ids=lambda costs: costs[0]["type"])
def test_hungarian(case: Case, costs: list[dict[str, Any]]) -> None:
    ours, others = both("HungarianAssigner", match_costs=costs)
    predictions, truths = case.instances(case.anchors, case.scores.logit())
    meta = {"img_shape": (320, 480)}
    found, expected = (assigner.assign(predictions, truths, img_meta=meta) for assigner in (ours, others))
    if not torch.equal(found.gt_inds, expected.gt_inds):
        # Truths that cost the same with every query may change places.
        total = sum(cost(predictions, truths, img_meta=meta) for cost in others.match_costs)
        (query, found_one), (other_query, other_one) = (((one.gt_inds > 0).nonzero()[:, 0], one.gt_inds[one.gt_inds > 0] - 1) for one in (found, expected))
        torch.testing.assert_close(total[query, found_one].sum(), total[other_query, other_one].sum(), rtol=1e-12, atol=0.0)
        assert len(total.T.unique(dim=0)) < len(case.truths)
        return
    assert_same(found, expected)


@SCENES
def test_center_sampling_of_fcos(case: Case) -> None:
    head = theirs("mmdet.models.dense_heads.fcos_head").FCOSHead
    own = SimpleNamespace(num_classes=len(case.truths), center_sampling=True, center_sample_radius=1.5, strides=(8, 16, 32))
    ends = torch.tensor([[-1.0, 64.0], [64.0, 128.0], [128.0, 1e8]], dtype=torch.float64)
    ranges = torch.repeat_interleave(ends, torch.tensor(case.levels), dim=0)
    _, truths = case.instances(case.anchors)
    truths.labels = torch.arange(len(case.truths))
    expected, _ = head._get_targets_single(own, truths, case.points, ranges, case.levels)
    found = matching.CenterSampling()(case.truths, anchors=(case.points, case.strides), levels=case.levels).indices
    assert torch.equal(torch.where(found < 0, len(case.truths), found), expected)


@pytest.mark.parametrize("seed", range(4))
def test_heatmaps_of_centernet(seed: int) -> None:
    head = theirs("mmdet.models.dense_heads.centernet_head").CenterNetHead
    truths, labels = some_boxes(12, seed), torch.arange(12) % 3
    expected, _ = head.get_targets(SimpleNamespace(num_classes=3), [truths], [labels], (1, 3, 80, 80), (320, 320))
    maps, matches = matching.CenterHeatmap(3, 80, 80, min_overlap=0.3).draw(truths, labels)
    torch.testing.assert_close(maps, expected["center_heatmap_target"][0], rtol=1e-12, atol=1e-12)
    assert torch.equal(matches.indices.reshape(80, 80) >= 0, expected["wh_offset_target_weight"][0, 0] > 0)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: mmdet.MaxIoUAssigner(0.5, (0.1, 0.4)), "begins with 0"),
        (lambda: mmdet.MaxIoUAssigner(0.5, 0.4, ignore_wrt_candidates=False), "ignore_wrt_candidates"),
        (lambda: mmdet.MaxIoUAssigner(0.5, 0.4, perm_repeat_gt_cfg={}), "perm_repeat_gt_cfg"),
        (lambda: mmdet.MaxIoUAssigner(0.5, 0.4, iou_calculator={"type": "RBboxOverlaps2D"}), "only {'type': 'BboxOverlaps2D'}"),
        (lambda: mmdet.ATSSAssigner(9, alpha=0.8), "alpha=0.8"),
        (lambda: mmdet.ATSSAssigner(9, ignore_iof_thr=0.5), "ignore_iof_thr=0.5"),
        (lambda: mmdet.HungarianAssigner([]), "no match_costs"),
        (lambda: mmdet.HungarianAssigner({"type": "DiceCost"}), "DiceCost"),
        (lambda: mmdet.HungarianAssigner([{"type": "IoUCost"}] * 2), "a cost of the overlap already"),
        (lambda: mmdet.HungarianAssigner({"type": "BBoxL1Cost", "box_format": "xyxy"}), "box_format='xywh'"),
        (lambda: mmdet.HungarianAssigner({"type": "IoUCost", "wieght": 2.0}), "has no wieght"),
    ],
)
def test_what_is_not_supported(build: Callable[[], Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        build()
