"""Launches kernels of Triton."""

from __future__ import annotations

import ctypes
import struct
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from math import prod
from typing import Any

import torch
import triton.language as tl
from torch import Tensor

from detloss._spec import Spec
from detloss.torch import _device
from detloss.torch._call import Call, as_integers
from detloss.torch._device import Results
from detloss.torch._rows import Form
from detloss.torch._triton import formula, rows, scale

PROGRAMS = 1024
"""The most programs of a launch. Their number depends on that of the units alone, and so do the bits of a sum."""


def _launch(call: Call, pred: Tensor, target: Tensor, dtype: torch.dtype, mean: Tensor | None, with_grad: bool) -> Results:
    spec, at, device, wide = call.chosen.spec, call.at, pred.device, torch.promote_types(dtype, torch.float32)
    units, fields, of_rows = prod(at.units), len(spec.pred.fields), not spec.is_formula
    numbers, stride, columns = _device.layout(call, pred)
    of_tile, warps = rows.tile(columns, wide) if of_rows else (tile(spec), WARPS)
    tiles = _device.parts(_device.parts(units, of_tile), PROGRAMS)
    programs = _device.parts(units, of_tile * tiles)
    is_whole = call.reduction == "none"
    has_mass = call.reduction == "weighted_mean" and _device.is_weighted(call)
    value = torch.empty(at.units if is_whole else (), dtype=dtype, device=device)
    grad = torch.empty(pred.shape, dtype=wide, device=device) if with_grad else None
    partials = None if is_whole else torch.empty(2 * PROGRAMS + 1 if has_mass else programs, dtype=wide, device=device)
    divisor, factor = _device.divisor(call, units, device)
    low, high = bits(factor, wide)
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
        None if is_whole else counter(device),
        units // lot,
        tiles,
        call.ignore_index,
        high,
        low,
    )
    wider = index_type(max(pred.numel() // (columns * fields) * stride, pred.numel(), target.numel()))
    sums = tl.float64 if has_doubles(device) else tl.float32
    known = constants(wide, sums, lot, stride, columns, at.classes, at.per_row, has_mass, of_tile, wider)
    try:
        if of_rows:
            of = Form(columns, at.classes, call.class_weight is not None, wide, with_grad)
            kernel = rows.kernel(spec.name, call.chosen.params, of)
        else:
            kernel = formula.kernel(spec.name, call.chosen.params, with_grad, mean is not None)
    except Exception as error:
        raise _device.failed(error) from error
    start(kernel, device, programs, arguments, known, warps)
    return Results(value, grad, partials[-1] if partials is not None and has_mass else None)


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
        "F": TYPES[wide],
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


TYPES = {torch.float32: tl.float32, torch.float64: tl.float64}

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
        raise _device.failed(error) from error


def _current(device: torch.device) -> AbstractContextManager[object]:
    """Makes a device the current one, on which Triton launches."""
    if device.type == "cpu":
        return nullcontext()
    module = torch.get_device_module(device)
    return nullcontext() if module.current_device() == device.index else module.device(device.index)


def index_type(numbers: int) -> Any:
    """The type that counts so many numbers."""
    return tl.int64 if numbers >= 1 << 31 else tl.int32


@lru_cache(maxsize=64)
def has_doubles(device: torch.device) -> bool:
    return device.type != "xpu" or bool(torch.xpu.get_device_properties(device).has_fp64)


def bits(number: float, dtype: torch.dtype) -> tuple[int, int]:
    """The lower and the upper half of a number, or all of one of single precision as the latter: as a number Triton takes no double."""
    if dtype == torch.float64:
        low, high = struct.unpack("<ii", struct.pack("<d", number))
        return low, high
    # To struct it is an error that single precision does not hold a number, here it is infinite.
    return 0, ctypes.c_int32.from_buffer(ctypes.c_float(number)).value


_counters: dict[tuple[torch.device, int], Tensor] = {}
"""Zeros, one for each stream: launches in one stream follow each other, and each leaves the zero that it found."""


def counter(device: torch.device) -> Tensor:
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


def _scale(slope: Tensor, grad: Tensor, upstream: Tensor, mass: Tensor | None) -> None:
    known = {"INDEX": index_type(grad.numel()), "IN_PLACE": slope is grad, "TILE": 1024}
    programs = _device.parts(grad.numel(), 1024)
    start(scale.detloss_scale, grad.device, programs, (slope, grad, upstream, mass, grad.numel()), known)


KERNELS = _device.Kernels(_launch, _scale)
