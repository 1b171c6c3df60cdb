# Generated from the list of losses by `cargo xtask gen`.
from collections.abc import Callable
from typing import Any, Literal, overload

from numpy.typing import ArrayLike, NDArray

from detloss._numpy import get_num_threads as get_num_threads
from detloss._numpy import initial_state as initial_state
from detloss._numpy import set_num_threads as set_num_threads
from detloss._numpy import value_and_grad as value_and_grad
from detloss._spec import Case as Case
from detloss._spec import Operand as Operand
from detloss._spec import Param as Param
from detloss._spec import Spec as Spec

__all__: list[str]
__version__: str

def losses() -> list[Spec]:
    """All losses with their parameters, ranges and documentation."""

def get_loss(name: str) -> Callable[..., Any]:
    """The function of the loss that is written as ``name``: ``giou``, ``ciou(gate=0.5)``, ``inner(focaler(siou), ratio=0.8)``."""

@overload
def iou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """IoU loss: 1 − intersection over union."""

@overload
def iou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def iou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def iou_log(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    floor: float = 1e-6,
) -> float:
    """IoU loss of UnitBox: the negative logarithm of the IoU, steep where the overlap is small."""

@overload
def iou_log(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    floor: float = 1e-6,
) -> NDArray[Any]: ...

@overload
def iou_log(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    floor: float = 1e-6,
) -> float | NDArray[Any]: ...

@overload
def iou_square(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """Squared IoU loss: the IoU loss with the square of the IoU, steep where the overlap is large."""

@overload
def iou_square(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def iou_square(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def giou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    eps: float = 0.0,
) -> float:
    """Generalized IoU loss: the IoU loss, plus a pull towards the smallest box around both."""

@overload
def giou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    eps: float = 0.0,
) -> NDArray[Any]: ...

@overload
def giou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    eps: float = 0.0,
) -> float | NDArray[Any]: ...

@overload
def diou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    eps: float = 0.0,
) -> float:
    """Distance IoU loss: the IoU loss, plus the distance between the centres."""

@overload
def diou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    eps: float = 0.0,
) -> NDArray[Any]: ...

@overload
def diou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    eps: float = 0.0,
) -> float | NDArray[Any]: ...

@overload
def ciou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    gate: float = 0.0,
    eps: float = 0.0,
) -> float:
    """Complete IoU loss: the DIoU loss, plus a penalty for the wrong aspect ratio."""

@overload
def ciou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    gate: float = 0.0,
    eps: float = 0.0,
) -> NDArray[Any]: ...

@overload
def ciou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    gate: float = 0.0,
    eps: float = 0.0,
) -> float | NDArray[Any]: ...

@overload
def eiou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """Efficient IoU loss: the DIoU loss, plus penalties for the wrong width and the wrong height."""

@overload
def eiou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def eiou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def focal_eiou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    gamma: float = 0.5,
    detach: bool = True,
) -> float:
    """Focal EIoU loss: the EIoU loss, weighted by a power of the IoU so that good boxes count more."""

@overload
def focal_eiou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    gamma: float = 0.5,
    detach: bool = True,
) -> NDArray[Any]: ...

@overload
def focal_eiou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    gamma: float = 0.5,
    detach: bool = True,
) -> float | NDArray[Any]: ...

@overload
def siou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    theta: float = 4.0,
) -> float:
    """SIoU loss: the IoU loss, plus the distance and the direction of the centres, plus the shape."""

@overload
def siou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    theta: float = 4.0,
) -> NDArray[Any]: ...

@overload
def siou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    theta: float = 4.0,
) -> float | NDArray[Any]: ...

@overload
def shape_iou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    scale: float = 0.0,
) -> float:
    """Shape-IoU loss: the DIoU loss, plus the shape, with both weighted by the shape of the target."""

@overload
def shape_iou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    scale: float = 0.0,
) -> NDArray[Any]: ...

