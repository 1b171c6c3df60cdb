"""The kernels of sets without a GPU: compiled for GPUs that are not there, and launched on tensors that know no more than their device."""

from __future__ import annotations

import itertools
import re

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")

import detloss  # noqa: E402
import detloss.torch  # noqa: E402
import numpy as np  # noqa: E402
from detloss.torch import _device, _graph, _kernel  # noqa: E402
from detloss.torch._operations import RANKED, TRACEABLE_SETS  # noqa: E402
from samples import COLUMNS, classes, covering, ordinary, settings, sized, takes_classes  # noqa: E402
from test_kernels import (  # noqa: E402
    FREE,
    OF_ROWS,
    _OnDevice,
    _Operations,
    assert_on_page,
    assert_traced_alike,
    gpu,
    sizes,  # noqa: F401
    traced,
    triton,  # noqa: F401
)
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402

SPECS = [spec for spec in detloss.losses() if spec.name in TRACEABLE_SETS]
all_sets = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
KINDS = covering(SPECS, lambda spec: {spec.pred, spec.target, spec.state})


def state_of(spec, **params):
    """The state of a loss of five columns to begin with."""
    return detloss._core.Loss(spec.name, spec.values(params)).initial_state(COLUMNS)


def traced_set(spec):
    """The operations of all forms of a loss of sets, by their names."""
    from detloss.torch._triton import sets

    found = set()
    for params in ({}, *settings(spec)):
        for state, has_classes in itertools.product({0, len(state_of(spec, **params))}, {False, spec.pred.is_row}):
            columns = COLUMNS if spec.pred.is_row or (state and spec.state == "per_column") else 0
            nodes = sets.trace(spec, spec.values(params), sets.Form(columns, has_classes, state, True)).nodes
            found |= {_graph.name(node) for node in nodes if node.op == "call_function"}
    return found


def test_every_operation_on_sets_has_its_line(triton):  # noqa: F811
    """A loss of sets that uses another operation of PyTorch is named here, and the table has none that nobody uses."""
    from detloss.torch._triton import cut
    from detloss.torch._triton.operations import ATEN

    assert len(SPECS) > 5
    used = {spec.name: traced_set(spec) - _graph.WITHOUT_LINES - cut.WITHOUT_LINES for spec in SPECS}
    missing = {name: sorted(operations - set(ATEN)) for name, operations in used.items() if operations - set(ATEN)}
    assert not missing, f"_triton/operations.py has no lines for {missing}"
    of_rows = set().union(*map(traced, OF_ROWS))
    assert set(ATEN) == set().union(*used.values()) | (of_rows - _graph.WITHOUT_LINES)


@all_sets
def test_traced_alike(spec, triton):  # noqa: F811
    from detloss.torch._triton import sets

    columns = COLUMNS if spec.pred.is_row else 0
    of = sets.Form(columns, spec.pred.is_row, 0, True)
    assert_traced_alike(lambda: sets.trace(spec, spec.values({}), of))


def test_every_loss_of_sets_has_a_kernel():
    """But for those that sort, which say so where they are written; of these some have kernels that are written by hand."""
    for spec in detloss.losses():
        if spec.scope == "set" and spec.name not in TRACEABLE_SETS:
            assert spec.name in RANKED or "sort" in (_kernel._lacks_loss(spec, 5) or ""), spec.name
            pred, target = (torch.from_numpy(np.asarray(array)) for array in ordinary(spec))
            with _Operations() as seen:
                getattr(detloss.torch, spec.name)(pred, target, backend="decomposed")
            assert any("sort" in name for name in seen.names), f"{spec.name} sorts nothing: its form need not say so"


# Compiling -----------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def of_sets(sizes):  # noqa: F811
    """What compiles and counts these."""
    import set_sizes

    return set_sizes


@all_sets
def test_compiled(spec, of_sets):
    """Nothing is spilled, with a state and of the longest rows, too, and neither registers nor instructions for an element grow unseen."""
    of_sets.RECORD.check(spec.name)


def test_record(of_sets):
    """It has these losses, and so has the page."""
    assert [*of_sets.RECORD.lines()] == [*of_sets.SPECS]
    assert_on_page(of_sets)


@pytest.mark.parametrize("spec", KINDS, ids=lambda spec: spec.name)
@pytest.mark.parametrize("target", ["sm_90", "gfx942"])
def test_compiled_in_other_precisions(spec, target, of_sets):
    """All operations are there in double precision, and tensors may be of half."""
    of = of_sets.form(spec.name, has_state=spec.is_stateful)
    for dtype in (torch.float64, torch.float16):
        assert all(kernel.assembly for kernel in of_sets.of_all_passes(spec.name, of, target, dtype))


IN_ORDER = {
    "sm_90": ("ptx", [r"st\.global", r"release\.exch", r"bar\.sync", r"acq_rel\.add"]),
    "gfx942": ("amdgcn", [r"buffer_store", r"s_waitcnt vmcnt\(0\)", "global_atomic_swap", "s_barrier", "global_atomic_add"]),
}


@pytest.mark.parametrize("target", IN_ORDER)
@all_sets
def test_all_is_left_before_a_program_counts_as_done(spec, target, of_sets):
    """What many threads leave is in memory when they meet, and only then one of them counts."""
    of, (form, words) = of_sets.form(spec.name), IN_ORDER[target]
    for pass_, kernel in zip(of_sets.passes_of(spec.name, of), of_sets.of_all_passes(spec.name, of, target), strict=True):
        if pass_.has_lines:
            found = re.findall("|".join(words), kernel.assembly[form])
            until = found[: next(at for at, word in enumerate(found) if re.fullmatch(words[-1], word)) + 1]
            store = max(at for at, word in enumerate(until) if re.fullmatch(words[0], word))
            rest = iter(until[store:])
            assert all(any(re.fullmatch(word, next_) for next_ in rest) for word in words), until[store:]


