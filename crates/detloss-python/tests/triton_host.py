"""What Triton's interpreter lacks: the functions of its mathematical library, which are bitcode for GPUs, and a fused multiply-add."""

from __future__ import annotations

import numpy as np
import pytest
import triton.language as tl
from detloss.torch._triton.operations import least

from triton.language.extra import libdevice
from triton.runtime import interpreter

FUNCTIONS = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "pow": np.power,
}


def _of_numpy(function):
    def call(*operands):
        like = next(operand for operand in operands if isinstance(operand, tl.tensor))
        arrays = [operand.handle.data if isinstance(operand, tl.tensor) else operand for operand in operands]
        with np.errstate(all="ignore"):
            result = np.asarray(function(*arrays), dtype=like.handle.data.dtype)
        return tl.tensor(interpreter.TensorHandle(result, like.handle.dtype), like.type)

    return call


def _multiply_add(a, b, c):
    """Rounded once, or nearly so: in double precision before."""
    wide = [operand.data.astype(np.float64) for operand in (a, b, c)]
    with np.errstate(all="ignore"):
        return interpreter.TensorHandle((wide[0] * wide[1] + wide[2]).astype(c.data.dtype), c.dtype)


class _Scans(interpreter.ScanOps):
    """Scans that look for the least number, which otherwise the interpreter would interpret, number by number."""

    def generic_scan(self, input):
        if self.combine_fn is not least:
            return super().generic_scan(input)
        return [self.to_tensor(np.minimum.accumulate(input[0].handle.data, axis=self.axis), input[0].dtype)]


def install() -> None:
    """Puts NumPy's functions in the places of those that are missing, or slow."""
    interpreter.ScanOps = _Scans
    for name, function in FUNCTIONS.items():
        setattr(libdevice, name, _of_numpy(function))
    interpreter.interpreter_builder.create_fma = _multiply_add


@pytest.fixture(autouse=True)
def like_a_device():
    """NumPy, which computes for the interpreter, would warn of what is as it is to be. Of every file that imports it."""
    with np.errstate(all="ignore"):
        yield