@overload
def shape_iou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    scale: float = 0.0,
) -> float | NDArray[Any]: ...

@overload
def piou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """PIoU loss: the IoU loss, plus the distance of the edges in units of the target's size."""

@overload
def piou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def piou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def piou_v2(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    lambd: float = 1.3,
    detach: bool = True,
) -> float:
    """PIoU v2 loss: the PIoU loss, weighted so that boxes of medium quality count most."""

@overload
def piou_v2(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    lambd: float = 1.3,
    detach: bool = True,
) -> NDArray[Any]: ...

@overload
def piou_v2(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    lambd: float = 1.3,
    detach: bool = True,
) -> float | NDArray[Any]: ...

@overload
def nwd(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    constant: float = 12.8,
) -> float:
    """NWD loss: the distance of two boxes taken for normal distributions, for objects of a few pixels."""

@overload
def nwd(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    constant: float = 12.8,
) -> NDArray[Any]: ...

@overload
def nwd(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    constant: float = 12.8,
) -> float | NDArray[Any]: ...

@overload
def bounded_iou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    beta: float = 0.2,
    eps: float = 0.0,
) -> float:
    """Bounded IoU loss: a bound of the IoU for each of centre and size, held against 1 by smooth L1."""

@overload
def bounded_iou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    beta: float = 0.2,
    eps: float = 0.0,
) -> NDArray[Any]: ...

@overload
def bounded_iou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    beta: float = 0.2,
    eps: float = 0.0,
) -> float | NDArray[Any]: ...

@overload
def extended_iou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    smooth_point: float = 0.1,
) -> float:
    """Extended IoU loss: an IoU that goes on below 0 where the boxes part, held against 1 by smooth L1."""

@overload
def extended_iou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    smooth_point: float = 0.1,
) -> NDArray[Any]: ...

@overload
def extended_iou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    smooth_point: float = 0.1,
) -> float | NDArray[Any]: ...

@overload
def mpdiou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    width: float = 640.0,
    height: float = 640.0,
) -> float:
    """MPDIoU loss: the IoU loss, plus the distances between the corners in units of the image's diagonal."""

@overload
def mpdiou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    width: float = 640.0,
    height: float = 640.0,
) -> NDArray[Any]: ...

@overload
def mpdiou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    width: float = 640.0,
    height: float = 640.0,
) -> float | NDArray[Any]: ...

@overload
def wiou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """WIoU loss: the IoU loss, weighted by how far apart the centres are."""

@overload
def wiou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def wiou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def wiou_v2(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    gamma: float = 0.5,
    momentum: float = 0.01,
) -> float:
    """WIoU v2 loss: the WIoU loss, weighted by how bad a box is beside the others."""

@overload
def wiou_v2(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    gamma: float = 0.5,
    momentum: float = 0.01,
) -> NDArray[Any]: ...

@overload
def wiou_v2(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    gamma: float = 0.5,
    momentum: float = 0.01,
) -> float | NDArray[Any]: ...

@overload
def wiou_v3(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    alpha: float = 1.9,
    delta: float = 3.0,
    momentum: float = 0.01,
) -> float:
    """WIoU v3 loss: the WIoU loss, weighted most for boxes that are neither good nor hopeless."""

@overload
def wiou_v3(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    alpha: float = 1.9,
    delta: float = 3.0,
    momentum: float = 0.01,
) -> NDArray[Any]: ...

@overload
def wiou_v3(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    alpha: float = 1.9,
    delta: float = 3.0,
    momentum: float = 0.01,
) -> float | NDArray[Any]: ...

@overload
def rotated_iou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """Rotated IoU loss: 1 − intersection over union of two rotated boxes, exact."""

@overload
def rotated_iou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def rotated_iou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def rotated_iou_log(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    floor: float = 1e-6,
) -> float:
    """The negative logarithm of the rotated IoU, steep where the overlap is small."""

@overload
def rotated_iou_log(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    floor: float = 1e-6,
) -> NDArray[Any]: ...

