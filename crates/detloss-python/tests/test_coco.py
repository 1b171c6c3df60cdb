"""Evaluation of detections."""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detloss import coco

DATA = Path(__file__).parents[4] / "shared" / "data" / "coco100"
"""COCO's own example, where it is beside the project."""

PUBLISHED = [0.505, 0.697, 0.573, 0.586, 0.519, 0.501, 0.387, 0.594, 0.595, 0.640, 0.566, 0.564]
"""Its twelve numbers, as the COCO API publishes them."""


def truth() -> dict[str, Any]:
    boxes = [[10, 10, 20, 20], [50, 10, 20, 20], [10, 50, 40, 20]]
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": 7 + place, "image_id": 1, "category_id": 1 + place // 2, "bbox": box} for place, box in enumerate(boxes)
        ],
    }


def found() -> list[dict[str, Any]]:
    right, twice, wrong, nothing = [10, 10, 20, 20], [11, 10, 20, 20], [10, 50, 40, 20], [80, 60, 5, 5]
    of = zip([right, twice, wrong, nothing], [0.9, 0.8, 0.7, 0.6])
    return [{"image_id": 1, "category_id": 1, "bbox": box, "score": score} for box, score in of]


def test_everything_of_a_small_set() -> None:
    result = coco.evaluate(truth(), found())
    assert (result.images, result.objects, result.count, result.problems) == (1, 3, 4, [])
    assert result.classes["name"] == ["cat", "dog"] and result.classes["objects"] == [2, 1]
    # One of two cats is found, first of all: precision 1 at recalls up to a half.
    assert result.classes["AP"] == pytest.approx([51 / 101, 0.0])
    assert result.summary["AP"] == pytest.approx(51 / 202)
    assert result.best is not None and result.best["threshold"] == 0.9
    assert result.best["precision"] == 1.0 and result.best["recall"] == pytest.approx(1 / 3)
    assert result.detections["outcome"] == ["object", "background", "background", "background"]
    assert result.detections["annotation"] == [0, None, None, None]
    assert result.detections["error"] == [None, "Dupe", "Cls", "Bkg"]
    assert dict(zip(result.errors["kind"], result.errors["count"])) == {
        "Cls": 1, "Loc": 0, "Both": 0, "Dupe": 1, "Bkg": 1, "Miss": 1
    }
    everything = coco.evaluate(truth(), found(), threshold=0.0).confusion
    assert everything["truth"] == ["cat", "dog", "background"]
    assert everything["cat"] == [1, 1, 2] and everything["dog"] == [0, 0, 0] and everything["background"] == [1, 0, 0]


def test_files_and_what_is_in_memory_are_the_same(tmp_path: Path) -> None:
    expected = coco.evaluate(truth(), found())
    gt, dt = tmp_path / "gt.json.gz", tmp_path / "dt.json"
    gt.write_bytes(gzip.compress(json.dumps(truth()).encode()))
    dt.write_text(json.dumps(found()))
    assert coco.evaluate(gt, str(dt)) == expected
    arrays = [line | {"bbox": np.array(line["bbox"], np.float32), "image_id": np.int64(1)} for line in found()]

    class Loaded:
        dataset = truth()

    assert coco.evaluate(Loaded(), arrays) == expected


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames(library: str) -> None:
    """Detections come as one, and every table becomes one."""
    frames = pytest.importorskip(library)
    result = coco.evaluate(truth(), frames.DataFrame(found()))
    assert result == coco.evaluate(truth(), found())
    assert list(frames.DataFrame(result.classes)["name"]) == ["cat", "dog"]
    for table in (result.precision, result.class_precision, result.sizes, result.crowding, result.confusion, result.errors, result.detections):
        assert len(frames.DataFrame(table)) == len(next(iter(table.values())))


