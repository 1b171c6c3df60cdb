"""Losses in the training of Ultralytics' models: its own numbers where the losses are its own, others where they are not, and nothing left."""

from __future__ import annotations

import copy
import csv
import math
import pickle
import random
import sys
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

# Its trainer warns of much that is not ours.
pytestmark = pytest.mark.filterwarnings("ignore")

SIDE = 64
HEADS = ["yolo11n", "yolo26n", "yolo11n-obb", "yolo26n-obb", "yolo11n-seg", "yolo26n-seg", "yolo11n-pose", "yolo26n-pose"]
ASSIGNED = [head for head in HEADS if head not in ("yolo26n-seg", "yolo26n-pose")]


@pytest.fixture(scope="module")
def package(ultralytics_home: None) -> Any:
    """Its losses."""
    return pytest.importorskip("ultralytics.utils.loss")


@pytest.fixture
def ours(package: Any) -> Any:
    return pytest.importorskip("detloss.compat.ultralytics")


@lru_cache
def of_head(head: str) -> Any:
    """The model of a head with two classes, built of its description alone."""
    from ultralytics.utils import DEFAULT_CFG

    tasks = pytest.importorskip("ultralytics.nn.tasks")
    kind = head.partition("-")[2]
    classes = {"": "DetectionModel", "obb": "OBBModel", "seg": "SegmentationModel", "pose": "PoseModel"}
    torch.manual_seed(0)
    keypoints = {"data_kpt_shape": (2, 3)} if kind == "pose" else {}
    model = getattr(tasks, classes[kind])(f"{head}.yaml", nc=2, verbose=False, **keypoints)
    model.args = SimpleNamespace(**vars(DEFAULT_CFG) | {"epochs": 10})
    return model.train()


