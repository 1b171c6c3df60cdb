"""The assigners of MMDetection 3, with its constructor arguments and ``assign``, computed by :mod:`detloss.matching`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor

from detloss import matching
from detloss.matching import IGNORED, Matcher, Matches
from detloss.torch._matching.boxes import Columns, area, intersection, iou
from detloss.torch._scalar import safe_div

NO_OVERLAP = -1e8
"""What a prediction without a truth has as its overlap there."""

TRUTHS_AT_ONCE = 64
"""How many are compared with all priors at once, for the memory."""


class Assigner:
    """An assigner with the ways of MMDetection.

    Args:
        iou_calculator: that of horizontal boxes, ``dict(type="BboxOverlaps2D")``, as it is by default. No other is supported.
    """

    def __init__(self, iou_calculator: dict[str, Any] | None = None) -> None:
        wanted = {"type": "BboxOverlaps2D"}
        if iou_calculator is not None and dict(iou_calculator) != wanted:
            raise ValueError(f"{type(self).__name__} has iou_calculator {dict(iou_calculator)!r}: only {wanted!r} is supported")

    def _refuse(self, argument: str, given: Any, remedy: str) -> NoReturn:
        raise ValueError(f"{type(self).__name__} with {argument}={given!r} is not supported: {remedy}")


class MaxIoUAssigner(Assigner):
    """``MaxIoUAssigner``, by :class:`detloss.matching.MaxIou`.

    A truth that no prior overlaps finds none; with ``min_pos_iou=0`` it takes all of them there. ``gpu_assign_thr`` has no effect:
    nothing is as large as priors times truths. ``neg_iou_thr`` as a pair begins with 0. Not supported are
    ``ignore_wrt_candidates=False`` and ``perm_repeat_gt_cfg``, which draws at random.
    """

    def __init__(
        self,
        pos_iou_thr: float,
        neg_iou_thr: float | tuple[float, float],
        min_pos_iou: float = 0.0,
        gt_max_assign_all: bool = True,
        ignore_iof_thr: float = -1,
        ignore_wrt_candidates: bool = True,
        match_low_quality: bool = True,
        gpu_assign_thr: float = -1,
        iou_calculator: dict[str, Any] | None = None,
        perm_repeat_gt_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(iou_calculator)
        if not ignore_wrt_candidates:
            self._refuse("ignore_wrt_candidates", False, "a prior is ignored by how much of itself lies in what is to be ignored")
        if perm_repeat_gt_cfg is not None:
            self._refuse("perm_repeat_gt_cfg", perm_repeat_gt_cfg, "leave it out")
        low = neg_iou_thr if isinstance(neg_iou_thr, (int, float)) else neg_iou_thr[1]
        if not isinstance(neg_iou_thr, (int, float)) and neg_iou_thr[0] != 0:
            self._refuse("neg_iou_thr", neg_iou_thr, "give a pair that begins with 0, or one number")
        self.ignore_iof_thr = ignore_iof_thr
        self.matcher = matching.MaxIou(
            high=pos_iou_thr,
            low=low,
            low_quality=match_low_quality,
            claim=True,
            all_best=gt_max_assign_all,
            min_best=min_pos_iou,
            ignore=max(ignore_iof_thr, 0.0),
        )

    def assign(self, pred_instances: Any, gt_instances: Any, gt_instances_ignore: Any = None, **_: Any) -> Any:
        """The truth of every one of ``pred_instances.priors``."""
        priors, truths = boxes_of(pred_instances.priors)[:, :4], boxes_of(gt_instances.bboxes)
        # Without truths all is background there.
        is_ignoring = self.ignore_iof_thr > 0 and len(truths) > 0
        left_out = boxes_of(gt_instances_ignore.bboxes) if is_ignoring and gt_instances_ignore is not None else truths[:0]
        crowd = torch.arange(len(truths) + len(left_out), device=truths.device) >= len(truths)
        matches = self.matcher(torch.cat([truths, left_out.to(truths)]), crowd=crowd, anchors=priors)
        overlaps = largest_overlaps(priors, truths)
        if len(left_out):
            is_left_out = largest_overlaps(priors, left_out, iof) > self.ignore_iof_thr
            overlaps = torch.where(is_left_out, overlaps.new_tensor(-1.0), overlaps)
        return result(matches, gt_instances.labels, overlaps)


class ATSSAssigner(Assigner):
    """``ATSSAssigner``, by :class:`detloss.matching.Atss`.

    Of priors that are equally far from a truth the first ones are its candidates, where PyTorch's ``topk`` leaves it open. A truth with a
    single candidate finds it; there it finds nothing. Not supported are ``alpha``, of DDOD, and ``ignore_iof_thr``.
    """

    def __init__(
        self, topk: int, alpha: float | None = None, iou_calculator: dict[str, Any] | None = None, ignore_iof_thr: float = -1
    ) -> None:
        super().__init__(iou_calculator)
        if alpha is not None:
            self._refuse("alpha", alpha, "leave it out")
        if ignore_iof_thr > 0:
            self._refuse("ignore_iof_thr", ignore_iof_thr, "leave it out")
        self.matcher = matching.Atss(topk=topk)

    def assign(self, pred_instances: Any, num_level_priors: Sequence[int], gt_instances: Any, gt_instances_ignore: Any = None) -> Any:
        """The truth of every one of ``pred_instances.priors``, of which each level has so many."""
        priors, truths = boxes_of(pred_instances.priors)[:, :4], boxes_of(gt_instances.bboxes)
        matches = self.matcher(truths, anchors=priors, levels=num_level_priors)
        return result(matches, gt_instances.labels, overlaps_of(matches, priors, truths, NO_OVERLAP))


class _DynamicK(Assigner):
    """What SimOTA and its descendants have in common."""

    matcher: Matcher
    no_overlap = NO_OVERLAP

    def assign(self, pred_instances: Any, gt_instances: Any, gt_instances_ignore: Any = None, **_: Any) -> Any:
        """The truth of every one of ``pred_instances``, with ``priors`` (x, y, stride, stride), ``bboxes`` and ``scores``."""
        priors, truths = pred_instances.priors, boxes_of(gt_instances.bboxes)
        matches = self.matcher(
            truths,
            labels=gt_instances.labels,
            anchors=(priors[:, :2], priors[:, 2]),
            boxes=boxes_of(pred_instances.bboxes),
            scores=pred_instances.scores,
        )
        is_found = matches.indices >= 0
        # There it is 0 where nothing is a candidate; else something is found.
        without = is_found.any() * self.no_overlap
        overlaps = torch.where(is_found, matches.scores, without.to(matches.scores))
        return result(matches, gt_instances.labels, overlaps)


class SimOTAAssigner(_DynamicK):
    """``SimOTAAssigner``, by :class:`detloss.matching.SimOta`.

    What lies outside a truth or far from its centre comes after all that does not; there it costs 1e5 more, to which float32 rounds the
    rest away.
    """

    no_overlap = -1e5

    def __init__(
        self,
        center_radius: float = 2.5,
        candidate_topk: int = 10,
        iou_weight: float = 3.0,
        cls_weight: float = 1.0,
        iou_calculator: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(iou_calculator)
        self.matcher = matching.SimOta(
            radius=center_radius,
            in_box=True,
            topk=candidate_topk,
            class_weight=cls_weight,
            iou_weight=iou_weight,
            eps=1e-7,
        )


class DynamicSoftLabelAssigner(_DynamicK):
    """``DynamicSoftLabelAssigner``, by :class:`detloss.matching.DynamicSoftLabel`. Not supported are centres of masks."""

    def __init__(
        self,
        soft_center_radius: float = 3.0,
        topk: int = 13,
        iou_weight: float = 3.0,
        iou_calculator: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(iou_calculator)
        self.matcher = matching.DynamicSoftLabel(radius=soft_center_radius, topk=topk, iou_weight=iou_weight)

    def assign(self, pred_instances: Any, gt_instances: Any, gt_instances_ignore: Any = None, **_: Any) -> Any:
        if hasattr(gt_instances, "masks"):
            raise ValueError("DynamicSoftLabelAssigner takes the centres of boxes, not of masks: leave masks out, or use MMDetection's own")
        return super().assign(pred_instances, gt_instances)


class TaskAlignedAssigner(Assigner):
    """``TaskAlignedAssigner``, by :class:`detloss.matching.TaskAligned`.

    The ``topk`` best predictions of a truth are those of the ones inside of it, as in TOOD's paper; there they are those of all, of which
    the ones outside are dropped. So a truth may have more of them here.
    """

    def __init__(self, topk: int, iou_calculator: dict[str, Any] | None = None) -> None:
        super().__init__(iou_calculator)
        self.topk = topk

    def assign(
        self, pred_instances: Any, gt_instances: Any, gt_instances_ignore: Any = None, alpha: float = 1, beta: float = 6
    ) -> Any:
        """The truth of every one of ``pred_instances``, with ``priors``, ``bboxes`` and ``scores``, probabilities.

        The result has ``assign_metrics``, too, as MMDetection's: score^alpha * IoU^beta of what has a truth, else 0.
        """
        priors, truths = boxes_of(pred_instances.priors)[:, :4], boxes_of(gt_instances.bboxes)
        boxes, scores, labels = boxes_of(pred_instances.bboxes).detach(), pred_instances.scores.detach(), gt_instances.labels
        matcher = matching.TaskAligned(
            topk=self.topk, alpha=alpha, beta=beta, min_side=0.0, margin=0.01, among=0, overlap="iou"
        )
        matches = matcher(truths, labels=labels, anchors=priors, boxes=boxes, scores=scores)
        overlaps = overlaps_of(matches, boxes, truths, NO_OVERLAP)
        answer = result(matches, labels, overlaps)
        where, truth = matches.pairs()
        answer.assign_metrics = priors.new_zeros(len(priors))
        answer.assign_metrics[where] = (scores[where, labels[truth]] ** alpha * overlaps[where] ** beta).to(priors.dtype)
        return answer


class HungarianAssigner(Assigner):
    """``HungarianAssigner``, by :class:`detloss.matching.Hungarian`.

    Args:
        match_costs: a list of at most one cost of each kind: ``FocalLossCost`` or ``ClassificationCost``, ``BBoxL1Cost`` and ``IoUCost``,
            with MMDetection's arguments; the L1 distance with ``box_format="xywh"``. Those of masks and of texts are not supported.

    The logarithms of the focal cost have no ``eps``: it differs beyond logits of about 27.
    """

    def __init__(self, match_costs: dict[str, Any] | Sequence[dict[str, Any]]) -> None:
        super().__init__()
        params: dict[str, Any] = {"class_weight": 0.0, "l1_weight": 0.0, "overlap_weight": 0.0}
        costs = [match_costs] if isinstance(match_costs, dict) else match_costs
        if not costs:
            raise ValueError("HungarianAssigner has no match_costs: give one at least")
        seen: set[str] = set()
        for cost in costs:
            arguments = dict(cost)
            given = arguments.pop("type")
            name = given.rpartition(".")[2] if isinstance(given, str) else given.__name__
            weight = float(arguments.pop("weight", 1.0))
            if name == "FocalLossCost" and not arguments.pop("binary_input", False):
                kind, arguments = "class", {"alpha": 0.25, "gamma": 2.0, **arguments}
                arguments.pop("eps", None)
                params.update(alpha=float(arguments.pop("alpha")), gamma=float(arguments.pop("gamma")))
            elif name == "ClassificationCost":
                kind, params["softmax"] = "class", True
            elif name == "BBoxL1Cost":
                kind = "l1"
                if arguments.pop("box_format", "xyxy") != "xywh":
                    self._refuse("match_costs", cost, "give box_format='xywh', as DETR and all after it have it")
            elif name == "IoUCost":
                kind, params["overlap"] = "overlap", arguments.pop("iou_mode", "giou")
            else:
                self._refuse("match_costs", cost, "give FocalLossCost (of classes), ClassificationCost, BBoxL1Cost or IoUCost")
            if arguments:
                self._refuse("match_costs", cost, f"{name} has no {', '.join(arguments)}")
            if kind in seen:
                self._refuse("match_costs", cost, f"there is a cost of the {kind} already")
            seen.add(kind)
            params[f"{kind}_weight"] = weight
        self.has_l1 = "l1" in seen
        self.matcher = matching.Hungarian(**params)

    def assign(self, pred_instances: Any, gt_instances: Any, img_meta: dict[str, Any] | None = None, **_: Any) -> Any:
        """The truth of every query, with ``bboxes``, corners in pixels, and ``scores``, logits; of an image of ``img_meta["img_shape"]``."""
        boxes, truths = boxes_of(pred_instances.bboxes).detach(), boxes_of(gt_instances.bboxes)
        if self.has_l1:
            if img_meta is None:
                raise ValueError("BBoxL1Cost is of fractions of the image: give img_meta with img_shape")
            height, width = img_meta["img_shape"][:2]
            size = boxes.new_tensor([width, height, width, height])
            boxes, truths = boxes / size, truths / size
        matches = self.matcher(truths, labels=gt_instances.labels, boxes=boxes, scores=pred_instances.scores)
        return result(matches, gt_instances.labels, None)


ASSIGNERS: tuple[type[Assigner], ...] = (
    MaxIoUAssigner,
    ATSSAssigner,
    SimOTAAssigner,
    DynamicSoftLabelAssigner,
    TaskAlignedAssigner,
    HungarianAssigner,
)
"""All of them."""


def boxes_of(given: Any) -> Tensor:
    """The tensor of what may be MMDetection's own type of boxes."""
    tensor: Tensor = given if isinstance(given, Tensor) else given.tensor
    return tensor


