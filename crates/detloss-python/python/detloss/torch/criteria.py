"""Criteria as modules: the whole loss of a named detector, differentiable by the raw outputs of the model.

::

    criterion = detloss.torch.criteria.get_criterion("yolo8", box="siou")
    result = criterion(Outputs(logits, boxes, anchors=(points, strides)), truths, labels)
    result.total.backward()

For tensors on the CPU the compiled core computes value and gradient together. On a device all of it is tensor operations there: the host
sees no more than how many pairs there are, and, where a matcher has no rule for devices (``hungarian``) or a head chooses by chance, what
that needs, by one copy each way.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from detloss import _core, _criteria
from detloss._criteria import FLOATS, Line, Outputs, lines as criteria
from detloss._spec import check_backend
from detloss.torch import _criteria as _of_tensors, distributed
from detloss.torch._gradient import is_kept

__all__ = ["Criterion", "Evaluation", "Line", "Outputs", "criteria", "get_criterion"]


class Evaluation(NamedTuple):
    """What a batch is worth.

    ``total``: the sum of all terms, differentiable. ``terms``: the value of each by its name, with its head in front where there are
    several, weighted and normalised; numbers, or on a device tensors without a gradient, since a number would be waited for. ``indices``: for
    each of the outputs, the truth of every prediction, -1 for background and -2 for what is left out, of shape (images, predictions).
    """

    total: Tensor
    terms: dict[str, Any]
    indices: list[Tensor]


class Criterion(_criteria.Data, nn.Module):
    """The whole loss of a detector. Made by :func:`get_criterion`.

    Under ``torch.no_grad`` the value alone is computed. In a distributed training, a criterion whose original does so divides by the
    means over all ranks (``data["all_reduce"]``): all ranks call it together then, unless gradients are off.

    Attributes:
        process_group: that of the training; all ranks by default.
    """

    process_group: dist.ProcessGroup | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_criterion": self._criterion.json()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state | {"_criterion": _core.Criterion(state["_criterion"], json=True)})  # type: ignore[no-untyped-call]

    def extra_repr(self) -> str:
        return self.described()

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, outputs: Outputs | Sequence[Outputs], truths: Sequence[Any], labels: Sequence[Any], *, backend: str = "auto") -> Evaluation:
        """What a batch is worth.

        Args:
            outputs: the raw outputs of the model, or a list of them: one for each head and layer.
            truths: a list with the boxes of each image, of shape (truths, 4).
            labels: a list with the class of each of them, integers.
            backend: "fused" (the compiled core, on the CPU), "decomposed" (tensor operations on the device of the outputs), or "auto": the
                former for outputs on the CPU, the latter for those on another device. Where means over ranks are divided by, it is the former.

        Raises:
            ValueError: what is missing, does not fit, or is not finite; with the remedy.
        """
        check_backend(backend)
        layers = _criteria.layers_of(outputs)
        given = [(layer, name) for layer in range(len(layers)) for name in FLOATS if isinstance(getattr(layers[layer], name), Tensor)]
        tensors: list[Tensor] = [getattr(layers[layer], name) for layer, name in given]
        if not tensors:
            raise TypeError("no output is a tensor: for NumPy arrays use detloss.criteria")
        with_grad = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
        reduce = self._mean_over_ranks if with_grad and self._criterion.all_reduce and distributed.world_size(self.process_group) > 1 else None
        # Means over ranks are asked for by the core alone.
        if reduce is None and (backend == "decomposed" or (backend == "auto" and tensors[0].device.type != "cpu")):
            there = _of_tensors.evaluate(self._criterion, layers, truths, labels)
            if there is not None:
                return Evaluation(*there)
        result = _criteria.evaluate(self._criterion, layers, truths, labels, torch.get_num_threads(), with_grad, reduce)
        first = tensors[0]
        dtype = functools.reduce(torch.promote_types, (tensor.dtype for tensor in tensors), torch.float32)
        total = torch.tensor(result.total, dtype=dtype, device=first.device)
        if with_grad:
            grads = [torch.from_numpy(getattr(result.grads[layer], name)) for layer, name in given]
            total = _Given.apply(total, grads, *tensors)
        return Evaluation(total, result.terms, [torch.from_numpy(indices).to(first.device) for indices in result.indices])

    def _mean_over_ranks(self, numbers: list[float]) -> list[float]:
        return distributed.mean_over_ranks(numbers, self.process_group)


class _Given(torch.autograd.Function):
    """A value whose gradient by several tensors was computed along with it."""

    @staticmethod
    def forward(ctx: Any, total: Tensor, grads: list[Tensor], *tensors: Tensor) -> Tensor:
        ctx.dtypes = [(tensor.device, tensor.dtype) for tensor in tensors]
        ctx.save_for_backward(*grads)
        return total.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        factor = grad_output.item()
        # Where nobody will come again, and begins with a 1, the gradients are there already.
        grads = [
            grad * factor if is_kept() else grad if factor == 1.0 else grad.mul_(factor)
            for grad in ctx.saved_tensors
        ]
        return None, None, *(grad.to(*to) for grad, to in zip(grads, ctx.dtypes, strict=True))


def get_criterion(name: str | Mapping[str, Any], **settings: Any) -> Criterion:
    """The module of the criterion that is written as ``name``: ``yolo8``, ``yolo8(box=siou, dfl.weight=2)``; or that was saved as its ``data``.

    Settings change it: ``box="siou"`` is the loss of the term ``box``, ``**{"box.weight": 5}`` its weight, ``matcher="atss"`` the
    matcher.

    Raises:
        ValueError: no criterion is written so, or a setting is none; with the remedy.
    """
    return Criterion(_criteria.make(name, settings))
