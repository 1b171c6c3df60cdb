"""Kernels for losses that rank: `_operations.ranking`, without forming pairs.

All elements are sorted by their scores once. How many are positives is known on the device alone, so that as many keys would be sorted if
negatives were left out; in order, whoever looks for a score finds it near that of its neighbour, and nobody adds to the same number as
somebody else. No program waits for another one, and each adds up in its own order: the bits are the same in every run.

Sums of scores are exact. The unit of a score is a power of two, such that twice δ is no more than 2ᵇ⁻¹ to 2ᵇ of them. A score is the whole
number of units nearest to it, modulo 2⁶⁴, and so are all running sums; the difference of two of them, less so many times a score that is
at most 2δ below each that is added up, is less than N (2ᵇ + 2) < 2⁶³, with b = 63 − n and N < 2ⁿ: it is right as it is. That a step is
taken 3 · 2⁻ᵇ too high or too low is all that is lost, and nothing is where scores are whole numbers of units, as most are in single
precision.

Sums of weights are of numbers of any size, and rounded. A moment is one about the middle of a cell of the width of 2δ to 4δ: a step of a
negative reaches into a neighbour, so there are two rows of cells of twice the width, which overlap by half. In the one or in the other it
lies within a cell.
"""

# mypy: ignore-errors
# pyright: basic, reportOperatorIssue=false, reportArgumentType=false, reportOptionalOperand=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false
# Triton reads the functions as text of a language of its own.

from __future__ import annotations

import triton
import triton.language as tl

from detloss.torch._triton.operations import clamp_finite, least, safe_div


@triton.jit
def power_of_two(exponent):
    return ((1023 + exponent).to(tl.int64) << 52).to(tl.float64, bitcast=True)


@triton.jit
def nearest(x):
    """The nearest whole number, the higher one of two."""
    whole = tl.floor(x)
    return tl.where(x - whole >= 0.5, whole + 1.0, whole)


@triton.jit
def units_of(score, exponent):
    """The number of units nearest to a score, modulo 2⁶⁴. Products with powers of two are exact, and so are the parts of whole numbers."""
    whole = nearest(score * power_of_two(-exponent))
    high = tl.floor(whole / 4294967296.0)
    low = whole - high * 4294967296.0
    high -= tl.floor(high / 4294967296.0) * 4294967296.0
    return (high.to(tl.int64) << 32) + low.to(tl.int64)


@triton.jit
def window(scores, count, score, is_asked, DELTA: tl.constexpr):
    """Between which places of ``count`` sorted scores lie those that are less than δ away from this one. With a δ of 0: how many are not
    above it, and how many are below it."""
    first = tl.zeros(score.shape, tl.int32)
    last = tl.zeros(score.shape, tl.int32)
    past_first = tl.where(is_asked, count, first)
    past_last = tl.where(is_asked, count, last)
    # Both halve what is left to look through, at least.
    left = count
    while left > 0:
        middle = first + (past_first - first) // 2
        is_open = first < past_first
        is_below = tl.load(scores + middle, mask=is_open, other=0.0).to(tl.float64) - score <= -DELTA
        first = tl.where(is_open & is_below, middle + 1, first)
        past_first = tl.where(is_open & ~is_below, middle, past_first)
        middle = last + (past_last - last) // 2
        is_open = last < past_last
        is_below = tl.load(scores + middle, mask=is_open, other=0.0).to(tl.float64) - score < DELTA
        last = tl.where(is_open & is_below, middle + 1, last)
        past_last = tl.where(is_open & ~is_below, middle, past_last)
        left = left // 2
    return first, last


@triton.jit
def difference(sums, first, last, is_asked):
    """What lies between two places, by the sums before each."""
    return tl.load(sums + last, mask=is_asked, other=0) - tl.load(sums + first, mask=is_asked, other=0)


@triton.jit
def moments(score, weight, PER_STEP: tl.constexpr, WIDTH: tl.constexpr):
    """Of weights at these scores, about the even and about the odd multiples of the width of a cell."""
    cells = score / (2.0 * WIDTH)
    in_even = weight * ((cells - nearest(cells)) * (2.0 * WIDTH * PER_STEP))
    in_odd = weight * ((cells - tl.floor(cells) - 0.5) * (2.0 * WIDTH * PER_STEP))
    return in_even, in_odd


