"""Functions made from lines of the list, with their documentation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from detloss._spec import OPTIONS, Case, Param, Spec

_DIVISOR = 'what the sum is divided by, instead of the number of {unit}s; only with "mean". 0 counts as 1.'

KEYWORDS = {
    "class_weight": "a factor per column, of shape (columns,).",
    "ignore_index": "rows whose class index is this one are worth 0, whatever they hold.",
    "groups": "the image of each row (integers), of shape {rows}: a value for each image, in ascending order.",
    "dim": "the dimension of pred that the columns are in, such as 1 for (n, columns, height, width). The last one by default.",
    "normalizer": _DIVISOR,
    "avg_factor": _DIVISOR,
    "reduction": '"mean", "sum", "weighted_mean" (the sum is divided by that of the weights) or "none".',
    "loss_weight": "a factor of the result.",
    "num_classes": "how many columns a row has: the state has numbers for each.",
    "backend": '"fused" (one pass over the memory of the CPU), "decomposed" (torch operations on any device), "kernel" (one launch '
    'or a few on a GPU, by Triton), or "auto".',
}
"""What the keywords do, but for weight and the parameters."""


def documentation(spec: Spec, array: str, keywords: Iterable[str] = (), module: str | None = None) -> str:
    """The page of a loss as a docstring: formula, notes, shapes, keywords, and an example of the function in ``module``.

    ``array`` is what the numbers come in: "array" or "tensor".
    """
    lines = [line.removeprefix(" ") for line in spec.doc.splitlines()]
    page = "\n".join(line for line in lines if not line.startswith("```")).strip()
    words = spec.description
    arguments = [f"pred: {array} of shape {words.pred}.", f"target: {words.target}."]
    arguments += [f"{name}: {_keyword(spec, name)}" for name in keywords]
    for param in spec.params:
        meaning = " ".join(param.doc.split())
        arguments.append(f"{param.name}: {meaning} {_range(param)}")
    sections = [page, "# Arguments", "\n".join(f"    {line}" for line in arguments), "# Returns", f"    {_returns(spec)}"]
    if module is not None and spec.cases:
        case = example(spec)
        sections += ["# Example", f"    {case.what[0].upper()}{case.what[1:]}.", _run(spec, case, module)]
    return "\n\n".join(sections) + "\n"


def _range(param: Param) -> str:
    if param.kind == "switch":
        return f"Default {param.default}."
    return f"Default {param.default:.6g}, from {param.low:g} to {param.high:g}."


def _keyword(spec: Spec, name: str) -> str:
    words = spec.description
    if name == "reduction" and spec.scope == "set":
        return '"mean", "sum", "weighted_mean" (the mean of the groups in which something counts) or "none".'
    if name == "weight":
        return f"{words.weight}."
    return KEYWORDS[name].format(unit=words.unit, rows=words.rows)


def _returns(spec: Spec) -> str:
    if spec.scope == "set":
        return 'One value for the whole batch, or the mean over the groups; with "none" that of each group.'
    return f'One value; with "none" {spec.description.values}.'


def example(spec: Spec) -> Case:
    """The worked case that a docstring shows: one at the defaults, and not worth 0 if there is one."""
    plain = [case for case in spec.cases if not case.params]
    return next((case for case in plain if case.value != 0.0), plain[0])


def arguments(spec: Spec, case: Case) -> tuple[Any, Any]:
    """Prediction and target of a worked case, as the function takes them."""
    pred, target = list(case.pred), list(case.target)
    rows = len(target) // len(spec.target.fields) if spec.scope == "set" else 1
    width = len(pred) // rows if spec.pred.is_row or len(spec.pred.fields) > 1 else 1
    is_class = spec.target.fields == ("class",) or (spec.target.is_row and len(target) < width)
    wanted: list[Any] = [int(number) for number in target] if is_class else target
    if spec.scope == "set":
        return ([pred[row * width : (row + 1) * width] for row in range(rows)] if width > 1 else pred), wanted
    is_one = len(wanted) == 1 and (spec.pred.is_row or len(spec.pred.fields) > 1)
    return pred, (wanted[0] if is_one else wanted)


def _run(spec: Spec, case: Case, module: str) -> str:
    """A worked case as lines of an interactive session. Digits that depend on the machine are rounded away."""
    pred, target = arguments(spec, case)
    if module.endswith("torch"):
        call = f"{module}.{spec.name}(torch.tensor({pred}), torch.tensor({target})).item()"
        imports = f"    >>> import torch, {module}\n"
    else:
        call, imports = f"{module}.{spec.name}({pred}, {target})", f"    >>> import {module}\n"
    return f"{imports}    >>> round({call}, 4)\n    {round(case.value, 4)}"


def make(
    spec: Spec, compute: Callable[..., Any], module: str, options: dict[str, Any], array: str
) -> Callable[..., Any]:
    """A function of ``pred`` and ``target`` whose keywords are the parameters of the loss, and those options that make sense.

    ``compute`` is given all options, the others as None.
    """
    keywords = {name: default for name, default in options.items() if name not in OPTIONS or name in spec.options}
    if not spec.has_columns:
        del keywords["dim"]
    parameters = {param.name: param.default for param in spec.params}

    def function(pred: Any, target: Any, **given: Any) -> Any:
        params: dict[str, float] = {}
        chosen = options.copy()
        for name, value in given.items():
            if name in keywords:
                chosen[name] = value
            elif name in parameters:
                params[name] = value
            else:
                takes = ", ".join([*keywords, *parameters])
                raise TypeError(f"{spec.name}() takes no keyword {name!r}: it takes {takes}")
        return compute(spec, pred, target, params, **chosen)

    function.__name__ = function.__qualname__ = spec.name
    function.__module__ = module
    function.__doc__ = documentation(spec, array, keywords, module)
    function.__signature__ = signature(("pred", "target"), keywords | parameters)  # type: ignore[attr-defined]
    return function


def signature(positional: Iterable[str], keywords: Mapping[str, object]) -> inspect.Signature:
    """The signature of a function that takes these, and keywords with these defaults."""
    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in positional]
    for name, default in keywords.items():
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default))
    return inspect.Signature(parameters)
