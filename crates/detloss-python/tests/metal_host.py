"""A stand-in for Metal: kernels compiled by the C compiler of the system, which run on tensors of the CPU."""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import torch
from detloss.torch import _kernel
from detloss.torch._metal import launch
from detloss.torch._metal.frame import GROUP, PRELUDE
from detloss.torch._metal.operations import FUNCTIONS

OF_C = """\
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <tgmath.h>
#define device
#define constant const
#define threadgroup static
#define FUNCTION static
#define KERNEL void
#define GROUP_AND_PLACE unsigned group
#ifdef BACKWARDS
#define EVERY_THREAD for (unsigned place = GROUP; place-- > 0;)
#else
#define EVERY_THREAD for (unsigned place = 0; place < GROUP; place++)
#endif
typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef _Float16 half;
typedef struct { ushort bits; } bfloat;

static inline float from_bfloat(bfloat x) {
    const uint bits = (uint)x.bits << 16;
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static inline bfloat to_bfloat(float x) {
    uint bits;
    memcpy(&bits, &x, sizeof bits);
    const uint rounded = bits + 0x7fff + (bits >> 16 & 1);
    return (bfloat){x == x ? rounded >> 16 : 0x7fc0};
}
"""
"""What Metal's prelude has, in C. A group is run by one call: its threads one after the other, from one ``EVERY_THREAD`` to the next."""

FLAGS = ("-std=c11", "-O1", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Werror", "-Wno-unused", "-shared", "-fPIC")
"""With contraction a compiler would fuse what Metal is told not to."""


@functools.cache
def compiler():
    """The C compiler of the system, if it knows half precision; else None."""
    cc = shutil.which("cc")
    if cc is None or ctypes.sizeof(ctypes.c_long) != 8:
        return None
    probe = [cc, "-std=c11", "-fsyntax-only", "-x", "c", "-"]
    return cc if subprocess.run(probe, input=b"_Float16 half;", capture_output=True, check=False).returncode == 0 else None


@functools.cache
def _folder():
    """Where the libraries lie as long as the process runs."""
    return tempfile.TemporaryDirectory()


_known: dict[tuple[str, bool], _Library] = {}


def compile_all(sources, backwards=False):
    """Compiles many texts at once, which is faster than one by one."""
    if compiler() is None:
        pytest.skip("there is no C compiler, `cc`, for 64 bits that knows half precision")
    fresh = [source for source in dict.fromkeys(sources) if (source, backwards) not in _known]
    if not fresh:
        return
    texts = ["#define BACKWARDS\n" if backwards else "", OF_C, FUNCTIONS]
    for place, source in enumerate(fresh):
        assert source.isascii() and source.startswith(PRELUDE + FUNCTIONS)
        kernels = source.removeprefix(PRELUDE + FUNCTIONS)
        texts += ["#undef GROUP\n#undef INDEX\n", kernels.replace("KERNEL detloss_", f"KERNEL of_{place}_detloss_")]
    path = Path(_folder().name) / f"{len(_known)}.c"
    path.write_text("".join(texts))
    library = path.with_suffix(".so")
    run = subprocess.run([compiler(), *FLAGS, str(path), "-o", str(library), "-lm"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[:5000]
    made = ctypes.CDLL(str(library))
    for place, source in enumerate(fresh):
        _known[source, backwards] = _Library(made, f"of_{place}_")


def compile_shader(source, backwards=False):
    """As `torch.mps.compile_shader` is called."""
    compile_all([source], backwards)
    return _known[source, backwards]


class _Library:
    def __init__(self, made, prefix):
        self.made, self.prefix = made, prefix

    def __getattr__(self, kernel):
        return functools.partial(_run, getattr(self.made, self.prefix + kernel))


def _run(function, *given, threads, group_size):
    """As a kernel is called. Groups may be run in any order."""
    assert group_size == GROUP and threads % group_size == 0
    arguments = [_argument(each) for each in given]
    for group in reversed(range(threads // group_size)):
        function(*arguments, ctypes.c_uint(group))


def _argument(given):
    match given:
        case torch.Tensor():
            return ctypes.c_void_p(given.data_ptr())
        case list():
            return (ctypes.c_long * len(given))(*given)
        case float():
            return ctypes.byref(ctypes.c_float(given))
        case _:
            raise TypeError(f"PyTorch has no way to give a {type(given).__name__} to a kernel")


@pytest.fixture
def as_on_a_mac(monkeypatch):
    """The CPU is taken for a Mac, with C in the place of Metal."""
    monkeypatch.setattr(_kernel, "DEVICES", ("cpu",))
    monkeypatch.setattr(_kernel, "OF_METAL", ("cpu",))
    monkeypatch.setattr(_kernel, "_warnings", [])
    monkeypatch.setattr(_kernel, "_failed", set())
    monkeypatch.setattr(torch.mps, "compile_shader", compile_shader, raising=False)
    forget()
    yield monkeypatch
    forget()


def forget():
    """Nothing has been compiled yet."""
    launch._library.cache_clear()
    launch._scale_library.cache_clear()
