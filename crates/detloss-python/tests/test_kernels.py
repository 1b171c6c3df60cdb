"""The kernels that are made of formulas and of losses of rows, without a GPU: they are interpreted, and compiled for GPUs that are not
there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")

import detloss  # noqa: E402
import detloss.torch  # noqa: E402
import numpy as np  # noqa: E402
from detloss.torch import _device, _graph, _kernel, _program, _rows  # noqa: E402
from detloss.torch._metal import operations as metal_operations  # noqa: E402
from detloss.torch._operations import TRACEABLE  # noqa: E402
from samples import classes, covering, ordinary, scalar_operations, settings, takes_classes  # noqa: E402
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

FORMULAS = [spec for spec in detloss.losses() if spec.is_formula]
OF_ROWS = [spec for spec in detloss.losses() if spec.name in TRACEABLE]
SPECS = FORMULAS + OF_ROWS
all_kernels = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)


@pytest.fixture(scope="session")
def triton():
    """PyTorch's own wheels for Linux have it; elsewhere these tests are for nobody."""
    return pytest.importorskip("triton", reason="Triton is not installed: there are wheels for Linux, pip install triton")


@pytest.mark.parametrize(
    "file",
    [
        "kernels_interpreted.py",
        "rows_interpreted.py",
        "sets_interpreted.py",
        "ranking_interpreted.py",
        "localised_interpreted.py",
    ],
)
def test_interpreted(file, triton):
    """That it is to interpret, Triton has to know when it is imported: so in a process of its own."""
    tests = Path(__file__).with_name(file)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", str(tests)]
    run = subprocess.run(command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
    assert " passed" in run.stdout and " skipped" not in run.stdout, run.stdout


def operations_of_triton():
    return pytest.importorskip("detloss.torch._triton.operations", reason="Triton is not installed").OPERATIONS


TABLES = {
    "_program.py": lambda: _program._TENSOR_OPERATIONS,
    "_triton/operations.py": operations_of_triton,
    "_metal/operations.py": lambda: metal_operations.OPERATIONS,
}
"""What operations of traces are, for each of those who follow them."""


@pytest.mark.parametrize("file", TABLES)
def test_every_operation_has_its_line(file):
    """A scalar operation that a formula uses is known to all who follow traces; and nobody knows more than the others."""
    used = {"mul_add", "if_lt"}
    for spec in FORMULAS:
        loss = detloss._core.Loss(spec.name)
        traces = [loss.trace(True)]
        if spec.is_stateful:
            traces += [loss.trace(True, True), loss.running_mean()[1]]
        used |= {name for operations, _ in traces for name, _ in operations}
    used -= {"input", "const"}
    assert len(used) > 15
    table = set(TABLES[file]())
    assert not used - table, f"detloss/torch/{file} has no line for {sorted(used - table)}"
    assert table == set(_program._TENSOR_OPERATIONS)


def traced(spec, columns=5):
    """The operations of all forms of a loss of rows, by their names."""
    found = set()
    for params in ({}, *settings(spec)):
        for has_classes in (False, True) if takes_classes(spec) else (False,):
            by_class = has_classes and "class_weight" in spec.options
            of = _rows.Form(columns, has_classes, by_class, torch.float32, True)
            nodes = _rows.trace(spec, spec.values(params), of).nodes
            found |= {_graph.name(node) for node in nodes if node.op == "call_function"}
    return found


def test_every_operation_on_rows_has_its_line(triton):
    """A loss of rows that uses another operation of PyTorch is named here."""
    from detloss.torch._triton.operations import ATEN

    assert len(OF_ROWS) > 5
    used = {spec.name: traced(spec) - _graph.WITHOUT_LINES for spec in OF_ROWS}
    missing = {name: sorted(operations - set(ATEN)) for name, operations in used.items() if operations - set(ATEN)}
    assert not missing, f"_triton/operations.py has no lines for {missing}"


def assert_traced_alike(trace):
    """Whatever is switched on when a kernel is made: it is made the same."""
    wanted = str(trace())
    for setting in (torch.inference_mode(), torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16), torch.device("meta")):
        with setting:
            assert str(trace()) == wanted, setting
    torch.set_default_dtype(torch.float64)
    try:
        assert str(trace()) == wanted
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("has_classes", [False, True], ids=["dense", "classes"])
@pytest.mark.parametrize("spec", OF_ROWS, ids=lambda spec: spec.name)
def test_traced_alike(spec, has_classes):
    if has_classes <= takes_classes(spec):
        of = _rows.Form(5, has_classes, has_classes and "class_weight" in spec.options, torch.float32, True)
        assert_traced_alike(lambda: _rows.trace(spec, spec.values({}), of))


