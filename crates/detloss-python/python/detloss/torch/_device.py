"""What kernels on a device are given, and what they leave, whoever compiles them; and their place in PyTorch's graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch._C._functorch import is_legacy_batchedtensor

from detloss.torch import _decomposed
from detloss.torch._call import Call
from detloss.torch._gradient import is_kept, only_first


class Failed(RuntimeError):
    """A kernel could not be compiled or launched."""


def failed(error: Exception) -> Failed:
    """What went wrong in another's words, of which the first line says it."""
    first = (str(error).strip().splitlines() or [""])[0]
    return Failed(f"{type(error).__name__}: {first}")


class Results(NamedTuple):
    """What a launch leaves."""

    value: Tensor
    grad: Tensor | None
    """In the precision that is computed in, with all factors but the mass."""
    mass: Tensor | None
    """The sum of the weights, by which the gradient of a weighted mean is still to be divided."""


Launch: TypeAlias = Callable[[Call, Tensor, Tensor, torch.dtype, Tensor | None, bool], Results]
"""Launches the kernel of a call: with its prediction, its target, the precision of the value, the running mean of a formula that has one,
and whether the gradient is asked for."""

Scale: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor | None], None]
"""Makes the first tensor the second, a gradient, times the third, one number, and divided by the fourth, another, if there is one. The
first may be the second, and is left alone then if that number is 1."""


class Kernels(NamedTuple):
    """Those of one compiler. Both raise `Failed`."""

    launch: Launch
    scale: Scale


def run(kernels: Kernels, call: Call, pred: Tensor, target: Tensor, dtype: torch.dtype, mean: Tensor | None = None) -> Tensor:
    """The loss in this precision, differentiable by ``pred``. The tensors may be of any. ``mean``: the running mean of a formula that has
    one."""
    if pred.numel() == 0:
        return _decomposed.run(call, pred.to(dtype), target if call.at.classes else target.to(dtype))
    if call.state is not None and call.chosen.spec.is_formula:
        # Another state until the kernel has been launched: who takes over after a failure begins with it as it was.
        own, wide = call.state.clone(), torch.promote_types(dtype, torch.float32)
        mean = _decomposed.mean_of(call._replace(state=own), pred.detach().to(wide), target.to(wide))
        value = run(kernels, call._replace(state=None), pred, target, dtype, mean)
        call.state.copy_(own)
        return value
    if pred.requires_grad and torch.is_grad_enabled():
        output: tuple[Tensor, Tensor] = _ByKernel.apply(pred, kernels, call, target, dtype, mean)
        return output[0]
    return kernels.launch(call, pred, target, dtype, mean, False).value


def parts(numbers: int, of_part: int) -> int:
    """How many parts of this length they fill, the last one perhaps not whole."""
    # Triton's own takes two microseconds, of the fifty that a launch may take.
    return -(-numbers // of_part)


class Layout(NamedTuple):
    """Where the numbers of a prediction lie."""

    numbers: Tensor
    stride: int
    """How far apart rows are: they may be parts of wider ones."""
    columns: int
    """How many units a row has. A row of single numbers has as many as columns, and these matter only where rows do."""


def layout(call: Call, pred: Tensor) -> Layout:
    """The numbers of every row one beside the other, copied only if they are not."""
    at, fields = call.at, len(call.chosen.spec.pred.fields)
    columns = at.columns if fields == 1 else 1
    numbers, stride = _rows(pred, columns * fields)
    is_flat = call.chosen.spec.is_formula and fields == 1 and stride == columns
    if is_flat and not (at.classes or at.per_row or call.class_weight is not None):
        columns = stride = 1
    return Layout(numbers, stride, columns)


def _rows(pred: Tensor, width: int) -> tuple[Tensor, int]:
    """A prediction whose rows have so many numbers, and how far apart they are."""
    if pred.is_contiguous():
        return pred, width
    try:
        rows = pred.detach().view(-1, width)
    except RuntimeError:  # The rows are not equally far apart.
        return pred.contiguous(), width
    return (rows, rows.stride(0)) if width == 1 or rows.stride(1) == 1 else (pred.contiguous(), width)


def is_weighted(call: Call) -> bool:
    """Whether the sum of the weights is another than the number of units."""
    spec = call.chosen.spec
    can_be_left_out = spec.is_formula and spec.target.can_be_left_out and not call.at.classes
    return call.weight is not None or call.class_weight is not None or call.ignore_index is not None or can_be_left_out


def divisor(call: Call, units: int, device: torch.device) -> tuple[Tensor | None, float]:
    """What the sum is divided by and multiplied with. The device is not asked for a divisor that it has."""
    # Metal takes a whole number for one of 64 bits.
    factor, loss_weight = call.avg_factor, float(call.loss_weight)
    if isinstance(factor, Tensor) and factor.device.type != "cpu":
        return factor.detach().to(device), loss_weight
    if isinstance(factor, Tensor):
        factor = float(factor) or 1.0
    if factor is not None:
        return None, loss_weight / factor
    is_mean = call.reduction == "mean" or (call.reduction == "weighted_mean" and not is_weighted(call))
    return None, loss_weight / units if is_mean else loss_weight


class _ByKernel(torch.autograd.Function):
    """The loss by a kernel that leaves its gradient, too."""

    @staticmethod
    def forward(
        ctx: Any, pred: Tensor, kernels: Kernels, call: Call, target: Tensor, dtype: torch.dtype, mean: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        value, grad, mass = kernels.launch(call, pred, target, dtype, mean, True)
        assert grad is not None
        ctx.name, ctx.dtype, ctx.is_whole = call.chosen.spec.name, pred.dtype, call.reduction == "none"
        ctx.scale = kernels.scale
        ctx.set_materialize_grads(False)
        # One memory, two tensors: the one that is an output is only for those who differentiate again.
        output = grad.detach()
        ctx.save_for_backward(grad, output, mass)
        return value, output

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor | None, again: Tensor | None) -> tuple[Tensor | None, ...]:
        if again is not None:
            raise only_first(ctx.name)
        if grad_output is None:
            return (None,) * 6
        grad, output, mass = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _by_operations(output, grad_output, mass, ctx.dtype), *(None,) * 5
        if ctx.is_whole or not is_plain(grad_output):
            return _by_operations(grad, grad_output, mass, ctx.dtype), *(None,) * 5
        # Nobody will see this gradient again if the graph is not kept.
        is_in_place = grad.dtype == ctx.dtype and not is_kept()
        slope = grad if is_in_place else torch.empty_like(grad, dtype=ctx.dtype)
        try:
            ctx.scale(slope, grad, grad_output, mass)
        except Failed:
            slope = _by_operations(grad, grad_output, mass, ctx.dtype)
        return slope, *(None,) * 5


def is_plain(grad_output: Tensor) -> bool:
    """Whether a kernel can read a slope: not if many ways back are gone at once, or operations are recorded."""
    is_recorded = torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack() > 0 or type(grad_output) is not Tensor
    return not (is_recorded or is_legacy_batchedtensor(grad_output) or torch._C._are_functorch_transforms_active())


def _by_operations(grad: Tensor, grad_output: Tensor, mass: Tensor | None, dtype: torch.dtype) -> Tensor:
    """The gradient times what comes after, one number or one for each unit."""
    factor = grad_output.to(grad.dtype)
    factor = factor if mass is None else factor / mass
    return (grad * factor.reshape(*factor.shape, *(1,) * (grad.dim() - factor.dim()))).to(dtype)
