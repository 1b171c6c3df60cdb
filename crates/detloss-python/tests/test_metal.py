"""Kernels of Metal without a Mac: the C compiler of the system compiles the same text, and the CPU runs it."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")

import detloss  # noqa: E402
import detloss.torch  # noqa: E402
import metal_host  # noqa: E402
import numpy as np  # noqa: E402
from detloss.torch import _device, _graph, _rows  # noqa: E402
from detloss.torch._metal import LONGEST, formula, frame, kernel, launch, rows  # noqa: E402
from detloss.torch._metal.operations import ATEN, OPERATIONS  # noqa: E402
from detloss.torch._operations import TRACEABLE  # noqa: E402
from detloss.torch._scalar import ELEMENTARY  # noqa: E402
from kernel_cases import HUGE, UGLY, assert_equal_to_core, options_of, random, result, tensors  # noqa: E402
from metal_host import as_on_a_mac  # noqa: E402, F401
from samples import COLUMNS, classes, covering, ordinary, settings, shapes, takes_classes  # noqa: E402
from test_kernels import traced  # noqa: E402


def steps(spec, params=None):
    """The names of the operations of a loss with its gradient."""
    if spec.is_formula:
        return [name for name, _ in detloss._core.Loss(spec.name, spec.values(params or {})).trace(True)[0]]
    graph = _rows.trace(spec, spec.values(params or {}), _rows.Form(COLUMNS, False, False, torch.float32, True))
    return [_graph.name(node) for node in graph.nodes if node.op == "call_function"]


SPECS = [spec for spec in detloss.losses() if spec.is_formula or spec.name in TRACEABLE]
BY_NAME = {spec.name: spec for spec in SPECS}
KINDS = covering(sorted(SPECS, key=lambda spec: len(steps(spec))), lambda spec: {(spec.pred, spec.target, tuple(spec.options))})
"""The shortest losses that together are called in all ways."""
all_losses = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
all_kinds = pytest.mark.parametrize("spec", KINDS, ids=lambda spec: spec.name)

TRANSCENDENTAL = {"exp", "exp_m1", "ln", "ln_1p", "atan2", "atan", "sin", "cos", "sigmoid", "softplus"}
"""Operations that every library rounds in its own way."""

TOLERANCE = 1e-5
"""Of a value or slope, or of the largest if that is less than 1, in single precision."""


def is_exact(spec, params):
    """Whether all operations are rounded as IEEE 754 says, so that whoever follows the trace gets the same bits."""
    return spec.is_formula and TRANSCENDENTAL.isdisjoint(steps(spec, params))


class _Idle:
    """A library whose kernels do nothing."""

    def __getattr__(self, kernel):
        return lambda *given, **sizes: None


def compile_for(run):
    """Compiles all kernels of these calls at once, which takes a tenth of the time."""
    sources = []

    def note(source):
        sources.append(source)
        return _Idle()

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(torch.mps, "compile_shader", note)
        run()
    metal_host.compile_all(sources)
    metal_host.forget()


# The losses -----------------------------------------------------------------------------------------------------------------------------


def assert_as_the_cpu(spec, params, pred, target, apart=0.0):
    """Bit for bit where every operation is exact. NaN has no bits of its own. ``apart``: how many may differ where none is."""
    ways = [result(spec, pred, target, backend=backend, reduction="none", **params) for backend in ("kernel", "fused")]
    for numbers, wanted in zip(*ways, strict=True):
        assert torch.equal(numbers.isnan(), wanted.isnan()), params
        if is_exact(spec, params):
            bits, of_cpu = (each.nan_to_num(7.0, torch.inf, -torch.inf).view(torch.int32) for each in (numbers, wanted))
            assert torch.equal(bits, of_cpu), f"{params}: {int((bits != of_cpu).sum())} of {bits.numel()}"
        else:
            most = wanted[wanted.isfinite()].abs().max().item()
            differ = ~torch.isclose(numbers, wanted, rtol=TOLERANCE, atol=TOLERANCE * min(most, 1.0), equal_nan=True)
            assert differ.sum() <= apart * differ.numel(), f"{params}: {numbers[differ][:4]} instead of {wanted[differ][:4]}"


@all_losses
def test_as_the_cpu(spec, as_on_a_mac):
    """With an odd number of units, and with every kind of parameters."""
    pred, target = tensors(ordinary(spec, rows=333))
    chosen = [dict(params) for params in {tuple(params.items()) for params in ({}, *settings(spec))}]
    compile_for(lambda: [result(spec, pred, target, backend="kernel", reduction="none", **params) for params in chosen])
    for params in chosen:
        assert_as_the_cpu(spec, params, pred, target)


@all_losses
def test_ugly_numbers(spec, as_on_a_mac):
    """Infinite, subnormal, huge and equal ones, and boxes without an inside. NaN, too, goes the way that it goes on the CPU."""
    choose = np.random.default_rng(3).choice
    of_pred, of_target = shapes(spec, 400)
    for ugly in (UGLY + HUGE if spec.is_formula else UGLY, (*UGLY, np.nan, -1e-39)):
        pred = torch.tensor(choose(ugly, of_pred), dtype=torch.float32)
        target = torch.tensor(choose((0.0, 1.0, 0.5) if spec.target.is_probability else ugly, of_target), dtype=torch.float32)
        # Where boxes are a line or a point, or far away, what is left may be the last bit of a sine.
        assert_as_the_cpu(spec, {}, pred, target, apart=0.01 if "sin" in steps(spec) else 0.0)


@pytest.mark.parametrize("spec", [spec for spec in SPECS if len(spec.pred.fields) >= 4], ids=lambda spec: spec.name)
def test_perfect_predictions(spec, as_on_a_mac):
    _, target = tensors(ordinary(spec, rows=300, seed=5))
    values = [result(spec, target, target, backend=backend, reduction="none")[0] for backend in ("kernel", "fused")]
    assert torch.equal(values[0] == 0.0, values[1] == 0.0)


# The frame ------------------------------------------------------------------------------------------------------------------------------


several = pytest.mark.parametrize("alone", [0, launch.ALONE], ids=["several groups", "one group"])


@all_kinds
@several
def test_options(spec, alone, as_on_a_mac):
    """Weights, divisors and reductions."""
    as_on_a_mac.setattr(launch, "ALONE", alone)

    def run():
        for options in options_of(spec, 37):
            result(spec, *tensors(ordinary(spec, rows=37)), backend="kernel", **options)

    compile_for(run)
    for options in options_of(spec, 37):
        assert_equal_to_core(spec, *tensors(ordinary(spec, rows=37)), **options)


@pytest.mark.parametrize("spec", [spec for spec in KINDS if takes_classes(spec)], ids=lambda spec: spec.name)
def test_classes(spec, as_on_a_mac):
    pred, target = tensors(classes(spec, rows=37))
    kinds = itertools.cycle((torch.int64, torch.int32, torch.uint8, torch.int16, torch.uint16, torch.uint32, torch.uint64))
    calls = [
        (target.to(kind), options | ignored)
        for options, kind in zip(options_of(spec, 37), kinds, strict=False)
        for ignored in ({}, {"ignore_index": 2})
    ]
    compile_for(lambda: [result(spec, pred, of_kind, backend="kernel", **options) for of_kind, options in calls])
    for of_kind, options in calls:
        assert_equal_to_core(spec, pred, of_kind, **options)
    assert_equal_to_core(spec, pred, torch.where(target == 1, -100, target), ignore_index=-100, reduction="weighted_mean")
    for unknown in (COLUMNS + 1, -1):
        value, grad = result(spec, pred, torch.where(target == 1, unknown, target), backend="kernel", reduction="none")
        for numbers in (value, grad):
            assert torch.equal(numbers.isnan(), (target == 1).reshape(-1, *(1,) * (numbers.dim() - 1)).expand_as(numbers))


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.pred.is_row and takes_classes(spec)], ids=lambda spec: spec.name)
def test_a_class_that_no_row_has(spec, as_on_a_mac):
    """It may weigh anything: one over its frequency is infinite."""
    pred, target = random((7, 5), -2.0, 2.0), torch.tensor([1, 2, 3, 4, 255, 1, 255])
    for weight in (torch.inf, torch.nan):
        of_classes = random((5,))
        of_classes[0] = weight
        assert_equal_to_core(spec, pred, target, class_weight=of_classes, ignore_index=255, reduction="weighted_mean")


def test_labels(as_on_a_mac):
    """What is no label makes its own number NaN; what is left out may hold anything."""
    pred, labels = random((6, COLUMNS), -2.0, 2.0), torch.zeros(6, COLUMNS)
    labels[0, 1], labels[1, 2], labels[2, 3] = -1.0, 1.5, -0.5
    pred[0, 1] = torch.nan
    value, grad = result(BY_NAME["focal"], pred, labels, backend="kernel", reduction="none")
    assert value[0, 1] == grad[0, 1] == 0.0
    for numbers in (value, grad):
        assert numbers.isnan().nonzero().tolist() == [[1, 2], [2, 3]]
    for kind in (torch.bool, torch.uint8, torch.int64):
        assert_equal_to_core(BY_NAME["focal"], pred.nan_to_num(), (labels == 0.0).to(kind), reduction="weighted_mean")


@several
@pytest.mark.parametrize("divisor", [torch.tensor(7), torch.tensor([0.0]), torch.tensor([[2.5]], dtype=torch.bfloat16)], ids=str)
def test_divisor_on_the_device(divisor, alone, as_on_a_mac):
    as_on_a_mac.setattr(launch, "ALONE", alone)
    as_on_a_mac.setattr(_device, "divisor", lambda call, units, device: (call.avg_factor, call.loss_weight))
    pred, target = tensors(ordinary(BY_NAME["focal"], rows=37))
    for options in ({}, {"weight": random((37,))}):
        assert_equal_to_core(BY_NAME["focal"], pred, target, avg_factor=divisor, loss_weight=0.5, **options)


@pytest.mark.parametrize("columns", [1, 2, 17, LONGEST])
@pytest.mark.parametrize("spec", [spec for spec in SPECS if not spec.is_formula], ids=lambda spec: spec.name)
def test_rows(spec, columns, as_on_a_mac):
    """As long as they may be: added up number by number, and right all the same."""
    generator = np.random.default_rng(7)
    pred = torch.from_numpy(generator.normal(0.0, 3.0, (5, columns))).float()
    of_kind = {
        "probability": lambda: generator.dirichlet(np.ones(columns), 5),
        "label": lambda: generator.uniform(0, 1, (5, columns)) > 0.7,
        "position": lambda: generator.uniform(0, columns - 1, 5),
        "logit": lambda: generator.normal(0, 2, (5, columns)),
    }
    target = torch.from_numpy(of_kind[spec.target.fields[0]]()).float()
    for reduction in ("none", "mean"):
        assert_equal_to_core(spec, pred, target, reduction=reduction)


def test_every_operation_on_rows_has_its_line():
    """And there is none that nobody uses."""
    used = set().union(*(traced(spec) for spec in SPECS if not spec.is_formula))
    assert used - _graph.WITHOUT_LINES == set(ATEN)


@several
@all_kinds
def test_half_precision(spec, alone, as_on_a_mac):
    as_on_a_mac.setattr(launch, "ALONE", alone)
    for dtype, options in itertools.product((torch.float16, torch.bfloat16), ({}, {"reduction": "none"})):
        assert_equal_to_core(spec, *tensors(ordinary(spec, rows=37), dtype), **options)


def test_rounding_to_bfloat(as_on_a_mac):
    """To the nearest, as PyTorch rounds."""
    pred = torch.linspace(-3.0, 3.0, 1000).bfloat16()
    target = torch.linspace(0.0, 1.0, 1000).bfloat16()
    ways = [result(BY_NAME["l1"], pred, target, backend=backend, reduction="none") for backend in ("kernel", "fused")]
    assert torch.equal(ways[0][0], ways[1][0]) and torch.equal(ways[0][1], ways[1][1])


@all_kinds
def test_rows_of_wider_tensors(spec, as_on_a_mac):
    pred, target = tensors(ordinary(spec, rows=37))
    wide = torch.full((*pred.shape[:-1], pred.shape[-1] + 3), torch.nan)
    wide[..., 1:-2] = pred
    views = [wide[..., 1:-2], pred.t().contiguous().t(), pred[:1].expand_as(pred), pred.repeat_interleave(2, 0)[::2]]
    for view in views:
        assert_equal_to_core(spec, view, target, weight=random((37,)), reduction="sum")


@pytest.mark.parametrize("reduction", ["sum", "mean", "weighted_mean"])
def test_many_groups(reduction, as_on_a_mac):
    """Groups have several tiles each, and any order of threads and groups gives the same bits."""
    for room in (launch, kernel):
        as_on_a_mac.setattr(room, "GROUPS", 3)
    spec = BY_NAME["focal"]
    pred, target = tensors(ordinary(spec, rows=333))
    options = {"weight": random((333,)), "reduction": reduction}
    assert_equal_to_core(spec, pred, target, **options)
    one = result(spec, pred, target, backend="kernel", **options)
    as_on_a_mac.setattr(torch.mps, "compile_shader", lambda source: metal_host.compile_shader(source, backwards=True))
    metal_host.forget()
    other = result(spec, pred, target, backend="kernel", **options)
    assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])


def test_sum_of_a_million(as_on_a_mac):
    """Added up in single precision, by halves, it is right to a part in a million."""
    pred = random((1 << 20,), 0.0, 1.0)
    value = detloss.torch.l1(pred, torch.zeros(1 << 20), backend="kernel", reduction="sum")
    assert value.item() == pytest.approx(pred.double().sum().item(), rel=1e-6)


def test_wide_indices(as_on_a_mac):
    as_on_a_mac.setattr(launch, "_is_wide", lambda numbers: True)
    for spec in KINDS:
        assert_equal_to_core(spec, *tensors(ordinary(spec, rows=37)))


@pytest.mark.parametrize(("numbers", "is_wide"), [((1 << 31) - 1, False), (1 << 31, True)])
def test_no_index_wraps_around(numbers, is_wide):
    """The last group counts on to the end of its last tile, beyond the units there are."""
    tiles = _device.parts(_device.parts(numbers, frame.GROUP), frame.GROUPS)
    groups = _device.parts(numbers, frame.GROUP * tiles)
    assert launch._is_wide(numbers) == is_wide
    assert numbers <= groups * tiles * frame.GROUP <= 1 << (64 if is_wide else 32) and groups <= frame.GROUPS


@all_kinds
def test_the_way_back(spec, as_on_a_mac):
    for dtype in (torch.float32, torch.bfloat16):
        pred, target = tensors(ordinary(spec, rows=37), dtype)
        for options in ({}, {"weight": random((37,)), "reduction": "weighted_mean"}):
            for upstream in (0.0, 1.0, -2.5):
                assert_equal_to_core(spec, pred, target, torch.tensor(upstream, dtype=dtype), **options)


def test_kept_graphs(as_on_a_mac):
    """The gradient is changed in place where nobody can see it again, and nowhere else."""
    pred, target = tensors(ordinary(BY_NAME["giou"], rows=37))
    pred.requires_grad_()
    expected = torch.autograd.grad(detloss.torch.giou(pred, target, backend="kernel"), pred)[0]
    tripled = 3.0 * detloss.torch.giou(pred, target, backend="kernel")
    for keeps in (True, True, False):
        torch.testing.assert_close(torch.autograd.grad(tripled, pred, retain_graph=keeps)[0], 3.0 * expected)


@pytest.mark.parametrize("name", ["inner(focaler(ciou), ratio=0.8)", "wise(siou(theta=2))", "alpha(giou, alpha=2)"])
def test_modifiers(name, as_on_a_mac):
    pred, target = tensors(ordinary(BY_NAME["giou"], rows=37))
    loss = detloss.torch.get_loss(name)
    values = []
    for loss.backend in ("kernel", "fused"):
        asked = pred.clone().requires_grad_()
        value = loss(asked, target)
        values.append((value.detach(), torch.autograd.grad(value, asked)[0]))
    torch.testing.assert_close(values[0], values[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.is_stateful], ids=lambda spec: spec.name)
def test_running_mean(spec, as_on_a_mac):
    modules = [getattr(detloss.torch, spec.class_name)(backend=backend) for backend in ("kernel", "fused")]
    for module in modules:
        module.state = module.state.float()  # As on a Mac.
    for step in range(3):
        pred, target = tensors(ordinary(spec, rows=37, seed=step))
        ways = []
        for module in modules:
            asked = pred.clone().requires_grad_()
            value = module(asked, target, weight=(random((37,), seed=step) > 0.5).float())
            ways.append((value.detach(), torch.autograd.grad(value, asked)[0], module.state.clone()))
        torch.testing.assert_close(ways[0], ways[1], rtol=1e-5, atol=1e-6)


def test_nothing_at_all(as_on_a_mac):
    for spec in KINDS:
        pred, target = (torch.zeros(shape) for shape in shapes(spec, 0))
        value, grad = result(spec, pred, target, backend="kernel")
        assert value == 0.0 and grad.shape == pred.shape


# The text -------------------------------------------------------------------------------------------------------------------------------


SHORTEST = covering(sorted(SPECS, key=lambda spec: len(steps(spec))), lambda spec: set(steps(spec)))
"""The shortest losses that together have every operation."""

WHOLE = kernel.Given(
    pred=torch.bfloat16,
    target=torch.float16,
    weight=torch.bool,
    class_weight=torch.float32,
    divisor=torch.int64,
    mean=None,
    value=torch.bfloat16,
    with_grad=True,
    is_whole=False,
    is_done=False,
    has_mass=True,
    classes=False,
    ignores=False,
    per_row=True,
    columns=80,
    stride=85,
    is_wide=True,
)
"""Nearly all that there may be."""


def source(spec, given):
    return kernel.source(spec, given, (formula if spec.is_formula else rows).unit(spec, spec.values({}), given))


def test_text_is_cpp():
    """A C++ compiler, with a header in the place of Metal's, takes the text as Metal gets it: as far as C++ goes, it has no slip."""
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("there is no C++ compiler, `c++`")
    sources = [source(spec, WHOLE) for spec in SHORTEST]
    with_classes = WHOLE._replace(target=torch.uint8, classes=True, ignores=True, is_done=True, is_wide=False)
    sources += [source(spec, with_classes) for spec in KINDS if takes_classes(spec)]
    at_mean = WHOLE._replace(mean=torch.float32, is_whole=True, is_done=True, has_mass=False)
    sources += [source(spec, at_mean) for spec in SPECS if spec.is_stateful]
    sources += [kernel.scale_source(kernel.Scaled(torch.float16, torch.bfloat16, True, False, False))]
    flags = ["-std=c++17", "-fsyntax-only", "-w", "-D__METAL_VERSION__=320", "-I", str(Path(__file__).with_name("metal")), "-x", "c++", "-"]
    for text in sources:
        assert text.isascii(), "PyTorch reads the text as ASCII"
        run = subprocess.run([compiler, *flags], input=text, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr[:5000]


def apply(name, x):
    """What the line of an operation of one operand makes of numbers."""
    kernel = (
        "KERNEL detloss_apply(device const float *x, device float *y, constant long *sizes, GROUP_AND_PLACE) {\n"
        "    EVERY_THREAD {\n"
        "        for (uint number = place; number < sizes[0]; number += GROUP) {\n"
        f"            y[number] = {OPERATIONS[name].format('x[number]')};\n"
        "        }\n"
        "    }\n"
        "}\n"
    )
    y = torch.empty_like(x)
    library = torch.mps.compile_shader(frame.source([kernel], False))
    library.detloss_apply(x, y, [len(x)], threads=frame.GROUP, group_size=frame.GROUP)
    return y


RANGES = {"exp": (-87.3, 88.7), "exp_m1": (-30.0, 88.7), "ln": (1e-37, 1e30), "ln_1p": (0.0, 1e30), "sqrt": (0.0, 1e30)}
"""Between which numbers an operation is as it is everywhere, if that is not from -87.3 to 87.3."""


@pytest.mark.parametrize("name", [name for name, line in OPERATIONS.items() if "{1}" not in line])
def test_operations(name, as_on_a_mac):
    """They are right to eight units in the last place, also of small numbers, and limited as those of PyTorch's tensors are."""
    low, high = RANGES.get(name, (-87.3, 87.3))
    parts = np.linspace(low, high, 50_001), np.linspace(max(low, -3.0), 3.0, 50_001), np.geomspace(max(low, 1e-30), high, 1001)
    x = torch.from_numpy(np.concatenate(parts).astype(np.float32)).clamp(low, high)
    torch.testing.assert_close(apply(name, x).double(), ELEMENTARY[name](x.double()), rtol=8 * 2.0**-24, atol=1e-38, equal_nan=True)
    beyond = torch.tensor([0.0, -0.0, 89.0, 1000.0, 1e30, torch.inf, torch.nan, -88.0, -1000.0, -1e30, -torch.inf])
    beyond = beyond[:7] if name == "ln_1p" else beyond
    if name not in ("sin", "cos"):
        torch.testing.assert_close(apply(name, beyond), ELEMENTARY[name](beyond), rtol=1e-6, atol=0.0, equal_nan=True)


# With a Mac ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not torch.backends.mps.is_available(), reason="no Mac is at hand")
@all_losses
def test_gpu_of_a_mac(spec):
    """What the host computes in double precision the kernel computes, too, again and again with the same bits."""
    for arrays in [ordinary(spec, rows=4001), *([classes(spec, rows=4001)] if takes_classes(spec) else [])]:
        pred, target = tensors(arrays)
        exact = pred.double().requires_grad_()
        wanted = getattr(detloss.torch, spec.name)(exact, target.double() if target.is_floating_point() else target)
        (of_host,) = torch.autograd.grad(wanted, exact)
        there = pred.to("mps").requires_grad_()
        values = [getattr(detloss.torch, spec.name)(there, target.to("mps"), backend="kernel") for _ in range(100)]
        assert all(torch.equal(value, values[0]) for value in values)
        (grad,) = torch.autograd.grad(values[0], there)
        torch.testing.assert_close(values[0].cpu().double(), wanted, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(grad.cpu().double(), of_host, rtol=1e-5, atol=1e-5 * of_host.abs().max().item())
