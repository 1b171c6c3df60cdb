"""What a criterion is given: shapes and types that would be numbers of something else are errors, and what it is made of is kept."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from detloss import criteria, matching  # noqa: E402
from detloss.torch import criteria as modules  # noqa: E402
from detloss.torch import siou  # noqa: E402
from detloss.torch.criteria import Outputs  # noqa: E402

POINTS = torch.stack([torch.arange(12) % 4 * 8.0 + 4, torch.arange(12) // 4 * 8.0 + 4], 1)
STRIDES = torch.full((12,), 8.0)
TRUTHS, LABELS = [torch.tensor([[2.0, 2, 20, 18], [8, 8, 30, 22]]), torch.zeros(0, 4)], [torch.tensor([0, 2]), torch.zeros(0, dtype=torch.long)]
GIVEN: dict[str, Any] = {
    "logits": torch.linspace(-2, 2, 2 * 12 * 3).reshape(2, 12, 3),
    "boxes": torch.linspace(-1, 1, 2 * 12 * 64).sin().reshape(2, 12, 64),
    "anchors": (POINTS, STRIDES),
}


def total(truths: Any = TRUTHS, labels: Any = LABELS, **changes: Any) -> Any:
    return modules.get_criterion("yolo8")(Outputs(**GIVEN | changes), truths, labels).total


def test_what_is_right_is_taken() -> None:
    assert total() > 0
    lists = total([TRUTHS[0].tolist(), []], [[0, 2], []])
    torch.testing.assert_close(lists, total(), rtol=1e-5, atol=0)
    torch.testing.assert_close(total([TRUTHS[0].long(), TRUTHS[1]]), total(), rtol=0, atol=0)
    torch.testing.assert_close(total(seed=-1), total(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # As Ultralytics has them: (images, numbers, predictions).
        ({"logits": GIVEN["logits"].mT, "boxes": GIVEN["boxes"].mT}, r"the logits have shape \(2, 3, 12\), the boxes are of 64 predictions"),
        ({"logits": GIVEN["logits"].mT}, r"the logits have shape \(2, 3, 12\), the boxes are of 12 predictions"),
        ({"logits": GIVEN["logits"].reshape(2, 6, 6)}, "the boxes are of 12 predictions an image"),
        ({"quality": torch.zeros(2, 6)}, "the quality have shape"),
        ({"pairs": torch.zeros(2, 6, dtype=torch.int32)}, "the pairs have shape"),
        ({"pairs": torch.zeros(2, 12)}, "the pairs are of float32: give integers"),
        ({"boxes": None}, "outputs without boxes"),
        ({"anchors": (POINTS.T, STRIDES)}, r"the points have shape \(2, 12\)"),
        ({"anchors": [POINTS, STRIDES]}, r"give \(points, strides\), a tuple"),
        ({"anchors": torch.zeros(12 * 4)}, "the anchors have shape"),
        ({"anchors": (POINTS,)}, r"a tuple of 1: give \(points, strides\)"),
        ({"image_size": 32}, r"give \(width, height\)"),
        ({"image_size": (0, 32)}, "both above 0"),
        ({"image_size": (math.nan, 32)}, "both above 0"),
        ({"groups": 0}, "give 1 or more"),
    ],
)
def test_outputs_of_another_shape_are_errors(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        total(**changes)


@pytest.mark.parametrize(
    ("truths", "labels", "message"),
    [
        ([TRUTHS[0].T, TRUTHS[1]], LABELS, r"image 0: the truths have shape \(4, 2\): give \(truths, 4\)"),
        ([TRUTHS[0].flatten(), TRUTHS[1]], LABELS, r"image 0: the truths have shape \(8,\)"),
        ([TRUTHS[1], TRUTHS[0] > 9], LABELS[::-1], "image 1: the truths are of bool"),
        (torch.zeros(2, 1, 4), LABELS, "truths are no list"),
        (TRUTHS, None, "labels are no list"),
        (TRUTHS, torch.zeros(2, 2), "labels are no list"),
        (TRUTHS, LABELS[:1], "labels are of 1 images"),
    ],
)
def test_truths_of_another_shape_are_errors(truths: Any, labels: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        total(truths, labels)


def test_a_batch_of_no_images_is_worth_nothing() -> None:
    of = {name: GIVEN[name][:0].requires_grad_() for name in ("logits", "boxes")}
    result = modules.get_criterion("yolo8")(Outputs(**of, anchors=GIVEN["anchors"]), [], [])
    result.total.backward()
    assert result.total == 0 and result.indices[0].shape == (0, 12)


def test_outputs_are_outputs() -> None:
    for given in ((GIVEN["logits"], GIVEN["boxes"]), [GIVEN]):
        with pytest.raises(TypeError, match=r"give Outputs\(logits, boxes\)"):
            modules.get_criterion("yolo8")(given, TRUTHS, LABELS)  # type: ignore[arg-type]


def test_a_matcher_is_a_setting() -> None:
    made = criteria.get_criterion("yolo8", matcher=matching.TaskAligned(topk=5))
    assert made == criteria.get_criterion("yolo8", matcher="task_aligned(topk=5)")
    with pytest.raises(TypeError, match="as it is written"):
        criteria.get_criterion("yolo8", box=siou)


def test_a_criterion_of_arrays_is_copied_pickled_and_printed() -> None:
    yolo = criteria.get_criterion("yolo8", box="siou", **{"dfl.weight": 0.1})
    for other in (copy.copy(yolo), copy.deepcopy(yolo), pickle.loads(pickle.dumps(yolo))):
        assert other == yolo
    assert repr(yolo) == "<detloss criterion box 7.5 siou, cls 0.5 bce, dfl 0.1 distribution_focal>"
    assert "one_to_one: box 7.5 ciou" in repr(modules.get_criterion("yolo26"))


def test_a_moment_of_a_run_keeps_all_else() -> None:
    yolo = modules.get_criterion("yolo26").eval()
    group: Any = object()
    yolo.process_group = group
    later = yolo.at(0.5)
    assert later.process_group is group and not later.training
    assert yolo.data["heads"][0]["weight"] == {"from": 0.8, "to": 0.1}
    assert later.data["heads"][0]["weight"] == pytest.approx(0.45)
    for made in (yolo, criteria.get_criterion("yolo26")):
        with pytest.raises(ValueError, match="progress is NaN"):
            made.at(np.nan)
