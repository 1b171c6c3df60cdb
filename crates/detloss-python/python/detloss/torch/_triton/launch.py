"""Launches kernels, and puts what they leave into PyTorch's graph."""

from __future__ import annotations

import ctypes
import struct
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch._C._functorch import is_legacy_batchedtensor

from detloss._spec import Spec
from detloss.torch import _decomposed
from detloss.torch._call import Call, as_integers
from detloss.torch._gradient import is_kept, only_first
from detloss.torch._triton import formula, rows, scale, sets

PROGRAMS = 1024
"""The most programs of a launch. Their number depends on that of the units alone, and so do the bits of a sum."""


class Failed(RuntimeError):
    """A kernel could not be compiled or launched."""


def run(call: Call, pred: Tensor, target: Tensor, dtype: torch.dtype, mean: Tensor | None = None) -> Tensor:
    """The loss in this precision, differentiable by ``pred``. The tensors may be of any. ``mean``: the running mean of a formula that has
    one."""
    if prod(call.at.units) == 0:
        return _decomposed.run(call, pred.to(dtype), target if call.at.classes else target.to(dtype))
    if call.state is not None and call.chosen.spec.scope != "set":
        # Another state until the kernel has been launched: who takes over after a failure begins with it as it was.
        own, wide = call.state.clone(), torch.promote_types(dtype, torch.float32)
        mean = _decomposed.mean_of(call._replace(state=own), pred.detach().to(wide), target.to(wide))
        value = run(call._replace(state=None), pred, target, dtype, mean)
        call.state.copy_(own)
        return value
    if pred.requires_grad and torch.is_grad_enabled():
        output: tuple[Tensor, Tensor] = _Kernel.apply(pred, call, target, dtype, mean)
        return output[0]
    return _launch(call, pred, target, dtype, mean, with_grad=False).value


class Results(NamedTuple):
    """What a launch leaves."""

    value: Tensor
    grad: Tensor | None
    """In the precision that is computed in, with all factors but the mass."""
    mass: Tensor | None
    """The sum of the weights, by which the gradient of a weighted mean is still to be divided."""


