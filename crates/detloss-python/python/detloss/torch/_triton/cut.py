"""What a loss of sets does, as lines of text, and cut at its full sums: what is done in one pass over all elements, and what in the next."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.fx import Graph, Node

from detloss.torch._graph import Line, Numbers, arguments_of, name, needed_lines
from detloss.torch._triton import writer


class Form(NamedTuple):
    """What a kernel is made for, besides its loss."""

    columns: int
    """How many numbers a tile has in a line, which is a row; 0 if elements are no rows, or their columns do not matter."""
    classes: bool
    """The target of a row is a class index."""
    state: int
    """How many numbers are remembered."""
    with_grad: bool


class Kind(NamedTuple):
    """What a name stands for."""

    type: str
    scope: str
    """What there is one of it for: "set", "line" (a column, or a bin), "unit" (a row, or an element if there are no rows) or "element"."""


class Sum(NamedTuple):
    """What is added up over all units or elements, for the set or for each column or bin."""

    name: str
    operands: Numbers
    """The first is what is added up, in a count the index; the other one of a count says what counts."""
    kind: str
    """"sum", "largest" or "count", which is how often there is each index."""
    scope: str
    is_line: bool

    def begin(self, shapes: dict[str, str], line: int) -> str:
        """The line before the tiles."""
        match self.kind:
            case "sum":
                return f"{self._part} = tl.zeros({shapes[self.scope]}, F)"
            case "largest":
                return f'{self._part} = tl.full({shapes[self.scope]}, float("-inf"), F)'
            case _:
                return f"{self._part} = tl.zeros([{line}], tl.int32)"

    def more(self, masks: dict[str, str], line: int) -> str:
        """The line of a tile."""
        mask, term = masks[self.scope], self.operands[0]
        match self.kind:
            case "sum":
                return f"{self._part} += tl.where({mask}, ({term}).to(F), 0.0)"
            case "largest":
                return f'{self._part} = largest({self._part}, tl.where({mask}, {term}, float("-inf")))'
            case _:
                counts = f"tl.ravel({mask} & {self.operands[1]})"
                return f"{self._part} += tl.histogram(tl.ravel({term}), {line}, mask={counts})"

    @property
    def of_program(self) -> str:
        """What a program leaves."""
        match self.kind:
            case "sum":
                return f"tl.sum({self._part}, 0)" if self.is_line else f"tl.sum(tl.ravel({self._part}), 0)"
            case "largest":
                return f"tl.reduce(tl.ravel({self._part}), 0, largest)"
            case _:
                return f"{self._part}.to(F)"

    @property
    def _part(self) -> str:
        return f"{self.name}_of_program"


_SUMS = {"sum.default": "sum", "sum.dim_IntList": "sum", "any.default": "sum", "any.dim": "sum", "amax.default": "largest"}
"""Operations on all elements, and what is made of them: some are so if their sum is more than 0."""

WITHOUT_LINES = {"amax.default", "scatter_add.default", "sum.default"}
"""Operations that are nothing but sums."""


class Writer(writer.Writer):
    """Writes the operations of a loss on a set."""

    TYPES = {**writer.Writer.TYPES, torch.float64: "SUM"}

    def __init__(self, traced: Graph, of: Form, is_by_row: bool) -> None:
        self.sums: dict[str, Sum] = {}
        self.line = of.columns
        """How many columns or bins there are."""
        self._has_rows = of.columns > 0
        of_element = "element" if self._has_rows else "unit"
        of_target = "unit" if is_by_row else of_element
        parts = of.state // of.columns if of.columns else 1
        state = tuple(f"state{part}" for part in range(max(1, parts)))
        self.kinds = {
            "x0": Kind("F", of_element),
            "t0": Kind("tl.int32" if of.classes else "F", of_target),
            "counts": Kind("tl.int1", of_target),
            "column": Kind("tl.int32", "line"),
            **dict.fromkeys(state, Kind("SUM", "line")),
        }
        super().__init__(traced, (("x0",), ("t0",), ("counts",), state))

    def is_along(self, number: str) -> bool:
        """Whether there is one for every element or row."""
        return number in self.kinds and self.kinds[number].scope in ("unit", "element")

    def _written(self, node: Node) -> Numbers:
        operation, arguments = name(node), arguments_of(node)
        if operation == "scatter_add.default":
            self.line = node.meta["val"].shape[0]
            mask = arguments[3].args[0]  # As numbers of 1 and 0.
            return self._sum(node, "count", self._operand(arguments[2]) + self._operand(mask))
        if operation in _SUMS and arguments[1:2] != [[-1]]:
            given = self._operand(arguments[0])
            if not any(map(self.is_along, given)):
                return self._line(node, " + ".join(f"sum_of_line({number}, in_line, SUM)" for number in given), given)
            totals = tuple(total for number in given for total in self._sum(node, _SUMS[operation], (number,)))
            return self._of_operands(node, totals) if operation.startswith("any.") else totals
        if operation == "index.Tensor" and not self._has_rows:
            table, place = self._operand(arguments[0]) + self._operand(arguments[1])
            return self._line(node, f"tl.gather({table}, {place}, 0)", (table, place))
        return super()._written(node)

    def _sum(self, node: Node, kind: str, operands: Numbers) -> Numbers:
        is_line = node.meta["val"].dim() > 0
        for known in self.sums.values():
            if (known.operands, known.kind, known.is_line) == (operands, kind, is_line):
                return (known.name,)
        (name,) = super()._line(node, "", operands)
        self.sums[name] = Sum(name, operands, kind, self.kinds[operands[0]].scope, is_line)
        self.kinds[name] = Kind("SUM", "line" if is_line else "set")
        return (name,)

    def _converted(self, node: Node, operands: Numbers) -> Numbers:
        wanted, operation = self._type(node), name(node)
        is_arithmetic = operation.split(".")[0] in ("add", "sub", "mul", "div")

        def converted(operand: str) -> str:
            kind = self.kinds[operand].type if operand in self.kinds else wanted
            is_number = is_arithmetic or (kind in ("F", "SUM") and operation != "_to_copy.default")
            return f"{operand}.to({wanted})" if kind != wanted and wanted in ("F", "SUM") and is_number else operand

        return tuple(map(converted, operands))

    def _line(self, node: Node, text: str, operands: Numbers, *items: str) -> Numbers:
        names = super()._line(node, text, operands, *items)
        types = ("F", "tl.int32") if items else (self._type(node),)
        self.kinds |= {name: Kind(type_, self._scope(text, operands)) for name, type_ in zip(names, types, strict=True)}
        return names

    def _scope(self, text: str, operands: Numbers) -> str:
        scopes = {self.kinds[operand].scope for operand in operands if operand in self.kinds} - {"set"}
        if "in_line" in text or not scopes:
            return "set"
        if "in_row" in text or not self._has_rows:
            return "unit" if scopes - {"line"} else "line"
        return scopes.pop() if len(scopes) == 1 else "element"


class Pass(NamedTuple):
    """What one launch has to do, as names and lines of them."""

    sums: list[Sum]
    slopes: list[str]
    """Those of the elements, if they are left by this pass."""
    before: list[Line]
    """Computed once, by every program: what is of the state alone."""
    along: list[Line]
    """Computed for each element or row."""
    after: list[Line]
    """Computed once, by the last program."""
    given: list[str]
    """What earlier passes have left."""
    left: list[str]
    """What later ones ask for."""
    outputs: list[str]
    """What comes out of the loss, and was not there before."""
    needed: set[str]
    """All that this pass works with."""


def passes(written: Writer) -> list[Pass]:
    """The passes of a loss. Each has what is needed and no more."""
    there: dict[str, int] = {}
    """After how many passes there is a number; one of an element or row is there as soon as a pass can compute it."""
    for line in written.lines:
        of_operands = max((there.get(operand, 0) for operand in line.operands), default=0)
        there |= dict.fromkeys(line.names, of_operands + (line.names[0] in written.sums))
    outputs = [name for output in written.outputs for name in output]
    of_set = [name for name in outputs if not written.is_along(name)]
    count = max(there[name] + written.is_along(name) for name in outputs)
    found: list[Pass] = []
    asked: set[str] = set()
    for at in reversed(range(count)):
        once = {after: {name for name in there if there[name] == after and not written.is_along(name)} for after in (0, at + 1)}
        sums = [sum_ for name, sum_ in written.sums.items() if there[name] == at + 1]
        slopes = [name for name in outputs if written.is_along(name) and there[name] == at]
        terms = {*slopes, *(operand for sum_ in sums for operand in sum_.operands)}
        along = needed_lines(written.lines, terms, {name for name in there if written.is_along(name)})
        after = needed_lines(written.lines, asked | {*of_set}, once[at + 1] - {*written.sums})
        needed = terms | _operands(along) | _operands(after)
        before = needed_lines(written.lines, needed, once[0])
        needed |= _operands(before)
        left, new = ([name for name in there if name in once[at + 1] & {*names}] for names in (asked, of_set))
        given = [name for name in there if name in needed and 0 < there[name] <= at and not written.is_along(name)]
        found.append(Pass(sums, slopes, before, along, after, given, left, new, needed))
        asked |= {*given}
    return found[::-1]


def _operands(lines: list[Line]) -> set[str]:
    return {operand for line in lines for operand in line.operands}
