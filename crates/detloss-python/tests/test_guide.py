"""The examples of the guides are run, block after block."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")

ROOT = Path(__file__).parents[3]
GUIDES = ["README.md", "docs/python.md", "crates/detloss-python/README.md"]


@pytest.mark.parametrize("guide", GUIDES)
def test_examples_run(guide):
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / guide).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks, f"{guide} has no example"
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, guide, "exec"), names)  # noqa: S102
