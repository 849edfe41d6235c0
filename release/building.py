"""The steps of a release: build, install, run a command. One that fails says which it was, and what it printed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from release.projects import PROJECTS, ROOT, version


class ReleaseError(Exception):
    """A step failed; the message says which, and holds what it printed."""


def run(what: str, command: list[str], cwd: Path = ROOT) -> str:
    """Run a command and return its output. Raises `ReleaseError` with the output if it fails."""
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"{what} failed with status {done.returncode}:\n{done.stdout}")
    return done.stdout


def build(out: Path) -> list[Path]:
    """Empty `out`, build sdist and wheel of every distribution there, the wheel from the sdist; return the wheels."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out)]
    with ThreadPoolExecutor(max_workers=2) as pool:
        for _ in pool.map(lambda name: run(f"building {name}", [*command, str(PROJECTS[name])]), PROJECTS):
            pass
    wheels = sorted(out.glob("*.whl"))
    expected = {f"{name.replace('-', '_')}-{version()}" for name in PROJECTS}
    if expected != {wheel.name.partition("-py3")[0] for wheel in wheels}:
        raise ReleaseError(f"expected wheels of {sorted(expected)}, built {[wheel.name for wheel in wheels]}")
    return wheels


def install(home: Path, wheels: list[Path], *more: str, extras: str = "cli") -> None:
    """Make a venv in `home` with the wheels, core with its `extras`, and `more` from the index."""
    run("making a venv", [sys.executable, "-m", "venv", str(home)])
    # By file: nothing of an earlier release that is on the index may stand in for what was built.
    names = [f"{wheel}[{extras}]" if wheel.name.startswith("rdzv_core") else str(wheel) for wheel in wheels]
    pip = [f"{home}/bin/python", "-m", "pip", "install", "--disable-pip-version-check", "-q"]
    run("installing the wheels", [*pip, "--find-links", str(wheels[0].parent), *names, *more])
