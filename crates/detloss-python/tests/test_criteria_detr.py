"""Criteria of detectors with a set of queries beside their originals: totals, terms, and gradients by the raw outputs."""

from __future__ import annotations

import functools
import importlib.util
import sys
import types
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from queries import CLASSES, EMPTY, GROUPS, LAYERS, PLACES, QUERIES, SEEDS, Refined, Scene, counts_of, hold
from torch import Tensor

from detloss.torch import criteria as modules
from detloss.torch.criteria import Outputs

Heads = dict[str, Callable[[str], bool]]


def summed(theirs: dict[str, Tensor], names: dict[str, str], heads: Heads, weights: dict[str, float]) -> dict[str, Tensor]:
    """Their dictionary of losses with the layers of a head added up: `loss_giou_aux_1` is of `decoder.giou`."""
    sums: dict[str, Tensor] = {}
    for key, value in theirs.items():
        name = next((name for name in names if key.startswith(name)), None)
        if name is None:
            assert key.startswith(("cardinality", "class_error")), key
            continue
        head = next(head for head, is_of in heads.items() if is_of(key.removeprefix(name)))
        term = f"{head}.{names[name]}" if head else names[name]
        sums[term] = sums.get(term, 0.0) + value * weights.get(names[name], 1.0)
    return sums


CONFIG = {
    "num_labels": CLASSES,
    "auxiliary_loss": True,
    "decoder_layers": LAYERS,
    "class_cost": 1.0,
    "bbox_cost": 5.0,
    "giou_cost": 2.0,
    "bbox_loss_coefficient": 5.0,
    "giou_loss_coefficient": 2.0,
    "class_loss_coefficient": 1.0,
    "eos_coefficient": 0.1,
    "focal_alpha": 0.25,
    "matcher_class_cost": 2.0,
    "matcher_bbox_cost": 5.0,
    "matcher_giou_cost": 2.0,
    "matcher_alpha": 0.25,
    "matcher_gamma": 2.0,
    "use_focal_loss": True,
    "weight_loss_vfl": 1.0,
    "weight_loss_bbox": 5.0,
    "weight_loss_giou": 2.0,
    "focal_loss_alpha": 0.75,
    "focal_loss_gamma": 2.0,
}


def config(**changes: Any) -> SimpleNamespace:
    return SimpleNamespace(**(CONFIG | changes))


def transformers(module: str) -> Any:
    return pytest.importorskip(f"transformers.loss.{module}", reason="transformers is not installed")


SET = {"loss_ce": "ce", "loss_bbox": "bbox", "loss_giou": "giou"}
WEIGHTS = {"bbox": 5.0, "giou": 2.0}


@SEEDS
@pytest.mark.usefixtures("double")
def test_detr_is_transformers(seed: int) -> None:
    loss = transformers("loss_for_object_detection")
    # The last column is no object.
    scene = Scene(counts_of(seed, 7, 3), seed, CLASSES + 1)
    logits, of = scene.decoder.leaves
    total, theirs, _ = loss.ForObjectDetectionLoss(logits[-1], scene.targets, "cpu", of[-1], config(), logits, of)
    terms = summed(theirs, SET, {"": lambda _: True}, WEIGHTS)
    assert sum(terms.values()).item() == pytest.approx(total.item())
    hold("detr", scene, scene.decoder.outputs(), terms, scene.decoder.leaves)


@SEEDS
@pytest.mark.usefixtures("double")
def test_deformable_detr_is_transformers(seed: int) -> None:
    loss = transformers("loss_deformable_detr")
    scene = Scene(counts_of(seed, 7, 3), seed)
    logits, of = scene.decoder.leaves
    total, theirs, _ = loss.DeformableDetrForObjectDetectionLoss(
        logits[-1], scene.targets, "cpu", of[-1], config(), logits, of
    )
    terms = summed(theirs, SET, {"": lambda _: True}, WEIGHTS)
    assert sum(terms.values()).item() == pytest.approx(total.item())
    hold("deformable_detr", scene, scene.decoder.outputs(), terms, scene.decoder.leaves)


