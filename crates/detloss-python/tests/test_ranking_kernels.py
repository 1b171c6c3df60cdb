"""The kernels of losses that rank, without a GPU: compiled for GPUs that are not there, and launched on tensors that know no more than
their device. ``test_kernels.py`` has them interpreted, too."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")

import detloss  # noqa: E402
import detloss.torch  # noqa: E402
from detloss.torch import _device, _kernel  # noqa: E402
from detloss.torch._operations import RANKED  # noqa: E402
from test_kernels import FREE, ROOM, TARGETS, _OnDevice, gpu  # noqa: E402
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402

SPECS = [spec for spec in detloss.losses() if spec.name in RANKED]
all_rankings = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
KERNELS = ["keys", "sums", "positives", "errors", "shares", "slopes", "sorted", "blamed"]
PLAIN = KERNELS[:6]
LAUNCHED = {"rank_sort": [*PLAIN[:4], "sorted", "blamed", *PLAIN[4:]]}
"""The kernels of losses that have more than these, in the order of their launches."""
OF_SLOPES = {"blamed", "slopes"}
"""Those that are not launched without a gradient."""


@pytest.fixture(scope="session")
def triton():
    return pytest.importorskip("triton", reason="Triton is not installed: there are wheels for Linux, pip install triton")


@pytest.fixture(scope="session")
def sizes(triton):
    """What compiles and counts, and what was counted before."""
    import kernel_sizes
    import ranking_sizes

    return ranking_sizes, kernel_sizes.recorded(ranking_sizes.RECORD)


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
def test_compiled(name, sizes):
    """Nothing is spilled, and neither registers nor instructions grow unseen."""
    from kernel_sizes import counted

    sizes, record = sizes
    for target in TARGETS:
        size = counted(sizes.compiled(name, target).asm, target)
        assert size.spilled == 0, f"{size} on {target}"
        assert size.registers <= ROOM * record[name][target] + 2, f"{size} on {target}, on record are {record[name]}"
        assert size.instructions <= ROOM * record[name]["instructions"], f"{size} on {target}, on record are {record[name]}"


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("target", ["sm_90", "gfx942"])
def test_compiled_with_all_options(name, target, sizes):
    """In every precision, with hard steps, with class indices, weights and a divisor on the device."""
    from kernel_sizes import counted

    options = {"weight": "*i1", "divisor": "*i64", "ignore": "i32"}
    for dtype, of_target, delta in ((torch.float64, "i64", 0.0), (torch.float16, "i1", 0.3), (torch.bfloat16, "u8", 1e-20)):
        given = options if of_target == "i64" else {"weight": "*fp32"}
        kernel = sizes[0].compiled(name, target, dtype, of_target, delta, **given)
        assert counted(kernel.asm, target).spilled == 0


def test_record(sizes):
    """It has these kernels, and so has the page."""
    sizes, record = sizes
    assert [*record] == [*sizes.TILES] == KERNELS
    page = Path(__file__).parents[3] / "docs" / "gpu-performance.md"
    assert sizes.table(record) in page.read_text(encoding="utf-8"), f"run {sizes.__file__} and put its table into {page}"


@pytest.fixture
def launched(triton, monkeypatch):
    """The names of kernels that are not launched, the tensors among their arguments, and how many programs each has."""
    from detloss.torch._triton import launch

    launched = []

    def start(kernel, device, programs, arguments, known, warps=None):
        tensors = [argument for argument in arguments if torch.is_tensor(argument)]
        assert all(tensor.device == device for tensor in tensors) and set(known) <= set(kernel.arg_names)
        assert len(arguments) + len(known) == len(kernel.arg_names), kernel.__name__
        launched.append((kernel.__name__.removeprefix("detloss_rank_"), tensors, programs))

    monkeypatch.setattr(launch, "start", start)
    monkeypatch.setattr(_device, "is_plain", lambda grad_output: True)
    monkeypatch.setattr(_kernel, "takes", lambda call, tensors: True)
    return launched


def there(shape, dtype):
    return torch.empty(shape, dtype=dtype, device="cuda")


def wanted(spec, has_slopes=True):
    return [name for name in LAUNCHED.get(spec.name, PLAIN) if has_slopes or name not in OF_SLOPES]


@all_rankings
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64], ids=str)
def test_a_few_launches_and_a_sort(spec, dtype, launched):
    """And nothing else: no tensor is made, converted or asked for its numbers. The way back is one launch."""
    function = getattr(detloss.torch, spec.name)
    for of_target, options in (((250, 80), {}), ((250,), {"ignore_index": 7, "reduction": "none"})):
        fake = FakeTensorMode()
        launched.clear()
        has_labels = len(of_target) == 2
        with fake:
            pred = there((250, 80), dtype).requires_grad_()
            target = there(of_target, torch.float32 if has_labels else torch.int64)
            weight = there((250,), torch.bool)
            with _OnDevice() as watched:
                value = function(pred, target, weight=weight, loss_weight=2.0, **options)
            assert set(watched.operations) - FREE == {"sort"}, watched.operations
            assert watched.operations.count("sort") == 1
            assert value.shape == ((1,) if "reduction" in options else ())
            names = wanted(spec) if has_labels else PLAIN
            assert [name for name, _, _ in launched] == names
            if not has_labels:
                continue
            with torch.no_grad(), _OnDevice() as watched:
                slope, *_ = value.grad_fn.apply(there((), value.dtype), None)
            assert launched[-1][0] == "detloss_scale" and slope.dtype == dtype and slope.shape == pred.shape
            assert not set(watched.operations) - FREE, watched.operations
        with fake, torch.no_grad():
            launched.clear()
            function(pred, target)
            assert [name for name, _, _ in launched] == wanted(spec, has_slopes=False)


MEMORY = {"rank_sort": 70}


@all_rankings
def test_no_more_memory_than_said(spec, launched):
    """The page names the bytes for each element that are there at once, besides prediction, target and gradient."""
    count, said = 1 << 20, MEMORY.get(spec.name, 54)
    with FakeTensorMode():
        pred, target = there(count, torch.float32).requires_grad_(), there(count, torch.float32)
        getattr(detloss.torch, spec.name)(pred, target)
        found = {tensor.untyped_storage()._cdata: tensor for _, tensors, _ in launched for tensor in tensors}
        taken = sum(tensor.untyped_storage().nbytes() for tensor in found.values()) - count * (4 + 4 + 4)
    assert said * count < taken <= said * count + (1 << 16)


@all_rankings
def test_elements_beyond_32_bits_are_left_alone(spec, launched):
    """Indices go on beyond the last element, to the end of what all programs would take next."""
    from detloss.torch._triton import launch, rank

    most = _kernel.MOST_RANKED
    with FakeTensorMode(), torch.no_grad():
        getattr(detloss.torch, spec.name)(there(most - 1, torch.float16), there(most - 1, torch.float16))
        assert len(launched) == len(wanted(spec, has_slopes=False))
        of_tile = {"errors": rank.FEW, "shares": rank.RUN, "sorted": rank.ROWS + rank.SPAN * rank.WIDE}
        for name, _, programs in launched:
            assert programs <= launch.PROGRAMS
            assert most + programs * of_tile.get(name, rank.TILE) < 1 << 31
    with pytest.raises(ValueError, match="more than can be put in order"):
        getattr(detloss.torch, spec.name)(torch.zeros(1).expand(most), torch.zeros(1).expand(most), backend="kernel")


@all_rankings
@gpu
def test_gpu_ranking(spec, triton):
    """As the host in double precision, again and again with the same bits, and from a captured graph."""
    function = getattr(detloss.torch, spec.name)
    pred = torch.randn(100_000)
    target = (torch.rand(100_000) > 0.99) * torch.rand(100_000)
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        for delta in (0.0, 1e-3, 1.0):
            exact = pred.to(dtype).double().requires_grad_()
            wanted = function(exact, target.double(), delta=delta)
            (of_host,) = torch.autograd.grad(wanted, exact)
            there = pred.to(dtype).cuda().requires_grad_()
            on_device = target.cuda()
            run = lambda: function(there, on_device, delta=delta, backend="kernel")  # noqa: B023, E731
            values = [run() for _ in range(100)]
            grads = [torch.autograd.grad(value, there)[0] for value in values]
            assert all(torch.equal(value, values[0]) and torch.equal(grad, grads[0]) for value, grad in zip(values, grads, strict=True))
            torch.testing.assert_close(values[0].double().cpu(), wanted, rtol=tolerance, atol=tolerance)
            torch.testing.assert_close(grads[0].double().cpu(), of_host, rtol=tolerance, atol=tolerance * of_host.abs().max().item())
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                captured = run()
            graph.replay()
            assert torch.equal(captured, values[0])
