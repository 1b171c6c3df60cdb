"""The types that are checked in are those of the running package."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import detloss
from detloss._spec import OPTIONS
from samples import COLUMNS, ordinary, sized

SPECS = detloss.losses()

NUMPY = {
    "weight": "ArrayLike | None",
    "class_weight": "ArrayLike | None",
    "ignore_index": "int | None",
    "groups": "ArrayLike | None",
    "dim": "int",
    "normalizer": "float | None",
}
TORCH = {
    "weight": "Tensor | None",
    "class_weight": "Tensor | None",
    "ignore_index": "int | None",
    "groups": "Tensor | None",
    "dim": "int",
    "avg_factor": "Tensor | float | None",
    "reduction": "str",
    "loss_weight": "float",
    "backend": "str",
    "num_classes": "int",
}


TYPES = {"real": "float", "count": "int", "switch": "bool"}


def of_params(spec):
    return {param.name: TYPES[param.kind] for param in spec.params}


def stub(module):
    path = Path(module.__file__).with_suffix(".pyi")
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(body):
    found = {}
    for node in body:
        if isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, []).append(node)
    return found


def keywords(node):
    """Names, defaults and annotations of the keywords of a function in a stub."""
    assert not node.args.vararg and not node.args.kwarg and not node.args.defaults
    return {
        keyword.arg: (inspect.Parameter.empty if default is None else ast.literal_eval(default), ast.unparse(keyword.annotation))
        for keyword, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    }


def assert_same(node, runtime, kinds):
    """A function in a stub has the signature of the one that runs, and every keyword the right type."""
    signature = inspect.signature(runtime)
    positional = [p.name for p in signature.parameters.values() if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert [argument.arg for argument in node.args.args] == positional
    defaults = {p.name: p.default for p in signature.parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    assert len(positional) + len(defaults) == len(signature.parameters)
    stubbed = keywords(node)
    assert list(stubbed) == list(defaults)
    for name, (default, kind) in stubbed.items():
        if default is not inspect.Parameter.empty:
            assert default == defaults[name] and type(default) is type(defaults[name]), name
        assert kind == kinds[name], name


def docstring(node):
    return " ".join(ast.get_docstring(node).split())


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_numpy_functions(spec):
    number, rows, either = functions(stub(detloss).body)[spec.name]
    reductions = {
        number: ("Literal['mean', 'sum', 'weighted_mean']", "mean", "float"),
        rows: ("Literal['none']", inspect.Parameter.empty, "NDArray[Any]"),
        either: ("str", inspect.Parameter.empty, "float | NDArray[Any]"),
    }
    for node, (kind, default, result) in reductions.items():
        assert_same(node, getattr(detloss, spec.name), NUMPY | {"reduction": kind} | of_params(spec))
        assert keywords(node)["reduction"][0] == default
        assert ast.unparse(node.returns) == result
        assert [ast.unparse(decorator) for decorator in node.decorator_list] == ["overload"]
    assert docstring(number) == spec.summary


def names(tree):
    """What a stub says the module has."""
    found = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname for alias in node.names if alias.asname}
    return found


def test_numpy_names():
    assert names(stub(detloss)) == set(detloss.__all__)


@pytest.fixture(scope="module")
def torch():
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")
    return importlib.import_module("detloss.torch")


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_torch_functions(spec, torch):
    (node,) = functions(stub(torch).body)[spec.name]
    assert_same(node, getattr(torch, spec.name), TORCH | of_params(spec))
    assert ast.unparse(node.returns) == "Tensor"
    assert docstring(node) == spec.summary


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_torch_classes(spec, torch):
    """A class has no signature of its own when it runs: it has to take what the stub says, and nothing else."""
    node = next(node for node in stub(torch).body if isinstance(node, ast.ClassDef) and node.name == spec.class_name)
    assert docstring(node) == spec.summary
    methods = functions(node.body)
    (constructor,), (forward,) = methods["__init__"], methods["forward"]

    fixed = [argument.arg for argument in constructor.args.args]
    assert fixed == ["self", "reduction", "loss_weight", "backend"]
    constructor.args.defaults.clear()
    own = keywords(constructor)
    params = {param.name: (param.default, TYPES[param.kind]) for param in spec.params}
    of_columns = {"dim": (-1, "int")} if spec.has_columns else {}
    assert own == of_columns | ({"num_classes": (inspect.Parameter.empty, "int")} if spec.state == "per_column" else {}) | params
    loss = getattr(torch, spec.class_name)
    given = {name: default for name, (default, _) in own.items()}
    state = None
    if spec.is_stateful:
        given |= sized(spec)
        state = detloss.initial_state(spec.name, COLUMNS)
    module = loss("sum", 2.0, "fused", **given)
    assert (module.reduction, module.loss_weight, module.backend) == ("sum", 2.0, "fused")
    with pytest.raises(TypeError, match="nonsense"):
        loss(nonsense=1.0)

    options = keywords(forward)
    assert options == {name: (None, TORCH[name]) for name in (*spec.options, "avg_factor")}
    arrays = ordinary(spec)
    tensors = [importlib.import_module("torch").from_numpy(array) for array in arrays]
    value = module(*tensors, **{name: None for name in options})
    assert value == 2.0 * detloss.value_and_grad(spec.name, *arrays, reduction="sum", state=state)[0]
    for name in {*OPTIONS} - {*options}:
        with pytest.raises(TypeError, match=f"takes no {name}"):
            module(*tensors, **{name: 1})


def test_torch_names(torch):
    assert names(stub(torch)) == set(torch.__all__)
