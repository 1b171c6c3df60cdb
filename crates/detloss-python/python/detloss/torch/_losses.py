"""A loss of tensors: the checks, and the choice of the backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from detloss._layout import Form, check_dim, form
from detloss._spec import BACKENDS as OF_TENSORS
from detloss._spec import Spec, check_backend, check_divisor, check_reduction
from detloss.torch import _decomposed, _fused, _kernel
from detloss.torch._call import Call, Chosen, as_integers, choose, in_precision, is_tracing

OPTIONS: dict[str, Any] = {
    "weight": None,
    "class_weight": None,
    "ignore_index": None,
    "groups": None,
    "dim": -1,
    "avg_factor": None,
    "reduction": "mean",
    "loss_weight": 1.0,
    "backend": "auto",
}
"""The keywords of every function, and their defaults. A function has those that make sense for its loss."""

BACKENDS = (*OF_TENSORS, "kernel")
"""What there is for losses."""

Run: TypeAlias = Callable[[Call, Tensor, Tensor], Tensor]
"""How a backend is called."""

_PRECISIONS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class Tensors(NamedTuple):
    """The tensors of a call as the backends take them, with the columns last, and how they make up a batch."""

    pred: Tensor
    target: Tensor
    weight: Tensor | None
    class_weight: Tensor | None
    groups: Tensor | None
    at: Form


def prepare(
    spec: Spec,
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None,
    class_weight: Tensor | None,
    ignore_index: int | None,
    groups: Tensor | None,
    dim: int,
) -> Tensors:
    """Checks the tensors of a call, and brings each into the type that is computed with. The fused and the decomposed backend meet no
    other."""
    return _converted(_arranged(spec, pred, target, weight, class_weight, ignore_index, groups, dim))


def _arranged(
    spec: Spec,
    pred: Tensor,
    target: Tensor,
    weight: Tensor | None,
    class_weight: Tensor | None,
    ignore_index: int | None,
    groups: Tensor | None,
    dim: int,
) -> Tensors:
    """Checks the tensors of a call, and puts their columns last."""
    given = {"pred": pred, "target": target, "weight": weight, "class_weight": class_weight, "groups": groups}
    _check_tensors(spec, {what: tensor for what, tensor in given.items() if tensor is not None or what in ("pred", "target")})
    if dim != -1:
        check_dim(spec, dim, pred.dim())
        dims = pred.dim()
        pred, target = _columns_last(pred, dim, dims), _columns_last(target, dim, dims)
        weight = None if weight is None else _columns_last(weight, dim, dims)
    is_integer = not (target.is_floating_point() or target.dtype == torch.bool)
    shapes = (None if tensor is None else tensor.shape for tensor in (weight, class_weight, groups))
    at = form(spec, pred.shape, target.shape, is_integer, *shapes, dim=dim)
    if ignore_index is not None and not at.classes:
        raise ValueError(f"{spec.name}: ignore_index is for class indices: give the target as integers of shape {at.rows}")
    if not (spec.is_elementwise or spec.target.is_row) and len(spec.target.fields) == 1:
        target = target.reshape(at.rows)  # One per row, with a last dimension of 1 or without.
    return Tensors(pred, target, weight, class_weight, groups, at)


def _converted(given: Tensors) -> Tensors:
    """The tensors in the types that are computed with."""
    pred, target, weight, class_weight, groups, at = given
    pred, target = _in_one_precision(pred, target)
    target = as_integers(target) if at.classes else in_precision(target, pred.dtype)
    if weight is not None:
        weight = in_precision(weight, torch.promote_types(pred.dtype, torch.float32))
    if class_weight is not None:
        class_weight = in_precision(class_weight, torch.promote_types(pred.dtype, torch.float32))
    return Tensors(pred, target, weight, class_weight, None if groups is None else as_integers(groups), at)


def _columns_last(tensor: Tensor, dim: int, dims: int) -> Tensor:
    """With the columns last. What has one dimension less than the prediction's ``dims`` is of rows, and has none."""
    return tensor.movedim(dim, -1) if tensor.dim() == dims else tensor


def compute(
    spec: Spec,
    pred: Tensor,
    target: Tensor,
    params: Mapping[str, float] | Chosen,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    ignore_index: int | None = None,
    groups: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    state: Tensor | None = None,
) -> Tensor:
    """A loss; a ``state`` is brought up to date in place."""
    check_backend(backend, BACKENDS)
    check_reduction(reduction, avg_factor, "avg_factor")
    if state is not None and reduction == "none":
        raise ValueError(f"{spec.name}: its state is updated once per step: use a reduction other than 'none'")
    avg_factor = check_factor(avg_factor, "avg_factor")
    if isinstance(loss_weight, Tensor):
        raise TypeError(f"{spec.name}: loss_weight is a tensor: give a number, and multiply the loss by the tensor yourself")
    given = _arranged(spec, pred, target, weight, class_weight, ignore_index, groups, dim)
    chosen = params if isinstance(params, Chosen) else choose(spec, params)

    def call(of: Tensors) -> Call:
        options = (ignore_index, of.groups, avg_factor, reduction, loss_weight, state)
        return Call(chosen, of.at, of.weight, of.class_weight, *options)

    is_by_both = target.requires_grad and torch.is_grad_enabled()
    value: Tensor | None = None
    if backend == "kernel" or (backend == "auto" and pred.device.type in _kernel.DEVICES):
        value = _by_kernel(call(given), given, backend == "kernel", is_by_both)
    if value is None:
        given = _converted(given)
        is_fused = backend == "fused" or (backend == "auto" and _is_for_kernels(pred))
        run = _fused.run if is_fused else _decomposed.run
        value = (_by_both if is_by_both else _by_pred)(run, call(given), given.pred, given.target)
    # A value per number goes back to where the number was.
    return value.movedim(-1, dim) if dim != -1 and reduction == "none" and value.dim() == pred.dim() else value


