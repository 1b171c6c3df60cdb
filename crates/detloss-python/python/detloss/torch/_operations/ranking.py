"""Losses that rank: ``crates/detloss/src/losses/sets`` and ``ranking``.

No loop over positives, no pairs, and no waiting for the device but in `sorting`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from detloss.torch._operations.base import Params, SetTerms, set_loss, wide
from detloss.torch._operations.sorting import sort_errors
from detloss.torch._operations.steps import Steps
from detloss.torch._scalar import clamp_finite, safe_div


class _Ranking:
    """A set in descending order of its scores. Masks and sums are in this order, and in the precision of `wide`."""

    def __init__(self, scores: Tensor, labels: Tensor, counts: Tensor, delta: float) -> None:
        is_nan = scores.isnan() | labels.isnan()
        self.any_nan = is_nan.any()
        """A score or label is NaN: so is everything else, that no step is taken unnoticed."""
        depths, self.order = torch.where(is_nan, 0.0, clamp_finite(-scores)).sort()
        self.depths = depths.to(wide(scores))
        self.labels = labels[self.order].to(self.depths.dtype)
        counts = counts[self.order]
        self.positive, self.negative = counts & (self.labels > 0.0), counts & ~(self.labels > 0.0)
        self.count = self.positive.sum(dtype=self.depths.dtype).clamp(min=1.0)
        """How many positives there are, at least 1."""
        self.tie = 0.5 if delta > 0.0 else 1.0
        """H(0): how much an element counts as ranked above its like, and so above itself."""
        self._delta = delta

    def counts_above(self) -> tuple[Tensor, Tensor]:
        """Σⱼ H(sⱼ − sᵢ) over the negatives, and over the positives, for every i, which may be one of them."""
        above, like = self.steps().sum(torch.stack((self.negative, self.positive)))
        return above, like

    def steps(self) -> Steps:
        """Its sums over k are of H(sₖ − sᵢ), for every i."""
        return Steps(self.depths, self._delta)

    def below(self, chosen: Tensor, weights: Tensor, delta: float | None = None) -> Tensor:
        """Σᵢ wᵢ H(sₖ − sᵢ) over the chosen i, for every k, which may be one of them; with steps of this half-width.

        The weights are (..., m).
        """
        steps = Steps(-self.depths.flip(0), self._delta if delta is None else delta)
        return steps.sum(chosen.flip(0), weights.flip(-1)).flip(-1)

    def mean(self, errors: Tensor) -> Tensor:
        """Of numbers of the positives; NaN if anything is."""
        mean = torch.where(self.positive, errors, 0.0).sum() / self.count
        return torch.where(self.any_nan, torch.nan, mean)

    def in_place(self, of_positives: Tensor, of_negatives: Tensor | None = None) -> Tensor:
        """Slopes where their elements lie; NaN if anything is."""
        slopes = torch.where(self.positive, of_positives, 0.0)
        if of_negatives is not None:
            slopes = torch.where(self.negative, of_negatives, slopes)
        slopes = torch.where(self.any_nan, torch.nan, slopes)
        return torch.empty_like(slopes).scatter(0, self.order, slopes)


class Localised(NamedTuple):
    """What has to be known of a loss that weighs the errors of boxes by how they are ranked."""

    is_smooth: bool
    """Whether they are ordered by the step of the scores, instead of a hard one."""
    balance: float
    """What their part is multiplied with where nothing is remembered."""
    period: float
    """In how many steps it is balanced anew."""


class Ranked(NamedTuple):
    """What has to be known of a loss of one minus the precision of each positive, 1 − precision = F / (r + F)."""

    delta: float
    """Half the width of the steps."""
    is_whole: bool = True
    """Whether r is 1 + Σₖ≠ᵢ H(sₖ − sᵢ), and not Σₖ H(sₖ − sᵢ), in which a positive counts itself with H(0)."""
    interpolates: bool = False
    """Whether a precision is the best one at this or a lower score."""
    sorts: bool = False
    """Whether positives are ranked by their labels among each other, too."""
    localised: Localised | None = None
    """If the errors of boxes are ranked, too."""


RANKED: dict[str, Callable[[Params], Ranked]] = {}
"""Such losses, by their names: there are kernels for them."""


@set_loss("ap", sorts=True)
def ap(pred: Tensor, target: Tensor, counts: Tensor, state: Tensor | None, params: Params) -> SetTerms:
    ranking = _Ranking(pred, target, counts, params["delta"])
    above, like = ranking.counts_above()
    errors = torch.where(ranking.positive, above / (1.0 + like - ranking.tie + above), 1.0)
    if params["interpolate"] > 0.5:
        # From the lowest score up, the least error so far.
        errors = errors.flip(0).cummin(0).values.flip(0)
    # The share of a pair is the step, times this.
    shares = safe_div(errors, above) / ranking.count
    grad = ranking.in_place(-errors / ranking.count, ranking.below(ranking.positive, shares))
    return SetTerms(ranking.mean(errors), grad)


RANKED["ap"] = lambda params: Ranked(params["delta"], interpolates=params["interpolate"] > 0.5)


LEAST = 1e-5
"""Below this there is no negative that the update of a positive of aLRP could be passed to."""


@set_loss("alrp", sorts=True)
def alrp(pred: Tensor, target: Tensor, counts: Tensor, state: Tensor | None, params: Params) -> SetTerms:
    scores, errors = pred.unbind(-1)
    ranking = _Ranking(scores, target, counts, params["delta"])
    # What stands beside a negative goes into no sum.
    errors = clamp_finite(errors[ranking.order].to(ranking.depths.dtype))
    steps = ranking.steps()
    above, like = steps.sum(torch.stack((ranking.negative, ranking.positive)))
    # Of the others, so without the error of the positive itself.
    of_others = steps.sum(ranking.positive, errors) - ranking.tie * errors
    del steps
    ranks = torch.where(ranking.positive, 1.0 + like - ranking.tie + above, 1.0)
    per_rank, updates = 1.0 / ranks, torch.where(above > LEAST, (above + of_others) / ranks / ranking.count, 0.0)
    shares = safe_div(updates, above)
    if params["smooth_order"] > 0.5:
        ordered = of_others + errors
        by_error, passed_on = ranking.below(ranking.positive, torch.stack((per_rank, shares)))
        by_error = by_error + (1.0 - ranking.tie) * per_rank
    else:
        ordered = Steps(ranking.depths, 0.0).sum(ranking.positive, errors)
        by_error = ranking.below(ranking.positive, per_rank, 0.0)
        passed_on = ranking.below(ranking.positive, shares)
    classification, regression = ranking.mean(above / ranks), ranking.mean(ordered / ranks)
    balance: Tensor | float = params["balance"]
    after = None
    if state is not None:
        balance = state[0]
        after = torch.where(ranking.any_nan, state, _update_state(state, classification, regression, params["period"]))
    by_logit = ranking.in_place(-updates, passed_on)
    grad = torch.stack((by_logit, ranking.in_place(by_error * balance / ranking.count)), -1)
    return SetTerms(classification + balance * regression, grad, after)


RANKED["alrp"] = lambda params: Ranked(
    params["delta"], localised=Localised(params["smooth_order"] > 0.5, params["balance"], params["period"])
)


def _update_state(state: Tensor, classification: Tensor, regression: Tensor, period: float) -> Tensor:
    """The state of aLRP after a step: β, Σ classification, Σ regression, steps."""
    balance, classifications, regressions, steps = state.unbind()
    classifications, regressions, steps = classifications + classification, regressions + regression, steps + 1.0
    balanced = (classifications + regressions) / torch.where(regressions > 0.0, regressions, 1.0)
    is_over = steps >= period
    balance = torch.where(is_over & (regressions > 0.0), balanced, balance)
    sums = torch.stack((classifications, regressions, steps))
    return torch.cat((balance.reshape(1), torch.where(is_over, 0.0, sums)))


@set_loss("rank_sort", sorts=True)
def rank_sort(pred: Tensor, target: Tensor, counts: Tensor, state: Tensor | None, params: Params) -> SetTerms:
    ranking = _Ranking(pred, target, counts, params["delta"])
    above, like = ranking.counts_above()
    reach = torch.where(ranking.positive, like + above, 1.0)
    errors = above / reach
    sorting, passed_on = sort_errors(ranking.depths, ranking.labels, ranking.positive, params["delta"])
    # A ranking error over the negatives above it.
    shares = ranking.below(ranking.positive, 1.0 / reach) / ranking.count
    grad = ranking.in_place((passed_on - errors - sorting) / ranking.count, shares)
    return SetTerms(ranking.mean(errors) + ranking.mean(sorting), grad)


RANKED["rank_sort"] = lambda params: Ranked(params["delta"], is_whole=False, sorts=True)
