"""Every distribution of the tree, built once: the wheel from the sdist, as pip would."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from release.projects import PROJECTS, ROOT

SOURCES = {**PROJECTS, "rdzv-sqlite": ROOT / "examples" / "rdzv-sqlite"}


@dataclass(frozen=True)
class Built:
    """The files that a distribution is published as."""

    name: str
    package: str
    wheel: Path
    sdist: Path


def _build(name: str, out: Path) -> Built:
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(SOURCES[name])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"building {name} failed:\n{done.stdout}\n{done.stderr}"
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return Built(name, name.replace("-", "_"), wheel, sdist)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    """Return every distribution, built, by its name."""
    out = tmp_path_factory.mktemp("dists")
    with ThreadPoolExecutor(max_workers=2) as pool:
        return {made.name: made for made in pool.map(lambda name: _build(name, out / name), SOURCES)}


@pytest.fixture(scope="session")
def wheelhouse(built: dict[str, Built], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one directory with all wheels, for pip's --find-links."""
    house = tmp_path_factory.mktemp("wheels")
    for made in built.values():
        (house / made.wheel.name).write_bytes(made.wheel.read_bytes())
    return house