def test_no_column_takes_the_place_of_another() -> None:
    """Classes may be called as other columns are, or as each other."""
    gt = truth()
    names = ["background", "truth", "recall", "cat", "cat", "cat (2)"]
    gt["categories"] = [{"id": place, "name": name} for place, name in enumerate(names, 1)]
    box = {"image_id": 1, "bbox": [0, 0, 9, 9]}
    gt["annotations"] = [box | {"id": place, "category_id": place} for place in range(1, len(names) + 1)]
    result = coco.evaluate(gt, [box | {"category_id": 1, "score": 0.9}, box | {"category_id": 3, "score": 0.8}])
    told = ["background (2)", "truth (2)", "recall (2)", "cat", "cat (2)", "cat (2) (2)"]
    assert list(result.confusion) == ["truth", *told, "background"] and result.confusion["truth"] == [*told, "background"]
    assert list(result.class_precision) == ["recall", *told] and result.class_precision["recall"][-1] == 1.0
    assert [result.confusion[name][place] for place, name in enumerate(told)] == [1, 0, 1, 0, 0, 0]
    assert result.classes["name"] == names
    close = coco.evaluate(gt, [], ious=[0.5, 0.501, 0.505, 0.6])
    assert list(close.precision) == ["recall", "0.50", "0.501", "0.505", "0.60"]


def test_options() -> None:
    only = coco.evaluate(truth(), found(), classes=["dog"], ious=[0.5], area=(15,), score=0.5)
    assert only.classes["name"] == ["dog"] and only.count == 0 and only.sizes["objects"] == [0, 1]
    assert list(only.precision) == ["recall", "0.50"]
    assert coco.evaluate(truth(), found(), classes=[1]).classes["name"] == ["cat"]
    assert coco.evaluate(truth(), found(), max_dets=1).detections["outcome"][1:] == ["beyond_limit"] * 3


def test_ids_that_are_text() -> None:
    gt, dt = truth(), found()
    gt["images"][0]["id"] = "000001"
    for line in [*gt["annotations"], *dt]:
        line["image_id"] = "000001"
    for category in gt["categories"]:
        category["id"] = "abc"[category["id"]]
    for line in [*gt["annotations"], *dt]:
        line["category_id"] = "abc"[line["category_id"]]
    result = coco.evaluate(gt, dt)
    assert result.detections["image_id"] == ["000001"] * 4 and result.detections["category_id"] == ["b"] * 4
    assert dict(zip(result.classes["id"], result.classes["name"])) == {"b": "cat", "c": "dog"}
    assert result.summary == coco.evaluate(truth(), found()).summary


def test_what_is_broken_is_left_out_and_said() -> None:
    gt = truth()
    gt["annotations"].append({"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, -5, 5]})
    with pytest.warns(RuntimeWarning, match=r"left out: .*annotations\[3\]"):
        result = coco.evaluate(gt, found())
    assert result.objects == 3 and len(result.problems) == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ious": [0.0]}, "ious: 0 is no IoU"),
        ({"ious": []}, "ious: there are 0 IoUs"),
        ({"area": (64, 16)}, "area: the sides"),
        ({"classes": ["cow"]}, 'classes: there is no "cow": the annotations have cat, dog'),
        ({"max_dets": 0}, "max_dets is 0"),
        ({"score": math.nan}, "score is NaN"),
        ({"threshold": math.nan}, "threshold is NaN"),
    ],
)
def test_options_that_cannot_be(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        coco.evaluate(truth(), found(), **settings)


@pytest.mark.parametrize("settings", [{"classes": "dog"}, {"classes": 2}, {"ious": 0.5}, {"area": 32}])
def test_lists_that_are_none(settings: dict[str, Any]) -> None:
    (keyword, given), = settings.items()
    with pytest.raises(TypeError, match=rf"{keyword} is {given!r}: give a list, such as \[{given!r}\]"):
        coco.evaluate(truth(), found(), **settings)


def test_no_files() -> None:
    with pytest.raises(OSError, match="check the path"):
        coco.evaluate("nowhere.json", found())
    with pytest.raises(ValueError, match="swapped"):
        coco.evaluate(found(), truth())
    with pytest.raises(ValueError, match="gt is no file and holds more than"):
        coco.evaluate({"images": object()}, found())


def test_the_published_numbers_of_the_coco_api_come_out() -> None:
    if not DATA.exists():
        pytest.skip("the COCO example is not beside the project")
    result = coco.evaluate(DATA / "instances_val2014_100.json", DATA / "fakebbox100_results.json")
    for (name, value), published in zip(result.summary.items(), PUBLISHED, strict=True):
        assert value is not None and abs(value - published) <= 0.0005, name
    outcomes = Counter(result.detections["outcome"])
    assert outcomes["object"] == sum(value is not None for value in result.detections["box_iou"])
    assert result.calibration is not None and math.isfinite(result.calibration["ece"])
    assert "AP" in str(result) and "objects" in repr(result)
