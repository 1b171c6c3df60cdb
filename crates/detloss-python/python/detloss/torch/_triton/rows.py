"""One kernel for a loss of rows: its vectorised form, traced, as the text of what is done with a tile of whole rows.

A tile has the rows as its lines, each made as long as a power of two. What is one number for a row is a column of it.
"""

from __future__ import annotations

from functools import lru_cache
from math import isfinite
from threading import Lock
from typing import Any, TypeAlias

import torch
import triton
from torch.fx import Graph, Node
from torch.fx.experimental.proxy_tensor import make_fx

from detloss._spec import Spec, find
from detloss.torch._operations import TRACEABLE
from detloss.torch._triton import frame
from detloss.torch._triton.operations import ATEN

NUMBERS = 512
"""How many numbers a tile has, of as many rows as that takes; of a longer row a tile has one."""


def tile(columns: int) -> tuple[int, int]:
    """The rows of a tile, and the warps that have it: a thread has no more numbers than fit into its registers."""
    line = triton.next_power_of_2(columns)
    return max(1, NUMBERS // line), max(4, line // 512)


_tracer = Lock()
"""PyTorch traces one thing at a time."""


def trace(
    spec: Spec, params: tuple[float, ...], columns: int, classes: bool, by_class: bool, dtype: torch.dtype, with_grad: bool
) -> Graph:
    """The operations of a loss on rows of so many columns. ``by_class``: every class has a weight."""
    named = {param.name: value for param, value in zip(spec.params, params, strict=True)}

    def terms(pred: torch.Tensor, target: torch.Tensor, class_weight: torch.Tensor) -> tuple[torch.Tensor, ...]:
        values, grad = TRACEABLE[spec.name](pred, target, class_weight if by_class else None, named)
        return (values, grad) if with_grad else (values,)

    # Without memory, and of no device for which autocast would convert them.
    of_target = (3, columns) if spec.target.is_row and not classes else (3,)
    pred, class_weight = (torch.empty(shape, dtype=dtype, device="meta") for shape in ((3, columns), (columns,)))
    target = torch.empty(of_target, dtype=torch.int64 if classes else dtype, device="meta")
    with _tracer, torch.inference_mode(False), torch.no_grad():
        graph: Graph = make_fx(terms)(pred, target, class_weight).graph
    graph.eliminate_dead_code()
    return graph


Numbers: TypeAlias = tuple[str, ...]
"""Names for what is traced as one tensor: that of a tile or of a number for each row, or several of the latter side by side."""


WITHOUT_LINES = {"alias.default", "cat.default", "getitem", "slice.Tensor", "squeeze.dim", "unsqueeze.default"}
"""Operations that only say which numbers are meant."""


def lines(graph: Graph, inputs: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """A graph as lines of text, and the names of what comes out of it."""
    written: list[str] = []
    numbers: dict[Node, Numbers] = dict(zip(graph.find_nodes(op="placeholder"), ((name,) for name in inputs), strict=True))
    for node in graph.nodes:
        if node.op == "call_function":
            numbers[node] = _written(node, numbers, written)
    outputs: Any = graph.output_node().args[0]
    return written, [numbers[output][0] for output in outputs]


def _written(node: Node, numbers: dict[Node, Numbers], written: list[str]) -> Numbers:
    """The names of a node, after lines have been written that compute it."""
    operation, arguments = _name(node), _arguments(node)
    given = [_operand(argument, numbers) for argument in arguments]
    first = given[0]
    match operation:
        case "getitem":
            return (first[arguments[1]],)
        case "slice.Tensor":
            return first[arguments[2] : arguments[3]]
        case "sum.dim_IntList" if len(first) > 1:
            return _line(" + ".join(first), written)
        case _ if operation in WITHOUT_LINES:
            return first
    if operation not in ATEN:
        raise NotImplementedError(f"aten.{operation} has no line in _triton/operations.py")
    each = [tuple(operand[part % len(operand)] for operand in given) for part in range(max(map(len, given)))]
    if operation == "max.dim":
        return _line(ATEN[operation].format(*each[0]), written, "largest", "place")
    if not operation.startswith("scatter."):
        return tuple(name for operands in each for name in _line(ATEN[operation].format(*operands), written))
    for _, *others in each:
        first = _line(ATEN[operation].format(*first, *others), written)
    return first


def _line(text: str, written: list[str], *items: str) -> Numbers:
    """The name of what a line computes, once it is written, or the names of its items."""
    name = f"v{len(written)}"
    names = tuple(f"{name}_{item}" for item in items) or (name,)
    written.append(f"{', '.join(names)} = {text}")
    return names


def _name(node: Node) -> str:
    """The operation as PyTorch calls it."""
    if isinstance(node.target, torch._ops.OpOverload):
        return f"{node.target.overloadpacket.__name__}.{node.target._overloadname}"
    return str(getattr(node.target, "__name__", node.target))


def _arguments(node: Node) -> list[Any]:
    """Those of an operation in their order, with the defaults of what is not given."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return list(node.args)
    known = node.target._schema.arguments
    given = dict(zip((argument.name for argument in known), node.args)) | node.kwargs
    return [given.get(argument.name, argument.default_value) for argument in known]


_TYPES = {torch.float32: "F", torch.float64: "F", torch.int64: "tl.int32"}
"""Whole numbers are columns."""


def _operand(operand: Any, numbers: dict[Node, Numbers]) -> Numbers:
    if isinstance(operand, Node):
        return numbers[operand]
    if isinstance(operand, list | tuple):
        return tuple(name for item in operand for name in _operand(item, numbers)) or ("",)
    if isinstance(operand, torch.dtype):
        return (_TYPES[operand],)
    is_text = isinstance(operand, float) and not isfinite(operand)
    return (f'float("{operand}")' if is_text else repr(operand),)


def _target(spec: Spec, classes: bool) -> list[str]:
    """Lines that load the target of each row: a class index, a number, or one for every column, where what is no label is NaN."""
    if classes:
        return [
            "of_row = tl.load(target + row, mask=inside, other=0).to(tl.int64)",
            "is_known = (of_row >= 0) & (of_row < COLUMNS)",
            "if ignore is not None:",
            "    counts = counts & (of_row != ignore)",
            "t = tl.where(is_known, of_row, 0).to(tl.int32)",
        ]
    if not spec.target.is_row:
        return ["t = tl.load(target + row, mask=inside, other=0.0).to(F)"]
    load = ["t = tl.load(target + row * COLUMNS + column, mask=inside & in_row, other=0.0).to(F)"]
    if spec.target.is_probability:
        load.append(f't = tl.where({frame.label_is_known("t", spec.target)}, t, float("nan"))')
    return load


def source(
    spec: Spec, params: tuple[float, ...], columns: int, classes: bool, by_class: bool, dtype: torch.dtype, with_grad: bool
) -> tuple[str, str]:
    """The name of the kernel, and its text."""
    load = [
        "row = unit",
        f"column = tl.arange(0, {triton.next_power_of_2(columns)})[None, :]",
        "in_row = column < COLUMNS",
        "x = tl.load(pred + row * STRIDE + column, mask=inside & in_row, other=0.0).to(F)",
        *_target(spec, classes),
    ]
    if by_class:
        load.append("w = tl.load(class_weight + column, mask=in_row, other=0.0).to(F)")
    traced = trace(spec, params, columns, classes, by_class, dtype, with_grad)
    written, (value, *slopes) = lines(traced, ("x", "t", "w"))
    store = []
    if classes:
        written += [f'{name} = tl.where(is_known, {name}, float("nan"))' for name in (value, *slopes)]
    for slope in slopes:
        store = [
            f"slope = tl.where(counts & in_row, {slope} * (importance * factor), 0.0)",
            "tl.store(grad + row * COLUMNS + column, slope, mask=inside & in_row)",
        ]
    mass = "importance * sum_of_row(tl.where(column == t, w, 0.0), in_row)" if classes and by_class else "importance"
    return frame.text(spec.name, "[TILE, 1]", "tl.arange(0, TILE)[:, None]", load, [], written, value, mass, store)


@lru_cache(maxsize=512)
def kernel(name: str, params: tuple[float, ...], columns: int, classes: bool, by_class: bool, dtype: torch.dtype, with_grad: bool) -> Any:
    """The kernel of the loss that is written so, for rows of so many columns in this precision."""
    function, text = source(find(name), params, columns, classes, by_class, dtype, with_grad)
    return frame.build(function, text, (name, params, columns, classes, by_class, dtype, with_grad))
