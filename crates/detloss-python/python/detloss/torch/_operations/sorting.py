"""The sorting part of Rank & Sort: ``crates/detloss/src/ranking/sorting.rs``.

It asks for the order in two things at once, scores and qualities. The ranks of two different qualities differ in a
highest bit. So there is a pass for each bit, in which the positives that agree above this bit are a block, and in every
block those with the bit are compared with those without it. O(P log² P).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from detloss.torch._operations.steps import Steps


# An operator, so that `torch.compile` and `vmap` need not look into it: how much work there is, only the numbers tell.
@torch.library.custom_op(
    "detloss::sort_errors",
    mutates_args=(),
    schema="(Tensor depths, Tensor labels, Tensor positive, float delta) -> (Tensor, Tensor)",
)
def sort_errors(depths: Tensor, labels: Tensor, positive: Tensor, delta: float) -> tuple[Tensor, Tensor]:
    """The sorting error of every positive, and what the better ones below it pass on to it; 0 for all others.

    ``depths`` (m,) ascends; the labels of the positives are their qualities.
    """
    # Waits for the device: passes over all elements, instead of the positives alone, would cost far more.
    chosen = positive.nonzero().squeeze(-1)
    errors, passed_on = torch.zeros_like(depths), torch.zeros_like(depths)
    if chosen.shape[0] == 0:
        return errors, passed_on
    depths, qualities = depths[chosen], labels[chosen]
    levels = torch.unique(qualities, return_inverse=True)[1]
    bits = int(levels.max()).bit_length()
    sorted_errors, shares = _compare(Steps(depths, delta), qualities, levels, bits)
    blame = _blame(Steps(-depths.flip(0), delta), shares.flip(0), levels.flip(0), bits).flip(0)
    return errors.index_copy(0, chosen, sorted_errors), passed_on.index_copy(0, chosen, blame)


@sort_errors.register_fake
def _(depths: Tensor, labels: Tensor, positive: Tensor, delta: float) -> tuple[Tensor, Tensor]:
    return torch.empty_like(depths), torch.empty_like(depths)


@sort_errors.register_vmap
def _(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> tuple[tuple[Tensor, ...], tuple[int, int]]:
    """One set after the other."""
    results = []
    for index in range(info.batch_size):
        of_set = (a if dim is None else a.select(dim, index) for a, dim in zip(arguments, in_dims, strict=True))
        results.append(sort_errors(*of_set))
    return tuple(torch.stack(tensors) for tensors in zip(*results, strict=True)), (0, 0)


def _compare(steps: Steps, qualities: Tensor, levels: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """How badly each positive is sorted, and what a positive of less quality, fully above it, is to blame for.

    The error is the mean of 1 − quality over all positives above it, less that over those of its quality and better.
    """
    numbers_and_flaws = torch.stack((torch.ones_like(qualities), 1.0 - qualities))
    # Above a positive of its quality and better, and of less.
    fair = _Blocks(steps, levels).sum(torch.ones_like(levels, dtype=torch.bool), numbers_and_flaws)
    unfair = torch.zeros_like(fair)
    for bit in range(bits):
        blocks, is_better = _Blocks(steps, levels >> (bit + 1)), (levels >> bit) & 1 == 1
        unfair = unfair + torch.where(is_better, blocks.sum(~is_better, numbers_and_flaws), 0.0)
        fair = fair + torch.where(is_better, 0.0, blocks.sum(is_better, numbers_and_flaws))
    (fair_number, fair_flaw), (unfair_number, unfair_flaw) = fair, unfair
    is_wrong = unfair_number > 0.0
    number = torch.where(is_wrong, unfair_number, 1.0)
    too_much = unfair_flaw / number - fair_flaw / fair_number
    shares = torch.where(is_wrong, too_much / (fair_number + number), 0.0)
    return shares * unfair_number, shares


def _blame(steps: Steps, shares: Tensor, levels: Tensor, bits: int) -> Tensor:
    """For every positive, the shares of the better ones below it, each times its step."""
    sums = torch.zeros_like(shares)
    for bit in range(bits):
        blocks, is_better = _Blocks(steps, levels >> (bit + 1)), (levels >> bit) & 1 == 1
        sums = sums + torch.where(is_better, 0.0, blocks.sum(is_better, shares))
    return sums


class _Blocks:
    """Points that only meet those of their own block. Inside a block they keep their order."""

    def __init__(self, steps: Steps, block: Tensor) -> None:
        count = block.shape[0]
        # A point is known by its block and its place among all points, whole numbers: a search for both is exact.
        base = block * (count + 1)
        keys, self._order = (base + torch.arange(count, device=block.device)).sort()
        self._steps, self._places = steps, steps.places[self._order]
        self._start = torch.searchsorted(keys, base)
        self._borders = torch.searchsorted(keys, base + steps.borders)

    def sum(self, chosen: Tensor, weights: Tensor) -> Tensor:
        """Σₖ wₖ H(qᵢ − pₖ) over the chosen points k of its block, for every point i."""
        weights = torch.where(chosen, weights, 0.0)[..., self._order]
        return self._steps.sum_between(self._borders, self._start, chosen[self._order], weights, self._places)
