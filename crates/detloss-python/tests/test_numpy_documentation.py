"""What the list says of every loss, and what its docstring shows."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

import detloss

SPECS = detloss.losses()

all_losses = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)


@all_losses
@pytest.mark.parametrize("module", ["detloss", "detloss.torch"])
def test_examples(spec, module):
    """The example of every docstring gives what it says."""
    if module.endswith("torch"):
        pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")
    function = getattr(importlib.import_module(module), spec.name)
    assert f">>> round({module}.{spec.name}(" in function.__doc__
    (test,) = doctest.DocTestFinder(recurse=False).find(function, spec.name, module=False, globs={})
    said = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert result.attempted == 2 and result.failed == 0, "".join(said)


@all_losses
def test_arguments_are_documented(spec):
    function = getattr(detloss, spec.name)
    documentation = inspect.getdoc(function)
    assert documentation.startswith(spec.summary.split(":")[0])
    for heading in "# Gradient", "# Conventions", "# References", "# Arguments", "# Returns", "# Example":
        assert documentation.count(heading) == 1, heading
    arguments = documentation.split("# Arguments")[1].split("# Returns")[0].splitlines()
    documented = [line.split(":")[0].strip() for line in arguments if line.strip()]
    assert documented == list(inspect.signature(function).parameters)
    assert "```" not in documentation and "{" not in documentation.split("# Arguments")[1]


README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.DOTALL), ids=["numpy", "torch"])
def test_readme(code):
    """What the page of the package shows, runs."""
    if "import torch" in code:
        pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    gradient = names["grad"] if "grad" in names else names["pred"].grad
    assert (gradient != 0).any()


def test_names_of_classes():
    names = [spec.class_name for spec in SPECS]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name.isascii() and name.endswith("Loss") for name in names)
    some = {
        "giou": "GIoULoss",
        "iou_log": "IoULogLoss",
        "ap": "APLoss",
        "alrp": "ALRPLoss",
        "rank_sort": "RankSortLoss",
        "alpha_balanced_ce": "AlphaBalancedCELoss",
        "lovasz_softmax": "LovaszSoftmaxLoss",
        "ghm_c": "GHMCLoss",
        "smooth_l1": "SmoothL1Loss",
        "focal_eiou": "FocalEIoULoss",
        "distribution_focal": "DistributionFocalLoss",
    }
    assert {name: spec.class_name for name, spec in ((s.name, s) for s in SPECS) if name in some} == some


def test_the_list():
    assert [spec.name for spec in SPECS] == [name for name in detloss.__all__ if name in {s.name for s in SPECS}]
    assert {spec.scope for spec in SPECS} == {"unit", "row", "set"}
    for spec in SPECS:
        assert spec.cases and all(param.low <= param.default <= param.high and param.doc for param in spec.params)
        assert spec.summary.endswith(".")
    assert detloss.__version__.count(".") == 2
