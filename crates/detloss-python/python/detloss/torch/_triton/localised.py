"""Kernels for a ranking of boxes: the errors of positives are weighed by how they are ranked, and are part of what a rank is blamed for.

Sums of weights are made by one program, which goes from one positive to the next: from the highest down, where those above are asked for, as they
then are no differences but where steps rise.
"""

# mypy: ignore-errors
# pyright: basic, reportOperatorIssue=false, reportArgumentType=false, reportOptionalOperand=false, reportAttributeAccessIssue=false
# Triton reads the functions as text of a language of its own.

from __future__ import annotations

import triton
import triton.language as tl

from detloss.torch._triton.operations import safe_div, sum_of_parts
from detloss.torch._triton.ranking import difference, factor_of, moments, negatives_and_positives_above, on_step, window


@triton.jit(do_not_specialize=["apart"])
def detloss_rank_moments(
    positive, facts, of, weights, even, odd, apart,
    DELTA: tl.constexpr, PER_STEP: tl.constexpr, WIDTH: tl.constexpr, DOWN: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """The sums before each positive of what is in ``of``, one place on, and of its moments; ``DOWN``: the sums from each positive on, of what
    is in its place. Every program has numbers and sums of its own, so far ``apart`` from those of the one before."""
    positives = tl.load(facts + 2).to(tl.int32)
    own = tl.program_id(0).to(tl.int64) * apart
    weight = tl.full((), 0.0, tl.float64)
    of_even = tl.full((), 0.0, tl.float64)
    of_odd = tl.full((), 0.0, tl.float64)
    none = own + (positives if DOWN else 0)
    tl.store(weights + none, 0.0)
    tl.store(even + none, 0.0)
    tl.store(odd + none, 0.0)
    start = 0
    while start < positives:
        at = start + tl.arange(0, TILE)
        inside = at < positives
        place = positives - 1 - at if DOWN else at
        to = own + (place if DOWN else place + 1)
        number = tl.load(of + to, mask=inside, other=0.0).to(tl.float64)
        tl.store(weights + to, weight + tl.cumsum(number, 0), mask=inside)
        weight += tl.sum(number, 0)
        if DELTA > 0.0:
            in_even, in_odd = moments(tl.load(positive + place, mask=inside, other=0.0).to(tl.float64), number, PER_STEP, WIDTH)
            tl.store(even + to, of_even + tl.cumsum(in_even, 0), mask=inside)
            of_even += tl.sum(in_even, 0)
            tl.store(odd + to, of_odd + tl.cumsum(in_odd, 0), mask=inside)
            of_odd += tl.sum(in_odd, 0)
        start += TILE


@triton.jit(do_not_specialize=["exponent", "scale", "scale_low"])
def detloss_rank_localised(
    scores, positive, origin, facts, running, of_positives, flaws, of_flaws, even, odd, shares, per_rank, divisor, state, value, grad, after,
    partials, counter, exponent, scale, scale_low,
    F: tl.constexpr, DELTA: tl.constexpr, PER_STEP: tl.constexpr, WIDTH: tl.constexpr, ITSELF: tl.constexpr, IS_SMOOTH: tl.constexpr,
    LEAST: tl.constexpr, BALANCE: tl.constexpr, PERIOD: tl.constexpr, PROGRAMS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """The loss; the slopes of the positives by their scores; and, one place on, what steps above them are worth: to negatives (``shares``), and
    to the errors of positives (``per_rank``). The last program brings the state up to date, unless something is NaN or nothing counts."""
    count = tl.load(facts + 1).to(tl.int32)
    positives = tl.load(facts + 2).to(tl.int32)
    among = tl.maximum(positives, 1).to(tl.float64)
    factor = factor_of(divisor, scale, scale_low) / among
    balance = tl.full((), BALANCE, tl.float64) if state is None else tl.load(state).to(tl.float64)
    classification = tl.zeros([TILE], tl.float64)
    regression = tl.zeros([TILE], tl.float64)
    start = tl.program_id(0) * TILE
    while start < positives:
        place = start + tl.arange(0, TILE)
        inside = place < positives
        score = tl.load(positive + place, mask=inside, other=0.0).to(tl.float64)
        first, last = window(positive, positives, score, inside, DELTA)
        flaw = tl.load(flaws + place, mask=inside, other=0.0).to(tl.float64)
        # Sums from a place on: what lies in between is the first less the last of them.
        weight, rise = on_step(of_flaws, even, odd, last, first, score, inside, DELTA, PER_STEP, WIDTH)
        of_others = tl.load(of_flaws + last, mask=inside, other=0.0) + 0.5 * weight - rise - (1.0 - ITSELF) * flaw
        if IS_SMOOTH:
            ordered = of_others + flaw
        else:
            _, below = window(positive, positives, score, inside, 0.0)
            ordered = tl.load(of_flaws + below, mask=inside, other=0.0)
        others, like = negatives_and_positives_above(
            scores, running, of_positives, count, positives, score, first, last, inside, exponent, DELTA, PER_STEP
        )
        of_rank = 1.0 / (like + ITSELF + others)
        classification += tl.where(inside, others * of_rank, 0.0)
        regression += tl.where(inside, ordered * of_rank, 0.0)
        if grad is not None:
            update = tl.where(others > LEAST, (others + of_others) * of_rank, 0.0) * factor
            at = tl.load(origin + place, mask=inside, other=0) * 2
            tl.store(grad + at, (-update).to(grad.dtype.element_ty), mask=inside)
            tl.store(shares + place + 1, safe_div(update, others), mask=inside)
            tl.store(per_rank + place + 1, balance * factor * of_rank, mask=inside)
        start += tl.num_programs(0) * TILE
    program, programs = tl.program_id(0), tl.num_programs(0)
    tl.store(partials + program, tl.sum(classification, 0))
    tl.store(partials + PROGRAMS + program, tl.sum(regression, 0))
    before = tl.atomic_add(counter, 1, sem="acq_rel")
    if before == programs - 1:
        of_scores = sum_of_parts(partials, programs, PROGRAMS, tl.float64)
        of_boxes = sum_of_parts(partials + PROGRAMS, programs, PROGRAMS, tl.float64)
        any_nan = tl.load(facts) == float("-inf")
        total = tl.where(any_nan, float("nan"), (of_scores + balance * of_boxes) * factor)
        tl.store(value, total.to(F).to(value.dtype.element_ty))
        if state is not None:
            stays = any_nan | (count == 0)
            all_of_scores = tl.load(state + 1).to(tl.float64)
            all_of_boxes = tl.load(state + 2).to(tl.float64)
            steps = tl.load(state + 3).to(tl.float64)
            sum_of_scores = all_of_scores + of_scores / among
            sum_of_boxes = all_of_boxes + of_boxes / among
            is_over = steps + 1.0 >= PERIOD
            has_boxes = sum_of_boxes > 0.0
            balanced = (sum_of_scores + sum_of_boxes) / tl.where(has_boxes, sum_of_boxes, 1.0)
            remember(after, tl.where(is_over & has_boxes, balanced, balance), balance, stays)
            remember(after + 1, tl.where(is_over, 0.0, sum_of_scores), all_of_scores, stays)
            remember(after + 2, tl.where(is_over, 0.0, sum_of_boxes), all_of_boxes, stays)
            remember(after + 3, tl.where(is_over, 0.0, steps + 1.0), steps, stays)
        tl.atomic_xchg(counter, 0)


@triton.jit
def remember(place, now, before, stays):
    """A number of the state after a step."""
    tl.store(place, tl.where(stays, before, now).to(place.dtype.element_ty))


@triton.jit
def detloss_rank_boxes(
    positive, origin, facts, per_rank, even, odd, grad,
    DELTA: tl.constexpr, PER_STEP: tl.constexpr, WIDTH: tl.constexpr, ITSELF: tl.constexpr, IS_SMOOTH: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """The slopes of the positives by their errors."""
    positives = tl.load(facts + 2).to(tl.int32)
    start = tl.program_id(0) * TILE
    while start < positives:
        place = start + tl.arange(0, TILE)
        inside = place < positives
        score = tl.load(positive + place, mask=inside, other=0.0).to(tl.float64)
        if IS_SMOOTH:
            first, last = window(positive, positives, score, inside, DELTA)
            weight, rise = on_step(per_rank, even, odd, first, last, score, inside, DELTA, PER_STEP, WIDTH)
            slope = tl.load(per_rank + first, mask=inside, other=0.0) + 0.5 * weight + rise
            # Its own error counts in full.
            slope += ITSELF * difference(per_rank, place, place + 1, inside)
        else:
            first, _ = window(positive, positives, score, inside, 0.0)
            slope = tl.load(per_rank + first, mask=inside, other=0.0)
        at = tl.load(origin + place, mask=inside, other=0) * 2 + 1
        tl.store(grad + at, slope.to(grad.dtype.element_ty), mask=inside)
        start += tl.num_programs(0) * TILE
