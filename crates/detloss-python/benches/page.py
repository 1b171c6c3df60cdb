"""The measurements as a page of Markdown."""

from __future__ import annotations

import datetime
import os
import platform
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
import torchvision  # type: ignore[import-untyped]
from results import PARTS, Result, Times

import detloss

OURS, OURS_TUNED = ("detloss", False), ("detloss", True)
PEERS = (("eager", False), ("eager", True), ("compile", True))
OWN = {("eager", False): OURS, ("eager", True): OURS_TUNED, ("compile", True): OURS_TUNED}
"""What an opponent is compared with: ours in the same allocator."""

ROTATED = "## Rotated and modified boxes"
"""The heading of the last section, which ``rotated.py`` writes."""

THREADS = {1: "one thread", 2: "two threads"}
"""Numbers of threads, and what a table calls them."""

INTRODUCTION = """# Performance in PyTorch

Written on {date} by

```text
python crates/detloss-python/benches/peers.py {options}
```

{machine}

One step is forward and backward through autograd: `x.grad = None`, the loss with the mean as reduction,
`loss.backward()`, in float32. Every opponent is a process of its own. They took turns, {rounds} rounds: a
turn is one step or, of short steps, as many as a tenth of a second holds after a first that is not counted.

- *Eager* is the function of torchvision or of `torch.nn.functional`; for AP it is the loop over positives of
  published code.
- *Compiled* is `torch.compile` of that function. For the box losses it is a version without the masks of
  torchvision, which would break its graph.
- *Tuned* processes have an allocator that keeps memory and asks for huge pages (`MALLOC_MMAP_THRESHOLD_` and
  `MALLOC_TRIM_THRESHOLD_` at 4 GiB, `THP_MEM_ALLOC_ENABLE=1`). Without that, much of the time of eager is page faults.
  Compiled functions ran in tuned processes.

detloss is compared with each in the same allocator. Before anything was timed, the values and gradients of all were
compared.
"""

RATIOS = """
## How many times as fast

One thread by the least CPU time, two threads by the least wall time: "one / two". What is to be reached is judged in
tuned processes, where eager is at its best.
"""

TIMES = """
## Milliseconds

Least wall time, median wall time, least CPU time of all threads. *Apart*: how far anybody's gradient is from that of
eager, at worst: the norm of the difference over the norm.
"""

MEMORY = """
## Memory

How far one step raises the peak of the memory in use, in multiples of the memory of the prediction. A gradient is 1.
"""

SMALL = """
## Small batches

Microseconds per step on one thread, least CPU time: here the overhead of a call counts.
"""

ANATOMY = """
## Where our time goes

Milliseconds on one thread, least CPU time, "default / tuned" allocator. The kernel alone writes its gradient into
memory that is there (`detloss.value_and_grad` with `out=`). A step makes a new gradient. With `x.grad` kept, it is
added to the old one. With the loss times a number, it is multiplied by that number on the way back.
"""


def page(results: Sequence[Result], rounds: int, options: str) -> str:
    """The whole page; ``options`` are those of the command line that led to it."""
    large = [result for result in results if not result.case.is_small]
    small = [result for result in results if result.case.is_small]
    by_threads = {n: [result for result in large if result.threads == n] for n in THREADS}
    date = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    parts = [INTRODUCTION.format(options=options, date=date, machine=machine(), rounds=rounds)]
    parts += [RATIOS, _ratios(large), *_extrapolated(large)]
    parts.append(TIMES)
    for threads, words in THREADS.items():
        if by_threads[threads]:
            parts.append(f"{words.capitalize()}:\n\n{_times(by_threads[threads])}\n")
    parts += [MEMORY, _memory(by_threads[1]), SMALL, _small(small)]
    parts += [ANATOMY, _anatomy([result for result in results if result.anatomy])]
    return re.sub("\n{3,}", "\n\n", "\n".join(parts)) + "\n"


def without_rotated(page: str) -> str:
    """A page up to that section, with an empty line."""
    return page.partition(ROTATED)[0].rstrip("\n") + "\n\n"


def rotated_of(page: str) -> str:
    """That section of a page, with an empty line before it; nothing if it has none."""
    _, heading, section = page.partition(ROTATED)
    return heading and f"\n{heading}{section}"


def line(result: Result) -> str:
    """A line for the terminal: milliseconds, ratios, memory."""
    times = ", ".join(f"{_name(key)} {1e3 * _of(time, result.threads):.4g}" for key, time in result.times.items())
    ratios = ", ".join(f"{_name(key)} {ratio:.3g}x" for key, ratio in _all_ratios(result).items())
    memory = ", ".join(f"{_name(key)} {multiple:.2f}" for key, multiple in result.memory.items())
    what = f"{result.case.name}, {result.threads} thread(s)"
    return f"{what}: ms {times}; {ratios}; memory {memory}; apart {result.difference:.0e}"


