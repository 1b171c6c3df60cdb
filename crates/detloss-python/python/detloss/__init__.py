"""Loss functions for object detection, with exact gradients from one fused pass.

Each loss is a function of NumPy arrays, :func:`value_and_grad` adds the gradient, and :mod:`detloss.torch` is for PyTorch.
"""

from __future__ import annotations

from detloss import _numpy
from detloss._core import version as _version
from detloss._functions import make as _make
from detloss._numpy import get_num_threads, initial_state, set_num_threads, value_and_grad
from detloss._spec import SPECS as _SPECS
from detloss._spec import Case, Operand, Param, Spec

__version__ = _version()


def losses() -> list[Spec]:
    """All losses with their parameters, ranges and documentation."""
    return list(_SPECS.values())


for _line in _SPECS.values():
    globals()[_line.name] = _make(_line, _numpy.value, __name__, _numpy.OPTIONS, "array")

__all__ = [
    "Case",
    "Operand",
    "Param",
    "Spec",
    "get_num_threads",
    "initial_state",
    "losses",
    "set_num_threads",
    "value_and_grad",
    *_SPECS,
]