@overload
def rotated_iou_log(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    floor: float = 1e-6,
) -> float | NDArray[Any]: ...

@overload
def rotated_iou_square(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """Squared rotated IoU loss: 1 − the square of the rotated IoU, steep where the overlap is large."""

@overload
def rotated_iou_square(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def rotated_iou_square(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def rotated_giou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    hull: bool = False,
) -> float:
    """Rotated GIoU loss: the rotated IoU loss, plus the part of a rectangle around both that is empty."""

@overload
def rotated_giou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    hull: bool = False,
) -> NDArray[Any]: ...

@overload
def rotated_giou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    hull: bool = False,
) -> float | NDArray[Any]: ...

@overload
def rotated_diou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """Rotated DIoU loss: the rotated IoU loss, plus the distance between the centres."""

@overload
def rotated_diou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def rotated_diou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def mgiou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """Marginalized GIoU loss: the mean GIoU of the shadows of two rotated boxes along the sides of both."""

@overload
def mgiou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def mgiou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def gwd(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    tau: float = 1.0,
    root: bool = True,
    log: bool = False,
    normalize: bool = False,
) -> float:
    """Gaussian Wasserstein distance loss: how far two boxes are apart as normal distributions."""

@overload
def gwd(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    tau: float = 1.0,
    root: bool = True,
    log: bool = False,
    normalize: bool = False,
) -> NDArray[Any]: ...

@overload
def gwd(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    tau: float = 1.0,
    root: bool = True,
    log: bool = False,
    normalize: bool = False,
) -> float | NDArray[Any]: ...

@overload
def kld(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    tau: float = 1.0,
    root: bool = False,
    log: bool = True,
    reverse: float = 0.0,
    factor: float = 1.0,
) -> float:
    """KLD loss: the Kullback-Leibler divergence of two boxes as normal distributions."""

@overload
def kld(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    tau: float = 1.0,
    root: bool = False,
    log: bool = True,
    reverse: float = 0.0,
    factor: float = 1.0,
) -> NDArray[Any]: ...

@overload
def kld(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    tau: float = 1.0,
    root: bool = False,
    log: bool = True,
    reverse: float = 0.0,
    factor: float = 1.0,
) -> float | NDArray[Any]: ...

@overload
def bcd(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    tau: float = 1.0,
    root: bool = False,
    log: bool = True,
) -> float:
    """BCD loss: the Bhattacharyya distance of two boxes as normal distributions."""

@overload
def bcd(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    tau: float = 1.0,
    root: bool = False,
    log: bool = True,
) -> NDArray[Any]: ...

@overload
def bcd(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    tau: float = 1.0,
    root: bool = False,
    log: bool = True,
) -> float | NDArray[Any]: ...

@overload
def prob_iou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    floor: float = 0.0,
    distance: bool = False,
) -> float:
    """ProbIoU loss: the Hellinger distance of two boxes as normal distributions."""

@overload
def prob_iou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    floor: float = 0.0,
    distance: bool = False,
) -> NDArray[Any]: ...

@overload
def prob_iou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    floor: float = 0.0,
    distance: bool = False,
) -> float | NDArray[Any]: ...

@overload
def kfiou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    form: int = 0,
) -> float:
    """KFIoU loss: the overlap of two boxes as a Kalman filter finds it, whatever their distance."""

@overload
def kfiou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    form: int = 0,
) -> NDArray[Any]: ...

@overload
def kfiou(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    form: int = 0,
) -> float | NDArray[Any]: ...

@overload
def rotated_angle(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    lambd: float = 3.0,
) -> float:
    """Rotated angle loss: the term by which Ultralytics trains the angle of boxes that are nearly square."""

@overload
def rotated_angle(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    lambd: float = 3.0,
) -> NDArray[Any]: ...

@overload
def rotated_angle(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    lambd: float = 3.0,
) -> float | NDArray[Any]: ...

