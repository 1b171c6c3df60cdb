"""What a call says besides its two tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from detloss._spec import SPECS, Form, Spec


class Chosen:
    """A loss with the values of its parameters.

    One object, since PyTorch's compiler takes an object for what it is, but floats for numbers that may change.
    """

    __slots__ = ("key", "params", "spec")

    def __init__(self, spec: Spec, params: Mapping[str, float]) -> None:
        self.spec = spec
        self.params: tuple[float, ...] = spec.values(params)
        self.key = " ".join([spec.name, *map(repr, self.params)])
        """All of it as text, which every version of the compiler takes for a constant."""

    @property
    def named(self) -> dict[str, float]:
        """The parameters by their names."""
        return {param.name: value for param, value in zip(self.spec.params, self.params, strict=True)}


_DEFAULTS = {name: Chosen(spec, {}) for name, spec in SPECS.items()}


def choose(spec: Spec, params: Mapping[str, float]) -> Chosen:
    """The loss with these parameters, the others at their defaults."""
    return _chosen(spec.name, tuple(params), tuple(params.values())) if params else _DEFAULTS[spec.name]


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _chosen(name: str, names: tuple[str, ...], values: tuple[float, ...]) -> Chosen:
    return Chosen(SPECS[name], dict(zip(names, values, strict=True)))


class Call(NamedTuple):
    """A loss, its parameters, and how to weigh and add up. The roads take it from here."""

    chosen: Chosen
    at: Form
    weight: Tensor | None
    class_weight: Tensor | None
    ignore_index: int | None
    groups: Tensor | None
    avg_factor: Tensor | float | None
    reduction: str
    loss_weight: float
    state: Tensor | None


def in_precision(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """The tensor in this precision. To ask first costs less than a conversion that has nothing to do."""
    return tensor if tensor.dtype == dtype else tensor.to(dtype)


_LARGEST = torch.iinfo(torch.int64).max


def as_integers(tensor: Tensor) -> Tensor:
    """As int64. In a narrower type the numbers that it is compared with would wrap around, and not all operations know the unsigned
    ones. What is beyond counts as the largest."""
    if tensor.dtype == torch.int64:
        return tensor
    wide = tensor.to(torch.int64)
    return torch.where(wide < 0, _LARGEST, wide) if tensor.dtype == torch.uint64 else wide