def batch(head: str) -> dict[str, Tensor]:
    """Three images, wider than high, with two, none and four objects, as its data loaders give them."""
    high, wide = SIDE, SIDE + 32
    made = torch.Generator().manual_seed(1)
    counts = [2, 0, 4]
    image = torch.repeat_interleave(torch.arange(3.0), torch.tensor(counts))
    many = sum(counts)
    size = 0.25 + 0.3 * torch.rand(many, 2, generator=made)
    centers = size / 2 + (1 - size) * torch.rand(many, 2, generator=made)
    boxes = [centers, size, torch.rand(many, 1, generator=made)] if "obb" in head else [centers, size]
    given = {
        "img": torch.rand(3, 3, high, wide, generator=made),
        "batch_idx": image,
        "cls": torch.randint(0, 2, (many, 1), generator=made).float(),
        "bboxes": torch.cat(boxes, 1),
        "keypoints": torch.cat([centers[:, None] + torch.tensor([[-0.05, 0.0], [0.05, 0.0]]), torch.full((many, 2, 1), 2.0)], -1),
    }
    masks = torch.zeros(3, high // 4, wide // 4)
    along = [(torch.arange(count) + 0.5) / count for count in (wide // 4, high // 4)]
    for place, of in enumerate(image.long().tolist()):
        x, y = ((centers[place, axis] - along[axis]).abs() < size[place, axis] / 2 for axis in (0, 1))
        masks[of][y[:, None] & x] = 1 + int((image[:place] == of).sum())
    return given | {"masks": masks, "sem_masks": (masks > 0).float()}


def raw(preds: Any) -> list[Tensor]:
    """The outputs that have a gradient."""
    if isinstance(preds, dict):
        return [leaf for key in sorted(preds) for leaf in raw(preds[key])]
    if isinstance(preds, (list, tuple)):
        return [leaf for one in preds for leaf in raw(one)]
    return [preds] if isinstance(preds, Tensor) and preds.requires_grad else []


def losses_of(model: Any, given: dict[str, Tensor]) -> tuple[Tensor, list[Tensor]]:
    """The terms of a batch, and the gradients by all raw outputs."""
    model.criterion = None
    torch.manual_seed(2)
    preds = model(given["img"])
    terms, _ = model.loss(given, preds)
    leaves = raw(preds)
    grads = torch.autograd.grad(terms.sum(), leaves, allow_unused=True)
    assert terms.isfinite().all() and leaves
    return terms.detach(), [torch.zeros_like(leaf) if grad is None else grad for leaf, grad in zip(leaves, grads, strict=True)]


def assert_alike(one: tuple[Tensor, list[Tensor]], other: tuple[Tensor, list[Tensor]], rtol: float) -> None:
    torch.testing.assert_close(one[0], other[0], rtol=rtol, atol=rtol)
    for mine, theirs in zip(one[1], other[1], strict=True):
        torch.testing.assert_close(mine, theirs, rtol=rtol, atol=rtol * theirs.abs().max().item())


def its_own(head: str) -> str:
    return "prob_iou(floor=0.01)" if "obb" in head else "ciou"


@pytest.mark.parametrize("head", HEADS)
def test_its_own_losses_give_its_numbers(head: str, ours: Any) -> None:
    model, given = of_head(head), batch(head)
    theirs = losses_of(model, given)
    with ours.losses(box=its_own(head), cls="bce"):
        assert_alike(losses_of(model, given), theirs, 2e-4)
    assert_alike(losses_of(model, given), theirs, 0.0)


@pytest.mark.parametrize("head", ["yolo11n", "yolo26n-obb"])
def test_half_precision_has_its_numbers(head: str, ours: Any) -> None:
    model, given = of_head(head), batch(head)
    with torch.autocast("cpu", torch.bfloat16):
        theirs = losses_of(model, given)
        with ours.losses(box=its_own(head), cls="bce", assigner="task_aligned"):
            mine = losses_of(model, given)
    torch.testing.assert_close(mine[0], theirs[0], rtol=2e-2, atol=2e-2)
    assert all(one.dtype == other.dtype and one.isfinite().all() for one, other in zip(mine[1], theirs[1], strict=True))


@pytest.mark.parametrize("head", ASSIGNED)
def test_our_assigner_gives_its_numbers(head: str, ours: Any) -> None:
    model, given = of_head(head), batch(head)
    theirs = losses_of(model, given)
    with ours.losses(assigner="task_aligned"):
        assert_alike(losses_of(model, given), theirs, 2e-4)
    with ours.losses(assigner="task_aligned(topk=3)"):
        assert losses_of(model, given)[0][0] != theirs[0][0]


@pytest.mark.parametrize("head", ["yolo26n-seg", "yolo26n-pose"])
def test_overlaps_of_masks_and_keypoints_stay_its_own(head: str, ours: Any) -> None:
    model, given = of_head(head), batch(head)
    theirs = losses_of(model, given)
    with ours.losses(assigner="task_aligned"):
        assert_alike(losses_of(model, given), theirs, 0.0)
    with ours.losses(assigner_overlap="iou_square"):
        assert head.endswith("pose") or (losses_of(model, given)[0] != theirs[0]).any()


@pytest.mark.parametrize("head", ["yolo11n", "yolo26n-obb"])
def test_an_overlap_is_for_both_assigners(head: str, ours: Any) -> None:
    model, given = of_head(head), batch(head)
    theirs, overlap = losses_of(model, given), "rotated_giou" if "obb" in head else "siou"
    with ours.losses(assigner_overlap=overlap):
        inside = losses_of(model, given)
        with ours.losses(assigner="task_aligned"):
            assert_alike(losses_of(model, given), inside, 2e-4)
    assert (inside[0] != theirs[0]).any()


@pytest.mark.parametrize("head", HEADS)
def test_other_losses_are_other_numbers(head: str, ours: Any) -> None:
    model, given = of_head(head), batch(head)
    theirs = losses_of(model, given)[0]
    box = "kld(tau=1)" if "obb" in head else "inner(siou, ratio=0.8)"
    with ours.losses(box=box, cls="varifocal", cls_params={"gamma": 1.5}, dfl=False):
        mine = losses_of(model, given)[0]
    criterion = model.criterion
    names = getattr(criterion, "one2one", criterion).loss_names
    places = {name: place for place, name in enumerate(names)}
    sides = places.get("dfl_loss", places.get("l1_loss"))
    assert sides is not None and mine[sides] == 0.0 < theirs[sides]
    assert mine[0] != theirs[0] and mine[places["cls_loss"]] != theirs[places["cls_loss"]]


@pytest.mark.parametrize("cls", ["bce", "varifocal", "quality_focal", "mal", "focal"])
def test_every_loss_of_scores_fits(cls: str, ours: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, given = of_head("yolo11n"), batch("yolo11n")
    monkeypatch.setattr(model, "class_weights", torch.tensor([0.5, 2.0]), raising=False)
    with ours.losses(cls=cls):
        terms, grads = losses_of(model, given)
    assert terms[1] > 0 and any(grad.any() for grad in grads)


@pytest.mark.parametrize("box", ["wiou_v3", "wise(giou)"])
def test_a_running_mean_goes_on_in_training_alone(box: str, ours: Any) -> None:
    model, given = of_head("yolo26n"), batch("yolo26n")
    with ours.losses(box=box) as installed:
        losses_of(model, given)
        if installed.box.state is None:
            return
        heads = [model.criterion.one2many.bbox_loss, model.criterion.one2one.bbox_loss]
        states = [installed.box_of(head, torch.device("cpu")).state.clone() for head in heads]
        assert states[0] is not states[1] and not torch.equal(states[0], installed.box.state)
        with torch.no_grad():
            model.loss(given, model(given["img"]))
        again = [installed.box_of(head, torch.device("cpu")).state for head in heads]
        assert all(torch.equal(one, other) for one, other in zip(states, again, strict=True))


def test_an_empty_batch_is_no_error(ours: Any) -> None:
    for head in ("yolo11n", "yolo26n"):
        model, given = of_head(head), batch(head)
        empty = given | {key: given[key][:0] for key in ("batch_idx", "cls", "bboxes")}
        theirs = losses_of(model, empty)
        with ours.losses(box="siou", cls="bce", assigner="task_aligned"):
            assert_alike(losses_of(model, empty), theirs, 1e-5)


@pytest.mark.parametrize("head", ["yolo11n", "yolo26n", "yolo11n-obb", "yolo11n-seg", "yolo11n-pose"])
def test_other_losses_fall(head: str, ours: Any) -> None:
    model, given = copy.deepcopy(of_head(head)), batch(head)
    model.criterion, totals = None, []
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
    with ours.losses(box="prob_iou" if "obb" in head else "siou", cls="varifocal", assigner="task_aligned"):
        for _ in range(20):
            total = model.loss(given, model(given["img"]))[0].sum()
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            totals.append(total.item())
    # First they rise, as theirs do: the scores that all is divided by count as 1 until they are more.
    assert all(map(math.isfinite, totals)) and max(totals[-3:]) < 0.85 * max(totals), totals


def replaced(package: Any) -> list[Any]:
    tal = pytest.importorskip("ultralytics.utils.tal")
    owners = [package.BboxLoss, package.RotatedBboxLoss, package.v8DetectionLoss, tal.TaskAlignedAssigner, tal.RotatedTaskAlignedAssigner]
    return [dict(vars(owner)) for owner in owners] + [vars(pytest.importorskip("ultralytics.utils.dist"))["generate_ddp_file"]]


def test_nothing_is_left_behind(package: Any, ours: Any) -> None:
    before = replaced(package)
    with pytest.raises(KeyError), ours.losses(box="siou", cls="mal", assigner="task_aligned"):
        assert replaced(package) != before
        raise KeyError
    assert replaced(package) == before
    first, second = ours.install(box="siou"), ours.install(box="giou")
    first.undo()
    assert replaced(package) != before
    first.undo()
    second.undo()
    assert replaced(package) == before


def test_the_inner_use_counts(ours: Any) -> None:
    model, given = of_head("yolo11n"), batch("yolo11n")

    def terms() -> Tensor:
        return losses_of(model, given)[0]

    theirs = terms()
    with ours.losses(box="siou", dfl=False):
        outer = terms()
        with ours.losses(box="giou", cls="focal"):
            inner = terms()
        assert torch.equal(terms(), outer)
    assert len({theirs[0].item(), outer[0].item(), inner[0].item()}) == 3
    assert outer[1] == theirs[1] != inner[1] and outer[2] == inner[2] == 0.0
    assert torch.equal(terms(), theirs)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"box": "focal"}, "box is 'focal': give a loss of two boxes"),
        ({"box": "suio"}, "no loss is called"),
        ({"box": "siou", "box_params": {"theta": 1.0}}, "theta"),
        ({"box_params": {"theta": 4.0}}, "box_params are given without a loss"),
        ({"cls": "softmax_ce"}, "give a loss of single scores"),
        ({"cls": "ap"}, "give a loss of single scores"),
        ({"assigner": "atss"}, "give task_aligned"),
        ({"assigner": "task_aligned(overlap=siou)"}, "give the overlap as assigner_overlap"),
        ({"assigner_overlap": "l1"}, "assigner_overlap is 'l1'"),
        ({"dfl": "no"}, "dfl is 'no': give True or False"),
    ],
)
def test_what_does_not_fit_names_the_remedy(settings: dict[str, Any], message: str, package: Any, ours: Any) -> None:
    before = replaced(package)
    with pytest.raises((ValueError, TypeError), match=message):
        ours.install(**settings)
    assert replaced(package) == before


