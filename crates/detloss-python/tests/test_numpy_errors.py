"""What is wrong with a call is named, with the remedy."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import detloss
from samples import COLUMNS, classes, ordinary, shapes, takes_classes

SPECS = detloss.losses()

all_losses = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)


def function(spec):
    return getattr(detloss, spec.name)


def fails(match, spec, *args, error=ValueError, **options):
    with pytest.raises(error, match=match):
        function(spec)(*args, **options)
    with pytest.raises(error, match=match):
        detloss.value_and_grad(spec.name, *args, **options)


@all_losses
def test_shapes(spec):
    pred, target = ordinary(spec, 6)
    wanted = re.escape(str(list(shapes(spec, 6)[1])))
    fails(rf"{spec.name}: the target has shape \[5.*give {wanted}", spec, pred, target[:5])
    fails(rf"{spec.name}: the target has shape \[6, 2, 2\]: give {wanted}", spec, pred, np.zeros((6, 2, 2)))
    fails(rf"{spec.name}: the weight has shape \[7\]: give .*\[6\]", spec, pred, target, weight=np.ones(7))
    if not spec.has_columns and not spec.is_mask:
        fails(f"a last dimension of {len(spec.pred.fields)}.*{spec.pred.fields[-1]}", spec, pred[:, :1], target)
        fails(r"has shape \[\]", spec, 1.0, target)
    if spec.pred.is_row:
        fails(r"has shape \[\]: give (rows|.*with a prediction)", spec, 1.0, target)
    if takes_classes(spec):
        fails(r"\[6\]", spec, pred, np.zeros(5, int))
    if "class_weight" in spec.options:
        fails(rf"class_weight has shape \[2\]: give \[{COLUMNS}\]", spec, pred, target, class_weight=np.ones(2))
    if "groups" in spec.options:
        fails(r"groups has shape \[3\]: give \[6\]", spec, pred, target, groups=np.zeros(3, int))


@all_losses
def test_numbers(spec):
    pred, target = ordinary(spec, 6)
    for name, number in ("negative", -1.0), ("NaN", np.nan), ("infinite", np.inf):
        fails("normalizer is .*: give a positive number", spec, pred, target, normalizer=number)
        assert name
    fails('reduction="mean" instead of \'sum\'', spec, pred, target, normalizer=2.0, reduction="sum")
    fails("reduction is 'average': give one of 'none', 'mean'", spec, pred, target, reduction="average")
    fails("give real numbers", spec, pred + 1j, target, error=TypeError)
    fails("give real numbers", spec, pred, target + 1j, error=TypeError)
    fails("the weight is of complex128", spec, pred, target, weight=np.ones(6) + 1j, error=TypeError)
    for param in spec.params:
        for value in param.low - 1, param.high + 1, np.nan:
            wanted = {"real": "a number from", "count": "a whole number from", "switch": "true or false"}[param.kind]
            fails(f"{spec.name} cannot have {param.name} = .*: give {wanted}", spec, pred, target, **{param.name: value})
    if spec.scope == "set":
        fails("number 2 of the weights is 0.5: give 0 or 1", spec, pred, target, weight=np.array([1, 0, 0.5, 1, 1, 1]))
        fails("the groups are of float64: give integers", spec, pred, target, groups=np.zeros(6), error=TypeError)
    if takes_classes(spec):
        pred, indices = classes(spec, 6)
        indices[4] = 99
        fails(f"row 4 has class 99, but there are {COLUMNS} classes", spec, pred, indices)
        if not (spec.pred.is_row and not spec.target.is_row):
            fails("ignore_index needs class indices", spec, *ordinary(spec, 6), ignore_index=0)


@all_losses
def test_keywords(spec):
    """Only those that make sense are there, and an error lists them."""
    pred, target = ordinary(spec, 6)
    takes = list(inspect.signature(function(spec)).parameters)[2:]
    assert takes == [*spec.options, *(["dim"] if spec.has_columns else []), "normalizer", "reduction", *(param.name for param in spec.params)]
    given = {"class_weight": np.ones(COLUMNS), "ignore_index": 0, "groups": np.zeros(6, int), "dim": 0, "nonsense": 1.0}
    for name, value in given.items():
        if name in takes:
            continue
        with pytest.raises(TypeError, match=rf"{spec.name}\(\) takes no keyword '{name}': it takes {', '.join(takes)}$"):
            function(spec)(pred, target, **{name: value})
        with pytest.raises(TypeError, match=rf"{spec.name}(\(\) has no parameter '{name}'| takes no {name}: it)"):
            detloss.value_and_grad(spec.name, pred, target, **{name: value})


@all_losses
def test_what_would_be_taken_for_a_number(spec):
    """None would be NaN, and the mask of an array would be of no effect."""
    pred, target = ordinary(spec, 6)
    for name, what in {"pred": "prediction", "target": "target", "weight": "weight", "class_weight": "class weight"}.items():
        if name == "class_weight" and name not in spec.options:
            continue
        given = {"pred": pred, "target": target, "weight": np.ones(6), "class_weight": np.ones(COLUMNS)}
        given = {key: given[key] for key in ("pred", "target", name)}
        holes, masked = given[name].astype(object), np.ma.masked_array(given[name], np.zeros(given[name].shape, bool))
        holes.flat[-1] = None
        fails(rf"the {what} has None at \[{', '.join(str(size - 1) for size in holes.shape)}\]: give a number", spec, **{**given, name: holes})
        assert np.isfinite(function(spec)(**{**given, name: masked}))
        masked.mask.flat[0] = True
        fails(f"the {what} is an array with a mask, which is of no effect here", spec, **{**given, name: masked})


@all_losses
def test_parameters_are_single_numbers(spec):
    pred, target = ordinary(spec, 6)
    for param in spec.params:
        remedy = "give one number" + ("; a factor per class is class_weight$" if "class_weight" in spec.options else "$")
        for value in ([0.1, 0.2], np.ones(3), "much", None):
            match = f"{spec.name}: {param.name} is a {type(value).__name__}: {remedy}"
            fails(match, spec, pred, target, error=TypeError, **{param.name: value})


def test_names():
    with pytest.raises(ValueError, match=r'no loss is called "gio": did you mean "giou"\?'):
        detloss.value_and_grad("gio", [0, 0, 1, 1], [0, 0, 1, 1])
    with pytest.raises(ValueError, match=r'no loss is called "", nor anything like it'):
        detloss.initial_state("")


def test_without_pytorch(tmp_path):
    """NumPy is enough for the package; what needs PyTorch says so, and how to get it."""
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n")
    code = "import detloss\ntry:\n    import detloss.torch\nexcept ModuleNotFoundError as error:\n    print(error)\n"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    words = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
    assert words == 'detloss.torch needs PyTorch: pip install "detloss[torch]"\n'
