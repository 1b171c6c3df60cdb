"""Traced formulas as text, whatever the language."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Text(NamedTuple):
    """A formula as assignments."""

    assignments: list[tuple[str, str]]
    """A name, and what it is."""
    outputs: list[str]
    """The names of the results."""


def assigned(
    trace: tuple[list[tuple[str, Any]], list[int]], inputs: list[str], operations: Mapping[str, str], constant: Callable[[float], str]
) -> Text:
    """A trace of the core in a language. ``inputs``: the names of its inputs; ``operations``: a line for each operation, with {0}, {1} and
    so on for the operands; ``constant``: the text of a number."""
    steps, outputs = trace
    names: list[str] = []
    assignments: list[tuple[str, str]] = []
    for place, (operation, operands) in enumerate(steps):
        if operation == "input":
            names.append(inputs[operands[0]])
            continue
        names.append(f"v{place}")
        is_constant = operation == "const"
        what = constant(operands) if is_constant else operations[operation].format(*(names[operand] for operand in operands))
        assignments.append((names[place], what))
    return Text(assignments, [names[output] for output in outputs])


def kernel_name(loss: str) -> str:
    """The name of a kernel, in profiles that of its loss."""
    return "detloss_" + re.sub(r"\W+", "_", loss).strip("_")