def test_boxes_of_another_kind_name_the_remedy(ours: Any) -> None:
    for head, box in (("yolo11n-obb", "siou"), ("yolo11n", "kld")):
        model, given = of_head(head), batch(head)
        for settings in ({"box": box}, {"assigner_overlap": box}, {"assigner_overlap": box, "assigner": "task_aligned"}):
            with pytest.raises(ValueError, match=f"is '{box}', and this model has other boxes: give a loss of"), ours.losses(**settings):
                losses_of(model, given)


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        ("BboxLoss.forward", lambda self, pred: None, r"looked for ultralytics\.utils\.loss\.BboxLoss\.forward\(self, pred_dist, .*has \(self, pred\)"),
        ("v8OBBLoss.loss", lambda self, preds, batch: None, "looked for the attribute bce in ultralytics.utils.loss.v8OBBLoss.loss"),
        ("v8DetectionLoss", None, "has none there"),
    ],
)
def test_a_changed_package_is_said(
    place: str, change: Callable[..., Any] | None, message: str, package: Any, ours: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, _, name = place.partition(".")
    monkeypatch.setattr(getattr(package, owner) if name else package, name or owner, change)
    before = dict(vars(package.RotatedBboxLoss))
    with pytest.raises(RuntimeError, match=message):
        ours.install(box="siou")
    assert dict(vars(package.RotatedBboxLoss)) == before


def test_processes_of_several_gpus_begin_with_the_same(package: Any, ours: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dist = pytest.importorskip("ultralytics.utils.dist")
    # What a process is sent: its callbacks, by their names.
    monkeypatch.setattr(dist, "generate_ddp_file", lambda trainer: pickle.dumps(trainer.callbacks))
    before, trainer = replaced(package), SimpleNamespace(callbacks={"on_pretrain_routine_start": [print]})
    with ours.losses(box="siou", cls="focal", cls_params={"gamma": 1.0}):
        sent = dist.generate_ddp_file(trainer)
    assert trainer.callbacks == {"on_pretrain_routine_start": [print]} and replaced(package) == before
    model, given = of_head("yolo11n"), batch("yolo11n")
    with ours.losses(box="siou", cls="focal(gamma=1)"):
        expected = losses_of(model, given)
    from detloss.compat.ultralytics._installed import stack

    for callback in pickle.loads(sent)["on_pretrain_routine_start"][1:]:
        callback(None)
    assert_alike(losses_of(model, given), expected, 0.0)
    [installed] = stack
    installed.undo()


# Whole trainings, on drawn shapes.


def shapes(root: Path, kind: str) -> str:
    """A folder of squares and discs, with labels of this kind; its description."""
    image = pytest.importorskip("PIL.Image")
    draw = pytest.importorskip("PIL.ImageDraw")
    chance = random.Random(0)
    for part, count in (("train", 8), ("val", 2)):
        for folder in ("images", "labels"):
            (root / folder / part).mkdir(parents=True)
        for place in range(count):
            picture, lines = image.new("RGB", (SIDE, SIDE), (30, 30, 30)), []
            for label, color in enumerate(((200, 60, 60), (60, 60, 200))):
                w, h = chance.randint(16, 28), chance.randint(16, 28)
                x, y = chance.randint(0, SIDE - 1 - w), chance.randint(0, SIDE - 1 - h)
                pen = draw.Draw(picture)
                (pen.ellipse if label else pen.rectangle)((x, y, x + w, y + h), fill=color)
                corners = [x, y, x + w, y, x + w, y + h, x, y + h]
                center = [x + w / 2, y + h / 2, w, h]
                numbers = {"": center, "obb": corners, "seg": corners, "pose": center}[kind]
                words = [label, *(number / SIDE for number in numbers)]
                if kind == "pose":
                    words += [x / SIDE, y / SIDE, 2, (x + w) / SIDE, (y + h) / SIDE, 2]
                lines.append(" ".join(map(str, words)))
            picture.save(root / "images" / part / f"{place}.png")
            (root / "labels" / part / f"{place}.txt").write_text("\n".join(lines), encoding="utf-8")
    keypoints = "kpt_shape: [2, 3]\n" if kind == "pose" else ""
    description = root / "shapes.yaml"
    description.write_text(f"path: {root}\ntrain: images/train\nval: images/val\nnames: [square, disc]\n{keypoints}", encoding="utf-8")
    return str(description)


PLAIN: dict[str, Any] = {
    "imgsz": SIDE,
    "batch": 4,
    "workers": 0,
    "plots": False,
    "device": "cpu",
    "exist_ok": True,
    "verbose": False,
    "optimizer": "SGD",
    "lr0": 0.01,
    "warmup_epochs": 0,
    "fliplr": 0.0,
    "scale": 0.0,
    "translate": 0.0,
    "mosaic": 0.0,
    "hsv_h": 0.0,
    "hsv_s": 0.0,
    "hsv_v": 0.0,
    "erasing": 0.0,
    "auto_augment": None,
}


def train(head: str, root: Path, data: str, epochs: int, **settings: Any) -> Any:
    """A training, whose trainer is left."""
    pytest.importorskip("polars", reason="Ultralytics reads its own results with polars")
    yolo = pytest.importorskip("ultralytics").YOLO(f"{head}.yaml", verbose=False)
    yolo.train(data=data, epochs=epochs, project=str(root / "runs"), name="run", **PLAIN | settings)
    return yolo.trainer


def curve(trainer: Any) -> list[float]:
    """The sum of all terms of every epoch."""
    with Path(trainer.csv).open(encoding="utf-8") as file:
        rows = [{key.strip(): float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    return [sum(value for key, value in row.items() if key.startswith("train/")) for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("head", ["yolo11n-obb", "yolo11n-seg", "yolo11n-pose"])
def test_a_training_goes_its_way(head: str, ours: Any, tmp_path: Path) -> None:
    data = shapes(tmp_path / "shapes", head.partition("-")[2])
    with ours.losses(box="prob_iou" if "obb" in head else "siou", cls="quality_focal", assigner="task_aligned"):
        [epoch] = curve(train(head, tmp_path, data, 1, val=False))
    assert math.isfinite(epoch) and epoch > 0


@pytest.mark.slow
def test_its_own_losses_have_its_curve_and_others_another(ours: Any, tmp_path: Path) -> None:
    data = shapes(tmp_path / "shapes", "")
    theirs = curve(train("yolo11n", tmp_path, data, 8, val=False))
    with ours.losses(box="ciou", cls="bce", assigner="task_aligned"):
        same = curve(train("yolo11n", tmp_path, data, 8, val=False))
    with ours.losses(box="wiou", cls="varifocal"):
        other = curve(train("yolo11n", tmp_path, data, 8, val=False))
    assert same == pytest.approx(theirs, rel=2e-2)
    assert same[0] == pytest.approx(theirs[0], rel=1e-3)
    assert other != pytest.approx(theirs, rel=2e-2) and sum(other[-3:]) < sum(other[:3])


@pytest.mark.slow
def test_checkpoints_are_its_own_and_trainings_resume(ours: Any, tmp_path: Path) -> None:
    data, yolo = shapes(tmp_path / "shapes", ""), pytest.importorskip("ultralytics").YOLO
    stopped: list[Path] = []

    def stop(trainer: Any) -> None:
        if trainer.epoch == 1:
            stopped.append(Path(trainer.last))
            raise KeyboardInterrupt

    settings = PLAIN | {"data": data, "epochs": 4, "project": str(tmp_path / "runs"), "name": "run"}
    with ours.losses(box="wiou_v3", cls="mal", assigner="task_aligned"):
        model = yolo("yolo26n.yaml", verbose=False)
        model.add_callback("on_model_save", stop)
        with pytest.raises(KeyboardInterrupt):
            model.train(**settings)
        [last] = stopped
        assert_has_nothing_of_ours(last)
        resumed = yolo(str(last))
        resumed.train(resume=True, data=data, epochs=4, device="cpu", workers=0)
    assert resumed.trainer.start_epoch == 2 and len(curve(resumed.trainer)) == 4
    best = yolo(str(resumed.trainer.best))
    assert_has_nothing_of_ours(Path(resumed.trainer.best))
    assert best.val(data=data, imgsz=SIDE, workers=0, plots=False, device="cpu", verbose=False).box.map >= 0.0
    assert Path(best.export(format="torchscript", imgsz=SIDE, device="cpu")).exists()


def assert_has_nothing_of_ours(checkpoint: Path) -> None:
    with zipfile.ZipFile(checkpoint) as file:
        [pickled] = [file.read(name) for name in file.namelist() if name.endswith("data.pkl")]
    assert b"ultralytics" in pickled and b"detloss" not in pickled


def test_the_command_line(ours: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from detloss.compat.ultralytics.__main__ import main

    data = shapes(tmp_path / "shapes", "")
    monkeypatch.setattr(sys, "argv", sys.argv)
    seen: list[Any] = []
    cfg = pytest.importorskip("ultralytics.cfg")
    monkeypatch.setattr(cfg, "ARGV", sys.argv)
    kept = list(sys.argv)
    pytest.importorskip("polars", reason="Ultralytics reads its own results with polars")
    original = pytest.importorskip("ultralytics.utils.loss").BboxLoss.forward
    try:
        words = [f"{key}={value}" for key, value in PLAIN.items() if value is not None]
        run = ["train", "box_loss=inner(siou, ratio=0.8)", "cls_loss=varifocal", "dfl_loss=False", "assigner=task_aligned", *words]
        main([*run, "model=yolo11n.yaml", f"data={data}", "epochs=1", "val=False", f"project={tmp_path / 'runs'}", "name=run"])
        [results] = list((tmp_path / "runs").rglob("results.csv"))
        [row] = list(csv.DictReader(results.open(encoding="utf-8")))
        seen = [float(value) for key, value in row.items() if key.strip() == "train/dfl_loss"]
        assert seen == [0.0]
        wrongs = {
            "dfl_loss=no": "give True or False",
            "box_loss=suio": "did you mean \"siou\"",
            "cls_loss=focal(gama=1)": "it has gamma, alpha",
            "assigner=task_aligned(topk2=one)": "topk2",
        }
        for wrong, remedy in wrongs.items():
            with pytest.raises(SystemExit, match=remedy):
                main(["train", wrong])
        main(["help"])
        assert "box_loss=siou" in capsys.readouterr().out
    finally:
        sys.argv[:] = kept
    assert pytest.importorskip("ultralytics.utils.loss").BboxLoss.forward is original
