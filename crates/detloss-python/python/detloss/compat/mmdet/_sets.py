"""Losses of the whole batch, and stateful ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import detloss.torch as losses
from detloss.compat._openmmlab import Loss, fitting, only_sigmoid
from detloss.compat.mmdet._heads import OfHead, accuracy
from detloss.torch.distributed import DataParallelLoss


class _DensityLoss(Loss):
    """A loss that gives every size of gradient the same say, shared by the bins that have elements, as there.

    It has one value for all elements, their mean: the other reductions are not supported. Where ``label_weight`` is
    above 0 an element counts. With a ``momentum`` the densities are in the ``state_dict``, and are brought up to date
    in training mode only.
    """

    harmony: losses.Loss

    def _mean(
        self, pred: Tensor, target: Tensor, label_weight: Tensor, reduction_override: str | None
    ) -> Tensor:
        self._only_mean(reduction_override)
        weight = fitting(label_weight > 0, pred)
        value: Tensor = self.harmony(pred, target, weight=weight)
        return value * self.loss_weight


class GHMC(_DensityLoss):
    """GHM-C, for scores."""

    def __init__(
        self,
        bins: int = 10,
        momentum: float = 0,
        use_sigmoid: bool = True,
        loss_weight: float = 1.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction, loss_weight)
        only_sigmoid(type(self).__name__, use_sigmoid)
        self.bins, self.momentum, self.use_sigmoid = bins, momentum, use_sigmoid
        self.harmony = losses.GHMCLoss(bins=bins, momentum=momentum, nonempty=True)

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        label_weight: Tensor,
        reduction_override: str | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor:
        """The loss of logits (n, classes), labels or classes (n,), and weights, per element or (n,).

        What is no class is background. ``avg_factor`` is of no use, as there.
        """
        if target.dim() < pred.dim():
            columns = pred.shape[-1]
            target = torch.where((target >= 0) & (target < columns), target, columns)
        return self._mean(pred, target, label_weight, reduction_override)


class GHMR(_DensityLoss):
    """GHM-R, for values."""

    def __init__(
        self,
        mu: float = 0.02,
        bins: int = 10,
        momentum: float = 0,
        loss_weight: float = 1.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction, loss_weight)
        self.mu, self.bins, self.momentum = mu, bins, momentum
        self.harmony = losses.GHMRLoss(mu=mu, bins=bins, momentum=momentum, nonempty=True)

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        label_weight: Tensor,
        avg_factor: Tensor | float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The loss of values, their targets and weights. ``avg_factor`` is of no use, as there."""
        return self._mean(pred, target, label_weight, reduction_override)


