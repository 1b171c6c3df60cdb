"""How kernels of Metal are asked for: which calls launch what, and what PyTorch is given. Nothing is computed, so no compiler is needed."""

from __future__ import annotations

import warnings

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")

import detloss.torch  # noqa: E402
from detloss.torch import _device, _kernel  # noqa: E402
from kernel_cases import random, tensors  # noqa: E402
from metal_host import as_on_a_mac  # noqa: E402, F401
from samples import COLUMNS, ordinary  # noqa: E402
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

GIOU = next(spec for spec in detloss.losses() if spec.name == "giou")


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
    """Two launches where several groups are added up, one where none are, and one for the way back; PyTorch takes tensors, lists of whole
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
    called.clear()
    detloss.torch.focal(pred.detach()[:200], target[:200], backend="kernel", reduction="sum")
    [(name, given, threads, _)] = called
    assert name == "detloss_focal" and threads == 256
    assert [shape_of(each) for each in given] == [(200, COLUMNS), (200, COLUMNS), (), [1000, 4, 0], 1.0]


def test_classes_are_given_as_they_are(called):
    """No label is made of a class index, and nothing is converted."""
    pred, target, weight = random((8, 80)).half(), torch.zeros(8, dtype=torch.int32), random((8,)).double()
    detloss.torch.focal(pred, target, weight=weight.bfloat16(), ignore_index=-100, avg_factor=4, backend="kernel")
    given = called[0][1]
    assert given[0] is pred and given[1] is target and given[2].dtype == torch.bfloat16
    assert given[4:] == ([640, 3, -100], 0.25)


def test_factors_are_no_whole_numbers(called):
    """PyTorch gives a whole number to a kernel as one of 64 bits, and the kernel reads one of single precision."""
    pred, target = random((8, 4)), random((8, 4))
    detloss.torch.smooth_l1(pred, target, loss_weight=2, reduction="sum", backend="kernel")
    assert type(called[0][1][-1]) is float and called[0][1][-1] == 2.0


FREE = {"empty", "empty_like", "detach", "view", "device", "promote_types"}
"""Operations that run nothing."""


class _Operations(TorchDispatchMode):
    """Notes the names of operations, and refuses results that are elsewhere."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        self.names.add(operation.overloadpacket.__name__)
        assert not torch.is_tensor(result) or result.device.type == "cuda", f"{operation} works on {result.device}"
        return result


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_launches_and_nothing_else(dtype, called, as_on_a_mac):
    """On tensors that know no more than their device memory is allocated, and that is all: nothing is made, converted or asked for."""
    as_on_a_mac.setattr(_kernel, "takes", lambda call, tensors: True)
    as_on_a_mac.setattr(_kernel, "DEVICES", ("cuda",))
    as_on_a_mac.setattr(_kernel, "OF_METAL", ("cuda",))
    as_on_a_mac.setattr(_device, "is_plain", lambda grad_output: True)
    fake = FakeTensorMode()
    with fake:
        logits = torch.empty(100, 85, dtype=dtype, device="cuda")[:, :80].requires_grad_()
        target = torch.empty(100, dtype=torch.int32, device="cuda")
        options = {"weight": torch.empty(100, device="cuda"), "avg_factor": torch.empty((), device="cuda"), "ignore_index": -1}
        with _Operations() as seen:
            value = detloss.torch.focal(logits, target, **options)
        assert len(called) == 2 and not seen.names - FREE
    # As the engine of PyTorch would, which waits for a device that is there.
    with fake, torch.no_grad():
        upstream = torch.empty((), dtype=value.dtype, device="cuda")
        with _Operations() as seen:
            slope, *_ = value.grad_fn.apply(upstream, None)
    assert len(called) == 3 and not seen.names - FREE
    assert slope.dtype == dtype and slope.shape == logits.shape


@pytest.mark.parametrize(("units", "index"), [(1, "uint"), ((1 << 31) - 1, "uint"), (1 << 31, "ulong"), (3 << 31, "ulong")])
def test_index(units, index, as_on_a_mac):
    """Numbers are counted with as many bits as they need: on Apple's GPUs 64 are slow."""
    sources = []

    def compile_shader(source):
        sources.append(source)
        return _Stub([])

    as_on_a_mac.setattr(_kernel, "takes", lambda call, tensors: True)
    as_on_a_mac.setattr(torch.mps, "compile_shader", compile_shader)
    with FakeTensorMode():
        detloss.torch.focal(torch.empty(units, dtype=torch.float16), torch.empty(units, dtype=torch.bool))
    assert f"#define INDEX {index}\n" in sources[0]


def test_compiled_once(as_on_a_mac):
    """Other numbers of units, and other divisors, compile nothing, but for the first that is too much for one group; another parameter does."""
    sources = []

    def compile_shader(source):
        sources.append(source)
        return _Stub([])

    as_on_a_mac.setattr(torch.mps, "compile_shader", compile_shader)
    for rows in (1, 7, 12, 13, 100, 5000):
        detloss.torch.focal(torch.zeros(rows, 80), torch.zeros(rows, 80), avg_factor=rows)
    assert len(sources) == 2
    detloss.torch.focal(torch.zeros(3, 80), torch.zeros(3, 80), gamma=1.0)
    assert len(sources) == 3


def test_automatic_choice(called):
    """Formulas and losses of rows are launched; long rows, losses of whole batches, and what looks through operations, are not."""
    pred, target = tensors(ordinary(GIOU))
    detloss.torch.giou(pred, target)
    detloss.torch.softmax_ce(pred, torch.zeros(len(pred), dtype=torch.int64))
    assert [call[0] for call in called] == ["detloss_giou", "detloss_softmax_ce"]
    called.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detloss.torch.dice(torch.zeros(2, 1025), torch.ones(2, 1025))
        detloss.torch.ap(torch.zeros(2, 4), torch.ones(2, 4))
        torch.func.vmap(lambda x: detloss.torch.giou(x, target))(pred.expand(2, *pred.shape))
        torch.compile(lambda x: detloss.torch.giou(x, target), backend="eager", fullgraph=True)(pred)
    assert not called
    no_kernel = "backend 'kernel' cannot take this call:"
    with pytest.raises(ValueError, match=f"dice: {no_kernel} its rows are longer than 1024 numbers, the most on a Mac"):
        detloss.torch.dice(torch.zeros(2, 1025), torch.ones(2, 1025), backend="kernel")
    with pytest.raises(ValueError, match=f"ghm_c: {no_kernel} on a Mac no kernel takes losses of whole batches"):
        detloss.torch.ghm_c(torch.zeros(2, 4), torch.ones(2, 4), backend="kernel")


def test_what_cannot_be_compiled_is_replayed(as_on_a_mac):
    """With one warning; and an error if the kernel was asked for."""

    def compile_shader(source):
        raise SyntaxError("program_source:3:1: error: unknown type name 'bfloat'\nbfloat\n^")

    as_on_a_mac.setattr(torch.mps, "compile_shader", compile_shader)
    pred, target = tensors(ordinary(GIOU))
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
    pred, target = tensors(ordinary(GIOU))
    with pytest.warns(RuntimeWarning, match="compiles no kernels for Metal.*pip install -U torch"):
        detloss.torch.giou(pred, target)
    with pytest.raises(ValueError, match="giou: backend 'kernel' cannot take this call.*pip install -U torch"):
        detloss.torch.giou(pred, target, backend="kernel")
