"""The Lovász extension of the Jaccard loss: ``crates/detloss/src/lovasz.rs`` and its two losses in ``losses/masks``."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from detloss.torch._operations.base import Params, RowTerms, SetTerms, row_loss, set_loss, wide
from detloss.torch._operations.softmax import Softmax, class_column, through_softmax


def _lovasz(errors: Tensor, labels: Tensor, objects: Tensor) -> tuple[Tensor, Tensor]:
    """The extension in every row of ``errors`` (n, pixels), and the derivative by each error.

    Errors are not negative, but for those of pixels that do not take part, which come last and have slope 0.
    ``objects`` (n, 1) are the sums of the labels, those of pixels without an error included.

    Pixels with the same error have no derivative of a single value: one that moves up alone is the first of them, one
    that moves down alone is the last, and the slope is the mean of both. An error of 0 cannot move down.
    """
    errors, order = errors.sort(-1, descending=True)
    labels = labels.gather(-1, order)
    takes_part = ~(errors < 0.0)
    missed, extra = (pad(label.cumsum(-1), (1, 0)) for label in (labels, 1.0 - labels))
    ascending = -errors
    first, after = (torch.searchsorted(ascending, ascending, right=right) for right in (False, True))

    def rise(missed: Tensor, extra: Tensor) -> Tensor:
        """How much the Jaccard loss rises with one more wrong pixel, without a difference of two near numbers."""
        union, left = objects + extra, (objects - missed).clamp(min=0.0)
        # Where there is no object, the first wrong pixel makes all the difference.
        jaccard = torch.where(union == 0.0, 1.0, left / torch.where(union == 0.0, 1.0, union))
        grown = union + (1.0 - labels)
        change = jaccard * (1.0 - labels) + labels
        return torch.where(grown == 0.0, 0.0, change / torch.where(grown == 0.0, 1.0, grown))

    value = torch.where(takes_part, errors * rise(missed[:, :-1], extra[:, :-1]), 0.0).sum(-1)
    as_first = rise(missed.gather(-1, first), extra.gather(-1, first))
    as_last = rise(missed.gather(-1, after) - labels, extra.gather(-1, after) - (1.0 - labels))
    as_last = torch.where(errors == 0.0, 0.0, as_last)
    slopes = torch.where(takes_part, 0.5 * (as_first + as_last), 0.0)
    return value, torch.empty_like(slopes).scatter(-1, order, slopes)


@row_loss("lovasz_hinge", sorts=True)
def lovasz_hinge(pred: Tensor, target: Tensor, class_weight: Tensor | None, params: Params) -> RowTerms:
    # In float64: exact errors, so that only equal logits tie.
    logits, labels = pred.to(wide(pred)), target.to(wide(pred))
    is_void, sign = labels < 0.0, 2.0 * labels - 1.0
    objects = torch.where(is_void, 0.0, labels).sum(-1, keepdim=True)
    errors = torch.where(is_void, -1.0, 1.0 - sign * logits)
    values, slopes = _lovasz(errors, labels, objects)
    return RowTerms(values, -sign * slopes)


@set_loss("lovasz_softmax", sorts=True)
def lovasz_softmax(pred: Tensor, target: Tensor, counts: Tensor, state: Tensor | None, params: Params) -> SetTerms:
    # All classes at once, a row for each: a sort per class, and memory for some copies of `pred` in float64.
    columns, softmax = pred.shape[1], Softmax(pred)
    scores, column = softmax.probabilities, class_column(target, pred.shape[1])
    is_there = (column == torch.arange(columns, device=pred.device)) & counts.unsqueeze(-1)
    errors = scores.scatter(-1, column, -softmax.at(column).less)
    errors = torch.where(counts.unsqueeze(-1), errors, -1.0)
    precise = wide(pred)
    labels = is_there.T.to(precise)
    pixels_of = labels.sum(-1, keepdim=True)
    is_present = pixels_of > 0.0
    present = is_present.sum().clamp(min=1)
    values, slopes = _lovasz(errors.T.to(precise).contiguous(), labels, pixels_of)
    value = torch.where(is_present.squeeze(-1), values, 0.0).sum() / present
    slopes = torch.where(is_present, slopes / present, 0.0).T
    grad = torch.where(is_there, -slopes, slopes).to(pred.dtype)
    return SetTerms(value, through_softmax(grad, scores))
