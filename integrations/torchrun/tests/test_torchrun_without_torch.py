"""What is said where torch is missing, or is not one that this package knows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def failure(code: str, path: Path) -> str:
    """Return the last line that a fresh interpreter says, with `path` before all others."""
    program = f"import sys; sys.path.insert(0, {str(path)!r})\n{code}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return done.stderr.strip().splitlines()[-1] if done.stderr else ""


def fake_torch(site: Path, version: str, rendezvous: str, multiprocessing: str = "SignalException = None") -> None:
    """Write packages with torch's names."""
    distributed = site / "torch" / "distributed"
    elastic = distributed / "elastic"
    elastic.mkdir(parents=True)
    (site / "torch" / "__init__.py").write_text(f"__version__ = {version!r}\n")
    (distributed / "__init__.py").write_text("DistError = DistNetworkError = DistStoreError = Store = None\n")
    (elastic / "__init__.py").write_text("")
    (elastic / "multiprocessing.py").write_text(f"{multiprocessing}\n")
    (elastic / "rendezvous.py").write_text(rendezvous)


NAMES = """
RendezvousClosedError = RendezvousConnectionError = RendezvousError = RendezvousGracefulExitError = None
RendezvousInfo = RendezvousParameters = RendezvousStateError = RendezvousTimeoutError = RendezvousStoreInfo = None
"""

CREATE = "import rdzv_torchrun; rdzv_torchrun.create_handler(None)"


def test_the_package_is_imported_without_torch_and_without_core(tmp_path: Path) -> None:
    """torch imports it in every worker, while it is being imported itself."""
    code = "import rdzv_torchrun; rdzv_torchrun.handler_creator()\nassert not {'torch', 'rdzv_core'} & set(sys.modules)"
    assert "" == failure(code, tmp_path)


@pytest.mark.parametrize("code", [CREATE, "import rdzv_torchrun; rdzv_torchrun.TorchrunHandler"])
def test_without_torch_it_says_what_to_install(code: str, tmp_path: Path) -> None:
    """Not when it is imported, but when a handler is wanted."""
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\")")
    said = failure(code, tmp_path)
    assert said.startswith("ImportError: rdzv_torchrun needs torch 2.5 or later in the same environment: run `pip inst")


def test_a_torch_that_is_too_old_says_so(tmp_path: Path) -> None:
    """What it lacks, which one it is, and what to do."""
    fake_torch(tmp_path, "2.3.1", NAMES.replace("RendezvousInfo = ", "") + "class RendezvousHandler: ...")
    said = failure(CREATE, tmp_path)
    assert said.startswith("ImportError: rdzv_torchrun cannot work with torch 2.3.1, which lacks")
    assert "rendezvous.RendezvousInfo: install torch 2.5 or later" in said


def test_a_torch_that_wants_more_of_a_handler_says_so(tmp_path: Path) -> None:
    """A method that handlers must have, and this one has not."""
    handler = (
        "import abc\nclass RendezvousHandler(abc.ABC):\n    @abc.abstractmethod\n    def drain(self): ...\n"
        "    @abc.abstractmethod\n    def shutdown(self): ..."
    )
    fake_torch(tmp_path, "9.0", NAMES + handler)
    said = failure(CREATE, tmp_path)
    assert "cannot work with torch 9.0, whose handlers must implement drain too" in said


def test_there_is_no_other_name(tmp_path: Path) -> None:
    """A mistyped name is an AttributeError as everywhere."""
    assert "has no attribute 'handler'" in failure("import rdzv_torchrun; rdzv_torchrun.handler", tmp_path)
