"""The kernel backend: value and gradient of a formula or of a loss of rows in one launch on a GPU, of a loss of sets in a few, of one that
ranks in six or eight and a sort, by Triton; of a formula or of rows on a Mac in one or two, by Metal. Nothing waits for the device.

This file decides which calls it takes; Triton is imported for the first tensor that it might serve.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from detloss._spec import Spec
from detloss.torch import _device
from detloss.torch._call import Call, is_tracing
from detloss.torch._metal import LONGEST as LONGEST_ON_A_MAC
from detloss.torch._operations import RANKED, TRACEABLE, TRACEABLE_SETS
from detloss.torch._operations.base import wide
from detloss.torch._triton import LONGEST_OF_SETS

DEVICES = ("cuda", "xpu", "mps")
"""Where the automatic choice takes this backend. PyTorch calls the devices of ROCm cuda, too."""

OF_METAL = ("mps",)
"""Those of them whose kernels are compiled by Metal, not by Triton."""

_DTYPES = {
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.uint16, torch.uint32, torch.uint64),
}

MOST_RANKED = 1 << 30
"""So many elements or more are not ranked by kernels, whose indices have 32 bits, and go on beyond the last element."""

_failed: set[str] = set()
"""Losses, with their parameters, whose kernel could not be compiled or launched."""

_warnings: list[str] = []
"""What was warned of: one thing, once."""


def takes(call: Call, tensors: tuple[Tensor | None, ...]) -> bool:
    """Whether the automatic choice falls on this backend. That a GPU is there, and Triton is not, is said once."""
    pred = tensors[0]
    assert pred is not None
    if pred.device.type not in DEVICES or _lacks_call(call, tensors) is not None:
        return False
    if _failed and call.chosen.key in _failed:
        return False
    missing = _lacks_compiler(pred.device)
    if missing is not None:
        _warn(missing)
    return missing is None


def check(call: Call, tensors: tuple[Tensor | None, ...]) -> None:
    """A ``ValueError`` that says why this backend cannot take a call."""
    pred = tensors[0]
    assert pred is not None
    lacks = _lacks_call(call, tensors)
    if lacks is None and not _is_served(pred.device):
        lacks = f"pred is on {pred.device}, and has to be on a GPU of CUDA, ROCm, XPU or Metal"
    lacks = lacks or _lacks_compiler(pred.device)
    if lacks is not None:
        raise ValueError(f"{call.chosen.spec.name}: backend 'kernel' cannot take this call: {lacks}; 'auto' takes what can")


def attempt(
    call: Call, pred: Tensor, target: Tensor, dtype: torch.dtype, is_forced: bool, by: Callable[[Any, Call, Tensor, Tensor], Tensor]
) -> Tensor | None:
    """The loss in this precision, differentiated as ``by`` does; None, after a warning, where its kernel cannot be compiled and need not
    be."""
    try:
        return by(partial(_device.run, _kernels(call, pred.device), dtype=dtype), call, pred, target)
    except _device.Failed as error:
        if is_forced:
            raise
        _failed.add(call.chosen.key)
        _warn(f"the kernel of {call.chosen.spec.name} failed, {error}")
    return None


def _kernels(call: Call, device: torch.device) -> _device.Kernels:
    """The kernels of a call that is served."""
    if device.type in OF_METAL:
        from detloss.torch._metal import launch as metal

        return metal.KERNELS
    from detloss.torch._triton import launch, passes, rank

    if call.chosen.spec.name in RANKED:
        return rank.KERNELS
    return passes.KERNELS if call.chosen.spec.scope == "set" else launch.KERNELS


def _is_served(device: torch.device) -> bool:
    """Whether there are kernels for such a device. On the CPU Triton interprets them, for tests."""
    return device.type in DEVICES or (device.type == "cpu" and _is_interpreted())


def _is_interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"


@lru_cache(maxsize=1)
def _lacks_import() -> str | None:
    """Why Triton cannot be imported."""
    try:
        import detloss.torch._triton.launch  # noqa: F401
    except Exception as error:  # A library that does not fit the machine raises whatever it likes.
        return f"Triton cannot be imported ({type(error).__name__}: {error})"
    return None


def _lacks_call(call: Call, tensors: tuple[Tensor | None, ...]) -> str | None:
    """What stands against a call, wherever it is to run."""
    pred = tensors[0]
    assert pred is not None
    if torch.compiler.is_compiling() or is_tracing() or torch._C._len_torch_dispatch_stack() > 0:
        return "somebody takes note of all operations, and would see none"
    if torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
        return "a transform looks through operations, not into kernels"
    lacks = _lacks_loss(call.chosen.spec, call.at.columns)
    if lacks is None and call.chosen.spec.name in RANKED:
        lacks = _lacks_ranking(call, pred)
    if lacks is not None:
        return lacks
    if pred.device.type in OF_METAL:
        lacks = _lacks_on_a_mac(call)
        if lacks is not None:
            return lacks
    if call.groups is not None:
        return "it takes a batch for one set, and groups make several"
    if call.state is not None and call.state.device != pred.device:
        return f"the state is on {call.state.device}"
    for tensor in tensors:
        if tensor is None:
            continue
        if type(tensor) not in (Tensor, torch.nn.Parameter) or tensor.is_neg():
            return f"a tensor is a {type(tensor).__name__} whose memory does not hold its numbers"
        if tensor.dtype not in _DTYPES:
            return f"a tensor is of {tensor.dtype}"
    return None


def _lacks_loss(spec: Spec, columns: int) -> str | None:
    """What stands against a loss, of rows of so many columns if it is of such."""
    if spec.is_formula or spec.name in RANKED:
        return None
    if spec.scope == "set":
        if spec.name not in TRACEABLE_SETS:
            return "this loss sorts whole batches, and has no kernel"
        has_lines = spec.pred.is_row or spec.state == "per_column"
        return f"its rows are longer than {LONGEST_OF_SETS} numbers" if has_lines and columns > LONGEST_OF_SETS else None
    if spec.name not in TRACEABLE:
        return "this loss sorts the numbers of a row, and has no kernel"
    return None if columns > 0 else "its rows are empty"


def _lacks_ranking(call: Call, pred: Tensor) -> str | None:
    """What stands against a loss that ranks."""
    if pred.numel() >= MOST_RANKED:
        return f"{pred.numel()} numbers are more than can be put in order at once"
    return None if wide(pred) == torch.float64 else f"{pred.device} has no double precision"


def _lacks_on_a_mac(call: Call) -> str | None:
    """What stands against a loss there."""
    scope, columns = call.chosen.spec.scope, call.at.columns
    if scope == "set":
        return "on a Mac no kernel takes losses of whole batches"
    if scope == "row" and columns > LONGEST_ON_A_MAC:
        return f"its rows are longer than {LONGEST_ON_A_MAC} numbers, the most on a Mac"
    return None


def _lacks_compiler(device: torch.device) -> str | None:
    """What stands against kernels on a device that is served."""
    return _lacks_metal() if device.type in OF_METAL else _lacks_triton(device)


def _lacks_metal() -> str | None:
    # It came with PyTorch 2.7.
    return None if hasattr(torch.mps, "compile_shader") else "this PyTorch compiles no kernels for Metal: `pip install -U torch`"


@lru_cache(maxsize=64)
def _lacks_triton(device: torch.device) -> str | None:
    """What stands against kernels on this device."""
    lacks = _lacks_import()
    if lacks is not None:
        return f"{lacks}: install the version that goes with this PyTorch, `pip install triton` (on Windows triton-windows)"
    if device.type == "cuda" and torch.version.hip is None and torch.cuda.get_device_capability(device) < (7, 5):
        return f"Triton compiles for no {torch.cuda.get_device_name(device)}"
    return None


def _warn(why: str) -> None:
    if not _warnings:
        _warnings.append(why)
        warnings.warn(
            f"detloss runs formulas as many operations each instead of one kernel: {why}. backend='decomposed' asks for that in silence",
            RuntimeWarning,
            stacklevel=6,
        )
