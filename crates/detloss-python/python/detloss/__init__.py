"""Loss functions for object detection, with exact gradients from one fused pass.

Each loss is a function of NumPy arrays, :func:`value_and_grad` adds the gradient, and :mod:`detloss.torch` is for PyTorch. A loss
with modifiers is had by what it is written as: ``detloss.get_loss("inner(ciou, ratio=0.8)")``.
"""

from __future__ import annotations

from collections.abc import Callable as _Callable
from typing import Any as _Any

from detloss import _numpy
from detloss._core import version as _version
from detloss._functions import make as _make
from detloss._numpy import get_num_threads, initial_state, set_num_threads, value_and_grad
from detloss._spec import SPECS as _SPECS
from detloss._spec import find as _find
from detloss._spec import Case, Operand, Param, Spec

__version__ = _version()


def losses() -> list[Spec]:
    """All losses with their parameters, ranges and documentation."""
    return list(_SPECS.values())


def get_loss(name: str) -> _Callable[..., _Any]:
    """The function of the loss that is written as ``name``: ``giou``, ``ciou(gate=0.5)``, ``inner(focaler(siou), ratio=0.8)``.

    Parameters that are written are the defaults of its keywords.

    Raises:
        ValueError: no loss is written so; with the remedy.
    """
    return _make(_find(name), _numpy.value, __name__, _numpy.OPTIONS, "array")


for _line in _SPECS.values():
    globals()[_line.name] = _make(_line, _numpy.value, __name__, _numpy.OPTIONS, "array")

__all__ = [
    "Case",
    "Operand",
    "Param",
    "Spec",
    "get_loss",
    "get_num_threads",
    "initial_state",
    "losses",
    "set_num_threads",
    "value_and_grad",
    *_SPECS,
]
