"""The examples of the guides are run, block after block."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: pip install detloss[torch]")

ROOT = Path(__file__).parents[3]
GUIDES = ["README.md", "docs/python.md", "crates/detloss-python/README.md"]


GUESTS = {"ultralytics": ("ultralytics", "polars"), "torchvision": ("torchvision",), "transformers": ("transformers",)}
"""Packages that an example may import, and what has to be installed for it."""


def blocks(guide: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / guide).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def guests(block: str) -> list[str]:
    return [guest for guest in GUESTS if re.search(rf"^(?:from|import) {guest}\b", block, re.MULTILINE)]


def run(guide: str, examples: list[str]) -> None:
    assert examples, f"{guide} has no example"
    names: dict[str, object] = {}
    for block in examples:
        exec(compile(block, guide, "exec"), names)  # noqa: S102


@pytest.mark.parametrize("guide", GUIDES)
def test_examples_run(guide: str) -> None:
    run(guide, [block for block in blocks(guide) if not guests(block)])


# What these packages warn of is not ours.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("guest", GUESTS)
def test_examples_with_other_packages_run(
    guest: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in GUESTS[guest]:
        pytest.importorskip(package, reason=f"{package} is not installed: pip install {package}")
    if guest == "ultralytics":
        request.getfixturevalue("ultralytics_home")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    run("docs/python.md", [block for block in blocks("docs/python.md") if guest in guests(block)])
