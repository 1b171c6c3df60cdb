"""Matchers of the list as tensor operations, for devices where the compiled core cannot run.

Each finds what its namesake in ``crates/detloss/src/matching`` finds. Pairs that cannot match are not formed: the points that may match some
truths are a mask of a bounded size, and what is chosen of it two lists of indices (``base.py``). A block of truths leaves of its pairs the
best for every prediction, so that memory is a few numbers for each of them. The truths of all images stand in one list; there is no loop
over images.

A matcher that is none of these goes over the host.
"""

from __future__ import annotations

from detloss.torch._matching import (
    atss,
    center_sampling,
    dynamic_soft_label,
    max_iou,
    sim_ota,
    ssd,
    task_aligned,
)
from detloss.torch._matching.base import MATCHERS
from detloss.torch._matching.call import match, to_host

__all__ = [
    "MATCHERS",
    "atss",
    "center_sampling",
    "dynamic_soft_label",
    "match",
    "max_iou",
    "sim_ota",
    "ssd",
    "task_aligned",
    "to_host",
]
