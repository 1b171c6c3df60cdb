"""Long tails: what the numbers of the classes in a data set are good for.

A number per class enters a loss as a weight (``class_weight``), or is added to the logits before the loss sees them:

- class-balanced cross entropy: any loss of classes with ``class_weight=class_balanced_weights(counts, beta)``;
- logit-adjusted cross entropy, balanced softmax: ``softmax_ce(logits + logit_adjustment(counts), classes)``;
- LDAM: ``softmax_ce(30 * (cosines - ldam_margins(counts) * one_hot), classes)``, where ``one_hot`` is 1 at the class of a row;
- focal loss with an alpha per class: ``focal(logits, labels, alpha=1, class_weight=a) + focal(logits, labels, alpha=0,
  class_weight=1 - a)``, the losses of the positives and of the negatives. So for every loss with a parameter ``alpha`` for the one and
  1 - alpha for the other.

Each function takes one number of examples per class, and gives a float64 array, to be made once: ``torch.as_tensor(weights,
dtype=logits.dtype, device=logits.device)``. A class that never occurs is a ``ValueError``: count it once, or leave its column out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detloss import _core
from detloss._numpy import numbers

__all__ = ["class_balanced_weights", "ldam_margins", "logit_adjustment"]


def class_balanced_weights(counts: ArrayLike, beta: float = 0.9999) -> NDArray[np.float64]:
    """The weight of every class by the effective number of its examples: (1 - beta) / (1 - beta ** counts), rescaled to a mean of 1.

    Args:
        counts: how many examples every class has.
        beta: 0 to 1. 0 weighs all alike, 1 by the inverse of the number.

    Cui et al., *Class-Balanced Loss Based on Effective Number of Samples*, CVPR 2019. https://arxiv.org/abs/1901.05555
    """
    return _core.class_balanced_weights(numbers(counts, "counts"), beta)


def logit_adjustment(counts: ArrayLike, tau: float = 1.0) -> NDArray[np.float64]:
    """What is added to the logits of every class: tau times the logarithm of its share.

    Args:
        counts: how many examples every class has, or the shares.
        tau: how much of it; with 1 the cross entropy of a softmax is "balanced softmax".

    Menon et al., *Long-Tail Learning via Logit Adjustment*, ICLR 2021. https://arxiv.org/abs/2007.07314
    """
    return _core.logit_adjustment(numbers(counts, "counts"), tau)


def ldam_margins(counts: ArrayLike, max_m: float = 0.5) -> NDArray[np.float64]:
    """The margin of every class: max_m for the rarest, and the less by the fourth root of how often another one is seen.

    Args:
        counts: how many examples every class has.
        max_m: the largest margin.

    Cao et al., *Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss*, NeurIPS 2019.
    https://arxiv.org/abs/1906.07413
    """
    return _core.ldam_margins(numbers(counts, "counts"), max_m)