def _by_kernel(call: Call, given: Tensors, is_forced: bool, is_by_both: bool) -> Tensor | None:
    """The loss by a kernel on the device, which reads the tensors in whatever type they are; None if there is none."""
    # Under torch.compile PyTorch 2.6 fails on a slice of a named tuple.
    tensors = (given.pred, given.target, given.weight, given.class_weight)
    if is_forced:
        _kernel.check(call, tensors)
    elif not _kernel.takes(call, tensors):
        return None
    dtype = _precision(given.pred, given.target)
    pred, target = _in_one_precision(given.pred, given.target) if is_by_both else (given.pred, given.target)
    return _kernel.attempt(call, pred, target, dtype, is_forced, _by_both if is_by_both else _by_pred)


def _is_for_kernels(pred: Tensor) -> bool:
    """Whether a tensor has memory to lend. The transforms of ``torch.func``, and traces, look through operations, not into kernels."""
    return pred.device.type == "cpu" and not (torch._C._are_functorch_transforms_active() or is_tracing())


def check_factor(factor: Tensor | float | None, keyword: str) -> Tensor | float | None:
    """A divisor; a number of 0, a batch without positives, is 1. A tensor is not asked for its value."""
    if factor is None:
        return None
    if not isinstance(factor, Tensor):
        return check_divisor(factor, keyword)
    if factor.numel() != 1:
        raise ValueError(f"{keyword} has shape {tuple(factor.shape)}: give a number, or a tensor of one")
    if factor.requires_grad and torch.is_grad_enabled():
        raise ValueError(
            f"{keyword} requires a gradient, which is by pred only: use {keyword}.detach(), or reduction='sum' and divide by it "
            "yourself"
        )
    return factor


def _check_tensors(spec: Spec, tensors: dict[str, Any]) -> None:
    """An error for what is no tensor, on another device, of no precision of ours, or asks for a gradient in vain."""
    for what, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{spec.name}: {what} is a {type(tensor).__name__}: give a tensor")
        if tensor.device != tensors["pred"].device:
            raise ValueError(
                f"{spec.name}: {what} is on {tensor.device}, pred on {tensors['pred'].device}: move one of them with .to()"
            )
        if what == "groups" and (tensor.is_floating_point() or tensor.is_complex()):
            raise TypeError(f"{spec.name}: groups are of {tensor.dtype}: give integers, one id per row")
        if what not in ("pred", "target") and tensor.requires_grad and torch.is_grad_enabled():
            raise ValueError(
                f"{spec.name}: {what} requires a gradient, which is by pred only: use {what}.detach(), or reduction='none' "
                "and weigh the values yourself"
            )
    if tensors["pred"].dtype not in _PRECISIONS:
        names = ", ".join(map(str, _PRECISIONS))
        raise TypeError(f"{spec.name}: pred is of {tensors['pred'].dtype}: give one of {names}")


def _precision(pred: Tensor, target: Tensor) -> torch.dtype:
    """The wider precision of the two; float32 at least where autocast is on, as in PyTorch's own losses."""
    wide, kind = pred.dtype, pred.device.type
    if target.dtype != wide and target.is_floating_point():
        wide = torch.promote_types(wide, target.dtype)
    if (kind == "cpu" or torch.amp.is_autocast_available(kind)) and torch.is_autocast_enabled(kind):
        wide = torch.promote_types(wide, torch.float32)
    return wide


def _in_one_precision(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    wide = _precision(pred, target)
    return in_precision(pred, wide), in_precision(target, wide) if target.is_floating_point() else target


def _by_pred(run: Run, call: Call, pred: Tensor, target: Tensor) -> Tensor:
    return run(call, pred, target)


def _by_both(run: Run, call: Call, pred: Tensor, target: Tensor) -> Tensor:
    """A loss that is the same both ways round has a gradient by the target, too."""
    spec = call.chosen.spec
    if not spec.symmetric:
        raise ValueError(
            f"{spec.name}: target requires a gradient, and the gradient of this loss is by pred only: use target.detach()"
        )
    once_more = call if call.state is None else call._replace(state=call.state.clone())
    value: Tensor = _AndBy.apply(run(call, pred, target.detach()), run(once_more, target, pred.detach()))
    return value


class _AndBy(torch.autograd.Function):
    """Two equal values, one by one tensor and one by another, as one value by both."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, _: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor]:
        return grad_output, grad_output
