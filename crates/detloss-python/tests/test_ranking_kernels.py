"""The kernels of losses that rank, without a GPU: compiled for GPUs that are not there, and launched on tensors that know no more than
their device. ``test_kernels.py`` has them interpreted, too."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")

import detloss  # noqa: E402
import detloss.torch  # noqa: E402
from detloss.torch import _device, _kernel  # noqa: E402
from detloss.torch._operations import RANKED  # noqa: E402
from samples import takes_classes  # noqa: E402
from test_kernels import FREE, _OnDevice, assert_on_page, gpu, sizes, triton  # noqa: E402, F401
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402

SPECS = [spec for spec in detloss.losses() if spec.name in RANKED]
all_rankings = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
PLAIN = ["keys", "sums", "positives", "errors", "shares", "slopes"]
KERNELS = [*PLAIN, "sorted", "blamed", "moments", "localised", "boxes"]
LAUNCHES = {
    "ap": PLAIN,
    "rank_sort": [*PLAIN[:4], "sorted", "blamed", *PLAIN[4:]],
    "alrp": [*PLAIN[:3], "moments", "localised", "moments", "boxes", "slopes"],
}
"""The kernels of each loss, in the order of their launches."""
WITHOUT_SLOPES = {"ap": PLAIN[:5], "rank_sort": [*PLAIN[:4], "sorted", "shares"], "alrp": [*PLAIN[:3], "moments", "localised"]}
"""Those that are launched without a gradient."""
MEMORY = {"ap": 54, "rank_sort": 70, "alrp": 82}
"""Bytes for each element, as the page says."""


@pytest.fixture(scope="session")
def of_rankings(sizes):  # noqa: F811
    """What compiles and counts these."""
    import ranking_sizes

    return ranking_sizes


@pytest.mark.parametrize("name", KERNELS)
def test_compiled(name, of_rankings):
    """Nothing is spilled, in any precision and with all options, and neither registers nor instructions grow unseen."""
    of_rankings.RECORD.check(name)


def test_record(of_rankings):
    """It has these kernels, and so has the page."""
    assert [*of_rankings.RECORD.lines()] == [*of_rankings.TILES] == KERNELS
    assert_on_page(of_rankings)


@pytest.fixture
def launched(triton, monkeypatch):  # noqa: F811
    """The names of kernels that are not launched, the tensors among their arguments, and how many programs each has."""
    from detloss.torch._triton import launch

    launched = []

    def start(kernel, device, programs, arguments, known, warps=None):
        tensors = [argument for argument in arguments if torch.is_tensor(argument)]
        assert all(tensor.device == device for tensor in tensors) and set(known) <= set(kernel.arg_names)
        assert len(arguments) + len(known) == len(kernel.arg_names), kernel.__name__
        launched.append((kernel.__name__.removeprefix("detloss_rank_"), tensors, programs))

    monkeypatch.setattr(launch, "start", start)
    monkeypatch.setattr(launch, "counter", lambda device: torch.empty((), dtype=torch.int32, device=device))
    monkeypatch.setattr(_device, "is_plain", lambda grad_output: True)
    monkeypatch.setattr(_kernel, "takes", lambda call, tensors: True)
    return launched


def there(shape, dtype):
    return torch.empty(shape, dtype=dtype, device="cuda")


def given(spec, elements, dtype):
    """Memory for a prediction of so many elements, and for their labels."""
    fields = spec.pred.fields
    return there((elements, len(fields)) if len(fields) > 1 else (elements,), dtype), there((elements,), dtype)


@all_rankings
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64], ids=str)
def test_a_few_launches_and_a_sort(spec, dtype, launched):
    """And nothing else: no tensor is made, converted or asked for its numbers. The way back is one launch."""
    function, fake = getattr(detloss.torch, spec.name), FakeTensorMode()
    with fake:
        pred, target = given(spec, 20_000, dtype)
        with _OnDevice() as watched:
            value = function(pred.requires_grad_(), target, weight=there((20_000,), torch.bool), loss_weight=2.0)
    assert set(watched.operations) - FREE == {"sort"} and watched.operations.count("sort") == 1, watched.operations
    assert [name for name, _, _ in launched] == LAUNCHES[spec.name] and value.shape == ()
    with fake, torch.no_grad(), _OnDevice() as watched:
        slope, *_ = value.grad_fn.apply(there((), value.dtype), None)
    assert launched[-1][0] == "detloss_scale" and slope.dtype == dtype and slope.shape == pred.shape
    assert not set(watched.operations) - FREE, watched.operations
    launched.clear()
    with fake, torch.no_grad():
        function(pred, target)
    assert [name for name, _, _ in launched] == WITHOUT_SLOPES[spec.name]


@pytest.mark.parametrize("spec", [spec for spec in SPECS if takes_classes(spec)], ids=lambda spec: spec.name)
@pytest.mark.parametrize("target", ["classes", "labels"])
def test_whole_numbers_have_no_quality(spec, target, launched):
    """Positives that are all as good need not be sorted among each other."""
    with FakeTensorMode():
        pred = there((250, 80), torch.float32).requires_grad_()
        if target == "classes":
            value = getattr(detloss.torch, spec.name)(pred, there((250,), torch.int64), ignore_index=7, reduction="none")
            assert value.shape == (1,)
        else:
            getattr(detloss.torch, spec.name)(pred, there((250, 80), torch.bool))
    assert [name for name, _, _ in launched] == PLAIN


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.is_stateful], ids=lambda spec: spec.name)
def test_a_state_is_one_copy_more(spec, launched):
    """When all has been launched."""
    with FakeTensorMode():
        pred, target = given(spec, 100, torch.float32)
        module = getattr(detloss.torch, spec.class_name)().to("cuda")
        with _OnDevice() as watched:
            module(pred.requires_grad_(), target)
    assert set(watched.operations) - FREE == {"sort", "copy_"} and watched.operations.count("copy_") == 1, watched.operations
    assert [name for name, _, _ in launched] == LAUNCHES[spec.name]


@all_rankings
def test_no_more_memory_than_said(spec, launched):
    """The page names the bytes for each element that are there at once, besides prediction, target and gradient."""
    count = 1 << 20
    with FakeTensorMode():
        pred, target = given(spec, count, torch.float32)
        getattr(detloss.torch, spec.name)(pred.requires_grad_(), target)
        found = {tensor.untyped_storage()._cdata: tensor for _, tensors, _ in launched for tensor in tensors}
        taken = sum(tensor.untyped_storage().nbytes() for tensor in found.values()) - 4 * (2 * pred.numel() + count)
    assert MEMORY[spec.name] * count < taken <= MEMORY[spec.name] * count + (1 << 17)


@all_rankings
def test_elements_beyond_32_bits_are_left_alone(spec, launched):
    """Indices go on beyond the last element, to the end of what all programs would take next."""
    from detloss.torch._triton import launch, rank

    fields = len(spec.pred.fields)
    most = _kernel.MOST_RANKED // fields
    with FakeTensorMode(), torch.no_grad():
        getattr(detloss.torch, spec.name)(*given(spec, most - 1, torch.float16))
        assert [name for name, _, _ in launched] == WITHOUT_SLOPES[spec.name]
        of_tile = {"errors": rank.FEW, "localised": rank.FEW, "shares": rank.RUN, "moments": rank.RUN}
        for name, _, programs in launched:
            assert programs <= launch.PROGRAMS
            reach = programs * of_tile.get(name, rank.TILE) if name != "sorted" else programs * rank.ROWS + rank.SPAN * rank.WIDE
            assert fields * (most + reach) < 1 << 31
    pred = torch.zeros(1, fields).expand(most, fields) if fields > 1 else torch.zeros(1).expand(most)
    with pytest.raises(ValueError, match="more than can be put in order"):
        getattr(detloss.torch, spec.name)(pred, torch.zeros(1).expand(most), backend="kernel")


@all_rankings
@gpu
def test_gpu_ranking(spec, triton):  # noqa: F811
    """As the host in double precision, again and again with the same bits, and from a captured graph."""
    function = getattr(detloss.torch, spec.name)
    pred = torch.randn(100_000, len(spec.pred.fields))
    pred[:, 1:].abs_()
    pred = pred.squeeze(-1)
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
