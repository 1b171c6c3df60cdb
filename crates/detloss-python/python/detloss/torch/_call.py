"""What a call says besides its two tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from detloss._layout import Form
from detloss._spec import SPECS, Spec, loss


def is_tracing() -> bool:
    """Whether ``torch.jit.trace`` is looking."""
    # Of all ways to ask for a trace, the one that the compiler of PyTorch 2.6 knows.
    is_traced: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]  # pyright: ignore[reportPrivateImportUsage]
    return is_traced


class Chosen:
    """A loss with the values of its parameters. Under a compiler these may be numbers that change from call to call."""

    __slots__ = ("params", "spec")

    def __init__(self, spec: Spec, params: Mapping[str, float]) -> None:
        self.spec = spec
        self.params: tuple[float, ...] = spec.values(params)
        if not torch.compiler.is_compiling():
            _check(spec.name, self.params)

    @property
    def key(self) -> str:
        """All of it as text, which every version of the compiler takes for a constant."""
        text: str = _key(self.spec.name, self._constants)
        return text

    @property
    def named(self) -> dict[str, float]:
        """The parameters by their names, as constants."""
        return {param.name: value for param, value in zip(self.spec.params, self._constants, strict=True)}

    @property
    def _constants(self) -> tuple[float, ...]:
        """The parameters, held to be what they are now: a compiler compiles anew for others.

        It does so for whatever is the key of a dictionary.
        """
        if not torch.compiler.is_compiling():
            return self.params
        constants = tuple([key for value in self.params for key in {value: None}])
        _check(self.spec.name, constants)
        return constants


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _key(name: str, params: tuple[float, ...]) -> str:
    return " ".join([name.replace(" ", ""), *map(repr, params)])


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _check(name: str, params: tuple[float, ...]) -> None:
    """Says what is out of range: not every backend asks the core for it."""
    loss(name, params)


_DEFAULTS = {name: Chosen(spec, {}) for name, spec in SPECS.items()}


def choose(spec: Spec, params: Mapping[str, float]) -> Chosen:
    """The loss with these parameters, the others at their defaults."""
    return Chosen(spec, params) if params or SPECS.get(spec.name) is not spec else _DEFAULTS[spec.name]


class Call(NamedTuple):
    """A loss, its parameters, and how to weigh and add up. The backends take it from here."""

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
