"""A module for every loss."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from detloss import _core
from detloss._functions import documentation, signature
from detloss._spec import Spec, check_backend, check_reduction, find, loss
from detloss.torch._call import Chosen
from detloss.torch._losses import BACKENDS, OPTIONS, compute


_STEP = threading.Lock()
"""Held while a state is brought up to date. One for all modules: as an attribute it could not be copied or saved with them."""


class Loss(nn.Module):
    """What the modules of all losses have in common.

    Args:
        reduction: "mean", "sum", "weighted_mean" or "none".
        loss_weight: what the loss is multiplied by.
        backend: "auto", "fused", "decomposed" or "kernel".
        dim: the dimension of ``pred`` that the columns (classes) are in, for a loss that has columns; the last one by default.
        num_classes: for a loss whose state has numbers per column (class): how many columns there are.
        **params: the parameters of the loss.

    A loss with a state keeps it in the buffer ``state``, which is part of the ``state_dict`` and is
    brought up to date by every call in training mode, one after the other if several threads call it.
    """

    spec: Spec
    state: Tensor | None
    dim: int = -1

    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        num_classes: int | None = None,
        **params: float,
    ) -> None:
        super().__init__()
        check_reduction(reduction, None, "avg_factor")
        check_backend(backend, BACKENDS)
        values = self.spec.values(params)
        chosen = loss(self.spec.name, values)  # Raises if a value is out of range.
        is_per_column = self.spec.state == "per_column"
        if is_per_column and num_classes is None:
            raise TypeError(f"{type(self).__name__} has numbers per column as its state: say how many with num_classes")
        if num_classes is not None and num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}: give the number of columns, 1 or more")
        if not is_per_column and num_classes is not None:
            raise TypeError(f"{type(self).__name__} takes no num_classes: it has no state per column")
        # As attributes, so that a compiler takes them for numbers that may change.
        for param, value in zip(self.spec.params, values, strict=True):
            object.__setattr__(self, param.name, param.typed(value))
        if dim != -1 and not self.spec.has_columns:
            raise TypeError(f"{type(self).__name__} takes no dim: its prediction has no columns to look for")
        self.reduction, self.loss_weight, self.backend, self.dim = reduction, loss_weight, backend, dim
        self._columns = num_classes
        first_state = chosen.initial_state(num_classes or 1)
        self.register_buffer("state", torch.tensor(first_state, dtype=torch.float64) if first_state else None)

    def forward(self, pred: Tensor, target: Tensor, **options: Any) -> Tensor:
        """The loss of ``pred`` against ``target``; the options are those of the function of the same name."""
        self.spec.check_options(**{name: given for name, given in options.items() if name != "avg_factor"})
        return self._of(pred, target, self.dim, options)

    def _of(self, pred: Tensor, target: Tensor, dim: int, options: dict[str, Any]) -> Tensor:
        """The loss of tensors whose columns are in this dimension."""
        state = self.state
        has_columns = self.spec.row_dims[pred.dim()] < pred.dim() and -pred.dim() <= dim < pred.dim()
        columns = pred.shape[dim] if has_columns else 1
        if state is not None and self._columns not in (None, columns):
            raise ValueError(
                f"{self.spec.name}: pred has shape {tuple(pred.shape)}, and the state of this module has {self._columns} columns: "
                f"make it with num_classes={columns}"
            )
        is_step = state is not None and self.training
        # A compiler knows no lock, and brings its own copy of the state up to date.
        with _STEP if is_step and not torch.compiler.is_compiling() else nullcontext():
            return compute(
                self.spec,
                pred,
                target,
                self.chosen,
                dim=dim,
                reduction=self.reduction,
                loss_weight=self.loss_weight,
                backend=self.backend,
                state=state if is_step or state is None else state.clone(),
                **options,
            )

    @property
    def chosen(self) -> Chosen:
        """The loss with the parameters as they are now."""
        return Chosen(self.spec, {param.name: self.__dict__[param.name] for param in self.spec.params})

    def __setattr__(self, name: str, value: Any) -> None:
        """A parameter of the loss can be changed during training: ``module.gamma = 1.5``."""
        for param in self.spec.params:
            if param.name == name:
                changed = Chosen(self.spec, self.chosen.named | {name: value})
                self._check_state(name, loss(self.spec.name, changed.params))  # Raises if the value is out of range.
                value = param.typed(changed.named[name])
        super().__setattr__(name, value)

    def _check_state(self, name: str, changed: _core.Loss) -> None:
        """A parameter that says how long the state is cannot change under it."""
        if self.state is None:
            return
        length = len(changed.initial_state(self._columns or 1))
        if length != len(self.state):
            raise ValueError(
                f"{self.spec.name}: with this {name} the state has {length} numbers instead of {len(self.state)}: make a new module"
            )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Loss:
        """Moves the state, but leaves its precision: in half of it, a count would stop at 2048."""
        state, self.state = self.state, None
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if state is not None:
            device = fn(torch.empty(0, dtype=torch.float32, device=state.device)).device
            # There is no double precision in Apple's GPUs.
            dtype = torch.float32 if device.type == "mps" else torch.float64
            is_unknown = state.is_meta and device.type != "meta"
            self.state = torch.empty_like(state, device=device) if is_unknown else state.to(device, dtype)
        return self

    def extra_repr(self) -> str:
        shown = {name: getattr(self, name) for name in ("reduction", "loss_weight", "backend", "dim")}
        changed = [f"{name}={value!r}" for name, value in shown.items() if value != OPTIONS[name]]
        values = [(param, self.__dict__[param.name]) for param in self.spec.params]
        shown_params = [f"{param.name}={value:g}" if param.kind == "real" else f"{param.name}={value}" for param, value in values]
        return ", ".join([*shown_params, *changed])


def make(spec: Spec, module: str) -> type[Loss]:
    """The module of a loss."""
    keywords = {name: OPTIONS[name] for name in ("reduction", "loss_weight", "backend")}
    if spec.has_columns:
        keywords["dim"] = OPTIONS["dim"]
    if spec.state == "per_column":
        keywords["num_classes"] = inspect.Parameter.empty
    body = {
        "spec": spec,
        "__module__": module,
        "__doc__": documentation(spec, "tensor", keywords),
        "__signature__": signature((), keywords | {param.name: param.default for param in spec.params}),
    }
    return type(spec.class_name, (Loss,), body)


@lru_cache(maxsize=512)
def _written(name: str) -> type[Loss]:
    """The class of modules of the loss that is written so. It can be pickled, though no module has it as an attribute."""
    cls = make(find(name), "detloss.torch")
    cls.__reduce__ = lambda self: (_restore, (name,), self.__dict__)  # type: ignore[method-assign]
    return cls


def _restore(name: str) -> Loss:
    cls = _written(name)
    return cls.__new__(cls)


def get_loss(name: str, **options: Any) -> Loss:
    """A module of the loss that is written as ``name``: ``giou``, ``ciou(gate=0.5)``, ``inner(focaler(siou), ratio=0.8)``.

    Args:
        name: the loss. Its modifiers are constants; its parameters can be given or changed as those of any module.
        **options: those of :class:`Loss`, and the parameters of the loss.

    Raises:
        ValueError: no loss is written so, or a number is out of range; with the remedy.
    """
    return _written(name)(**options)
