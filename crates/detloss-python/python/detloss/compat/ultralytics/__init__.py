"""The losses of this package in the training of Ultralytics' models, which stays as it is.

::

    from ultralytics import YOLO
    import detloss.compat.ultralytics

    with detloss.compat.ultralytics.losses(box="wiou", cls="varifocal"):
        YOLO("yolo11n.yaml").train(data="coco8.yaml")

On the command line, ``python -m detloss.compat.ultralytics train box_loss=wiou model=yolo11n.yaml data=coco8.yaml`` is ``yolo`` with the
settings ``box_loss``, ``cls_loss``, ``dfl_loss``, ``assigner`` and ``assigner_overlap``.

Detection, segmentation, pose and oriented boxes are trained so, with one head or end to end (YOLO26); RT-DETR and classification have other
losses, which stay what they are. Weights of the terms (``box``, ``cls``, ``dfl``) and their names in logs stay Ultralytics', and so do its
checkpoints: nothing of this package is in them. Written against Ultralytics 8.4.190, of which nothing is contained here; where a version has
changed what is replaced, an error says what was looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from detloss import matching
from detloss._spec import find
from detloss.compat.ultralytics._installed import BOX, ROTATED, Installed, stack
from detloss.compat.ultralytics._seams import patch
from detloss.torch import Loss, get_loss

__all__ = ["Installed", "install", "losses"]


def install(
    box: str | None = None,
    box_params: Mapping[str, float] | None = None,
    cls: str | None = None,
    cls_params: Mapping[str, float] | None = None,
    dfl: bool | None = None,
    assigner: str | None = None,
    assigner_overlap: str | None = None,
) -> Installed:
    """Puts losses in the place of Ultralytics', for all models of this process, until the result is undone.

    What is not given stays as it is: Ultralytics' own, or that of an earlier call which is not undone yet.

    Args:
        box: the loss of boxes in the place of CIoU, ``wiou``, ``inner(siou, ratio=0.8)``; for oriented boxes one of rotated boxes in the
            place of ProbIoU, ``kld(tau=1)``. Lengths are in strides of the level, as they are there.
        box_params: its parameters.
        cls: the loss of scores in the place of binary cross entropy, by the soft labels of the assigner: ``varifocal``, ``quality_focal``,
            ``mal``, ``focal(gamma=1.5)``.
        cls_params: its parameters.
        dfl: False leaves out the distribution focal loss, or the L1 of heads without distributions.
        assigner: ``task_aligned`` is ours, with the same results, which forms no matrix of truths and predictions. Parameters that are written,
            ``task_aligned(beta=4)``, count in place of the model's.
        assigner_overlap: the loss of boxes that the overlap of the assigner, ours or theirs, is 1 minus of: ``siou``.

    Raises:
        ValueError: a loss is not one of what it is to be; with the remedy.
        RuntimeError: Ultralytics has changed; with what was looked for.
    """
    if dfl not in (None, True, False):
        raise ValueError(f"dfl is {dfl!r}: give True or False")
    settings = {key: given for key, given in locals().items() if given is not None}
    installed = Installed(
        _boxes("box", box, box_params, "sum"),
        _scores(cls, cls_params),
        dfl,
        None if assigner is None else _written_params(assigner),
        _boxes("assigner_overlap", assigner_overlap, None, "none"),
    )
    installed.settings = settings
    if not stack:
        patch()
    stack.append(installed)
    return installed


@contextmanager
def losses(
    box: str | None = None,
    box_params: Mapping[str, float] | None = None,
    cls: str | None = None,
    cls_params: Mapping[str, float] | None = None,
    dfl: bool | None = None,
    assigner: str | None = None,
    assigner_overlap: str | None = None,
) -> Iterator[Installed]:
    """:func:`install` for a block, undone at its end however that comes."""
    with install(box, box_params, cls, cls_params, dfl, assigner, assigner_overlap) as installed:
        yield installed


def _boxes(what: str, name: str | None, params: Mapping[str, float] | None, reduction: str) -> Loss | None:
    if name is None:
        _no_params(what, params)
        return None
    if find(name).pred.fields not in (BOX, ROTATED):
        raise ValueError(f"{what} is {name!r}: give a loss of two boxes, such as 'siou', or of rotated ones, such as 'kld(tau=1)'")
    return get_loss(name, reduction=reduction, **(params or {}))


def _scores(name: str | None, params: Mapping[str, float] | None) -> Loss | None:
    if name is None:
        _no_params("cls", params)
        return None
    spec = find(name)
    if spec.pred.fields != ("logit",) or not spec.is_elementwise or spec.scope != "unit":
        raise ValueError(f"cls is {name!r}: give a loss of single scores, such as 'varifocal' or 'focal(gamma=1.5)'")
    return get_loss(name, reduction="none", **(params or {}))


def _no_params(what: str, params: Mapping[str, float] | None) -> None:
    if params is not None:
        raise ValueError(f"{what}_params are given without a loss: give {what}, too")


def _written_params(assigner: str) -> dict[str, float]:
    """The parameters of a task-aligned assigner that are written out."""
    matcher = matching.get_matcher(assigner)
    if not repr(matcher).startswith("<detloss matcher task_aligned"):
        raise ValueError(f"assigner is {assigner!r}: give task_aligned, the only one that sees what Ultralytics' sees")
    written = set(re.findall(r"(\w+)\s*=", assigner))
    if "overlap" in written:
        raise ValueError(f"assigner is {assigner!r}: give the overlap as assigner_overlap")
    return {name: value for name, value in matcher.params.items() if name in written}
