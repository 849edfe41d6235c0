"""What the tests of the file store share: parameters, backends that get closed, and helper processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rdzv_core import RendezvousBackend, RendezvousParameters, create_backend

Start = Callable[..., "subprocess.Popen[str]"]
Open = Callable[..., RendezvousBackend]


@pytest.fixture(params=["one file", "directory"])
def endpoint(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An endpoint of either kind, where there is nothing yet."""
    return f"{tmp_path}/store" if request.param == "one file" else f"{tmp_path}/store/"


@pytest.fixture
def open_backend() -> Iterator[Open]:
    """Create backends, and close them when the test is over."""
    opened: list[RendezvousBackend] = []

    def open_one(endpoint: str, run_id: str = "run", backend: str = "file", **config: Any) -> RendezvousBackend:
        opened.append(create_backend(RendezvousParameters(backend, endpoint, run_id, 1, 2, **config)))
        return opened[-1]

    yield open_one
    for backend in opened:
        backend.close()


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a Python process that runs a program with arguments; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start_one(program: str, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", "-c", program, *arguments]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start_one
    for process in started:
        process.kill()
        process.communicate(timeout=30)
