"""Kernels of Triton, whose text is made from traced formulas. Only what launches one imports any of this: it needs Triton."""

from __future__ import annotations

LONGEST = 1 << 13
"""The longest row that a program has at once."""

LONGEST_OF_SETS = 1 << 11
"""The longest row of a set, of which programs keep sums for each column."""
