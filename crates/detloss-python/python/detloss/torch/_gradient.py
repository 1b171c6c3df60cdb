"""A value whose gradient was computed along with it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

try:
    from torch._C._autograd import _get_current_graph_task_keep_graph as _keeps_graph
except ImportError:  # It is private to PyTorch, and saves no more than time.

    def _keeps_graph() -> bool:
        return True


def is_kept() -> bool:
    """Whether there may be another way back through the graph after this one (``retain_graph``)."""
    return _keeps_graph()


def with_gradient(pred: Tensor, value: Tensor, grad: Tensor | None, name: str, divisor: int = 1) -> Tensor:
    """The value, differentiable by ``pred``, once.

    ``value`` is one number, or one for each of the first dimensions of ``grad``; ``grad`` has the shape of ``pred``, and is the
    gradient of the value times ``divisor``. Nobody else may have either.
    """
    if grad is None or not is_wanted(pred):
        return value
    result: Tensor = _Given.apply(pred, value, grad, name, divisor)[0]
    return result


def is_wanted(pred: Tensor) -> bool:
    """Whether anybody may ask for a gradient: by the way back, or by a transform, which has ways of its own to ask."""
    return (
        (torch.is_grad_enabled() and pred.requires_grad)
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
    )


class _Given(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(pred: Tensor, value: Tensor, grad: Tensor, name: str, divisor: int) -> tuple[Tensor, Tensor]:
        # The gradient is an output so that differentiating it again is noticed.
        return value.detach(), grad.view_as(grad)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.name, ctx.divisor = inputs[3:]
        ctx.save_for_backward(output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor | None, again: Tensor | None) -> tuple[Tensor | None, None, None, None, None]:
        # The compiler shows a slope for everything, and refuses second derivatives by itself.
        if again is not None and not torch.compiler.is_compiling():
            raise only_first(ctx.name)
        if grad_output is None:
            return None, None, None, None, None
        (grad,) = ctx.saved_tensors
        slope = grad_output if ctx.divisor == 1 else torch.div(grad_output, ctx.divisor)
        slope = slope.reshape(*slope.shape, *(1,) * (grad.dim() - slope.dim()))
        return grad * slope, None, None, None, None


def only_first(name: str) -> Exception:
    """What is raised where a gradient is differentiated again."""
    return NotImplementedError(f"{name} has first derivatives only: its gradient cannot be differentiated again")
