"""Losses of PyTorch tensors: a function and a module for each.

``detloss.torch.giou(pred, target)`` and ``detloss.torch.GIoULoss()(pred, target)`` are differentiable by ``pred``. Value and
gradient are computed together, and one tensor is kept for the way back.

There are three backends. On the *fused* backend a CPU tensor is passed over once, by a compiled kernel; it is a registered operator,
so that ``torch.compile(fullgraph=True)`` knows it. On the *kernel* backend a formula is one launch on a GPU, by Triton, or one or two
on a Mac, by Metal, and so is a loss of rows; other losses are a few. On the *decomposed* backend it is run with torch operations on the device of the tensors, and
``torch.compile`` makes one kernel of it. "auto" takes the fused backend for CPU tensors, the kernel backend for what it takes on a GPU that Triton or
Metal knows, and the decomposed one for all else; the keyword ``backend`` forces any.

A loss with modifiers is had by what it is written as: ``detloss.torch.get_loss("inner(ciou, ratio=0.8)")`` is a module.
"""

from __future__ import annotations

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError('detloss.torch needs PyTorch: pip install "detloss[torch]"') from error

from detloss._functions import make as _make_function
from detloss._spec import SPECS as _SPECS
from detloss.torch import _losses, _modules
from detloss.torch._modules import Loss, get_loss

for _spec in _SPECS.values():
    globals()[_spec.name] = _make_function(_spec, _losses.compute, __name__, _losses.OPTIONS, "tensor")
    globals()[_spec.class_name] = _modules.make(_spec, __name__)

__all__ = ["Loss", "get_loss", *_SPECS, *(_spec.class_name for _spec in _SPECS.values())]
