# Generated from the list of losses by `cargo xtask gen`.
from torch import Tensor

from detloss.torch._modules import Loss as Loss
from detloss.torch._modules import get_loss as get_loss

__all__: list[str]

def iou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """IoU loss: 1 − intersection over union."""

def iou_log(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    floor: float = 1e-6,
) -> Tensor:
    """IoU loss of UnitBox: the negative logarithm of the IoU, steep where the overlap is small."""

def iou_square(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """Squared IoU loss: the IoU loss with the square of the IoU, steep where the overlap is large."""

def giou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    eps: float = 0.0,
) -> Tensor:
    """Generalized IoU loss: the IoU loss, plus a pull towards the smallest box around both."""

def diou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    eps: float = 0.0,
) -> Tensor:
    """Distance IoU loss: the IoU loss, plus the distance between the centres."""

def ciou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    gate: float = 0.0,
    eps: float = 0.0,
) -> Tensor:
    """Complete IoU loss: the DIoU loss, plus a penalty for the wrong aspect ratio."""

def eiou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """Efficient IoU loss: the DIoU loss, plus penalties for the wrong width and the wrong height."""

def focal_eiou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    gamma: float = 0.5,
    detach: bool = True,
) -> Tensor:
    """Focal EIoU loss: the EIoU loss, weighted by a power of the IoU so that good boxes count more."""

def siou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    theta: float = 4.0,
) -> Tensor:
    """SIoU loss: the IoU loss, plus the distance and the direction of the centres, plus the shape."""

def shape_iou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    scale: float = 0.0,
) -> Tensor:
    """Shape-IoU loss: the DIoU loss, plus the shape, with both weighted by the shape of the target."""

def piou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """PIoU loss: the IoU loss, plus the distance of the edges in units of the target's size."""

def piou_v2(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    lambd: float = 1.3,
    detach: bool = True,
) -> Tensor:
    """PIoU v2 loss: the PIoU loss, weighted so that boxes of medium quality count most."""

def nwd(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    constant: float = 12.8,
) -> Tensor:
    """NWD loss: the distance of two boxes taken for normal distributions, for objects of a few pixels."""

def bounded_iou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    beta: float = 0.2,
    eps: float = 0.0,
) -> Tensor:
    """Bounded IoU loss: a bound of the IoU for each of centre and size, held against 1 by smooth L1."""

def extended_iou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    smooth_point: float = 0.1,
) -> Tensor:
    """Extended IoU loss: an IoU that goes on below 0 where the boxes part, held against 1 by smooth L1."""

def mpdiou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    width: float = 640.0,
    height: float = 640.0,
) -> Tensor:
    """MPDIoU loss: the IoU loss, plus the distances between the corners in units of the image's diagonal."""

def wiou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """WIoU loss: the IoU loss, weighted by how far apart the centres are."""

def wiou_v2(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    gamma: float = 0.5,
    momentum: float = 0.01,
) -> Tensor:
    """WIoU v2 loss: the WIoU loss, weighted by how bad a box is beside the others."""

def wiou_v3(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    alpha: float = 1.9,
    delta: float = 3.0,
    momentum: float = 0.01,
) -> Tensor:
    """WIoU v3 loss: the WIoU loss, weighted most for boxes that are neither good nor hopeless."""

def rotated_iou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """Rotated IoU loss: 1 − intersection over union of two rotated boxes, exact."""

def rotated_iou_log(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    floor: float = 1e-6,
) -> Tensor:
    """The negative logarithm of the rotated IoU, steep where the overlap is small."""

def rotated_iou_square(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """Squared rotated IoU loss: 1 − the square of the rotated IoU, steep where the overlap is large."""

def rotated_giou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    hull: bool = False,
) -> Tensor:
    """Rotated GIoU loss: the rotated IoU loss, plus the part of a rectangle around both that is empty."""

def rotated_diou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """Rotated DIoU loss: the rotated IoU loss, plus the distance between the centres."""

def mgiou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """Marginalized GIoU loss: the mean GIoU of the shadows of two rotated boxes along the sides of both."""

