"""From raw outputs to boxes: the core's formulas, traced."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from detloss import _core
from detloss.torch import _program
from detloss.torch._program import Program


class Place(NamedTuple):
    """Where predictions stand, number by number."""

    x: Tensor
    y: Tensor
    width: Tensor
    height: Tensor
    stride: Tensor

    def at(self, where: tuple[Tensor, ...]) -> Place:
        """Those of some predictions."""
        return Place(*(number[where] for number in self))


class Decoder:
    """The decoder of a head. All of it is element by element."""

    def __init__(self, criterion: _core.Criterion, head: dict[str, Any]) -> None:
        self._decode, self._encode, self._centerness = _programs(criterion, head["name"])
        written = head["decoder"]
        name, value = (written, None) if isinstance(written, str) else next(iter(written.items()))
        self.is_centers = name == "centers"
        self.has_anchors = name not in ("corners", "centers")
        self.bins: int | None = value if name in ("bins", "rotated_bins") else None
        self.is_rotated = name.startswith("rotated")

    @property
    def width(self) -> int:
        """How many fields a box has."""
        return 5 if self.is_rotated else 4

    @property
    def columns(self) -> int:
        """How many raw numbers a prediction has."""
        return 4 * (self.bins or 1)

    def numbers(self, raw: Tensor) -> Tensor:
        """Four numbers of each prediction: distributions by their means."""
        if self.bins is None:
            return raw
        places = torch.arange(self.bins, dtype=raw.dtype, device=raw.device)
        return raw.reshape(*raw.shape[:-1], 4, self.bins).softmax(-1) @ places

    def boxes(self, numbers: Tensor, angle: Tensor | None, place: Place) -> Tensor:
        """The boxes of such numbers, differentiable."""
        return self._run(self._decode, numbers, angle, place)

    def encoded(self, boxes: Tensor, place: Place) -> Tensor:
        """The four numbers of boxes."""
        return self._run(self._encode, boxes[..., :4], boxes[..., 4] if self.is_rotated else None, place)

    def centerness(self, boxes: Tensor, place: Place) -> Tensor:
        """How near the middle of its box a point is."""
        return self._run(self._centerness, boxes[..., :4], boxes[..., 4] if self.is_rotated else None, place)[..., 0]

    @staticmethod
    def _run(program: Program, numbers: Tensor, angle: Tensor | None, place: Place) -> Tensor:
        fields = numbers.unbind(-1)
        angle = torch.zeros_like(fields[0]) if angle is None else angle
        outputs = _program.run(program, [*fields, angle, *place])
        return torch.stack([output.expand(fields[0].shape) for output in outputs], -1)


@lru_cache(maxsize=64)
def _programs(criterion: _core.Criterion, head: str) -> tuple[Program, ...]:
    return tuple(_program.in_steps(*traced) for traced in criterion.decoder(head))
