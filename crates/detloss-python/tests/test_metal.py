"""Kernels of Metal without a Mac: the C compiler of the system compiles the same text, and the CPU runs it."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")

import detloss  # noqa: E402
import detloss.torch  # noqa: E402
import metal_host  # noqa: E402
import numpy as np  # noqa: E402
from detloss.torch import _device, _kernel  # noqa: E402
from detloss.torch._metal import formula, frame, launch  # noqa: E402
from kernel_cases import HUGE, UGLY, assert_equal_to_core, options_of, random, result, tensors  # noqa: E402
from samples import COLUMNS, classes, covering, ordinary, settings, shapes, takes_classes  # noqa: E402



def steps(spec, params=None):
    """The names of the operations of a formula with its gradient."""
    return [name for name, _ in detloss._core.Loss(spec.name, spec.values(params or {})).trace(True)[0]]


SPECS = [spec for spec in detloss.losses() if spec.is_formula]
BY_NAME = {spec.name: spec for spec in SPECS}
KINDS = covering(sorted(SPECS, key=lambda spec: len(steps(spec))), lambda spec: {(spec.pred, spec.target, tuple(spec.options))})
"""The shortest formulas that together are called in all ways."""
all_formulas = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
all_kinds = pytest.mark.parametrize("spec", KINDS, ids=lambda spec: spec.name)

TRANSCENDENTAL = {"exp", "exp_m1", "ln", "ln_1p", "atan2", "atan", "sin", "cos", "sigmoid", "softplus"}
"""Operations that every library rounds in its own way."""

TOLERANCE = 1e-5
"""Of a value or slope, or of the largest if that is less than 1, in single precision."""


def is_exact(spec, params):
    """Whether all operations are rounded as IEEE 754 says, so that whoever follows the trace gets the same bits."""
    return TRANSCENDENTAL.isdisjoint(steps(spec, params))


@pytest.fixture
def as_on_a_mac(monkeypatch):
    """The CPU is taken for a Mac, with C in the place of Metal."""
    if metal_host.compiler() is None:
        pytest.skip("there is no C compiler, `cc`, for 64 bits that knows half precision")
    monkeypatch.setattr(_kernel, "DEVICES", ("cpu",))
    monkeypatch.setattr(_kernel, "OF_METAL", ("cpu",))
    monkeypatch.setattr(_kernel, "_warnings", [])
    monkeypatch.setattr(_kernel, "_failed", set())
    monkeypatch.setattr(torch.mps, "compile_shader", metal_host.compile_shader, raising=False)
    forget()
    yield monkeypatch
    forget()


def forget():
    """Nothing has been compiled yet."""
    launch._library.cache_clear()
    launch._scale_library.cache_clear()


class _Idle:
    """A library whose kernels do nothing."""

    def __getattr__(self, kernel):
        return lambda *given, **sizes: None


def at_once(run):
    """What it gives when all its kernels have been compiled at once, which takes a tenth of the time."""
    sources = []

    def note(source):
        sources.append(source)
        return _Idle()

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(torch.mps, "compile_shader", note)
        run()
    metal_host.compile_all(sources)
    forget()
    return run()


# The formulas ---------------------------------------------------------------------------------------------------------------------------


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


@all_formulas
def test_as_the_cpu(spec, as_on_a_mac):
    """With an odd number of units, and with every kind of parameters."""
    pred, target = tensors(ordinary(spec, rows=333))
    chosen = [dict(params) for params in {tuple(params.items()) for params in ({}, *settings(spec))}]
    at_once(lambda: [result(spec, pred, target, backend="kernel", reduction="none", **params) for params in chosen])
    for params in chosen:
        assert_as_the_cpu(spec, params, pred, target)


@all_formulas
def test_ugly_numbers(spec, as_on_a_mac):
    """Infinite, subnormal, huge and equal ones, and boxes without an inside. NaN, too, goes the way that it goes on the CPU."""
    choose = np.random.default_rng(3).choice
    of_pred, of_target = shapes(spec, 400)
    for ugly in (UGLY + HUGE, (*UGLY, np.nan, -1e-39)):
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


@all_kinds
def test_options(spec, as_on_a_mac):
    """Weights, divisors and reductions, with and without class indices."""

    def run():
        for options in options_of(spec, 37):
            result(spec, *tensors(ordinary(spec, rows=37)), backend="kernel", **options)

    at_once(run)
    for options in options_of(spec, 37):
        assert_equal_to_core(spec, *tensors(ordinary(spec, rows=37)), **options)


@pytest.mark.parametrize("spec", covering([spec for spec in SPECS if takes_classes(spec)], lambda spec: {spec.target}), ids=lambda spec: spec.name)
def test_classes(spec, as_on_a_mac):
    pred, target = tensors(classes(spec, rows=37))
    kinds = itertools.cycle((torch.int64, torch.int32, torch.uint8, torch.int16, torch.uint16, torch.uint32, torch.uint64))
    calls = [
        (target.to(kind), options | ignored)
        for options, kind in zip(options_of(spec, 37), kinds, strict=False)
        for ignored in ({}, {"ignore_index": 2})
    ]
    at_once(lambda: [result(spec, pred, of_kind, backend="kernel", **options) for of_kind, options in calls])
    for of_kind, options in calls:
        assert_equal_to_core(spec, pred, of_kind, **options)
    assert_equal_to_core(spec, pred, torch.where(target == 1, -100, target), ignore_index=-100, reduction="weighted_mean")
    value, grad = result(spec, pred, torch.where(target == 1, COLUMNS + 1, target), backend="kernel", reduction="none")
    for numbers in (value, grad):
        assert torch.equal(numbers.isnan(), (target == 1)[:, None].expand_as(pred))


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


@pytest.mark.parametrize("divisor", [torch.tensor(7), torch.tensor([0.0]), torch.tensor([[2.5]], dtype=torch.bfloat16)], ids=str)
def test_divisor_on_the_device(divisor, as_on_a_mac):
    as_on_a_mac.setattr(_device, "divisor", lambda call, units, device: (call.avg_factor, call.loss_weight))
    pred, target = tensors(ordinary(BY_NAME["focal"], rows=37))
    for options in ({}, {"weight": random((37,))}):
        assert_equal_to_core(BY_NAME["focal"], pred, target, avg_factor=divisor, loss_weight=0.5, **options)


@all_kinds
def test_half_precision(spec, as_on_a_mac):
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
    for room in (launch, formula):
        as_on_a_mac.setattr(room, "GROUPS", 3)
    spec = BY_NAME["focal"]
    pred, target = tensors(ordinary(spec, rows=333))
    options = {"weight": random((333,)), "reduction": reduction}
    assert_equal_to_core(spec, pred, target, **options)
    one = result(spec, pred, target, backend="kernel", **options)
    as_on_a_mac.setattr(torch.mps, "compile_shader", lambda source: metal_host.compile_shader(source, backwards=True))
    forget()
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
    tiles = launch._parts(launch._parts(numbers, frame.GROUP), frame.GROUPS)
    groups = launch._parts(numbers, frame.GROUP * tiles)
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


# The calls of PyTorch -------------------------------------------------------------------------------------------------------------------


class _Stub:
    """In the place of what `torch.mps.compile_shader` gives: notes how its kernels are called, and runs none."""

    def __init__(self, called):
        self.called = called

    def __getattr__(self, kernel):
        return lambda *given, threads, group_size: self.called.append((kernel, given, threads, group_size))


@pytest.fixture
def called(as_on_a_mac):
    calls = []
    as_on_a_mac.setattr(torch.mps, "compile_shader", lambda source: _Stub(calls))
    return calls


def shape_of(given):
    return tuple(given.shape) if torch.is_tensor(given) else given


def test_calls(called):
    """Two launches where something is added up, one where nothing is, and one for the way back; PyTorch takes tensors, lists of whole
    numbers and floats, and counts threads, not groups."""
    pred, target = random((333, COLUMNS)).requires_grad_(), torch.zeros(333, COLUMNS)
    detloss.torch.focal(pred, target, backend="kernel", loss_weight=2.0, reduction="sum").backward()
    (focal, total, scale), units = called, 333 * COLUMNS
    assert focal[0] == "detloss_focal" and focal[2:] == (7 * 256, 256)
    assert [shape_of(given) for given in focal[1]] == [(333, COLUMNS), (333, COLUMNS), (333, COLUMNS), (7,), [units, 1, 0], 2.0]
    assert total[0] == "detloss_total" and total[2:] == (256, 256)
    assert [shape_of(given) for given in total[1]] == [(7,), (), [7], 2.0] and total[1][0] is focal[1][3]
    assert scale[0] == "detloss_scale" and scale[2:] == (7 * 256, 256)
    assert [shape_of(given) for given in scale[1]] == [(333, COLUMNS), (), (333, COLUMNS), [units]] and scale[1][0] is scale[1][2]
    called.clear()
    detloss.torch.focal(pred.detach(), target, backend="kernel", reduction="none")
    [(name, given, threads, _)] = called
    assert name == "detloss_focal" and threads == 7 * 256
    assert [shape_of(each) for each in given] == [(333, COLUMNS), (333, COLUMNS), (333, COLUMNS), [units, 1, 0], 1.0]


def test_classes_are_given_as_they_are(called):
    """No label is made of a class index, and nothing is converted."""
    pred, target, weight = random((8, 80)).half(), torch.zeros(8, dtype=torch.int32), random((8,)).double()
    detloss.torch.focal(pred, target, weight=weight.bfloat16(), ignore_index=-100, avg_factor=4, backend="kernel")
    given = called[0][1]
    assert given[0] is pred and given[1] is target and given[2].dtype == torch.bfloat16
    assert given[4:] == ([640, 1, -100], 0.25)


def test_compiled_once(as_on_a_mac):
    """Other numbers of units, and other divisors, compile nothing; another parameter does."""
    sources = []

    def compile_shader(source):
        sources.append(source)
        return _Stub([])

    as_on_a_mac.setattr(torch.mps, "compile_shader", compile_shader)
    for rows in (1, 100, 5000):
        detloss.torch.focal(torch.zeros(rows, 80), torch.zeros(rows, 80), avg_factor=rows)
    assert len(sources) == 1
    detloss.torch.focal(torch.zeros(3, 80), torch.zeros(3, 80), gamma=1.0)
    assert len(sources) == 2


def test_automatic_choice(called):
    """Formulas are launched; losses of rows and of whole batches, and what looks through operations, are not."""
    pred, target = tensors(ordinary(BY_NAME["giou"]))
    detloss.torch.giou(pred, target)
    assert [call[0] for call in called] == ["detloss_giou", "detloss_total"]
    called.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detloss.torch.softmax_ce(pred, torch.zeros(len(pred), dtype=torch.int64))
        detloss.torch.ap(torch.zeros(2, 4), torch.ones(2, 4))
        torch.func.vmap(lambda x: detloss.torch.giou(x, target))(pred.expand(2, *pred.shape))
        torch.compile(lambda x: detloss.torch.giou(x, target), backend="eager", fullgraph=True)(pred)
    assert not called
    with pytest.raises(ValueError, match="softmax_ce: backend 'kernel' cannot take this call: on a Mac it is for losses of units only"):
        detloss.torch.softmax_ce(pred, torch.zeros(len(pred), dtype=torch.int64), backend="kernel")


def test_what_cannot_be_compiled_is_replayed(as_on_a_mac):
    """With one warning; and an error if the kernel was asked for."""

    def compile_shader(source):
        raise SyntaxError("program_source:3:1: error: unknown type name 'bfloat'\nbfloat\n^")

    as_on_a_mac.setattr(torch.mps, "compile_shader", compile_shader)
    pred, target = tensors(ordinary(BY_NAME["giou"]))
    with pytest.warns(RuntimeWarning, match="one kernel.*SyntaxError: .*unknown type name 'bfloat'.*'decomposed'") as seen:
        value = detloss.torch.giou(pred, target)
    assert len(seen) == 1
    torch.testing.assert_close(value, detloss.torch.giou(pred, target, backend="fused"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detloss.torch.giou(pred, target)
    with pytest.raises(RuntimeError, match="unknown type name 'bfloat'"):
        detloss.torch.giou(pred, target, backend="kernel")


def test_where_pytorch_compiles_nothing(as_on_a_mac):
    """Before 2.7 it did not."""
    as_on_a_mac.delattr(torch.mps, "compile_shader")
    pred, target = tensors(ordinary(BY_NAME["giou"]))
    with pytest.warns(RuntimeWarning, match="compiles no kernels for Metal.*pip install -U torch"):
        detloss.torch.giou(pred, target)
    with pytest.raises(ValueError, match="giou: backend 'kernel' cannot take this call.*pip install -U torch"):
        detloss.torch.giou(pred, target, backend="kernel")


# The text -------------------------------------------------------------------------------------------------------------------------------


def test_prelude():
    """A C++ compiler, with a header in the place of Metal's, takes the text as Metal gets it: as far as C++ goes, it has no slip."""
    compiler = shutil.which("c++")
    if compiler is None or metal_host.compiler() is None:
        pytest.skip("there is no C++ compiler, `c++`")
    whole = formula.Given(
        *(torch.bfloat16, torch.int64, torch.float16, torch.float32, torch.int32, torch.float32, torch.bfloat16),
        *(True, False, True, True, True, True, 80, 85, True),
    )
    sources = [
        formula.source("focal", BY_NAME["focal"].values({}), whole._replace(mean=None)),
        formula.source("ciou", BY_NAME["ciou"].values({}), whole._replace(mean=None, target=torch.float16, classes=False, is_whole=True, columns=1)),
        formula.scale_source(formula.Scaled(torch.float16, torch.bfloat16, True, True, False)),
    ]
    flags = ["-std=c++17", "-fsyntax-only", "-Wall", "-Werror", "-Wno-attributes", "-Wno-unknown-pragmas", "-Wno-unused"]
    flags += ["-Wno-unknown-attributes"] * ("clang" in subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout)
    for source in sources:
        assert source.isascii(), "PyTorch reads the text as ASCII"
        command = [compiler, *flags, "-I", str(Path(__file__).with_name("metal")), "-x", "c++", "-"]
        run = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr[:5000]