def gwd(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    tau: float = 1.0,
    root: bool = True,
    log: bool = False,
    normalize: bool = False,
) -> Tensor:
    """Gaussian Wasserstein distance loss: how far two boxes are apart as normal distributions."""

def kld(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    tau: float = 1.0,
    root: bool = False,
    log: bool = True,
    reverse: float = 0.0,
    factor: float = 1.0,
) -> Tensor:
    """KLD loss: the Kullback-Leibler divergence of two boxes as normal distributions."""

def bcd(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    tau: float = 1.0,
    root: bool = False,
    log: bool = True,
) -> Tensor:
    """BCD loss: the Bhattacharyya distance of two boxes as normal distributions."""

def prob_iou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    floor: float = 0.0,
    distance: bool = False,
) -> Tensor:
    """ProbIoU loss: the Hellinger distance of two boxes as normal distributions."""

def kfiou(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    form: int = 0,
) -> Tensor:
    """KFIoU loss: the overlap of two boxes as a Kalman filter finds it, whatever their distance."""

def rotated_angle(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    lambd: float = 3.0,
) -> Tensor:
    """Rotated angle loss: the term by which Ultralytics trains the angle of boxes that are nearly square."""

def iou3d(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """3D IoU loss: 1 − intersection over union of two axis-aligned boxes in space."""

def giou3d(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """3D GIoU loss: the 3D IoU loss, plus the part of the smallest box around both that is empty."""

def diou3d(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """3D DIoU loss: the 3D IoU loss, plus the distance between the centres."""

def yaw_iou3d(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """Yaw 3D IoU loss: 1 − intersection over union of two upright boxes in space, turned about z."""

def yaw_giou3d(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    hull: bool = False,
) -> Tensor:
    """Yaw 3D GIoU loss: the yaw 3D IoU loss, plus the part of a box around both that is empty."""

def yaw_diou3d(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """Yaw 3D DIoU loss: the yaw 3D IoU loss, plus the distance between the centres."""

def mgiou3d(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """Marginalized GIoU loss in space: the mean GIoU of the shadows of two upright boxes."""

def corner3d(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """Corner loss: the mean distance between the eight corners of two upright boxes in space."""

def l1(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """L1 loss: the absolute error."""

def l2(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """L2 loss: the squared error."""

def smooth_l1(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    beta: float = 1.0,
) -> Tensor:
    """Smooth L1 loss: quadratic near the target, of slope 1 far from it."""

def huber(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    delta: float = 1.0,
) -> Tensor:
    """Huber loss: half the squared error near the target, of slope δ far from it."""

def balanced_l1(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    alpha: float = 0.5,
    gamma: float = 1.5,
    beta: float = 1.0,
) -> Tensor:
    """Balanced L1 loss: the smooth L1 loss with a stronger pull on small errors."""

def kl(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    limit: float = 40.0,
) -> Tensor:
    """KL loss: the smooth L1 loss of a value that is predicted together with its uncertainty."""

def bce(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    pos_weight: float = 1.0,
) -> Tensor:
    """Binary cross entropy: negative log-likelihood of a binary label under a sigmoid."""

def alpha_balanced_ce(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    alpha: float = 0.5,
) -> Tensor:
    """α-balanced cross entropy: binary cross entropy that weights positives and negatives differently."""

def focal(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    gamma: float = 2.0,
    alpha: float = 0.25,
) -> Tensor:
    """Focal loss: binary cross entropy that down-weights easy examples."""

def quality_focal(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    beta: float = 2.0,
) -> Tensor:
    """Quality focal loss: the focal loss for labels that say how good a box is."""

def varifocal(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    alpha: float = 0.75,
    gamma: float = 2.0,
    iou_weighted: bool = True,
    detach: bool = False,
) -> Tensor:
    """Varifocal loss: the focal loss for the negatives only, and positives weighted by their quality."""

def gaussian_focal(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    alpha: float = 2.0,
    beta: float = 4.0,
) -> Tensor:
    """Gaussian focal loss: the focal loss of a heatmap, lenient around the centres of the objects."""

def mal(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    gamma: float = 1.5,
    alpha: float = 1.0,
) -> Tensor:
    """Matchability-aware loss: cross entropy that asks every match for a power of its quality."""

def ia_bce(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    alpha: float = 0.25,
    gamma: float = 2.0,
) -> Tensor:
    """IoU-aware cross entropy: asks every match for a mean of its score and its quality."""

def asymmetric(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    gamma_pos: float = 1.0,
    gamma_neg: float = 4.0,
    margin: float = 0.05,
    detach: bool = False,
) -> Tensor:
    """Asymmetric loss: a focal loss with a power for each side, and a margin for the negatives."""

def poly1_focal(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    epsilon: float = 1.0,
    gamma: float = 2.0,
    alpha: float = 0.25,
    alpha_on_poly: bool = True,
) -> Tensor:
    """Poly-1 focal loss: the focal loss with another first term of its series."""

def softmax_ce(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    smoothing: float = 0.0,
) -> Tensor:
    """Softmax cross entropy: negative log-likelihood of the class of a row under a softmax."""

def softmax_focal(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    gamma: float = 2.0,
    alpha: float = 1.0,
) -> Tensor:
    """Softmax focal loss: softmax cross entropy that down-weights easy rows."""

def poly1_ce(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    class_weight: Tensor | None = None,
    ignore_index: int | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    epsilon: float = 1.0,
) -> Tensor:
    """Poly-1 cross entropy: softmax cross entropy with another first term of its series."""

def softmax_kl(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    temperature: float = 1.0,
) -> Tensor:
    """Softmax KL divergence: how far a row of logits is from that of a teacher, for distillation."""

def distribution_focal(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """Distribution focal loss: a coordinate as a distribution over places, peaked around the true one."""

def dice(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    eps: float = 0.0,
) -> Tensor:
    """Dice loss: how much of two masks does not overlap, as a part of their mean size."""

def dice_squared(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    eps: float = 0.0,
) -> Tensor:
    """Squared Dice loss: the Dice loss with squares in the denominator, as V-Net has it."""

def jaccard(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    eps: float = 0.0,
) -> Tensor:
    """Jaccard loss: how much of the union of two masks is not their intersection, soft IoU."""

def tversky(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    alpha: float = 0.3,
    beta: float = 0.7,
    eps: float = 0.0,
) -> Tensor:
    """Tversky loss: the Dice loss with separate weights for what is too much and what is missing."""

def focal_tversky(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    alpha: float = 0.3,
    beta: float = 0.7,
    gamma: float = 1.3333333333333333,
) -> Tensor:
    """Focal Tversky loss: the Tversky loss, raised to a power that keeps the nearly perfect masks in play."""

def lovasz_hinge(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """Lovász hinge: the Jaccard loss of a binary mask, made convex, with a margin."""

def lovasz_softmax(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    groups: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """Lovász-Softmax: the mean Jaccard loss of the classes of an image, made continuous."""

def softmax_dice(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    groups: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    eps: float = 0.0,
    absent: bool = False,
) -> Tensor:
    """Softmax Dice loss: the mean Dice loss of the classes of an image."""

def softmax_jaccard(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    groups: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    eps: float = 0.0,
    absent: bool = False,
) -> Tensor:
    """Softmax Jaccard loss: the mean Jaccard loss of the classes of an image, soft mean IoU."""

def softmax_tversky(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    groups: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    alpha: float = 0.3,
    beta: float = 0.7,
    eps: float = 0.0,
    absent: bool = False,
) -> Tensor:
    """Softmax Tversky loss: the mean Tversky loss of the classes of an image."""

def ap(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    groups: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    delta: float = 1.0,
    interpolate: bool = True,
) -> Tensor:
    """AP loss: one minus the average precision, for scores that have to rank the positives first."""

def alrp(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    groups: Tensor | None = None,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    delta: float = 1.0,
    smooth_order: bool = False,
    balance: float = 1.0,
    period: int = 3665,
) -> Tensor:
    """aLRP loss: average localisation-recall-precision, one ranking for scores and boxes together."""

def rank_sort(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    groups: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    delta: float = 0.5,
) -> Tensor:
    """Rank & Sort loss: ranks the positives above the negatives, and among each other by their quality."""

def dr(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    groups: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    lambda_pos: float = 1.0,
    lambda_neg: float = 0.07982356001479281,
    sharpness: float = 6.0,
    tau: float = 4.0,
    margin: float = 0.5,
    detach: bool = False,
) -> Tensor:
    """DR: the hardest negatives are to score below the hardest positives, by a margin."""

def balanced_ce(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    groups: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """Balanced CE: binary cross entropy in which positives and negatives have the same say."""

def ghm_c(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    groups: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    bins: int = 10,
    momentum: float = 0.0,
    nonempty: bool = False,
) -> Tensor:
    """GHM-C: cross entropy that gives every size of gradient the same say, not every element."""

def ghm_r(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    groups: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    mu: float = 0.02,
    bins: int = 10,
    momentum: float = 0.0,
    nonempty: bool = False,
) -> Tensor:
    """GHM-R: smooth L1 that gives every size of gradient the same say, not every value."""

def seesaw(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    groups: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    p: float = 0.8,
    q: float = 2.0,
) -> Tensor:
    """Seesaw: softmax cross entropy that spares the rare classes, until they are wrongly preferred."""

def eqlv2(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    groups: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    gamma: float = 12.0,
    mu: float = 0.8,
    alpha: float = 4.0,
    background: bool = True,
) -> Tensor:
    """Equalization loss v2: cross entropy of classes, balanced by the gradients each has had so far."""

def efl(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int | None = None,
    groups: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
    gamma: float = 2.0,
    scale: float = 8.0,
    alpha: float = 0.25,
) -> Tensor:
    """Equalized focal: focal loss with a larger γ for classes that are pushed down more than pulled up."""

def rmse(
    pred: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    groups: Tensor | None = None,
    dim: int = -1,
    avg_factor: Tensor | float | None = None,
    reduction: str = "mean",
    loss_weight: float = 1.0,
    backend: str = "auto",
) -> Tensor:
    """Root mean squared error: the typical error, in the unit of the values."""

class IoULoss(Loss):
    """IoU loss: 1 − intersection over union."""
    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0, backend: str = "auto") -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class IoULogLoss(Loss):
    """IoU loss of UnitBox: the negative logarithm of the IoU, steep where the overlap is small."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        floor: float = 1e-6,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class IoUSquareLoss(Loss):
    """Squared IoU loss: the IoU loss with the square of the IoU, steep where the overlap is large."""
    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0, backend: str = "auto") -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class GIoULoss(Loss):
    """Generalized IoU loss: the IoU loss, plus a pull towards the smallest box around both."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        eps: float = 0.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class DIoULoss(Loss):
    """Distance IoU loss: the IoU loss, plus the distance between the centres."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        eps: float = 0.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class CIoULoss(Loss):
    """Complete IoU loss: the DIoU loss, plus a penalty for the wrong aspect ratio."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        gate: float = 0.0,
        eps: float = 0.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class EIoULoss(Loss):
    """Efficient IoU loss: the DIoU loss, plus penalties for the wrong width and the wrong height."""
    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0, backend: str = "auto") -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class FocalEIoULoss(Loss):
    """Focal EIoU loss: the EIoU loss, weighted by a power of the IoU so that good boxes count more."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        gamma: float = 0.5,
        detach: bool = True,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class SIoULoss(Loss):
    """SIoU loss: the IoU loss, plus the distance and the direction of the centres, plus the shape."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        theta: float = 4.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class ShapeIoULoss(Loss):
    """Shape-IoU loss: the DIoU loss, plus the shape, with both weighted by the shape of the target."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        scale: float = 0.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class PIoULoss(Loss):
    """PIoU loss: the IoU loss, plus the distance of the edges in units of the target's size."""
    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0, backend: str = "auto") -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class PIoUV2Loss(Loss):
    """PIoU v2 loss: the PIoU loss, weighted so that boxes of medium quality count most."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        lambd: float = 1.3,
        detach: bool = True,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class NWDLoss(Loss):
    """NWD loss: the distance of two boxes taken for normal distributions, for objects of a few pixels."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        constant: float = 12.8,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class BoundedIoULoss(Loss):
    """Bounded IoU loss: a bound of the IoU for each of centre and size, held against 1 by smooth L1."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        beta: float = 0.2,
        eps: float = 0.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class ExtendedIoULoss(Loss):
    """Extended IoU loss: an IoU that goes on below 0 where the boxes part, held against 1 by smooth L1."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        smooth_point: float = 0.1,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class MPDIoULoss(Loss):
    """MPDIoU loss: the IoU loss, plus the distances between the corners in units of the image's diagonal."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        width: float = 640.0,
        height: float = 640.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class WIoULoss(Loss):
    """WIoU loss: the IoU loss, weighted by how far apart the centres are."""
    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0, backend: str = "auto") -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class WIoUV2Loss(Loss):
    """WIoU v2 loss: the WIoU loss, weighted by how bad a box is beside the others."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        gamma: float = 0.5,
        momentum: float = 0.01,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class WIoUV3Loss(Loss):
    """WIoU v3 loss: the WIoU loss, weighted most for boxes that are neither good nor hopeless."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        alpha: float = 1.9,
        delta: float = 3.0,
        momentum: float = 0.01,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class RotatedIoULoss(Loss):
    """Rotated IoU loss: 1 − intersection over union of two rotated boxes, exact."""
    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0, backend: str = "auto") -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class RotatedIoULogLoss(Loss):
    """The negative logarithm of the rotated IoU, steep where the overlap is small."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        floor: float = 1e-6,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class RotatedIoUSquareLoss(Loss):
    """Squared rotated IoU loss: 1 − the square of the rotated IoU, steep where the overlap is large."""
    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0, backend: str = "auto") -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class RotatedGIoULoss(Loss):
    """Rotated GIoU loss: the rotated IoU loss, plus the part of a rectangle around both that is empty."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        hull: bool = False,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class RotatedDIoULoss(Loss):
    """Rotated DIoU loss: the rotated IoU loss, plus the distance between the centres."""
    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0, backend: str = "auto") -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class MGIoULoss(Loss):
    """Marginalized GIoU loss: the mean GIoU of the shadows of two rotated boxes along the sides of both."""
    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0, backend: str = "auto") -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class GWDLoss(Loss):
    """Gaussian Wasserstein distance loss: how far two boxes are apart as normal distributions."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        tau: float = 1.0,
        root: bool = True,
        log: bool = False,
        normalize: bool = False,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class KLDLoss(Loss):
    """KLD loss: the Kullback-Leibler divergence of two boxes as normal distributions."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        tau: float = 1.0,
        root: bool = False,
        log: bool = True,
        reverse: float = 0.0,
        factor: float = 1.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class BCDLoss(Loss):
    """BCD loss: the Bhattacharyya distance of two boxes as normal distributions."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        tau: float = 1.0,
        root: bool = False,
        log: bool = True,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class ProbIoULoss(Loss):
    """ProbIoU loss: the Hellinger distance of two boxes as normal distributions."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        floor: float = 0.0,
        distance: bool = False,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class KFIoULoss(Loss):
    """KFIoU loss: the overlap of two boxes as a Kalman filter finds it, whatever their distance."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        form: int = 0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class RotatedAngleLoss(Loss):
    """Rotated angle loss: the term by which Ultralytics trains the angle of boxes that are nearly square."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        lambd: float = 3.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class IoU3DLoss(Loss):
    """3D IoU loss: 1 − intersection over union of two axis-aligned boxes in space."""
    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0, backend: str = "auto") -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class GIoU3DLoss(Loss):
    """3D GIoU loss: the 3D IoU loss, plus the part of the smallest box around both that is empty."""
    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0, backend: str = "auto") -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class DIoU3DLoss(Loss):
    """3D DIoU loss: the 3D IoU loss, plus the distance between the centres."""
    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0, backend: str = "auto") -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class YawIoU3DLoss(Loss):
    """Yaw 3D IoU loss: 1 − intersection over union of two upright boxes in space, turned about z."""
    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0, backend: str = "auto") -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class YawGIoU3DLoss(Loss):
    """Yaw 3D GIoU loss: the yaw 3D IoU loss, plus the part of a box around both that is empty."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        hull: bool = False,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class YawDIoU3DLoss(Loss):
    """Yaw 3D DIoU loss: the yaw 3D IoU loss, plus the distance between the centres."""
    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0, backend: str = "auto") -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class MGIoU3DLoss(Loss):
    """Marginalized GIoU loss in space: the mean GIoU of the shadows of two upright boxes."""
    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0, backend: str = "auto") -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class Corner3DLoss(Loss):
    """Corner loss: the mean distance between the eight corners of two upright boxes in space."""
    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0, backend: str = "auto") -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class L1Loss(Loss):
    """L1 loss: the absolute error."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class L2Loss(Loss):
    """L2 loss: the squared error."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class SmoothL1Loss(Loss):
    """Smooth L1 loss: quadratic near the target, of slope 1 far from it."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        beta: float = 1.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class HuberLoss(Loss):
    """Huber loss: half the squared error near the target, of slope δ far from it."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        delta: float = 1.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class BalancedL1Loss(Loss):
    """Balanced L1 loss: the smooth L1 loss with a stronger pull on small errors."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        alpha: float = 0.5,
        gamma: float = 1.5,
        beta: float = 1.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class KLLoss(Loss):
    """KL loss: the smooth L1 loss of a value that is predicted together with its uncertainty."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        limit: float = 40.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class BCELoss(Loss):
    """Binary cross entropy: negative log-likelihood of a binary label under a sigmoid."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        pos_weight: float = 1.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class AlphaBalancedCELoss(Loss):
    """α-balanced cross entropy: binary cross entropy that weights positives and negatives differently."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        alpha: float = 0.5,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class FocalLoss(Loss):
    """Focal loss: binary cross entropy that down-weights easy examples."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        gamma: float = 2.0,
        alpha: float = 0.25,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class QualityFocalLoss(Loss):
    """Quality focal loss: the focal loss for labels that say how good a box is."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        beta: float = 2.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class VarifocalLoss(Loss):
    """Varifocal loss: the focal loss for the negatives only, and positives weighted by their quality."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        alpha: float = 0.75,
        gamma: float = 2.0,
        iou_weighted: bool = True,
        detach: bool = False,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class GaussianFocalLoss(Loss):
    """Gaussian focal loss: the focal loss of a heatmap, lenient around the centres of the objects."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        alpha: float = 2.0,
        beta: float = 4.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class MALLoss(Loss):
    """Matchability-aware loss: cross entropy that asks every match for a power of its quality."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        gamma: float = 1.5,
        alpha: float = 1.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class IABCELoss(Loss):
    """IoU-aware cross entropy: asks every match for a mean of its score and its quality."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        alpha: float = 0.25,
        gamma: float = 2.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class ASLLoss(Loss):
    """Asymmetric loss: a focal loss with a power for each side, and a margin for the negatives."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        gamma_pos: float = 1.0,
        gamma_neg: float = 4.0,
        margin: float = 0.05,
        detach: bool = False,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class Poly1FocalLoss(Loss):
    """Poly-1 focal loss: the focal loss with another first term of its series."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        epsilon: float = 1.0,
        gamma: float = 2.0,
        alpha: float = 0.25,
        alpha_on_poly: bool = True,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class SoftmaxCELoss(Loss):
    """Softmax cross entropy: negative log-likelihood of the class of a row under a softmax."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        smoothing: float = 0.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class SoftmaxFocalLoss(Loss):
    """Softmax focal loss: softmax cross entropy that down-weights easy rows."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        gamma: float = 2.0,
        alpha: float = 1.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class Poly1CELoss(Loss):
    """Poly-1 cross entropy: softmax cross entropy with another first term of its series."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        epsilon: float = 1.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        class_weight: Tensor | None = None,
        ignore_index: int | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class SoftmaxKLLoss(Loss):
    """Softmax KL divergence: how far a row of logits is from that of a teacher, for distillation."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        temperature: float = 1.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class DistributionFocalLoss(Loss):
    """Distribution focal loss: a coordinate as a distribution over places, peaked around the true one."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class DiceLoss(Loss):
    """Dice loss: how much of two masks does not overlap, as a part of their mean size."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        eps: float = 0.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class SquaredDiceLoss(Loss):
    """Squared Dice loss: the Dice loss with squares in the denominator, as V-Net has it."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        eps: float = 0.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class JaccardLoss(Loss):
    """Jaccard loss: how much of the union of two masks is not their intersection, soft IoU."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        eps: float = 0.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class TverskyLoss(Loss):
    """Tversky loss: the Dice loss with separate weights for what is too much and what is missing."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        alpha: float = 0.3,
        beta: float = 0.7,
        eps: float = 0.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class FocalTverskyLoss(Loss):
    """Focal Tversky loss: the Tversky loss, raised to a power that keeps the nearly perfect masks in play."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        alpha: float = 0.3,
        beta: float = 0.7,
        gamma: float = 1.3333333333333333,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class LovaszHingeLoss(Loss):
    """Lovász hinge: the Jaccard loss of a binary mask, made convex, with a margin."""
    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0, backend: str = "auto") -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class LovaszSoftmaxLoss(Loss):
    """Lovász-Softmax: the mean Jaccard loss of the classes of an image, made continuous."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class SoftmaxDiceLoss(Loss):
    """Softmax Dice loss: the mean Dice loss of the classes of an image."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        eps: float = 0.0,
        absent: bool = False,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class SoftmaxJaccardLoss(Loss):
    """Softmax Jaccard loss: the mean Jaccard loss of the classes of an image, soft mean IoU."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        eps: float = 0.0,
        absent: bool = False,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class SoftmaxTverskyLoss(Loss):
    """Softmax Tversky loss: the mean Tversky loss of the classes of an image."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        alpha: float = 0.3,
        beta: float = 0.7,
        eps: float = 0.0,
        absent: bool = False,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class APLoss(Loss):
    """AP loss: one minus the average precision, for scores that have to rank the positives first."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        delta: float = 1.0,
        interpolate: bool = True,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class ALRPLoss(Loss):
    """aLRP loss: average localisation-recall-precision, one ranking for scores and boxes together."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        delta: float = 1.0,
        smooth_order: bool = False,
        balance: float = 1.0,
        period: int = 3665,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class RankSortLoss(Loss):
    """Rank & Sort loss: ranks the positives above the negatives, and among each other by their quality."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        delta: float = 0.5,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class DRLoss(Loss):
    """DR: the hardest negatives are to score below the hardest positives, by a margin."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        lambda_pos: float = 1.0,
        lambda_neg: float = 0.07982356001479281,
        sharpness: float = 6.0,
        tau: float = 4.0,
        margin: float = 0.5,
        detach: bool = False,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class BalancedCELoss(Loss):
    """Balanced CE: binary cross entropy in which positives and negatives have the same say."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class GHMCLoss(Loss):
    """GHM-C: cross entropy that gives every size of gradient the same say, not every element."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        bins: int = 10,
        momentum: float = 0.0,
        nonempty: bool = False,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class GHMRLoss(Loss):
    """GHM-R: smooth L1 that gives every size of gradient the same say, not every value."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        mu: float = 0.02,
        bins: int = 10,
        momentum: float = 0.0,
        nonempty: bool = False,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class SeesawLoss(Loss):
    """Seesaw: softmax cross entropy that spares the rare classes, until they are wrongly preferred."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        num_classes: int,
        p: float = 0.8,
        q: float = 2.0,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class EQLV2Loss(Loss):
    """Equalization loss v2: cross entropy of classes, balanced by the gradients each has had so far."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        num_classes: int,
        gamma: float = 12.0,
        mu: float = 0.8,
        alpha: float = 4.0,
        background: bool = True,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class EqualizedFocalLoss(Loss):
    """Equalized focal: focal loss with a larger γ for classes that are pushed down more than pulled up."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
        num_classes: int,
        gamma: float = 2.0,
        scale: float = 8.0,
        alpha: float = 0.25,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...

class RMSELoss(Loss):
    """Root mean squared error: the typical error, in the unit of the values."""
    def __init__(
        self,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        backend: str = "auto",
        *,
        dim: int = -1,
    ) -> None: ...
    def forward(  # type: ignore[override]
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        *,
        weight: Tensor | None = None,
        groups: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor: ...
