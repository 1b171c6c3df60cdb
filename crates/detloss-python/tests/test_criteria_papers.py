"""Criteria that have no package to compare them with, beside a second writing of their papers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from queries import GROUPS, LAYERS, PLACES, QUERIES, SEEDS, Layers, Refined, Scene, counts_of, hold
from torch import Tensor
from torch.nn import functional

from detloss import criteria
from detloss.torch import criteria as modules


def corners(of: Tensor) -> Tensor:
    return torch.cat([of[..., :2] - of[..., 2:] / 2, of[..., :2] + of[..., 2:] / 2], -1)


def overlaps(one: Tensor, two: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU of boxes by centres, one with one."""
    a, b = corners(one), corners(two)
    meet = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    union = one[..., 2:].prod(-1) + two[..., 2:].prod(-1) - meet
    return meet / union, meet / union - 1 + union / hull


Pairs = list[tuple[Tensor, Tensor]]
Classes = Callable[[Tensor, Tensor, Tensor], Tensor]


def focal(logits: Tensor, label: Tensor, _: Tensor) -> Tensor:
    p = logits.sigmoid()
    positive, negative = -functional.logsigmoid(logits), -functional.logsigmoid(-logits)
    return label * 0.25 * (1 - p) ** 2 * positive + (1 - label) * 0.75 * p**2 * negative


def varifocal(logits: Tensor, label: Tensor, quality: Tensor) -> Tensor:
    weight = quality * label + 0.75 * logits.detach().sigmoid() ** 2 * (1 - label)
    return weight * functional.binary_cross_entropy_with_logits(logits, quality * label, reduction="none")


def matchability(logits: Tensor, label: Tensor, quality: Tensor) -> Tensor:
    weight = label + logits.detach().sigmoid() ** 1.5 * (1 - label)
    return weight * functional.binary_cross_entropy_with_logits(logits, quality**1.5 * label, reduction="none")


