"""Matchers beside those of other libraries: time in turn in one process, peak memory in processes of their own.

Images of 640 x 640 with 8,400 points at strides 8, 16 and 32, truths of 8 to 200 px, 80 classes, float32, one thread. Libraries that are not
installed are left out: ``pip install ultralytics scipy``.

    python crates/detloss-python/benches/matching.py --markdown docs/matching-performance.md
    python crates/detloss-python/benches/matching.py --quick
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from page import machine, number, table
from torch import Tensor

import detloss
from detloss import matching

IMAGES, CLASSES, SIDE = 8, 80, 640

TARGETS = {50: 50.0, 500: 100.0, 2000: 100.0}
"""How many times as fast as Ultralytics task-aligned assignment is to be, by truths an image."""

MEMORY = 1 / 50
"""What part of its peak memory it is to need, at most."""


class Scene:
    """A batch of images with so many truths each."""

    def __init__(self, truths: int, images: int = IMAGES) -> None:
        random = torch.Generator().manual_seed(7)
        points, strides = [], []
        for stride in (8, 16, 32):
            side = SIDE // stride
            y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
            points.append((torch.stack([x, y], dim=-1).reshape(-1, 2) + 0.5) * stride)
            strides.append(torch.full((side * side,), float(stride)))
        self.points, self.strides = torch.cat(points), torch.cat(strides)
        self.levels = [len(level) for level in points]
        size = 8 + 192 * torch.rand(images, truths, 2, generator=random) ** 2
        corner = torch.rand(images, truths, 2, generator=random) * (SIDE - size)
        self.truths = torch.cat([corner, corner + size], dim=-1)
        self.labels = torch.randint(0, CLASSES, (images, truths), generator=random)
        half = 4 + 96 * torch.rand(images, len(self.points), 2, generator=random)
        self.boxes = torch.cat([self.points - half, self.points + half], dim=-1)
        self.scores = torch.rand(images, len(self.points), CLASSES, generator=random)


def ours(scene: Scene) -> Callable[[], Tensor]:
    """Task-aligned assignment; gives the index of the truth of every prediction."""
    matcher = matching.TaskAligned()
    truths, labels = list(scene.truths), list(scene.labels)
    anchors = (scene.points, scene.strides)

    def call() -> Tensor:
        found: Tensor = matcher(truths, labels=labels, anchors=anchors, boxes=scene.boxes, scores=scene.scores).indices
        return found

    return call


def theirs(scene: Scene) -> Callable[[], Tensor]:
    """The same of Ultralytics."""
    from ultralytics.utils.tal import TaskAlignedAssigner

    assigner = TaskAlignedAssigner(topk=10, num_classes=CLASSES, alpha=0.5, beta=6.0)
    labels, mask = scene.labels[..., None], torch.ones(*scene.labels.shape, 1)

    def call() -> Tensor:
        *_, found, truth = assigner(scene.scores, scene.boxes, scene.points, labels, scene.truths, mask)
        return torch.where(found, truth, -1)

    return call


CALLS = {"ours": ours, "theirs": theirs}


@dataclass
class Row:
    """What was measured for so many truths an image."""

    truths: int
    seconds: dict[str, float]
    bytes: dict[str, int]
    differ: int
    positives: int


def measured(truths: int, rounds: int, names: list[str]) -> Row:
    """Everybody takes a turn, and the best counts."""
    scene = Scene(truths)
    calls = {name: CALLS[name](scene) for name in names}
    seconds = dict.fromkeys(names, float("inf"))
    found: dict[str, Tensor] = {}
    for _ in range(rounds):
        for name, call in calls.items():
            for _ in range(10 if name == "ours" else 1):
                start = time.perf_counter()
                found[name] = call()
                seconds[name] = min(seconds[name], time.perf_counter() - start)
    differ = int((found["ours"] != found[names[-1]]).sum())
    return Row(truths, seconds, {name: peak(name, truths) for name in names}, differ, int((found["ours"] >= 0).sum()))


def peak(name: str, truths: int) -> int:
    """How many bytes more than before a call needs at once, in a process that has called with one small image before."""
    answer = subprocess.run([sys.executable, __file__, "--peak", name, str(truths)], capture_output=True, check=True)
    return int(json.loads(answer.stdout))


def print_peak(name: str, truths: int) -> None:
    """The same, from inside."""
    single_thread()
    CALLS[name](Scene(1, 1))()
    call = CALLS[name](Scene(truths))
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    call()
    print(json.dumps(memory("VmHWM") - before))


def memory(what: str) -> int:
    """Bytes of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(what))


