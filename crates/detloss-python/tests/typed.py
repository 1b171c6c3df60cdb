"""What users of the package see in their editor. Nobody runs this: type checkers read it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import assert_type

import detloss
import detloss.torch


def numpy(array: NDArray[np.float32], reduction: str) -> None:
    assert_type(detloss.giou(array, array, eps=1e-7), float)
    assert_type(detloss.giou(array, array, reduction="sum"), float)
    assert_type(detloss.giou(array, [[0, 0, 1, 1]], reduction="none"), NDArray[Any])
    assert_type(detloss.giou(array, array, reduction=reduction), float | NDArray[Any])
    value, grad = detloss.value_and_grad("giou", array, array)
    assert_type(grad, NDArray[Any])
    assert_type(detloss.losses()[0].params[0].default, float)


def torch(tensor: Tensor) -> None:
    assert_type(detloss.torch.focal(tensor, tensor, avg_factor=tensor.sum(), gamma=1.5), Tensor)
    assert_type(detloss.torch.FocalLoss(reduction="sum", gamma=1.5)(tensor, tensor, ignore_index=3), Tensor)