def test_tensors_of_elsewhere_are_not_traced():
    """Kernels are made of numbers and of what they are given."""
    constant = torch.tensor(2.0)
    with pytest.raises(NotImplementedError, match="neither given nor made of what is given"):
        _graph.trace(lambda given: (given + constant,), ((3,), torch.float32))


def test_every_loss_of_rows_has_a_kernel():
    """But for those that sort, which say so where they are written."""
    for spec in detloss.losses():
        if spec.scope == "row" and spec.name not in TRACEABLE:
            assert "sort" in (_kernel._lacks_loss(spec, 5) or ""), spec.name
            with FakeTensorMode(), _Operations() as seen:
                getattr(detloss.torch, spec.name)(torch.empty(3, 5), torch.empty(3, 5), backend="decomposed")
            assert any("sort" in name for name in seen.names), f"{spec.name} sorts nothing: its form need not say so"


class _Operations(TorchDispatchMode):
    """Notes the names of operations."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.names.append(operation.overloadpacket.__name__)
        return operation(*args, **(kwargs or {}))


# Compiling -----------------------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="session")
def sizes(triton):
    """What compiles and counts. Skips the test where it cannot."""
    import compiling
    import kernel_sizes

    if not compiling.TOOLS.joinpath("nvdisasm").exists():
        pytest.skip("this Triton comes without the tools that read machine code: there are in its wheels for Linux")
    return kernel_sizes


@all_kernels
def test_compiled(spec, sizes):
    """Nothing is spilled, also of long rows, and neither registers nor instructions for a unit grow unseen."""
    sizes.RECORD.check(spec.name)


def test_record_knows_what_is_compiled(sizes):
    """Kernels that are not alike in all that the compiler is given have texts of their own."""
    from compiling import Kernel

    text = lambda name="focal", target="sm_90", **given: sizes.kernel(name, target, **given).text  # noqa: E731
    function = sizes.kernel("focal", "sm_90").source.fn
    texts = [text(), text("bce"), text(target="sm_80"), text(dtype=torch.float16), text(tiles=2), text(classes=True)]
    texts += [Kernel(function, {}, {}, "sm_90", warps).text for warps in (4, 8)]
    assert len(set(texts)) == len(texts)


def test_what_is_not_on_record_is_compiled(sizes, tmp_path, monkeypatch):
    """And held to what is."""
    from compiling import Kernel, Size

    record, known = sizes.RECORD._replace(file=tmp_path / "sizes.json"), sizes.RECORD.lines()["l1"]
    on_record = lambda **changes: record.file.write_text(json.dumps({"l1": known | changes}))  # noqa: E731
    on_record()
    record.check("l1")
    on_record(digest="of another text")
    with pytest.warns(UserWarning, match="l1 was compiled"):
        record.check("l1")
    for what in {*known} - {"digest"}:
        # A number that is not of its digest is not believed.
        on_record(**{what: known[what] // 2})
        with pytest.raises(AssertionError, match="on record are"):
            record.check("l1")
    on_record(digest="of another text")
    monkeypatch.setattr(Kernel, "size", property(lambda kernel: Size(registers=1, spilled=4, instructions=1)))
    with pytest.raises(AssertionError, match="l1 spills"):
        record.check("l1")


def test_record(sizes):
    """It has these losses, and so has the page."""
    assert [*sizes.RECORD.lines()] == [*sizes.SPECS]
    assert_on_page(sizes)


def assert_on_page(sizes):
    page = Path(__file__).parents[3] / "docs" / "gpu-performance.md"
    table = sizes.table(sizes.RECORD.lines())
    assert table in page.read_text(encoding="utf-8"), f"run {sizes.__file__} and put its table into {page}"


SHORTEST = covering(
    sorted(FORMULAS, key=lambda spec: len(scalar_operations(spec))),
    lambda spec: {*scalar_operations(spec), len(spec.pred.fields), spec.target},
) + covering(OF_ROWS, lambda spec: {spec.target, *spec.options})


@pytest.mark.parametrize("spec", SHORTEST, ids=lambda spec: spec.name)
@pytest.mark.parametrize("target", ["sm_90", "gfx942"])
def test_compiled_in_other_precisions(spec, target, sizes):
    """All operations are there in double precision, and tensors may be of half. Class indices are compiled, too."""
    for dtype in (torch.float64, torch.float16):
        assert sizes.kernel(spec.name, target, dtype).assembly
    if takes_classes(spec):
        assert sizes.kernel(spec.name, target, classes=True).size.spilled == 0


@pytest.mark.parametrize("target", ["sm_90", "gfx942"])
def test_compiled_with_all_options(target, sizes):
    """Every argument is there, each in a type of its own; so is the running mean, and the way back."""
    from compiling import Kernel
    from detloss.torch._triton import formula, launch, scale

    tl = sizes.tl
    focal, wise = (next(spec for spec in SPECS if spec.name == name) for name in ("focal", "wiou_v3"))
    types = {"pred": "*bf16", "value": "*bf16", "grad": "*fp32", "partials": "*fp32", "counter": "*i32"}
    types |= dict.fromkeys(("lots", "tiles", "scale", "scale_low"), "i32")
    options = {"weight": "*i1", "class_weight": "*fp64", "divisor": "*i64", "ignore": "i32"}
    kernel = formula.kernel("focal", focal.values({}), True, False)
    for of_target, has_classes in (("*i1", False), ("*u8", False), ("*i64", False), ("*u32", True), ("*i8", True)):
        known = launch.constants(torch.float32, tl.float64, 1, 85, 80, has_classes, True, True, 512, tl.int64)
        assert Kernel(kernel, types | options | {"target": of_target}, known, target).assembly
    kernel = formula.kernel("wiou_v3", wise.values({}), True, True)
    known = launch.constants(torch.float32, tl.float32, 1, 85, 1, False, True, True, 256, tl.int32)
    assert Kernel(kernel, types | {"target": "*fp32", "mean": "*fp64"}, known, target).assembly
    for of_grad, of_slope, upstream in (("*fp32", "*fp32", "*fp32"), ("*fp32", "*bf16", "*bf16"), ("*fp64", "*fp64", "*fp64")):
        types = {"slope": of_slope, "grad": of_grad, "upstream": upstream, "mass": of_grad, "numbers": "i32"}
        known = {"INDEX": tl.int32, "IN_PLACE": of_grad == of_slope, "TILE": 1024}
        assert Kernel(scale.detloss_scale, types, known, target).assembly


def test_wide_loads(sizes):
    """Boxes come and go as 128 bits; so do single numbers, if there is a multiple of 16."""
    for name in ("giou", "focal"):
        text = sizes.kernel(name, "sm_90").assembly["ptx"]
        assert "ld.global.v4.b32" in text and "st.global.v4.b32" in text, name


# Launching, on tensors that know no more than their device ----------------------------------------------------------------------------


FREE = {"empty", "empty_like", "detach", "view", "select", "unbind", "device", "promote_types"}
"""Operations that run nothing."""


class _OnDevice(TorchDispatchMode):
    """Notes the operations, and refuses results that are elsewhere."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        self.operations.append(operation.overloadpacket.__name__)
        for tensor in filter(torch.is_tensor, result if isinstance(result, tuple | list) else [result]):
            assert tensor.device.type == "cuda", f"{operation} works on {tensor.device}"
        return result


