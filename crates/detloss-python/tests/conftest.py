"""How all tests run: the same examples every time, and nothing left behind."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("detloss", deadline=None, derandomize=True, database=None)
settings.load_profile("detloss")