def machine() -> str:
    """What it was measured on, and with."""
    info = Path("/proc/cpuinfo").read_text()
    model = next(iter(re.findall(r"model name\s*: (.*)", info)), platform.machine()).strip()
    flags = set(next(iter(re.findall(r"flags\s*: (.*)", info)), "").split())
    simd = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    cores = len(os.sched_getaffinity(0))
    return (
        f"Machine without a graphics card: {model}, {cores} cores, {simd}, {platform.system()}. "
        f"Python {platform.python_version()}, torch {torch.__version__}, torchvision {torchvision.__version__}, "
        f"detloss {detloss.__version__}."
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _name(key: tuple[str, bool]) -> str:
    implementation = {"eager": "eager", "compile": "compiled", "detloss": "detloss"}[key[0]]
    return f"{implementation}, tuned" if key[1] else implementation


def _of(time: Times, threads: int) -> float:
    """What a ratio is made of: one thread has its CPU time, which other people's work hardly changes."""
    return time.cpu if threads == 1 else time.wall


def _all_ratios(result: Result) -> dict[tuple[str, bool], float]:
    times = result.times
    return {
        key: _of(times[key], result.threads) / _of(times[OWN[key]], result.threads) for key in PEERS if key in times
    }


def _ratios(results: Sequence[Result]) -> str:
    """A row per case, with one and two threads."""
    rows = []
    for name in dict.fromkeys(result.case.name for result in results):
        same = [result for result in results if result.case.name == name]
        ratios = [_all_ratios(result) for result in same]
        cells = [" / ".join(number(ratio[key]) for ratio in ratios) if key in ratios[0] else "" for key in PEERS]
        rows.append([name, same[0].case.functions.peer, *cells, _verdict(same)])
    return table(["loss", "eager is", *(f"than {_name(key)}" for key in PEERS), "to reach"], rows)


def _verdict(same: Sequence[Result]) -> str:
    """Every target, and whether one and two threads reach it."""
    words = []
    for key, target in zip((("eager", True), ("compile", True)), same[0].case.targets, strict=True):
        if target is not None:
            missed = [THREADS[result.threads] for result in same if _all_ratios(result)[key] < target]
            outcome = f"missed on {' and '.join(missed)}" if missed else "reached"
            words.append(f"{target:g} x {_name(key)}: {outcome}")
    return "; ".join(words)


def _extrapolated(results: Sequence[Result]) -> list[str]:
    samples = {result.case.name: result.case.sample for result in results if result.case.sample is not None}
    return [
        f"\n{name}: the loop was run for {sample.steps} of its positives, and its time carried forward to all of them."
        for name, sample in samples.items()
        if sample is not None
    ]


def _times(results: Sequence[Result]) -> str:
    keys = (OURS, OURS_TUNED, *PEERS)
    rows = []
    for result in results:
        cells = [_cell(result.times[key]) if key in result.times else "" for key in keys]
        rows.append([result.case.name, *cells, f"{result.difference:.0e}"])
    return table(["loss", *map(_name, keys), "apart"], rows)


def _cell(time: Times) -> str:
    return ", ".join(number(1e3 * seconds) for seconds in (time.wall, time.median, time.cpu))


def _memory(results: Sequence[Result]) -> str:
    keys = (OURS, ("eager", False), ("compile", True))
    rows = []
    for result in results:
        cells = [f"{result.memory[key]:.2f}" if key in result.memory else "" for key in keys]
        verdict = "reached" if result.memory[OURS] < 1.05 else "missed"
        rows.append([result.case.name, *cells, f"one gradient: {verdict}"])
    return table(["loss", *map(_name, keys), "to reach"], rows)


def _small(results: Sequence[Result]) -> str:
    keys = (OURS, ("eager", False), ("compile", True))
    rows = []
    for result in results:
        cells = [number(1e6 * result.times[key].cpu) for key in keys]
        ratio = result.times["eager", False].cpu / result.times[OURS].cpu
        target = result.case.targets[0]
        verdict = "" if target is None else f"{target:g} x eager: {'reached' if ratio >= target else 'missed'}"
        rows.append([result.case.name, result.case.functions.peer, *cells, number(ratio), verdict])
    return table(["loss", "eager is", *map(_name, keys), "eager over detloss", "to reach"], rows)


def _anatomy(results: Sequence[Result]) -> str:
    rows = []
    for result in results:
        pairs = ((result.anatomy[part, False], result.anatomy[part, True]) for part in PARTS)
        cells = [" / ".join(number(1e3 * time.cpu) for time in pair) for pair in pairs]
        rows.append([result.case.name, *cells])
    return table(["loss", *PARTS.values()], rows)


def number(value: float) -> str:
    """Three digits."""
    if value >= 1000.0:
        return f"{value:.0f}"
    return f"{value:.3g}"