def single_thread() -> None:
    """For everybody."""
    torch.set_num_threads(1)
    detloss.set_num_threads(1)


def crowded() -> tuple[float, int]:
    """75,000 truths over 128 images: seconds and bytes of one call."""
    answer = subprocess.run([sys.executable, __file__, "--crowded"], capture_output=True, check=True)
    seconds, bytes_ = json.loads(answer.stdout)
    return seconds, bytes_


def print_crowded() -> None:
    """The same, from inside."""
    single_thread()
    scene = Scene(586, 128)
    call = ours(scene)
    ours(Scene(1, 1))()
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    start = time.perf_counter()
    call()
    seconds = time.perf_counter() - start
    print(json.dumps([seconds, memory("VmHWM") - before]))


def main() -> None:
    """Measures, and prints or writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markdown", type=Path, help="write the page here")
    parser.add_argument("--quick", action="store_true", help="one round, and no more than 500 truths")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--crowded", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.peak:
        print_peak(chosen.peak[0], int(chosen.peak[1]))
        return
    if chosen.crowded:
        print_crowded()
        return
    single_thread()
    try:
        theirs(Scene(1, 1))
        names = ["ours", "theirs"]
    except ImportError:
        print("ultralytics is not installed: ours alone", file=sys.stderr)
        names = ["ours"]
    sizes = [size for size in TARGETS if not chosen.quick or size <= 500]
    rows = [measured(size, 1 if chosen.quick else 3, names) for size in sizes]
    lines = []
    for row in rows:
        cells = [f"{row.truths:,}", f"{1e3 * row.seconds['ours']:.3g}", f"{row.bytes['ours'] / 1e6:.3g}"]
        if "theirs" in names:
            ratio, share = row.seconds["theirs"] / row.seconds["ours"], row.bytes["ours"] / row.bytes["theirs"]
            cells += [f"{1e3 * row.seconds['theirs']:.0f}", f"{row.bytes['theirs'] / 1e6:.0f}"]
            cells += [f"**{number(ratio)} x** ({TARGETS[row.truths]:g})", f"1/{1 / share:.0f} (1/{1 / MEMORY:.0f})"]
            cells += [f"{row.differ:,} of {row.positives:,}"]
        lines.append(cells)
    heads = ["truths an image", "ms", "MB"]
    if "theirs" in names:
        heads += ["ms of Ultralytics", "its MB", "faster (wanted)", "memory (wanted)", "other truth"]
    seconds, bytes_ = crowded()
    page = PAGE.format(
        date=datetime.date.today(),
        machine=machine(),
        table=table(heads, lines),
        seconds=f"{seconds:.2f}",
        megabytes=f"{bytes_ / 1e6:.0f}",
    )
    if chosen.markdown:
        chosen.markdown.write_text(page)
    else:
        print(page)


PAGE = """# Performance of matching

Written on {date} by

```text
python crates/detloss-python/benches/matching.py --markdown docs/matching-performance.md
```

{machine}

## Task-aligned assignment

Eight images of 640 x 640 with 8,400 points, truths of 8 to 200 px, 80 classes, one thread; in turn in one process, the best call of each. MB
is what a call needs at once beyond its inputs, in a process of its own. *Other truth*: predictions with another truth than Ultralytics
gives them, by ties and rounding.

{table}

75,000 truths over 128 images, as crowded as xView: {seconds} s and {megabytes} MB on one thread.
"""

if __name__ == "__main__":
    main()