@triton.jit
def on_step(
    weights, even, odd, first, last, score, is_asked, DELTA: tl.constexpr, PER_STEP: tl.constexpr, WIDTH: tl.constexpr
):  # fmt: skip
    """The sum of the weights at scores between two places, by the sums before each of them; and that of weights times how far a score is
    above theirs, by the sums of their moments."""
    weight = tl.zeros(score.shape, tl.float64)
    rise = tl.zeros(score.shape, tl.float64)
    if DELTA > 0.0:
        weight = difference(weights, first, last, is_asked)
        cells = score / WIDTH
        cell = nearest(cells)
        is_even = tl.floor(cell * 0.5) * 2.0 == cell
        moment = difference(even, first, last, is_asked & is_even) + difference(odd, first, last, is_asked & ~is_even)
        rise = weight * ((cells - cell) * (WIDTH * PER_STEP)) - moment
    return weight, rise


@triton.jit
def factor_of(divisor, scale, scale_low):
    """What a loss is multiplied with: of a number the upper and the lower half; and a divisor on the device, if there is one."""
    factor = ((scale.to(tl.int64) << 32) | (scale_low.to(tl.int64) & 0xFFFFFFFF)).to(tl.float64, bitcast=True)
    if divisor is not None:
        by = tl.load(divisor).to(tl.float64)
        factor = factor / tl.where(by == 0.0, 1.0, by)
    return factor


@triton.jit
def is_reached(scores, end, lowest, DELTA: tl.constexpr):
    """Whether the highest of the scores before ``end`` is on the step of the lowest positive, or above."""
    top = tl.load(scores + end - 1).to(tl.float64)
    return (top - lowest > -DELTA) | (top >= lowest)


