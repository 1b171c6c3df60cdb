"""What is put in the place of Ultralytics' own. Each part asks what is in use when it is called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn

import detloss.torch as functions
from detloss import matching
from detloss.compat.ultralytics._installed import BOX, ROTATED, active, stack
from detloss.torch import Loss


def bbox_forward(
    self: Any,
    pred_dist: Tensor,
    pred_bboxes: Tensor,
    anchor_points: Tensor,
    target_bboxes: Tensor,
    target_scores: Tensor,
    target_scores_sum: Tensor,
    fg_mask: Tensor,
    imgsz: Tensor,
    stride: Tensor,
    *,
    original: Any,
    rotated: bool,
) -> tuple[Tensor, Tensor]:
    """The sums of the box loss and of the loss of the four sides, weighted by the scores and divided by their sum."""
    box, dfl = active("box"), active("dfl")
    no_sides = pred_dist[..., :0].sum()
    if box is None:
        arguments = (pred_dist, pred_bboxes, anchor_points, target_bboxes, target_scores, target_scores_sum, fg_mask, imgsz, stride)
        of_boxes, of_sides = original(self, *arguments)
        return of_boxes, of_sides if dfl is None or dfl.dfl else no_sides
    loss = box.box_of(self, pred_bboxes.device)
    _check_kind("box", loss, rotated)
    chosen = fg_mask.nonzero(as_tuple=True)
    weight, target = target_scores[chosen].sum(-1), target_bboxes[chosen]
    of_boxes = loss(pred_bboxes[chosen], target, weight=weight) / target_scores_sum
    if dfl is not None and not dfl.dfl:
        return of_boxes, no_sides
    sides = _sides(anchor_points[chosen[1]], target)
    if self.dfl_loss:
        bins = self.dfl_loss.reg_max
        places, weights = sides.clamp(0, bins - 1.01).flatten(), (weight / 4).repeat_interleave(4)
        of_sides = functions.distribution_focal(pred_dist[chosen].view(-1, bins), places, weight=weights, reduction="sum")
    else:
        # As fractions of the image.
        height, width = imgsz
        unit = stride[chosen[1]] / torch.stack([width, height, width, height])
        of_sides = functions.l1(pred_dist[chosen] * unit, sides * unit, weight=weight / 4, reduction="sum")
    return of_boxes, of_sides / target_scores_sum


def _sides(points: Tensor, boxes: Tensor) -> Tensor:
    """How far the four sides of boxes are from points; those of rotated boxes along their own axes."""
    if boxes.shape[-1] == 4:
        return torch.cat([points - boxes[:, :2], boxes[:, 2:] - points], -1)
    (x, y), half = (boxes[:, :2] - points).unbind(-1), boxes[:, 2:4] / 2
    cos, sin = boxes[:, 4].cos(), boxes[:, 4].sin()
    center = torch.stack([cos * x + sin * y, cos * y - sin * x], -1)
    return torch.cat([half - center, half + center], -1)


def _check_kind(what: str, loss: Loss, rotated: bool) -> None:
    fields, name = loss.spec.pred.fields, loss.spec.name
    if fields != (ROTATED if rotated else BOX):
        example = "rotated boxes, such as 'prob_iou(floor=0.01)'" if rotated else "axis-aligned boxes, such as 'siou'"
        raise ValueError(f"{what} is {name!r}, and this model has other boxes: give a loss of {example}")


class ClassTerm:
    """The attribute ``bce`` of a criterion: what is stored there stays, and is what a checkpoint would have."""

    def __get__(self, criterion: Any, owner: type | None = None) -> Any:
        if criterion is None:
            return self
        found = active("cls")
        return criterion.__dict__["bce"] if found is None else found.cls

    def __set__(self, criterion: Any, value: Any) -> None:
        criterion.__dict__["bce"] = value


def iou_calculation(self: Any, gt_bboxes: Tensor, pd_bboxes: Tensor, *, original: Any, rotated: bool) -> Tensor:
    """The overlaps of pairs."""
    found = active("overlap")
    if found is None:
        theirs: Tensor = original(self, gt_bboxes, pd_bboxes)
        return theirs
    assert found.overlap is not None
    _check_kind("assigner_overlap", found.overlap, rotated)
    overlaps: Tensor = (1 - found.overlap(pd_bboxes, gt_bboxes)).clamp_(0)
    return overlaps


def assign(
    self: Any,
    pd_scores: Tensor,
    pd_bboxes: Tensor,
    anc_points: Tensor,
    gt_labels: Tensor,
    gt_bboxes: Tensor,
    mask_gt: Tensor,
    *,
    original: Any,
    kinds: Sequence[type],
    **extra: Tensor,
) -> tuple[Tensor, ...]:
    """Labels, boxes and scores that predictions are to have, which have any, and by which truth."""
    found = active("assigner")
    # An overlap of masks or keypoints is not ours.
    if found is None or type(self) not in kinds or extra:
        theirs: tuple[Tensor, ...] = original(self, pd_scores, pd_bboxes, anc_points, gt_labels, gt_bboxes, mask_gt, **extra)
        return theirs
    assert found.assigner is not None
    rotated, overlap = gt_bboxes.shape[-1] == 5, active("overlap")
    if overlap is not None and overlap.overlap is not None:
        _check_kind("assigner_overlap", overlap.overlap, rotated)
    of_model = {
        "topk": self.topk,
        "topk2": 0 if self.topk2 == self.topk else self.topk2,
        "alpha": self.alpha,
        "beta": self.beta,
        "min_side": self.stride_val,
        "eps": self.eps,
    }
    name = overlap.settings["assigner_overlap"] if overlap is not None else "prob_iou" if rotated else "ciou"
    matcher = _matcher(name, tuple((of_model | dict(found.assigner)).items()))
    places = [mask.nonzero().squeeze(-1) for mask in mask_gt.squeeze(-1)]
    matches = matcher(
        [boxes[place] for boxes, place in zip(gt_bboxes, places, strict=True)],
        labels=[labels[place, 0].long() for labels, place in zip(gt_labels, places, strict=True)],
        anchors=(anc_points.to(pd_bboxes.dtype), torch.ones_like(anc_points[:, 0], dtype=pd_bboxes.dtype)),
        boxes=pd_bboxes,
        scores=pd_scores.to(pd_bboxes.dtype),
    )
    positive, within = matches.indices >= 0, matches.indices.clamp(min=0)
    # Truths that are left out stand anywhere: the indices are of those that are not.
    padded = nn.utils.rnn.pad_sequence(places, batch_first=True) if any(len(place) for place in places) else within[:, :1]
    truth = padded.gather(1, within)
    labels = gt_labels[..., 0].long().gather(1, truth).clamp(min=0)
    boxes = gt_bboxes.gather(1, truth[..., None].expand(-1, -1, gt_bboxes.shape[-1]))
    scores = torch.zeros((*truth.shape, self.num_classes), dtype=pd_bboxes.dtype, device=pd_bboxes.device)
    scores.scatter_(2, labels[..., None], matches.scores.to(scores.dtype)[..., None])
    return labels, boxes, scores, positive, truth


@lru_cache(maxsize=64)
def _matcher(overlap: str, params: tuple[tuple[str, float], ...]) -> matching.Matcher:
    return matching.Matcher("task_aligned", overlap=overlap, **dict(params))


def generate_ddp_file(trainer: Any, *, original: Any) -> Any:
    """The file that the processes of several GPUs run, which are to install the same before they begin."""
    starts = trainer.callbacks.setdefault("on_pretrain_routine_start", [])
    ours = [partial(_install_again, settings=one.settings) for one in stack]
    starts.extend(ours)
    try:
        return original(trainer)
    finally:
        for one in ours:
            starts.remove(one)


def _install_again(_: Any, *, settings: Mapping[str, Any]) -> None:
    """What a process of several GPUs is begun with."""
    importlib.import_module("detloss.compat.ultralytics").install(**settings)
