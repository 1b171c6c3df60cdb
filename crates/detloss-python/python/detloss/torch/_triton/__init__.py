"""Kernels of Triton, whose text is made from traced formulas. Only what launches one imports any of this: it needs Triton."""

from __future__ import annotations

LONGEST = 1 << 13
"""The longest row that a program has at once."""
