"""The wheels beside a real torch, installed with pip: torchrun finds rdzv by what is installed, not in this tree.

The torch is that of PEER_PYTHON, lent to a virtual environment of its own; that Python itself stays as it is.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks._torchrun_job import PEER, job, on_rdzv, why_no_torch

DISTRIBUTIONS = ["rdzv-core[cli]", "rdzv-tcp", "rdzv-file", "rdzv-etcd", "rdzv-torchrun"]

REGISTERED = """
import json, warnings
warnings.simplefilter("ignore")
import rdzv_core, rdzv_torchrun
from torch.distributed.elastic.rendezvous import rendezvous_handler_registry
print(json.dumps([rdzv_core.__file__, rdzv_torchrun.__file__, sorted(rendezvous_handler_registry._registry)]))
"""

BROKEN_IMPORT = "raise ImportError('libbroken.so.3 is missing')"
BROKEN_CALL = """
def create():
    raise RuntimeError("no accelerator of ours here")
"""
ENTRY_POINTS = """[torchrun.handlers]
aaa = torch_broken_import:create
rdzzz = torch_broken_call:create
"""

pytestmark = [pytest.mark.cases, pytest.mark.timeout(600)]


@pytest.fixture(scope="session")
def torch_python(built: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a virtual environment with torch, and rdzv's wheels as pip installs them."""
    if why := why_no_torch():
        pytest.skip(why)
    peer, home = os.environ[PEER], tmp_path_factory.mktemp("torch-venv")
    subprocess.run([peer, "-m", "venv", str(home)], check=True, timeout=120)
    python = home / "bin" / "python"
    Path(purelib(python), "lent.pth").write_text(purelib(peer))
    install = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "-q"]
    wheels = [f"{name} @ {built[name.partition('[')[0]].wheel.as_uri()}" for name in DISTRIBUTIONS]
    done = subprocess.run([*install, *wheels], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return python


@pytest.fixture
def broken_plugin(torch_python: Path) -> Iterator[None]:
    """A distribution of torch's group, one of whose handlers cannot be imported, and the other not be made."""
    site = Path(purelib(torch_python))
    modules = {"torch_broken_import.py": BROKEN_IMPORT, "torch_broken_call.py": BROKEN_CALL}
    for name, text in modules.items():
        (site / name).write_text(text)
    metadata = site / "torch_broken-1.5.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: torch-broken\nVersion: 1.5\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    yield
    for name in modules:
        (site / name).unlink()
    shutil.rmtree(metadata)


def purelib(python: str | Path) -> str:
    """Return the directory where a Python's packages are."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def registered(python: Path, cwd: Path) -> tuple[Any, str]:
    """Return where rdzv is imported from and which handlers torch knows, and what it has warned of."""
    done = subprocess.run([str(python), "-c", REGISTERED], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_torch_knows_rdzv_when_its_wheel_is_installed(torch_python: Path, tmp_path: Path) -> None:
    """By its entry point, beside torch's own; nothing is imported from this tree."""
    (core, ours, names), warned = registered(torch_python, tmp_path)
    assert all(path.startswith(purelib(torch_python)) for path in (core, ours))
    assert {"rdzv", "c10d", "static"} <= set(names)
    assert "out of tree plugin" not in warned


def test_a_broken_plugin_of_torchs_harms_neither_torch_nor_rdzv(
    torch_python: Path, broken_plugin: None, tmp_path: Path
) -> None:
    """Whether its import fails or the call of what was imported: torch warns, and knows all others."""
    (_, _, names), warned = registered(torch_python, tmp_path)
    assert {"rdzv", "c10d", "static"} <= set(names)
    assert not {"aaa", "rdzzz"} & set(names)
    assert "libbroken.so.3 is missing" in warned
    assert "no accelerator of ours here" in warned


@pytest.fixture
def served(torch_python: Path) -> Iterator[str]:
    """Return the endpoint of the `rdzv serve` that the wheels have brought."""
    serve = [str(torch_python.with_name("rdzv")), "serve", "--endpoint", "127.0.0.1:0"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


def test_four_agents_train_on_the_wheels(
    torch_python: Path, broken_plugin: None, served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`torchrun --rdzv-backend=rdzv`: all meet, one is killed, three go on, all end well; beside a broken plugin."""
    monkeypatch.setenv(PEER, str(torch_python))
    monkeypatch.chdir(tmp_path)  # `python -m` looks into the current directory first
    options = on_rdzv("tcp", served, "1:4", is_host="false", ttl=6, fence_delay=2, last_call_timeout=5)
    (tmp_path / "job").mkdir()
    with job(tmp_path / "job", options, {}, workers=1) as run:
        run.start("a", "b", "c", "d")
        run.await_training("a", "b", "c", "d")
        killed = run.agents["d"].kill()
        run.await_training("a", "b", "c", since=killed)
        assert [0, 0, 0] == run.end("a", "b", "c"), run.report()
