"""Refinement of distributions: what D-FINE's two losses need besides the losses themselves.

An edge of a box is a distribution over offsets from that edge of a reference box.

- FGL: ``distribution_focal(logits, place(offsets_of_boxes(targets, references)), weight=iou)``, where ``iou`` is that of the decoded box
  and the target, for each of the four edges;
- DDF: ``softmax_kl(logits, teacher, temperature=5, weight=ddf_weights(confidence, matched), reduction="sum")``, edge by edge.

D-FINE weighs FGL by 0.15, its sum divided by the number of boxes, and DDF by 1.5. Functions take and give NumPy arrays; a tensor on the
CPU will do.

Peng et al., *D-FINE: Redefine Regression Task in DETRs as Fine-grained Distribution Refinement*, ICLR 2025.
https://arxiv.org/abs/2410.13842
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detloss import _core
from detloss._numpy import numbers

__all__ = ["ddf_weights", "offsets", "offsets_of_boxes", "place"]


def offsets(bins: int = 32, up: float = 0.5, reg_scale: float = 4.0) -> NDArray[np.float64]:
    """The offsets W(0), ..., W(bins) that the places of an edge stand for, in units of the reference's side / ``reg_scale``.

    The decoded left edge is the reference's less ``(softmax(logits) @ offsets()) * width / reg_scale``, the right edge is that plus it.

    Args:
        bins: the number of intervals, an even one; D-FINE's ``reg_max``.
        up: the size of the range.
        reg_scale: the inverse of the unit.
    """
    return _core.offsets(bins, up, reg_scale)


def place(
    offsets: ArrayLike, *, bins: int = 32, up: float = 0.5, reg_scale: float = 4.0
) -> NDArray[np.float64]:
    """The place of every offset, from 0 to ``bins``: the target of ``distribution_focal``. Of the shape of ``offsets``."""
    given = numbers(offsets, "offsets")
    return _core.place(given, bins, up, reg_scale).reshape(given.shape)


def offsets_of_boxes(targets: ArrayLike, references: ArrayLike, *, reg_scale: float = 4.0) -> NDArray[np.float64]:
    """How far the edges of the targets lie outside of those of their references: left, top, right, bottom.

    Args:
        targets: (..., 4): x1, y1, x2, y2.
        references: the same, of the boxes that the offsets start from.
        reg_scale: the inverse of the unit, as a share of the reference's side.

    Returns:
        (..., 4), infinite for an edge that differs from that of a reference without a side.
    """
    given, starts = numbers(targets, "targets"), numbers(references, "references")
    if given.shape[-1:] != (4,) or given.shape != starts.shape:
        raise ValueError(f"targets have shape {given.shape} and references {starts.shape}: give (..., 4), the same for both")
    return _core.offsets_of_boxes(given, starts, reg_scale).reshape(given.shape)


def ddf_weights(confidence: ArrayLike, matched: ArrayLike) -> NDArray[np.float64]:
    """The weight of every row in the sum that is D-FINE's decoupled distillation focal loss.

    Args:
        confidence: per row: the IoU of a matched query, the teacher's largest score of an unmatched one.
        matched: whether the row is of a matched query. Rows are edges or queries.

    Returns:
        confidence / (sqrt(M) (sqrt(M) + sqrt(U))) for M matched rows, and with U for the unmatched ones.
    """
    given, chosen = numbers(confidence, "confidence"), np.asarray(matched)
    if chosen.dtype != np.bool_ or chosen.shape != given.shape:
        raise ValueError(f"matched is of {chosen.dtype} and shape {chosen.shape}: give booleans of shape {given.shape}")
    return _core.ddf_weights(given, np.ascontiguousarray(chosen)).reshape(given.shape)