# Launching, on tensors that know no more than their device ----------------------------------------------------------------------------


@pytest.fixture
def launched(triton, monkeypatch):  # noqa: F811
    """What is launched, each kernel with what it is given."""
    from detloss.torch._triton import launch, sets

    found = []
    # Making one traces, which is once.
    for spec in SPECS:
        for state, has_classes in itertools.product((None, torch.tensor(state_of(spec)) if spec.is_stateful else None), (False, True)):
            sets.kernels(spec.name, spec.values({}), sets.form(spec, COLUMNS, has_classes, state, True))
    monkeypatch.setattr(launch, "start", lambda kernel, *given: found.append((kernel, given)))
    monkeypatch.setattr(launch, "counter", lambda device: torch.empty((), dtype=torch.int32, device=device))
    monkeypatch.setattr(_device, "is_plain", lambda grad_output: True)
    monkeypatch.setattr(_kernel, "takes", lambda call, tensors: True)
    return found


def there(array, dtype):
    given = torch.from_numpy(np.asarray(array))
    return torch.empty(given.shape, dtype=dtype if given.is_floating_point() else given.dtype, device="cuda")


@all_sets
def test_launches_and_nothing_else(spec, launched):
    """A call allocates memory and launches its passes, two or three, the way back one kernel: no tensor is made, converted or asked for its
    numbers, but that the state is copied."""
    from detloss.torch._triton import scale

    for arrays in [ordinary(spec), *([classes(spec)] if takes_classes(spec) else [])]:
        for dtype, reduction in ((torch.float32, "mean"), (torch.float16, "sum"), (torch.bfloat16, "weighted_mean")):
            module = getattr(detloss.torch, spec.class_name)(**sized(spec), reduction=reduction)
            numbers, fake = state_of(spec), FakeTensorMode()
            with fake:
                pred = there(arrays[0], dtype).requires_grad_()
                target, weight = there(arrays[1], torch.float32), there(arrays[0][..., 0], torch.float64)
                for is_step in (False, True) if spec.is_stateful else (False,):
                    launched.clear()
                    state = there(np.asarray(numbers), torch.float64) if is_step else None
                    with _OnDevice() as watched:
                        value = detloss.torch._losses.compute(spec, pred, target, module.chosen, weight=weight, state=state)
                    assert not set(watched.operations) - FREE - ({"copy_"} if is_step else set()), watched.operations
                    assert watched.operations.count("copy_") == is_step
                    assert 2 <= len(launched) <= 3
                    for kernel, (device, programs, arguments, *_) in launched:
                        assert kernel.__name__.startswith(f"detloss_{spec.name}_")
                        assert device.type == "cuda" and programs == 1 and arguments[0] is pred
                        assert all(given.device == device for given in arguments if torch.is_tensor(given))
            with fake, torch.no_grad():
                upstream = torch.empty((), dtype=value.dtype, device="cuda")
                with _OnDevice() as watched:
                    slope, *_ = value.grad_fn.apply(upstream, None)
            assert launched[-1][0] is scale.detloss_scale and slope.dtype == dtype and slope.shape == pred.shape
            assert not set(watched.operations) - FREE, watched.operations


@pytest.mark.parametrize("units", [1, 1000, 1 << 30, (1 << 31) - 16, 1 << 31, 3 << 31])
def test_no_index_wraps_around(units, launched):
    """The last program counts on to the end of its last tile, beyond the units there are."""
    import triton.language as tl
    from detloss.torch._triton import sets

    for name, kind, params in (("ghm_c", torch.bool, {}), ("ghm_c", torch.bool, {"bins": 1000.0}), ("rmse", torch.float16, {})):
        launched.clear()
        spec = next(spec for spec in SPECS if spec.name == name)
        sets.kernels(name, spec.values(params), sets.form(spec, 1, False, None, False))
        with FakeTensorMode():
            pred, target = (torch.empty(units, dtype=dtype, device="cuda") for dtype in (torch.float16, kind))
            getattr(detloss.torch, name)(pred, target, **params)
        for _, (_, programs, arguments, known, _) in launched:
            lots, tiles = arguments[11:13]
            assert lots * known["LOT"] == units
            assert units <= programs * tiles * known["TILE"] <= 1 << (31 if known["INDEX"] is tl.int32 else 63)


# With a GPU ---------------------------------------------------------------------------------------------------------------------------


@all_sets
@gpu
def test_gpu_kernels(spec, triton):  # noqa: F811
    """What the host computes in double precision the kernels compute, too, again and again with the same bits."""
    function = getattr(detloss.torch, spec.name)
    for arrays in [ordinary(spec, rows=4001), *([classes(spec, rows=4001)] if takes_classes(spec) else [])]:
        for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
            pred, target = (torch.from_numpy(np.asarray(array)) for array in arrays)
            pred, target = pred.to(dtype), target.to(dtype) if target.is_floating_point() else target
            exact = pred.double().requires_grad_()
            wanted = function(exact, target.double() if target.is_floating_point() else target)
            (of_host,) = torch.autograd.grad(wanted, exact)
            there = pred.cuda().requires_grad_()
            values = [function(there, target.cuda(), backend="kernel") for _ in range(100)]
            assert all(torch.equal(value, values[0]) for value in values)
            (grad,) = torch.autograd.grad(values[0], there)
            torch.testing.assert_close(values[0].double().cpu(), wanted, rtol=tolerance, atol=tolerance)
            torch.testing.assert_close(grad.double().cpu(), of_host, rtol=tolerance, atol=tolerance * of_host.abs().max().item())
