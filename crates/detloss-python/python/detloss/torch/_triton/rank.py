"""Launches the kernels of losses that rank, one after the other. How many elements count, and how many of these are positives, stays on
the device."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import triton
from torch import Tensor

from detloss._spec import LEFT_OUT, MAX_LABEL
from detloss.torch import _device
from detloss.torch._call import Call, as_integers
from detloss.torch._operations import RANKED, Ranked
from detloss.torch._triton import launch, ranking, sorting

TILE = 512
"""Elements that a program takes at once. Kernels that go through them in order leave out the same tiles."""

FEW = 128
"""Positives that a program takes at once where they look for their places: so that few of them are more than one program."""

RUN = 2048
"""Positives that a program takes at once where there is one, which goes from the lowest to the highest."""

WARPS = 16
"""Of that program."""

ROWS, WIDE, SPAN = 8, 128, 32
"""Where positives are compared with positives: how many a program takes at once, with how many others, one for each of its threads; and how
often a thread does so before it adds up in double precision."""

NARROWEST = 1e-20
"""The least half-width of a step that rises, as in the core."""


def exponent(delta: float, elements: int) -> int:
    """The unit of scores is 2 to this power: a cell has as many as leave room for the sum of all elements in 63 bits."""
    return _exponent_of_width(delta) - (63 - elements.bit_length()) if delta > 0.0 else 0


def _exponent_of_width(delta: float) -> int:
    """A cell is as wide as the power of two that is above the width of a step, 2δ; as twice 2δ if that is one itself."""
    return math.frexp(2.0 * delta)[1]


def half_width(ranked: Ranked) -> float:
    """δ; 0 for hard steps."""
    return max(ranked.delta, NARROWEST) if ranked.delta > 0.0 else 0.0


def constants(ranked: Ranked, wide: torch.dtype, stride: int, columns: int, classes: bool, per_row: bool, index: Any) -> dict[str, Any]:
    """What is known to the compiler, of all kernels. A training run has the same all along."""
    delta = half_width(ranked)
    return {
        "F": launch.TYPES[wide],
        "INDEX": index,
        "STRIDE": stride,
        "COLUMNS": columns,
        "CLASSES": classes,
        "PER_ROW": per_row,
        "LEFT_OUT": LEFT_OUT,
        "MAX_LABEL": MAX_LABEL,
        "PROGRAMS": launch.PROGRAMS,
        "DELTA": delta,
        "ITSELF": 0.5 if delta > 0.0 and ranked.is_whole else 0.0,
        "PER_STEP": 0.5 / delta if delta > 0.0 else 0.0,
        "WIDTH": math.ldexp(1.0, _exponent_of_width(delta)) if delta > 0.0 else 1.0,
        "INTERPOLATES": ranked.interpolates,
        "GIVEN_STRIDE": 1,
        "WIDE": WIDE,
        "SPAN": SPAN,
    }


def _launch(call: Call, pred: Tensor, target: Tensor, dtype: torch.dtype, _: Tensor | None, with_grad: bool) -> _device.Results:
    at, device, elements, wide = call.at, pred.device, pred.numel(), torch.promote_types(dtype, torch.float32)
    ranked = RANKED[call.chosen.spec.name](call.chosen.named)
    numbers, stride, _columns = _device.layout(call, pred)
    index = launch.index_type(elements // at.columns * stride)
    known = constants(ranked, wide, stride, at.columns, at.classes, at.per_row, index)
    start = partial(_start, device, known)
    empty: Callable[..., Tensor] = partial(torch.empty, device=device)
    tiles = triton.cdiv(triton.cdiv(elements, TILE), launch.PROGRAMS)
    programs = triton.cdiv(elements, TILE * tiles)

    key, kind = empty(elements, dtype=wide), empty(elements, dtype=torch.int8)
    grad = empty(pred.shape, dtype=wide) if with_grad else None
    partials = empty(3 * launch.PROGRAMS, dtype=torch.float64)
    weight = None if call.weight is None else call.weight.contiguous()
    target = (as_integers(target) if target.dtype == torch.uint64 else target).contiguous()
    arguments: tuple[Any, ...] = (numbers, target, weight, key, kind, grad, partials, elements, tiles, call.ignore_index)
    start(ranking.detloss_rank_keys, programs, TILE, arguments)

    scores, order = key.sort()
    kinds, facts = torch.empty_like(kind), empty(3, dtype=torch.float64)
    sums = empty(3 * launch.PROGRAMS, dtype=torch.int64)
    unit = exponent(half_width(ranked), elements)
    arguments = (scores, order, kind, kinds, partials, facts, sums, tiles, unit)
    start(ranking.detloss_rank_sums, programs, TILE, arguments)

    # What nobody reads any more is written again: the keys, and what these tables hold first.
    positive, origin = key, empty(elements, dtype=torch.int32)
    weights, even, odd, above = empty((4, elements + 1), dtype=torch.float64)
    running, of_positives, errors = weights.view(torch.int64), even.view(torch.int64), odd
    # Class indices, and labels that are whole numbers, are of no quality but 1: all positives are sorted as they are.
    sorts = ranked.sorts and not at.classes and target.is_floating_point()
    quality, unsorted, blame, passed_on = empty((4, elements), dtype=wide) if sorts else (None,) * 4
    arguments = (scores, order, kinds, facts, sums, target if sorts else None, positive, origin, quality, running, of_positives, tiles, unit)
    start(ranking.detloss_rank_positives, programs, TILE, arguments)
    arguments = (scores, positive, facts, running, of_positives, errors, above, unit)
    start(ranking.detloss_rank_errors, _programs(elements, FEW), FEW, arguments)
    if sorts:
        start(sorting.detloss_rank_sorted, _programs(elements, ROWS), ROWS, (positive, quality, facts, unsorted, blame))
        if with_grad:
            start(sorting.detloss_rank_blamed, _programs(elements, ROWS), ROWS, (positive, quality, facts, blame, passed_on))

    value = empty((1,) if call.reduction == "none" else (), dtype=dtype)
    divisor, factor = _device.divisor(call, 1, device)
    low, high = launch.bits(factor, torch.float64)
    arguments = (positive, origin, facts, errors, above, unsorted, passed_on, weights, even, odd, divisor, value, grad, high, low)
    start(ranking.detloss_rank_shares, 1, RUN, arguments, WARPS)
    if with_grad:
        arguments = (scores, order, kinds, positive, facts, weights, even, odd, grad)
        start(ranking.detloss_rank_slopes, programs, TILE, arguments)
    return _device.Results(value, grad, None)


def _programs(elements: int, tile: int) -> int:
    """How many programs would have one tile each if all elements were positives."""
    return min(int(triton.cdiv(elements, tile)), launch.PROGRAMS)


def _start(
    device: torch.device, known: dict[str, Any], kernel: Any, programs: int, tile: int, arguments: tuple[Any, ...], warps: int = launch.WARPS
) -> None:
    """Launches a kernel with those of the constants that it asks for."""
    asked = {name: known[name] for name in kernel.arg_names if name in known}
    launch.start(kernel, device, programs, arguments, asked | {"TILE": tile}, warps)


KERNELS = _device.Kernels(_launch, launch.KERNELS.scale)
