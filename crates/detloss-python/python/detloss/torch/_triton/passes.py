"""Launches the passes of a loss of sets, one after the other. What they leave for each other stays on the device."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
import triton.language as tl
from torch import Tensor

from detloss.torch import _device
from detloss.torch._call import Call, as_integers
from detloss.torch._device import Results
from detloss.torch._triton import launch, sets


def _launch(call: Call, pred: Tensor, target: Tensor, dtype: torch.dtype, _: Tensor | None, with_grad: bool) -> Results:
    """A loss of a set. What is remembered is brought up to date when all passes have been launched."""
    spec, at, device, wide = call.chosen.spec, call.at, pred.device, torch.promote_types(dtype, torch.float32)
    of = sets.form(spec, at.columns, at.classes, call.state, with_grad)
    try:
        passes, left = sets.kernels(spec.name, call.chosen.params, of)
    except Exception as error:
        raise _device.failed(error) from error
    numbers, stride, columns = _device.layout(call, pred)
    units = prod(at.rows if of.columns else at.units)
    if not of.columns and stride == columns and not (at.classes or at.per_row):
        columns = stride = 1
    plans = [sets.plan(kernel, of, units, launch.PROGRAMS) for kernel in passes]
    value = torch.empty((1,) if call.reduction == "none" else (), dtype=dtype, device=device)
    grad = torch.empty(pred.shape, dtype=wide, device=device) if with_grad else None
    after = None if call.state is None else torch.empty_like(call.state)
    of_programs = max(kernel.parts * plan.programs for kernel, plan in zip(passes, plans, strict=True))
    has_doubles = launch.has_doubles(device)
    divisor, factor = _device.divisor(call, 1, device)
    low, high = launch.bits(factor, wide)
    lot = 16 if units % 16 == 0 and not of.columns else 1
    arguments = (
        numbers,
        (as_integers(target) if target.dtype == torch.uint64 else target).contiguous(),
        None if call.weight is None else call.weight.contiguous(),
        divisor,
        call.state,
        value,
        grad,
        after,
        torch.empty(of_programs, dtype=wide, device=device),
        torch.empty(left, dtype=torch.float64 if has_doubles else torch.float32, device=device),
        launch.counter(device),
        units // lot,
    )
    most = max(prod(at.rows) * max(stride, columns), *(plan.programs * plan.tiles * plan.tile for plan in plans))
    sums, index = tl.float64 if has_doubles else tl.float32, launch.index_type(max(most, pred.numel(), target.numel()))
    known = known_of_set(wide, sums, index, stride, columns, at.classes, at.per_row, lot)
    for kernel, plan in zip(passes, plans, strict=True):
        of_pass = (plan.tiles, call.ignore_index, high, low)
        launch.start(kernel.function, device, plan.programs, (*arguments, *of_pass), known | {"TILE": plan.tile}, plan.warps)
    if call.state is not None and after is not None:
        call.state.copy_(after)
    return Results(value, grad, None)


def known_of_set(
    wide: torch.dtype, sums: Any, index: Any, stride: int, columns: int, classes: bool, per_row: bool, lot: int
) -> dict[str, Any]:
    """What is known to the compiler of the passes of a set, but for their tiles."""
    given = launch.constants(wide, sums, lot, stride, columns, classes, per_row, False, 0, index)
    return {name: given[name] for name in given if name not in ("TINY", "HUGE", "MASS", "TILE")}


KERNELS = _device.Kernels(_launch, launch.KERNELS.scale)