@triton.jit(do_not_specialize=["numbers", "tiles", "ignore"])
def detloss_rank_keys(
    pred, target, weight, key, kind, grad, partials, numbers, tiles, ignore,
    F: tl.constexpr, INDEX: tl.constexpr, STRIDE: tl.constexpr, COLUMNS: tl.constexpr, CLASSES: tl.constexpr, PER_ROW: tl.constexpr,
    FIELDS: tl.constexpr, LEFT_OUT: tl.constexpr, MAX_LABEL: tl.constexpr, PROGRAMS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """What elements are sorted by, infinity for what is left out; whether they are positives; and a gradient of 0.

    Of each program ``partials`` have the lowest score of a positive, which is −∞ if anything is NaN; how many elements count; and how many
    of these are positives.
    """
    program = tl.program_id(0)
    lowest = tl.full([TILE], float("inf"), tl.float64)
    counted = tl.zeros([TILE], tl.int32)
    positives = tl.zeros([TILE], tl.int32)
    for tile in range(tiles):
        place = (program.to(INDEX) * tiles + tile) * TILE + tl.arange(0, TILE)
        inside = place < numbers
        row = place // COLUMNS
        column = place % COLUMNS
        score = tl.load(pred + (place if STRIDE == COLUMNS else row * STRIDE + column), mask=inside, other=0.0).to(F)
        counts = inside
        if weight is not None:
            counts = counts & (tl.load(weight + (row if PER_ROW else place), mask=inside, other=0) != 0)
        if CLASSES:
            of_row = tl.load(target + row, mask=inside, other=0).to(tl.int64)
            # The number of columns is background.
            is_known = (of_row >= 0) & (of_row <= COLUMNS)
            if ignore is not None:
                counts = counts & (of_row != ignore)
            is_positive = of_row == column
        else:
            label = tl.load(target + place, mask=inside, other=0).to(F)
            is_known = (label >= 0.0) & (label <= MAX_LABEL)
            counts = counts & (label != LEFT_OUT)
            is_positive = label > 0.0
        is_positive = is_positive & counts
        is_nan = counts & ((score != score) | ~is_known)
        score = tl.where(is_nan, 0.0, clamp_finite(score))
        tl.store(key + place, tl.where(counts, score, float("inf")), mask=inside)
        tl.store(kind + place, is_positive.to(tl.int8), mask=inside)
        if grad is not None:
            for field in tl.static_range(FIELDS):
                tl.store(grad + place * FIELDS + field, tl.zeros([TILE], F), mask=inside)
        of_positive = tl.where(is_positive, score.to(tl.float64), float("inf"))
        lowest = tl.minimum(lowest, tl.where(is_nan, float("-inf"), of_positive))
        counted += counts.to(tl.int32)
        positives += is_positive.to(tl.int32)
    tl.store(partials + program, tl.min(lowest, 0))
    tl.store(partials + PROGRAMS + program, tl.sum(counted, 0).to(tl.float64))
    tl.store(partials + 2 * PROGRAMS + program, tl.sum(positives, 0).to(tl.float64))


@triton.jit(do_not_specialize=["tiles", "exponent"])
def detloss_rank_sums(
    scores, order, kind, kinds, partials, facts, sums, tiles, exponent,
    DELTA: tl.constexpr, PROGRAMS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Whether the elements, now in order, are positives; and for each program, which has its share of them, how many are, and the sums of
    the scores of all and of the positives. The first program notes in ``facts`` what ``partials`` come to."""
    program = tl.program_id(0)
    part = tl.arange(0, PROGRAMS)
    there = part < tl.num_programs(0)
    lowest = tl.min(tl.load(partials + part, mask=there, other=float("inf")), 0)
    counted = tl.sum(tl.load(partials + PROGRAMS + part, mask=there, other=0.0), 0)
    if program == 0:
        tl.store(facts, lowest)
        tl.store(facts + 1, counted)
        tl.store(facts + 2, tl.sum(tl.load(partials + 2 * PROGRAMS + part, mask=there, other=0.0), 0))
    count = counted.to(tl.int32)
    positives = tl.zeros([TILE], tl.int64)
    whole = tl.zeros([TILE], tl.int64)
    of_positives = tl.zeros([TILE], tl.int64)
    for tile in range(tiles):
        start = (program * tiles + tile) * TILE
        if start < count:
            if is_reached(scores, tl.minimum(start + TILE, count), lowest, DELTA):
                place = start + tl.arange(0, TILE)
                inside = place < count
                is_positive = tl.load(kind + tl.load(order + place, mask=inside, other=0), mask=inside, other=0)
                tl.store(kinds + place, is_positive, mask=inside)
                positives += is_positive.to(tl.int64)
                if DELTA > 0.0:
                    units = units_of(tl.load(scores + place, mask=inside, other=0.0).to(tl.float64), exponent)
                    whole += units
                    of_positives += tl.where(is_positive != 0, units, 0)
    tl.store(sums + program, tl.sum(positives, 0))
    tl.store(sums + PROGRAMS + program, tl.sum(whole, 0))
    tl.store(sums + 2 * PROGRAMS + program, tl.sum(of_positives, 0))


@triton.jit(do_not_specialize=["tiles", "exponent"])
def detloss_rank_positives(
    scores, order, kinds, facts, sums, given, positive, origin, beside, running, of_positives, tiles, exponent,
    DELTA: tl.constexpr, INDEX: tl.constexpr, GIVEN_STRIDE: tl.constexpr, PROGRAMS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """The scores of the positives in order, and where they came from; and the sums of the scores before each place, among all elements
    and among the positives. ``beside`` gets what is ``given`` besides of an element, of the positives."""
    program = tl.program_id(0)
    lowest = tl.load(facts)
    count = tl.load(facts + 1).to(tl.int32)
    part = tl.arange(0, PROGRAMS)
    before = part < program
    passed = tl.sum(tl.load(sums + part, mask=before, other=0), 0).to(tl.int32)
    whole = tl.sum(tl.load(sums + PROGRAMS + part, mask=before, other=0), 0)
    of_passed = tl.sum(tl.load(sums + 2 * PROGRAMS + part, mask=before, other=0), 0)
    for tile in range(tiles):
        start = (program * tiles + tile) * TILE
        if start < count:
            if is_reached(scores, tl.minimum(start + TILE, count), lowest, DELTA):
                place = start + tl.arange(0, TILE)
                inside = place < count
                is_positive = tl.load(kinds + place, mask=inside, other=0) != 0
                score = tl.load(scores + place, mask=inside, other=0.0)
                one = is_positive.to(tl.int32)
                rank = passed + tl.cumsum(one, 0) - one
                tl.store(positive + rank, score, mask=is_positive)
                came_from = tl.load(order + place, mask=is_positive, other=0)
                tl.store(origin + rank, came_from.to(tl.int32), mask=is_positive)
                if given is not None:
                    number = tl.load(given + came_from.to(INDEX) * GIVEN_STRIDE, mask=is_positive, other=0.0)
                    tl.store(beside + rank, clamp_finite(number.to(beside.dtype.element_ty)), mask=is_positive)
                if DELTA > 0.0:
                    units = units_of(score.to(tl.float64), exponent)
                    own = tl.where(is_positive, units, 0)
                    up_to = whole + tl.cumsum(units, 0)
                    of_up_to = of_passed + tl.cumsum(own, 0)
                    tl.store(running + place, up_to - units, mask=inside)
                    tl.store(running + place + 1, up_to, mask=place == count - 1)
                    tl.store(of_positives + rank, of_up_to - own, mask=is_positive)
                    tl.store(of_positives + rank + 1, of_up_to, mask=is_positive)
                    whole += tl.sum(units, 0)
                    of_passed += tl.sum(own, 0)
                passed += tl.sum(one, 0)


@triton.jit
def above(total, first, last, sum_within, begin, unit_of_step):
    """Σ H(s − sᵢ) over so many scores, sorted, of which those from ``first`` to before ``last`` are on the step, which begins at so many
    units."""
    return (total - last).to(tl.float64) + (sum_within - (last - first) * begin).to(tl.float64) * unit_of_step


@triton.jit
def negatives_and_positives_above(
    scores, running, of_positives, count, positives, score, own_first, own_last, is_asked, exponent, DELTA: tl.constexpr, PER_STEP: tl.constexpr
):  # fmt: skip
    """Σⱼ H(sⱼ − sᵢ) over the negatives, and over the positives, of which those of the second window are on the step."""
    first, last = window(scores, count, score, is_asked, DELTA)
    if DELTA > 0.0:
        begin = units_of(score, exponent) - units_of(tl.full((), DELTA, tl.float64), exponent)
        unit_of_step = power_of_two(exponent) * PER_STEP
        own = difference(of_positives, own_first, own_last, is_asked)
        whole = difference(running, first, last, is_asked)
        like = above(positives, own_first, own_last, own, begin, unit_of_step)
        others = above(count - positives, first - own_first, last - own_last, whole - own, begin, unit_of_step)
        # A sum of scores that are not quite where they are taken to be.
        return tl.maximum(others, 0.0), like
    else:
        return ((count - positives) - (last - own_last)).to(tl.float64), (positives - own_last).to(tl.float64)


@triton.jit(do_not_specialize=["exponent"])
def detloss_rank_errors(
    scores, positive, facts, running, of_positives, errors, negatives_above, exponent,
    DELTA: tl.constexpr, PER_STEP: tl.constexpr, ITSELF: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """The error of every positive, one place on, and Σⱼ H(sⱼ − sᵢ) over the negatives."""
    count = tl.load(facts + 1).to(tl.int32)
    positives = tl.load(facts + 2).to(tl.int32)
    start = tl.program_id(0) * TILE
    while start < positives:
        place = start + tl.arange(0, TILE)
        inside = place < positives
        score = tl.load(positive + place, mask=inside, other=0.0).to(tl.float64)
        own_first, own_last = window(positive, positives, score, inside, DELTA)
        others, like = negatives_and_positives_above(
            scores, running, of_positives, count, positives, score, own_first, own_last, inside, exponent, DELTA, PER_STEP
        )
        error = others / (like + ITSELF + others)
        tl.store(errors + place + 1, error, mask=inside)
        tl.store(negatives_above + place, others, mask=inside)
        start += tl.num_programs(0) * TILE


@triton.jit(do_not_specialize=["scale", "scale_low"])
def detloss_rank_shares(
    positive, origin, facts, errors, negatives_above, unsorted, passed_on, weights, even, odd, divisor, value, grad, scale, scale_low,
    F: tl.constexpr, DELTA: tl.constexpr, PER_STEP: tl.constexpr, WIDTH: tl.constexpr, INTERPOLATES: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """The loss, the slopes of the positives, and the sums before each of them of what a step above it is worth, and of its moments in
    cells about the even and the odd multiples of their width. One program takes one tile after the other.

    How badly a positive is sorted among the positives (``unsorted``) is part of its error, but nothing that negatives are to blame for.
    """
    lowest = tl.load(facts)
    positives = tl.load(facts + 2).to(tl.int32)
    factor = factor_of(divisor, scale, scale_low) / tl.maximum(positives, 1).to(tl.float64)
    lost = tl.zeros([TILE], tl.float64)
    best = tl.full((), 1.0, tl.float64)
    weight = tl.full((), 0.0, tl.float64)
    of_even = tl.full((), 0.0, tl.float64)
    of_odd = tl.full((), 0.0, tl.float64)
    if grad is not None:
        tl.store(weights, 0.0)
        tl.store(even, 0.0)
        tl.store(odd, 0.0)
    start = 0
    while start < positives:
        place = start + tl.arange(0, TILE)
        inside = place < positives
        error = tl.load(errors + place + 1, mask=inside, other=1.0)
        if INTERPOLATES:
            # From the lowest score up, the least error so far.
            error = tl.minimum(tl.associative_scan(error, 0, least), best)
            best = tl.min(error, 0)
        whole = error
        if unsorted is not None:
            whole += tl.load(unsorted + place, mask=inside, other=0.0).to(tl.float64)
        lost += tl.where(inside, whole, 0.0)
        if grad is not None:
            slope = -whole
            if passed_on is not None:
                slope += tl.load(passed_on + place, mask=inside, other=0.0).to(tl.float64)
            at = tl.load(origin + place, mask=inside, other=0)
            tl.store(grad + at, (slope * factor).to(grad.dtype.element_ty), mask=inside)
            share = safe_div(error, tl.load(negatives_above + place, mask=inside, other=0.0)) * factor
            sums = weight + tl.cumsum(share, 0)
            tl.store(weights + place + 1, sums, mask=inside)
            weight += tl.sum(share, 0)
            if DELTA > 0.0:
                score = tl.load(positive + place, mask=inside, other=0.0).to(tl.float64)
                in_even, in_odd = moments(score, share, PER_STEP, WIDTH)
                tl.store(even + place + 1, of_even + tl.cumsum(in_even, 0), mask=inside)
                of_even += tl.sum(in_even, 0)
                # Where the error was.
                tl.store(odd + place + 1, of_odd + tl.cumsum(in_odd, 0), mask=inside)
                of_odd += tl.sum(in_odd, 0)
        start += TILE
    total = tl.sum(lost, 0) * factor
    tl.store(value, tl.where(lowest == float("-inf"), float("nan"), total).to(F).to(value.dtype.element_ty))


@triton.jit
def detloss_rank_slopes(
    scores, order, kinds, positive, facts, weights, even, odd, grad,
    DELTA: tl.constexpr, PER_STEP: tl.constexpr, WIDTH: tl.constexpr, INDEX: tl.constexpr, FIELDS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """The slopes of the negatives; and NaN for everything that counts if anything is."""
    lowest = tl.load(facts)
    count = tl.load(facts + 1).to(tl.int32)
    positives = tl.load(facts + 2).to(tl.int32)
    any_nan = lowest == float("-inf")
    start = tl.program_id(0) * TILE
    while start < count:
        if is_reached(scores, tl.minimum(start + TILE, count), lowest, DELTA):
            place = start + tl.arange(0, TILE)
            inside = place < count
            is_asked = tl.where(any_nan, 0, tl.load(kinds + place, mask=inside, other=1)) == 0
            negative = inside & is_asked
            score = tl.load(scores + place, mask=inside, other=0.0).to(tl.float64)
            first, last = window(positive, positives, score, negative, DELTA)
            weight, rise = on_step(weights, even, odd, first, last, score, negative, DELTA, PER_STEP, WIDTH)
            slope = tl.load(weights + first, mask=negative, other=0.0) + 0.5 * weight + rise
            slope = tl.where(any_nan, float("nan"), slope)
            at = tl.load(order + place, mask=negative, other=0).to(INDEX) * FIELDS
            tl.store(grad + at, slope.to(grad.dtype.element_ty), mask=negative)
            for field in tl.static_range(1, FIELDS):
                tl.store(grad + at + field, tl.where(any_nan, slope, 0.0).to(grad.dtype.element_ty), mask=negative)
        start += tl.num_programs(0) * TILE
