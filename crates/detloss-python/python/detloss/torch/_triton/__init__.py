"""Kernels of Triton, whose text is made from traced formulas. Only what launches one imports any of this: it needs Triton."""
