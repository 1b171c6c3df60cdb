"""What the tests of the drop-ins for MMDetection and MMRotate have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

F64 = torch.float64


def random(*shape: int, seed: int = 0, low: float = 0.0, high: float = 1.0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(low, high, shape))


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 2, shape))


def integers(high: int, *shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, high, shape))


@dataclass
class Case:
    """A loss with these arguments, what it is computed from, and its formula.

    ``weights`` are of the shapes that go with it. Their mean divides by ``count``, if not by their number.
    MMDetection itself is away from the formula by up to ``tolerance``.
    """

    name: str
    arguments: dict[str, Any]
    inputs: tuple[Any, ...]
    formula: Callable[..., Tensor]
    weights: tuple[Tensor, ...] = ()
    count: float | None = None
    tolerance: float = 1e-6

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value}' for name, value in self.arguments.items())})"


CALLS: list[dict[str, Any]] = [
    {},
    {"avg_factor": 7.5},
    {"avg_factor": torch.tensor(7.5)},
    {"reduction_override": "sum"},
    {"reduction_override": "none"},
]


def weighted(values: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return values
    if weight.dim() > values.dim():
        return values * weight.mean(-1)
    if weight.numel() == values.numel():
        return values * weight.reshape(values.shape)
    return values * weight.reshape(-1, *(1,) * (values.dim() - 1))


def reduced(case: Case, weight: Tensor | None, avg_factor: Any = None, reduction_override: str = "mean") -> Tensor:
    """The formula of a case, weighted and reduced, of a prediction that has a gradient."""
    values = weighted(case.formula(*case.inputs), weight)
    if reduction_override != "mean":
        return values.sum() if reduction_override == "sum" else values
    return values.sum() / (avg_factor or case.count or values.numel())


def value_and_grad(compute: Callable[[Tensor], Tensor], pred: Tensor) -> tuple[Tensor, Tensor]:
    pred = pred.clone().requires_grad_()
    value = compute(pred)
    grad_output = torch.linspace(-1.0, 2.0, value.numel(), dtype=value.dtype).reshape(value.shape)
    (grad,) = torch.autograd.grad(value, pred, grad_output)
    return value.detach(), grad


def assert_close(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor], tolerance: float) -> None:
    for one, other in zip(found, expected, strict=True):
        scale = tolerance * other.abs().max().item()
        torch.testing.assert_close(one, other, rtol=tolerance, atol=scale, check_dtype=False)


def runs(case: Case) -> Iterator[tuple[Tensor | None, dict[str, Any]]]:
    for weight in (None, *case.weights):
        for call in CALLS:
            yield weight, call


def replaced(case: Case, pred: Tensor) -> Case:
    return dataclasses.replace(case, inputs=(pred, *case.inputs[1:]))


class Registry:
    """What MMDetection's registry does, as far as it is asked for."""

    def __init__(self, name: str) -> None:
        self.module_dict: dict[str, type] = {}

    def register_module(self, name: str, force: bool = False, module: type | None = None) -> None:
        if not force and name in self.module_dict:
            raise KeyError(f"{name} is registered already")
        assert module is not None
        self.module_dict[name] = module

    def build(self, config: dict[str, Any]) -> Any:
        return self.module_dict[config.pop("type")](**config)


def mmengine_registry(name: str) -> Any:
    return pytest.importorskip("mmengine.registry").Registry(name)
