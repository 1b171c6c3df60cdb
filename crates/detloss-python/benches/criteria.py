"""Criteria beside their originals, forward and backward: time in turn in one process, peak memory in processes of their own.

One thread, float32. YOLOv8: 16 images of 640 x 640 with 8,400 points, truths of 8 to 200 px, 80 classes. RT-DETR: 16 images, 6 layers of 300
queries. Without ``pip install ultralytics`` ours are measured alone.

    python crates/detloss-python/benches/criteria.py --markdown docs/criteria-performance.md
    python crates/detloss-python/benches/criteria.py --quick
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from matching import CLASSES, SIDE, Scene, memory, single_thread
from page import machine, number, table
from torch import Tensor

from detloss.torch import criteria
from detloss.torch.criteria import Outputs

IMAGES, LAYERS, QUERIES = 16, 6, 300

Call = Callable[[], float]
"""One step: the total, with the gradients by all outputs left in them."""


class Yolo:
    """Raw outputs of a head with distributions."""

    def __init__(self, truths: int, images: int = IMAGES) -> None:
        self.scene = Scene(truths, images)
        random = torch.Generator().manual_seed(1)
        rows = len(self.scene.points)
        self.logits = (torch.randn(images, rows, CLASSES, generator=random) - 4).requires_grad_()
        self.boxes = torch.randn(images, rows, 64, generator=random).requires_grad_()

    def ours(self) -> Call:
        criterion, scene = criteria.get_criterion("yolo8"), self.scene
        truths, labels = list(scene.truths), list(scene.labels)
        outputs = Outputs(self.logits, self.boxes, anchors=(scene.points, scene.strides))
        return step([self.logits, self.boxes], lambda: criterion(outputs, truths, labels).total)

    def theirs(self) -> Call:
        from ultralytics.utils.loss import v8DetectionLoss

        model = torch.nn.Linear(1, 1)
        model.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)
        model.model = [SimpleNamespace(stride=torch.tensor([8.0, 16.0, 32.0]), nc=CLASSES, reg_max=16)]
        criterion = v8DetectionLoss(model)
        feats = [torch.zeros(1, 1, SIDE // stride, SIDE // stride) for stride in (8, 16, 32)]
        targets = of_batch(self.scene)

        def total() -> Tensor:
            preds = {"boxes": self.boxes.permute(0, 2, 1), "scores": self.logits.permute(0, 2, 1), "feats": feats}
            sum_: Tensor = criterion(preds, targets)[0].sum()
            return sum_

        return step([self.logits, self.boxes], total)


class RtDetr:
    """Raw outputs of the layers of a decoder."""

    def __init__(self, truths: int, images: int = IMAGES) -> None:
        self.scene = Scene(truths, images)
        random = torch.Generator().manual_seed(1)
        self.logits = (torch.randn(LAYERS, images, QUERIES, CLASSES, generator=random) - 4).requires_grad_()
        self.boxes = (torch.rand(LAYERS, images, QUERIES, 4, generator=random) * 0.5 + 0.1).requires_grad_()

    def ours(self) -> Call:
        criterion = criteria.get_criterion("ultralytics_rt_detr")
        centers, labels = list(of_batch(self.scene)["bboxes"].split(self.scene.labels.shape[1])), list(self.scene.labels)

        def total() -> Tensor:
            layers = [Outputs(logits, boxes) for logits, boxes in zip(self.logits, self.boxes, strict=True)]
            return criterion(layers, centers, labels).total

        return step([self.logits, self.boxes], total)

    def theirs(self) -> Call:
        from ultralytics.models.utils.loss import RTDETRDetectionLoss

        criterion, targets = RTDETRDetectionLoss(nc=CLASSES, use_vfl=True), of_batch(self.scene)
        batch = {
            "cls": targets["cls"].long(),
            "bboxes": targets["bboxes"],
            "gt_groups": [self.scene.labels.shape[1]] * len(self.scene.labels),
        }

        def total() -> Tensor:
            losses = criterion((self.boxes, self.logits), batch)
            return torch.stack(list(losses.values())).sum()

        return step([self.logits, self.boxes], total)


def step(leaves: list[Tensor], total: Callable[[], Tensor]) -> Call:
    """Forward and backward."""

    def call() -> float:
        for leaf in leaves:
            leaf.grad = None
        value = total()
        value.backward()
        return value.item()

    return call


def of_batch(scene: Scene) -> dict[str, Tensor]:
    """Truths as Ultralytics takes them."""
    images, truths = scene.labels.shape
    corners = scene.truths.reshape(-1, 4) / SIDE
    centers = torch.cat([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], 1)
    index = torch.arange(images).repeat_interleave(truths).float()
    return {"batch_idx": index, "cls": scene.labels.flatten().float(), "bboxes": centers}


CASES: dict[str, tuple[Any, tuple[int, ...], dict[int, float]]] = {
    "YOLOv8": (Yolo, (20, 100), {100: 8.0}),
    "RT-DETR": (RtDetr, (20, 100), {20: 3.0, 100: 3.0}),
}
"""What makes the outputs, how many truths an image has, and how many times as fast as the original it is to be."""

MEMORY = {"YOLOv8": 1 / 5}
"""What part of the original's peak memory it is to need, at most, gradients included."""


