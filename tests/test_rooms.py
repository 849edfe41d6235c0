"""The picture of the house in CONTRIBUTING.md is what import-linter checks."""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli", reason="needs Python 3.11 to read pyproject.toml")

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PICTURE = TEXT[TEXT.index("## The house") : TEXT.index("| to change | go to |")]


def _drawn(package: str) -> list[list[str]]:
    """Return the rooms of a package as they are drawn, line by line, from top to bottom."""
    block = re.search(rf"^ {package} .*?(?=\n\n|\n```)", PICTURE, re.MULTILINE | re.DOTALL)
    assert block is not None, f"CONTRIBUTING.md does not show {package}"
    lines = [line[21:] for line in block[0].splitlines()]  # right of the package's name
    return [re.findall(r"[a-z_]+", re.split(r" {3,}", line)[0]) for line in lines]


def _checked(package: str) -> list[list[str]]:
    """Return the layers of a package as import-linter checks them, from top to bottom."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    for contract in linter["contracts"]:
        names = [re.findall(r"[\w.]+", layer) for layer in contract.get("layers", [])]
        if contract.get("containers") == [package] or (names and names[0][0].startswith(f"{package}.")):
            return [[name.removeprefix(f"{package}.") for name in layer] for layer in names]
    return []


@pytest.mark.parametrize("package", ["rdzv_core", "rdzv_tcp", "rdzv_conformance", "rdzv_simulation"])
def test_the_rooms_are_drawn_in_the_order_that_is_checked(package: str) -> None:
    """A room that is drawn exists, and never above one that may import it."""
    layers = {room: depth for depth, layer in enumerate(_checked(package)) for room in layer}
    if not layers:
        pytest.skip(f"import-linter has no layers for {package}")
    drawn = _drawn(package)
    assert [] == [room for line in drawn for room in line if room not in layers]
    depths = [[layers[room] for room in line] for line in drawn]
    for above, below in itertools.pairwise(depths):
        assert max(above) <= min(below), f"{drawn} is not the order of pyproject.toml"
