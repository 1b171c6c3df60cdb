"""Launches the kernels of losses that rank, one after the other. How many elements count, and how many of these are positives, stays on
the device."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from detloss._spec import LEFT_OUT, MAX_LABEL
from detloss.torch import _device
from detloss.torch._call import Call, as_integers
from detloss.torch._operations import LEAST, RANKED, Localised, Ranked
from detloss.torch._triton import launch, localised, ranking, sorting

TILE = 512
"""Elements that a program takes at once. Kernels that go through them in order leave out the same tiles."""

FEW = 128
"""Positives that a program takes at once where they look for their places: so that few of them are more than one program."""

RUN = 2048
"""Positives that a program takes at once where there is one, which goes from one positive to the next."""

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


def constants(
    ranked: Ranked, wide: torch.dtype, fields: int, stride: int, columns: int, classes: bool, per_row: bool, index: Any
) -> dict[str, Any]:
    """What is known to the compiler, of all kernels. A training run has the same all along."""
    delta = half_width(ranked)
    known = {
        "F": launch.TYPES[wide],
        "INDEX": index,
        "FIELDS": fields,
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
        "GIVEN_STRIDE": stride if ranked.localised else 1,
        "WIDE": WIDE,
        "SPAN": SPAN,
    }
    return known if ranked.localised is None else known | _of_boxes(ranked.localised)


def _of_boxes(of: Localised) -> dict[str, Any]:
    return {"IS_SMOOTH": of.is_smooth, "BALANCE": of.balance, "PERIOD": of.period, "LEAST": LEAST}


class _Ordered(NamedTuple):
    """A set in order, and what there is to be done with it."""

    launch: Callable[..., None]
    """Launches a kernel: so many programs, which take so much at once."""
    elements: int
    wide: torch.dtype
    unit: int
    """The exponent of that of scores."""
    scores: Tensor
    order: Tensor
    kinds: Tensor
    """Whether they are positives."""
    facts: Tensor
    """The lowest score of a positive, −∞ if anything is NaN; how many elements count; how many of them are positives."""
    sums: tuple[Tensor, int, int]
    """What programs have found, and how many these are, of how many tiles."""
    positive: Tensor
    """The scores of the positives."""
    origin: Tensor
    """Where they came from."""
    grad: Tensor | None
    value: Tensor
    factor: tuple[Tensor | None, int, int]
    """A divisor on the device, and a factor in two halves."""

    def empty(self, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=self.scores.device)

    def find_positives(self, given: Tensor | None, beside: Tensor | None, running: Tensor, of_positives: Tensor) -> None:
        sums, programs, tiles = self.sums
        tables = (given, self.positive, self.origin, beside, running.view(torch.int64), of_positives.view(torch.int64))
        arguments = (self.scores, self.order, self.kinds, self.facts, sums, *tables, tiles, self.unit)
        self.launch(ranking.detloss_rank_positives, programs, TILE, arguments)

    def find_slopes(self, weights: Tensor, even: Tensor, odd: Tensor) -> None:
        """Of the negatives, by the sums of what steps above positives are worth."""
        _, programs, _ = self.sums
        arguments = (self.scores, self.order, self.kinds, self.positive, self.facts, weights, even, odd, self.grad)
        self.launch(ranking.detloss_rank_slopes, programs, TILE, arguments)


def _launch(call: Call, pred: Tensor, target: Tensor, dtype: torch.dtype, _: Tensor | None, with_grad: bool) -> _device.Results:
    at, device, wide = call.at, pred.device, torch.promote_types(dtype, torch.float32)
    ranked, fields = RANKED[call.chosen.spec.name](call.chosen.named), len(call.chosen.spec.pred.fields)
    elements = pred.numel() // fields
    numbers, stride, _columns = _device.layout(call, pred)
    index = launch.index_type(elements // at.columns * stride)
    known = constants(ranked, wide, fields, stride, at.columns, at.classes, at.per_row, index)
    start = partial(_start, device, known)
    empty: Callable[..., Tensor] = partial(torch.empty, device=device)
    tiles = _device.parts(_device.parts(elements, TILE), launch.PROGRAMS)
    programs = _device.parts(elements, TILE * tiles)

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

    origin = empty(elements, dtype=torch.int32)
    value = empty((1,) if call.reduction == "none" else (), dtype=dtype)
    divisor, factor = _device.divisor(call, 1, device)
    low, high = launch.bits(factor, torch.float64)
    # The keys, which nobody reads any more, are written again.
    of_sums, results = (sums, programs, tiles), (grad, value, (divisor, high, low))
    of = _Ordered(start, elements, wide, unit, scores, order, kinds, facts, of_sums, key, origin, *results)
    if ranked.localised is not None:
        _find_localised(of, numbers.select(-1, 1), call.state)
    else:
        # Class indices, and labels that are whole numbers, are of no quality but 1: all positives are sorted as they are.
        _find_precisions(of, target if ranked.sorts and target.is_floating_point() else None)
    return _device.Results(value, grad, None)


def _find_precisions(of: _Ordered, qualities: Tensor | None) -> None:
    """Launches what leaves value and gradient of a ranking, and of the order of the positives by their qualities, if there are any."""
    # What nobody reads any more is written again: what these tables hold first.
    weights, even, odd, above = of.empty(4, of.elements + 1)
    running, of_positives, errors = weights, even, odd
    has_qualities = qualities is not None
    quality, unsorted, blame, passed_on = of.empty(4, of.elements, dtype=of.wide) if has_qualities else (None,) * 4
    of.find_positives(qualities, quality, running, of_positives)
    arguments: tuple[Any, ...] = (of.scores, of.positive, of.facts, running.view(torch.int64), of_positives.view(torch.int64))
    of.launch(ranking.detloss_rank_errors, _programs(of.elements, FEW), FEW, (*arguments, errors, above, of.unit))
    if has_qualities:
        programs = _programs(of.elements, ROWS)
        of.launch(sorting.detloss_rank_sorted, programs, ROWS, (of.positive, quality, of.facts, unsorted, blame))
        if of.grad is not None:
            of.launch(sorting.detloss_rank_blamed, programs, ROWS, (of.positive, quality, of.facts, blame, passed_on))
    divisor, *scale = of.factor
    arguments = (of.positive, of.origin, of.facts, errors, above, unsorted, passed_on, weights, even, odd)
    of.launch(ranking.detloss_rank_shares, 1, RUN, (*arguments, divisor, of.value, of.grad, *scale), WARPS)
    if of.grad is not None:
        of.find_slopes(weights, even, odd)


def _find_localised(of: _Ordered, errors: Tensor, state: Tensor | None) -> None:
    """Launches what leaves value and gradient of a ranking of boxes, and brings the state up to date when all is launched."""
    length, few = of.elements + 1, _programs(of.elements, FEW)
    # Tables of sums and moments: of the flaws first, and when nobody reads these any more, two of what steps above positives are worth.
    shares, even, odd, per_rank, running, of_positives, of_flaws = of.empty(7, length)
    flaws = of.empty(of.elements, dtype=of.wide)
    of.find_positives(errors, flaws, running, of_positives)
    of_moments = partial(of.launch, localised.detloss_rank_moments, warps=WARPS)
    of_moments(1, RUN, (of.positive, of.facts, flaws, of_flaws, even, odd, 0), known={"DOWN": True})
    partials = of.empty(2 * launch.PROGRAMS)
    after = None if state is None else torch.empty_like(state)
    divisor, *scale = of.factor
    counted = (of.scores, of.positive, of.origin, of.facts, running.view(torch.int64), of_positives.view(torch.int64))
    weighed = (flaws, of_flaws, even, odd, shares, per_rank)
    results = (divisor, state, of.value, of.grad, after, partials, launch.counter(of.scores.device))
    of.launch(localised.detloss_rank_localised, few, FEW, (*counted, *weighed, *results, of.unit, *scale))
    if of.grad is not None:
        apart = 3 * length
        of_moments(2, RUN, (of.positive, of.facts, shares, shares, even, odd, apart), known={"DOWN": False})
        arguments = (of.positive, of.origin, of.facts, per_rank, running, of_positives, of.grad)
        of.launch(localised.detloss_rank_boxes, few, FEW, arguments)
        of.find_slopes(shares, even, odd)
    if state is not None and after is not None:
        state.copy_(after)


def _programs(elements: int, tile: int) -> int:
    """How many programs would have one tile each if all elements were positives."""
    return min(_device.parts(elements, tile), launch.PROGRAMS)


def _start(
    device: torch.device,
    of_call: dict[str, Any],
    kernel: Any,
    programs: int,
    tile: int,
    arguments: tuple[Any, ...],
    warps: int = launch.WARPS,
    known: dict[str, Any] | None = None,
) -> None:
    """Launches a kernel with those of the constants that it asks for."""
    asked = {name: of_call[name] for name in kernel.arg_names if name in of_call}
    launch.start(kernel, device, programs, arguments, asked | {"TILE": tile} | (known or {}), warps)


KERNELS = _device.Kernels(_launch, launch.KERNELS.scale)
