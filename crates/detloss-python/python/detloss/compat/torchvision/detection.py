"""The losses of this package in torchvision's detectors, which are trained as before.

::

    from torchvision.models.detection import retinanet_resnet50_fpn
    from detloss.compat.torchvision.detection import replace_losses

    model = replace_losses(retinanet_resnet50_fpn(num_classes=3), box="giou", cls="focal(gamma=1.5)")
    losses = model(images, targets)  # "classification" and "bbox_regression", as before.

Anchors, matching, sampling, the names of the terms, and what they are divided by stay torchvision's. RetinaNet, FCOS and SSD are computed by
the criteria of those names, Faster R-CNN and its kin (masks, keypoints) by single losses.

A model whose losses are replaced is of classes of this module: it is copied and pickled as before, and a ``state_dict`` is the same. Written
against torchvision 0.29.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torchvision.models.detection import roi_heads  # type: ignore[import-untyped]
from torchvision.models.detection.fcos import FCOSHead  # type: ignore[import-untyped]
from torchvision.models.detection.retinanet import RetinaNetHead  # type: ignore[import-untyped]
from torchvision.models.detection.rpn import RegionProposalNetwork  # type: ignore[import-untyped]
from torchvision.models.detection.ssd import SSD  # type: ignore[import-untyped]

from detloss._spec import Spec, find
from detloss.torch import Loss, get_loss
from detloss.torch.criteria import Criterion, Outputs, get_criterion

__all__ = ["replace_losses", "restore_losses"]

Model = TypeVar("Model", bound=nn.Module)

BOX = ("x1", "y1", "x2", "y2")


def replace_losses(
    model: Model, box: str | None = None, cls: str | None = None, *, rpn_box: str | None = None, rpn_cls: str | None = None
) -> Model:
    """Replaces the losses of a detector, and gives the detector. What is not given is torchvision's own, by this package.

    Args:
        model: a RetinaNet, FCOS, SSD or Faster R-CNN of torchvision, or a detector with the latter's parts.
        box: the loss of boxes: of two boxes, ``giou``, ``inner(siou, ratio=0.8)``, or of their encoded offsets, ``smooth_l1(beta=0.1)``.
        cls: the loss of classes: of scores, ``focal(gamma=1.5)``, for RetinaNet and FCOS; of rows, ``softmax_focal``, for the others.
        rpn_box: the loss of boxes of the region proposals, for Faster R-CNN.
        rpn_cls: the loss of scores of the region proposals.

    Raises:
        TypeError: the model is none of these.
        ValueError: a loss does not fit; with the remedy.
    """
    parts = _parts(model)
    if not parts:
        raise TypeError(f"{type(model).__name__} has no losses to replace: give a RetinaNet, FCOS, SSD or Faster R-CNN of torchvision")
    has_proposals = any(isinstance(part, RegionProposalNetwork) for part in parts)
    if not has_proposals and (rpn_box is not None or rpn_cls is not None):
        raise ValueError(f"rpn_box and rpn_cls are for region proposals, which {type(model).__name__} has not: leave them out")
    # What is wrong is found before anything is changed.
    made = [_losses(part, box, cls, rpn_box, rpn_cls) for part in parts]
    restore_losses(model)
    for part, losses in zip(parts, made, strict=True):
        # In a dictionary, so that they are no modules of the model.
        part.detloss = losses
        part.__class__ = _OURS[type(part)]
    return model


def restore_losses(model: Model) -> Model:
    """Gives a detector its own losses back, and gives the detector; one that has them is left alone."""
    theirs = {ours: original for original, ours in _OURS.items()}
    for part in model.modules():
        if type(part) in theirs:
            part.__class__ = theirs[type(part)]
            del part.detloss
    return model


def _parts(model: nn.Module) -> list[Any]:
    """The modules that compute losses, their own or ours."""
    return [part for part in model.modules() if type(part) in _OURS or type(part) in _OURS.values()]


def _losses(part: Any, box: str | None, cls: str | None, rpn_box: str | None, rpn_cls: str | None) -> dict[str, nn.Module]:
    """What a part is given."""
    if isinstance(part, RetinaNetHead):
        return _criteria("retinanet", box, cls, {"deltas": list(part.regression_head.box_coder.weights)})
    if isinstance(part, FCOSHead):
        # The epsilon of torchvision.ops.
        return _criteria("fcos", box or "giou(eps=1e-7)", cls, "distances")
    if isinstance(part, SSD):
        negatives = {"hard_negatives": int(part.neg_to_pos_ratio)}
        return _criteria("ssd", box, cls, {"deltas": list(part.box_coder.weights)}, negatives)
    if isinstance(part, RegionProposalNetwork):
        return {"box": _box("rpn_box", rpn_box), "cls": _classes("rpn_cls", rpn_cls or "bce", _is_of_scores, "scores, such as 'focal'")}
    rows = "rows of logits, such as 'softmax_focal'"
    return {"box": _box("box", box), "cls": _classes("cls", cls or "softmax_ce", _is_of_rows, rows)}


def _criteria(name: str, box: str | None, cls: str | None, decoder: Any, rows: Any = None) -> dict[str, nn.Module]:
    """A criterion for each term of the one of this name: each has a gradient of its own."""
    data = get_criterion(name).data
    [head] = data["heads"]
    for term in head["terms"]:
        if term["name"] == "bbox_regression" and box is not None:
            term["compares"] = {"boxes": "given"} if find(box).pred.fields == BOX else {"offsets": "sum"}
            term["loss"] = box
        if term["name"] == "classification":
            term["loss"], term["rows"] = cls or term["loss"], rows or term["rows"]
    # Which anchor is to find which truth, torchvision says.
    head |= {"decoder": decoder, "matcher": None}
    return {term["name"]: get_criterion(data | {"heads": [head | {"terms": [term]}]}) for term in head["terms"]}


def _box(what: str, name: str | None) -> Loss:
    name = name or f"smooth_l1(beta={1 / 9})"
    spec = find(name)
    if spec.pred.fields not in (BOX, ("value",)) or spec.scope != "unit" or spec.is_stateful:
        raise ValueError(f"{what} is {name!r}: give a loss of two boxes, such as 'giou', or of two values, such as 'smooth_l1', without a state")
    return get_loss(name, reduction="sum")


def _is_of_scores(spec: Spec) -> bool:
    return spec.pred.fields == ("logit",) and spec.is_elementwise and spec.scope == "unit"


def _is_of_rows(spec: Spec) -> bool:
    return spec.pred.fields == ("logit",) and spec.scope == "row" and spec.target.is_label


def _classes(what: str, name: str, fits: Any, wanted: str) -> Loss:
    if not fits(find(name)):
        raise ValueError(f"{what} is {name!r}: give a loss of {wanted}")
    return get_loss(name)


def _terms(
    criteria: dict[str, Criterion], targets: list[dict[str, Tensor]], outputs: dict[str, Tensor], anchors: Any, matched: list[Tensor]
) -> dict[str, Tensor]:
    """The terms of the criteria, of outputs by torchvision's names."""
    quality = outputs["bbox_ctrness"].squeeze(-1) if "bbox_ctrness" in outputs else None
    given = Outputs(outputs["cls_logits"], outputs["bbox_regression"], anchors, quality, pairs=torch.stack(matched))
    truths, labels = ([target[key] for target in targets] for key in ("boxes", "labels"))
    return {name: criterion(given, truths, labels).total for name, criterion in criteria.items()}


