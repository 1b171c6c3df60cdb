"""Criteria as loss functions of models of transformers, with random weights, beside its own."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("torch", reason="PyTorch is not installed")
from detloss.compat.transformers import loss_function  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def transformers() -> Any:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        yield pytest.importorskip("transformers", reason="transformers is not installed: pip install transformers")


def rt_detr(transformers: Any) -> Any:
    """A small RT-DETR, which no weights are loaded for."""
    backbone = transformers.RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 16, 16], depths=[1, 1, 1, 1], out_features=["stage2", "stage3", "stage4"]
    )
    config = transformers.RTDetrConfig(
        backbone_config=backbone,
        encoder_in_channels=[16, 16, 16],
        encoder_hidden_dim=32,
        encoder_ffn_dim=32,
        encoder_attention_heads=2,
        d_model=32,
        decoder_in_channels=[32, 32, 32],
        decoder_ffn_dim=32,
        decoder_attention_heads=2,
        decoder_layers=3,
        num_queries=20,
        num_denoising=8,
        num_labels=3,
        anchor_image_size=None,
        dropout=0.0,
        attention_dropout=0.0,
    )
    torch.manual_seed(0)
    return transformers.RTDetrForObjectDetection(config).train()


def batch(images: int = 3) -> dict[str, Any]:
    made = torch.Generator().manual_seed(1)
    labels = []
    for count in [3, 0, 2][:images]:
        size = 0.2 + 0.3 * torch.rand(count, 2, generator=made)
        center = size / 2 + (1 - size) * torch.rand(count, 2, generator=made)
        labels.append({"class_labels": torch.randint(0, 3, (count,), generator=made), "boxes": torch.cat([center, size], 1)})
    return {"pixel_values": torch.rand(images, 3, 64, 64, generator=made), "labels": labels}


def step(model: Any, given: dict[str, Any]) -> tuple[Any, list[Tensor | None]]:
    """The result of a batch, and the gradients by all weights."""
    model.zero_grad()
    torch.manual_seed(2)  # The noise of the queries for denoising.
    result = model(**given)
    result.loss.backward()
    return result, [None if weight.grad is None else weight.grad.clone() for weight in model.parameters()]


@pytest.mark.parametrize("auxiliary", [True, False])
@pytest.mark.parametrize("images", [3, 1])
def test_rt_detr_is_its_own(auxiliary: bool, images: int, transformers: Any) -> None:
    model, given = rt_detr(transformers), batch(images)
    model.config.auxiliary_loss = auxiliary
    theirs, by_theirs = step(model, given)
    model.loss_function = loss_function("rt_detr")
    ours, by_ours = step(model, given)
    torch.testing.assert_close(ours.loss.detach(), theirs.loss.detach(), rtol=1e-5, atol=1e-6)
    for one, other in zip(by_ours, by_theirs, strict=True):
        assert (one is None) == (other is None) or not (other if one is None else one).any()
        if one is not None and other is not None:
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
    terms = sum(ours.loss_dict.values())
    torch.testing.assert_close(terms, ours.loss.detach(), rtol=1e-5, atol=1e-6)
    assert len(ours.auxiliary_outputs or []) >= (2 if auxiliary else 0)


@pytest.mark.slow
def test_rt_detr_trains_with_another_loss(transformers: Any) -> None:
    model, given = rt_detr(transformers), batch()
    theirs = step(model, given)[0].loss.item()
    model.loss_function = loss_function("rt_detr", giou="siou")
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    totals = []
    for _ in range(3):
        totals.append(step(model, given)[0].loss.item())
        optimizer.step()
    assert totals[0] != theirs and totals[2] < totals[1] < totals[0]
    with torch.no_grad():
        assert model.eval()(given["pixel_values"]).logits.shape == (3, 20, 3)


def outputs(classes: int, layers: int = 3, queries: int = 12) -> tuple[Tensor, Tensor]:
    made = torch.Generator().manual_seed(3)
    logits = torch.randn(layers, 3, queries, classes, generator=made).requires_grad_()
    boxes = (torch.rand(layers, 3, queries, 4, generator=made) * 0.4 + 0.3).requires_grad_()
    return logits, boxes


CONFIG: dict[str, Any] = {
    "auxiliary_loss": True,
    "num_labels": 3,
    "class_cost": 1,
    "bbox_cost": 5,
    "giou_cost": 2,
    "bbox_loss_coefficient": 5,
    "giou_loss_coefficient": 2,
    "class_loss_coefficient": 1,
    "eos_coefficient": 0.1,
    "focal_alpha": 0.25,
    "decoder_layers": 3,
    "group_detr": 1,
    "num_queries": 12,
}


@pytest.mark.parametrize(("name", "kind"), [("detr", "ForObjectDetection"), ("deformable_detr", "DeformableDetrForObjectDetection")])
def test_layers_before_images_are_its_own(name: str, kind: str, transformers: Any) -> None:
    mapping = pytest.importorskip("transformers.loss.loss_utils").LOSS_MAPPING
    logits, boxes = outputs(4 if name == "detr" else 3)
    given = (logits[-1], batch()["labels"], "cpu", boxes[-1], SimpleNamespace(**CONFIG), logits, boxes)
    theirs, _, _ = mapping[kind](*given)
    ours, terms, auxiliary = loss_function(name)(*given)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert set(terms) == {"loss_ce", "loss_bbox", "loss_giou"} and auxiliary is not None and len(auxiliary) == 2
    for one, other in zip(torch.autograd.grad(ours, [logits, boxes]), torch.autograd.grad(theirs, [logits, boxes]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("groups", [1, 3])
def test_groups_of_queries_are_matched_each(groups: int) -> None:
    logits, boxes = outputs(3)
    config = SimpleNamespace(**CONFIG | {"group_detr": groups, "num_queries": 12 // groups})
    given = (logits[-1], batch()["labels"], "cpu", boxes[-1], config, logits, boxes)
    total, terms, _ = loss_function("rf_detr")(*given, enc_outputs_class=logits[0], enc_outputs_coord=boxes[0])
    assert total.isfinite() and {"loss_decoder.ce", "loss_encoder.ce"} <= set(terms)
    if groups > 1:
        other = loss_function("rf_detr")(*given[:4], SimpleNamespace(**CONFIG), logits, boxes)[0]
        assert total != other


def test_groups_are_of_training_alone() -> None:
    logits, boxes = outputs(3)
    given = (logits[-1], batch()["labels"], "cpu", boxes[-1])
    # Twelve queries are one group of a model that trains with three of them.
    evaluated = loss_function("rf_detr")(*given, SimpleNamespace(**CONFIG | {"group_detr": 3}), logits, boxes)[0]
    alone = loss_function("rf_detr")(*given, SimpleNamespace(**CONFIG), logits, boxes)[0]
    torch.testing.assert_close(evaluated, alone, rtol=0.0, atol=0.0)


def test_a_loss_function_is_copied_and_pickled() -> None:
    ours = loss_function("rt_detr", giou="siou")
    for other in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert other.criterion.data == ours.criterion.data


def test_criteria_of_other_models_name_the_remedy() -> None:
    with pytest.raises(ValueError, match="give that of a DETR-like model"):
        loss_function("yolo8")
    with pytest.raises(ValueError, match="no criterion is called"):
        loss_function("rt_dter")


@pytest.mark.parametrize("is_layers_first", [True, False])
def test_as_many_layers_as_images_are_told_apart(is_layers_first: bool) -> None:
    logits, boxes = outputs(4)
    # The last layer alone is not bit for bit what it is among all.
    last = [(of[-1] * (1 + 1e-6)).detach() for of in (logits, boxes)]
    stacked = [of if is_layers_first else of.transpose(0, 1) for of in (logits, boxes)]
    labels, config = batch()["labels"], SimpleNamespace(**CONFIG)
    ours = loss_function("detr")(last[0], labels, "cpu", last[1], config, *stacked)
    with_more = [torch.cat([of[:1], of]) for of in (logits, boxes)]
    theirs = loss_function("detr")(last[0], labels, "cpu", last[1], config, *with_more)
    first = loss_function("detr")(logits[0], labels, "cpu", boxes[0], SimpleNamespace(**CONFIG | {"auxiliary_loss": False}))
    torch.testing.assert_close(ours[0], theirs[0] - first[0], rtol=1e-5, atol=1e-5)
