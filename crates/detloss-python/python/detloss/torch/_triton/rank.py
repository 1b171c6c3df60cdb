"""Launches the kernels of losses that rank, one after the other. How many positives there are stays on the device."""

from __future__ import annotations

import math

import torch
import triton
from torch import Tensor

from detloss._spec import LEFT_OUT, MAX_LABEL
from detloss.torch import _decomposed
from detloss.torch._call import Call, as_integers
from detloss.torch._operations import RANKED, Ranked
from detloss.torch._triton import launch, ranking

TILE = 512
"""Elements that a program takes at once."""

TILE_OF_POSITIVES = 128
"""Positives that a program takes at once: there are few, and each looks for its place among all elements."""

TILE_IN_ORDER = 2048
"""Positives that the one program takes at once that goes from one to the next."""

NARROWEST = 1e-20
"""The least half-width of a step that rises, as in the core."""


def run(call: Call, pred: Tensor, target: Tensor, dtype: torch.dtype) -> Tensor:
    """The loss in this precision, differentiable by ``pred``. The tensors may be of any."""
    if pred.numel() == 0:
        return _decomposed.run(call, pred.to(dtype), target if call.at.classes else target.to(dtype))
    return launch.differentiable(_launch, call, pred, target, dtype, None)


def half_width(ranked: Ranked) -> float:
    """Of its steps; 0 if they are hard."""
    return max(ranked.delta, NARROWEST) if ranked.delta > 0.0 else 0.0


def width(delta: float) -> float:
    """The width of a cell: the power of two that is above the width of a step, 2δ, or twice that."""
    return math.ldexp(1.0, math.frexp(2.0 * delta)[1])


def exponent(delta: float, elements: int) -> int:
    """That of the power of two that is the unit of scores: as many in a cell as leave room for the sum of all elements in 63 bits."""
    return math.frexp(2.0 * delta)[1] - (63 - elements.bit_length())


def _launch(call: Call, pred: Tensor, target: Tensor, dtype: torch.dtype, mean: None, with_grad: bool) -> launch.Results:
    at, device, wide, elements = call.at, pred.device, torch.promote_types(dtype, torch.float32), pred.numel()
    ranked = RANKED[call.chosen.spec.name](call.chosen.named)
    delta = half_width(ranked)
    numbers, stride = launch._rows(pred, at.columns)
    tiles = triton.cdiv(triton.cdiv(elements, TILE), launch.PROGRAMS)
    programs = triton.cdiv(elements, TILE * tiles)
    empty = lambda *shape, of: torch.empty(shape, dtype=of, device=device)  # noqa: E731
    value = torch.empty(at.units if call.reduction == "none" else (), dtype=dtype, device=device)
    grad = torch.empty(pred.shape, dtype=wide, device=device) if with_grad else None
    key, kind, partials = empty(elements, of=wide), empty(elements, of=torch.int8), empty(3 * launch.PROGRAMS, of=torch.float64)

    def start(kernel: object, of_programs: int, *arguments: object, **known: object) -> None:
        launch.start(kernel, device, of_programs, arguments, known)

    weight = None if call.weight is None else call.weight.contiguous()
    target = (as_integers(target) if target.dtype == torch.uint64 else target).contiguous()
    index = launch._index(max(elements, elements // at.columns * stride))
    kinds_of = {"CLASSES": at.classes, "PER_ROW": at.per_row, "LEFT_OUT": LEFT_OUT, "MAX_LABEL": MAX_LABEL}
    start(
        ranking.detloss_rank_keys, programs, numbers, target, weight, key, kind, grad, partials, elements, tiles, call.ignore_index,
        F=launch._TYPES[wide], INDEX=index, STRIDE=stride, COLUMNS=at.columns, PROGRAMS=launch.PROGRAMS, TILE=TILE, **kinds_of,
    )  # fmt: skip
    scores, order = key.sort()
    kinds, origin = torch.empty_like(kind), empty(elements, of=torch.int32)
    facts, sums = empty(3, of=torch.float64), empty(3 * launch.PROGRAMS, of=torch.int64)
    unit = exponent(delta, elements) if delta > 0.0 else 0
    shares = {"DELTA": delta, "PROGRAMS": launch.PROGRAMS, "TILE": TILE}
    start(ranking.detloss_rank_sums, programs, scores, order, kind, kinds, partials, facts, sums, tiles, unit, **shares)
    # Memory that nobody reads any more is written again: that of the keys, and these four.
    positive = key
    tables = empty(4, elements + 1, of=torch.float64)
    weights, even, odd, above = tables
    running, of_positives, errors = weights.view(torch.int64), even.view(torch.int64), odd
    start(
        ranking.detloss_rank_positives, programs, scores, order, kinds, facts, sums, positive, origin, running, of_positives, tiles, unit,
        **shares,
    )  # fmt: skip
    steps = {"DELTA": delta, "PER_STEP": 0.5 / delta if delta > 0.0 else 0.0}
    known = steps | {"TIE": 0.5 if delta > 0.0 else 1.0, "TILE": TILE_OF_POSITIVES}
    of_positive = min(triton.cdiv(elements, TILE_OF_POSITIVES), launch.PROGRAMS)
    start(ranking.detloss_rank_errors, of_positive, scores, positive, facts, running, of_positives, errors, above, unit, **known)
    divisor, factor = launch._divisor(call, 1, device)
    low, high = launch._bits(factor, torch.float64)
    steps["WIDTH"] = width(delta) if delta > 0.0 else 1.0
    start(
        ranking.detloss_rank_shares, 1, positive, origin, facts, errors, above, weights, even, odd, divisor, value, grad, high, low,
        INTERPOLATES=ranked.interpolates, TILE=TILE_IN_ORDER, **steps,
    )  # fmt: skip
    if grad is not None:
        start(ranking.detloss_rank_slopes, programs, scores, order, kinds, positive, facts, weights, even, odd, grad, TILE=TILE, **steps)
    return launch.Results(value, grad, None)