@overload
def iou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """3D IoU loss: 1 − intersection over union of two axis-aligned boxes in space."""

@overload
def iou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def iou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def giou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """3D GIoU loss: the 3D IoU loss, plus the part of the smallest box around both that is empty."""

@overload
def giou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def giou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def diou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """3D DIoU loss: the 3D IoU loss, plus the distance between the centres."""

@overload
def diou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def diou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def yaw_iou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """Yaw 3D IoU loss: 1 − intersection over union of two upright boxes in space, turned about z."""

@overload
def yaw_iou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def yaw_iou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def yaw_giou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    hull: bool = False,
) -> float:
    """Yaw 3D GIoU loss: the yaw 3D IoU loss, plus the part of a box around both that is empty."""

@overload
def yaw_giou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    hull: bool = False,
) -> NDArray[Any]: ...

@overload
def yaw_giou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    hull: bool = False,
) -> float | NDArray[Any]: ...

@overload
def yaw_diou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """Yaw 3D DIoU loss: the yaw 3D IoU loss, plus the distance between the centres."""

@overload
def yaw_diou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def yaw_diou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def mgiou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """Marginalized GIoU loss in space: the mean GIoU of the shadows of two upright boxes."""

@overload
def mgiou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def mgiou3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def corner3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """Corner loss: the mean distance between the eight corners of two upright boxes in space."""

@overload
def corner3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def corner3d(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def l1(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """L1 loss: the absolute error."""

@overload
def l1(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def l1(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def l2(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """L2 loss: the squared error."""

@overload
def l2(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def l2(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def smooth_l1(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    beta: float = 1.0,
) -> float:
    """Smooth L1 loss: quadratic near the target, of slope 1 far from it."""

@overload
def smooth_l1(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    beta: float = 1.0,
) -> NDArray[Any]: ...

@overload
def smooth_l1(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    beta: float = 1.0,
) -> float | NDArray[Any]: ...

@overload
def huber(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    delta: float = 1.0,
) -> float:
    """Huber loss: half the squared error near the target, of slope δ far from it."""

@overload
def huber(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    delta: float = 1.0,
) -> NDArray[Any]: ...

@overload
def huber(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    delta: float = 1.0,
) -> float | NDArray[Any]: ...

@overload
def balanced_l1(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    alpha: float = 0.5,
    gamma: float = 1.5,
    beta: float = 1.0,
) -> float:
    """Balanced L1 loss: the smooth L1 loss with a stronger pull on small errors."""

@overload
def balanced_l1(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    alpha: float = 0.5,
    gamma: float = 1.5,
    beta: float = 1.0,
) -> NDArray[Any]: ...

@overload
def balanced_l1(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    alpha: float = 0.5,
    gamma: float = 1.5,
    beta: float = 1.0,
) -> float | NDArray[Any]: ...

@overload
def kl(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    limit: float = 40.0,
) -> float:
    """KL loss: the smooth L1 loss of a value that is predicted together with its uncertainty."""

@overload
def kl(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    limit: float = 40.0,
) -> NDArray[Any]: ...

@overload
def kl(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    limit: float = 40.0,
) -> float | NDArray[Any]: ...

@overload
def bce(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    pos_weight: float = 1.0,
) -> float:
    """Binary cross entropy: negative log-likelihood of a binary label under a sigmoid."""

@overload
def bce(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    pos_weight: float = 1.0,
) -> NDArray[Any]: ...

@overload
def bce(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    pos_weight: float = 1.0,
) -> float | NDArray[Any]: ...

@overload
def alpha_balanced_ce(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    alpha: float = 0.5,
) -> float:
    """α-balanced cross entropy: binary cross entropy that weights positives and negatives differently."""

@overload
def alpha_balanced_ce(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    alpha: float = 0.5,
) -> NDArray[Any]: ...

@overload
def alpha_balanced_ce(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    alpha: float = 0.5,
) -> float | NDArray[Any]: ...

@overload
def focal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    gamma: float = 2.0,
    alpha: float = 0.25,
) -> float:
    """Focal loss: binary cross entropy that down-weights easy examples."""

@overload
def focal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    gamma: float = 2.0,
    alpha: float = 0.25,
) -> NDArray[Any]: ...

@overload
def focal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    gamma: float = 2.0,
    alpha: float = 0.25,
) -> float | NDArray[Any]: ...

@overload
def quality_focal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    beta: float = 2.0,
) -> float:
    """Quality focal loss: the focal loss for labels that say how good a box is."""

@overload
def quality_focal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    beta: float = 2.0,
) -> NDArray[Any]: ...

@overload
def quality_focal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    beta: float = 2.0,
) -> float | NDArray[Any]: ...

@overload
def varifocal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    alpha: float = 0.75,
    gamma: float = 2.0,
    iou_weighted: bool = True,
    detach: bool = False,
) -> float:
    """Varifocal loss: the focal loss for the negatives only, and positives weighted by their quality."""

