"""Kernels for the sorting part of a ranking: positives against positives, by their scores and by their qualities.

All pairs are formed, and nothing of them is kept: a program takes a few positives, and goes along all others that are on their steps, or above.
Orders in two things at once would take a pass for each bit of the number of positives instead, with a sort of its own.

Pairs are computed in the precision of their scores. No term is negative. In single precision a thread adds up no more than `SPAN` of them, one
after the other; what it has by then goes on in double precision.
"""

# mypy: ignore-errors
# pyright: basic, reportOperatorIssue=false, reportArgumentType=false, reportOptionalOperand=false, reportAttributeAccessIssue=false
# Triton reads the functions as text of a language of its own.

from __future__ import annotations

import triton
import triton.language as tl

from detloss.torch._triton.ranking import window


@triton.jit
def step(x, DELTA: tl.constexpr, PER_STEP: tl.constexpr):
    """H(x)."""
    if DELTA > 0.0:
        return tl.minimum(tl.maximum(x * PER_STEP + 0.5, 0.0), 1.0)
    else:
        return (x >= 0.0).to(x.dtype)


@triton.jit
def total(terms):
    """The sums of rows."""
    return tl.sum(terms, 1).to(tl.float64)


@triton.jit
def detloss_rank_sorted(
    positive, quality, facts, unsorted, blame,
    F: tl.constexpr, DELTA: tl.constexpr, PER_STEP: tl.constexpr, TILE: tl.constexpr, WIDE: tl.constexpr, SPAN: tl.constexpr,
):  # fmt: skip
    """How badly each positive is sorted, and what a positive of less quality, fully above it, is to blame for.

    Worse than itself by so much, in the mean, are those above it that are worse; better by so much are the others. The sum of the two is what
    the mean of 1 − quality of the former is above that of the latter, and the error that times the part of the former in all above it.
    """
    positives = tl.load(facts + 2).to(tl.int32)
    start = tl.program_id(0) * TILE
    while start < positives:
        place = start + tl.arange(0, TILE)
        inside = place < positives
        score = tl.load(positive + place, mask=inside, other=0.0)[:, None]
        own = tl.load(quality + place, mask=inside, other=0.0)[:, None]
        worse = tl.zeros([TILE], tl.float64)
        fair = tl.zeros([TILE], tl.float64)
        lack = tl.zeros([TILE], tl.float64)
        lead = tl.zeros([TILE], tl.float64)
        first, last = window(positive, positives, tl.load(positive + start).to(tl.float64), True, DELTA)
        span = (first if DELTA > 0.0 else last) // WIDE * WIDE
        while span < positives:
            worse_of_span = tl.zeros([TILE, WIDE], F)
            fair_of_span = tl.zeros([TILE, WIDE], F)
            lack_of_span = tl.zeros([TILE, WIDE], F)
            lead_of_span = tl.zeros([TILE, WIDE], F)
            for tile in range(span, tl.minimum(span + SPAN * WIDE, positives), WIDE):
                other = tile + tl.arange(0, WIDE)
                is_other = other < positives
                of_other = tl.load(positive + other, mask=is_other, other=float("-inf"))[None, :]
                ahead = tl.load(quality + other, mask=is_other, other=0.0)[None, :] - own
                above = step(of_other - score, DELTA, PER_STEP)
                is_worse = ahead < 0.0
                worse_of_span += tl.where(is_worse, above, 0.0)
                fair_of_span += tl.where(is_worse, 0.0, above)
                lack_of_span += tl.maximum(-ahead, 0.0) * above
                lead_of_span += tl.maximum(ahead, 0.0) * above
            worse += total(worse_of_span)
            fair += total(fair_of_span)
            lack += total(lack_of_span)
            lead += total(lead_of_span)
            span += SPAN * WIDE
        # Among the fair ones is itself.
        too_much = lack / tl.where(worse > 0.0, worse, 1.0) + lead / fair
        share = tl.where(worse > 0.0, too_much / (fair + worse), 0.0)
        tl.store(unsorted + place, (share * worse).to(F), mask=inside)
        tl.store(blame + place, share.to(F), mask=inside)
        start += tl.num_programs(0) * TILE


@triton.jit
def detloss_rank_blamed(
    positive, quality, facts, blame, passed_on,
    F: tl.constexpr, DELTA: tl.constexpr, PER_STEP: tl.constexpr, TILE: tl.constexpr, WIDE: tl.constexpr, SPAN: tl.constexpr,
):  # fmt: skip
    """For every positive, what the better ones below it blame it for, each times its step."""
    positives = tl.load(facts + 2).to(tl.int32)
    start = tl.program_id(0) * TILE
    while start < positives:
        place = start + tl.arange(0, TILE)
        inside = place < positives
        score = tl.load(positive + place, mask=inside, other=0.0)[:, None]
        own = tl.load(quality + place, mask=inside, other=0.0)[:, None]
        sums = tl.zeros([TILE], tl.float64)
        top = tl.load(positive + tl.minimum(start + TILE, positives) - 1).to(tl.float64)
        first, last = window(positive, positives, top, True, DELTA)
        end = last if DELTA > 0.0 else first
        span = 0
        while span < end:
            sums_of_span = tl.zeros([TILE, WIDE], F)
            for tile in range(span, tl.minimum(span + SPAN * WIDE, end), WIDE):
                other = tile + tl.arange(0, WIDE)
                is_other = other < end
                of_other = tl.load(positive + other, mask=is_other, other=float("inf"))[None, :]
                is_better = tl.load(quality + other, mask=is_other, other=0.0)[None, :] > own
                share = tl.load(blame + other, mask=is_other, other=0.0)[None, :]
                sums_of_span += tl.where(is_better, step(score - of_other, DELTA, PER_STEP), 0.0) * share
            sums += total(sums_of_span)
            span += SPAN * WIDE
        tl.store(passed_on + place, sums.to(F), mask=inside)
        start += tl.num_programs(0) * TILE
