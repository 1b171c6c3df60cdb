"""Some of the matches: what is left out of a loss where background is a thousand times as frequent.

A sampler takes :class:`~detloss.matching.Matches` of one image or of a batch, and gives some of them: what it does not choose is
``IGNORED`` and has a score of 0. Images are sampled one by one::

    >>> import numpy as np
    >>> from detloss.matching import Matches, sampling
    >>> matches = Matches(np.array([0, -1, -1, -1, 1]), None)
    >>> sampling.hard_negatives(matches, losses=[0.2, 0.1, 0.9, 0.3, 0.7], ratio=1).indices
    array([ 0, -2, -1, -1,  1])
"""

from __future__ import annotations

from collections.abc import Callable as _Callable
from collections.abc import Iterable as _Iterable
from typing import Any as _Any

import numpy as _np

from detloss import _core, _numpy
from detloss._matching import Matches as _Matches
from detloss._matching import array_of as _array_of
from detloss._matching import like_given as _like_given

__all__ = ["balanced", "hard_negatives", "hardest"]


def balanced(matches: _Matches, size: int, positive: float, seed: int | _Iterable[int]) -> _Matches:
    """``size`` predictions of every image by chance, and background for all the rest; fewer where there are no more.

    Faster R-CNN's (torchvision's ``BalancedPositiveNegativeSampler``, MMDetection's ``RandomSampler``) are 256 with a half for region
    proposals, and 512 with a quarter for the second stage. What is chosen depends on the matches and the seed alone.

    Args:
        matches: of one image or of a batch.
        size: how many predictions of an image, at most.
        positive: what share of them may have truths, at most.
        seed: an integer, another one for each step; for a batch one for each image.

    Raises:
        ValueError: ``positive`` is not from 0 to 1, or there are not as many seeds as images.
    """
    given = seed if isinstance(seed, _Iterable) else [seed]
    seeds = [int(number) % 2**64 for number in given]
    images = len(matches.indices) if matches.indices.ndim == 2 else 1
    if len(seeds) != images:
        wanted = f"give one for each, such as range({images} * step, {images} * (step + 1))"
        raise ValueError(f"{images} images have {len(seeds)} seeds: {wanted}")
    return _sampled(matches, None, lambda indices, scores, _: _core.balanced(indices, scores, size, positive, seeds))


def hardest(matches: _Matches, losses: _Any, size: int) -> _Matches:
    """The ``size`` predictions of every image with the largest losses, with a truth or without: online hard example mining.

    Of equal losses the lower index is chosen. Detectron and the paper suppress overlapping boxes first, and MMDetection's ``OHEMSampler``
    chooses positives and negatives apart, as many of each as a balanced sampler.

    Args:
        matches: of one image or of a batch.
        losses: one for every prediction, of the shape of the indices. Nothing is differentiated.
        size: how many predictions of an image, at most.

    Raises:
        ValueError: losses of another shape, or NaN where it matters.
    """
    return _sampled(matches, losses, lambda indices, scores, losses: _core.hardest(indices, scores, losses, size))


def hard_negatives(matches: _Matches, losses: _Any, ratio: int) -> _Matches:
    """All predictions with truths, and for each of them ``ratio`` of background in its image with the largest losses.

    Of equal losses the lower index is chosen. Without a truth there is no background either. SSD and torchvision's have a ratio of 3, with
    the softmax cross entropy of the class as the loss.

    Args:
        matches: of one image or of a batch.
        losses: one for every prediction, of the shape of the indices. Nothing is differentiated.
        ratio: how many of background for each that has a truth.

    Raises:
        ValueError: losses of another shape, or NaN where it matters.
    """
    return _sampled(matches, losses, lambda indices, scores, losses: _core.hard_negatives(indices, scores, losses, ratio))


def _sampled(matches: _Matches, losses: _Any, sample: _Callable[[_Any, _Any, _Any], tuple[_Any, _Any]]) -> _Matches:
    """What ``sample`` leaves of the matches; it is called with arrays of shape (images, predictions)."""
    indices = _numpy.integers(_array_of(matches.indices), "indices")
    if indices.ndim not in (1, 2):
        raise ValueError(f"indices have shape {indices.shape}: give (predictions,) or (images, predictions)")

    def rows(given: _Any, what: str) -> _Any:
        if given is None:
            return None
        array = _numpy.like(_array_of(given), _np.dtype(_np.float64), what)
        if array.shape != indices.shape:
            raise ValueError(f"{what} have shape {array.shape}: give that of the indices, {indices.shape}")
        return _np.atleast_2d(array)

    chosen, scores = sample(_np.atleast_2d(indices), rows(matches.scores, "scores"), rows(losses, "losses"))
    soft = None if scores is None else _like_given(scores.reshape(indices.shape), matches.scores)
    return _Matches(_like_given(chosen.reshape(indices.shape), matches.indices), soft)
