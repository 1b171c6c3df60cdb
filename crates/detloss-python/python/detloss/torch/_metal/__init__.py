"""Kernels of Metal: losses as text that is C but for what a prelude spells. `formula` and `rows` have what is done with a unit, `kernel` makes
the text, `launch` runs it."""

LONGEST = 1 << 10
"""The longest row of a kernel, in which a thread has it to itself."""
