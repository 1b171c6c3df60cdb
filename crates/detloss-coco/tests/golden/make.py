"""Random sets of boxes, and what pycocotools and TIDE say of them: evaluation.json.

    pip install pycocotools==2.0.11 tidecv==1.0.1 appdirs numpy opencv-python-headless
    python make.py [folder of the COCO example]

With the folder (instances_val2014_100.json, fakebbox100_results.json), what they say of the example is written, too, without its boxes.
TIDE's drawing is not needed, nor what it is drawn with.
"""

import contextlib
import io
import json
import random
import sys
from pathlib import Path
from unittest.mock import MagicMock

for module in ["matplotlib", "matplotlib.pyplot", "matplotlib.lines", "pandas", "seaborn"]:
    sys.modules[module] = MagicMock()

import numpy as np
import tidecv
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

HERE = Path(__file__).parent
DEFAULT = {}
OTHER = {"ious": [0.3, 0.6, 0.75], "max_detections": 5, "borders": [20.0, 60.0], "score": 0.2, "classes": [1, 3]}


def draw(seed):
    """A set with crowds, ties, duplicates, wrong labels, loose boxes, images and classes without objects or detections."""
    rng = random.Random(seed)
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 320, "height": 240} for i in range(1, 13)]
    categories = [{"id": c, "name": f"class {c}"} for c in [1, 2, 3, 5]]
    annotations, results = [], []
    digits = 1 if seed % 2 else 6

    def a_box():
        side = rng.choice([12, 30, 50, 110])
        return [rng.randrange(200), rng.randrange(120), side + rng.randrange(side), side + rng.randrange(side)]

    def moved(box, by):
        return [round(v + s * rng.uniform(-by, by), 1) for v, s in zip(box, box[2:] + box[2:])]

    def found(image, category, box):
        box = box[:2] + [max(v, 1.0) for v in box[2:]]
        results.append(dict(image_id=image, category_id=category, bbox=box, score=round(rng.random(), digits)))

    for image in images:
        if image["id"] == 4:
            continue
        for _ in range(rng.randrange(6)):
            box, category = a_box(), rng.choice([1, 2, 3])
            crowd = rng.random() < 0.1
            area = box[2] * box[3] * rng.choice([1, 1, 0.6])
            annotations.append(dict(id=len(annotations) + 1, image_id=image["id"], category_id=category, bbox=box,
                                    area=round(area, 1), iscrowd=int(crowd)))
            for _ in range(rng.randrange(4)):
                found(image["id"], category if rng.random() < 0.8 else rng.choice([1, 2, 3, 5]),
                      moved(box, rng.choice([0.02, 0.1, 0.3, 0.6])))
    for image in images:
        for _ in range(rng.randrange(4) if image["id"] != 7 else 0):
            found(image["id"], rng.choice([1, 2, 3, 5]), a_box())
    rng.shuffle(results)
    return dict(images=images, categories=categories, annotations=annotations), results


def number(value):
    return None if value <= -1 else float(value)


def coco(truth, results, options):
    """The summary, and each class, as pycocotools has them."""
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = truth
        gt.createIndex()
        kept = [r for r in results if r["score"] >= options.get("score", -np.inf)]
        evaluation = COCOeval(gt, gt.loadRes([dict(r) for r in kept]), "bbox")
        p = evaluation.params
        if "ious" in options:
            p.iouThrs = np.array(options["ious"])
        most = options.get("max_detections", 100)
        p.maxDets = [1, min(10, most), most]
        small, large = options.get("borders", [32.0, 96.0])
        p.areaRng = [[0, 1e10], [0, small**2], [small**2, large**2], [large**2, 1e10]]
        if "classes" in options:
            p.catIds = options["classes"]
        evaluation.evaluate()
        evaluation.accumulate()
    precision, recall = evaluation.eval["precision"], evaluation.eval["recall"]

    def mean(values):
        values = values[values > -1]
        return float(values.mean()) if values.size else None

    def at(iou, values):
        here = np.flatnonzero(np.isclose(p.iouThrs, iou))
        return mean(values[here]) if here.size else None

    def of(precision, recall):
        return [mean(precision), at(0.5, precision), at(0.75, precision), mean(recall)]

    ap = [mean(precision[..., area, -1]) for area in range(4)]
    every = precision[..., 0, -1]
    summary = [ap[0], at(0.5, every), at(0.75, every), *ap[1:]]
    summary += [mean(recall[..., 0, most]) for most in range(3)] + [mean(recall[..., area, -1]) for area in [1, 2, 3]]
    classes = {str(c): of(precision[:, :, k, 0, -1], recall[:, k, 0, -1]) for k, c in enumerate(p.catIds)}
    return dict(summary=summary, classes=classes)


def tide(truth, results):
    """AP50, what each type of error costs, and how many there are, as TIDE has them, from 0 to 1."""
    gt, dt = tidecv.Data("gt"), tidecv.Data("dt")
    for category in truth["categories"]:
        gt.add_class(category["id"], category["name"])
    for image in truth["images"]:
        gt.add_image(image["id"], image["file_name"])
    for a in truth["annotations"]:
        add = gt.add_ignore_region if a["iscrowd"] else gt.add_ground_truth
        add(a["image_id"], a["category_id"], a["bbox"])
    for r in results:
        dt.add_detection(r["image_id"], r["category_id"], r["score"], r["bbox"])
    run = tidecv.TIDE().evaluate(gt, dt, mode=tidecv.TIDE.BOX)
    main, special, counts = run.fix_main_errors(), run.fix_special_errors(), run.count_errors()
    name = lambda kind: kind.short_name
    return dict(ap=run.ap / 100, cost={name(k): v / 100 for k, v in {**main, **special}.items()},
                count={name(k): v for k, v in counts.items()})


def main():
    sets = []
    for seed in range(1, 5):
        truth, results = draw(seed)
        sets.append(dict(truth=truth, results=results, default=coco(truth, results, DEFAULT),
                         other=coco(truth, results, OTHER), tide=tide(truth, results)))
    out = dict(made_with="pycocotools 2.0.11, tidecv 1.0.1", other=OTHER, sets=sets)
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        truth = json.loads((folder / "instances_val2014_100.json").read_text())
        results = json.loads((folder / "fakebbox100_results.json").read_text())
        out["coco100"] = dict(default=coco(truth, results, DEFAULT), tide=tide(truth, results))
    # One line for every entry.
    text = json.dumps(out, separators=(",", ":")).replace("},{", "},\n{")
    (HERE / "evaluation.json").write_text(text + "\n")


main()
