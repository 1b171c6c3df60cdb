"""The fused backend: one pass over the memory of a CPU tensor for value and gradient. Tensors on other devices are copied to the
host and back.

It is there twice. PyTorch's compiler sees ``torch.ops.detloss.fused``, an operator with a fake kernel and a backward. Without a
compiler the same kernel is called by an autograd function, since calling an operator written in Python costs more than a small batch.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple, Optional

import numpy as np
import torch
from torch import Tensor
from torch._C._functorch import is_legacy_batchedtensor

from detloss import _core
from detloss._spec import check_divisor, find, loss
from detloss.torch._call import Call, in_precision
from detloss.torch._gradient import is_kept, only_first

class Arguments(NamedTuple):
    """What the kernel is given besides the prediction, in its order."""

    target: Tensor
    weight: Tensor | None
    class_weight: Tensor | None
    groups: Tensor | None
    normalizer: Tensor | None
    state: Tensor | None
    params: Any
    name: str
    columns: int
    units: int
    classes: bool
    per_row: bool
    ignore_index: int | None
    reduction: str
    scale: float
    with_grad: bool


def run(call: Call, pred: Tensor, target: Tensor) -> Tensor:
    """The loss, differentiable by ``pred``."""
    spec, at = call.chosen.spec, call.at
    is_traced = torch.compiler.is_compiling() or _is_watched(pred)
    normalizer, reduction, scale = None, call.reduction, call.loss_weight
    if isinstance(call.avg_factor, Tensor):
        normalizer = call.avg_factor.detach()
    elif call.avg_factor is not None and is_traced:
        # A number that changes from step to step would be compiled anew in each.
        normalizer = _number(call.avg_factor)
    elif call.avg_factor is not None:
        reduction, scale = "sum", scale / call.avg_factor
    params: Any = call.chosen.params
    if is_traced:
        # So would parameters of the loss.
        params = torch.stack([_number(value) for value in params]) if params else None
    scale_later = reduction == "none" or is_traced
    arguments = Arguments(
        target=target,
        weight=call.weight,
        class_weight=call.class_weight,
        groups=call.groups,
        normalizer=normalizer,
        state=call.state,
        params=params,
        name=spec.name,
        columns=at.columns,
        units=min(prod(at.rows), 1) if spec.scope == "set" else prod(at.units),
        classes=at.classes,
        per_row=at.per_row,
        ignore_index=call.ignore_index,
        reduction=reduction,
        scale=1.0 if scale_later else scale,
        with_grad=call.state is not None or (pred.requires_grad and torch.is_grad_enabled()),
    )
    output: tuple[Tensor, Tensor, Tensor] = operator(pred, *arguments) if is_traced else _Fused.apply(pred, arguments)
    value, _, after = output
    if call.state is not None:
        call.state.copy_(after.detach())
    if reduction == "none" and spec.scope != "set":
        value = value.reshape(at.units)
    return value * scale if scale_later and scale != 1.0 else value


def _number(value: float) -> Tensor:
    """A number as a tensor of the host: as a product, for a compiler follows numbers that change through arithmetic only."""
    return torch.ones((), dtype=torch.float64, device="cpu") * value


def _is_watched(pred: Tensor) -> bool:
    """Whether somebody notes down what is done, and so has to see the operator."""
    return type(pred) not in (Tensor, torch.nn.Parameter) or torch._C._len_torch_dispatch_stack() > 0


# torch.library reads the annotations: no strings here, and no `X | None`.
def _kernel(
    pred: Tensor,
    target: Tensor,
    weight: Optional[Tensor],
    class_weight: Optional[Tensor],
    groups: Optional[Tensor],
    normalizer: Optional[Tensor],
    state: Optional[Tensor],
    params: Optional[Tensor],
    name: str,
    columns: int,
    units: int,
    classes: bool,
    per_row: bool,
    ignore_index: Optional[int],
    reduction: str,
    scale: float,
    with_grad: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Value (or a value per unit, for "none"), gradient if asked for, and the state after it."""
    # In half precision the slopes of a mean would be lost before the scaled loss comes back to save them.
    dtype = torch.promote_types(pred.dtype, torch.float32)
    values = _array(pred, dtype)
    grad = _memory_beside(values, dtype) if with_grad else _memory((0,), dtype)
    rows = _memory((_units(groups, units),), dtype) if reduction == "none" else None
    after = _state(state)
    call: _core.Call = {
        "columns": columns,
        "classes": classes,
        "weight": _array(weight, dtype),
        "per_row": per_row,
        "class_weight": _array(class_weight, dtype),
        "ignore_index": ignore_index,
        "groups": _array(groups, torch.int64),
        "reduction": reduction,
        "normalizer": None if normalizer is None else check_divisor(float(normalizer), "avg_factor"),
        "scale": scale,
        "rows": None if rows is None else rows.numpy(),
        "grad": grad.numpy() if with_grad else None,
        "state": None if state is None else after.numpy(),
        "threads": torch.get_num_threads(),
    }
    wanted = torch.int64 if classes else dtype
    # Without a compiler they are a tuple.
    given: Any = params.tolist() if isinstance(params, Tensor) else params
    value = loss(name, tuple(given or ())).run(values, _array(target, wanted), call)
    result = torch.from_numpy(np.array(value, _NUMPY[dtype])) if rows is None else rows
    result = in_precision(result, pred.dtype)
    if pred.device.type == "cpu":
        return result, grad, after
    return result.to(pred.device), grad.to(pred.device), after.to(pred.device)


_NUMPY = {torch.float32: np.float32, torch.float64: np.float64}

_PAGE = 4096
"""Bytes of a page."""

