"""Jobs of real torchrun agents, in a Python that has torch: the one that PEER_PYTHON names."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks._torchrun_job import Job, installed, job, on_rdzv, why_no_torch
from examples.demo.stores import STORES

TTL = 3.0

collect_ignore = ["with_torch"]  # run by test_torchrun_with_torch.py, where torch is


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory where rdzv's built wheels are, for the Python that has torch; skip where there is none."""
    if why := why_no_torch():
        pytest.skip(why)
    return installed(tmp_path_factory.mktemp("torch"), "pytest")


@pytest.fixture
def torchrun(packages: Path, tmp_path: Path) -> Iterator[Callable[..., Job]]:
    """Yield what makes a job from torchrun's options; its processes are gone after the test."""
    with ExitStack() as running:

        def make(options: list[str], folder: str = "job", **more: int) -> Job:
            (tmp_path / folder).mkdir()
            return running.enter_context(job(tmp_path / folder, options, {"PYTHONPATH": str(packages)}, **more))

        yield make


@pytest.fixture
def elastic(torchrun: Callable[..., Job], tmp_path: Path) -> Iterator[Callable[..., Job]]:
    """Yield what makes an elastic job on a store of its own, with a ttl of three seconds."""
    with ExitStack() as stores:

        def make(store: str, nodes: str = "1:4", **more: int) -> Job:
            (tmp_path / store).mkdir()
            endpoint = stores.enter_context(STORES[store](tmp_path / store))
            options = {"is_host": "false"} if store == "tcp" else {}
            return torchrun(
                on_rdzv(store, endpoint, nodes, ttl=TTL, fence_delay=1, last_call_timeout=2, **options), **more
            )

        yield make


@pytest.fixture
def free_endpoint() -> str:
    """Return an endpoint on this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
