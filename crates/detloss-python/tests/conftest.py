"""How all tests run: the same examples every time, and nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("detloss", deadline=None, derandomize=True, database=None)
settings.load_profile("detloss")


@pytest.fixture
def double() -> Iterator[None]:
    """Tensors that are made without a dtype are of double precision."""
    torch = pytest.importorskip("torch")
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
