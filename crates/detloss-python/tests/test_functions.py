"""The functions beside the losses: numbers of classes, and D-FINE's places."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import detloss
from detloss import frequency, refinement

COUNTS = [1000, 100, 10, 1]
LOGITS = np.array([[1.5, -0.5, 0.25, 2.0]])


def test_class_balanced_weights():
    weights = frequency.class_balanced_weights(COUNTS)
    assert_allclose(weights, [0.0037827030, 0.0361773844, 0.3601509236, 3.5998889890], atol=1e-10)
    assert detloss.softmax_ce(LOGITS, [3], class_weight=weights) == pytest.approx(2.2386283898, abs=1e-9)
    assert_allclose(frequency.class_balanced_weights(COUNTS, beta=0.0), 1.0)


def test_logit_adjustment():
    adjusted = LOGITS + frequency.logit_adjustment(COUNTS)
    assert detloss.softmax_ce(adjusted, [3]) == pytest.approx(6.4256416573, abs=1e-9)
    assert_allclose(frequency.logit_adjustment([0.5, 0.5], tau=2.0), -2.0 * np.log(2.0))


def test_ldam_margins():
    one_hot = np.eye(4)[[2]]
    logits = 30.0 * (np.array([[0.3, -0.1, 0.05, 0.4]]) - frequency.ldam_margins(COUNTS) * one_hot)
    assert detloss.softmax_ce(logits, [2]) == pytest.approx(18.9837075265, abs=1e-9)


def test_an_alpha_per_class_is_that_of_torchvision():
    torch = pytest.importorskip("torch")
    ops = pytest.importorskip("torchvision.ops")
    import detloss.torch as losses

    generator = torch.Generator().manual_seed(5)
    alphas = torch.tensor([0.25, 0.5, 0.9, 0.0, 1.0], dtype=torch.float64)
    logits = torch.randn(40, 5, generator=generator, dtype=torch.float64).requires_grad_()
    for labels in (torch.rand(40, 5, generator=generator).round().double(), torch.rand(40, 5, generator=generator).double()):
        columns = [ops.sigmoid_focal_loss(logits[:, j], labels[:, j], alpha=alphas[j].item(), reduction="sum") for j in range(5)]
        expected = torch.stack(columns).sum()
        for backend in ("fused", "decomposed"):
            of_positives = losses.focal(logits, labels, alpha=1, class_weight=alphas, reduction="sum", backend=backend)
            of_negatives = losses.focal(logits, labels, alpha=0, class_weight=1 - alphas, reduction="sum", backend=backend)
            got = of_positives + of_negatives
            torch.testing.assert_close(got, expected)
            torch.testing.assert_close(torch.autograd.grad(got, logits), torch.autograd.grad(expected, logits, retain_graph=True))


@pytest.mark.parametrize(
    "function", [frequency.class_balanced_weights, frequency.logit_adjustment, frequency.ldam_margins], ids=lambda it: it.__name__
)
def test_a_class_that_never_occurs_is_an_error(function):
    with pytest.raises(ValueError, match="number 1 of the counts of the classes is 0: give a positive number"):
        function([3, 0])


def test_places():
    offsets = refinement.offsets()
    assert offsets.shape == (33,) and offsets[16] == 0.0
    assert_allclose(offsets[[0, 1, 17, 31, 32]], [-4.0, -2.0, 0.0759896247, 2.0, 4.0], atol=1e-10)
    assert_allclose(refinement.place([[0.1, -0.3], [5.0, -9.0]]), [[17.2936544352, 12.4267108116], [32.0, 0.0]], atol=1e-10)
    target, reference = [[0.42, 0.33, 0.57, 0.46]], [[0.4, 0.35, 0.6, 0.45]]
    assert_allclose(refinement.offsets_of_boxes(target, reference), [[-0.4, 0.8, -0.6, 0.4]], atol=1e-12)


def test_the_losses_of_dfine():
    student = np.array([[0.2, -0.4, 1.0, 0.6, 0.0, -1.0, 0.3, 0.8, -0.7]])
    teacher = np.array([[0.0, -0.5, 1.5, 0.4, 0.1, -1.0, 0.0, 1.0, 0.0]])
    place = refinement.place([-1.5], bins=8)
    fgl = detloss.distribution_focal(student, place, weight=[0.6], reduction="sum")
    assert fgl == pytest.approx(1.2679456635, abs=1e-9)
    weights = refinement.ddf_weights([0.7, 0.2, 0.2], [True, False, False])
    assert_allclose(weights, [0.7 / (1 + 2**0.5), *2 * [0.1 * 2**0.5 / (1 + 2**0.5)]])
    alone = refinement.ddf_weights([0.7], [True])
    ddf = detloss.softmax_kl(student, teacher, temperature=5.0, weight=alone, reduction="sum")
    assert ddf == pytest.approx(0.0360291755, abs=1e-9)


def test_what_does_not_fit_is_an_error():
    with pytest.raises(ValueError, match="an even number from 2 on"):
        refinement.offsets(bins=7)
    with pytest.raises(ValueError, match=r"give \(\.\.\., 4\)"):
        refinement.offsets_of_boxes([[0.0] * 4], [0.0] * 4)
    with pytest.raises(ValueError, match=r"give booleans of shape \(2,\)"):
        refinement.ddf_weights([0.5, 0.5], [1, 0])
    with pytest.raises(ValueError, match="number 1 of the confidence is -1: give a number from 0 on"):
        refinement.ddf_weights([0.5, -1.0], [True, False])
