"""Outputs of detectors with a set of queries, and how their criteria are held to another's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from detloss.torch import criteria as modules
from detloss.torch.criteria import Outputs

# The first has an image without truths, the last has none at all. In the last but one no prediction meets a truth.
SEEDS = pytest.mark.parametrize("seed", range(4))
APART, EMPTY = 2, 3
CLASSES, QUERIES, LAYERS, GROUPS, PLACES = 5, 26, 3, 2, 17




def counts_of(seed: int, *others: int) -> list[int]:
    return [0 if seed == EMPTY else count for count in (seed, *others)]


class Layers:
    """Logits and boxes of some layers, of shape (layers, images, queries, …), in double precision."""

    def __init__(
        self, layers: int, images: int, queries: int, random: torch.Generator, classes: int = CLASSES, apart: bool = False
    ) -> None:
        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=random, dtype=torch.float64)

        self.logits = (normal(layers, images, queries, classes) * 2 - 1).requires_grad_()
        of = boxes(torch.rand(layers, images, queries, 4, generator=random, dtype=torch.float64))
        if apart:
            # Where no truth is.
            of = of * NARROW + torch.tensor([0.7, 0, 0, 0])
        self.boxes = of.requires_grad_()

    @property
    def leaves(self) -> list[Tensor]:
        return [self.logits, self.boxes]

    def outputs(self, head: str | None = None, **more: Any) -> list[Outputs]:
        pairs = zip(self.logits, self.boxes, strict=True)
        return [Outputs(logits, of, head=head, **more) for logits, of in pairs]


NARROW = torch.tensor([0.3, 1.0, 0.3, 1.0], dtype=torch.float64)


def boxes(numbers: Tensor) -> Tensor:
    """Centres and sides, in the image: from small, which few others meet, to half of it."""
    size = 0.04 + numbers[..., 2:] ** 2 * 0.5
    return torch.cat([size / 2 + numbers[..., :2] * (1 - size), size], -1)


class Scene:
    """Layers of a decoder, an encoder's proposals, and queries for denoising with their pairs."""

    def __init__(self, counts: list[int], seed: int, classes: int = CLASSES) -> None:
        random = torch.Generator().manual_seed(seed)
        images, apart = len(counts), seed == APART
        self.counts = counts
        self.truths = [boxes(torch.rand(count, 4, generator=random, dtype=torch.float64)) for count in counts]
        if apart:
            self.truths = [truths * NARROW for truths in self.truths]
        self.labels = [torch.randint(0, CLASSES, (count,), generator=random) for count in counts]
        self.decoder = Layers(LAYERS, images, QUERIES, random, classes, apart)
        self.encoder = Layers(1, images, QUERIES, random, classes, apart)
        # For each group, as many positives as the fullest image has truths, and as many negatives. Without truths there are none.
        most = 2 * max(counts)
        self.denoising = Layers(LAYERS if most else 0, images, most * GROUPS, random, classes, apart)
        self.positives = [torch.cat([torch.arange(count) + most * group for group in range(GROUPS)]) for count in counts]
        self.pairs = torch.full((images, most * GROUPS), -1)
        for pairs, positives, count in zip(self.pairs, self.positives, counts, strict=True):
            pairs[positives] = torch.arange(count).repeat(GROUPS)

    @property
    def targets(self) -> list[dict[str, Tensor]]:
        return [{"boxes": truths, "class_labels": labels} for truths, labels in zip(self.truths, self.labels, strict=True)]

    def noisy(self) -> list[Outputs]:
        return self.denoising.outputs("denoising", pairs=self.pairs, groups=GROUPS)


def hold(
    name: str,
    scene: Scene,
    outputs: list[Outputs],
    theirs: dict[str, Tensor],
    leaves: list[Tensor],
    **settings: Any,
) -> None:
    """Our terms are theirs, all others are 0, and gradients of the totals by the leaves are equal."""
    ours = modules.get_criterion(name, **settings)(outputs, scene.truths, scene.labels)
    assert set(theirs) <= set(ours.terms)
    for term, value in ours.terms.items():
        assert value == pytest.approx(theirs[term].item() if term in theirs else 0.0, rel=1e-9, abs=1e-12), term
    expected = torch.stack(list(theirs.values())).sum()
    assert ours.total.item() == pytest.approx(expected.item(), rel=1e-9)
    leaves = [leaf for leaf in leaves if leaf.numel()]
    mine = torch.autograd.grad(ours.total, leaves, retain_graph=True)
    for one, two in zip(mine, torch.autograd.grad(expected, leaves), strict=True):
        assert torch.count_nonzero(one) or not any(scene.counts)
        torch.testing.assert_close(one, two, rtol=1e-7, atol=1e-11)


class Refined(Scene):
    """The same with distributions in every layer of the decoder, the boxes that they are seen from, and plain boxes of the first layer."""

    def __init__(self, counts: list[int], seed: int) -> None:
        super().__init__(counts, seed)
        random = torch.Generator().manual_seed(seed + 1000)

        def of(layers: Layers) -> tuple[Tensor, Tensor]:
            distributions = torch.randn(*layers.boxes.shape[:3], 4 * PLACES, generator=random, dtype=torch.float64)
            references = boxes(torch.rand(*layers.boxes.shape[1:], generator=random, dtype=torch.float64))
            return distributions.requires_grad_(), references

        self.distributions, self.references = of(self.decoder)
        self.noisy_distributions, self.noisy_references = of(self.denoising)
        self.pre = Layers(1, len(counts), QUERIES, random)
        self.noisy_pre = Layers(min(len(self.denoising.boxes), 1), len(counts), self.pairs.shape[1], random)

    def refined(self) -> list[Outputs]:
        both = [
            (self.decoder.outputs(), self.distributions, self.references),
            (self.noisy(), self.noisy_distributions, self.noisy_references),
        ]
        return [
            outputs.replaced(distribution=distribution, references=references)
            for layers, distributions, references in both
            for outputs, distribution in zip(layers, distributions, strict=True)
        ]

    @property
    def leaves(self) -> list[Tensor]:
        layers = [self.decoder, self.encoder, self.denoising]
        return [leaf for of in layers for leaf in of.leaves] + [self.distributions, self.noisy_distributions]
