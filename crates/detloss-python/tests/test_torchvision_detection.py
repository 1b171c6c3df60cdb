"""Losses in torchvision's detectors: its own numbers where the losses are its own, others where they are not."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

detection = pytest.importorskip("torchvision.models.detection", reason="torchvision is not installed")
from detloss.compat.torchvision.detection import replace_losses, restore_losses  # noqa: E402

SIDE = 64


class Backbone(nn.Module):
    """Three levels of a few channels."""

    out_channels = 32

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList([nn.Conv2d(3, 32, 8, 8), nn.Conv2d(32, 32, 2, 2), nn.Conv2d(32, 32, 2, 2)])

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        levels = OrderedDict()
        for place, step in enumerate(self.steps):
            levels[str(place)] = x = step(x).tanh()
        return levels


def anchors(*ratios: float) -> Any:
    of_level = pytest.importorskip("torchvision.models.detection.anchor_utils").AnchorGenerator
    return of_level(((8,), (16,), (32,)), (ratios,) * 3)


SIZES: dict[str, Any] = {"min_size": SIDE, "max_size": SIDE}


def retinanet() -> nn.Module:
    model: nn.Module = detection.RetinaNet(Backbone(), 3, anchor_generator=anchors(0.5, 1.0, 2.0), **SIZES)
    return model


def fcos() -> nn.Module:
    model: nn.Module = detection.FCOS(Backbone(), 3, anchor_generator=anchors(1.0), **SIZES)
    return model


def ssd() -> nn.Module:
    boxes = pytest.importorskip("torchvision.models.detection.anchor_utils").DefaultBoxGenerator([[2], [2], [2]])
    head = pytest.importorskip("torchvision.models.detection.ssd").SSDHead([32] * 3, boxes.num_anchors_per_location(), 4)
    model: nn.Module = detection.ssd.SSD(Backbone(), boxes, (SIDE, SIDE), 4, head=head)
    return model


def faster_rcnn() -> nn.Module:
    pool = pytest.importorskip("torchvision.ops").MultiScaleRoIAlign(["0", "1", "2"], 3, 2)
    model: nn.Module = detection.FasterRCNN(
        Backbone(), 4, rpn_anchor_generator=anchors(0.5, 1.0, 2.0), box_roi_pool=pool, rpn_post_nms_top_n_train=60, **SIZES
    )
    predictor = pytest.importorskip("torchvision.models.detection.faster_rcnn")
    model.roi_heads.box_head = predictor.TwoMLPHead(32 * 9, 32)  # type: ignore[union-attr]
    model.roi_heads.box_predictor = predictor.FastRCNNPredictor(32, 4)  # type: ignore[union-attr]
    return model


MODELS = pytest.mark.parametrize("build", [retinanet, fcos, ssd, faster_rcnn])


def batch() -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    made = torch.Generator().manual_seed(0)
    images = [torch.rand(3, SIDE, SIDE, generator=made) for _ in range(3)]
    targets = []
    for count in (3, 0, 2):
        corner, size = 30 * torch.rand(count, 2, generator=made), 10 + 20 * torch.rand(count, 2, generator=made)
        targets.append({"boxes": torch.cat([corner, corner + size], 1), "labels": torch.randint(1, 3, (count,), generator=made)})
    return images, targets


def built(build: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return build()


def step(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, Tensor | None]]:
    """The terms of a batch, and the gradients of their sum by all weights."""
    model.zero_grad()
    torch.manual_seed(1)  # Samples are drawn.
    losses = model.train()(*batch())
    torch.stack(list(losses.values())).sum().backward()
    return {name: loss.detach() for name, loss in losses.items()}, {name: weight.grad for name, weight in model.named_parameters()}


@MODELS
def test_its_own_losses_give_its_numbers(build: Callable[[], nn.Module]) -> None:
    model = built(build)
    theirs, by_theirs = copy.deepcopy(step(model))
    weights = list(model.state_dict())
    assert replace_losses(model) is model
    ours, by_ours = step(model)
    assert list(ours) == list(theirs) and list(model.state_dict()) == weights
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-5, atol=1e-6)
    for name, grad in by_theirs.items():
        torch.testing.assert_close(by_ours[name], grad, rtol=1e-4, atol=1e-6)
    restored = restore_losses(model)
    assert not any(type(part).__module__.startswith("detloss") or hasattr(part, "detloss") for part in restored.modules())
    torch.testing.assert_close(step(restored)[0], theirs, rtol=0.0, atol=0.0)


@pytest.mark.slow
@MODELS
def test_other_losses_train(build: Callable[[], nn.Module]) -> None:
    model = built(build)
    theirs, _ = step(model)
    is_rows = build in (ssd, faster_rcnn)
    settings = {"box": "inner(siou, ratio=0.8)", "cls": "softmax_focal" if is_rows else "focal(gamma=1.5)"}
    if build is faster_rcnn:
        settings |= {"rpn_box": "giou", "rpn_cls": "focal(alpha=-1)"}
    replace_losses(model, **settings)
    ours, _ = step(model)
    assert all(ours[name] != theirs[name] for name in ours if name != "bbox_ctrness")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    totals = []
    for _ in range(12):
        terms, _ = step(model)
        totals.append(sum(term.item() for term in terms.values()))
        optimizer.step()
    assert totals[-1] < 0.95 * totals[0], totals
    with torch.no_grad():
        assert len(model.eval()(batch()[0])) == 3


@MODELS
def test_replaced_models_are_copied_and_pickled(build: Callable[[], nn.Module]) -> None:
    model = replace_losses(built(build), box="giou")
    losses, _ = step(model)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other is not model
        torch.testing.assert_close(step(other)[0], losses, rtol=0.0, atol=0.0)
    once_more = replace_losses(model, box="diou")
    assert any(step(once_more)[0][name] != losses[name] for name in losses)


@MODELS
def test_terms_have_gradients_of_their_own(build: Callable[[], nn.Module]) -> None:
    model = replace_losses(built(build), box="giou")
    model.train()
    of_classes = [weight for name, weight in model.named_parameters() if "cls" in name or "classification" in name]
    losses = model(*batch())
    box = next(losses[name] for name in ("bbox_regression", "loss_box_reg") if name in losses)
    grads = torch.autograd.grad(box, of_classes, allow_unused=True)
    assert box.requires_grad and all(grad is None or not grad.any() for grad in grads)


@pytest.mark.parametrize(
    ("build", "settings", "message"),
    [
        (retinanet, {"cls": "softmax_ce"}, "give a loss of scores"),
        (retinanet, {"box": "focal"}, "give a loss of two"),
        (retinanet, {"rpn_box": "giou"}, "rpn_box and rpn_cls are for region proposals, which RetinaNet has not"),
        (ssd, {"cls": "focal"}, "give a loss of rows of logits"),
        (faster_rcnn, {"cls": "focal"}, "cls is 'focal': give a loss of rows of logits"),
        (faster_rcnn, {"rpn_cls": "softmax_ce"}, "rpn_cls is 'softmax_ce': give a loss of scores"),
        (faster_rcnn, {"box": "wiou_v3"}, "box is 'wiou_v3': give a loss of two boxes"),
    ],
)
def test_what_does_not_fit_names_the_remedy(build: Callable[[], nn.Module], settings: dict[str, str], message: str) -> None:
    model = built(build)
    with pytest.raises(ValueError, match=message):
        replace_losses(model, **settings)
    assert not any(type(part).__module__.startswith("detloss") for part in model.modules())


@pytest.mark.parametrize("build", [retinanet, ssd])
def test_settings_of_the_model_count(build: Callable[[], nn.Module]) -> None:
    model = built(build)
    weights = (3.0, 5.0, 2.0, 0.5)
    if build is ssd:
        model.neg_to_pos_ratio = 1  # type: ignore[assignment]
        model.box_coder.weights = weights  # type: ignore[union-attr]
    else:
        model.head.regression_head.box_coder.weights = weights  # type: ignore[union-attr]
    theirs, _ = step(model)
    torch.testing.assert_close(step(replace_losses(model))[0], theirs, rtol=1e-5, atol=1e-6)
    assert any(theirs[name] != value for name, value in step(built(build))[0].items())


def test_anchors_of_fcos_that_are_no_squares_name_the_remedy() -> None:
    model: nn.Module = detection.FCOS(Backbone(), 3, anchor_generator=anchors(0.5), **SIZES)
    with pytest.raises(ValueError, match="give its anchor generator an aspect ratio of 1"):
        replace_losses(model).train()(*batch())


@MODELS
def test_a_refused_loss_changes_nothing(build: Callable[[], nn.Module]) -> None:
    model = replace_losses(built(build), box="giou")
    losses, _ = step(model)
    with pytest.raises(ValueError, match="no loss is called"):
        replace_losses(model, box="gioe")
    torch.testing.assert_close(step(model)[0], losses, rtol=0.0, atol=0.0)


def test_other_models_are_an_error() -> None:
    with pytest.raises(TypeError, match="Linear has no losses to replace"):
        replace_losses(nn.Linear(2, 2))