class _RetinaNetHead(RetinaNetHead):  # type: ignore[misc]
    detloss: dict[str, Any]

    def compute_loss(self, targets: Any, head_outputs: Any, anchors: Any, matched_idxs: Any) -> dict[str, Tensor]:
        return _terms(self.detloss, targets, head_outputs, anchors[0], matched_idxs)


class _FCOSHead(FCOSHead):  # type: ignore[misc]
    detloss: dict[str, Any]

    def compute_loss(self, targets: Any, head_outputs: Any, anchors: Any, matched_idxs: Any) -> dict[str, Tensor]:
        low, high = anchors[0][:, :2], anchors[0][:, 2:]
        width, height = (high - low).unbind(1)
        if not torch.equal(width, height):
            raise ValueError("the anchors of FCOS are no squares: give its anchor generator an aspect ratio of 1")
        return _terms(self.detloss, targets, head_outputs, ((low + high) / 2, width), matched_idxs)


class _SSD(SSD):  # type: ignore[misc]
    detloss: dict[str, Any]

    def compute_loss(self, targets: Any, head_outputs: Any, anchors: Any, matched_idxs: Any) -> dict[str, Tensor]:
        return _terms(self.detloss, targets, head_outputs, anchors[0], matched_idxs)


def _box_loss(loss: Loss, coder: Any, offsets: Tensor, targets: Tensor, anchors: Tensor) -> Tensor:
    """The sum over boxes, given as offsets from their anchors."""
    if loss.spec.pred.fields == BOX:
        offsets, targets = coder.decode_single(offsets, anchors), coder.decode_single(targets, anchors)
    result: Tensor = loss(offsets, targets)
    return result


