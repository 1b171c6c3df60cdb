"""The drop-ins for MMDetection's losses of whole batches, and for those that know their head."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from detloss.compat import mmdet
from mmdet_cases import CLASSES, LABELS, LOGITS, OBJECTS, PER_ROW, PER_SCORE, ROWS, WITH_BACKGROUND, entropy, one_hot, softmax_ce
from mmdet_itself import theirs as theirs_of
from openmmlab import F64, assert_close, integers, normal, value_and_grad


def harmonized(values: Tensor, norms: Tensor, counts: Tensor, densities: list[float], momentum: float) -> Tensor:
    """A bin at a time: its values share one over the number of bins that have any."""
    total, used, bins = torch.zeros((), dtype=F64), 0, len(densities)
    for place in range(bins):
        chosen = counts & ((norms * bins).floor().clamp(max=bins - 1) == place)
        if chosen.any():
            used += 1
            densities[place] = momentum * densities[place] + (1 - momentum) * chosen.sum().item()
            total = total + values[chosen].sum() / densities[place]
    return total / used


@pytest.mark.parametrize("momentum", [0.0, 0.75])
@pytest.mark.parametrize("bins", [10, 30])
def test_harmonized(momentum: float, bins: int) -> None:
    scores = mmdet.GHMC(bins=bins, momentum=momentum, loss_weight=2.0)
    values = mmdet.GHMR(mu=0.1, bins=bins, momentum=momentum)
    memory, memory_of_values = [0.0] * bins, [0.0] * bins
    for step in range(3):
        logits, labels, counts = normal(ROWS, CLASSES, seed=step), LABELS.round(), PER_SCORE > 0.3

        def of_scores(x: Tensor) -> Tensor:
            norms = (x.sigmoid() - labels).abs().detach()
            return 2.0 * harmonized(entropy(x, labels), norms, counts, memory, momentum)

        def of_values(x: Tensor) -> Tensor:
            length = ((x - LABELS) ** 2 + 0.01).sqrt()
            norms = ((x - LABELS).abs() / length).detach()
            return harmonized(length - 0.1, norms, counts, memory_of_values, momentum)

        found = value_and_grad(lambda x: scores(x, labels, counts.double(), avg_factor=7.0), logits)
        assert_close(found, value_and_grad(of_scores, logits), 1e-12)
        found = value_and_grad(lambda x: values(x, LABELS, PER_SCORE * counts), logits)
        assert_close(found, value_and_grad(of_values, logits), 1e-10)


def test_harmonized_classes() -> None:
    loss, weight = mmdet.GHMC(), (PER_ROW > 0.3).double()
    classes = torch.where(WITH_BACKGROUND == 2, -1, WITH_BACKGROUND)
    wide = weight[:, None].expand(ROWS, CLASSES)
    torch.testing.assert_close(loss(LOGITS, classes, weight), loss(LOGITS, one_hot(classes), wide))


@pytest.mark.parametrize(
    "call, divisor",
    [
        ({}, None),
        ({"avg_factor": 9.0}, 9.0),
        ({"avg_factor": torch.tensor(9.0)}, 9.0),
        ({"reduction_override": "sum"}, 1.0),
        ({"label_weights": (PER_ROW > 0.3).double()}, None),
    ],
    ids=str,
)
def test_seesaw(call: dict[str, Any], divisor: float | None) -> None:
    loss = mmdet.SeesawLoss(num_classes=CLASSES, p=0.7, q=1.5, loss_weight=2.0)
    samples = torch.zeros(CLASSES, dtype=F64)
    weight = call.get("label_weights", torch.ones(ROWS, dtype=F64))
    for step in range(3):
        logits, classes = normal(ROWS, CLASSES + 2, seed=50 + step), integers(CLASSES + 1, ROWS, seed=60 + step)
        counted = (classes < CLASSES) & (weight > 0)
        for one in classes[counted].tolist():
            samples[one] += 1

        def of_classes(x: Tensor) -> Tensor:
            total: Tensor = torch.zeros((), dtype=F64)
            for row in counted.nonzero()[:, 0].tolist():
                own, q = int(classes[row]), x[row, :CLASSES].softmax(-1).detach()
                rarer = (samples.clamp(min=1) / samples[own].clamp(min=1)).clamp(max=1) ** 0.7
                preferred = (q / q[own].clamp(min=0.01)).clamp(min=1) ** 1.5
                powers = rarer * preferred * x[row, :CLASSES].exp()
                others = powers.sum() - powers[own]
                total = total - (x[row, own].exp() / (others + x[row, own].exp())).log()
            return 2.0 * total / (divisor or (classes < CLASSES).sum())

        def of_objects(x: Tensor) -> Tensor:
            surprise = softmax_ce(x[:, CLASSES:], (classes == CLASSES).long()) * weight
            total: Tensor = 2.0 * surprise.sum() / (divisor or ROWS)
            return total

        state = {name: tensor.clone() for name, tensor in loss.state_dict().items()}
        for key, formula in (("loss_cls_classes", of_classes), ("loss_cls_objectness", of_objects)):
            loss.load_state_dict(state)
            found = value_and_grad(lambda x: loss(x, classes, **call)[key], logits)
            assert_close(found, value_and_grad(formula, logits), 1e-10)


def test_seesaw_as_one_number() -> None:
    logits = normal(ROWS, CLASSES + 2, seed=50)
    plain = mmdet.SeesawLoss(num_classes=CLASSES, return_dict=False)
    both = mmdet.SeesawLoss(num_classes=CLASSES)(logits, WITH_BACKGROUND)
    torch.testing.assert_close(plain(logits, WITH_BACKGROUND), both["loss_cls_classes"] + both["loss_cls_objectness"])


def test_seesaw_in_a_head() -> None:
    loss = mmdet.SeesawLoss(num_classes=2)
    assert loss.get_cls_channels(2) == 4
    scores = torch.tensor([[0.0, 9.0, 9.0, 0.0], [0.0, 9.0, 0.0, 9.0]])
    shares = loss.get_activation(scores)
    torch.testing.assert_close(shares.sum(-1), torch.ones(2))
    assert shares.argmax(-1).tolist() == [1, 2]
    accuracy = loss.get_accuracy(scores, torch.tensor([0, 2]))
    assert accuracy["acc_objectness"].item() == 100.0 and accuracy["acc_classes"].item() == 0.0
    assert loss.get_accuracy(scores, torch.tensor([2, 2]))["acc_classes"].item() == 0.0


def test_balanced_by_gradients() -> None:
    loss = mmdet.EQLV2Loss(num_classes=CLASSES - 1, gamma=5, mu=0.6, alpha=2.0, loss_weight=2.0)
    pulled, pushed, weight = torch.zeros(CLASSES), torch.zeros(CLASSES), (PER_ROW > 0.3).double()
    for step in range(3):
        logits, classes = normal(ROWS, CLASSES, seed=50 + step), integers(CLASSES, ROWS, seed=60 + step)
        of_negatives = 1 / (1 + torch.exp(-5 * (pulled / pushed - 0.6))) if step else torch.ones(CLASSES)
        of_negatives[-1] = 1.0
        label = one_hot(classes)
        factors = torch.where(label == 1, 1 + 2 * (1 - of_negatives), of_negatives) * weight[:, None]
        slopes = factors * (logits.sigmoid() - label).abs()
        pulled, pushed = pulled + (slopes * label).sum(0), pushed + (slopes * (1 - label)).sum(0)

        def formula(x: Tensor) -> Tensor:
            return 2.0 * (factors * entropy(x, label)).sum() / weight.sum()

        before = {name: tensor.clone() for name, tensor in loss.state_dict().items()}
        found = value_and_grad(lambda x: loss(x, classes, weight, avg_factor=7.0), logits)
        assert_close(found, value_and_grad(formula, logits), 1e-9)
        # In evaluation nothing is learned.
        again = mmdet.EQLV2Loss(num_classes=CLASSES - 1, gamma=5, mu=0.6, alpha=2.0, loss_weight=2.0, use_distributed=True).eval()
        again.load_state_dict(before)
        for _ in range(2):
            torch.testing.assert_close(again(logits, classes, weight), found[0])


def test_balanced_by_gradients_against_mmdetection() -> None:
    theirs = theirs_of("mmdet.models.losses").EQLV2Loss(num_classes=CLASSES - 1).double()
    loss = mmdet.EQLV2Loss(num_classes=CLASSES - 1)
    for step in range(3):
        logits, classes = normal(ROWS, CLASSES, seed=50 + step), integers(CLASSES, ROWS, seed=60 + step)
        found = value_and_grad(lambda x: loss(x, classes), logits)
        assert_close(found, value_and_grad(lambda x: theirs(x, classes), logits), 1e-9)
    torch.testing.assert_close(loss.get_activation(LOGITS), theirs.get_activation(LOGITS))


HEADS: list[tuple[str, dict[str, Any], int]] = [
    ("CrossEntropyCustomLoss", {}, CLASSES),
    ("CrossEntropyCustomLoss", {"use_sigmoid": True}, CLASSES - 1),
    ("FocalCustomLoss", {}, CLASSES - 1),
    ("EQLV2Loss", {}, CLASSES),
]


@pytest.mark.parametrize(("name", "arguments", "columns"), HEADS)
def test_in_a_head(name: str, arguments: dict[str, Any], columns: int) -> None:
    loss = getattr(mmdet, name)(num_classes=CLASSES - 1, **arguments)
    assert loss.custom_cls_channels and loss.custom_activation and loss.custom_accuracy
    assert loss.get_cls_channels(CLASSES - 1) == columns
    with pytest.raises(ValueError, match="classes"):
        loss.get_cls_channels(CLASSES)
    scores, labels = LOGITS[:, :columns], torch.where(PER_ROW > 0.5, LOGITS[:, :-1].argmax(-1), CLASSES - 1)
    labels[:4] = (LOGITS[:4, :-1].argmax(-1) + 1) % (CLASSES - 1)
    (right,) = loss.get_accuracy(scores, labels).values()
    assert right.item() == pytest.approx(100 - 400 / (labels < CLASSES - 1).sum().item())
    shares = loss.get_activation(scores)
    chosen = scores[:, :-1] if columns == CLASSES else scores
    if name == "EQLV2Loss":
        torch.testing.assert_close(shares[:, :-1], chosen.sigmoid() * (1 - scores[:, -1:].sigmoid()))
    elif columns == CLASSES:
        torch.testing.assert_close(shares, scores.softmax(-1))
    else:
        torch.testing.assert_close(shares[:, : CLASSES - 1], chosen.sigmoid())
        assert shares.shape[1] == (CLASSES if name == "CrossEntropyCustomLoss" else CLASSES - 1) and (shares >= 0).all()


@pytest.mark.parametrize(("name", "arguments", "columns"), HEADS[:3])
def test_a_head_is_told_the_same_as_in_mmdetection(name: str, arguments: dict[str, Any], columns: int) -> None:
    theirs = theirs_of("mmdet.models.losses")
    loss, other = (getattr(of, name)(num_classes=CLASSES - 1, **arguments) for of in (mmdet, theirs))
    scores = LOGITS[:, :columns]
    assert loss.get_cls_channels(CLASSES - 1) == other.get_cls_channels(CLASSES - 1)
    torch.testing.assert_close(loss.get_activation(scores), other.get_activation(scores))
    torch.testing.assert_close(loss.get_accuracy(scores, OBJECTS), other.get_accuracy(scores, OBJECTS), check_dtype=False)
