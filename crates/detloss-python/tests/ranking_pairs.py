"""Losses that rank as their papers write them: sums over all pairs."""

from __future__ import annotations

import numpy as np

HIGHEST = 2.0**48
"""What is beyond counts as this."""


def steps(scores, own, delta):
    """H(sₖ − sᵢ), a row for each i."""
    delta = max(delta, 1e-20) if delta > 0.0 else 0.0
    apart = scores[None, :] - own[:, None]
    if not delta:
        return (apart >= 0.0) * 1.0
    return np.where(apart >= delta, 1.0, np.where(apart > -delta, (apart + delta) / (2.0 * delta), 0.0))


def quotient(a, b):
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0.0)


def ap(scores, labels, delta=1.0, interpolate=True):
    positive = np.flatnonzero(labels > 0.0)
    positive = positive[np.argsort(scores[positive])]
    above = steps(scores, scores[positive], delta)
    others, like = (above[:, of].sum(1) for of in (labels == 0.0, labels > 0.0))
    errors = others / (1.0 + like - (0.5 if delta else 1.0) + others)
    errors = np.minimum.accumulate(errors) if interpolate else errors
    grad = np.where(labels == 0.0, (quotient(errors, others)[:, None] * above).sum(0), 0.0)
    grad[positive] = -errors
    return errors.mean(), grad / len(positive)


def rank_sort(scores, labels, delta=0.5):
    positive = np.flatnonzero(labels > 0.0)
    above = steps(scores, scores[positive], delta)
    others, like = (above[:, of].sum(1) for of in (labels == 0.0, labels > 0.0))
    errors, blame = others / (like + others), 1.0 / (like + others)
    grad = np.where(labels == 0.0, (blame[:, None] * above).sum(0), 0.0)
    among, quality = above[:, positive], labels[positive]
    worse = among * (quality[None, :] < quality[:, None])
    flaw = lambda weights: quotient((weights * (1.0 - quality)).sum(1), weights.sum(1))  # noqa: E731
    unsorted = flaw(among) - flaw(among - worse)
    unsorted = np.where(worse.any(1), unsorted, 0.0)
    grad[positive] = (quotient(unsorted, worse.sum(1))[:, None] * worse).sum(0) - errors - unsorted
    return (errors + unsorted).mean(), grad / len(positive)


def alrp(pred, labels, delta=1.0, smooth_order=False, balance=1.0):
    scores, flaws = pred.T
    positive = np.flatnonzero(labels > 0.0)
    flaws, count = flaws[positive], len(positive)
    above, among = (steps(of, scores[positive], delta) for of in (scores, scores[positive]))
    np.fill_diagonal(among, 1.0)
    others = above[:, labels == 0.0].sum(1)
    ranks = among.sum(1) + others
    ordered = among if smooth_order else steps(scores[positive], scores[positive], 0.0)
    updates = np.where(others > 1e-5, (others + ((among - np.eye(count)) * flaws).sum(1)) / ranks, 0.0)
    grad = np.zeros_like(pred)
    grad[:, 0] = np.where(labels == 0.0, (quotient(updates, others)[:, None] * above).sum(0), 0.0)
    grad[positive, 0] = -updates
    grad[positive, 1] = balance * (ordered / ranks[:, None]).sum(0)
    return (others / ranks).mean() + balance * ((ordered * flaws).sum(1) / ranks).mean(), grad / count


DEFINED = {"ap": ap, "rank_sort": rank_sort, "alrp": alrp}


def defined(spec, pred, labels, **params):
    """The loss and its gradient."""
    return DEFINED[spec.name](np.clip(pred.double().numpy(), -HIGHEST, HIGHEST), labels.double().numpy(), **params)
