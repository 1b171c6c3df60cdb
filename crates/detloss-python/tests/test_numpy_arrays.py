"""How NumPy arrays get in and out: types, layouts, buffers, threads."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import tracemalloc

import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import detloss
from samples import classes, ordinary, takes_classes

SPECS = detloss.losses()
LARGE = 200_000

all_losses = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)


def function(spec):
    return getattr(detloss, spec.name)


@pytest.fixture
def three_threads():
    before = detloss.get_num_threads()
    detloss.set_num_threads(3)
    yield
    detloss.set_num_threads(before)


@all_losses
@pytest.mark.parametrize(
    ("kind", "digits"),
    [(np.float32, 1e-5), (np.float16, 1e-3), (ml_dtypes.bfloat16, 1e-2)],
    ids=["float32", "float16", "bfloat16"],
)
def test_types(spec, kind, digits):
    """What comes out is of the type that comes in, and as exact as that type is."""
    pred, target = (array.astype(kind) for array in ordinary(spec))
    value, grad = detloss.value_and_grad(spec.name, pred, target)
    exact, exact_grad = detloss.value_and_grad(spec.name, pred.astype(float), target.astype(float))
    assert isinstance(value, float) and grad.dtype == kind
    assert_allclose(value, exact, rtol=1e-4, atol=1e-5)
    assert_allclose(grad.astype(float), exact_grad, rtol=digits, atol=digits * np.abs(exact_grad).max())
    values = function(spec)(pred, target, reduction="none")
    assert values.dtype == kind
    exact_values = function(spec)(pred.astype(float), target.astype(float), reduction="none")
    assert_allclose(values.astype(float), exact_values, rtol=digits, atol=1e-5)
    assert function(spec)(pred, target.astype(float)) == value, "the target may be of another type"


@all_losses
def test_other_numbers(spec):
    """Whole numbers, lists, and numbers of the other byte order are converted."""
    pred, target = (np.round(array) for array in ordinary(spec))
    value = function(spec)(pred, target)
    assert function(spec)(pred.astype(np.int16), target) == value
    assert function(spec)(pred.tolist(), target.tolist()) == value
    assert function(spec)(pred.astype(np.longdouble), target) == value
    swapped = pred.astype(pred.dtype.newbyteorder())
    swapped_value, grad = detloss.value_and_grad(spec.name, swapped, target.astype(target.dtype.newbyteorder()))
    assert swapped_value == value and grad.dtype == np.float64 and grad.dtype.isnative


def layouts(array):
    """The same numbers, laid out in other ways."""
    yield np.asfortranarray(array)
    yield array[::-1].copy()[::-1]
    yield np.repeat(array, 2, axis=-1)[..., ::2]
    memory = np.zeros(array.nbytes + 1, np.uint8)
    unaligned = memory[1:].view(array.dtype).reshape(array.shape)
    unaligned[...] = array
    yield unaligned
    frozen = array.copy()
    frozen.flags.writeable = False
    yield frozen


@all_losses
def test_layouts(spec):
    pred, target = ordinary(spec)
    weight = np.ones(len(pred))
    value, grad = detloss.value_and_grad(spec.name, pred, target, weight=weight)
    for other in zip(layouts(pred), layouts(target), layouts(weight), strict=True):
        again, again_grad = detloss.value_and_grad(spec.name, *other[:2], weight=other[2])
        assert again == value
        assert_array_equal(again_grad, grad)
    if takes_classes(spec):
        pred, indices = classes(spec)
        value = function(spec)(pred, indices)
        for other in layouts(indices):
            assert function(spec)(pred, other) == value


@all_losses
def test_buffers(spec):
    pred, target = ordinary(spec)
    value, grad = detloss.value_and_grad(spec.name, pred, target)
    out = np.full_like(pred, np.nan)
    again, returned = detloss.value_and_grad(spec.name, pred, target, out=out)
    assert returned is out and again == value
    assert_array_equal(out, grad)
    inside = np.full((3, *pred.shape), 7.0)
    detloss.value_and_grad(spec.name, pred, target, out=inside[1])
    assert_array_equal(inside[1], grad)
    assert (inside[::2] == 7.0).all()


def test_buffers_that_will_not_do():
    """Nothing is written, and the message says what to give instead."""
    spec = next(spec for spec in SPECS if spec.scope == "unit")
    pred, target = ordinary(spec)
    frozen = np.zeros_like(pred)
    frozen.flags.writeable = False
    both = np.concatenate([pred, target])
    odd = np.zeros(pred.nbytes + 1, np.uint8)[1:].view(pred.dtype).reshape(pred.shape)
    one = np.broadcast_to(np.zeros(1), pred.shape)
    wrong = [
        (pred, np.zeros((2, 2)), ValueError, r"out has shape \(2, 2\)"),
        (pred, np.zeros(pred.shape, np.float32), ValueError, "dtype float32"),
        (pred, pred.tolist(), TypeError, "out is a list: give a NumPy array"),
        (pred, np.asfortranarray(np.zeros_like(pred)), ValueError, "the gradient is not contiguous"),
        (pred, odd, ValueError, "the gradient does not begin at a multiple of the size of its numbers.*copy"),
        (pred, frozen, ValueError, "the gradient is read-only"),
        (pred, one, ValueError, "the gradient is read-only"),
        (pred, pred, ValueError, "shares memory"),
        (pred, target, ValueError, "shares memory"),
        (both[1 : 1 + len(pred)], both[: len(pred)], ValueError, "shares memory"),
    ]
    for given, out, error, match in wrong:
        before = np.copy(out)
        with pytest.raises(error, match=match):
            detloss.value_and_grad(spec.name, given, target, out=out)
        assert_array_equal(out, before)
    copied = both[: len(pred)]
    value, grad = detloss.value_and_grad(spec.name, pred, target, out=copied)
    assert_array_equal(grad, detloss.value_and_grad(spec.name, pred, target)[1])
    # What failed has given the memory back.
    assert detloss.value_and_grad(spec.name, pred, target, out=np.zeros_like(pred))[0] == value


@all_losses
def test_no_copies(spec):
    """A value of arrays that lie as they should takes no memory of NumPy's, and a gradient takes its own."""
    pred, target = ordinary(spec, 5000)
    out, weight = np.empty_like(pred), np.ones(len(pred))
    detloss.value_and_grad(spec.name, pred, target, weight=weight, out=out)
    tracemalloc.start()
    try:
        function(spec)(pred, target, weight=weight)
        detloss.value_and_grad(spec.name, pred, target, weight=weight, out=out)
        assert tracemalloc.get_traced_memory()[1] < 5000
        detloss.value_and_grad(spec.name, pred, target)
        assert pred.nbytes <= tracemalloc.get_traced_memory()[1] < pred.nbytes + 5000
    finally:
        tracemalloc.stop()


