"""What the kernels of losses that rank take.

    python crates/detloss-python/tests/ranking_sizes.py

compiles those that have changed, writes ``ranking_sizes.json`` beside this file, which ``test_ranking_kernels.py`` holds the kernels to, and
prints the table of ``docs/gpu-performance.md``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
import triton.language as tl
from compiling import TARGETS, TYPES, Kernel, Record
from detloss.torch._operations import Localised, Ranked
from detloss.torch._triton import launch, localised, rank, ranking, sorting

TILES = {
    "keys": (rank.TILE, launch.WARPS),
    "sums": (rank.TILE, launch.WARPS),
    "positives": (rank.TILE, launch.WARPS),
    "errors": (rank.FEW, launch.WARPS),
    "shares": (rank.RUN, rank.WARPS),
    "slopes": (rank.TILE, launch.WARPS),
    "sorted": (rank.ROWS, launch.WARPS),
    "blamed": (rank.ROWS, launch.WARPS),
    "moments": (rank.RUN, rank.WARPS),
    "localised": (rank.FEW, launch.WARPS),
    "boxes": (rank.FEW, launch.WARPS),
}
"""The kernels in their order: how much each takes at once, and by how many warps."""

MOVED = {
    "keys": "17 of an element: score, label, key, kind, gradient of 0",
    "sums": "14 of an element within reach: score, place, kind, kind",
    "positives": "13 of an element within reach: score, kind, sum; 24 of a positive, 32 with its quality",
    "errors": "52 of a positive: score, four sums, error, negatives above",
    "shares": "52 of a positive: score, place, error, negatives above, slope, three sums; 60 with two results",
    "slopes": "17 of an element within reach: score, place, kind, slope",
    "sorted": "16 of a positive: score, quality, two results",
    "blamed": "16 of a positive: score, quality, blame, result",
    "moments": "32 of a positive, then 72: score, number, three sums, of one number and of two",
    "localised": "104 of a positive: score, place, error, nine sums, slope, two numbers",
    "boxes": "20 of a positive: score, place, sum, slope",
}
"""Bytes of each in single precision, and what they are. What many read in the same place is left out."""


@cache
def kernel(
    name: str, target: str, dtype: torch.dtype = torch.float32, of_target: str = "fp32", delta: float = 1.0, **options: str
) -> Kernel:
    """The kernel of this name, for 80 columns with a gradient; ``options``: those that are given, and of which types."""
    function = (vars(ranking) | vars(sorting) | vars(localised))[f"detloss_rank_{name}"]
    of_pred, wide = TYPES[dtype], torch.promote_types(dtype, torch.float32)
    pointers = {
        **dict.fromkeys(("pred", "value"), of_pred),
        "target": of_target,
        **dict.fromkeys(("key", "grad", "scores", "positive", "quality", "blame", "flaws"), TYPES[wide]),
        **dict.fromkeys(("given", "beside", "unsorted", "passed_on"), TYPES[wide]),
        **dict.fromkeys(("kind", "kinds"), "i8"),
        **dict.fromkeys(("order", "sums", "running", "of_positives"), "i64"),
        "origin": "i32",
        **dict.fromkeys(("partials", "facts", "errors", "negatives_above", "weights", "even", "odd"), "fp64"),
        **dict.fromkeys(("of", "of_flaws", "shares", "per_rank", "state", "after"), "fp64"),
        "counter": "i32",
    }
    types = {name: f"*{of}" for name, of in pointers.items()} | options
    types |= dict.fromkeys(("numbers", "tiles", "apart", "exponent", "scale", "scale_low"), "i32")
    is_class = of_target.startswith("i") and of_target != "i1"
    fields, ranked = 1, Ranked(delta, interpolates=True)
    if function.__module__ == localised.__name__:
        fields, ranked = 2, ranked._replace(localised=Localised(dtype != torch.float32, 50.0, 3665))
    constants = rank.constants(ranked, wide, fields, 80, 80, is_class, "weight" in options, tl.int32)
    tile, warps = TILES[name]
    constants |= {"TILE": tile, "DOWN": dtype == torch.float16}
    asked = lambda given: {name: of for name, of in given.items() if name in function.arg_names}  # noqa: E731
    return Kernel(function, asked(types), asked(constants), target, warps)


OTHERS: list[tuple[torch.dtype, str, float, dict[str, str]]] = [
    (torch.float64, "i64", 0.0, {"weight": "*i1", "divisor": "*i64", "ignore": "i32"}),
    (torch.float16, "i1", 0.3, {"weight": "*fp32"}),
    (torch.bfloat16, "u8", 1e-20, {"weight": "*fp32"}),
]
"""Every precision, hard steps, class indices, weights, and a divisor on the device."""


def kernels(name: str) -> list[Kernel]:
    """All those whose sizes are asked: as they are called most often, and otherwise."""
    others = [kernel(name, target, *of, **options) for target in ("sm_90", "gfx942") for *of, options in OTHERS]
    return [*(kernel(name, target) for target in TARGETS), *others]


def line(name: str) -> dict[str, float]:
    registers = {target: kernel(name, target).size.registers for target in TARGETS}
    return {**registers, "instructions": kernel(name, "sm_90").size.instructions}


def table(lines: dict[str, Any]) -> str:
    rows: list[list[object]] = [["kernel", "bytes", "registers: sm_80", "sm_90", "gfx942"], ["---"] * 5]
    rows += [[name, MOVED[name], *(line[target] for target in TARGETS)] for name, line in lines.items()]
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)


RECORD = Record(Path(__file__).with_suffix(".json"), kernels, line, table)

if __name__ == "__main__":
    RECORD.keep(TILES)