_MANY = 1 << 16
"""From so many numbers on, their place is worth a look at addresses, which takes microseconds."""


def _memory(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Fresh memory. NumPy asks for huge pages, PyTorch does not: pages of 4 KiB would cost more than the loss."""
    return torch.from_numpy(np.empty(shape, _NUMPY[dtype]))


def _memory_beside(values: Any, dtype: torch.dtype) -> Tensor:
    """Fresh memory for a gradient by these values, half a page away from them as far as places in a page go.

    By these a CPU tells whether a load has to wait for a store. Where the gradient lies 16 to 128 bytes further on, the numbers that
    are read next look like those just written: smooth L1 takes up to a fifth longer, the box losses a twentieth.
    """
    if values.size < _MANY:
        return _memory(values.shape, dtype)
    room = np.empty(values.size + _PAGE // dtype.itemsize, _NUMPY[dtype])
    first = (_address(values) + _PAGE // 2 - _address(room)) % _PAGE // room.itemsize
    return torch.from_numpy(room[first : first + values.size].reshape(values.shape))


def _address(array: Any) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _array(tensor: Tensor | None, dtype: torch.dtype) -> Any:
    """The memory of a tensor as a NumPy array; a copy only if it has to be."""
    if tensor is None:
        return None
    tensor = in_precision(tensor.detach(), dtype)
    return (tensor if tensor.device.type == "cpu" else tensor.cpu()).contiguous().numpy()


def _units(groups: Tensor | None, units: int) -> int:
    return units if groups is None else len(torch.unique(groups))


def _state(state: Tensor | None) -> Tensor:
    if state is None:
        return _memory((0,), torch.float64)
    return state.detach().to(device="cpu", dtype=torch.float64, copy=True)


def _slope(ctx: Any, grad: Tensor, grad_output: Tensor, groups: Tensor | None) -> Tensor:
    """The gradient times the slope of what comes after, in memory of its own."""
    if ctx.reduction != "none":
        slope = grad * grad_output
    elif groups is None and ctx.spec.scope == "set":
        slope = grad * grad_output.sum()
    else:
        if groups is not None:
            grad_output = grad_output[torch.unique(groups.reshape(-1), return_inverse=True)[1]]
        of_unit = (grad_output.numel(), grad.numel() // max(1, grad_output.numel()))
        slope = (grad.reshape(of_unit) * grad_output.reshape(-1, 1)).reshape(grad.shape)
    return slope.to(ctx.dtype)


def _is_number(grad_output: Tensor) -> bool:
    """Whether a slope can be asked for its value: not on a device, and not where many ways back are gone at once."""
    is_many = is_legacy_batchedtensor(grad_output) or torch._C._are_functorch_transforms_active()
    return grad_output.device.type == "cpu" and not is_many


class _Fused(torch.autograd.Function):
    """The kernel without a compiler."""

    @staticmethod
    def forward(ctx: Any, pred: Tensor, arguments: Arguments) -> tuple[Tensor, Tensor, Tensor]:
        value, grad, after = _kernel(pred, *arguments)
        _note(ctx, pred, arguments)
        # One memory, two tensors: the one that is an output is only for those who differentiate again.
        output = grad.detach()
        ctx.save_for_backward(grad, output, arguments.groups if ctx.reduction == "none" else None)
        return value, output, after

    @staticmethod
    def backward(
        ctx: Any, grad_output: Tensor | None, again: Tensor | None, _: Tensor | None
    ) -> tuple[Tensor | None, None]:
        if again is not None:
            raise only_first(ctx.spec.name)
        if grad_output is None:
            return None, None
        grad, output, groups = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _slope(ctx, output, grad_output, groups), None
        if is_kept() or ctx.reduction == "none" or not _is_number(grad_output):
            return _slope(ctx, grad, grad_output, groups), None
        # Nobody will see this gradient again, and `loss.backward()` begins with a 1: then it is there already.
        return (grad if grad_output.item() == 1.0 else grad.mul_(grad_output)).to(ctx.dtype), None


def _note(ctx: Any, pred: Tensor, arguments: Arguments) -> None:
    """Keeps what the way back has to know besides tensors."""
    ctx.spec, ctx.reduction, ctx.dtype = find(arguments.name), arguments.reduction, pred.dtype
    ctx.set_materialize_grads(False)


def _fake(pred: Tensor, *given: Any) -> tuple[Tensor, Tensor, Tensor]:
    arguments = Arguments(*given)
    if arguments.reduction != "none":
        value = pred.new_empty(())
    elif arguments.groups is None:
        value = pred.new_empty(arguments.units)
    else:
        value = pred.new_empty(torch.library.get_ctx().new_dynamic_size())
    grad_shape = pred.shape if arguments.with_grad else 0
    grad = pred.new_empty(grad_shape, dtype=torch.promote_types(pred.dtype, torch.float32))
    after = pred.new_empty(0 if arguments.state is None else arguments.state.shape, dtype=torch.float64)
    return value, grad, after


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    pred, arguments = inputs[0], Arguments(*inputs[1:])
    _note(ctx, pred, arguments)
    ctx.save_for_backward(output[1], arguments.groups if ctx.reduction == "none" else None)


def _backward(ctx: Any, grad_output: Tensor | None, again: Tensor | None, _: Tensor | None) -> tuple[Tensor | None, ...]:
    if again is not None:
        raise only_first(ctx.spec.name)
    grad, groups = ctx.saved_tensors
    return None if grad_output is None else _slope(ctx, grad, grad_output, groups), *(None,) * len(Arguments._fields)


operator: Any = torch.library.custom_op("detloss::fused", _kernel, mutates_args=())
operator.register_fake(_fake)
operator.register_autograd(_backward, setup_context=_setup)
