"""Evaluation of detections by COCO's rules, and what is wrong with them.

    >>> from detloss import coco
    >>> image = {"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}
    >>> truth = {"images": [image], "categories": [{"id": 1, "name": "cat"}],
    ...          "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20]}]}
    >>> found = [{"image_id": 1, "category_id": 1, "bbox": [11, 10, 20, 20], "score": 0.9}]
    >>> coco.evaluate(truth, found).summary["AP50"]
    1.0

AP, precision and recall by class, the confusion matrix, the kinds of errors with the AP that each costs, and calibration come from one
pass. Whatever is a table is a dictionary of columns, as ``pandas.DataFrame`` takes it.
"""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain, count
from typing import Any, TypeAlias

from detloss import _core, _numpy

__all__ = ["Columns", "Evaluation", "evaluate"]

Columns: TypeAlias = dict[str, list[Any]]
"""A table: its columns by their names, all of one length."""

_SHOWN = 3
"""So many problems of files are told in a warning."""


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What became of a detector's output."""

    options: dict[str, Any]
    """By what it was evaluated."""
    images: int
    """How many images there are."""
    objects: int
    """How many objects are to be found: crowds aside."""
    count: int
    """How many detections are looked at."""
    summary: dict[str, float | None]
    """COCO's twelve numbers by their names; None where there is no object to find."""
    best: dict[str, float] | None
    """Where F1 over all classes is best: ``threshold``, ``precision``, ``recall``, ``f1``."""
    classes: Columns
    """By class: ``id``, ``name``, ``objects``, ``detections``, ``AP``, ``AP50``, ``AP75``, ``AR``, and ``threshold``, ``precision``, ``recall``,
    ``f1`` where F1 is best."""
    precision: Columns
    """Mean precision of all classes over ``recall``: a column for each IoU."""
    class_precision: Columns
    """Precision at the first IoU over ``recall``: a column for each class with objects, named as in ``confusion``."""
    sizes: Columns
    """By size of the objects: ``size``, ``objects``, ``found``, ``AP``, ``AR``."""
    crowding: Columns
    """By how many other objects overlap an object: ``neighbours``, ``objects``, ``found``, ``mean_iou``."""
    confusion: Columns
    """A row for each class of the objects, named by ``truth``, and a column for each class of the detections; background is the last of
    both. A class whose name another column has, too, gets a number: ``background (2)``."""
    errors: Columns
    """TIDE's kinds of errors: ``kind``, ``count``, and ``cost``, the AP that is lost by them."""
    calibration: dict[str, Any] | None
    """``ece``, ``mce``, ``bias``, and ``bins`` as columns; None where scores are no probabilities."""
    detections: Columns
    """A line for each detection: ``image_id``, ``category_id``, ``score``, ``outcome`` ("object", "background", "crowd", "beyond_limit",
    "left_out"), ``annotation`` (which of the list ``annotations`` it found), ``box_iou``, ``error``."""
    problems: list[str]
    """What is broken in the files, and was left out."""

    def __repr__(self) -> str:
        return f"<detloss evaluation of {self.count} detections, {self.objects} objects, AP {_shown(self.summary['AP'])}>"

    def __str__(self) -> str:
        width = max(map(len, self.summary))
        return "\n".join(f"{name:<{width}}  {_shown(value)}" for name, value in self.summary.items())


def evaluate(
    gt: Any,
    dt: Any,
    *,
    rotated: bool = False,
    ious: Sequence[float] | None = None,
    score: float | None = None,
    max_dets: int = 100,
    classes: Sequence[str | int] | None = None,
    area: Sequence[float] | None = None,
    threshold: float | None = None,
) -> Evaluation:
    """Detections beside annotations.

    Args:
        gt: annotations in COCO's format: a file, a dictionary as it has, or whatever has that as ``dataset`` (pycocotools' ``COCO``).
        dt: detections ``{image_id, category_id, bbox, score}``: a file, a list, or a ``DataFrame`` of pandas or Polars with these
            columns. Boxes are left, top, width, height in pixels.
        rotated: whether boxes are cx, cy, w, h and an angle in radians.
        ious: the IoUs over which AP is a mean, 0.5, 0.55, … 0.95 by default. From the first on, a detection has found an object wherever
            a single one decides.
        score: detections with a lower score are left out.
        max_dets: the most detections of an image and class, best scores first.
        classes: names or ids of the classes to look at, all by default.
        area: sides of squares in pixels between which sizes are told apart, 32 and 96 by default.
        threshold: the score from which detections are in the confusion matrix, by default that of the best F1.

    Returns:
        The same numbers as pycocotools and TIDE, and what is broken as ``problems``.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file is none of its sort, or an option out of its range; with the remedy.
    """
    if max_dets < 1:
        raise ValueError(f"max_dets is {max_dets}: give 1 or more")
    for keyword, least in (("score", score), ("threshold", threshold)):
        if least is not None and math.isnan(least):
            raise ValueError(f"{keyword} is NaN: give a number")
    names = None if classes is None else [str(wanted) for wanted in _listed(classes, "classes")]
    of_ious, sides = (None if given is None else _listed(given, name) for given, name in ((ious, "ious"), (area, "area")))
    settings = (of_ious, score, max_dets, names, sides, threshold)
    data, detections, problems = _core.evaluate_coco(
        _source(getattr(gt, "dataset", gt), "gt"), _source(dt, "dt"), rotated, settings, _numpy.get_num_threads()
    )
    if problems:
        more = f"; and {len(problems) - _SHOWN} more, in `problems`" if len(problems) > _SHOWN else ""
        warnings.warn(f"left out: {'; '.join(problems[:_SHOWN])}{more}", RuntimeWarning, stacklevel=2)
    return _evaluation(json.loads(data), detections, problems)


