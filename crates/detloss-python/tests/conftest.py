"""How all tests run: the same examples every time, and nothing left behind."""

from __future__ import annotations

import os
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


@pytest.fixture(scope="module")
def ultralytics_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A place for what Ultralytics writes. It stays offline, and what its trainer changes in the process is put back."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    with pytest.MonkeyPatch.context() as monkeypatch:
        # When it is imported it writes its settings, and looks for what it might install.
        monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path_factory.mktemp("settings")))
        monkeypatch.setenv("YOLO_AUTOINSTALL", "false")
        monkeypatch.setenv("YOLO_OFFLINE", "true")
        pytest.importorskip("ultralytics", reason="Ultralytics is not installed: pip install ultralytics")
        # It would download a font, for pictures that nobody asked for.
        monkeypatch.setattr("ultralytics.data.utils.check_font", lambda *_: None)
        environment, is_deterministic = dict(os.environ), torch.are_deterministic_algorithms_enabled()
        yield
        torch.use_deterministic_algorithms(is_deterministic)
        os.environ.clear()
        os.environ.update(environment)
