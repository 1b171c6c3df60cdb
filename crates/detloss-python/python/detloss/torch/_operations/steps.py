"""Sums of steps over all pairs without forming pairs: ``crates/detloss/src/ranking.rs``.

The step of half-width δ is H(x) = clamp(x / 2δ + ½, 0, 1), and H(x) = [x ≥ 0] if δ = 0. For a query q, Σₖ wₖ H(q − pₖ)
over sorted points p is the sum of the weights up to q − δ, plus a sum over the window q ± δ which is linear in the sums
of wₖ and of wₖ pₖ there. Both come from running sums, between borders that a binary search finds.

Differences of running sums of wₖ pₖ would cancel. So the line is cut into cells of width 4δ, of which a window touches
at most two, and a point is measured from the first point of its cell.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad


class Steps:
    """Sums of steps for queries that are the points themselves, (m,) numbers in ascending order, m > 0.

    It holds six numbers per point: let it go early.
    """

    def __init__(self, points: Tensor, delta: float) -> None:
        self._rates: tuple[Tensor, Tensor] | None = None
        if delta == 0.0:
            self.borders = torch.searchsorted(points, points, right=True).expand(3, -1)
            self.places = torch.zeros_like(points)
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
        self.borders = torch.stack((full, middle, reached))
        """How many points, in their order, lie before each of three borders of each query: those up to the first count in full, those up
        to the second lie in the first cell of the window, those up to the third in the window; the rest counts nothing."""
        self.places = (points - first) / (4.0 * delta) - 0.5
        """Of the points in their cells, from −½ to ½: their sums stay small."""
        # H(q − p), and twice the place of p. Where the window is empty, any number that is finite will do.
        near, far = (points - first[self.borders[:2].clamp(max=last)]) / (2.0 * delta) - 0.5
        self._rates = near, far

    def sum(self, chosen: Tensor, weights: Tensor | None = None) -> Tensor:
        """Σₖ wₖ H(qᵢ − pₖ) over the chosen points k, a mask (m,), for every point i.

        The weights (..., m) are 1 if not given; then the masks may be many, too.
        """
        weights = None if weights is None else torch.where(chosen, weights, 0.0)
        return self.sum_between(self.borders, None, chosen, weights, self.places)

    def sum_between(
        self, borders: Tensor, start: Tensor | None, chosen: Tensor, weights: Tensor | None, places: Tensor
    ) -> Tensor:
        """The same for points in another order, in which each query has its own borders.

        And its own start, if given, before which nothing counts. The weights of points that are not chosen are 0.
        """
        terms = chosen.to(places.dtype)
        if weights is not None:
            terms = torch.stack((weights, terms.expand_as(weights)))
        else:
            terms = terms.unsqueeze(0)
        # Sums of weights and of numbers, and last of moments.
        running = _running(torch.cat((terms, terms[:1] * places)))
        at_borders = running[..., borders]
        sums, numbers, moments = at_borders[0], at_borders[-2], at_borders[-1]
        settled = sums[..., 0, :]
        if self._rates is not None:
            near, far = (sums[..., 1:, :] - sums[..., :2, :]).unbind(-2)
            rise = torch.addcmul(near * self._rates[0], far, self._rates[1])
            rise = torch.sub(rise, moments[..., 2, :] - moments[..., 0, :], alpha=2.0)
            # Exactly 0 where nothing is, whatever the order in which a device adds up.
            rise = rise * (numbers[..., 2, :] > numbers[..., 0, :])
        else:
            rise = None
        if start is not None:
            before = running[:-1, ..., start]
            settled = torch.where(numbers[..., 0, :] > before[-1], settled - before[0], 0.0)
        return settled if rise is None else settled + rise


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
