"""Criteria: the whole loss of a named detector in one call.

A criterion says how raw outputs become boxes, which prediction is to find which truth, which losses are added up, over what, with which
weights, and what they are divided by. It is data, and can be changed::

    >>> from detloss import criteria
    >>> yolo = criteria.get_criterion("yolo8", box="siou")
    >>> yolo.data["heads"][0]["terms"][0]["loss"]
    'siou'

:mod:`detloss.torch.criteria` has the same as modules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detloss import _criteria, _numpy
from detloss._criteria import Evaluation, Line, Outputs

__all__ = ["Criterion", "Evaluation", "Line", "Outputs", "criteria", "get_criterion"]


def criteria() -> list[Line]:
    """All criteria: names, whose numbers each gives, and its documentation."""
    return _criteria.lines()


class Criterion(_criteria.Data):
    """The whole loss of a detector, of NumPy arrays. Made by :func:`get_criterion`."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Criterion) and self.data == other.data

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<detloss criterion {self.described()}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return get_criterion, (self.data,)

    def __call__(self, outputs: Outputs | Sequence[Outputs], truths: Sequence[Any], labels: Sequence[Any]) -> Evaluation:
        """What a batch is worth.

        Args:
            outputs: the raw outputs of the model, or a list of them: one for each head and layer.
            truths: a list with the boxes of each image, of shape (truths, 4).
            labels: a list with the class of each of them, integers.

        Raises:
            ValueError: what is missing, does not fit, or is not finite; with the remedy.
        """
        return _criteria.evaluate(self._criterion, outputs, truths, labels, _numpy.get_num_threads())


def get_criterion(name: str | Mapping[str, Any], **settings: Any) -> Criterion:
    """The criterion that is written as ``name``: ``yolo8``, ``yolo8(box=siou, dfl.weight=2)``; or that was saved as its ``data``.

    Settings change it: ``box="siou"`` is the loss of the term ``box``, ``**{"box.weight": 5}`` its weight, ``matcher="atss"`` the
    matcher.

    Raises:
        ValueError: no criterion is written so, or a setting is none; with the remedy.
    """
    return Criterion(_criteria.make(name, settings))