@all_losses
def test_same_bits_for_any_number_of_threads(spec, three_threads):
    pred, target = ordinary(spec, LARGE // 5)
    groups = {"groups": np.arange(len(pred)) // 1000} if spec.scope == "set" else {}
    value, grad = detloss.value_and_grad(spec.name, pred, target, **groups)
    detloss.set_num_threads(1)
    alone, alone_grad = detloss.value_and_grad(spec.name, pred, target, **groups)
    assert value == alone
    assert_array_equal(grad, alone_grad)


def test_number_of_threads(three_threads):
    assert detloss.get_num_threads() == 3
    with pytest.raises(ValueError, match="give 1 or more"):
        detloss.set_num_threads(0)
    assert detloss.get_num_threads() == 3


def test_other_threads_go_on():
    """While a loss is computed, another Python thread runs: it could not if the lock of the interpreter were held.

    No thread is made to yield here, so the other one runs only where this one lets it.
    """
    spec = next(spec for spec in SPECS if spec.scope == "set")
    pred, target = ordinary(spec, LARGE)
    out = np.empty_like(pred)
    counted, stop = 0, threading.Event()

    def count():
        nonlocal counted
        while not stop.is_set():
            counted += 1
            time.sleep(0)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    other = threading.Thread(target=count)
    try:
        other.start()
        start = counted
        for _ in range(100):
            detloss.value_and_grad(spec.name, pred, target, out=out)
            if counted > start:
                break
        moved = counted - start
    finally:
        stop.set()
        sys.setswitchinterval(before)
        other.join()
    assert moved > 0


def test_many_threads_at_once(three_threads):
    """Each with a buffer of its own and the same inputs, and all get the same."""
    spec = next(spec for spec in SPECS if spec.scope == "unit")
    pred, target = ordinary(spec, LARGE)
    wanted = detloss.value_and_grad(spec.name, pred, target)
    got = []

    def run():
        out = np.empty_like(pred)
        for _ in range(5):
            got.append((detloss.value_and_grad(spec.name, pred, target, out=out)[0], out.copy()))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 20
    for value, grad in got:
        assert value == wanted[0]
        assert_array_equal(grad, wanted[1])


FORK = """
import os, sys
import numpy as np
import detloss
detloss.set_num_threads(2)
pred, target = np.random.default_rng(0).normal(size=(2, 200_000))
name = next(s.name for s in detloss.losses() if s.pred.fields == ("value",))
value = detloss.value_and_grad(name, pred, target)[0]
child = os.fork()
same = detloss.value_and_grad(name, pred, target)[0] == value
if child == 0:
    os._exit(0 if same else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if same else 2)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_fork():
    """A forked process, such as a worker of a data loader, has no threads of its parent, and makes its own."""
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], timeout=120, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
