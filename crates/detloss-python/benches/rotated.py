"""The losses of rotated boxes, and of modified ones, beside what people compute them with (``plain.py``).

One process: everybody takes a turn, round after round, and the best counts. Before anything is timed, values and gradients
are compared. Without shapely, which ``requirements-dev.txt`` has, its rows are left out.

    python crates/detloss-python/benches/rotated.py --markdown docs/python-performance.md
    python crates/detloss-python/benches/rotated.py --quick
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cases
import plain
import torch
from page import ROTATED, THREADS, machine, number, table, without_rotated
from peers import PAUSE, TUNED
from torch import Tensor
from worker import SEED, TURN

import detloss
import detloss.torch

SIZES, ROUNDS = (1_000, 100_000), 5

TARGET = 20.0
"""How many times as fast as others the rotated IoU is to be, per pair."""

EQUAL_BOXES, WRONG = 20_000, 0.01
"""How many boxes are compared with themselves, and from which error of the IoU on that counts as wrong."""

AGREE_WITHIN = 1e-3
"""How far values may be apart: rounding, of formulas that subtract what is nearly the same."""

INTRODUCTION = """{heading}

Written on {date} by

```text
python crates/detloss-python/benches/rotated.py --markdown docs/python-performance.md
```

{machine}

One tuned process, {rounds} rounds in turn, the best call of each; float32. One thread has its CPU time, two have wall time;
of the others the time on one thread, where two are slower, as they are on a busy machine. These are

- *candidate points*: the algorithm of MMCV's `diff_iou_rotated_2d` and of Rotated_IoU in plain torch. 24 points that may be corners of
  the overlap, those that are, sorted around their mean, and the area between them;
- *polygons*: `shapely.intersection` of arrays of polygons, in float64, on one thread. It has no gradient;
- *matrices*: the GWD and KLD in plain torch as MMRotate writes them;
- *plain torch*: the formula in tensor operations.

*Apart*: the largest difference between two values, then that of the gradients (the norm of the difference over the norm).
"""

ACCURACY = """
IoU of {boxes:,} float32 boxes of 8 to 120 px with themselves, anywhere in an image of 1024 px. Candidate points are wrong by more than
{wrong} for {share:.0%} of them, and by {theirs:.2f} at worst; detloss for {our_share:.0%}, and by {ours:.1g} at worst.