def behind(denoising: Tensor, decoder: Tensor) -> Tensor:
    """Denoising and ordinary queries behind each other, of shape (images, layers, queries, …), as in transformers."""
    both = [denoising, decoder] if len(denoising) else [decoder]
    return torch.cat(both, 2).transpose(0, 1)


def by_image(scene: Scene, part: str) -> Tensor:
    return behind(getattr(scene.denoising, part), getattr(scene.decoder, part))


def denoising_of(scene: Scene) -> dict[str, Any] | None:
    if not any(scene.counts):
        return None
    return {
        "dn_positive_idx": scene.positives,
        "dn_num_group": GROUPS,
        "dn_num_split": [scene.pairs.shape[1], QUERIES],
    }


THREE: Heads = {
    "denoising": lambda rest: "_dn_" in rest,
    # Behind the layers of the decoder before the last.
    "encoder": lambda rest: rest == f"_aux_{LAYERS - 1}",
    "decoder": lambda _: True,
}


@SEEDS
@pytest.mark.usefixtures("double")
def test_rt_detr_is_transformers(seed: int) -> None:
    loss = transformers("loss_rt_detr")
    scene = Scene(counts_of(seed, 7, 3), seed)
    logits, of = by_image(scene, "logits"), by_image(scene, "boxes")
    total, theirs, _ = loss.RTDetrForObjectDetectionLoss(
        logits[:, -1],
        scene.targets,
        "cpu",
        of[:, -1],
        config(),
        logits,
        of,
        enc_topk_logits=scene.encoder.logits[0],
        enc_topk_bboxes=scene.encoder.boxes[0],
        denoising_meta_values=denoising_of(scene),
    )
    terms = summed(theirs, {"loss_vfl": "vfl", "loss_bbox": "bbox", "loss_giou": "giou"}, THREE, {})
    assert sum(terms.values()).item() == pytest.approx(total.item())
    outputs = [*scene.decoder.outputs(), *scene.encoder.outputs("encoder"), *scene.noisy()]
    hold("rt_detr", scene, outputs, terms, [*scene.decoder.leaves, *scene.encoder.leaves, *scene.denoising.leaves])


@SEEDS
@pytest.mark.usefixtures("double")
def test_rf_detr_is_lw_detr_of_transformers(seed: int) -> None:
    loss = transformers("loss_lw_detr")
    scene = Scene(counts_of(seed, 2, 1), seed)
    logits, of = scene.decoder.leaves
    total, theirs, _ = loss.LwDetrForObjectDetectionLoss(
        logits[-1],
        scene.targets,
        "cpu",
        of[-1],
        config(class_cost=2.0, group_detr=13),
        logits,
        of,
        enc_outputs_class=scene.encoder.logits[0],
        enc_outputs_coord=scene.encoder.boxes[0],
    )
    heads: Heads = {"encoder": lambda rest: rest == "_enc", "decoder": lambda _: True}
    terms = summed(theirs, SET, heads, WEIGHTS)
    assert sum(terms.values()).item() == pytest.approx(total.item())
    outputs = [*scene.decoder.outputs(groups=13), *scene.encoder.outputs("encoder", groups=13)]
    hold("rf_detr", scene, outputs, terms, [*scene.decoder.leaves, *scene.encoder.leaves])


