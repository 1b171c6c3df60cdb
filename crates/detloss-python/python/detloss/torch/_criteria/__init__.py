"""Criteria as tensor operations, for devices where the compiled core cannot run.

Decoders are the core's, traced; matchers and losses are those of ``_matching`` and of ``detloss.torch``. Images and layers share no memory with the
host: the device is waited for to learn how many pairs a layer has, for what a matcher asks, and to see that the truths are numbers.
"""

from __future__ import annotations

from detloss.torch._criteria.evaluate import evaluate

__all__ = ["evaluate"]
