"""Compiles kernels for GPUs that need not be there, counts what they take by the tools in Triton's wheel, and keeps it on record."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
import triton
from detloss.torch._triton import launch
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

TARGETS = {
    "sm_80": GPUTarget("cuda", 80, 32),
    "sm_90": GPUTarget("cuda", 90, 32),
    "gfx942": GPUTarget("hip", "gfx942", 64),
}
TYPES = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32", torch.float64: "fp64"}
"""What Triton calls them."""
TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
FREE = 132 * 128 * 1.755e9 / 3.35e12
"""Instructions that an H100 can issue while a byte comes or goes: multiprocessors, lanes and clock, by bytes in a second."""
ROOM = 1.1
"""How much more than what is on record a kernel may take."""


class Size(NamedTuple):
    """What a kernel takes."""

    registers: int
    spilled: int
    """Bytes or registers that go over memory."""
    instructions: int


class Kernel:
    """A kernel with arguments of these types, and none in the place of all others, for a GPU."""

    def __init__(
        self, function: Any, types: dict[str, str], constants: dict[str, Any], target: str, warps: int = launch.WARPS
    ) -> None:
        absent = dict.fromkeys((name for name in function.arg_names if name not in types and name not in constants), None)
        places = {name: place for place, name in enumerate(function.arg_names)}
        self.source = ASTSource(
            fn=function,
            signature={name: types.get(name, "constexpr") for name in function.arg_names},
            constexprs={(places[name],): constant for name, constant in (constants | absent).items()},
            attrs={(places[name],): [["tt.divisibility", 16]] for name, type_ in types.items() if type_.startswith("*")},
        )
        self.target = target
        self.options = {**launch.OPTIONS, "num_warps": warps}

    @property
    def text(self) -> str:
        """All that the compiler is given, and which one it is. Of a text, what is compiled is always the same."""
        return f"{triton.__version__} {self.source.hash()} {TARGETS[self.target]} {self.options}"

    @cached_property
    def assembly(self) -> Any:
        """What the compiler makes of it, in all its forms."""
        return triton.compile(self.source, target=TARGETS[self.target], options=self.options).asm

    @cached_property
    def size(self) -> Size:
        """What it takes when it is compiled; its instructions are not counted for AMD."""
        if self.target.startswith("gfx"):
            text = self.assembly["amdgcn"]
            found = [int(re.search(rf"\.{what}:\s+(\d+)", text)[1]) for what in ("vgpr_count", "vgpr_spill_count")]
            return Size(*found, 0)
        with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
            file.write(self.assembly["cubin"])
            file.flush()
            run = lambda *tool: subprocess.run([TOOLS / tool[0], *tool[1:], file.name], capture_output=True, text=True, check=True).stdout  # noqa: E731
            usage, text = run("cuobjdump", "-res-usage"), run("nvdisasm", "-c")
        registers, stack = (int(re.search(rf"{what}:(\d+)", usage)[1]) for what in ("REG", "STACK"))
        instructions = [found[1] for found in re.finditer(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)", text)]
        return Size(registers, stack, sum(name != "NOP" for name in instructions))


class Record(NamedTuple):
    """What kernels take: a file with a line for each name."""

    file: Path
    kernels: Callable[[str], list[Kernel]]
    """All those of a name of which none may spill."""
    line: Callable[[str], dict[str, float]]
    """What is on record of them: registers for each GPU, and instructions."""
    table: Callable[[dict[str, Any]], str]
    """Lines as the page has them."""

    def lines(self) -> dict[str, Any]:
        """What was counted before. Each line has a digest of itself, and of the texts that it was counted for."""
        return json.loads(self.file.read_text())

    def check(self, name: str) -> None:
        """Kernels that are on record are not compiled again. Others may not spill, and take little more than those that are."""
        lines = self.lines()
        assert name in lines, f"{name} is not on record: run {self.file.stem}.py"
        known = lines[name]
        assert {*known} == {*TARGETS, "instructions", "digest"}, f"{name} has {known} on record: run {self.file.stem}.py"
        if self._is_on_record(name, known):
            return
        found = self.counted(name)
        for what in (*TARGETS, "instructions"):
            most = ROOM * known[what] + (0 if what == "instructions" else 2)
            assert found[what] <= most, f"{found}, on record are {known}: if it has to be, run {self.file.stem}.py"
        warnings.warn(f"{name} was compiled, since it is not on record: {self.file.stem}.py puts it there", stacklevel=2)

    def counted(self, name: str) -> dict[str, Any]:
        """The line of a name, compiled."""
        for kernel in self.kernels(name):
            assert kernel.size.spilled == 0, f"{name} spills: {kernel.size} on {kernel.target}"
        line = self.line(name)
        return {**line, "digest": self._digest(name, line)}

    def keep(self, names: Iterable[str]) -> None:
        """Writes the lines of these names, of which those that have changed are compiled, and prints the table of the page."""
        known, lines = self.lines() if self.file.exists() else {}, {}
        for name in names:
            if name in known and self._is_on_record(name, known[name]):
                lines[name] = known[name]
            else:
                lines[name] = self.counted(name)
                print(name, lines[name], file=sys.stderr, flush=True)
        self.file.write_text("{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(line)}" for name, line in lines.items()) + "\n}\n")
        print(self.table(lines), end="")

    def _is_on_record(self, name: str, line: dict[str, Any]) -> bool:
        return self._digest(name, {what: count for what, count in line.items() if what != "digest"}) == line["digest"]

    def _digest(self, name: str, line: dict[str, float]) -> str:
        texts = [json.dumps(line), *(kernel.text for kernel in self.kernels(name))]
        return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
