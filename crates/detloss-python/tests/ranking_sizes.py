"""Compiles the kernels of losses that rank for GPUs that need not be there, and counts what they take.

    python crates/detloss-python/tests/ranking_sizes.py

writes ``ranking_sizes.json`` beside this file, which ``test_ranking_kernels.py`` holds the kernels to, and prints the table of
``docs/gpu-performance.md``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import triton.language as tl
from detloss.torch._operations import Localised, Ranked
from detloss.torch._triton import launch, localised, rank, ranking, sorting
from kernel_sizes import TARGETS, compile_for, counted, keep

RECORD = Path(__file__).with_name("ranking_sizes.json")

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


def compiled(name: str, target: str, dtype: torch.dtype = torch.float32, of_target: str = "fp32", delta: float = 1.0, **known: Any) -> Any:
    """The kernel of this name, for 80 columns with a gradient; with all options, where ``known`` says of which types they are."""
    kernel = (vars(ranking) | vars(sorting) | vars(localised))[f"detloss_rank_{name}"]
    names = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32", torch.float64: "fp64"}
    of_pred, wide = names[dtype], torch.promote_types(dtype, torch.float32)
    pointers = {
        **dict.fromkeys(("pred", "value"), of_pred),
        "target": of_target,
        **dict.fromkeys(("key", "grad", "scores", "positive", "quality", "blame", "flaws"), names[wide]),
        **dict.fromkeys(("given", "beside", "unsorted", "passed_on"), names[wide]),
        **dict.fromkeys(("kind", "kinds"), "i8"),
        **dict.fromkeys(("order", "sums", "running", "of_positives"), "i64"),
        "origin": "i32",
        **dict.fromkeys(("partials", "facts", "errors", "negatives_above", "weights", "even", "odd"), "fp64"),
        **dict.fromkeys(("of", "of_flaws", "shares", "per_rank", "state", "after"), "fp64"),
        "counter": "i32",
    }
    types = {name: f"*{of}" for name, of in pointers.items()} | known
    types |= dict.fromkeys(("numbers", "tiles", "apart", "exponent", "scale", "scale_low"), "i32")
    is_class = of_target.startswith("i") and of_target != "i1"
    fields, ranked = 1, Ranked(delta, interpolates=True)
    if kernel.__module__ == localised.__name__:
        fields, ranked = 2, ranked._replace(localised=Localised(dtype != torch.float32, 50.0, 3665))
    constants = rank.constants(ranked, wide, fields, 80, 80, is_class, "weight" in known, tl.int32)
    tile, warps = TILES[name]
    constants |= {"TILE": tile, "DOWN": dtype == torch.float16}
    asked = lambda given: {name: of for name, of in given.items() if name in kernel.arg_names}  # noqa: E731
    return compile_for(kernel, asked(types), asked(constants), target, warps)


def record(name: str) -> dict[str, int]:
    """The line of a kernel: registers, and instructions on sm_90."""
    sizes = {target: counted(compiled(name, target).asm, target) for target in TARGETS}
    return {target: size.registers for target, size in sizes.items()} | {"instructions": sizes["sm_90"].instructions}


def table(lines: dict[str, dict[str, int]]) -> str:
    """The table of the page."""
    rows: list[list[object]] = [["kernel", "bytes", "registers: sm_80", "sm_90", "gfx942"], ["---"] * 5]
    rows += [[name, MOVED[name], *(line[target] for target in TARGETS)] for name, line in lines.items()]
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)


if __name__ == "__main__":
    keep(record, TILES, RECORD, table)
