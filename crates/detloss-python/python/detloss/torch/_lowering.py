"""A traced formula as operations that a device has: constants stay numbers, and what several operations share is computed once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from detloss.torch._scalar import DIV_EPS

Operand: TypeAlias = "int | float"
"""An earlier number of the formula by its place, which is an int, or a constant, which is a float."""


class Node(NamedTuple):
    """A number of the formula: an operation on others."""

    name: str
    operands: tuple[Operand, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The operands that are numbers of the formula."""
        return () if self.name == "input" else tuple(operand for operand in self.operands if isinstance(operand, int))


class Lowered(NamedTuple):
    """A formula. A number stands after those it is made of."""

    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]


def lowered(operations: Sequence[tuple[str, Any]], outputs: Sequence[int]) -> Lowered:
    """A trace of the core in these operations."""
    made = _Made()
    places: list[Operand] = []
    for name, given in operations:
        match name:
            case "input":
                places.append(made.node("input", *given))
            case "const":
                places.append(float(given))
            case _:
                places.append(made.operation(name, [places[place] for place in given]))
    return _needed(made.nodes, [made.number(places[output]) for output in outputs])


def _needed(nodes: list[Node], outputs: list[int]) -> Lowered:
    """Without what no output needs."""
    needed = set(outputs)
    for place in range(len(nodes) - 1, -1, -1):
        if place in needed:
            needed.update(nodes[place].numbers)
    kept = sorted(needed)
    new = {place: index for index, place in enumerate(kept)}

    def renamed(node: Node) -> Node:
        if node.name == "input":
            return node
        return Node(node.name, tuple(new[operand] if isinstance(operand, int) else operand for operand in node.operands))

    return Lowered(tuple(renamed(nodes[place]) for place in kept), tuple(new[output] for output in outputs))


def fused(formula: Lowered) -> Lowered:
    """With a product and a sum of it as one operation, where the product is for this sum only.

    A device may then leave out the rounding of the product, and a sum that has to be 0 where a box is right is not: this is for scores.
    """
    uses = Counter(number for node in formula.nodes for number in node.numbers)
    uses.update(formula.outputs)
    nodes = list(formula.nodes)
    for place, node in enumerate(nodes):
        if node.name != "add" or len(node.numbers) < 2:
            continue
        first, second = node.numbers
        for product, addend in ((second, first), (first, second)):
            name, factors = nodes[product]
            if name != "mul" or uses[product] > 1:
                continue
            left, right = factors
            if isinstance(right, float):
                nodes[place] = Node("times_add", (left, right, addend))
                break
            turned = [(a, nodes[b].numbers[0]) for a, b in ((left, right), (right, left)) if isinstance(b, int) and nodes[b].name == "neg"]
            nodes[place] = Node("less_mul", (*turned[0], addend)) if turned else Node("mul_add", (left, right, addend))
            break
    return _needed(nodes, list(formula.outputs))


class _Step(NamedTuple):
    """A choice between constants: ``then`` where ``low`` is less than ``high``, else ``otherwise``."""

    low: Operand
    high: Operand
    then: float
    otherwise: float


class _Made:
    """What there is of a formula so far. Nothing is made twice."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._known: dict[Any, int] = {}
        self._steps: dict[int, _Step] = {}

    def node(self, name: str, *operands: Operand) -> int:
        # The constant 1.0 is not the number 1, though Python takes them for equal.
        key = (name, operands, tuple(map(type, operands)))
        if key not in self._known:
            self._known[key] = len(self.nodes)
            self.nodes.append(Node(name, operands))
        return self._known[key]

    def number(self, operand: Operand) -> int:
        """A constant as a number of the device, for operations that take nothing else."""
        return self.node("full", operand) if isinstance(operand, float) else operand

    def operation(self, name: str, given: list[Operand]) -> int:
        """An operation of ``detloss::scalar::expr``."""
        match name, given:
            case "add", [float(constant), other] | [other, float(constant)]:
                return self._turned(self.number(other), 1.0, constant)
            case "sub", [float(constant), other]:
                return self._turned(self.number(other), -1.0, constant)
            case "sub", [other, float(constant)]:
                return self._turned(self.number(other), 1.0, -constant)
            case "neg", [other]:
                return self._turned(self.number(other), -1.0, 0.0)
            case "mul", [float(constant), other] | [other, float(constant)]:
                return self.node("mul", self.number(other), constant)
            case "mul_add", [first, second, addend]:
                return self.operation("add", [self.operation("mul", [first, second]), addend])
            case ("min" | "max"), [float(constant), other] | [other, float(constant)]:
                return self.node("at_most" if name == "min" else "at_least", self.number(other), constant)
            case "safe_div", [numerator, denominator]:
                return self._quotient(numerator, self.number(denominator))
            case "if_lt", [low, high, then, otherwise]:
                return self._choice(low, high, then, otherwise)
            case _:
                return self.node(name, *map(self.number, given))

    def _turned(self, number: int, slope: float, shift: float) -> int:
        """A number times ``slope``, which is 1 or −1, and ``shift`` added."""
        node = self.nodes[number]
        match node.name, node.operands:
            case "line", (int(sign), float(inner), float(before)):
                return self._line(sign, slope * inner, slope * before + shift)
        if slope == 1.0:
            return self.node("add", number, shift)
        return self.node("neg", number) if shift == 0.0 else self.node("from", number, shift)

    def _line(self, sign: int, slope: float, shift: float) -> int:
        """A line of a sign: of −1, 0 and 1."""
        if shift == 0.0 and abs(slope) == 1.0:
            return sign if slope == 1.0 else self.node("neg", sign)
        return self.node("line", sign, slope, shift)

    def _quotient(self, numerator: Operand, denominator: int) -> int:
        is_small = self.node("lt", denominator, DIV_EPS)
        if isinstance(numerator, float):
            quotient = self.node("mul", self.node("recip", denominator), numerator)
        else:
            quotient = self.node("div", numerator, denominator)
        return self.node("where", is_small, self.number(0.0), quotient)

    def _choice(self, low: Operand, high: Operand, then: Operand, otherwise: Operand) -> int:
        tie = self._of_sign(low, high, then, otherwise)
        if tie is not None:
            return tie
        if isinstance(low, float):
            is_less = self.node("gt", self.number(high), low)
        else:
            is_less = self.node("lt", low, high)
        choice = self.node("where", is_less, self.number(then), self.number(otherwise))
        if isinstance(then, float) and isinstance(otherwise, float):
            self._steps[choice] = _Step(low, high, then, otherwise)
        return choice

    def _of_sign(self, low: Operand, high: Operand, then: Operand, otherwise: Operand) -> int | None:
        """Of three equidistant constants, for less, equal and more, one by the sign of a difference: derivatives of ``min``, ``max``
        and ``abs``, which split ties."""
        step = self._steps.get(otherwise) if isinstance(otherwise, int) else None
        if step is None or not isinstance(then, float) or (repr(step.low), repr(step.high)) != (repr(high), repr(low)):
            return None
        slope, middle = then - step.otherwise, step.otherwise
        if middle - slope != step.then or any(not (2.0 * number).is_integer() for number in (slope, middle)):
            return None
        if low == 0.0 and isinstance(low, float):
            return self._line(self.node("sign", self.number(high)), slope, middle)
        if high == 0.0 and isinstance(high, float):
            return self._line(self.node("sign", self.number(low)), -slope, middle)
        return self._line(self.node("sign", self.operation("sub", [high, low])), slope, middle)
