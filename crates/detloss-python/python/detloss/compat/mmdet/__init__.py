"""The loss classes and assigners of MMDetection 3, with its arguments, computed by :mod:`detloss.torch` and :mod:`detloss.matching`.

If MMDetection is installed, importing this module registers them in ``mmdet.registry.MODELS`` under its names with a
prefix, ``DetlossGIoULoss`` and so on; a config needs ``custom_imports = dict(imports=["detloss.compat.mmdet"])`` and
the prefix. Its own losses stay as they are, unless :func:`register` is told to replace them. The assigners are in
``mmdet.registry.TASK_UTILS`` under the prefix, ``DetlossTaskAlignedAssigner`` and so on, and only there.

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

Not here are ``AssociativeEmbeddingLoss``, ``TripletLoss`` and, of the losses of tracking, ``L2Loss`` and ``MarginL2Loss``, which
draw their negatives: they compare embeddings, not detections. Nor are ``DDQAuxLoss``, which is a head with its matching,
``Accuracy``, and the functions, ``carl_loss`` and ``isr_p`` among them.

A head that asks for MMDetection's own class by ``isinstance`` needs it: those of the DETR family for
``QualityFocalLoss``, and the dynamic RoI head for ``SmoothL1Loss``.
"""

from __future__ import annotations

import importlib
import importlib.util

from detloss.compat._openmmlab import PREFIX, Loss, register_in
from detloss.compat.mmdet._assigners import (
    ASSIGNERS,
    Assigner,
    ATSSAssigner,
    DynamicSoftLabelAssigner,
    HungarianAssigner,
    MaxIoUAssigner,
    SimOTAAssigner,
    TaskAlignedAssigner,
)
from detloss.compat.mmdet._classification import (
    CrossEntropyLoss,
    DiceLoss,
    DistributionFocalLoss,
    FocalLoss,
    GaussianFocalLoss,
    KnowledgeDistillationKLDivLoss,
    MultiPosCrossEntropyLoss,
    QualityFocalLoss,
    VarifocalLoss,
)
from detloss.compat.mmdet._heads import CrossEntropyCustomLoss, FocalCustomLoss
from detloss.compat.mmdet._regression import (
    BalancedL1Loss,
    BoundedIoULoss,
    CIoULoss,
    DIoULoss,
    EfficientIoULoss,
    EIoULoss,
    GIoULoss,
    IoULoss,
    L1Loss,
    MSELoss,
    SIoULoss,
    SmoothL1Loss,
)
from detloss.compat.mmdet._sets import GHMC, GHMR, EQLV2Loss, SeesawLoss

LOSSES: tuple[type[Loss], ...] = (
    IoULoss,
    GIoULoss,
    DIoULoss,
    CIoULoss,
    EIoULoss,
    EfficientIoULoss,
    SIoULoss,
    BoundedIoULoss,
    L1Loss,
    MSELoss,
    SmoothL1Loss,
    BalancedL1Loss,
    CrossEntropyLoss,
    CrossEntropyCustomLoss,
    FocalLoss,
    FocalCustomLoss,
    QualityFocalLoss,
    VarifocalLoss,
    GaussianFocalLoss,
    DistributionFocalLoss,
    KnowledgeDistillationKLDivLoss,
    MultiPosCrossEntropyLoss,
    DiceLoss,
    GHMC,
    GHMR,
    SeesawLoss,
    EQLV2Loss,
)
"""All of them."""

__all__ = [
    "Assigner",
    "ASSIGNERS",
    "ATSSAssigner",
    "BalancedL1Loss",
    "BoundedIoULoss",
    "CIoULoss",
    "CrossEntropyCustomLoss",
    "CrossEntropyLoss",
    "DiceLoss",
    "DIoULoss",
    "DistributionFocalLoss",
    "DynamicSoftLabelAssigner",
    "EfficientIoULoss",
    "EIoULoss",
    "EQLV2Loss",
    "FocalCustomLoss",
    "FocalLoss",
    "GaussianFocalLoss",
    "GHMC",
    "GHMR",
    "GIoULoss",
    "HungarianAssigner",
    "IoULoss",
    "KnowledgeDistillationKLDivLoss",
    "L1Loss",
    "Loss",
    "LOSSES",
    "MaxIoUAssigner",
    "MSELoss",
    "MultiPosCrossEntropyLoss",
    "PREFIX",
    "QualityFocalLoss",
    "SeesawLoss",
    "SimOTAAssigner",
    "SIoULoss",
    "SmoothL1Loss",
    "TaskAlignedAssigner",
    "VarifocalLoss",
    "register",
]


def register(override: bool = False) -> None:
    """Registers losses and assigners with MMDetection: ``DetlossGIoULoss``, ``DetlossMaxIoUAssigner`` and so on.

    Args:
        override: whether ``GIoULoss`` and so on are these, too, for all that is built from then on. There is no
            ``EfficientIoULoss`` to replace. Assigners are never replaced: not all arguments of MMDetection's are supported.

    Raises:
        ModuleNotFoundError: without MMDetection.
    """
    registry = importlib.import_module("mmdet.registry")
    register_in(registry.MODELS, LOSSES, "mmdet.models" if override else None)
    register_in(registry.TASK_UTILS, ASSIGNERS, None)


# Without MMCV it is installed, and cannot be imported.
if all(importlib.util.find_spec(name) is not None for name in ("mmdet", "mmcv")):
    register()
