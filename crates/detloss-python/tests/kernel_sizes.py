"""Compiles the generated kernels for GPUs that need not be there, and counts what they take: by the tools in Triton's wheel.

    python crates/detloss-python/tests/kernel_sizes.py

writes ``kernel_sizes.json`` beside this file, which ``test_kernels.py`` holds the kernels to, and prints the table of
``docs/gpu-performance.md``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import detloss
import pytest
import torch
import triton
import triton.language as tl
from detloss.torch._operations import TRACEABLE
from detloss.torch._rows import Form
from detloss.torch._triton import formula, launch, rows
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

TARGETS = {
    "sm_80": GPUTarget("cuda", 80, 32),
    "sm_90": GPUTarget("cuda", 90, 32),
    "gfx942": GPUTarget("hip", "gfx942", 64),
}
RECORD = Path(__file__).with_name("kernel_sizes.json")
TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
THREADS = 128


class Size(NamedTuple):
    """What a kernel takes."""

    registers: int
    spilled: int
    """Bytes or registers that go over memory."""
    instructions: int


def columns_of(spec: Any) -> int:
    """How long the rows are that a loss is compiled for, 0 for a loss of units: masks of Mask R-CNN, classes of COCO, places of a
    distribution."""
    if spec.name not in TRACEABLE:
        return 0
    return 784 if spec.is_mask else 80 if spec.target.is_row else 17


def compiled(spec: Any, target: str, dtype: torch.dtype = torch.float32, tiles: int = 1, classes: bool = False) -> Any:
    """The kernel of a loss with its defaults, for a mean with a gradient. ``tiles``: how many times as large its tile is."""
    wide = torch.promote_types(dtype, torch.float32)
    names = {torch.float16: "fp16", torch.float32: "fp32", torch.float64: "fp64"}
    columns = columns_of(spec) or (80 if classes else 1)
    if columns_of(spec):
        kernel = rows.kernel(spec.name, spec.values({}), Form(columns, classes, False, wide, True))
        of_tile, warps = rows.tile(columns, wide)
    else:
        kernel = formula.kernel(spec.name, spec.values({}), True, False)
        of_tile, warps = launch.tile(spec), launch.WARPS
    width = columns * len(spec.pred.fields)
    constants = launch.constants(wide, tl.float64, 16, width, columns, classes, False, False, of_tile * tiles, tl.int32)
    types = {
        "pred": f"*{names[dtype]}",
        "target": "*i64" if classes else f"*{names[dtype]}",
        "value": f"*{names[dtype]}",
        "grad": f"*{names[wide]}",
        "partials": f"*{names[wide]}",
        "counter": "*i32",
    } | dict.fromkeys(("lots", "tiles", "scale", "scale_low"), "i32")
    return compile_for(kernel, types, constants, target, warps)


def compile_for(kernel: Any, types: dict[str, str], constants: dict[str, Any], target: str, warps: int = launch.WARPS) -> Any:
    """A kernel with arguments of these types, and none in the place of all others."""
    absent = dict.fromkeys((name for name in kernel.arg_names if name not in types and name not in constants), None)
    places = {name: place for place, name in enumerate(kernel.arg_names)}
    source = ASTSource(
        fn=kernel,
        signature={name: types.get(name, "constexpr") for name in kernel.arg_names},
        constexprs={(places[name],): constant for name, constant in (constants | absent).items()},
        attrs={(places[name],): [["tt.divisibility", 16]] for name, type_ in types.items() if type_.startswith("*")},
    )
    return triton.compile(source, target=TARGETS[target], options={**launch.OPTIONS, "num_warps": warps})


@cache
def size(name: str, target: str, tiles: int = 1, classes: bool = False) -> Size:
    """What a kernel takes in single precision."""
    spec = next(spec for spec in detloss.losses() if spec.name == name)
    return counted(compiled(spec, target, tiles=tiles, classes=classes).asm, target)


def counted(assembly: Any, target: str) -> Size:
    """What a compiled kernel takes; its instructions are not counted for AMD."""
    if target.startswith("gfx"):
        found = [int(re.search(rf"\.{what}:\s+(\d+)", assembly["amdgcn"])[1]) for what in ("vgpr_count", "vgpr_spill_count")]
        return Size(*found, 0)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(assembly["cubin"])
        file.flush()
        run = lambda *tool: subprocess.run([TOOLS / tool[0], *tool[1:], file.name], capture_output=True, text=True, check=True).stdout  # noqa: E731
        usage, text = run("cuobjdump", "-res-usage"), run("nvdisasm", "-c")
    registers, stack = (int(re.search(rf"{what}:(\d+)", usage)[1]) for what in ("REG", "STACK"))
    instructions = [found[1] for found in re.finditer(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)", text)]
    return Size(registers, stack, sum(name != "NOP" for name in instructions))


def on_record(name: str, target: str, tiles: int = 1) -> Size:
    """What a kernel takes that is on record: of class indices for rows that may have such."""
    spec = next(spec for spec in detloss.losses() if spec.name == name)
    return size(name, target, tiles, classes=columns_of(spec) > 0 and "ignore_index" in spec.options)


def per_unit(name: str, target: str) -> float:
    """Instructions for one unit, of rows for one number of them: those of a tile of twice the size, less those of the tile, by what a
    thread has of it."""
    spec = next(spec for spec in detloss.losses() if spec.name == name)
    more = on_record(name, target, tiles=2).instructions - on_record(name, target).instructions
    columns = columns_of(spec)
    if columns:
        of_tile, warps = rows.tile(columns, torch.float32)
        return more / (of_tile * columns / (32 * warps))
    return more / (launch.tile(spec) / THREADS)


def record(name: str) -> dict[str, float]:
    """The line of a loss."""
    registers = {target: on_record(name, target).registers for target in TARGETS}
    return {**registers, "instructions": round(per_unit(name, "sm_90"))}


FREE = 132 * 128 * 1.755e9 / 3.35e12
"""Instructions that an H100 can issue while a byte comes or goes: multiprocessors, lanes and clock, by bytes in a second."""


def table(lines: dict[str, dict[str, float]]) -> str:
    """The table of the page."""
    specs = {spec.name: spec for spec in detloss.losses()}
    rows = [["loss", "bytes", "instructions", "part of an H100's", "registers: sm_80", "sm_90", "gfx942"], ["---"] * 7]
    for name, line in lines.items():
        spec = specs[name]
        is_one_for_a_row = columns_of(spec) > 0 and ("ignore_index" in spec.options or not spec.target.is_row)
        moved = 4 * (2 * len(spec.pred.fields) + (0 if is_one_for_a_row else len(spec.target.fields)))
        part = line["instructions"] / (FREE * moved)
        rows.append([name, moved, line["instructions"], f"{part:.0%}", *(line[target] for target in TARGETS)])
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)


def recorded(file: Path) -> Any:
    """What was counted before. Skips the test where what compiles cannot count."""
    if not (TOOLS / "nvdisasm").exists():
        pytest.skip("this Triton comes without the tools that read machine code: there are in its wheels for Linux")
    return json.loads(file.read_text())


def keep(record: Callable[[str], Any], names: Iterable[str], file: Path, table: Callable[[Any], str]) -> None:
    """Writes the record of all kernels of these names, and prints the table of the page."""
    lines = {}
    for name in names:
        lines[name] = record(name)
        print(name, lines[name], file=sys.stderr, flush=True)
    file.write_text("{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(line)}" for name, line in lines.items()) + "\n}\n")
    print(table(lines), end="")


if __name__ == "__main__":
    keep(record, [spec.name for spec in detloss.losses() if spec.is_formula or columns_of(spec)], RECORD, table)