def _launch(call: Call, pred: Tensor, target: Tensor, dtype: torch.dtype, mean: Tensor | None, with_grad: bool) -> Results:
    spec, at, device, wide = call.chosen.spec, call.at, pred.device, torch.promote_types(dtype, torch.float32)
    if spec.scope == "set":
        return _launch_passes(call, pred, target, dtype, with_grad)
    units, fields = prod(at.units), len(spec.pred.fields)
    # A row of single numbers has as many as columns, and these matter only where rows do.
    columns = at.columns if fields == 1 else 1
    numbers, stride = _rows(pred, columns * fields)
    of_rows = not spec.is_formula
    if not of_rows and fields == 1 and stride == columns and not (at.classes or at.per_row or call.class_weight is not None):
        columns = stride = 1
    of_tile, warps = rows.tile(columns) if of_rows else (tile(spec), WARPS)
    tiles = triton.cdiv(triton.cdiv(units, of_tile), PROGRAMS)
    programs = triton.cdiv(units, of_tile * tiles)
    is_whole = call.reduction == "none"
    has_mass = call.reduction == "weighted_mean" and _is_weighted(call)
    value = torch.empty(at.units if is_whole else (), dtype=dtype, device=device)
    grad = torch.empty(pred.shape, dtype=wide, device=device) if with_grad else None
    partials = None if is_whole else torch.empty(2 * PROGRAMS + 1 if has_mass else programs, dtype=wide, device=device)
    divisor, factor = _divisor(call, units, device)
    low, high = _bits(factor, wide)
    # Rows of a length that is known need not be of a number that is.
    lot = 16 if units % 16 == 0 and not of_rows else 1
    arguments = (
        numbers,
        (as_integers(target) if target.dtype == torch.uint64 else target).contiguous(),
        None if call.weight is None else call.weight.contiguous(),
        None if call.class_weight is None else call.class_weight.contiguous(),
        divisor,
        mean,
        value,
        grad,
        partials,
        None if is_whole else _counter(device),
        units // lot,
        tiles,
        call.ignore_index,
        high,
        low,
    )
    wider = _index(max(pred.numel() // (columns * fields) * stride, pred.numel(), target.numel()))
    sums = tl.float64 if _has_doubles(device) else tl.float32
    known = constants(wide, sums, lot, stride, columns, at.classes, at.per_row, has_mass, of_tile, wider)
    try:
        if of_rows:
            has_class_weight = call.class_weight is not None
            kernel = rows.kernel(spec.name, call.chosen.params, columns, at.classes, has_class_weight, wide, with_grad)
        else:
            kernel = formula.kernel(spec.name, call.chosen.params, with_grad, mean is not None)
    except Exception as error:
        raise _failed(error) from error
    start(kernel, device, programs, arguments, known, warps)
    return Results(value, grad, partials[-1] if partials is not None and has_mass else None)


def _launch_passes(call: Call, pred: Tensor, target: Tensor, dtype: torch.dtype, with_grad: bool) -> Results:
    """A loss of a set. What is remembered is brought up to date when all passes have been launched."""
    spec, at, device, wide = call.chosen.spec, call.at, pred.device, torch.promote_types(dtype, torch.float32)
    of = sets.form(spec, at.columns, at.classes, call.state, with_grad)
    try:
        passes, left = sets.kernels(spec.name, call.chosen.params, of)
    except Exception as error:
        raise _failed(error) from error
    columns = at.columns
    numbers, stride = _rows(pred, columns)
    units = prod(at.rows if of.columns else at.units)
    if not of.columns and stride == columns and not (at.classes or at.per_row):
        columns = stride = 1
    plans = [sets.plan(kernel, of, units, PROGRAMS) for kernel in passes]
    value = torch.empty((1,) if call.reduction == "none" else (), dtype=dtype, device=device)
    grad = torch.empty(pred.shape, dtype=wide, device=device) if with_grad else None
    after = None if call.state is None else torch.empty_like(call.state)
    of_programs = max(kernel.parts * plan.programs for kernel, plan in zip(passes, plans, strict=True))
    has_doubles = _has_doubles(device)
    divisor, factor = _divisor(call, 1, device)
    low, high = _bits(factor, wide)
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
        _counter(device),
        units // lot,
    )
    most = max(prod(at.rows) * max(stride, columns), *(plan.programs * plan.tiles * plan.tile for plan in plans))
    sums, index = tl.float64 if has_doubles else tl.float32, _index(max(most, pred.numel(), target.numel()))
    known = known_of_set(wide, sums, index, stride, columns, at.classes, at.per_row, lot)
    for kernel, plan in zip(passes, plans, strict=True):
        of_pass = (plan.tiles, call.ignore_index, high, low)
        start(kernel.function, device, plan.programs, (*arguments, *of_pass), known | {"TILE": plan.tile}, plan.warps)
    if call.state is not None and after is not None:
        call.state.copy_(after)
    return Results(value, grad, None)


def known_of_set(
    wide: torch.dtype, sums: Any, index: Any, stride: int, columns: int, classes: bool, per_row: bool, lot: int
) -> dict[str, Any]:
    """What is known to the compiler of the passes of a set, but for their tiles."""
    given = constants(wide, sums, lot, stride, columns, classes, per_row, False, 0, index)
    return {name: given[name] for name in given if name not in ("TINY", "HUGE", "MASS", "TILE")}


def tile(spec: Spec) -> int:
    """How many units a program takes at once: as many for each of its threads as fit into registers."""
    fields = len(spec.pred.fields)
    return 512 if fields == 1 else 256 if fields <= 4 else 128


def constants(
    wide: torch.dtype, sums: Any, lot: int, stride: int, columns: int, classes: bool, per_row: bool, mass: bool, of_tile: int, index: Any
) -> dict[str, Any]:
    """What is known to the compiler. A training run has the same all along, but for what is divisible by 16."""
    limits = torch.finfo(wide)
    return {
        "F": _TYPES[wide],
        "SUM": sums,
        "TINY": limits.tiny,
        "HUGE": limits.max,
        "INDEX": index,
        "STRIDE": stride,
        "COLUMNS": columns,
        "CLASSES": classes,
        "PER_ROW": per_row,
        "LOT": lot,
        "MASS": mass,
        "TILE": of_tile,
        "PROGRAMS": PROGRAMS,
    }


_TYPES = {torch.float32: tl.float32, torch.float64: tl.float64}

WARPS = 4
"""Of a program that has a tile of units, each for itself."""

OPTIONS = {"enable_fp_fusion": False}
"""Not every version and device fuses the same multiplications. Where formulas want one fused, they say so."""


def start(kernel: Any, device: torch.device, programs: int, arguments: tuple[Any, ...], known: dict[str, Any], warps: int = WARPS) -> None:
    """Launches a kernel on the device of its tensors, in its current stream."""
    try:
        with _current(device):
            kernel[(programs,)](*arguments, **known, **OPTIONS, num_warps=warps)
    except Exception as error:  # The driver, the compilers and the operating system have each their own.
        raise _failed(error) from error


def _failed(error: Exception) -> Failed:
    first = (str(error).strip().splitlines() or [""])[0]
    return Failed(f"{type(error).__name__}: {first}")


def _current(device: torch.device) -> AbstractContextManager[object]:
    """Makes a device the current one, on which Triton launches."""
    if device.type == "cpu":
        return nullcontext()
    module = torch.get_device_module(device)
    return nullcontext() if module.current_device() == device.index else module.device(device.index)


def _index(numbers: int) -> Any:
    """The type that counts so many numbers."""
    return tl.int64 if numbers >= 1 << 31 else tl.int32


@lru_cache(maxsize=64)
def _has_doubles(device: torch.device) -> bool:
    return device.type != "xpu" or bool(torch.xpu.get_device_properties(device).has_fp64)


def _bits(number: float, dtype: torch.dtype) -> tuple[int, int]:
    """The lower and the upper half of a number, or all of one of single precision as the latter: as a number Triton takes no double."""
    if dtype == torch.float64:
        low, high = struct.unpack("<ii", struct.pack("<d", number))
        return low, high
    # To struct it is an error that single precision does not hold a number, here it is infinite.
    return 0, ctypes.c_int32.from_buffer(ctypes.c_float(number)).value


def _rows(pred: Tensor, width: int) -> tuple[Tensor, int]:
    """A prediction whose rows have so many numbers, one beside the other, and how far apart rows are: they may be parts of wider ones."""
    if pred.is_contiguous():
        return pred, width
    try:
        rows = pred.detach().view(-1, width)
    except RuntimeError:  # The rows are not equally far apart.
        return pred.contiguous(), width
    return (rows, rows.stride(0)) if width == 1 or rows.stride(1) == 1 else (pred.contiguous(), width)


def _is_weighted(call: Call) -> bool:
    """Whether the sum of the weights is another than the number of units."""
    spec = call.chosen.spec
    can_be_left_out = spec.is_formula and spec.target.can_be_left_out and not call.at.classes
    return call.weight is not None or call.class_weight is not None or call.ignore_index is not None or can_be_left_out


def _divisor(call: Call, units: int, device: torch.device) -> tuple[Tensor | None, float]:
    """What the sum is divided by and multiplied with. The device is not asked for a divisor that it has."""
    factor = call.avg_factor
    if isinstance(factor, Tensor) and factor.device.type != "cpu":
        return factor.detach().to(device), call.loss_weight
    if isinstance(factor, Tensor):
        factor = float(factor) or 1.0
    if factor is not None:
        return None, call.loss_weight / factor
    is_mean = call.reduction == "mean" or (call.reduction == "weighted_mean" and not _is_weighted(call))
    return None, call.loss_weight / units if is_mean else call.loss_weight


_counters: dict[tuple[torch.device, int], Tensor] = {}
"""Zeros, one for each stream: launches in one stream follow each other, and each leaves the zero that it found."""


def _counter(device: torch.device) -> Tensor:
    """What programs of a launch count themselves by."""
    if device.type == "cpu":
        return torch.zeros((), dtype=torch.int32)
    # A graph has one of its own for each launch, as it may be replayed in any stream; and while it is captured nothing is run.
    if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
        return torch.zeros((), dtype=torch.int32, device=device)
    key = (device, torch.accelerator.current_stream(device).stream_id)
    known = _counters.get(key)
    if known is None:
        known = _counters[key] = torch.zeros((), dtype=torch.int32, device=device)
    return known


class _Kernel(torch.autograd.Function):
    """The loss by a kernel that leaves its gradient, too."""

    @staticmethod
    def forward(
        ctx: Any, pred: Tensor, call: Call, target: Tensor, dtype: torch.dtype, mean: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        value, grad, mass = _launch(call, pred, target, dtype, mean, with_grad=True)
        assert grad is not None
        ctx.name, ctx.dtype, ctx.is_whole = call.chosen.spec.name, pred.dtype, call.reduction == "none"
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
            return (None,) * 5
        grad, output, mass = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _by_operations(output, grad_output, mass, ctx.dtype), *(None,) * 4
        if ctx.is_whole or not _is_plain(grad_output):
            return _by_operations(grad, grad_output, mass, ctx.dtype), *(None,) * 4
        # Nobody will see this gradient again if the graph is not kept.
        is_in_place = grad.dtype == ctx.dtype and not is_kept()
        slope = grad if is_in_place else torch.empty_like(grad, dtype=ctx.dtype)
        known = {"INDEX": _index(grad.numel()), "IN_PLACE": is_in_place, "TILE": 1024}
        programs = triton.cdiv(grad.numel(), 1024)
        try:
            start(scale.detloss_scale, grad.device, programs, (slope, grad, grad_output, mass, grad.numel()), known)
        except Failed:
            slope = _by_operations(grad, grad_output, mass, ctx.dtype)
        return slope, *(None,) * 4


def _is_plain(grad_output: Tensor) -> bool:
    """Whether a kernel can read a slope: not if many ways back are gone at once, or operations are recorded."""
    is_recorded = torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack() > 0 or type(grad_output) is not Tensor
    return not (is_recorded or is_legacy_batchedtensor(grad_output) or torch._C._are_functorch_transforms_active())


def _by_operations(grad: Tensor, grad_output: Tensor, mass: Tensor | None, dtype: torch.dtype) -> Tensor:
    """The gradient times what comes after, one number or one for each unit."""
    factor = grad_output.to(grad.dtype)
    factor = factor if mass is None else factor / mass
    return (grad * factor.reshape(*factor.shape, *(1,) * (grad.dim() - factor.dim()))).to(dtype)