@pytest.mark.parametrize("spec", SHORTEST, ids=lambda spec: spec.name)
def test_one_launch_and_nothing_else(spec, triton, monkeypatch):
    """A call allocates memory and launches one kernel, the way back another: no tensor is made, converted or asked for its numbers. The
    launch itself is left out."""
    from detloss.torch._triton import launch, rows, scale

    launched = []
    # Making one traces, which is once.
    monkeypatch.setattr(rows, "kernel", lambda *of: of)
    monkeypatch.setattr(launch, "start", lambda kernel, *given: launched.append((kernel, given)))
    monkeypatch.setattr(launch, "counter", lambda device: torch.empty((), dtype=torch.int32, device=device))
    monkeypatch.setattr(_device, "is_plain", lambda grad_output: True)
    monkeypatch.setattr(_kernel, "takes", lambda call, tensors: True)

    def there(array, dtype):
        given = torch.from_numpy(np.asarray(array))
        return torch.empty(given.shape, dtype=dtype if given.is_floating_point() else given.dtype, device="cuda")

    for arrays in [ordinary(spec), *([classes(spec)] if takes_classes(spec) else [])]:
        for dtype, reduction in ((torch.float32, "mean"), (torch.float16, "weighted_mean"), (torch.bfloat16, "none")):
            launched.clear()
            fake = FakeTensorMode()
            with fake:
                pred = there(arrays[0], dtype).requires_grad_()
                target, weight = there(arrays[1], torch.float32), there(arrays[0][..., 0], torch.float64)
                with _OnDevice() as watched:
                    value = getattr(detloss.torch, spec.name)(pred, target, weight=weight, reduction=reduction)
                assert not set(watched.operations) - FREE, watched.operations
                assert value.dtype == torch.promote_types(dtype, torch.float32 if target.is_floating_point() else dtype)
                [(_, (device, programs, arguments, *_))] = launched
                assert device.type == "cuda" and programs == 1
                assert arguments[0] is pred and all(given.device == device for given in arguments if torch.is_tensor(given))
                if reduction == "none":
                    continue
                # As the engine of PyTorch would, which waits for a device that is there.
                with fake, torch.no_grad():
                    upstream = torch.empty((), dtype=value.dtype, device="cuda")
                    with _OnDevice() as watched:
                        slope, *_ = value.grad_fn.apply(upstream, None)
                assert launched[1][0] is scale.detloss_scale and slope.dtype == dtype and slope.shape == pred.shape
                assert not set(watched.operations) - FREE, watched.operations


