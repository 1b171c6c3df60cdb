"""The text that all kernels of Metal have alike.

It is C but for what `PRELUDE` spells, so that a test can have it compiled by a C compiler, too. A group of threads takes some tiles of
units, one after the other, and leaves the sum of them; one more group adds up these. So the bits of a sum depend on the length alone:
every thread adds its own numbers in their order, and halves of a group are added to each other.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from detloss.torch._metal.operations import FUNCTIONS

GROUP = 256
"""Threads of a group."""

GROUPS = 1024
"""The most groups that leave a sum."""

TYPES = {
    torch.float32: "float",
    torch.float16: "half",
    torch.bfloat16: "bfloat",
    torch.bool: "bool",
    torch.uint8: "uchar",
    torch.int8: "char",
    torch.uint16: "ushort",
    torch.int16: "short",
    torch.uint32: "uint",
    torch.int32: "int",
    torch.int64: "long",
}
"""What can be read."""

PRELUDE = """\
#include <metal_stdlib>
#if __METAL_VERSION__ >= 320
#pragma METAL fp math_mode(safe)
#endif
#pragma METAL fp contract(off)
using metal::fabs;
using metal::floor;
using metal::fma;
using metal::precise::atan;
using metal::precise::atan2;
using metal::precise::cos;
using metal::precise::exp;
using metal::precise::log;
using metal::precise::pow;
using metal::precise::sin;
using metal::precise::sqrt;
using metal::precise::tanh;
#define KERNEL [[max_total_threads_per_threadgroup(GROUP)]] kernel void
#define GROUP_AND_PLACE uint group [[threadgroup_position_in_grid]], uint place [[thread_position_in_threadgroup]]
#define EVERY_THREAD for (bool todo = true; todo; todo = false, threadgroup_barrier(metal::mem_flags::mem_threadgroup))
#define FUNCTION static inline
#if __METAL_VERSION__ >= 310
FUNCTION float from_bfloat(bfloat x) { return float(x); }
FUNCTION bfloat to_bfloat(float x) { return bfloat(x); }
#endif
"""
"""What Metal has, by the names of C, and what C lacks. ``EVERY_THREAD`` comes before what all threads of a group do before any goes on;
beyond it a thread knows only what is in the memory of the group."""

KERNEL = """
KERNEL {name}({arguments}, GROUP_AND_PLACE) {{
{memory}
    EVERY_THREAD {{
        const INDEX units = sizes[0], tiles = sizes[1];
        const float factor = {factor};
        float lost = 0.0f, mass = 0.0f;
        for (INDEX tile = 0; tile < tiles; tile++) {{
            const INDEX unit = (group * tiles + tile) * GROUP + place;
            if (unit >= units) {{
                break;
            }}
            {place}
            bool counts = true;
            float importance = 1.0f;
{load}
            importance = counts ? importance : 0.0f;
{lines}
            const float loss = counts ? {value} * importance : 0.0f;
            lost += loss;
            mass += {mass};
{store}
        }}
{keep}
    }}
{leave}
}}
"""

TOTAL = """
KERNEL detloss_total({arguments}, GROUP_AND_PLACE) {{
{memory}
    EVERY_THREAD {{
        float lost = 0.0f, mass = 0.0f;
        for (uint part = place; part < sizes[0]; part += GROUP) {{
{lines}
        }}
{keep}
    }}
{leave}
}}
"""

SCALE = """
KERNEL detloss_scale({arguments}, GROUP_AND_PLACE) {{
    EVERY_THREAD {{
        const float factor = {factor};
        const INDEX number = (INDEX)group * GROUP + place;
        if (number < sizes[0] && {is_needed}) {{
            slope[number] = {scaled};
        }}
    }}
}}
"""
"""The way back: a gradient times what comes after it."""


def read(what: str, dtype: torch.dtype) -> str:
    """A number of this type in single precision."""
    return f"from_bfloat({what})" if dtype == torch.bfloat16 else f"(float){what}"


def written(what: str, dtype: torch.dtype) -> str:
    """A number of single precision in this type."""
    return f"to_bfloat({what})" if dtype == torch.bfloat16 else f"({TYPES[dtype]})({what})"


def arguments(inputs: Mapping[str, torch.dtype | None], outputs: Mapping[str, torch.dtype | None], has_scale: bool) -> str:
    """The parameters of a kernel, in the order in which they are given: tensors by their types, and those that are not there left out;
    whole numbers in ``sizes``, and a factor, ``scale``, if there is one."""
    read_only = [f"device const {TYPES[dtype]} *{name}" for name, dtype in inputs.items() if dtype is not None]
    changed = [f"device {TYPES[dtype]} *{name}" for name, dtype in outputs.items() if dtype is not None]
    return ", ".join([*read_only, *changed, "constant long *sizes", *(["constant float *scale"] if has_scale else [])])


def added(sums: dict[str, str], first: list[str]) -> dict[str, str]:
    """The parts of a kernel that adds up: ``sums`` has the names of what is added up in a group, and of what every thread has of it;
    ``first``: lines that the first thread runs at last, each with a total of the group."""
    if not sums:
        return {"memory": "", "keep": "", "leave": ""}
    halves = [f"{name}[place] += {name}[place + span];" for name in sums]
    return {
        "memory": indented(1, [f"threadgroup float {name}[GROUP];" for name in sums]),
        "keep": indented(2, [f"{name}[place] = {own};" for name, own in sums.items()]),
        "leave": indented(
            1,
            [
                "for (uint span = GROUP / 2; span > 0; span /= 2) {",
                "    EVERY_THREAD {",
                "        if (place < span) {",
                *(f"            {half}" for half in halves),
                "        }",
                "    }",
                "}",
                "EVERY_THREAD {",
                "    if (place == 0) {",
                *(f"        {line}" for line in first),
                "    }",
                "}",
            ],
        ),
    }


def indented(levels: int, lines: list[str]) -> str:
    """Lines of text, so far in."""
    return "\n".join("    " * levels + line for line in lines)


def source(kernels: list[str], is_wide: bool) -> str:
    """All that Metal compiles at once. ``is_wide``: whether numbers are too many for 32 bits to count them."""
    defined = f"#define GROUP {GROUP}u\n#define INDEX {'ulong' if is_wide else 'uint'}\n"
    return "".join([PRELUDE, FUNCTIONS, defined, *kernels])
