"""What every front-end of tensors is asked for: ranks 1 to 4, weights of every form, groups, every integer type."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detloss

REQUESTS = "DETLOSS_REQUESTS"
"""The file that `cargo run --example requests` of the core wrote."""

TYPES = ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]
OPTIONS = ("weight", "class_weight", "groups")

if REQUESTS not in os.environ:
    pytest.skip(f"{REQUESTS} names no file: run cargo xtask python", allow_module_level=True)

_BY_LOSS: dict[str, list[dict[str, Any]]] = defaultdict(list)
for _line in Path(os.environ[REQUESTS]).read_text().splitlines():
    _request = json.loads(_line)
    _BY_LOSS[_request["loss"]].append(_request)

by_loss = pytest.mark.parametrize("name", [spec.name for spec in detloss.losses()])


def array(given: Any) -> Any:
    if isinstance(given, dict):
        return np.array(given["numbers"]).reshape(given["shape"])
    return np.array(given, dtype=float)


def tensors(request: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """Prediction, target and options as arrays."""
    target = array(request["target"])
    if request["integers"] is not None:
        target = target.astype(TYPES[request["integers"] % len(TYPES)])
    options = {name: array(request[name]) for name in OPTIONS if request[name] is not None}
    if request["ignore_index"] is not None:
        options["ignore_index"] = request["ignore_index"]
    return array(request["pred"]), target, options


def assert_answers(request: dict[str, Any], values: Any, grad: Any, rtol: float) -> None:
    for found, expected in ((values, request["values"]), (grad, request["grad"])):
        assert found.size == len(expected), request["what"]
        np.testing.assert_allclose(found.reshape(-1), expected, rtol=rtol, atol=rtol, err_msg=request["what"])


@by_loss
def test_arrays(name):
    assert _BY_LOSS[name]
    for request in _BY_LOSS[name]:
        pred, target, options = tensors(request)
        values = getattr(detloss, name)(pred, target, reduction="none", **options)
        _, grad = detloss.value_and_grad(name, pred, target, reduction="sum", **options)
        assert_answers(request, values, grad, 1e-12)


@by_loss
@pytest.mark.parametrize("backend", ["fused", "decomposed"])
def test_tensors(name, backend):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")
    import detloss.torch

    for request in _BY_LOSS[name]:
        pred, target, options = tensors(request)
        as_tensor = {key: torch.from_numpy(value) if isinstance(value, np.ndarray) else value for key, value in options.items()}
        pred = torch.from_numpy(pred).requires_grad_()
        values = getattr(detloss.torch, name)(pred, torch.from_numpy(target), reduction="none", backend=backend, **as_tensor)
        (grad,) = torch.autograd.grad(values.sum(), pred)
        assert_answers(request, values.detach().numpy(), grad.numpy(), 1e-9)
