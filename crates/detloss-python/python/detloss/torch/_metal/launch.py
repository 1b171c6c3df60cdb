"""Launches kernels of Metal, which PyTorch compiles."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import torch
from torch import Tensor

from detloss._spec import find
from detloss.torch import _device
from detloss.torch._call import Call, as_integers
from detloss.torch._device import Results
from detloss.torch._metal import formula, kernel, rows
from detloss.torch._metal.frame import GROUP, GROUPS
from detloss.torch._metal.kernel import Given, Scaled
from detloss.torch._text import kernel_name


ALONE = 4
"""How many tiles of formulas one group takes by itself, instead of a second launch for the sum of several."""


def _launch(call: Call, pred: Tensor, target: Tensor, dtype: torch.dtype, mean: Tensor | None, with_grad: bool) -> Results:
    spec, at, device = call.chosen.spec, call.at, pred.device
    units, fields = prod(at.units), len(spec.pred.fields)
    numbers, stride, columns = _device.layout(call, pred)
    is_whole = call.reduction == "none"
    is_alone = not is_whole and units <= (ALONE if spec.is_formula else 1) * GROUP
    is_done = is_whole or is_alone
    tiles = _device.parts(_device.parts(units, GROUP), 1 if is_alone else GROUPS)
    groups = _device.parts(units, GROUP * tiles)
    has_mass = call.reduction == "weighted_mean" and _device.is_weighted(call)
    value = torch.empty(at.units if is_whole else (), dtype=dtype, device=device)
    grad = torch.empty(pred.shape, dtype=torch.float32, device=device) if with_grad else None
    sums = 2 * GROUPS + 1 if has_mass else groups
    partials = None if is_done and not has_mass else torch.empty(sums, dtype=torch.float32, device=device)
    divisor, factor = _device.divisor(call, units, device)
    target = (as_integers(target) if target.dtype == torch.uint64 else target).contiguous()
    given = Given(
        pred=pred.dtype,
        target=target.dtype,
        weight=_type(call.weight),
        class_weight=_type(call.class_weight),
        divisor=_type(divisor),
        mean=_type(mean),
        value=dtype,
        with_grad=with_grad,
        is_whole=is_whole,
        is_done=is_done,
        has_mass=has_mass,
        classes=at.classes,
        ignores=call.ignore_index is not None,
        per_row=at.per_row,
        columns=columns,
        stride=stride,
        is_wide=_is_wide(max(pred.numel() // (columns * fields) * stride, pred.numel(), target.numel())),
    )
    library = _library(spec.name, call.chosen.params, given)
    weight = None if call.weight is None else call.weight.contiguous()
    class_weight = None if call.class_weight is None else call.class_weight.contiguous()
    tensors = (numbers, target, weight, class_weight, divisor, mean, value if is_done else None, grad, partials)
    _start(library, kernel_name(spec.name), groups, tensors, [units, tiles, call.ignore_index or 0], factor)
    if not is_done:
        _start(library, "detloss_total", 1, (divisor, partials, value), [groups], factor)
    return Results(value, grad, partials[-1] if partials is not None and has_mass else None)


def _scale(slope: Tensor, grad: Tensor, upstream: Tensor, mass: Tensor | None) -> None:
    is_wide = _is_wide(grad.numel())
    library = _scale_library(Scaled(slope.dtype, upstream.dtype, mass is not None, slope is grad, is_wide))
    _start(library, "detloss_scale", _device.parts(grad.numel(), GROUP), (grad, upstream, mass, slope), [grad.numel()])


KERNELS = _device.Kernels(_launch, _scale)


@lru_cache(maxsize=512)
def _library(name: str, params: tuple[float, ...], given: Given) -> Any:
    spec = find(name)
    unit = (formula if spec.is_formula else rows).unit(spec, params, given)
    return _compiled(kernel.source(spec, given, unit))


@lru_cache(maxsize=64)
def _scale_library(of: Scaled) -> Any:
    return _compiled(kernel.scale_source(of))


def _compiled(source: str) -> Any:
    try:
        return torch.mps.compile_shader(source)
    except Exception as error:  # That of the compiler is not the only one.
        raise _device.failed(error) from error


def _start(library: Any, kernel: str, groups: int, tensors: tuple[Tensor | None, ...], sizes: list[int], *factor: float) -> None:
    """Launches a kernel on so many groups of threads, in the current stream."""
    given = [tensor for tensor in tensors if tensor is not None]
    try:
        getattr(library, kernel)(*given, sizes, *factor, threads=groups * GROUP, group_size=GROUP)
    except Exception as error:
        raise _device.failed(error) from error


def _type(tensor: Tensor | None) -> torch.dtype | None:
    return None if tensor is None else tensor.dtype


def _is_wide(numbers: int) -> bool:
    """Whether they are too many for 32 bits to count them."""
    return numbers >= 1 << 31