def iof(box: Columns, other: Columns) -> Tensor:
    """The part of a box that lies in another one; of nothing 0."""
    return safe_div(area(intersection(box, other)), area(box))


def largest_overlaps(priors: Tensor, truths: Tensor, overlap: Callable[[Columns, Columns], Tensor] = iou) -> Tensor:
    """The largest overlap of every prior, of some truths at once; 0 without truths."""
    largest = priors.new_zeros(len(priors))
    for first in range(0, len(truths), TRUTHS_AT_ONCE):
        overlaps = overlap(priors[:, None].unbind(-1), truths[first : first + TRUTHS_AT_ONCE].unbind(-1))
        largest = torch.maximum(largest, overlaps.amax(1))
    return largest


def overlaps_of(matches: Matches, boxes: Tensor, truths: Tensor, without: float) -> Tensor:
    """The IoU of every box with its truth. What has none has ``without``; if there are no truths, 0."""
    overlaps = boxes.new_full((len(boxes),), without if len(truths) else 0.0)
    where, truth = matches.pairs()
    overlaps[where] = iou(boxes[where].unbind(-1), truths[truth].to(boxes.dtype).unbind(-1))
    return overlaps


def result(matches: Matches, labels: Tensor, overlaps: Tensor | None) -> Any:
    """MMDetection's own result, in which truths are counted from 1, background is 0 and what is ignored -1."""
    found: Tensor = matches.indices
    indices = torch.where(found == IGNORED, -1, (found + 1).clamp(min=0))
    of_class = torch.full_like(indices, -1)
    where, truth = matches.pairs()
    of_class[where] = labels[truth].to(of_class.dtype)
    kind = importlib.import_module("mmdet.models.task_modules.assigners").AssignResult
    return kind(len(labels), indices, overlaps, of_class)
