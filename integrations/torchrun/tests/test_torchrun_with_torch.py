"""The checks in `with_torch/`, run by the Python that has torch: each as a test of its own file."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "with_torch"
SETTINGS = """[pytest]
python_files = check_*.py
python_functions = test_*
addopts = --import-mode=importlib -p no:cacheprovider
filterwarnings =
    error
    ignore::DeprecationWarning
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("check_*.py")))
def test_with_real_torch(name: str, packages: Path, tmp_path: Path) -> None:
    """Against torch's own classes, stores and barriers."""
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    shutil.copytree(FOLDER, tmp_path / "checks")  # away from this tree, and from what it imports
    done = subprocess.run(
        [os.environ["PEER_PYTHON"], "-m", "pytest", "-q", "-c", "pytest.ini", f"checks/{name}"],
        env={**os.environ, "PYTHONPATH": str(packages)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, f"{done.stdout}\n{done.stderr}"
    assert " passed" in done.stdout
