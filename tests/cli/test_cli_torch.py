"""A script written for torchrun, unchanged, under `rdzv run`: the same ranks, and it survives what it survives there.

Needs a Python that has torch, which PEER_PYTHON names.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks._torchrun_job import PEER, WORKER, Job, on_c10d, why_no_torch
from examples.demo.stores import STORES

NODES = ("a", "b", "c", "d")
WORKERS = 2
MINUTES = 300.0


@pytest.fixture(params=["torchrun", "rdzv run"])
def job(request: pytest.FixtureRequest, tmp_path: Path, free_port: int) -> Iterator[tuple[Job, int]]:
    """Yield a job of the same script under either of them, and the port of its store."""
    if why := why_no_torch():
        pytest.skip(why)
    folder = tmp_path / "job"
    folder.mkdir()
    with ExitStack() as ending:
        if request.param == "torchrun":
            port = free_port
            # torch 2.13 keeps one store for the workers of all rounds, where they may never find each other again.
            environment = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
            made = Job(folder, on_c10d(f"127.0.0.1:{free_port}", "3:4", last_call_timeout=5), environment, WORKERS)
        else:
            endpoint = ending.enter_context(STORES["tcp"](tmp_path))
            port = int(endpoint.rpartition(":")[2])
            where = ["--backend", "tcp", "--endpoint", endpoint, "--run-id", "job", "--nodes", "3:4"]
            options = ["--option", "last_call_timeout=5", "--option", "is_host=false", "--max-restarts", "9"]
            script = [os.environ[PEER], str(WORKER), str(folder), "--until", str(folder / "over")]
            launcher = [sys.executable, "-m", "rdzv_core", "run"]
            made = Job(folder, [*where, *options], {}, WORKERS, script, launcher)
        ending.callback(made.clear)
        yield made, port


def _await_store(port: int, job: Job) -> None:
    until = time.monotonic() + MINUTES
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < until, job.report()
            time.sleep(0.1)
        else:
            return


def _ranks(job: Job, *nodes: str, since: float = 0.0) -> set[tuple[int, ...]]:
    """Return what the workers of these nodes were told when they trained together."""
    names = ("rank", "local_rank", "group_rank", "world_size")
    steps = [each for each in job.records() if each["what"] == "step" and each["at"] > since]
    return {
        tuple(each[name] for name in names)
        for each in steps
        if each["node"] in nodes and each["sum"] == WORKERS * len(nodes)
    }


def _expected(nodes: int) -> set[tuple[int, ...]]:
    return {(rank, rank % WORKERS, rank // WORKERS, nodes * WORKERS) for rank in range(nodes * WORKERS)}


@pytest.mark.timeout(900)
def test_a_script_for_torchrun_sees_the_same_and_survives_a_kill(job: tuple[Job, int]) -> None:
    """Four nodes of two workers; one is killed, and the others train again, all ranks in place; they end well."""
    made, port = job
    made.start(NODES[0])  # alone at first: under c10d it then hosts the store, and is not the one that is killed
    _await_store(port, made)
    made.start(*NODES[1:])
    made.await_training(*NODES, seconds=MINUTES)
    assert _ranks(made, *NODES) == _expected(4)
    killed = made.agents["d"].kill()
    made.await_training("a", "b", "c", since=killed, seconds=MINUTES)
    assert _ranks(made, "a", "b", "c", since=killed) == _expected(3)
    assert made.end("a", "b", "c", seconds=MINUTES) == [0, 0, 0]
