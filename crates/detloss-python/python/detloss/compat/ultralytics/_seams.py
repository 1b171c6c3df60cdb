"""The places in Ultralytics where something is replaced, and whether they are what they were."""

from __future__ import annotations

import importlib
import inspect
from functools import partial, wraps
from typing import Any, NamedTuple

import torch

from detloss.compat.ultralytics._parts import ClassTerm, assign, bbox_forward, generate_ddp_file, iou_calculation

KNOWN = "8.4.190"
"""The version that this was written against."""


class _Seam(NamedTuple):
    """What is replaced, and what it has to be: an attribute of a class, or a function of a module."""

    module: str
    owner: str
    name: str
    takes: tuple[str, ...]

    def find(self) -> tuple[Any, Any]:
        """Its owner and itself, if it is what it was."""
        module = importlib.import_module(self.module)
        owner = getattr(module, self.owner, None) if self.owner else module
        here = getattr(owner, self.name, None)
        found = tuple(inspect.signature(here).parameters) if callable(here) else None
        if found != self.takes:
            where = f"{self.module}.{self.owner}.{self.name}".replace("..", ".")
            raise _changed(f"{where}({', '.join(self.takes)})", "nothing" if found is None else f"({', '.join(found)})")
        return owner, here


def _changed(wanted: str, found: str) -> RuntimeError:
    version = importlib.import_module("ultralytics").__version__
    return RuntimeError(
        f"detloss looked for {wanted}, and Ultralytics {version} has {found}: its losses are replaced where {KNOWN} has them; install that "
        f"version, or a newer detloss"
    )


_BOXES = (
    "pred_dist",
    "pred_bboxes",
    "anchor_points",
    "target_bboxes",
    "target_scores",
    "target_scores_sum",
    "fg_mask",
    "imgsz",
    "stride",
)
_TRUTHS = ("pd_scores", "pd_bboxes", "anc_points", "gt_labels", "gt_bboxes", "mask_gt", "extra")
_PAIR = ("self", "gt_bboxes", "pd_bboxes")
_LOSS, _TAL = "ultralytics.utils.loss", "ultralytics.utils.tal"

_undo: list[tuple[Any, str, Any]] = []
"""What was replaced: its owner, its name, and what was there; None for nothing."""


def patch() -> None:
    """Replaces everything that may be asked for, or nothing where something is not what it was."""
    opaque = torch.compiler.disable(assign)  # type: ignore[no-untyped-call]
    seams = {
        _Seam(_LOSS, "BboxLoss", "forward", ("self", *_BOXES)): partial(_replacing, bbox_forward, rotated=False),
        _Seam(_LOSS, "RotatedBboxLoss", "forward", ("self", *_BOXES)): partial(_replacing, bbox_forward, rotated=True),
        _Seam(_TAL, "TaskAlignedAssigner", "iou_calculation", _PAIR): partial(_replacing, iou_calculation, rotated=False),
        _Seam(_TAL, "RotatedTaskAlignedAssigner", "iou_calculation", _PAIR): partial(_replacing, iou_calculation, rotated=True),
        _Seam(_TAL, "TaskAlignedAssigner", "_forward", ("self", *_TRUTHS)): partial(_replacing, opaque, kinds=_assigners()),
        _Seam("ultralytics.utils.dist", "", "generate_ddp_file", ("trainer",)): partial(_replacing, generate_ddp_file),
    }
    found = [(*seam.find(), seam.name, replacing) for seam, replacing in seams.items()]
    criterion = _criterion()
    for owner, original, name, replacing in found:
        _undo.append((owner, name, original))
        setattr(owner, name, replacing(original))
    _undo.append((criterion, "bce", None))
    criterion.bce = ClassTerm()


def _replacing(function: Any, original: Any, **constants: Any) -> Any:
    """A function in the place of another one, which it knows."""

    @wraps(original)
    def replaced(*arguments: Any, **keywords: Any) -> Any:
        return function(*arguments, **keywords, **constants, original=original)

    return replaced


def _assigners() -> tuple[type, ...]:
    """The assigners of boxes alone, which have the parameters of ours."""
    tal = importlib.import_module(_TAL)
    kinds = tuple(getattr(tal, name) for name in ("TaskAlignedAssigner", "RotatedTaskAlignedAssigner"))
    for name in ("topk", "topk2", "num_classes", "alpha", "beta", "stride_val", "eps"):
        if not hasattr(kinds[0](), name):
            raise _changed(f"{_TAL}.TaskAlignedAssigner().{name}", "nothing")
    return kinds


def _criterion() -> Any:
    """The class whose attribute ``bce`` is the loss of scores in all criteria."""
    module = importlib.import_module(_LOSS)
    base = getattr(module, "v8DetectionLoss", None)
    for owner, name in (("v8DetectionLoss", "__init__"), ("v8DetectionLoss", "get_assigned_targets_and_loss"), ("v8OBBLoss", "loss")):
        method = getattr(getattr(module, owner, None), name, None)
        if "bce" not in getattr(getattr(method, "__code__", None), "co_names", ()):
            raise _changed(f"the attribute bce in {_LOSS}.{owner}.{name}", "none there")
    return base


def unpatch() -> None:
    while _undo:
        owner, name, original = _undo.pop()
        if original is None:
            delattr(owner, name)
        else:
            setattr(owner, name, original)
