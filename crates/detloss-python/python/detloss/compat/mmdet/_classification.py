"""Losses of scores, of distributions and of masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

import detloss.torch as losses
from detloss.compat._openmmlab import Loss, broadcast, fitting, logits, only_sigmoid, widened


class CrossEntropyLoss(Loss):
    """Softmax cross entropy, or binary cross entropy with ``use_sigmoid``, or that of masks with ``use_mask``.

    ``class_weight`` is a factor per class for the softmax, and a weight of the positives per class for the sigmoid.
    The mean is by all rows (softmax) or elements (sigmoid), with ``avg_non_ignore`` by those that are not ignored.
    What has the label ``ignore_index`` (-100 if there is none) counts with weight 0; for the sigmoid, any label below
    0 as well.
    """

    def __init__(
        self,
        use_sigmoid: bool = False,
        use_mask: bool = False,
        reduction: str = "mean",
        class_weight: Sequence[float] | None = None,
        ignore_index: int | None = None,
        loss_weight: float = 1.0,
        avg_non_ignore: bool = False,
    ) -> None:
        super().__init__(reduction, loss_weight)
        if use_sigmoid and use_mask:
            raise ValueError("use_sigmoid and use_mask exclude each other: masks have sigmoids anyway")
        if use_mask and (class_weight is not None or ignore_index is not None):
            raise ValueError("the cross entropy of masks has no class_weight and no ignore_index: leave them out")
        self.use_sigmoid, self.use_mask = use_sigmoid, use_mask
        self.class_weight, self.ignore_index, self.avg_non_ignore = class_weight, ignore_index, avg_non_ignore

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
        reduction_override: str | None = None,
        ignore_index: int | None = None,
    ) -> Tensor:
        """The loss of logits.

        Args:
            cls_score: (n, classes), or (n, classes, ...) for the softmax; (n, classes, height, width) for masks.
            label: classes (n) or (n, ...), or labels of the shape of ``cls_score``; for masks, labels (n, height,
                width).
            weight: one per row, or per element for the sigmoid; for masks, the class of each, (n,).
            avg_factor: what the mean divides the sum by.
            reduction_override: stands in for the reduction.
            ignore_index: stands in for the one given before.
        """
        if self.use_mask:
            return self._masks(cls_score, label, weight, avg_factor, reduction_override, ignore_index)
        if ignore_index is None:
            ignore_index = -100 if self.ignore_index is None else self.ignore_index
        of = self._binary if self.use_sigmoid else self._softmax
        return of(cls_score, label, ignore_index, self._how(weight, avg_factor, reduction_override))

    def _softmax(self, pred: Tensor, label: Tensor, ignore_index: int, how: dict[str, Any]) -> Tensor:
        is_class = not label.is_floating_point()
        if pred.dim() > 2:
            pred, label = pred.movedim(1, -1), label if is_class else label.movedim(1, -1)
        how["weight"] = broadcast(how["weight"], pred.shape[:-1])
        if is_class:
            how["ignore_index"] = ignore_index
            self._leave_out(how, label != ignore_index)
        return losses.softmax_ce(pred, label, class_weight=self._class_weight(pred), **how)

    def _binary(self, pred: Tensor, label: Tensor, ignore_index: int, how: dict[str, Any]) -> Tensor:
        counts = (label >= 0) & (label != ignore_index)
        weight = fitting(how["weight"], label)
        if label.dim() < pred.dim():
            columns = pred.shape[-1]
            self._leave_out(how, counts, columns)
            label = torch.where(counts & (label < columns), label, columns)
        else:
            self._leave_out(how, counts)
            label = torch.where(counts, label, 0)
            if weight is not None and weight.dim() < pred.dim():
                weight = weight.unsqueeze(-1)
        how["weight"] = weight = counts.to(pred.dtype) if weight is None else weight * counts
        value = losses.bce(pred, label, **how)
        class_weight = self._class_weight(pred)
        if class_weight is None:
            return value
        # Positives have class_weight instead of 1: this is the rest.
        if label.dim() < pred.dim():
            label, weight = _one_hot(label, pred), weight.unsqueeze(-1)
        how["weight"] = weight * label * (class_weight - 1.0)
        return value + losses.bce(pred, torch.ones_like(pred), **how)

    def _class_weight(self, pred: Tensor) -> Tensor | None:
        return None if self.class_weight is None else pred.new_tensor(self.class_weight)

    def _leave_out(self, how: dict[str, Any], counts: Tensor, columns: int = 1) -> None:
        """Makes the mean one of what counts, so many columns at a time."""
        if self.avg_non_ignore and how["reduction"] == "mean" and how["avg_factor"] is None:
            how["avg_factor"] = counts.sum() * columns

    def _masks(
        self,
        pred: Tensor,
        label: Tensor,
        classes: Tensor | None,
        avg_factor: Tensor | float | None,
        reduction_override: str | None,
        ignore_index: int | None,
    ) -> Tensor:
        if self._reduced(reduction_override) != "mean" or avg_factor is not None or ignore_index is not None:
            raise ValueError("the cross entropy of masks is a mean: no other reduction, no avg_factor, no ignore_index")
        if classes is None:
            raise ValueError("the cross entropy of masks takes the class of each as its third argument")
        chosen = pred[torch.arange(len(pred), device=pred.device), classes]
        return losses.bce(chosen, label, loss_weight=self.loss_weight)[None]


class _ScoreLoss(Loss):
    """A loss of a score per class; ``activated`` if it is given probabilities, which are turned back into logits."""

    def __init__(self, use_sigmoid: bool, reduction: str, loss_weight: float, activated: bool = False) -> None:
        super().__init__(reduction, loss_weight)
        only_sigmoid(type(self).__name__, use_sigmoid)
        self.use_sigmoid, self.activated = use_sigmoid, activated

    def _logits(self, pred: Tensor) -> Tensor:
        return logits(pred) if self.activated else pred


class FocalLoss(_ScoreLoss):
    """The focal loss. It turns probabilities (``activated``) back into logits: hand over logits where you have them."""

    def __init__(
        self,
        use_sigmoid: bool = True,
        gamma: float = 2.0,
        alpha: float = 0.25,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        activated: bool = False,
    ) -> None:
        super().__init__(use_sigmoid, reduction, loss_weight, activated)
        if not 0.0 <= alpha <= 1.0:
            raise ValueError(f"alpha is {alpha}: give the weight of the positives, from 0 to 1")
        self.gamma, self.alpha = gamma, alpha

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The loss of logits (n, classes).

        ``target`` is classes (n,), with the number of classes for background, or labels of the shape of ``pred``.
        ``weight`` is one per row, (n,) or (n, 1), or per element, also flattened. The mean is by all elements.
        """
        how = self._how(fitting(weight, pred), avg_factor, reduction_override)
        return losses.focal(self._logits(pred), target, gamma=self.gamma, alpha=self.alpha, **how)


