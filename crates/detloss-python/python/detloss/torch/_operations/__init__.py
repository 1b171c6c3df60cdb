"""The losses that are no formulas, as vectorised torch operations: for devices where the compiled kernels cannot run.

Each computes what its namesake in ``crates/detloss/src/losses`` computes, value and gradient, on whole tensors.
"""

from __future__ import annotations

from detloss.torch._operations import density, lovasz, overlap, ranking, rows, sets
from detloss.torch._operations.base import OPERATIONS, TRACEABLE, TRACEABLE_SETS, Operation, running_mean
from detloss.torch._operations.ranking import LEAST, RANKED, Localised, Ranked

__all__ = [
    "LEAST",
    "OPERATIONS",
    "RANKED",
    "TRACEABLE",
    "TRACEABLE_SETS",
    "Localised",
    "Operation",
    "Ranked",
    "density",
    "lovasz",
    "overlap",
    "ranking",
    "rows",
    "running_mean",
    "sets",
]