def _listed(given: Any, keyword: str) -> list[Any]:
    """The members of what is a list of some sort. Text would be one of its letters."""
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise TypeError(f"{keyword} is {given!r}: give a list, such as [{given!r}]")
    return list(given)


def _source(given: Any, name: str) -> tuple[str, str | None]:
    """A file; or what it is called, and its text."""
    if isinstance(given, (str, os.PathLike)):
        return os.fspath(given), None
    if hasattr(given, "to_dicts"):
        given = given.to_dicts()  # Polars'.
    elif hasattr(given, "to_dict"):
        given = given.to_dict("records")  # pandas'.
    try:
        return name, json.dumps(given, default=_plain)
    except TypeError as error:
        raise ValueError(f"{name} is no file and holds more than lists, dictionaries, numbers and text: {error}") from None


def _plain(value: Any) -> Any:
    """Numbers and arrays of NumPy and PyTorch as those of Python."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__}")


def _evaluation(data: dict[str, Any], detections: Columns, problems: list[str]) -> Evaluation:
    lines = data["classes"]
    names = [line["name"] for line in lines]
    recall = [place / 100 for place in range(101)]
    classes = _columns(lines, ("id", "name", "objects", "detections", "AP", "AP50", "AP75", "AR"))
    for key in ("threshold", "precision", "recall", "f1"):
        classes[key] = [None if line["best"] is None else line["best"][key] for line in lines]
    matrix = data["confusion"]["counts"]
    named = [*_told_apart(names, {"truth", "recall", "background"}), "background"]
    confusion: Columns = {"truth": named} | {name: [row[place] for row in matrix] for place, name in enumerate(named)}
    calibration = data["calibration"]
    if calibration is not None:
        calibration["bins"] = _columns(calibration["bins"], ("from", "to", "detections", "score", "right"))
    made = {
        "count": data["detections"],
        "classes": classes,
        "precision": {"recall": recall} | {_of_iou(iou): precision for iou, precision in (curve.values() for curve in data["curves"])},
        "class_precision": {"recall": recall}
        | {name: line["precision"] for name, line in zip(named, lines) if line["precision"] is not None},
        "sizes": _columns([line | {"size": line["size"]["name"]} for line in data["sizes"]], ("size", "objects", "found", "AP", "AR")),
        "crowding": _columns(data["crowding"], ("neighbours", "objects", "found", "mean_iou")),
        "confusion": confusion,
        "errors": _columns(data["errors"]["kinds"], ("kind", "count", "cost")),
        "calibration": calibration,
        "detections": detections,
        "problems": problems,
    }
    values: dict[str, Any] = {field.name: made.get(field.name, data.get(field.name)) for field in fields(Evaluation)}
    return Evaluation(**values)


def _columns(lines: Sequence[Mapping[str, Any]], keys: tuple[str, ...]) -> Columns:
    return {key: [line[key] for line in lines] for key in keys}


def _told_apart(names: list[str], taken: set[str]) -> list[str]:
    """Names of classes as those of columns: one that another column has, too, gets a number."""
    told: list[str] = []
    for name in names:
        others = (f"{name} ({number})" for number in count(2))
        told.append(next(free for free in chain([name], others) if free not in taken))
        taken = taken | {told[-1]}
    return told


def _of_iou(iou: float) -> str:
    """The name of an IoU's column, with as many digits as it takes."""
    short = f"{iou:.2f}"
    return short if math.isclose(float(short), iou, rel_tol=1e-9) else repr(iou)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