class Rewritten:
    """The losses of detectors with a set of queries, written once more from their papers."""

    def __init__(self, scene: Scene, name: str, classes: Classes) -> None:
        self.scene, self.name, self.classes_of = scene, name, classes
        self.sums: dict[str, Tensor] = {}
        self.count = max(sum(scene.counts), 1)

    def add(self, head: str, term: str, value: Tensor) -> None:
        key = f"{head}.{term}"
        self.sums[key] = self.sums.get(key, torch.zeros((), dtype=torch.float64)) + value

    def matched(self, logits: Tensor, of: Tensor) -> Pairs:
        """By the least sum of costs."""
        solve = pytest.importorskip("scipy.optimize").linear_sum_assignment
        pairs = []
        for image, (truths, labels) in enumerate(zip(self.scene.truths, self.scene.labels, strict=True)):
            x, b = logits[image].detach(), of[image].detach()
            cost = 2 * (focal(x, torch.ones_like(x), x) - focal(x, torch.zeros_like(x), x))[:, labels]
            cost = cost + 5 * (b[:, None] - truths).abs().sum(-1) - 2 * overlaps(b[:, None], truths)[1]
            queries, found = solve(cost.numpy())
            pairs.append((torch.as_tensor(queries), torch.as_tensor(found)))
        return pairs

    def united(self, layers: list[Pairs]) -> Pairs:
        """For each query the truth that most layers give it."""
        result = []
        for image in range(len(self.scene.counts)):
            votes: dict[int, list[int]] = {}
            for pairs in layers:
                for query, truth in zip(*pairs[image], strict=True):
                    votes.setdefault(int(query), []).append(int(truth))
            chosen = {query: min(of, key=lambda truth: (-of.count(truth), truth)) for query, of in sorted(votes.items())}
            result.append((torch.tensor(list(chosen), dtype=torch.long), torch.tensor(list(chosen.values()), dtype=torch.long)))
        return result

    def given(self) -> Pairs:
        of_image = (torch.nonzero(pairs >= 0)[:, 0] for pairs in self.scene.pairs)
        return [(queries, pairs[queries]) for queries, pairs in zip(of_image, self.scene.pairs, strict=True)]

    def classes(self, head: str, logits: Tensor, of: Tensor, pairs: Pairs, count: int) -> None:
        for image, (queries, truths) in enumerate(pairs):
            label, quality = torch.zeros_like(logits[image]), torch.zeros(logits.shape[1], 1, dtype=torch.float64)
            label[queries, self.scene.labels[image][truths]] = 1
            quality[queries, 0] = overlaps(of[image][queries], self.scene.truths[image][truths])[0].detach()
            self.add(head, self.name, self.classes_of(logits[image], label, quality).sum() / count)

    def boxes(self, head: str, of: Tensor, pairs: Pairs, count: int) -> None:
        for image, (queries, truths) in enumerate(pairs):
            mine, theirs = of[image][queries], self.scene.truths[image][truths]
            self.add(head, "bbox", 5 * (mine - theirs).abs().sum() / count)
            self.add(head, "giou", 2 * (1 - overlaps(mine, theirs)[1]).sum() / count)

    def localization(self, head: str, distributions: Tensor, references: Tensor, of: Tensor, pairs: Pairs, count: int) -> None:
        """Cross entropy of the two places around each side of the truth, seen from the reference."""
        half = torch.tensor(3.0) ** (2 * torch.arange(PLACES // 2) / (PLACES - 3)) - 1
        end = torch.tensor([4.0])
        places = torch.cat([-end, -half.flip(0), half[1:], end])
        for image, (queries, truths) in enumerate(pairs):
            truth, reference = self.scene.truths[image][truths], references[image][queries]
            away = (corners(truth) - reference[:, :2].repeat(1, 2)) * torch.tensor([-1, -1, 1, 1])
            target = (away / (reference[:, 2:].repeat(1, 2) / 4) - 2).flatten()
            left = (torch.searchsorted(places, target.contiguous(), right=True) - 1).clamp(0, PLACES - 2)
            share = ((target - places[left]) / (places[left + 1] - places[left])).clamp(0, 1)
            logs = distributions[image][queries].reshape(-1, PLACES).log_softmax(-1)
            rows = torch.arange(len(left))
            loss = -(1 - share) * logs[rows, left] - share * logs[rows, left + 1]
            quality = overlaps(of[image][queries], truth)[0].detach()
            self.add(head, "fgl", 0.15 * (loss * quality.repeat_interleave(4)).sum() / count)

    def distillation(self, head: str, layer: int, layers: Layers, distributions: Tensor, pairs: Pairs, numbers: tuple[int, int]) -> None:
        """Divergence from the last layer at temperature 5: the mean of what is matched, and that of the rest."""
        student, teacher = (of.reshape(*of.shape[:2], 4, PLACES) / 5 for of in (distributions[layer], distributions[-1].detach()))
        apart = 25 * (teacher.softmax(-1) * (teacher.log_softmax(-1) - student.log_softmax(-1))).sum(-1)
        weight = layers.logits[-1].detach().sigmoid().amax(-1)
        mask = torch.zeros(weight.shape, dtype=torch.bool)
        for image, (queries, truths) in enumerate(pairs):
            mask[image, queries] = True
            weight[image, queries] = overlaps(layers.boxes[layer, image][queries], self.scene.truths[image][truths])[0].detach()
        parts = [(apart * weight[..., None])[of] for of in (mask, ~mask)]
        means = [part.mean() if part.numel() else torch.zeros(()) for part in parts]
        roots = [number**0.5 for number in numbers]
        self.add(head, "ddf", 1.5 * (means[0] * roots[0] + means[1] * roots[1]) / (roots[0] + roots[1]))


@SEEDS
@pytest.mark.usefixtures("double")
def test_dino_is_what_its_paper_says(seed: int) -> None:
    scene = Scene(counts_of(seed, 7, 3), seed)
    mine = Rewritten(scene, "ce", focal)
    for head, layers in (("decoder", scene.decoder), ("encoder", scene.encoder), ("denoising", scene.denoising)):
        count = mine.count * (GROUPS if head == "denoising" else 1)
        for logits, of in zip(layers.logits, layers.boxes, strict=True):
            pairs = mine.given() if head == "denoising" else mine.matched(logits, of)
            mine.classes(head, logits, of, pairs, count)
            mine.boxes(head, of, pairs, count)
    outputs = [*scene.decoder.outputs(), *scene.encoder.outputs("encoder"), *scene.noisy()]
    hold("dino", scene, outputs, mine.sums, [*scene.decoder.leaves, *scene.encoder.leaves, *scene.denoising.leaves])


@SEEDS
@pytest.mark.parametrize(
    ("name", "term", "classes"), [("d_fine", "vfl", varifocal), ("deim", "mal", matchability), ("deim2", "mal", matchability)]
)
@pytest.mark.usefixtures("double")
def test_d_fine_and_deim_are_what_their_papers_say(name: str, term: str, classes: Classes, seed: int) -> None:
    scene = Refined(counts_of(seed, 7, 3), seed)
    mine = Rewritten(scene, term, classes)
    ordinary = [("decoder", scene.decoder), ("pre", scene.pre), ("encoder", scene.encoder)]
    layers = [(head, *layer) for head, of in ordinary for layer in zip(of.logits, of.boxes, strict=True)]
    own = [mine.matched(logits, of) for _, logits, of in layers]
    union = mine.united(own)
    # They are not those of any layer, and some queries share a truth.
    assert not any(scene.counts) or all(any(len(a[0]) != len(b[0]) for a, b in zip(union, pairs, strict=True)) for pairs in own)
    positives = sum(len(queries) for queries, _ in union)
    count = max(positives, 1)
    for (head, logits, of), pairs in zip(layers, own, strict=True):
        mine.classes(head, logits, of, pairs, mine.count)
        mine.boxes(head, of, union, count)
    given, noisy = mine.given(), mine.count * GROUPS
    for head, of_head in (("denoising", scene.denoising), ("denoising_pre", scene.noisy_pre)):
        for logits, of in zip(of_head.logits, of_head.boxes, strict=True):
            mine.classes(head, logits, of, given, noisy)
            mine.boxes(head, of, given, noisy)
    numbers = (positives, len(scene.counts) * QUERIES - positives)
    for layer, distributions in enumerate(scene.distributions):
        mine.localization("decoder", distributions, scene.references, scene.decoder.boxes[layer], union, count)
        mine.distillation("decoder", layer, scene.decoder, scene.distributions, union, numbers)
    for layer, distributions in enumerate(scene.noisy_distributions):
        mine.localization("denoising", distributions, scene.noisy_references, scene.denoising.boxes[layer], given, noisy)
        mine.distillation("denoising", layer, scene.denoising, scene.noisy_distributions, given, numbers)
    before = scene.noisy_pre.outputs("denoising_pre", pairs=scene.pairs, groups=GROUPS)
    outputs = [*scene.refined(), *scene.pre.outputs("pre"), *scene.encoder.outputs("encoder"), *before]
    hold(name, scene, outputs, mine.sums, [*scene.leaves, *scene.pre.leaves, *scene.noisy_pre.leaves])


def test_arrays_and_tensors_have_the_same_gradient_by_distributions() -> None:
    scene = Refined([2, 5], 0)
    outputs = scene.refined()
    modules.get_criterion("d_fine")(outputs, scene.truths, scene.labels).total.backward()
    arrays = [
        one.replaced(**{name: of.detach().numpy() for name, of in vars(one).items() if isinstance(of, Tensor)})
        for one in outputs
    ]
    of_images = [[of.numpy() for of in images] for images in (scene.truths, scene.labels)]
    ours = criteria.get_criterion("d_fine")(arrays, *of_images)
    np.testing.assert_array_equal(np.stack([grad.distribution for grad in ours.grads[:LAYERS]]), scene.distributions.grad)
    assert ours.grads[0].references is None


def test_distributions_of_a_wrong_shape_name_the_remedy() -> None:
    outputs = Refined([2, 5], 0).refined()[0]
    criterion = modules.get_criterion("deim")
    with pytest.raises(ValueError, match=r"the references have shape .*: give \(images, predictions, numbers\)"):
        criterion(outputs.replaced(references=outputs.references[0]), *two_images())
    for wrong in (outputs.replaced(distribution=None), outputs.replaced(references=None)):
        with pytest.raises(ValueError, match="needs distributions with their references: give them"):
            criterion(wrong, *two_images())


def two_images() -> tuple[list[Tensor], list[Tensor]]:
    return [torch.full((1, 4), 0.5, dtype=torch.float64)] * 2, [torch.zeros(1, dtype=torch.long)] * 2
