"""Sums of steps over all pairs without forming pairs: ``crates/detloss/src/ranking.rs``.

The step of half-width δ is H(x) = clamp(x / 2δ + ½, 0, 1), and H(x) = [x ≥ 0] if δ = 0. For a query q, Σₖ wₖ H(q − pₖ)
over sorted points p is the sum of the weights up to q − δ, plus a sum over the window q ± δ which is linear in the sums
of wₖ and of wₖ pₖ there. Both come from running sums, between borders that a binary search finds.

Differences of running sums of wₖ pₖ would cancel. So the line is cut into cells of width 4δ, of which a window touches
at most two, and a point is measured from the first point of its cell.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad


class Borders(NamedTuple):
    """How many points lie before each border of each query, in the order of the points."""

    full: Tensor
    """Those up to here count in full."""
    middle: Tensor
    """Those up to here lie in the first cell of the window."""
    reached: Tensor
    """Those up to here are in the window; the rest counts nothing."""


class Steps:
    """Sums of steps for queries that are the points themselves, (m,) numbers in ascending order, m > 0.

    It holds six numbers per point: let it go early.
    """

    def __init__(self, points: Tensor, delta: float) -> None:
        if delta == 0.0:
            full = torch.searchsorted(points, points, right=True)
            zeros = torch.zeros_like(points)
            self.borders, self.places, self._rates = Borders(full, full, full), zeros, (zeros, zeros)
            return
        # Narrower steps are no different, but the quotients below would overflow.
        delta = max(delta, 2.0**-400 if points.dtype == torch.float64 else 2.0**-72)
        low, high = points - delta, points + delta
        # These borders are rounded. Whether a point right there is beyond, only its own distance tells.
        full = _count_to(points, low, points - low >= delta)
        reached = _count_to(points, high, points - high > -delta)
        cell_of, start_of = _cells(points, 4.0 * delta)
        last = points.shape[0] - 1
        first = points[start_of[cell_of]]
        middle = torch.minimum(start_of[cell_of[full.clamp(max=last)] + 1], reached)
        self.borders = Borders(full, middle, reached)
        self.places = (points - first) / (4.0 * delta) - 0.5
        """Of the points in their cells, from −½ to ½: their sums stay small."""

        def rate(border: Tensor) -> Tensor:
            """H(q − p), and twice the place of p. Where the window is empty, any number that is finite will do."""
            return (points - first[border.clamp(max=last)]) / (2.0 * delta) - 0.5

        self._rates = rate(full), rate(middle)

    def sum(self, chosen: Tensor, weights: Tensor | None = None) -> Tensor:
        """Σₖ wₖ H(qᵢ − pₖ) over the chosen points k, a mask (m,), for every point i.

        The weights (..., m) are 1 if not given.
        """
        weights = None if weights is None else torch.where(chosen, weights, 0.0)
        return self.sum_between(self.borders, None, chosen, weights, self.places)

    def sum_between(
        self, borders: Borders, start: Tensor | None, chosen: Tensor, weights: Tensor | None, places: Tensor
    ) -> Tensor:
        """The same for points in another order, in which each query has its own borders.

        And its own start, if given, before which nothing counts. The weights of points that are not chosen are 0.
        """
        numbers = _running(chosen.to(places.dtype))
        sums = numbers if weights is None else _running(weights)
        moments = _running(torch.where(chosen, places, 0.0) if weights is None else weights * places)
        full, middle, reached = borders
        settled, crossed = sums[..., full], sums[..., reached]
        near, far = sums[..., middle] - settled, crossed - sums[..., middle]
        moment = moments[..., reached] - moments[..., full]
        rise = near * self._rates[0] + far * self._rates[1] - 2.0 * moment
        # Exactly 0 where nothing is, whatever the order in which a device adds up.
        is_near = crossed > settled if weights is None else numbers[reached] > numbers[full]
        rise = torch.where(is_near, rise, 0.0)
        if start is None:
            return settled + rise
        return torch.where(numbers[full] > numbers[start], settled - sums[..., start], 0.0) + rise


def _running(terms: Tensor) -> Tensor:
    """The sums of the first 0, 1, 2, … terms."""
    return pad(terms.cumsum(-1), (1, 0))


def _count_to(points: Tensor, border: Tensor, is_within: Tensor) -> Tensor:
    """How many points are below each border, or at it if it says so."""
    below = torch.nextafter(border, torch.full_like(border, -torch.inf))
    return torch.searchsorted(points, torch.where(is_within, border, below), right=True)


def _cells(points: Tensor, width: float) -> tuple[Tensor, Tensor]:
    """The cell of each point, empty ones not numbered; and where each starts, and where one after the last would."""
    count = points.shape[0]
    cells = (points / width).floor()
    is_new = pad(cells[1:] != cells[:-1], (1, 0), value=True)
    cell_of = is_new.cumsum(0) - 1
    # The last slot takes what is no start.
    start_of = torch.full((count + 2,), count, dtype=torch.int64, device=points.device)
    slot, place = torch.where(is_new, cell_of, count + 1), torch.arange(count, device=points.device)
    return cell_of, start_of.scatter(0, slot, place)
