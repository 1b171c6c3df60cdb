"""detloss on a GPU: the kernel backend beside the decomposed one, PyTorch and torchvision, eager and compiled, and beside the bytes.

    python crates/detloss-python/benches/gpu.py
    python crates/detloss-python/benches/gpu.py giou focal --units 1000000

One step is forward and backward through autograd of a mean. The floor is a copy, measured in the same way, of as many bytes as prediction,
target and gradient have together. All take turns; before each step the cache of the GPU is overwritten. *GPU* is the median time between two
events around the step, *host* that for which the call keeps the CPU busy, *memory* what a step needs at most, in gradients.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torchvision.ops  # type: ignore[import-untyped]
from torch import Tensor
from torch.nn import functional

import detloss
import detloss.torch

Loss = Callable[[Tensor, Tensor], Tensor]

PEERS: dict[str, Loss] = {
    "focal": lambda pred, target: torchvision.ops.sigmoid_focal_loss(pred, target, reduction="mean"),
    "giou": lambda pred, target: torchvision.ops.generalized_box_iou_loss(pred, target, reduction="mean"),
    "diou": lambda pred, target: torchvision.ops.distance_box_iou_loss(pred, target, reduction="mean"),
    "ciou": lambda pred, target: torchvision.ops.complete_box_iou_loss(pred, target, reduction="mean"),
    "smooth_l1": functional.smooth_l1_loss,
    "bce": functional.binary_cross_entropy_with_logits,
    "softmax_ce": functional.cross_entropy,
    "softmax_kl": lambda pred, target: functional.kl_div(
        functional.log_softmax(pred, -1), functional.log_softmax(target, -1), reduction="batchmean", log_target=True
    ),
}

NAMES = (*PEERS, "gaussian_focal", "rotated_iou", "kld", "distribution_focal", "dice", "dr", "ghm_c", "seesaw", "ap", "alrp", "rank_sort")
UNITS = (10_000, 1_000_000, 16_000_000)
ROUNDS = 15
CACHE = 512 << 20
"""Bytes: more than any cache."""


def inputs(spec: detloss.Spec, units: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Boxes near their targets, or rows of 80 logits with a positive in a hundred, distributions of 17 places, masks of 28 by 28."""
    torch.manual_seed(0)
    fields = len(spec.pred.fields)
    if spec.pred.fields[-1] == "error":
        labels = (torch.rand(units, device="cuda") > 0.99).to(dtype)
        return torch.stack([torch.randn(units, device="cuda"), torch.rand(units, device="cuda")], -1).to(dtype), labels
    if fields > 1:
        place, side = torch.rand(2, units, 2, device="cuda") * 500
        corners = torch.cat([place, place + side + 1], -1) if spec.pred.fields[0] == "x1" else torch.cat([place, side + 1], -1)
        target = torch.cat([corners, torch.rand(units, fields - 4, device="cuda")], -1)
        return (target + torch.rand_like(target)).to(dtype), target.to(dtype)
    columns = 28 * 28 if spec.is_mask else 80 if spec.is_elementwise or spec.target.is_row or spec.target.is_label else 17
    pred = torch.randn(units // columns, columns, device="cuda")
    if spec.target.is_label and (spec.scope == "row" or spec.target.fields == ("class",)):
        return pred.to(dtype), torch.randint(0, columns, pred.shape[:1], device="cuda")
    if not (spec.is_elementwise or spec.target.is_row):
        return pred.to(dtype), (torch.rand(pred.shape[:1], device="cuda") * (columns - 1)).to(dtype)
    if spec.is_mask:
        return pred.to(dtype), (torch.rand_like(pred) > 0.7).to(dtype)
    target = (torch.rand_like(pred) > 0.99) * torch.rand_like(pred) if spec.target.is_label else torch.randn_like(pred)
    return pred.to(dtype), target.to(dtype)


def step(loss: Loss, pred: Tensor, target: Tensor) -> Callable[[], object]:
    """Forward and backward."""

    def run() -> None:
        pred.grad = None
        loss(pred, target).backward()  # type: ignore[no-untyped-call]

    return run


def ways(spec: detloss.Spec, pred: Tensor, target: Tensor) -> dict[str, Callable[[], object]]:
    """What takes turns."""
    function = getattr(detloss.torch, spec.name)
    moved = sum(tensor.numel() * tensor.element_size() for tensor in (pred, target, pred))
    source = torch.empty(moved // 2, dtype=torch.uint8, device="cuda")
    copy = torch.empty_like(source)
    decomposed: Loss = lambda pred, target: function(pred, target, backend="decomposed")  # noqa: E731
    found = {
        "floor: a copy": lambda: copy.copy_(source),
        "kernel": step(lambda pred, target: function(pred, target, backend="kernel"), pred, target),
        "decomposed": step(decomposed, pred, target),
        "decomposed, compiled": step(torch.compile(decomposed), pred, target),
    }
    if spec.name in PEERS:
        peer = PEERS[spec.name]
        found |= {"peer": step(peer, pred, target), "peer, compiled": step(torch.compile(peer), pred, target)}
    return found


def peak(run: Callable[[], object], pred: Tensor) -> float:
    """The memory that a step needs, in gradients."""
    for _ in range(3):
        run()
    pred.grad = None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / (pred.numel() * pred.element_size())


def measure(name: str, units: int, dtype: torch.dtype) -> None:
    """Prints the rows of one loss."""
    spec = next(spec for spec in detloss.losses() if spec.name == name)
    pred, target = inputs(spec, units, dtype)
    pred.requires_grad_()
    cache = torch.empty(CACHE, dtype=torch.uint8, device="cuda")
    runs = ways(spec, pred, target)
    memory = {way: peak(run, pred) for way, run in runs.items()}
    on_gpu: dict[str, list[float]] = {way: [] for way in runs}
    on_host: dict[str, list[float]] = {way: [] for way in runs}
    for _ in range(ROUNDS):
        for way, run in runs.items():
            cache.zero_()
            first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda.synchronize()
            first.record()
            start = time.perf_counter()
            run()
            on_host[way].append((time.perf_counter() - start) * 1e6)
            last.record()
            torch.cuda.synchronize()
            on_gpu[way].append(first.elapsed_time(last) * 1e3)
    floor = statistics.median(on_gpu["floor: a copy"])
    for way in runs:
        time_, host = statistics.median(on_gpu[way]), statistics.median(on_host[way])
        print(
            f"| {name} | {str(dtype).removeprefix('torch.')} | {units} | {way} | {time_:.1f} | {time_ / floor:.2f} | {host:.1f} | "
            f"{memory[way]:.2f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--units", type=int, nargs="*", default=UNITS)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("there is no GPU of CUDA or ROCm: this page is measured where there is one")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, detloss {detloss.__version__}\n")
    print("| loss | precision | units | way | GPU µs | x floor | host µs | memory |\n| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in options.names:
        for dtype in (torch.float32, torch.float16):
            for units in options.units:
                measure(name, units, dtype)


if __name__ == "__main__":
    main()
