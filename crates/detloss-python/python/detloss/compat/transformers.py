"""Criteria of this package as loss functions of the DETR-like models of transformers.

::

    from transformers import RTDetrForObjectDetection
    from detloss.compat.transformers import loss_function

    model = RTDetrForObjectDetection.from_pretrained("PekingU/rtdetr_r18vd")
    model.loss_function = loss_function("rt_detr", giou="siou")
    loss = model(pixel_values, labels=labels).loss  # As before.

Written against transformers 5.24, which is not needed to import this.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from detloss.torch.criteria import Criterion, Outputs, get_criterion

__all__ = ["LossFunction", "loss_function"]


def loss_function(name: str | Mapping[str, Any], **settings: Any) -> LossFunction:
    """The loss function of a criterion whose boxes are fractions of the image: ``detr``, ``deformable_detr``, ``rt_detr``, ``rf_detr`` …

    Name and settings are those of :func:`detloss.torch.criteria.get_criterion`. The weights of the terms and of the costs are the criterion's,
    not those of the model's configuration.

    Raises:
        ValueError: no criterion is written so, a setting is none, or it is of another kind of model; with the remedy.
    """
    return LossFunction(get_criterion(name, **settings))


class LossFunction:
    """What a model takes as its attribute ``loss_function``. Made by :func:`loss_function`.

    Layers of the decoder before the last one count where the configuration says so (``auxiliary_loss``); so do proposals of the encoder and
    queries for denoising, of criteria that have heads for them.
    """

    def __init__(self, criterion: Criterion) -> None:
        heads = criterion.data["heads"]
        self.heads = [head["name"] for head in heads]
        if self.heads[0] != "decoder" or any(head["decoder"] != "centers" for head in heads):
            raise ValueError("this criterion is not of queries: give that of a DETR-like model, such as 'rt_detr'")
        self.criterion = criterion

    def __call__(
        self,
        logits: Tensor,
        labels: Sequence[Mapping[str, Tensor]],
        device: Any,
        pred_boxes: Tensor,
        config: Any,
        outputs_class: Tensor | None = None,
        outputs_coord: Tensor | None = None,
        enc_topk_logits: Tensor | None = None,
        enc_topk_bboxes: Tensor | None = None,
        denoising_meta_values: Mapping[str, Any] | None = None,
        enc_outputs_class: Tensor | None = None,
        enc_outputs_coord: Tensor | None = None,
        **_: Any,
    ) -> tuple[Tensor, dict[str, Tensor], list[dict[str, Tensor]] | None]:
        """The total, the terms by their names, and the outputs of the earlier layers, as transformers' own losses give them."""
        has_layers = bool(config.auxiliary_loss) and outputs_class is not None and outputs_coord is not None
        layers = [(logits, pred_boxes)]
        if has_layers:
            assert outputs_class is not None and outputs_coord is not None
            earlier = [_layers(stacked, last)[:-1] for stacked, last in ((outputs_class, logits), (outputs_coord, pred_boxes))]
            layers = [*zip(*earlier, strict=True), *layers]
        noisy: list[tuple[Tensor, Tensor]] = []
        if denoising_meta_values is not None:
            split = list(denoising_meta_values["dn_num_split"])
            noisy = [(classes[:, : split[0]], boxes[:, : split[0]]) for classes, boxes in layers]
            layers = [(classes[:, split[0] :], boxes[:, split[0] :]) for classes, boxes in layers]
        groups = _groups(layers[0][0], config)
        outputs = [Outputs(classes, boxes, head="decoder", groups=groups) for classes, boxes in layers]
        encoder = (enc_topk_logits, enc_topk_bboxes) if has_layers and enc_topk_logits is not None else (enc_outputs_class, enc_outputs_coord)
        if "encoder" in self.heads and encoder[0] is not None:
            outputs.append(Outputs(*encoder, head="encoder", groups=groups))
        if "denoising" in self.heads and has_layers and denoising_meta_values is not None:
            pairs = _pairs(noisy[0][0], labels, denoising_meta_values)
            noise = int(denoising_meta_values["dn_num_group"])
            outputs += [Outputs(classes, boxes, head="denoising", pairs=pairs, groups=noise) for classes, boxes in noisy]
        truths = [label["boxes"].to(pred_boxes.dtype) for label in labels]
        result = _of_groups(self.criterion, groups)(outputs, truths, [label["class_labels"] for label in labels])
        terms = {f"loss_{term}": torch.tensor(value, device=logits.device) for term, value in result.terms.items()}
        auxiliary = [{"logits": classes, "pred_boxes": boxes} for classes, boxes in layers[:-1]]
        return result.total, terms, auxiliary if has_layers else None


def _layers(stacked: Tensor, last: Tensor) -> Sequence[Tensor]:
    """The outputs of all layers, which some models stack before the images, and others after."""
    if stacked.shape[0] != stacked.shape[1]:
        return stacked.unbind(0 if stacked.shape[1] == len(last) else 1)
    # As many layers as images: one of both ends with the last layer, but for what the same product on more rows is rounded by.
    is_far = [float((of_last - last).detach().abs().sum()) for of_last in (stacked[-1], stacked[:, -1])]
    return stacked.unbind(1 if is_far[1] < is_far[0] else 0)


def _groups(logits: Tensor, config: Any) -> int:
    """How many groups of queries there are: several in training, one else."""
    groups = int(getattr(config, "group_detr", 1))
    return groups if groups > 1 and logits.shape[1] == groups * config.num_queries else 1


def _of_groups(criterion: Criterion, groups: int) -> Criterion:
    """The criterion, whose matchers take each group of queries by itself."""
    data = criterion.data
    for head in data["heads"]:
        if head["matcher"] is not None:
            head["matcher"] = re.sub(r"\bgroups=\d+", f"groups={groups}", head["matcher"])
    return criterion if data == criterion.data else get_criterion(data)


def _pairs(logits: Tensor, labels: Sequence[Mapping[str, Tensor]], noise: Mapping[str, Any]) -> Tensor:
    """The truth of every query for denoising; -1 for those that are to find nothing."""
    pairs = torch.full(logits.shape[:2], -1, dtype=torch.int32)
    for row, label, places in zip(pairs, labels, noise["dn_positive_idx"], strict=True):
        count = len(label["class_labels"])
        if count:
            row[places.cpu()] = torch.arange(count, dtype=torch.int32).repeat(int(noise["dn_num_group"]))
    return pairs