class _RegionProposalNetwork(RegionProposalNetwork):  # type: ignore[misc]
    detloss: dict[str, Any]

    def assign_targets_to_anchors(self, anchors: Any, targets: Any) -> Any:
        self.detloss["anchors"] = anchors
        return super().assign_targets_to_anchors(anchors, targets)

    def compute_loss(self, objectness: Any, pred_bbox_deltas: Any, labels: Any, regression_targets: Any) -> tuple[Tensor, Tensor]:
        anchors = torch.cat(self.detloss.pop("anchors"))
        positive, negative = (torch.cat(chosen).nonzero().squeeze(-1) for chosen in self.fg_bg_sampler(labels))
        sampled, target = torch.cat([positive, negative]), torch.cat(regression_targets)
        of_boxes = _box_loss(self.detloss["box"], self.box_coder, pred_bbox_deltas[positive], target[positive], anchors[positive])
        of_scores: Tensor = self.detloss["cls"](objectness.flatten()[sampled], torch.cat(labels)[sampled])
        return of_scores, of_boxes / max(1, len(sampled))


class _RoIHeads(roi_heads.RoIHeads):  # type: ignore[misc]
    detloss: dict[str, Any]

    def select_training_samples(self, proposals: Any, targets: Any) -> Any:
        samples = super().select_training_samples(proposals, targets)
        self.detloss["proposals"] = samples[0]
        return samples

    def forward(self, features: Any, proposals: Any, image_shapes: Any, targets: Any = None) -> Any:
        # The loss is a function of the module, which is to stay what it is for all others.
        names = vars(roi_heads) | {"fastrcnn_loss": self._loss}
        theirs = roi_heads.RoIHeads.forward
        return FunctionType(theirs.__code__, names, closure=theirs.__closure__)(self, features, proposals, image_shapes, targets)

    def _loss(self, class_logits: Tensor, box_regression: Tensor, labels: Any, regression_targets: Any) -> tuple[Tensor, Tensor]:
        proposals, classes = torch.cat(self.detloss.pop("proposals")), torch.cat(labels)
        positive = (classes > 0).nonzero().squeeze(-1)
        offsets = box_regression.reshape(len(classes), -1, 4)[positive, classes[positive]]
        target = torch.cat(regression_targets)[positive]
        of_boxes = _box_loss(self.detloss["box"], self.box_coder, offsets, target, proposals[positive])
        of_classes: Tensor = self.detloss["cls"](class_logits, classes)
        return of_classes, of_boxes / max(1, len(classes))


_OURS: dict[type, type] = {
    RetinaNetHead: _RetinaNetHead,
    FCOSHead: _FCOSHead,
    SSD: _SSD,
    RegionProposalNetwork: _RegionProposalNetwork,
    roi_heads.RoIHeads: _RoIHeads,
}
