"""MMDetection, of which what is compared with ours is imported.

It needs MMCV, which has no wheel, and draws pictures: of both there are the names here, as long as it is imported, and nothing behind them.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

NAMES_ONLY = ("mmcv", "matplotlib", "seaborn")

PARTLY = ("models", "models.dense_heads", "models.layers", "models.layers.transformer", "models.task_modules", "datasets", "datasets.transforms")
"""Packages of MMDetection that are not run themselves: they import all of it."""


class Names(types.ModuleType):
    """A module in which every name is that of an empty class."""

    __version__ = "2.1.0"
    __path__: Any = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        setattr(self, name, type(name, (), {"__module__": self.__name__}))
        return self.__dict__[name]


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, folder: Path) -> None:
        self.partly = {f"mmdet.{part}": [str(folder.joinpath(*part.split(".")))] for part in PARTLY}

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        if fullname not in self.partly and fullname.partition(".")[0] not in NAMES_ONLY:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: Any) -> types.ModuleType:
        return Names(spec.name)

    def exec_module(self, module: Any) -> None:
        module.__path__ = self.partly.get(module.__name__, [])


def theirs(name: str) -> Any:
    """A module of MMDetection. Where MMDetection is not installed the test is skipped."""
    found = importlib.util.find_spec("mmdet")
    if found is None or found.origin is None:
        pytest.skip("MMDetection is not installed: pip install --no-deps mmdet mmengine, and what requirements-owners.txt has with them")
    before = {key for key in sys.modules if key.partition(".")[0] in NAMES_ONLY}
    finder = Finder(Path(found.origin).parent)
    sys.meta_path.insert(0, finder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    finally:
        sys.meta_path.remove(finder)
        for key in [key for key in sys.modules if key.partition(".")[0] in NAMES_ONLY and key not in before]:
            del sys.modules[key]