Gradients of the rotated IoU by {pairs:,} random pairs, against ours in float64: candidate points in float64 are {exact:.0e} away, ours in
float32 {our_rounding:.0e}, candidate points in float32 {their_rounding:.0e}.
A lost corner moves a slope by more than a value.
"""


def rotated_boxes(size: int) -> cases.Inputs:
    """Boxes near their targets, which are anywhere in an image of 1024 px. One in ten has no overlap."""
    sides, angle = torch.rand(size, 2) * 112.0 + 8.0, torch.rand(size, 1) * 6.2 - 3.1
    target = torch.cat([torch.rand(size, 2) * 1024.0, sides, angle], -1)
    moved = target[:, :2] + sides * torch.randn(size, 2) * 0.3
    return torch.cat([moved, sides * (torch.randn(size, 2) * 0.3).exp(), angle + torch.randn(size, 1) * 0.3], -1), target


def boxes_off_the_grid(size: int) -> cases.Inputs:
    """Horizontal boxes; no two edges are the same when boxes are scaled by three quarters, either."""
    pred, target = cases.boxes(size)
    return pred + 0.001, target


@dataclass(frozen=True)
class Comparison:
    """A loss of ours and one of somebody else, on the same boxes."""

    name: str
    other: str
    ours: Callable[..., Tensor]
    theirs: plain.Formula
    inputs: Callable[[int], cases.Inputs] = rotated_boxes
    has_gradient: bool = True
    """Theirs. If not, our gradient is set beside their value."""
    target: float | None = None
    """How many times as fast we want to be; where it is given, the value is shown alone, too."""


def _form(name: str, **params: float) -> Callable[..., Tensor]:
    """A loss of ours with parameters."""

    def ours(pred: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
        value: Tensor = getattr(detloss.torch, name)(pred, target, reduction=reduction, **params)
        return value

    return ours


def _inner_ciou(pred: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    value: Tensor = detloss.torch.get_loss("inner(ciou, ratio=0.75)", reduction=reduction)(pred, target)
    return value


COMPARISONS = (
    Comparison("rotated IoU", "candidate points", detloss.torch.rotated_iou, plain.candidate_points, target=TARGET),
    Comparison(
        "rotated IoU", "polygons", detloss.torch.rotated_iou, plain.polygons, has_gradient=False, target=TARGET
    ),
    Comparison("GWD", "matrices", _form("gwd", tau=0.0, root=True, log=True, normalize=True), plain.gwd),
    Comparison("KLD", "matrices", _form("kld", tau=0.0, root=True, log=True), plain.kld),
    Comparison("CIoU", "plain torch", detloss.torch.ciou, plain.ciou, cases.boxes),
    Comparison("inner(ciou)", "plain torch", _inner_ciou, plain.inner_ciou, boxes_off_the_grid),
)


@dataclass
class Measured:
    """What a comparison gave at one size."""

    comparison: Comparison
    size: int
    values_apart: float
    gradients_apart: float | None
    nanoseconds: dict[tuple[str, bool, int], float] = field(default_factory=dict)
    """Of one pair. Keys are what was timed, whether it was ours, and the number of threads."""


def step(loss: Callable[[Tensor, Tensor], Tensor], pred: Tensor, target: Tensor) -> Tensor:
    """Forward and backward, and the gradient, which is new every time."""
    pred.grad = None
    loss(pred, target).backward()  # type: ignore[no-untyped-call]
    assert pred.grad is not None
    return pred.grad


def compared(comparison: Comparison, size: int) -> Measured:
    """How far both are apart; a ``RuntimeError`` if they are not the same function."""
    pred, target = inputs(comparison, size)
    with torch.no_grad():
        of_values = (comparison.ours(pred, target, reduction="none") - comparison.theirs(pred, target)).abs().max().item()
    of_gradients = None
    if comparison.has_gradient:
        wanted = step(lambda p, t: comparison.theirs(p, t).mean(), pred, target)
        of_gradients = ((step(comparison.ours, pred, target) - wanted).norm() / wanted.norm()).item()
    if not of_values <= AGREE_WITHIN:
        raise RuntimeError(f"{comparison.name}: {comparison.other} is {of_values:.0e} away: it is another function")
    return Measured(comparison, size, of_values, of_gradients)


def inputs(comparison: Comparison, size: int) -> cases.Inputs:
    """The same at every call."""
    torch.manual_seed(SEED)
    pred, target = comparison.inputs(size)
    return pred.requires_grad_(), target


def runners(comparison: Comparison, size: int) -> dict[tuple[str, bool], Callable[[], object]]:
    """What is timed: "value" and "step", of theirs (False) and of ours (True)."""
    pred, target = inputs(comparison, size)

    def theirs(pred: Tensor, target: Tensor) -> Tensor:
        return comparison.theirs(pred, target).mean()

    def value(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], object]:
        def call() -> None:
            with torch.no_grad():
                loss(pred, target)

        return call

    found: dict[tuple[str, bool], Callable[[], object]] = {
        ("value", False): value(theirs),
        ("value", True): value(comparison.ours),
        ("step", True): lambda: step(comparison.ours, pred, target),
    }
    if comparison.has_gradient:
        found["step", False] = lambda: step(theirs, pred, target)
    return found


def measured(comparison: Comparison, size: int, rounds: int) -> Measured:
    """One comparison at one size, with all numbers of threads."""
    result = compared(comparison, size)
    calls = runners(comparison, size)
    for threads in THREADS:
        torch.set_num_threads(threads)
        detloss.set_num_threads(threads)
        for call in calls.values():
            call()
        for _ in range(rounds):
            for (what, is_ours), call in calls.items():
                time.sleep(PAUSE)
                key, found = (what, is_ours, threads), 1e9 * least(call, threads) / size
                result.nanoseconds[key] = min(result.nanoseconds.get(key, found), found)
    return result


def least(call: Callable[[], object], threads: int) -> float:
    """Seconds of the best call of a turn: CPU time of one thread, which other people's work hardly changes, else wall time."""
    clock = time.process_time if threads == 1 else time.perf_counter
    best, end = float("inf"), time.perf_counter() + TURN
    while best == float("inf") or time.perf_counter() < end:
        start = clock()
        call()
        best = min(best, clock() - start)
    return best


