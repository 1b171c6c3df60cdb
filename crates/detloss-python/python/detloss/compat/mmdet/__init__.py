"""The loss classes of MMDetection 3, with its constructor arguments and ``forward``, computed by :mod:`detloss.torch`.

If MMDetection is installed, importing this module registers them in ``mmdet.registry.MODELS`` under its names with a
prefix, ``DetlossGIoULoss`` and so on; a config needs ``custom_imports = dict(imports=["detloss.compat.mmdet"])`` and
the prefix. Its own losses stay as they are, unless :func:`register` is told to replace them.

Values and gradients are MMDetection's, but for what its classes say here, and for this:

- A box with x2 < x1 or y2 < y1 is empty, and not of an area that is positive again. Nothing is NaN or infinite for
  finite numbers.
- With an ``avg_factor``, a sum is divided by it, and not by it plus 1.2e-7; 0 counts as 1.
- A weight of shape (n,) is one per row, also where there are as many rows as columns.
- Weights that are all 0 need no wait for the device, and "none" has its shape for them, too.
- Targets have a gradient where a loss is symmetric; else one that requires it is an error. There is no backward
  through the backward.
- float16 boxes are computed in float32. bfloat16, too.
- What is not supported is a ``ValueError``, where MMDetection asserts. A keyword that nobody knows is a ``TypeError``.

A head that asks for MMDetection's own class by ``isinstance`` needs it: those of the DETR family for
``QualityFocalLoss``, and the dynamic RoI head for ``SmoothL1Loss``.
"""

from __future__ import annotations

import importlib
import importlib.util

from detloss.compat.mmdet._base import Loss
from detloss.compat.mmdet._classification import (
    CrossEntropyLoss,
    DiceLoss,
    DistributionFocalLoss,
    FocalLoss,
    GaussianFocalLoss,
    KnowledgeDistillationKLDivLoss,
    QualityFocalLoss,
    VarifocalLoss,
)
from detloss.compat.mmdet._regression import (
    BalancedL1Loss,
    CIoULoss,
    DIoULoss,
    EfficientIoULoss,
    GIoULoss,
    IoULoss,
    L1Loss,
    MSELoss,
    SmoothL1Loss,
)
from detloss.compat.mmdet._sets import GHMC, GHMR, SeesawLoss

LOSSES: tuple[type[Loss], ...] = (
    IoULoss,
    GIoULoss,
    DIoULoss,
    CIoULoss,
    EfficientIoULoss,
    L1Loss,
    MSELoss,
    SmoothL1Loss,
    BalancedL1Loss,
    CrossEntropyLoss,
    FocalLoss,
    QualityFocalLoss,
    VarifocalLoss,
    GaussianFocalLoss,
    DistributionFocalLoss,
    KnowledgeDistillationKLDivLoss,
    DiceLoss,
    GHMC,
    GHMR,
    SeesawLoss,
)
"""All of them."""

PREFIX = "Detloss"

__all__ = [
    "BalancedL1Loss",
    "CIoULoss",
    "CrossEntropyLoss",
    "DIoULoss",
    "DiceLoss",
    "DistributionFocalLoss",
    "EfficientIoULoss",
    "FocalLoss",
    "GHMC",
    "GHMR",
    "GIoULoss",
    "GaussianFocalLoss",
    "IoULoss",
    "KnowledgeDistillationKLDivLoss",
    "L1Loss",
    "LOSSES",
    "Loss",
    "MSELoss",
    "PREFIX",
    "QualityFocalLoss",
    "SeesawLoss",
    "SmoothL1Loss",
    "VarifocalLoss",
    "register",
]


def register(override: bool = False) -> None:
    """Registers the losses with MMDetection: ``DetlossGIoULoss`` and so on.

    Args:
        override: whether ``GIoULoss`` and so on are these, too, for all that is built from then on.
            ``EfficientIoULoss`` replaces nothing: MMDetection's ``EIoULoss`` is another loss.

    Raises:
        ModuleNotFoundError: without MMDetection.
    """
    models = importlib.import_module("mmdet.registry").MODELS
    for loss in LOSSES:
        models.register_module(name=PREFIX + loss.__name__, force=True, module=loss)
    if not override:
        return
    # Its own losses come first: they could not be registered under names that are taken.
    importlib.import_module("mmdet.models")
    for loss in LOSSES:
        if loss.__name__ in models.module_dict:
            models.register_module(name=loss.__name__, force=True, module=loss)


if importlib.util.find_spec("mmdet") is not None:
    register()