class SeesawLoss(OfHead, Loss):
    """The seesaw loss of the classes, and a softmax cross entropy of object or background in two columns of their own.

    Weights choose (0 or 1), and rows that do not count are not counted as samples of their class, other than there.
    ``eps``, the least probability that another one is compared with, is 0.01. The numbers of samples are in the
    ``state_dict``.
    """

    other_columns = 2

    def __init__(
        self,
        use_sigmoid: bool = False,
        p: float = 0.8,
        q: float = 2.0,
        num_classes: int = 1203,
        eps: float = 1e-2,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        return_dict: bool = True,
    ) -> None:
        super().__init__(reduction, loss_weight)
        if use_sigmoid:
            raise ValueError("SeesawLoss is a loss of a softmax: use_sigmoid=True is not supported")
        if eps != 1e-2:
            raise ValueError(f"eps is {eps}: the least probability that another one is compared with is 0.01")
        self.use_sigmoid, self.num_classes, self.return_dict = use_sigmoid, num_classes, return_dict
        self.classes = losses.SeesawLoss(p=p, q=q, num_classes=num_classes)

    def forward(
        self,
        cls_score: Tensor,
        labels: Tensor,
        label_weights: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor | dict[str, Tensor]:
        """Both losses of logits (n, num_classes + 2) and classes (n,), where num_classes is background.

        Returns:
            ``loss_cls_objectness`` and ``loss_cls_classes``, or their sum without ``return_dict``. The mean of the
            latter is by objects.
        """
        how = self._how(label_weights, avg_factor, reduction_override)
        if how["reduction"] == "none":
            raise ValueError("SeesawLoss has one value for all rows: use reduction='mean' or 'sum'")
        of_classes, of_objectness = self._parts(cls_score)
        is_object = labels < self.num_classes
        objectness = losses.softmax_ce(of_objectness, (~is_object).long(), **how)
        value = self.classes(of_classes, labels, weight=label_weights, ignore_index=self.num_classes)
        parts = {
            "loss_cls_objectness": objectness,
            "loss_cls_classes": value * self._factor(is_object, label_weights, how, value.dtype),
        }
        return parts if self.return_dict else sum(parts.values(), torch.zeros_like(value))

    def _factor(self, is_object: Tensor, weight: Tensor | None, how: dict[str, Any], dtype: torch.dtype) -> Tensor:
        """What makes the mean by the rows that count the sum, or the mean by something else."""
        counted = is_object if weight is None else is_object & (weight != 0)
        # More objects than float16 can count still have a mean that it can hold.
        total = counted.sum().to(torch.promote_types(dtype, torch.float32)) * self.loss_weight
        if how["reduction"] != "sum":
            divisor = is_object.sum() if how["avg_factor"] is None else how["avg_factor"]
            divisor = torch.as_tensor(divisor, device=total.device)
            total = total / torch.where(divisor > 0, divisor, 1)
        return total.to(dtype)

    def _parts(self, cls_score: Tensor) -> tuple[Tensor, Tensor]:
        if cls_score.shape[-1] != self.num_classes + 2:
            raise ValueError(
                f"cls_score has shape {tuple(cls_score.shape)}: its last dimension is {self.num_classes + 2}, "
                "the classes, object and background"
            )
        return cls_score[..., :-2], cls_score[..., -2:]

    def get_activation(self, cls_score: Tensor) -> Tensor:
        """The probabilities of the classes and, last, of background."""
        of_classes, of_objectness = (part.softmax(-1) for part in self._parts(cls_score))
        return torch.cat([of_classes * of_objectness[..., :1], of_objectness[..., 1:]], -1)

    def get_accuracy(self, cls_score: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """How many in a hundred rows are told from background, and objects given their class."""
        of_objectness = self._parts(cls_score)[1]
        is_background = (labels >= self.num_classes).long()
        return {"acc_objectness": accuracy(of_objectness, is_background), **super().get_accuracy(cls_score, labels)}


class EQLV2Loss(OfHead, Loss):
    """The equalization loss v2. The last of ``num_classes`` + 1 columns is background, and is not balanced.

    There, no head asks this loss for its scores: their softmax is taken, of logits that are trained for a sigmoid. Here
    a head gets its sigmoids, those of the classes multiplied by 1 less that of background if ``test_with_obj``.

    Weights choose (0 or 1), and rows that do not count are left out; there, the weights are of no use, as ``avg_factor``
    is here, too. The gradients so far are in the ``state_dict``, and are brought up to date in training mode only. With
    ``use_distributed`` the loss is that of the rows of all processes; there, the gradients are added up, but each
    process divides by its own rows. ``class_weight`` is an error and ``vis_grad`` of no effect: neither has one there.
    """

    other_columns = 1

    def __init__(
        self,
        use_sigmoid: bool = True,
        reduction: str = "mean",
        class_weight: Tensor | None = None,
        loss_weight: float = 1.0,
        num_classes: int = 1203,
        use_distributed: bool = False,
        mu: float = 0.8,
        alpha: float = 4.0,
        gamma: int = 12,
        vis_grad: bool = False,
        test_with_obj: bool = True,
    ) -> None:
        super().__init__(reduction, loss_weight)
        only_sigmoid(type(self).__name__, use_sigmoid)
        if class_weight is not None:
            raise ValueError("EQLV2Loss weighs the classes by their gradients: leave out class_weight")
        self.use_sigmoid, self.use_distributed, self.test_with_obj = use_sigmoid, use_distributed, test_with_obj
        self.num_classes, self.vis_grad = num_classes, vis_grad
        self.balanced = losses.EQLV2Loss(gamma=gamma, mu=mu, alpha=alpha, num_classes=num_classes + 1)

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The loss of logits (n, num_classes + 1) and classes (n,), where num_classes is background; its mean is by rows."""
        self._only_mean(reduction_override)
        of = DataParallelLoss(self.balanced) if self.use_distributed else self.balanced
        value: Tensor = of(cls_score, label, weight=weight)
        return value * self.loss_weight

    def get_activation(self, cls_score: Tensor) -> Tensor:
        """The scores of the classes and, last, of background."""
        scores = cls_score.sigmoid()
        of_classes, of_background = scores[..., :-1], scores[..., -1:]
        if self.test_with_obj:
            of_classes = of_classes * (1.0 - of_background)
        return torch.cat([of_classes, of_background], -1)
