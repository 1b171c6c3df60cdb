"""What PyTorch has traced, as lines in the language of Triton."""

from __future__ import annotations

from math import isfinite
from typing import Any

import torch

from detloss.torch import _graph
from detloss.torch._triton.operations import ATEN


class Writer(_graph.Writer):
    """Writes the operations of a graph."""

    OPERATIONS = ATEN
    TABLE = "_triton/operations.py"
    TYPES = {torch.float32: "F", torch.float64: "F", torch.int64: "tl.int32", torch.bool: "tl.int1"}

    def _constant(self, constant: Any) -> str:
        is_text = isinstance(constant, float) and not isfinite(constant)
        return f'float("{constant}")' if is_text else repr(constant)