@overload
def varifocal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    alpha: float = 0.75,
    gamma: float = 2.0,
    iou_weighted: bool = True,
    detach: bool = False,
) -> NDArray[Any]: ...

@overload
def varifocal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    alpha: float = 0.75,
    gamma: float = 2.0,
    iou_weighted: bool = True,
    detach: bool = False,
) -> float | NDArray[Any]: ...

@overload
def gaussian_focal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    alpha: float = 2.0,
    beta: float = 4.0,
) -> float:
    """Gaussian focal loss: the focal loss of a heatmap, lenient around the centres of the objects."""

@overload
def gaussian_focal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    alpha: float = 2.0,
    beta: float = 4.0,
) -> NDArray[Any]: ...

@overload
def gaussian_focal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    alpha: float = 2.0,
    beta: float = 4.0,
) -> float | NDArray[Any]: ...

@overload
def mal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    gamma: float = 1.5,
    alpha: float = 1.0,
) -> float:
    """Matchability-aware loss: cross entropy that asks every match for a power of its quality."""

@overload
def mal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    gamma: float = 1.5,
    alpha: float = 1.0,
) -> NDArray[Any]: ...

@overload
def mal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    gamma: float = 1.5,
    alpha: float = 1.0,
) -> float | NDArray[Any]: ...

@overload
def ia_bce(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    alpha: float = 0.25,
    gamma: float = 2.0,
) -> float:
    """IoU-aware cross entropy: asks every match for a mean of its score and its quality."""

@overload
def ia_bce(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    alpha: float = 0.25,
    gamma: float = 2.0,
) -> NDArray[Any]: ...

@overload
def ia_bce(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    alpha: float = 0.25,
    gamma: float = 2.0,
) -> float | NDArray[Any]: ...

@overload
def asymmetric(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    gamma_pos: float = 1.0,
    gamma_neg: float = 4.0,
    margin: float = 0.05,
    detach: bool = False,
) -> float:
    """Asymmetric loss: a focal loss with a power for each side, and a margin for the negatives."""

@overload
def asymmetric(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    gamma_pos: float = 1.0,
    gamma_neg: float = 4.0,
    margin: float = 0.05,
    detach: bool = False,
) -> NDArray[Any]: ...

@overload
def asymmetric(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    gamma_pos: float = 1.0,
    gamma_neg: float = 4.0,
    margin: float = 0.05,
    detach: bool = False,
) -> float | NDArray[Any]: ...

@overload
def poly1_focal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    epsilon: float = 1.0,
    gamma: float = 2.0,
    alpha: float = 0.25,
    alpha_on_poly: bool = True,
) -> float:
    """Poly-1 focal loss: the focal loss with another first term of its series."""

@overload
def poly1_focal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    epsilon: float = 1.0,
    gamma: float = 2.0,
    alpha: float = 0.25,
    alpha_on_poly: bool = True,
) -> NDArray[Any]: ...

