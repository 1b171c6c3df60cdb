"""What the kernels of losses that rank are tested with, in Triton's interpreter; and how their results are held to sums over pairs."""

from __future__ import annotations

import detloss
import numpy as np
import pytest
import torch
from detloss.torch._operations import RANKED
from detloss.torch._triton import rank
from kernel_cases import by_name, random, result
from ranking_pairs import defined
from samples import COLUMNS

SPECS = [spec for spec in detloss.losses() if spec.name in RANKED]
all_rankings = by_name(SPECS)
UGLY = (0.0, -0.0, 1e-30, -1e-30, 1e4, -1e4, 1e-45, float("inf"), float("-inf"), 30.0, -30.0, 3e38, -3e38, 2.0**48, -(2.0**48))


@pytest.fixture(autouse=True)
def many_programs(monkeypatch):
    """Few elements are many tiles, and many programs. A scan of the interpreter takes its time for each number of a tile."""
    for name, tile in (("TILE", 128), ("FEW", 64), ("RUN", 64), ("ROWS", 64), ("WIDE", 64), ("SPAN", 2)):
        monkeypatch.setattr(rank, name, tile)


@pytest.fixture(autouse=True)
def memory_of_others():
    """What has been allocated holds NaN, or the largest number, until it is written."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def scores_and_labels(count, positives, seed=0, spread=2.0, dtype=torch.float64):
    """So many scores, of which this part are positives, which lie a little higher. Their labels say how good their boxes are; some are
    equally good."""
    chance = np.random.default_rng(seed)
    labels = (chance.uniform(size=count) < positives) * np.ceil(chance.uniform(size=count) * 64.0) / 64.0
    return torch.from_numpy(chance.normal(0.0, spread, count) + labels).to(dtype), torch.from_numpy(labels).to(dtype)


def with_errors(spec, scores, seed=0):
    """The scores, each with the error of a box beside it if a loss asks for such; some errors are the same."""
    if len(spec.pred.fields) == 1:
        return scores
    errors = torch.from_numpy(np.random.default_rng(seed).integers(0, 49, scores.shape) / 32.0)
    return torch.stack((scores, errors.to(scores)), -1)


def inputs(spec, count, positives, seed=0, spread=2.0, dtype=torch.float64):
    """A prediction and its labels, one beside the other."""
    scores, labels = scores_and_labels(count, positives, seed, spread, dtype)
    return with_errors(spec, scores, seed), labels


def in_rows(spec):
    """Forty rows, of as many scores as there are columns, or of what a loss asks for."""
    if not spec.is_elementwise:
        return inputs(spec, 40, 0.3, dtype=torch.float32)
    return tuple(given.reshape(40, COLUMNS) for given in inputs(spec, 40 * COLUMNS, 0.2, dtype=torch.float32))


def of_scores(grad, labels):
    """The part of a gradient that is by the scores."""
    return grad if grad.shape == labels.shape else grad[..., 0]


def chosen(shape):
    """Weights of 1 and 0."""
    return random(shape).div(2.0).round()


def assert_as_defined(spec, scores, labels, tolerance, **params):
    value, grad = result(spec, scores, labels, backend="kernel", **params)
    true_value, true_grad = defined(spec, scores, labels, **params)
    np.testing.assert_allclose(value, true_value, rtol=tolerance)
    np.testing.assert_allclose(grad, true_grad, rtol=tolerance, atol=tolerance * np.abs(true_grad).max())
