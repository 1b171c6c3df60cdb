"""What PyTorch has traced, as lines of text: one for each operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import getitem
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.fx import Graph, Node
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes operations in a graph, and of each what ``Writer`` reads. ``make_fx`` notes more, and takes four times as long."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph = Graph()
        self._nodes: dict[int, Node] = {}

    def note(self, tensor: Tensor, node: Node) -> None:
        # It is kept there: of what is no more, somebody else may have the identity.
        node.meta["val"] = tensor
        self._nodes[id(tensor)] = node

    def nodes(self, of: Any) -> Any:
        """Tensors as the nodes that make them."""
        return tree_map_only(Tensor, self._node, of)

    def _node(self, tensor: Tensor) -> Node:
        if id(tensor) not in self._nodes:
            raise NotImplementedError("a form has a tensor that is neither given nor made of what is given: use numbers for constants")
        return self._nodes[id(tensor)]

    def __torch_dispatch__(self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        made = operation(*args, **kwargs)
        node = self.graph.call_function(operation, self.nodes(args), self.nodes(kwargs))
        if isinstance(made, Tensor):
            self.note(made, node)
            return made
        node.meta["val"] = made
        for place, item in enumerate(made):
            self.note(item, self.graph.call_function(getitem, (node, place)))
        return made


def trace(terms: Callable[..., tuple[Tensor, ...]], *like: tuple[tuple[int, ...], torch.dtype]) -> Graph:
    """The operations that ``terms`` makes of tensors of these shapes and types."""
    recorder = _Recorder()
    # Of a tensor that is made in inference mode, an operation comes as a whole, not as the parts that have lines.
    with torch.inference_mode(False), torch.no_grad():
        # Without memory, and of no device for which autocast would convert them.
        tensors = [torch.empty(shape, dtype=dtype, device="meta") for shape, dtype in like]
        for place, tensor in enumerate(tensors):
            recorder.note(tensor, recorder.graph.placeholder(f"input{place}"))
        with recorder:
            results = terms(*tensors)
    recorder.graph.output(recorder.nodes(tuple(results)))
    recorder.graph.eliminate_dead_code()
    return recorder.graph


Numbers: TypeAlias = tuple[str, ...]
"""Names for what is traced as one tensor: one, or several side by side."""


WITHOUT_LINES = {
    *("alias.default", "cat.default", "detach.default", "getitem", "slice.Tensor", "squeeze.dim", "unsqueeze.default"),
    *("arange.default", "clone.default", "expand.default", "select.int", "stack.default", "unbind.int"),
    *("view.default", "_unsafe_view.default"),
}
"""Operations that only say which numbers are meant."""


OF_ROW = {"argmax.default", "gather.default", "index.Tensor", "max.dim", "sum.dim_IntList"}
"""Operations that look at all numbers of a row."""


class Line(NamedTuple):
    """A line of text."""

    names: Numbers
    """What it computes."""
    text: str
    """Of what."""
    operands: Numbers
    type: str
    is_of_row: bool
    """Whether it is one number for a row, made of all that the row has."""

    def __str__(self) -> str:
        return f"{', '.join(self.names)} = {self.text}"


class Writer:
    """Writes the operations of a graph. Those who know a language say how it spells what is here."""

    OPERATIONS: Mapping[str, str]
    """A line for each operation."""
    TABLE: str
    """The file that these are in."""
    TYPES: Mapping[torch.dtype, str]
    """Whole numbers are columns."""

    def __init__(self, graph: Graph, inputs: tuple[Numbers, ...]) -> None:
        self.lines: list[Line] = []
        self._numbers: dict[Node, Numbers] = dict(zip(graph.find_nodes(op="placeholder"), inputs, strict=True))
        for node in graph.nodes:
            if node.op == "call_function":
                self._numbers[node] = self._written(node)
        of_graph: Any = graph.output_node().args[0]
        self.outputs = [self._numbers[output] for output in of_graph]

    def _written(self, node: Node) -> Numbers:
        """The names of a node, after lines have been written that compute it."""
        operation, arguments = name(node), arguments_of(node)
        given = [self._operand(argument) for argument in arguments]
        first = given[0]
        match operation:
            case "arange.default":
                return ("column",)
            case "getitem":
                return (first[arguments[1]],)
            case "select.int":
                return (first[arguments[2]],)
            case "slice.Tensor":
                return first[arguments[2] : arguments[3]]
            case "sum.dim_IntList" if len(first) > 1:
                return self._line(node, " + ".join(first), first)
            case _ if operation in WITHOUT_LINES:
                return first
        if operation not in self.OPERATIONS:
            raise NotImplementedError(f"aten.{operation} has no line in {self.TABLE}")
        each = [tuple(operand[part % len(operand)] for operand in given) for part in range(max(map(len, given)))]
        if operation == "max.dim":
            return self._line(node, self.OPERATIONS[operation].format(*each[0]), each[0], "largest", "place")
        if not operation.startswith("scatter."):
            return tuple(number for operands in each for number in self._of_operands(node, operands))
        for _, *others in each:
            first = self._of_operands(node, (*first, *others))
        return first

    def _of_operands(self, node: Node, operands: Numbers) -> Numbers:
        """The name of what an operation makes of these."""
        text = self.OPERATIONS[name(node)]
        needed = tuple(operand for place, operand in enumerate(operands) if f"{{{place}}}" in text)
        return self._line(node, text.format(*self._converted(node, operands), T=self._type(node)), needed)

    def _converted(self, node: Node, operands: Numbers) -> Numbers:
        """The operands in the types that an operation takes them in."""
        return operands

    def _type(self, node: Node) -> str:
        """That of what a node makes."""
        made = node.meta["val"]
        return self.TYPES[made.dtype] if isinstance(made, Tensor) else ""

    def _line(self, node: Node, text: str, operands: Numbers, *items: str) -> Numbers:
        """The name of what a line computes, once it is written, or the names of its items."""
        number = f"v{len(self.lines)}"
        names = tuple(f"{number}_{item}" for item in items) or (number,)
        is_sum_of_names = len(operands) > 1 and name(node) == "sum.dim_IntList"
        self.lines.append(Line(names, text, operands, self._type(node), name(node) in OF_ROW and not is_sum_of_names))
        return names

    def _operand(self, operand: Any) -> Numbers:
        if isinstance(operand, Node):
            return self._numbers[operand]
        if isinstance(operand, list | tuple):
            return tuple(number for item in operand for number in self._operand(item)) or ("",)
        if isinstance(operand, torch.dtype):
            return (self.TYPES.get(operand, ""),)
        return (self._constant(operand),)

    def _constant(self, constant: Any) -> str:
        """The text of what is no tensor."""
        return repr(constant)


def needed_lines(lines: list[Line], names: set[str], computed: set[str]) -> list[Line]:
    """The lines that these names need, of those that are computed here."""
    needed, kept = {*names}, []
    for line in reversed(lines):
        if needed & {*line.names} & computed:
            needed |= {*line.operands}
            kept.append(line)
    return kept[::-1]


def name(node: Node) -> str:
    """The operation as PyTorch calls it."""
    if isinstance(node.target, torch._ops.OpOverload):
        return f"{node.target.overloadpacket.__name__}.{node.target._overloadname}"
    return str(getattr(node.target, "__name__", node.target))


def arguments_of(node: Node) -> list[Any]:
    """Those of an operation in their order, with the defaults of what is not given."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return list(node.args)
    known = node.target._schema.arguments
    given = dict(zip((argument.name for argument in known), node.args)) | node.kwargs
    return [given.get(argument.name, argument.default_value) for argument in known]