@overload
def poly1_focal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    epsilon: float = 1.0,
    gamma: float = 2.0,
    alpha: float = 0.25,
    alpha_on_poly: bool = True,
) -> float | NDArray[Any]: ...

@overload
def softmax_ce(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    smoothing: float = 0.0,
) -> float:
    """Softmax cross entropy: negative log-likelihood of the class of a row under a softmax."""

@overload
def softmax_ce(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    smoothing: float = 0.0,
) -> NDArray[Any]: ...

@overload
def softmax_ce(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    smoothing: float = 0.0,
) -> float | NDArray[Any]: ...

@overload
def softmax_focal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    gamma: float = 2.0,
    alpha: float = 1.0,
) -> float:
    """Softmax focal loss: softmax cross entropy that down-weights easy rows."""

@overload
def softmax_focal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    gamma: float = 2.0,
    alpha: float = 1.0,
) -> NDArray[Any]: ...

@overload
def softmax_focal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    gamma: float = 2.0,
    alpha: float = 1.0,
) -> float | NDArray[Any]: ...

@overload
def poly1_ce(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    epsilon: float = 1.0,
) -> float:
    """Poly-1 cross entropy: softmax cross entropy with another first term of its series."""

@overload
def poly1_ce(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    epsilon: float = 1.0,
) -> NDArray[Any]: ...

@overload
def poly1_ce(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    class_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    epsilon: float = 1.0,
) -> float | NDArray[Any]: ...

@overload
def softmax_kl(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    temperature: float = 1.0,
) -> float:
    """Softmax KL divergence: how far a row of logits is from that of a teacher, for distillation."""

@overload
def softmax_kl(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    temperature: float = 1.0,
) -> NDArray[Any]: ...

@overload
def softmax_kl(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    temperature: float = 1.0,
) -> float | NDArray[Any]: ...

@overload
def distribution_focal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """Distribution focal loss: a coordinate as a distribution over places, peaked around the true one."""

