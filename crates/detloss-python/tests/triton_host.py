"""What Triton's interpreter lacks: the functions of its mathematical library, which are bitcode for GPUs, a fused multiply-add, and haste;
and what all kernels that remember are asked."""

from __future__ import annotations

import ast
from functools import cache
from types import SimpleNamespace

import detloss.torch
import numpy as np
import pytest
import torch
import triton.language as tl
from detloss.torch import _device, _kernel
from detloss.torch._triton import launch
from detloss.torch._triton.operations import largest, least
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


class _Reductions(interpreter.ReduceOps):
    """As much for the largest number."""

    def generic_reduce(self, input):
        if self.combine_fn is not largest:
            return super().generic_reduce(input)
        return [self.to_tensor(np.maximum.reduce(input[0].handle.data, axis=self.axis, keepdims=self.keep_dims), input[0].dtype)]


_of_numbers = cache(interpreter._get_np_dtype)


def _get_np_dtype(type_):
    """Triton would make the table anew for each look into it."""
    return np.dtype(np.uint64) if type_.scalar.is_ptr() else _of_numbers(type_.scalar)


def _patch_for_good() -> None:
    """Patches Triton's language now, instead of all of it anew for every launch, and for every function that a kernel calls."""
    for lang in (tl, tl.core):
        interpreter._patch_lang(SimpleNamespace(__globals__={"lang": lang}))
    patched = SimpleNamespace(restore=lambda: None)
    interpreter._patch_lang = lambda function: patched


class _Rewriter(interpreter.FunctionRewriter):
    """Rewrites functions as they come, from the line that they are in, not from the first one to be moved there."""

    def _get_jit_fn_file_line(self):
        code = self.fn.__code__
        return code.co_filename, code.co_firstlineno

    def _transform_ast(self, src):
        before = self.def_file_lineno + self.def_lineno - 2
        return ast.fix_missing_locations(self.ast_transformer.visit(ast.parse("\n" * before + src)))


def _check_overflow(lhs, rhs, operation):
    """What sums and products of whole numbers are asked for, as seven operations on tensors otherwise."""
    if lhs.type.scalar.int_bitwidth < 64:
        function = {"add": np.add, "sub": np.subtract, "mul": np.multiply}[operation.__name__]
        exact, limits = function(lhs.handle.data, rhs.handle.data, dtype=np.int64), np.iinfo(lhs.handle.data.dtype)
        assert (exact >= limits.min).all() and (exact <= limits.max).all(), f"{lhs.type.scalar} overflows in {operation.__name__}"


def _mend_semantic(semantic) -> None:
    semantic.binary_op_sanitize_overflow_impl = _check_overflow
    broadcast = semantic.broadcast_impl_value

    def broadcast_if_need_be(lhs, rhs):
        # Triton compares shapes number by number, also those that are the same, as nearly all are.
        are_blocks = lhs.type.is_block() and rhs.type.is_block()
        return (lhs, rhs) if are_blocks and lhs.handle.data.shape == rhs.handle.data.shape else broadcast(lhs, rhs)

    semantic.broadcast_impl_value = broadcast_if_need_be


def install() -> None:
    """Puts NumPy's functions in the places of those that are missing, or slow."""
    _patch_for_good()
    interpreter.FunctionRewriter = _Rewriter
    if hasattr(interpreter, "interpreter_semantic"):  # Older Tritons have no such object.
        _mend_semantic(interpreter.interpreter_semantic)
    interpreter._get_np_dtype = _get_np_dtype
    interpreter.ScanOps, interpreter.ReduceOps = _Scans, _Reductions
    for name, function in FUNCTIONS.items():
        setattr(libdevice, name, _of_numpy(function))
    interpreter.interpreter_builder.create_fma = _multiply_add


@pytest.fixture(autouse=True)
def like_a_device():
    """NumPy, which computes for the interpreter, would warn of what is as it is to be. Of every file that imports it."""
    with np.errstate(all="ignore"):
        yield


def step(module, pred, target, **options):
    """The value of a step, its gradient, and what is remembered after it."""
    asked = pred.clone().requires_grad_()
    value = module(asked, target, **options)
    return value.detach(), torch.autograd.grad(value, asked)[0], module.state.clone()


def assert_state_survives_failures(spec, pred, target, launches, monkeypatch, **params):
    """Whichever of so many launches fails: who takes over begins with the state as it was."""
    monkeypatch.setattr(_kernel, "DEVICES", ("cpu",))
    whole = launch.start
    of_kernel, of_operations = (getattr(detloss.torch, spec.class_name)(backend=way, **params) for way in ("auto", "decomposed"))
    for failing in range(launches):
        monkeypatch.setattr(_kernel, "_failed", set())
        monkeypatch.setattr(_kernel, "_warnings", [])
        launched = []

        def start(*given, failing=failing, launched=launched):
            launched.append(given)
            if len(launched) > failing:
                raise _device.Failed("OutOfResources: out of resource")
            whole(*given)

        monkeypatch.setattr(launch, "start", start)
        with pytest.warns(RuntimeWarning, match="failed, OutOfResources"):
            numbers = step(of_kernel, pred, target)
        torch.testing.assert_close(numbers, step(of_operations, pred, target))