def measured(case: str, truths: int, rounds: int, names: list[str]) -> tuple[dict[str, float], dict[str, int], float]:
    """Everybody takes a turn, and the best counts: seconds, bytes, and how far the totals are apart."""
    outputs = CASES[case][0](truths)
    calls = {name: getattr(outputs, name)() for name in names}
    seconds, totals = dict.fromkeys(names, float("inf")), {}
    for _ in range(rounds):
        for name, call in calls.items():
            for _ in range(3 if name == "ours" else 1):
                start = time.perf_counter()
                totals[name] = call()
                seconds[name] = min(seconds[name], time.perf_counter() - start)
    bytes_ = {name: peak(case, name, truths) for name in names}
    return seconds, bytes_, abs(totals[names[-1]] / totals["ours"] - 1)


def peak(case: str, name: str, truths: int) -> int:
    """How many bytes more than before a step needs at once, in a process that has done one with a small image before."""
    answer = subprocess.run([sys.executable, __file__, "--peak", case, name, str(truths)], capture_output=True, check=True)
    return int(answer.stdout.splitlines()[-1])


def print_peak(case: str, name: str, truths: int) -> None:
    """The same, from inside."""
    make = CASES[case][0]
    getattr(make(1, 1), name)()()
    call = getattr(make(truths), name)()
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    call()
    print(json.dumps(memory("VmHWM") - before))


def main() -> None:
    """Measures, and prints or writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markdown", type=Path, help="write the page here")
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    single_thread()
    if chosen.peak:
        print_peak(chosen.peak[0], chosen.peak[1], int(chosen.peak[2]))
        return
    try:
        Yolo(1, 1).theirs()
        names = ["ours", "theirs"]
    except ImportError:
        print("ultralytics is not installed: ours alone", file=sys.stderr)
        names = ["ours"]
    lines = []
    for case, (_, sizes, targets) in CASES.items():
        for truths in sizes:
            seconds, bytes_, apart = measured(case, truths, 1 if chosen.quick else 7, names)
            cells = [case, str(truths), f"{1e3 * seconds['ours']:.3g}", f"{bytes_['ours'] / 1e6:.0f}"]
            if "theirs" in names:
                ratio, share = seconds["theirs"] / seconds["ours"], bytes_["ours"] / bytes_["theirs"]
                cells += [f"{1e3 * seconds['theirs']:.0f}", f"{bytes_['theirs'] / 1e6:.0f}"]
                wanted = f" ({targets[truths]:g})" if truths in targets else ""
                wanted_memory = f" (1/{1 / MEMORY[case]:.0f})" if case in MEMORY else ""
                cells += [f"**{number(ratio)} x**{wanted}", f"1/{1 / share:.1f}{wanted_memory}", f"{apart:.0e}"]
            lines.append(cells)
    heads = ["criterion", "truths an image", "ms", "MB"]
    if "theirs" in names:
        heads += ["ms of Ultralytics", "its MB", "faster (wanted)", "memory (wanted)", "totals apart"]
    page = PAGE.format(date=datetime.date.today(), machine=machine(), table=table(heads, lines))
    if chosen.markdown:
        chosen.markdown.write_text(page)
    else:
        print(page)


PAGE = """# Performance of criteria

Written on {date} by

```text
python crates/detloss-python/benches/criteria.py --markdown docs/criteria-performance.md
```

{machine}

Forward and backward in PyTorch, in float32 on one thread; in turn in one process, the best step of each. MB is what a step needs at once
beyond its inputs, the gradients by the outputs among it, in a process of its own. YOLOv8: 16 images of 640 x 640 with 8,400 points, 80 classes,
16 bins; the outputs lie as ours takes them, (images, predictions, numbers), and Ultralytics' copies are of its own layout. RT-DETR: 16 images, 6
layers of 300 queries, without denoising.

{table}
"""

if __name__ == "__main__":
    main()
