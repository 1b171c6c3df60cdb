"""A traced formula in few launches, for tensors on a device without a compiler.

There every operation is a launch, which takes longer than the work on a thousand boxes. So operations of one kind that wait for nothing
but earlier results are one launch, side by side: tensors have the numbers of a formula for rows, and a launch reads rows of earlier
tensors where they lie, or puts them together first. The CPU does better with one number after the other, which stays in its caches; so
does a compiler, and that is `_program.run`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from detloss.torch._lowering import Lowered, Node
from detloss.torch._scalar import ELEMENTARY


class Rows(NamedTuple):
    """Rows of an earlier tensor. A single one goes with any number of others."""

    tensor: int
    start: int
    length: int = 1
    step: int = 1


class Launch(NamedTuple):
    """An operation on rows of earlier tensors and on constants. Its result is the next tensor."""

    name: str
    operands: tuple[Rows | float, ...]
    done_with: tuple[int, ...] = ()
    """The tensors that nobody needs after it."""


class Plan(NamedTuple):
    """All launches of a formula, and where its value and its slopes are."""

    launches: tuple[Launch, ...]
    value: Rows
    slopes: tuple[Rows, ...]
    """A row for each, or all of them in one."""
    rows: tuple[int, ...]
    """How many every tensor has."""


Place: TypeAlias = "tuple[int, int]"
"""A tensor, and a row of it."""

_COMMUTE = {"add", "mul", "mul_add", "min", "max"}
"""Operations whose first two operands may change places."""


def plan(formula: Lowered, inputs: Sequence[int], side_by_side: bool) -> Plan:
    """The launches for a formula, those of a kind ``side_by_side`` or each by itself.

    Its inputs are the rows of a prediction and of a target, ``inputs`` says how many, and then single numbers.
    """
    # Which constants they are is no matter, only which are the same: those on a schedule need no plan of their own.
    constants = list(dict.fromkeys(of for node in formula.nodes for of in node.operands if isinstance(of, float)))
    # Halves, which are not equal to any place of a number.
    slots = {constant: slot + 0.5 for slot, constant in enumerate(constants)}
    nodes = tuple(Node(name, tuple(slots.get(of, of) if isinstance(of, float) else of for of in operands)) for name, operands in formula.nodes)
    made = _plan(Lowered(nodes, formula.outputs), tuple(inputs), side_by_side)
    launches = tuple(
        launch._replace(operands=tuple(constants[int(of)] if isinstance(of, float) else of for of in launch.operands))
        for launch in made.launches
    )
    return made._replace(launches=launches)


@lru_cache(maxsize=256)
def _plan(formula: Lowered, inputs: tuple[int, ...], side_by_side: bool) -> Plan:
    # Of scores there may be millions: to put some together would cost more than the launch it saves.
    if max(inputs) == 1 or not side_by_side:
        return _planned(formula, inputs, _one_by_one(formula))
    return _planned(formula, inputs, _when_complete(formula, _kinds(formula, inputs[0] + inputs[1])))


Kind: TypeAlias = "tuple[Any, ...]"
"""What has to be alike in operations that are one launch: the operation, its constants, and what is not there for every unit."""


def _kinds(formula: Lowered, of_units: int) -> list[Kind]:
    """The kind of every number but inputs, the first of which are there for every unit."""
    kinds: list[Kind] = []
    is_of_units: list[bool] = []
    for name, operands in formula.nodes:
        if name == "input":
            is_of_units.append(operands[0] < of_units)
            kinds.append((name,))
            continue
        varies = [isinstance(operand, int) and is_of_units[operand] for operand in operands]
        is_of_units.append(any(varies))
        kinds.append((name, *(None if of_unit else (type(operand), operand) for operand, of_unit in zip(operands, varies, strict=True))))
    return kinds


def _one_by_one(formula: Lowered) -> Iterator[list[int]]:
    return ([place] for place, node in enumerate(formula.nodes) if node.name != "input")


def _when_complete(formula: Lowered, kinds: list[Kind]) -> Iterator[list[int]]:
    """A kind comes when as much of it as possible is ready, measured by what is left of it."""
    left = Counter(kinds)
    missing = [len(set(node.numbers)) for node in formula.nodes]
    waiting: dict[int, list[int]] = defaultdict(list)
    ready: dict[Kind, list[int]] = defaultdict(list)
    for place, node in enumerate(formula.nodes):
        for number in set(node.numbers):
            waiting[number].append(place)
        if not node.numbers and node.name != "input":
            ready[kinds[place]].append(place)

    def finish(places: Iterable[int]) -> None:
        for other in [other for place in places for other in waiting[place]]:
            missing[other] -= 1
            if missing[other] == 0:
                ready[kinds[other]].append(other)

    finish(place for place, node in enumerate(formula.nodes) if node.name == "input")
    while ready:
        kind = max(ready, key=lambda kind: (len(ready[kind]) / left[kind], -min(ready[kind])))
        places = ready.pop(kind)
        left[kind] -= len(places)
        yield places
        finish(places)


def _planned(formula: Lowered, inputs: Sequence[int], groups: Iterable[list[int]]) -> Plan:
    """The launches, group after group. What is in a group is of one kind and waits for earlier groups only."""
    made = _Launches(formula, inputs)
    for group in groups:
        for launch in made.cheapest(group):
            made.launch(launch)
    value, *slopes = (made.places[output] for output in formula.outputs)
    together = _rows(slopes) if slopes else None
    outputs = Rows(*value), *([together] if together else [Rows(*slope) for slope in slopes])
    return Plan(_with_ends(made.launches, outputs, len(inputs)), outputs[0], outputs[1:], tuple(made.rows))


def _with_ends(launches: list[Launch], outputs: Iterable[Rows], inputs: int) -> tuple[Launch, ...]:
    """Each launch with the tensors that are no longer needed after it, none of which is an input."""
    last = {rows.tensor: index for index, launch in enumerate(launches) for rows in launch.operands if isinstance(rows, Rows)}
    kept = {rows.tensor for rows in outputs}
    ends: dict[int, list[int]] = defaultdict(list)
    for tensor, index in last.items():
        if tensor >= inputs and tensor not in kept:
            ends[index].append(tensor)
    return tuple(launch._replace(done_with=tuple(ends[index])) for index, launch in enumerate(launches))


def _rows(places: Sequence[Place]) -> Rows | None:
    """These rows as a view, if one shows them."""
    (tensor, start), steps = places[0], {row - before for (_, before), (_, row) in zip(places, places[1:], strict=False)}
    if any(other != tensor for other, _ in places) or len(steps) > 1:
        return None
    step = steps.pop() if steps else 0
    if step == 0:
        return Rows(tensor, start)
    return Rows(tensor, start, len(places), step) if step > 0 else None


class _Launches:
    """What is launched so far, and where every number is."""

    def __init__(self, formula: Lowered, inputs: Sequence[int]) -> None:
        self.launches: list[Launch] = []
        self.places: dict[int, Place] = {}
        self.rows = list(inputs)
        self._formula = formula
        self._gathered: dict[tuple[Place, ...], Rows] = {}
        rows = [(tensor, row) for tensor, count in enumerate(inputs) for row in range(count)]
        for place, node in enumerate(formula.nodes):
            if node.name == "input":
                self.places[place] = rows[int(node.operands[0])]

    def cheapest(self, group: list[int]) -> list[list[int]]:
        """A group in launches: all of it in one with its operands put together, or in several that need not."""
        if len(group) == 1:
            return [group]
        whole = sorted(group, key=self._operands)
        by_tensors: dict[Any, list[int]] = defaultdict(list)
        for place in whole:
            by_tensors[tuple(tensor for tensor, _ in self._operands(place))].append(place)
        parts = [part for same in by_tensors.values() for part in self._parts(same)]
        return [whole] if self._cost(whole) < sum(map(self._cost, parts)) else parts

    def _parts(self, same: list[int]) -> list[list[int]]:
        """Those that read the same tensors, cut where no view shows what comes next; or not, if that costs less."""
        parts: list[list[int]] = [[]]
        for place in same:
            if parts[-1] and self._missing([*parts[-1], place]):
                parts.append([])
            parts[-1].append(place)
        return [same] if self._cost(same) < sum(map(self._cost, parts)) else parts

    def _operands(self, place: int) -> list[Place]:
        node = self._formula.nodes[place]
        places = [self.places[number] for number in node.numbers]
        if node.name in _COMMUTE and len(places) > 1:
            places[:2] = sorted(places[:2])
        return places

    def _missing(self, places: list[int]) -> list[tuple[Place, ...]]:
        """The operands that no view shows and nobody has put together yet."""
        columns = zip(*map(self._operands, places), strict=True)
        return [column for column in columns if _rows(column) is None and column not in self._gathered]

    def _cost(self, places: list[int]) -> int:
        return 1 + len(set(self._missing(places)))

    def launch(self, places: list[int]) -> None:
        """One operation, after those that put its operands together."""
        for column in dict.fromkeys(self._missing(places)):
            self._gathered[column] = Rows(self._add("gather", tuple(Rows(*place) for place in column), len(column)), 0, len(column))
        shown = iter([_rows(column) or self._gathered[column] for column in zip(*map(self._operands, places), strict=True)])
        node = self._formula.nodes[places[0]]
        operands = tuple(next(shown) if isinstance(operand, int) else operand for operand in node.operands)
        tensor = self._add(node.name, operands, len(places))
        for row, place in enumerate(places):
            self.places[place] = tensor, row

    def _add(self, name: str, operands: tuple[Rows | float, ...], rows: int) -> int:
        self.launches.append(Launch(name, operands))
        self.rows.append(rows)
        return len(self.rows) - 1


_OPERATIONS: dict[str, Callable[..., Tensor]] = ELEMENTARY | {
    "full": lambda like, constant: like.new_full((), constant),
    "gather": lambda *rows: torch.stack(rows),
    "from": torch.rsub,
    "mul_add": lambda a, b, c: torch.addcmul(c, a, b),
    "less_mul": lambda a, b, c: torch.addcmul(c, a, b, value=-1.0),
    "times_add": lambda a, factor, c: torch.add(c, a, alpha=factor),
    "line": lambda sign, slope, shift: torch.rsub(sign, shift, alpha=-slope),
    "div": torch.div,
    "lt": torch.lt,
    "gt": torch.gt,
    "where": torch.where,
    "sign": torch.sign,
    "at_most": lambda a, most: a.clamp(max=most),
    "at_least": lambda a, least: a.clamp(min=least),
}
"""What the operations of `_lowering` are."""


class _Tensors:
    """The tensors there are: (rows, ...), or of a single row without a dimension for it."""

    def __init__(self, inputs: list[Tensor], rows: tuple[int, ...]) -> None:
        self.all: list[Tensor | None] = [*inputs]
        self._rows = rows
        self._apart: dict[int, tuple[Tensor, ...]] = {}

    def of(self, rows: Rows) -> Tensor:
        tensor, start, length, step = rows
        whole = self.all[tensor]
        assert whole is not None
        if length == self._rows[tensor]:
            return whole
        if length > 1:
            return whole[start : start + (length - 1) * step + 1 : step]
        # All of them at once: a view of each takes nearly as long as a launch.
        if tensor not in self._apart:
            self._apart[tensor] = whole.unbind(0)
        return self._apart[tensor][start]

    def drop(self, tensor: int) -> None:
        self.all[tensor] = None
        self._apart.pop(tensor, None)


def run(plan: Plan, inputs: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Value and slopes of a formula; of inputs whose fields are rows."""
    tensors = _Tensors(inputs, plan.rows)
    for name, operands, done_with in plan.launches:
        given = [tensors.of(operand) if isinstance(operand, Rows) else operand for operand in operands]
        tensors.all.append(_OPERATIONS[name](inputs[0], *given) if name == "full" else _OPERATIONS[name](*given))
        for tensor in done_with:
            tensors.drop(tensor)
    return tensors.of(plan.value), [tensors.of(rows) for rows in plan.slopes]