@pytest.mark.parametrize("units", [1, 1000, 1 << 30, (1 << 31) - 16, 1 << 31, 3 << 31])
def test_no_index_wraps_around(units, triton, monkeypatch):
    """The last program counts on to the end of its last tile, beyond the units there are."""
    from detloss.torch._triton import launch

    launched = []
    monkeypatch.setattr(launch, "start", lambda *given: launched.append(given))
    monkeypatch.setattr(launch, "counter", lambda device: None)
    monkeypatch.setattr(_kernel, "takes", lambda call, tensors: True)
    with FakeTensorMode():
        pred, target = (torch.empty(units, dtype=dtype, device="cuda") for dtype in (torch.float16, torch.bool))
        detloss.torch.focal(pred, target)
    [(_, _, programs, arguments, known, _)] = launched
    lots, tiles = arguments[10:12]
    assert lots * known["LOT"] == units
    assert units <= programs * tiles * known["TILE"] <= 1 << (31 if known["INDEX"] is launch.tl.int32 else 63)


def test_graphs_have_counters_of_their_own(triton, monkeypatch):
    """They may be replayed in any stream, beside whatever runs in the one that they were captured in."""
    from detloss.torch._triton import launch

    counters, device = {}, torch.device("cuda", 0)
    monkeypatch.setattr(launch, "_counters", counters)
    monkeypatch.setattr(torch.accelerator, "current_stream", lambda _: SimpleNamespace(stream_id=7))
    with FakeTensorMode():
        for is_captured in (False, True, True, False):
            monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda says=is_captured: says)
            counter = launch.counter(device)
            assert any(counter is other for other in counters.values()) != is_captured