@overload
def distribution_focal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def distribution_focal(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def dice(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    eps: float = 0.0,
) -> float:
    """Dice loss: how much of two masks does not overlap, as a part of their mean size."""

@overload
def dice(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    eps: float = 0.0,
) -> NDArray[Any]: ...

@overload
def dice(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    eps: float = 0.0,
) -> float | NDArray[Any]: ...

@overload
def dice_squared(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    eps: float = 0.0,
) -> float:
    """Squared Dice loss: the Dice loss with squares in the denominator, as V-Net has it."""

@overload
def dice_squared(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    eps: float = 0.0,
) -> NDArray[Any]: ...

@overload
def dice_squared(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    eps: float = 0.0,
) -> float | NDArray[Any]: ...

@overload
def jaccard(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    eps: float = 0.0,
) -> float:
    """Jaccard loss: how much of the union of two masks is not their intersection, soft IoU."""

@overload
def jaccard(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    eps: float = 0.0,
) -> NDArray[Any]: ...

@overload
def jaccard(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    eps: float = 0.0,
) -> float | NDArray[Any]: ...

@overload
def tversky(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    alpha: float = 0.3,
    beta: float = 0.7,
    eps: float = 0.0,
) -> float:
    """Tversky loss: the Dice loss with separate weights for what is too much and what is missing."""

@overload
def tversky(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    alpha: float = 0.3,
    beta: float = 0.7,
    eps: float = 0.0,
) -> NDArray[Any]: ...

@overload
def tversky(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    alpha: float = 0.3,
    beta: float = 0.7,
    eps: float = 0.0,
) -> float | NDArray[Any]: ...

@overload
def focal_tversky(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    alpha: float = 0.3,
    beta: float = 0.7,
    gamma: float = 1.3333333333333333,
) -> float:
    """Focal Tversky loss: the Tversky loss, raised to a power that keeps the nearly perfect masks in play."""

@overload
def focal_tversky(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    alpha: float = 0.3,
    beta: float = 0.7,
    gamma: float = 1.3333333333333333,
) -> NDArray[Any]: ...

@overload
def focal_tversky(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    alpha: float = 0.3,
    beta: float = 0.7,
    gamma: float = 1.3333333333333333,
) -> float | NDArray[Any]: ...

@overload
def lovasz_hinge(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """Lovász hinge: the Jaccard loss of a binary mask, made convex, with a margin."""

@overload
def lovasz_hinge(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def lovasz_hinge(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def lovasz_softmax(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """Lovász-Softmax: the mean Jaccard loss of the classes of an image, made continuous."""

@overload
def lovasz_softmax(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def lovasz_softmax(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def softmax_dice(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    eps: float = 0.0,
    absent: bool = False,
) -> float:
    """Softmax Dice loss: the mean Dice loss of the classes of an image."""

@overload
def softmax_dice(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    eps: float = 0.0,
    absent: bool = False,
) -> NDArray[Any]: ...

@overload
def softmax_dice(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    eps: float = 0.0,
    absent: bool = False,
) -> float | NDArray[Any]: ...

@overload
def softmax_jaccard(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    eps: float = 0.0,
    absent: bool = False,
) -> float:
    """Softmax Jaccard loss: the mean Jaccard loss of the classes of an image, soft mean IoU."""

@overload
def softmax_jaccard(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    eps: float = 0.0,
    absent: bool = False,
) -> NDArray[Any]: ...

@overload
def softmax_jaccard(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    eps: float = 0.0,
    absent: bool = False,
) -> float | NDArray[Any]: ...

@overload
def softmax_tversky(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    alpha: float = 0.3,
    beta: float = 0.7,
    eps: float = 0.0,
    absent: bool = False,
) -> float:
    """Softmax Tversky loss: the mean Tversky loss of the classes of an image."""

@overload
def softmax_tversky(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    alpha: float = 0.3,
    beta: float = 0.7,
    eps: float = 0.0,
    absent: bool = False,
) -> NDArray[Any]: ...

@overload
def softmax_tversky(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    alpha: float = 0.3,
    beta: float = 0.7,
    eps: float = 0.0,
    absent: bool = False,
) -> float | NDArray[Any]: ...

@overload
def ap(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    delta: float = 1.0,
    interpolate: bool = True,
) -> float:
    """AP loss: one minus the average precision, for scores that have to rank the positives first."""

@overload
def ap(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    delta: float = 1.0,
    interpolate: bool = True,
) -> NDArray[Any]: ...

@overload
def ap(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    delta: float = 1.0,
    interpolate: bool = True,
) -> float | NDArray[Any]: ...

@overload
def alrp(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    delta: float = 1.0,
    smooth_order: bool = False,
    balance: float = 1.0,
    period: int = 3665,
) -> float:
    """aLRP loss: average localisation-recall-precision, one ranking for scores and boxes together."""

@overload
def alrp(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: Literal["none"],
    delta: float = 1.0,
    smooth_order: bool = False,
    balance: float = 1.0,
    period: int = 3665,
) -> NDArray[Any]: ...

@overload
def alrp(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    normalizer: float | None = None,
    reduction: str,
    delta: float = 1.0,
    smooth_order: bool = False,
    balance: float = 1.0,
    period: int = 3665,
) -> float | NDArray[Any]: ...

@overload
def rank_sort(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    delta: float = 0.5,
) -> float:
    """Rank & Sort loss: ranks the positives above the negatives, and among each other by their quality."""

@overload
def rank_sort(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    delta: float = 0.5,
) -> NDArray[Any]: ...

@overload
def rank_sort(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    delta: float = 0.5,
) -> float | NDArray[Any]: ...

@overload
def dr(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    lambda_pos: float = 1.0,
    lambda_neg: float = 0.07982356001479281,
    sharpness: float = 6.0,
    tau: float = 4.0,
    margin: float = 0.5,
    detach: bool = False,
) -> float:
    """DR: the hardest negatives are to score below the hardest positives, by a margin."""

@overload
def dr(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    lambda_pos: float = 1.0,
    lambda_neg: float = 0.07982356001479281,
    sharpness: float = 6.0,
    tau: float = 4.0,
    margin: float = 0.5,
    detach: bool = False,
) -> NDArray[Any]: ...

@overload
def dr(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    lambda_pos: float = 1.0,
    lambda_neg: float = 0.07982356001479281,
    sharpness: float = 6.0,
    tau: float = 4.0,
    margin: float = 0.5,
    detach: bool = False,
) -> float | NDArray[Any]: ...

@overload
def balanced_ce(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """Balanced CE: binary cross entropy in which positives and negatives have the same say."""

@overload
def balanced_ce(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def balanced_ce(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...

@overload
def ghm_c(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    bins: int = 10,
    momentum: float = 0.0,
    nonempty: bool = False,
) -> float:
    """GHM-C: cross entropy that gives every size of gradient the same say, not every element."""

@overload
def ghm_c(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    bins: int = 10,
    momentum: float = 0.0,
    nonempty: bool = False,
) -> NDArray[Any]: ...

@overload
def ghm_c(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    bins: int = 10,
    momentum: float = 0.0,
    nonempty: bool = False,
) -> float | NDArray[Any]: ...

@overload
def ghm_r(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    mu: float = 0.02,
    bins: int = 10,
    momentum: float = 0.0,
    nonempty: bool = False,
) -> float:
    """GHM-R: smooth L1 that gives every size of gradient the same say, not every value."""

@overload
def ghm_r(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    mu: float = 0.02,
    bins: int = 10,
    momentum: float = 0.0,
    nonempty: bool = False,
) -> NDArray[Any]: ...

@overload
def ghm_r(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    mu: float = 0.02,
    bins: int = 10,
    momentum: float = 0.0,
    nonempty: bool = False,
) -> float | NDArray[Any]: ...

@overload
def seesaw(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    p: float = 0.8,
    q: float = 2.0,
) -> float:
    """Seesaw: softmax cross entropy that spares the rare classes, until they are wrongly preferred."""

@overload
def seesaw(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    p: float = 0.8,
    q: float = 2.0,
) -> NDArray[Any]: ...

@overload
def seesaw(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    p: float = 0.8,
    q: float = 2.0,
) -> float | NDArray[Any]: ...

@overload
def eqlv2(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    gamma: float = 12.0,
    mu: float = 0.8,
    alpha: float = 4.0,
    background: bool = True,
) -> float:
    """Equalization loss v2: cross entropy of classes, balanced by the gradients each has had so far."""

@overload
def eqlv2(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    gamma: float = 12.0,
    mu: float = 0.8,
    alpha: float = 4.0,
    background: bool = True,
) -> NDArray[Any]: ...

@overload
def eqlv2(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    gamma: float = 12.0,
    mu: float = 0.8,
    alpha: float = 4.0,
    background: bool = True,
) -> float | NDArray[Any]: ...

@overload
def efl(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
    gamma: float = 2.0,
    scale: float = 8.0,
    alpha: float = 0.25,
) -> float:
    """Equalized focal: focal loss with a larger γ for classes that are pushed down more than pulled up."""

@overload
def efl(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
    gamma: float = 2.0,
    scale: float = 8.0,
    alpha: float = 0.25,
) -> NDArray[Any]: ...

@overload
def efl(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
    gamma: float = 2.0,
    scale: float = 8.0,
    alpha: float = 0.25,
) -> float | NDArray[Any]: ...

@overload
def rmse(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["mean", "sum", "weighted_mean"] = "mean",
) -> float:
    """Root mean squared error: the typical error, in the unit of the values."""

@overload
def rmse(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: Literal["none"],
) -> NDArray[Any]: ...

@overload
def rmse(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    dim: int = -1,
    normalizer: float | None = None,
    reduction: str,
) -> float | NDArray[Any]: ...
