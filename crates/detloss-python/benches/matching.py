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
from typing import Any

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


class Queries:
    """The layers of a decoder: 16 images, 6 layers of 300 queries, 100 truths an image."""

    def __init__(self) -> None:
        random = torch.Generator().manual_seed(7)
        images, layers, queries, truths = 16, 6, 300, 100
        self.truths = [torch.rand(truths, 4, generator=random) * 0.4 + 0.1 for _ in range(images * layers)]
        self.labels = [torch.randint(0, CLASSES, (truths,), generator=random) for _ in self.truths]
        self.boxes = torch.rand(images * layers, queries, 4, generator=random) * 0.4 + 0.1
        self.logits = torch.randn(images * layers, queries, CLASSES, generator=random) * 2


def hungarian(queries: Queries) -> Callable[[], Tensor]:
    """Ours: all layers of all images in one call."""
    matcher, given = matching.Hungarian(), queries

    def call() -> Tensor:
        matches = matcher(given.truths, labels=given.labels, boxes=given.boxes, scores=given.logits, centers=True)
        found: Tensor = matches.indices
        return found

    return call


def scipys_hungarian(queries: Queries) -> Callable[[], Tensor]:
    """DETR's costs in torch, and SciPy's solver, image by image."""
    from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]
    from torchvision.ops import box_convert, generalized_box_iou  # type: ignore[import-untyped]

    def call() -> Tensor:
        found = torch.full(queries.logits.shape[:2], -1)
        for image, (truths, labels) in enumerate(zip(queries.truths, queries.labels, strict=True)):
            p, boxes = queries.logits[image].sigmoid(), queries.boxes[image]
            positive, negative = 0.25 * (1 - p) ** 2 * -(p + 1e-8).log(), 0.75 * p**2 * -(1 - p + 1e-8).log()
            corners = [box_convert(of, "cxcywh", "xyxy") for of in (boxes, truths)]
            costs = 2 * (positive - negative)[:, labels] + 5 * torch.cdist(boxes, truths, p=1) - 2 * generalized_box_iou(*corners)
            query, truth = linear_sum_assignment(costs)
            found[image, torch.from_numpy(query)] = torch.from_numpy(truth)
        return found

    return call


def of_anchors(name: str) -> Callable[[Scene], Callable[[], Tensor]]:
    """Ours by its name, on squares of four strides about the points."""

    def make(scene: Scene) -> Callable[[], Tensor]:
        matcher = matching.get_matcher(name)
        anchors, truths, labels = squares(scene), list(scene.truths), list(scene.labels)
        given: dict[str, Any] = {"anchors": anchors, "levels": scene.levels, "labels": labels}
        if "boxes" in matcher._matcher.inputs:
            given |= {"anchors": (scene.points, scene.strides), "boxes": scene.boxes, "scores": scene.scores}

        def call() -> Tensor:
            found: Tensor = matcher(truths, **given).indices
            return found

        return call

    return make


def squares(scene: Scene) -> Tensor:
    """Anchors of RetinaNet's and ATSS' size, one a point."""
    half = scene.strides[:, None] * 2
    return torch.cat([scene.points - half, scene.points + half], dim=-1)


def torchvisions_matcher(scene: Scene) -> Callable[[], Tensor]:
    """Its matrix of IoUs, and its rule of low quality."""
    from torchvision.models.detection._utils import Matcher  # type: ignore[import-untyped]
    from torchvision.ops import box_iou

    matcher, anchors = Matcher(0.5, 0.4, allow_low_quality_matches=True), squares(scene)
    return lambda: torch.stack([matcher(box_iou(truths, anchors)) for truths in scene.truths])


OTHERS: list[tuple[str, str, Callable[[], Any], Callable[[Any], Callable[[], Tensor]], Callable[[Any], Callable[[], Tensor]] | None]] = [
    ("max_iou", "torchvision's `box_iou` and `Matcher`", lambda: Scene(100), of_anchors("max_iou"), torchvisions_matcher),
    ("atss", "", lambda: Scene(100), of_anchors("atss"), None),
    ("sim_ota", "", lambda: Scene(100), of_anchors("sim_ota"), None),
    ("dynamic_soft_label", "", lambda: Scene(100), of_anchors("dynamic_soft_label"), None),
    ("hungarian", "DETR's costs in torch, SciPy's solver", Queries, hungarian, scipys_hungarian),
]
"""A matcher, what it is compared with, its inputs, and how both are called."""


def others(rounds: int) -> list[list[str]]:
    """A line for every other matcher."""
    lines = []
    for name, peer, scene, mine, other in OTHERS:
        inputs = scene()
        calls = [mine(inputs)] + ([] if other is None else [other(inputs)])
        seconds, found = [float("inf")] * len(calls), [torch.empty(0)] * len(calls)
        for _ in range(rounds):
            for place, call in enumerate(calls):
                start = time.perf_counter()
                found[place] = call()
                seconds[place] = min(seconds[place], time.perf_counter() - start)
        cells = [f"`{name}`", f"{1e3 * seconds[0]:.3g}"]
        if other is None:
            cells += ["", "", "", ""]
        else:
            apart = int((found[0] != found[1]).sum())
            cells += [peer, f"{1e3 * seconds[1]:.3g}", f"**{number(seconds[1] / seconds[0])} x**", f"{apart:,} of {found[0].numel():,}"]
        lines.append(cells)
    return lines


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
        others=table(OTHER_HEADS, others(1 if chosen.quick else 7)),
        seconds=f"{seconds:.2f}",
        megabytes=f"{bytes_ / 1e6:.0f}",
    )
    if chosen.markdown:
        chosen.markdown.write_text(page)
    else:
        print(page)


OTHER_HEADS = ["matcher", "ms", "beside", "ms of it", "faster", "other truth"]

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

## The others

The same images with 100 truths each, an anchor of four strides or a point for every prediction; `hungarian` with 16 images, 6 layers of 300
queries and 100 truths, costs included. One thread, in turn, the best call of each.

{others}
"""

if __name__ == "__main__":
    main()