@all_kernels
def test_name_of_the_kernel(spec, triton):
    """In profiles a kernel has the name of its loss."""
    from detloss.torch._triton import formula, rows

    if spec.is_formula:
        name, text = formula.source(spec, spec.values({}), True, False)
    else:
        name, text = rows.source(spec, spec.values({}), _rows.Form(5, False, False, torch.float32, True))
    assert name == f"detloss_{spec.name}" and f"def {name}(" in text


def test_where_there_is_no_device():
    pred, target = (torch.from_numpy(array) for array in ordinary(SPECS[0]))
    with pytest.raises(ValueError, match=r"iou: backend 'kernel' cannot take this call: pred is on cpu, and has to be on a GPU"):
        detloss.torch.iou(pred, target, backend="kernel")
    with pytest.raises(ValueError, match="give one of 'auto', 'fused', 'decomposed', 'kernel'"):
        detloss.torch.iou(pred, target, backend="triton")


def test_triton_is_imported_for_a_device_only():
    """Importing the package and calling it on the CPU costs nothing of it."""
    lines = (
        "import sys, torch, detloss.torch",
        "before = 'triton' in sys.modules",
        "detloss.torch.l1(torch.ones(2, requires_grad=True), torch.zeros(2)).backward()",
        "assert 'detloss.torch._triton.launch' not in sys.modules and ('triton' in sys.modules) == before",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)


# With a GPU ---------------------------------------------------------------------------------------------------------------------------

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is at hand")


@all_kernels
@gpu
def test_gpu_kernel(spec, triton):
    """What the host computes in double precision the kernel computes, too, again and again with the same bits."""
    for arrays in [ordinary(spec, rows=4001), *([classes(spec, rows=4001)] if takes_classes(spec) else [])]:
        for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
            pred, target = (torch.from_numpy(np.asarray(array)) for array in arrays)
            pred, target = pred.to(dtype), target.to(dtype) if target.is_floating_point() else target
            exact = pred.double().requires_grad_()
            wanted = getattr(detloss.torch, spec.name)(exact, target.double() if target.is_floating_point() else target)
            (of_host,) = torch.autograd.grad(wanted, exact)
            there = pred.cuda().requires_grad_()
            values = [getattr(detloss.torch, spec.name)(there, target.cuda(), backend="kernel") for _ in range(100)]
            assert all(torch.equal(value, values[0]) for value in values)
            (grad,) = torch.autograd.grad(values[0], there)
            torch.testing.assert_close(values[0].double().cpu(), wanted, rtol=tolerance, atol=tolerance)
            torch.testing.assert_close(grad.double().cpu(), of_host, rtol=tolerance, atol=tolerance * of_host.abs().max().item())


@gpu
def test_gpu_perfect_boxes_and_confident_logits(triton):
    """A perfect box costs nothing at all, and a logit of 88 has a loss that is right in all its digits."""
    corner, side = torch.rand(2, 100_000, 2, device="cuda") * 300.0
    box = torch.cat([corner, corner + side + 0.01], -1)
    for name in ("iou", "giou", "diou", "ciou", "eiou"):
        assert not getattr(detloss.torch, name)(box, box, backend="kernel", reduction="none").any(), name
    logits = torch.linspace(-88.0, 88.0, 100_001)
    for name in ("bce", "focal"):
        for label in (0.0, 1.0):
            wanted = getattr(detloss.torch, name)(logits.double(), torch.full_like(logits, label).double(), reduction="none")
            value = getattr(detloss.torch, name)(logits.cuda(), torch.full_like(logits, label).cuda(), reduction="none", backend="kernel")
            torch.testing.assert_close(value.double().cpu(), wanted, rtol=1e-5, atol=1e-37)
