"""Losses that say how many columns a head has, what its scores are, and how often they are right."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from detloss.compat.mmdet._classification import CrossEntropyLoss, FocalLoss


class OfHead:
    """What a head asks a loss for that has columns and scores of its own."""

    custom_cls_channels = True
    custom_activation = True
    custom_accuracy = True
    num_classes: int
    other_columns = 0
    """How many columns there are behind those of the classes."""

    def get_cls_channels(self, num_classes: int) -> int:
        """How many columns the classifier of a head has."""
        if num_classes != self.num_classes:
            raise ValueError(f"the head has {num_classes} classes, the loss {self.num_classes}: give both the same")
        return num_classes + self.other_columns

    def get_accuracy(self, cls_score: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """How many in a hundred objects are given their class."""
        is_object = labels < self.num_classes
        return {"acc_classes": accuracy(cls_score[is_object, : self.num_classes], labels[is_object])}


class CrossEntropyCustomLoss(OfHead, CrossEntropyLoss):
    """The cross entropy of many classes (V3Det): :class:`CrossEntropyLoss`, which tells a head how many columns it has.

    ``num_classes``, without background, is required. A softmax has a last column for background, a sigmoid has none.
    """

    def __init__(
        self,
        use_sigmoid: bool = False,
        use_mask: bool = False,
        reduction: str = "mean",
        num_classes: int = -1,
        class_weight: Sequence[float] | None = None,
        ignore_index: int | None = None,
        loss_weight: float = 1.0,
        avg_non_ignore: bool = False,
    ) -> None:
        super().__init__(use_sigmoid, use_mask, reduction, class_weight, ignore_index, loss_weight, avg_non_ignore)
        self.num_classes = checked_classes(num_classes)
        self.other_columns = 0 if use_sigmoid else 1

    def get_activation(self, cls_score: Tensor) -> Tensor:
        """The probabilities of the classes and, last, of background, for a sigmoid what they leave of 1."""
        if not self.use_sigmoid:
            return cls_score.softmax(-1)
        scores = cls_score[..., : self.num_classes].sigmoid()
        return torch.cat([scores, (1.0 - scores.sum(-1, keepdim=True)).clamp(min=0.0)], -1)


class FocalCustomLoss(OfHead, FocalLoss):
    """The focal loss of many classes (V3Det): :class:`FocalLoss`, which tells a head how many columns it has.

    ``num_classes``, without background, is required; there is no column for background.
    """

    def __init__(
        self,
        use_sigmoid: bool = True,
        num_classes: int = -1,
        gamma: float = 2.0,
        alpha: float = 0.25,
        reduction: str = "mean",
        loss_weight: float = 1.0,
        activated: bool = False,
    ) -> None:
        super().__init__(use_sigmoid, gamma, alpha, reduction, loss_weight, activated)
        self.num_classes = checked_classes(num_classes)

    def get_activation(self, cls_score: Tensor) -> Tensor:
        """The probabilities of the classes."""
        return cls_score[..., : self.num_classes].sigmoid()


def checked_classes(num_classes: int) -> int:
    if num_classes < 1:
        raise ValueError(f"num_classes is {num_classes}: give the number of classes, without background")
    return num_classes


def accuracy(scores: Tensor, labels: Tensor) -> Tensor:
    """How many in a hundred rows have the highest score for their label; 0 without rows."""
    if len(labels) == 0:
        return scores.new_zeros(1)
    return (scores.argmax(-1) == labels).float().mean()[None] * 100.0
