"""Compiles the kernels of sets for GPUs that need not be there, and counts what they take.

    python crates/detloss-python/tests/set_sizes.py

writes ``set_sizes.json`` beside this file, which ``test_kernels_of_sets.py`` holds the kernels to, and prints their table of
``docs/gpu-performance.md``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import detloss
import torch
import triton.language as tl
from detloss.torch._operations import TRACEABLE_SETS
from detloss.torch._triton import launch, passes, sets
from kernel_sizes import FREE, TARGETS, Size, compile_for, counted, keep

RECORD = Path(__file__).with_name("set_sizes.json")
SPECS = {spec.name: spec for spec in detloss.losses() if spec.name in TRACEABLE_SETS}
COLUMNS = 80


def form(spec: Any, columns: int = COLUMNS, has_state: bool = False) -> sets.Form:
    """What a kernel is compiled for: class indices of rows, labels of elements."""
    lines = columns if spec.pred.is_row or (has_state and spec.state == "per_column") else 0
    state = detloss._core.Loss(spec.name, spec.values({})).initial_state(columns) if has_state else []
    return sets.Form(lines, spec.pred.is_row, len(state), True)


def kernels(spec: Any, of: sets.Form) -> list[sets.Kernel]:
    return sets.kernels(spec.name, spec.values({}), of).passes


def compiled(kernel: sets.Kernel, of: sets.Form, target: str, dtype: torch.dtype = torch.float32, tiles: int = 1) -> Any:
    """A pass. ``tiles``: how many times as large its tile is."""
    names = {torch.float16: "fp16", torch.float32: "fp32", torch.float64: "fp64"}
    wide = torch.promote_types(dtype, torch.float32)
    plan = sets.plan(kernel, of, 1 << 20, launch.PROGRAMS)
    width = max(1, of.columns)
    known = passes.known_of_set(wide, tl.float64, tl.int32, width, width, of.classes, False, 1 if of.columns else 16)
    types = {
        **dict.fromkeys(("pred", "value"), f"*{names[dtype]}"),
        **dict.fromkeys(("grad", "partials"), f"*{names[wide]}"),
        **dict.fromkeys(("numbers", *(("state", "after") if of.state else ())), "*fp64"),
        **dict.fromkeys(("lots", "tiles", "scale", "scale_low"), "i32"),
        "target": "*i64" if of.classes else f"*{names[dtype]}",
        "counter": "*i32",
    }
    return compile_for(kernel.function, types, known | {"TILE": plan.tile * tiles}, target, plan.warps)


@cache
def size(name: str, of: sets.Form, at: int, target: str, dtype: torch.dtype = torch.float32, tiles: int = 1) -> Size:
    """What a pass takes."""
    return counted(compiled(kernels(SPECS[name], of)[at], of, target, dtype, tiles).asm, target)


def per_element(name: str, of: sets.Form, at: int) -> float:
    """Instructions of a pass for one element: those of a tile of twice the size, less those of the tile, by what a thread has of it."""
    kernel = kernels(SPECS[name], of)[at]
    more = size(name, of, at, "sm_90", tiles=2).instructions - size(name, of, at, "sm_90").instructions
    plan = sets.plan(kernel, of, 1 << 20, launch.PROGRAMS)
    return more / (plan.tile * max(1, of.columns) / (32 * plan.warps))


def record(name: str) -> dict[str, float]:
    """The line of a loss."""
    of = form(SPECS[name])
    passes = range(len(kernels(SPECS[name], of)))
    registers = {target: max(size(name, of, at, target).registers for at in passes) for target in TARGETS}
    return {**registers, "instructions": round(sum(per_element(name, of, at) for at in passes))}


def moved(name: str) -> int:
    """Bytes that come and go for an element in all passes."""
    spec, of = SPECS[name], form(SPECS[name])
    read = 4 if spec.pred.is_row else 8
    return 4 + sum(read for kernel in kernels(spec, of) if kernel.has_elements or not of.columns)


def table(lines: dict[str, dict[str, float]]) -> str:
    """The table of the page."""
    heads = ["loss", "launches", "bytes", "instructions", "part of an H100's", "registers: sm_80", "sm_90", "gfx942"]
    rows = [heads, ["---"] * len(heads)]
    for name, line in lines.items():
        part = line["instructions"] / (FREE * moved(name))
        launches = len(kernels(SPECS[name], form(SPECS[name])))
        rows.append([name, launches, moved(name), line["instructions"], f"{part:.0%}", *(line[target] for target in TARGETS)])
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)


if __name__ == "__main__":
    keep(record, SPECS, RECORD, table)