class QualityFocalLoss(_ScoreLoss):
    """The quality focal loss, a value per row. Probabilities (``activated``) are turned back into logits."""

    def __init__(
        self,
        use_sigmoid: bool = True,
        beta: float = 2.0,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        activated: bool = False,
    ) -> None:
        super().__init__(use_sigmoid, reduction, loss_weight, activated)
        self.beta = beta

    def forward(
        self,
        pred: Tensor,
        target: tuple[Tensor, Tensor] | Tensor,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The loss of logits (n, classes), summed over the classes; the mean is by rows.

        ``target`` is classes and qualities, each (n,), where what is no class is background; or qualities of the shape
        of ``pred``.
        """
        if isinstance(target, Tensor):
            labels = target
        else:
            classes, quality = target
            labels = _one_hot(classes, pred) * quality.to(pred.dtype).unsqueeze(-1)
        if pred.dim() != 2 or labels.shape != pred.shape:
            raise ValueError(
                f"pred has shape {tuple(pred.shape)}, the target {tuple(labels.shape)}: give (n, classes) to both, "
                "or classes and qualities as the target"
            )
        how = self._how(broadcast(weight, pred.shape[:-1]), avg_factor, reduction_override)
        if how["reduction"] == "mean" and avg_factor is None:
            how["avg_factor"] = len(pred)
        value = losses.quality_focal(self._logits(pred), labels, beta=self.beta, **how)
        return value.sum(-1) if how["reduction"] == "none" else value


def _one_hot(classes: Tensor, pred: Tensor) -> Tensor:
    """Whether a column is that of the class of its row; no class, no column."""
    return classes.unsqueeze(-1) == torch.arange(pred.shape[-1], device=pred.device)


class VarifocalLoss(_ScoreLoss):
    """The varifocal loss; ``alpha`` is the weight of the negatives."""

    def __init__(
        self,
        use_sigmoid: bool = True,
        alpha: float = 0.75,
        gamma: float = 2.0,
        iou_weighted: bool = True,
        reduction: str = "mean",
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(use_sigmoid, reduction, loss_weight)
        self.alpha, self.gamma, self.iou_weighted = alpha, gamma, iou_weighted

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The loss of logits of any shape, and qualities of the same; the mean is by all elements."""
        how = self._how(fitting(weight, pred), avg_factor, reduction_override)
        params: dict[str, Any] = {"alpha": self.alpha, "gamma": self.gamma, "iou_weighted": self.iou_weighted}
        return losses.varifocal(pred, target, **params, **how)


class GaussianFocalLoss(Loss):
    """The focal loss of a heatmap of *probabilities*, as there; ``detloss.torch.gaussian_focal`` takes logits.

    They are turned back into logits. There, 1e-12 is added inside the logarithms.
    """

    def __init__(
        self,
        alpha: float = 2.0,
        gamma: float = 4.0,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        pos_weight: float = 1.0,
        neg_weight: float = 1.0,
    ) -> None:
        super().__init__(reduction, loss_weight)
        self.alpha, self.gamma = alpha, gamma
        self.pos_weight, self.neg_weight = pos_weight, neg_weight

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        pos_inds: Tensor | None = None,
        pos_labels: Tensor | None = None,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The loss of probabilities of any shape.

        The positives are where ``target`` is 1, or, of ``pred`` (n, classes), rows ``pos_inds`` in columns
        ``pos_labels``. The mean is by all elements; that of positives given as rows by their own number.
        """
        pred = logits(pred)
        params: dict[str, Any] = {"alpha": self.alpha, "beta": self.gamma}
        how = self._how(fitting(weight, pred), avg_factor, reduction_override)
        is_positive = target == 1
        if pos_inds is None:
            if self.pos_weight != 1.0 or self.neg_weight != 1.0:
                of_kind = torch.where(is_positive, self.pos_weight, self.neg_weight).to(pred.dtype)
                rows = how["weight"]
                if rows is not None:
                    of_kind = of_kind * (rows if rows.dim() == pred.dim() else rows.unsqueeze(-1))
                how["weight"] = of_kind
            return losses.gaussian_focal(pred, target, **params, **how)
        if pos_labels is None or weight is not None or how["reduction"] == "none":
            raise ValueError("with pos_inds: give pos_labels, no weight, and a reduction other than 'none'")
        positives = pred[pos_inds, pos_labels]
        # The slope of a negative is 0 where the target is 1.
        negative = losses.gaussian_focal(pred, target, **params, **{**how, "weight": ~is_positive})
        positive = losses.gaussian_focal(positives, torch.ones_like(positives), **params, **how)
        return self.pos_weight * positive + self.neg_weight * negative


class DistributionFocalLoss(Loss):
    """The distribution focal loss. Places from the last one on, an error there, count as the last one."""

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The loss of logits (n, places) and distances (n,); the mean is by rows."""
        how = self._how(broadcast(weight, pred.shape[:-1]), avg_factor, reduction_override)
        return losses.distribution_focal(pred, target, **how)


class KnowledgeDistillationKLDivLoss(Loss):
    """The divergence from the distribution of a teacher at the temperature ``T``, as the mean over the classes."""

    def __init__(self, reduction: str = "mean", loss_weight: float = 1.0, T: int = 10) -> None:
        super().__init__(reduction, loss_weight)
        self.T = T

    def forward(
        self,
        pred: Tensor,
        soft_label: Tensor,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The loss of logits (n, classes) and those of the teacher, by ``pred`` only; the mean is by rows."""
        how = self._how(broadcast(weight, pred.shape[:-1]), avg_factor, reduction_override)
        how["loss_weight"] /= pred.shape[-1]
        return losses.softmax_kl(pred, soft_label.detach(), temperature=self.T, **how)


class MultiPosCrossEntropyLoss(Loss):
    """The cross entropy of rows with several positives: ln(1 + Σ exp(n - p)) over all pairs of a negative n and a positive p.

    It is softmax cross entropy of two columns, the logarithms of Σ exp(n) and 1 / Σ exp(-p): no pair is formed, as all
    are there. A row without either costs 0. Labels below 0 are left out; there, they count as logits of 0 on both sides.
    """

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: Tensor | float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The loss of logits (n, columns) and labels of the same shape, 1 or more (positive), 0 (negative); the mean is by rows."""
        if label.shape != cls_score.shape:
            raise ValueError(
                f"label has shape {tuple(label.shape)}, cls_score {tuple(cls_score.shape)}: give a label for each logit"
            )
        pred = widened(cls_score)
        of_negatives = pred.masked_fill(label != 0, -_FAR).logsumexp(-1)
        of_positives = -(-pred).masked_fill(label < 1, -_FAR).logsumexp(-1)
        pairs = torch.stack([of_positives, of_negatives], -1)
        how = self._how(broadcast(weight, pred.shape[:-1]), avg_factor, reduction_override)
        return losses.softmax_ce(pairs, torch.zeros_like(pairs[..., 0], dtype=torch.long), **how)


_FAR = 1e30
"""A logit that no other comes near. Infinity has no slope."""


class DiceLoss(Loss):
    """The Dice loss of masks, with squares below the line, or without if ``naive_dice``.

    With squares, ``eps`` is added twice below the line there, so that a perfect mask costs 2 eps / (Σ p² + Σ g² + 2
    eps). Here it costs 0: as much is added above the line. Without ``activate``, probabilities are turned back into
    logits.
    """

    def __init__(
        self,
        use_sigmoid: bool = True,
        activate: bool = True,
        reduction: str = "mean",
        naive_dice: bool = False,
        loss_weight: float = 1.0,
        eps: float = 1e-3,
    ) -> None:
        super().__init__(reduction, loss_weight)
        if activate:
            only_sigmoid(type(self).__name__, use_sigmoid)
        self.use_sigmoid, self.activate = use_sigmoid, activate
        self.naive_dice, self.eps = naive_dice, eps

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        reduction_override: str | None = None,
        avg_factor: Tensor | float | None = None,
    ) -> Tensor:
        """The loss of masks (n, ...); ``weight`` is one per mask, the mean is by masks."""
        pred = pred if self.activate else logits(pred)
        how = self._how(broadcast(weight, pred.shape[:1]), avg_factor, reduction_override)
        if self.naive_dice:
            return losses.dice(pred, target, eps=self.eps, **how)
        return losses.dice_squared(pred, target, eps=2.0 * self.eps, **how)