@pytest.fixture
def rfdetr(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Its criterion and its matcher, without what the package runs when it is imported: its folders are namespaces."""
    found = importlib.util.find_spec("rfdetr")
    if found is None or found.origin is None:
        pytest.skip("rfdetr is not installed")
    for name in ("rfdetr", "rfdetr.models", "rfdetr.models.heads", "rfdetr.utilities"):
        folder = types.ModuleType(name)
        folder.__path__ = [str(Path(found.origin).parent.joinpath(*name.split(".")[1:]))]
        monkeypatch.setitem(sys.modules, name, folder)
    return importlib.import_module("rfdetr.models.criterion")


@SEEDS
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.usefixtures("double")
def test_rf_detr_is_rfdetr(seed: int, rfdetr: Any) -> None:
    scene = Scene(counts_of(seed, 2, 1), seed)
    matcher = rfdetr.HungarianMatcher(cost_class=2, cost_bbox=5, cost_giou=2)
    criterion = rfdetr.SetCriterion(CLASSES, matcher, {}, 0.25, ["labels", "boxes"], group_detr=13, ia_bce_loss=True)
    *others, last, encoder = (
        {"pred_logits": logits, "pred_boxes": of}
        for layers in (scene.decoder, scene.encoder)
        for logits, of in zip(layers.logits, layers.boxes, strict=True)
    )
    targets = [{"boxes": truths, "labels": labels} for truths, labels in zip(scene.truths, scene.labels, strict=True)]
    theirs = criterion({**last, "aux_outputs": others, "enc_outputs": encoder}, targets)
    heads: Heads = {"encoder": lambda rest: rest == "_enc", "decoder": lambda _: True}
    terms = summed(theirs, SET, heads, WEIGHTS)
    outputs = [*scene.decoder.outputs(groups=13), *scene.encoder.outputs("encoder", groups=13)]
    hold("rf_detr", scene, outputs, terms, [*scene.decoder.leaves, *scene.encoder.leaves])


# Without truths it has another loss of classes.
@pytest.mark.parametrize("seed", range(EMPTY))
@pytest.mark.usefixtures("double")
def test_ultralytics_rt_detr_is_ultralytics(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # When it is imported it writes its settings, and looks for what it might install.
    for name, value in {"YOLO_CONFIG_DIR": str(tmp_path), "YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true"}.items():
        monkeypatch.setenv(name, value)
    loss = pytest.importorskip("ultralytics.models.utils.loss")
    plain = loss.bbox_iou
    # Without its additive epsilons, and without its step down to single precision.
    for module in (loss, pytest.importorskip("ultralytics.models.utils.ops")):
        monkeypatch.setattr(module, "bbox_iou", lambda *boxes, **options: plain(*boxes, **options, eps=1e-300))
    monkeypatch.setattr(Tensor, "float", Tensor.double)
    scene = Scene(counts_of(seed, 7, 3), seed)
    truths = {"cls": torch.cat(scene.labels), "bboxes": torch.cat(scene.truths), "gt_groups": scene.counts}
    criterion = loss.RTDETRDetectionLoss(nc=CLASSES, use_vfl=True)
    # The encoder's proposals are the first layer.
    of, logits = (torch.cat([getattr(scene.encoder, part), getattr(scene.decoder, part)]) for part in ("boxes", "logits"))
    theirs = criterion(
        (of, logits),
        truths,
        dn_bboxes=scene.denoising.boxes,
        dn_scores=scene.denoising.logits,
        dn_meta={
            "dn_pos_idx": scene.positives,
            "dn_num_group": GROUPS,
            # Among the truths of all images.
            "dn_gt_idx": list(torch.arange(sum(scene.counts)).split(scene.counts)),
        },
    )
    heads: Heads = {"denoising": lambda rest: "_dn" in rest, "decoder": lambda _: True}
    terms = summed(theirs, {"loss_class": "class", "loss_bbox": "bbox", "loss_giou": "giou"}, heads, {})
    outputs = [*scene.encoder.outputs(), *scene.decoder.outputs(), *scene.noisy()]
    leaves = [*scene.decoder.leaves, *scene.encoder.leaves, *scene.denoising.leaves]
    hold("ultralytics_rt_detr", scene, outputs, terms, leaves)


def refined_of(scene: Refined) -> dict[str, Any]:
    """What transformers is given besides logits and boxes of the last layer, labels and a configuration."""

    def each(references: Tensor) -> Tensor:
        return references.expand(LAYERS, *references.shape)

    return {
        "outputs_class": by_image(scene, "logits"),
        "outputs_coord": by_image(scene, "boxes"),
        "enc_topk_logits": scene.encoder.logits[0],
        "enc_topk_bboxes": scene.encoder.boxes[0],
        "denoising_meta_values": denoising_of(scene),
        "predicted_corners": behind(scene.noisy_distributions, scene.distributions),
        "initial_reference_points": behind(each(scene.noisy_references), each(scene.references)),
    }


REFINED = {
    "max_num_bins": PLACES - 1,
    "reg_scale": 4.0,
    "up": 0.5,
    "weight_loss_fgl": 0.15,
    "weight_loss_ddf": 1.5,
    "weight_loss_mal": 1.0,
    "mal_alpha": None,
    "use_dense_one_to_one": True,
}


def refined_scene(seed: int) -> Refined:
    """Boxes are made of distributions and no sigmoid holds them in the image, so that some are beyond: these are clamped."""
    scene = Refined(counts_of(seed, 7, 3), seed)
    with torch.no_grad():
        for layers in (scene.decoder, scene.encoder, scene.denoising):
            layers.boxes[..., ::5, 2] += 0.8
            layers.boxes[..., 1::5, 0] -= 0.6
    return scene


REFINED_TERMS = {"loss_bbox": "bbox", "loss_giou": "giou", "loss_fgl": "fgl", "loss_ddf": "ddf"}


@SEEDS
@pytest.mark.usefixtures("double")
def test_transformers_d_fine_is_transformers(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = transformers("loss_d_fine")
    monkeypatch.setattr(Tensor, "float", Tensor.double)
    scene = refined_scene(seed)
    more = refined_of(scene)
    last = [more["outputs_class"][:, -1], more["outputs_coord"][:, -1]]
    total, theirs, _ = loss.DFineForObjectDetectionLoss(last[0], scene.targets, "cpu", last[1], config(**REFINED), **more)
    terms = summed(theirs, {"loss_vfl": "vfl"} | REFINED_TERMS, THREE, {})
    assert sum(terms.values()).item() == pytest.approx(total.item())
    outputs = [*scene.refined(), *scene.encoder.outputs("encoder")]
    hold("transformers_d_fine", scene, outputs, terms, scene.leaves)


@SEEDS
@pytest.mark.usefixtures("double")
def test_transformers_deim2_is_transformers(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = transformers("loss_deimv2")
    monkeypatch.setattr(Tensor, "float", Tensor.double)
    # Among pairs that equally many layers have, its order is that of an unstable sort.
    monkeypatch.setattr(torch, "argsort", functools.partial(torch.argsort, stable=True))
    scene = refined_scene(seed)
    more = refined_of(scene)
    last = [more["outputs_class"][:, -1], more["outputs_coord"][:, -1]]
    total, theirs, _ = loss.Deimv2ForObjectDetectionLoss(last[0], scene.targets, "cpu", last[1], config(**REFINED), **more)
    terms = summed(theirs, {"loss_mal": "mal"} | REFINED_TERMS, THREE, {})
    assert sum(terms.values()).item() == pytest.approx(total.item())
    outputs = [*scene.refined(), *scene.encoder.outputs("encoder")]
    hold("transformers_deim2", scene, outputs, terms, scene.leaves)


@pytest.mark.parametrize("name", ["detr", "deformable_detr", "dino", "rt_detr", "rf_detr"])
def test_saturated_and_far_predictions_are_finite(name: str) -> None:
    scene = Scene([0, 4], 0)
    logits = (scene.decoder.logits[0].detach() * 1e4).requires_grad_()
    result = modules.get_criterion(name)(Outputs(logits, scene.decoder.boxes[0]), scene.truths, scene.labels)
    (grad,) = torch.autograd.grad(result.total, logits)
    assert result.total.isfinite() and grad.isfinite().all()
