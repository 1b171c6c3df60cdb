"""What the kernels of formulas and of losses of rows take.

    python crates/detloss-python/tests/kernel_sizes.py

compiles those that have changed, writes ``kernel_sizes.json`` beside this file, which ``test_kernels.py`` holds the kernels to, and prints
the table of ``docs/gpu-performance.md``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import detloss
import torch
import triton.language as tl
from compiling import FREE, TARGETS, TYPES, Kernel, Record
from detloss.torch._operations import TRACEABLE
from detloss.torch._rows import Form
from detloss.torch._triton import formula, launch, rows

SPECS = {spec.name: spec for spec in detloss.losses() if spec.is_formula or spec.name in TRACEABLE}
THREADS = 128
LENGTHS = (32, 8192, 12544)
"""Of rows: the longest that a thread has to itself, the longest of a program, and one that it reads part by part."""


def usual(name: str) -> int:
    """How long the rows are that a loss is compiled for, 0 for a loss of units: masks of Mask R-CNN, classes of COCO, places of a
    distribution."""
    spec = SPECS[name]
    if spec.name not in TRACEABLE:
        return 0
    return 784 if spec.is_mask else 80 if spec.target.is_row else 17


@cache
def kernel(
    name: str, target: str, dtype: torch.dtype = torch.float32, *, tiles: int = 1, classes: bool = False, columns: int | None = None
) -> Kernel:
    """That of a loss with its defaults, for a mean with a gradient. ``tiles``: how many times as large its tile is."""
    spec, wide = SPECS[name], torch.promote_types(dtype, torch.float32)
    columns = usual(name) if columns is None else columns
    if columns:
        function = rows.kernel(name, spec.values({}), Form(columns, classes, False, wide, True))
        of_tile, warps = rows.tile(columns, wide)
    else:
        columns = 80 if classes else 1
        function = formula.kernel(name, spec.values({}), True, False)
        of_tile, warps = launch.tile(spec), launch.WARPS
    width = columns * len(spec.pred.fields)
    constants = launch.constants(wide, tl.float64, 16, width, columns, classes, False, False, of_tile * tiles, tl.int32)
    types = {
        "pred": f"*{TYPES[dtype]}",
        "target": "*i64" if classes else f"*{TYPES[dtype]}",
        "value": f"*{TYPES[dtype]}",
        "grad": f"*{TYPES[wide]}",
        "partials": f"*{TYPES[wide]}",
        "counter": "*i32",
    } | dict.fromkeys(("lots", "tiles", "scale", "scale_low"), "i32")
    return Kernel(function, types, constants, target, warps)


def on_record(name: str, target: str, tiles: int = 1) -> Kernel:
    """The kernel whose size is on record: of class indices for rows that may have such."""
    return kernel(name, target, tiles=tiles, classes=usual(name) > 0 and "ignore_index" in SPECS[name].options)


def kernels(name: str) -> list[Kernel]:
    """All those whose sizes are asked."""
    lengths = LENGTHS if usual(name) else ()
    long = [kernel(name, target, columns=columns) for columns in lengths for target in ("sm_90", "gfx942")]
    return [*(on_record(name, target) for target in TARGETS), on_record(name, "sm_90", tiles=2), *long]


def per_unit(name: str) -> float:
    """Instructions for one unit, of rows for one number of them: those of a tile of twice the size, less those of the tile, by what a
    thread has of it."""
    more = on_record(name, "sm_90", tiles=2).size.instructions - on_record(name, "sm_90").size.instructions
    columns = usual(name)
    if columns:
        of_tile, warps = rows.tile(columns, torch.float32)
        return more / (of_tile * columns / (32 * warps))
    return more / (launch.tile(SPECS[name]) / THREADS)


def line(name: str) -> dict[str, float]:
    registers = {target: on_record(name, target).size.registers for target in TARGETS}
    return {**registers, "instructions": round(per_unit(name))}


def table(lines: dict[str, Any]) -> str:
    heads = ["loss", "bytes", "instructions", "part of an H100's", "registers: sm_80", "sm_90", "gfx942"]
    found = [heads, ["---"] * len(heads)]
    for name, of in lines.items():
        spec = SPECS[name]
        is_one_for_a_row = usual(name) > 0 and ("ignore_index" in spec.options or not spec.target.is_row)
        moved = 4 * (2 * len(spec.pred.fields) + (0 if is_one_for_a_row else len(spec.target.fields)))
        part = of["instructions"] / (FREE * moved)
        found.append([name, moved, of["instructions"], f"{part:.0%}", *(of[target] for target in TARGETS)])
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in found)


RECORD = Record(Path(__file__).with_suffix(".json"), kernels, line, table)

if __name__ == "__main__":
    RECORD.keep(SPECS)
