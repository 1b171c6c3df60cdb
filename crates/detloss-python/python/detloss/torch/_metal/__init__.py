"""Kernels of Metal: formulas as text that is C but for what a prelude spells. `formula` makes the text, `launch` runs it."""
