"""What the kernels of sets take.

    python crates/detloss-python/tests/set_sizes.py

compiles those that have changed, writes ``set_sizes.json`` beside this file, which ``test_kernels_of_sets.py`` holds the kernels to, and
prints their table of ``docs/gpu-performance.md``.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import detloss
import torch
import triton.language as tl
from compiling import FREE, TARGETS, TYPES, Kernel, Record
from detloss.torch._operations import TRACEABLE_SETS
from detloss.torch._triton import LONGEST_OF_SETS, launch, passes, sets

SPECS = {spec.name: spec for spec in detloss.losses() if spec.name in TRACEABLE_SETS}
COLUMNS = 80


def form(name: str, columns: int = COLUMNS, has_state: bool = False) -> sets.Form:
    """What a kernel is compiled for: class indices of rows, labels of elements."""
    spec = SPECS[name]
    lines = columns if spec.pred.is_row or (has_state and spec.state == "per_column") else 0
    state = detloss._core.Loss(spec.name, spec.values({})).initial_state(columns) if has_state else []
    return sets.Form(lines, spec.pred.is_row, len(state), True)


def passes_of(name: str, of: sets.Form) -> list[sets.Kernel]:
    return sets.kernels(name, SPECS[name].values({}), of).passes


@cache
def kernel(name: str, of: sets.Form, at: int, target: str, dtype: torch.dtype = torch.float32, tiles: int = 1) -> Kernel:
    """That of a pass. ``tiles``: how many times as large its tile is."""
    pass_ = passes_of(name, of)[at]
    wide = torch.promote_types(dtype, torch.float32)
    plan = sets.plan(pass_, of, 1 << 20, launch.PROGRAMS)
    width = max(1, of.columns)
    known = passes.known_of_set(wide, tl.float64, tl.int32, width, width, of.classes, False, 1 if of.columns else 16)
    types = {
        **dict.fromkeys(("pred", "value"), f"*{TYPES[dtype]}"),
        **dict.fromkeys(("grad", "partials"), f"*{TYPES[wide]}"),
        **dict.fromkeys(("numbers", *(("state", "after") if of.state else ())), "*fp64"),
        **dict.fromkeys(("lots", "tiles", "scale", "scale_low"), "i32"),
        "target": "*i64" if of.classes else f"*{TYPES[dtype]}",
        "counter": "*i32",
    }
    return Kernel(pass_.function, types, known | {"TILE": plan.tile * tiles}, target, plan.warps)


def of_all_passes(name: str, of: sets.Form, target: str, dtype: torch.dtype = torch.float32, tiles: int = 1) -> list[Kernel]:
    return [kernel(name, of, at, target, dtype, tiles) for at in range(len(passes_of(name, of)))]


def kernels(name: str) -> list[Kernel]:
    """All those whose sizes are asked: with a state, too, and of the longest rows."""
    is_stateful = SPECS[name].is_stateful
    forms = {form(name), form(name, has_state=is_stateful)}
    usual = [pass_ for of in sorted(forms) for target in TARGETS for pass_ in of_all_passes(name, of, target)]
    longest = of_all_passes(name, form(name, LONGEST_OF_SETS, has_state=is_stateful), "sm_90")
    return [*usual, *of_all_passes(name, form(name), "sm_90", tiles=2), *longest]


def per_element(name: str, of: sets.Form, at: int) -> float:
    """Instructions of a pass for one element: those of a tile of twice the size, less those of the tile, by what a thread has of it."""
    more = kernel(name, of, at, "sm_90", tiles=2).size.instructions - kernel(name, of, at, "sm_90").size.instructions
    plan = sets.plan(passes_of(name, of)[at], of, 1 << 20, launch.PROGRAMS)
    return more / (plan.tile * max(1, of.columns) / (32 * plan.warps))


def line(name: str) -> dict[str, float]:
    of = form(name)
    registers = {target: max(pass_.size.registers for pass_ in of_all_passes(name, of, target)) for target in TARGETS}
    return {**registers, "instructions": round(sum(per_element(name, of, at) for at in range(len(passes_of(name, of)))))}


def moved(name: str) -> int:
    """Bytes that come and go for an element in all passes."""
    of = form(name)
    read = 4 if SPECS[name].pred.is_row else 8
    return 4 + sum(read for pass_ in passes_of(name, of) if pass_.has_elements or not of.columns)


def table(lines: dict[str, Any]) -> str:
    heads = ["loss", "launches", "bytes", "instructions", "part of an H100's", "registers: sm_80", "sm_90", "gfx942"]
    rows = [heads, ["---"] * len(heads)]
    for name, of in lines.items():
        part = of["instructions"] / (FREE * moved(name))
        launches = len(passes_of(name, form(name)))
        rows.append([name, launches, moved(name), of["instructions"], f"{part:.0%}", *(of[target] for target in TARGETS)])
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)


RECORD = Record(Path(__file__).with_suffix(".json"), kernels, line, table)

if __name__ == "__main__":
    RECORD.keep(SPECS)