def accuracy() -> str:
    """How far the IoU of boxes with themselves is from 1, and the gradients of random pairs are from those in float64."""
    torch.manual_seed(SEED)
    box = rotated_boxes(EQUAL_BOXES)[1]
    theirs, ours = plain.candidate_points(box, box).abs(), detloss.torch.rotated_iou(box, box, reduction="none").abs()
    share, our_share = ((loss > WRONG).double().mean().item() for loss in (theirs, ours))
    pairs = SIZES[-1]
    pred, target = inputs(COMPARISONS[0], pairs)
    double = pred.detach().double().requires_grad_()
    wanted = step(detloss.torch.rotated_iou, double, target.double())

    def away(loss: Callable[[Tensor, Tensor], Tensor], pred: Tensor) -> float:
        return float((step(loss, pred, target.to(pred.dtype)) - wanted).norm() / wanted.norm())

    def other(pred: Tensor, target: Tensor) -> Tensor:
        return plain.candidate_points(pred, target).mean()

    return ACCURACY.format(
        boxes=EQUAL_BOXES,
        wrong=WRONG,
        share=share,
        our_share=our_share,
        theirs=theirs.max().item(),
        ours=ours.max().item(),
        pairs=pairs,
        exact=away(other, double),
        our_rounding=away(detloss.torch.rotated_iou, pred),
        their_rounding=away(other, pred),
    )


def rows(result: Measured) -> list[list[str]]:
    """Rows of the table."""
    comparison, lines = result.comparison, []
    for what in ("value", "step") if comparison.target is not None else ("step",):
        peer = what if comparison.has_gradient else "value"
        cells, ratios = [], []
        for threads in THREADS:
            ours = result.nanoseconds[what, True, threads]
            theirs = min(result.nanoseconds[peer, False, n] for n in THREADS if n <= threads)
            ratios.append(theirs / ours)
            cells.append(f"{number(ours)}, {number(theirs)}, **{number(theirs / ours)} x**")
        apart = f"{result.values_apart:.0e}"
        if what == "step" and result.gradients_apart is not None:
            apart += f", {result.gradients_apart:.0e}"
        goal = "" if comparison.target is None else f"{comparison.target:g} x: {verdict(comparison.target, ratios)}"
        beside = comparison.other if peer == what else f"{comparison.other}, value alone"
        name = comparison.name + (", value alone" if what == "value" else "")
        lines.append([name, beside, f"{result.size:,}", *cells, apart, goal])
    return lines


def verdict(target: float, ratios: list[float]) -> str:
    """Whether all numbers of threads reach it."""
    missed = [words for words, ratio in zip(THREADS.values(), ratios, strict=True) if ratio < target]
    return f"missed on {' and '.join(missed)}" if missed else "reached"


def section(results: list[Measured], rounds: int) -> str:
    """The part of the page on all this."""
    date = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    heads = ["loss", "other", "pairs", "one thread: ours, other, ratio", "two threads: the same", "apart", "to reach"]
    intro = INTRODUCTION.format(heading=ROTATED, date=date, machine=machine(), rounds=rounds)
    lines = [row for result in results for row in rows(result)]
    return f"{intro}\nNanoseconds per pair, forward and backward:\n\n{table(heads, lines)}\n{accuracy()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 pairs and two rounds: to try the script out")
    parser.add_argument("--markdown", type=Path, help="the page whose section is to be written")
    options = parser.parse_args()
    if not TUNED.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **TUNED})
    rounds = 2 if options.quick else ROUNDS
    results = []
    has_shapely = importlib.util.find_spec("shapely") is not None
    if not has_shapely:
        print("polygons are left out, as shapely is not installed: pip install shapely")
    for comparison in COMPARISONS:
        if comparison.theirs is plain.polygons and not has_shapely:
            continue
        for size in SIZES[:1] if options.quick else SIZES:
            results.append(measured(comparison, size, rounds))
            for row in rows(results[-1]):
                print(" | ".join(row), flush=True)
    text = section(results, rounds)
    if options.markdown:
        page = options.markdown.read_text()
        options.markdown.write_text(f"{without_rotated(page)}{text}")
    else:
        print(text)


if __name__ == "__main__":
    main()
