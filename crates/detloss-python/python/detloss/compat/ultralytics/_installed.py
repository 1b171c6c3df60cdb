"""What is in use, for all that is put in the place of Ultralytics' own."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from detloss.torch import Loss

BOX = ("x1", "y1", "x2", "y2")
ROTATED = ("cx", "cy", "w", "h", "angle")


class Installed:
    """Losses that are in use, made by :func:`install`, until :meth:`undo`; a context manager that undoes.

    ``box`` and ``cls`` are the modules of the losses, None where Ultralytics' own is used. Losses with a running mean (WIoU v2 and v3) have one
    for each head; it begins anew with every process.
    """

    def __init__(
        self,
        box: Loss | None,
        cls: Loss | None,
        dfl: bool | None,
        assigner: Mapping[str, float] | None,
        overlap: Loss | None,
    ) -> None:
        self.box, self.cls, self.dfl, self.assigner, self.overlap = box, cls, dfl, assigner, overlap
        self.settings: dict[str, Any] = {}
        self._boxes: WeakKeyDictionary[nn.Module, Loss] = WeakKeyDictionary()

    def box_of(self, head: nn.Module, device: torch.device) -> Loss:
        """The box loss of a head, which has a state of its own."""
        assert self.box is not None
        if self.box.state is None:
            return self.box
        if head not in self._boxes:
            self._boxes[head] = deepcopy(self.box).to(device)
        # A validation is no step.
        return self._boxes[head].train(torch.is_grad_enabled())

    def undo(self) -> None:
        """Ends the use. What was installed before or after stays; to undo twice is no error."""
        with suppress(ValueError):
            stack.remove(self)
        if not stack:
            # It needs what stands here.
            importlib.import_module("detloss.compat.ultralytics._seams").unpatch()

    def __enter__(self) -> Installed:
        return self

    def __exit__(self, *_: object) -> None:
        self.undo()


stack: list[Installed] = []
"""What is in use. The last one that says something about a part counts."""


def active(part: str) -> Installed | None:
    """The settings that count for a part."""
    return next((one for one in reversed(stack) if getattr(one, part) is not None), None)
