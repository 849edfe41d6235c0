"""A node that hosts its store: for its own run, and for others that found it there."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., Any]


@pytest.fixture
def job(bare_node: Start, free_port: int) -> Start:
    """Start nodes on one port; the first one hosts the store: `job(run_id, *command, flags=…)`."""

    def start(run_id: str, *command: str, nodes: str = "1", flags: tuple[str, ...] = (), **options: str) -> Any:
        given = {"keep_alive_interval": "0.4", **options}
        words = [word for name, value in given.items() for word in ("--option", f"{name}={value}")]
        where = ["--backend", "tcp", "--endpoint", f"127.0.0.1:{free_port}", "--run-id", run_id, "--nodes", nodes]
        return bare_node(*where, *words, *flags, "--", *command)

    return start


def _until_told(file: Path, status: int = 0) -> tuple[str, ...]:
    return "sh", "-c", f"while [ ! -e {file} ]; do sleep 0.05; done; exit {status}"


@pytest.mark.parametrize("status", [0, 3])
def test_the_store_goes_on_while_another_run_uses_it(job: Start, tmp_path: Path, status: int) -> None:
    """The first job hosts for the second: done or failed, it stays, says for whom, and disturbs nobody."""
    first = job("first", *_until_told(tmp_path / "first", status))
    first.says("joined round 1")
    second = job("second/2", *_until_told(tmp_path / "second"))
    second.says("joined round 1")
    (tmp_path / "first").touch()
    first.says(
        "this node hosts the store: it stays until the other nodes of run 'second_2' are done (SIGTERM or Ctrl-C"
    )
    (tmp_path / "second").touch()
    assert second.ends()[0] == 0, second.lines
    assert "stopping the command" not in " ".join(second.lines)
    assert first.ends()[0] == status, first.lines


def test_a_node_that_got_no_round_hosts_on_for_another_run(job: Start, tmp_path: Path) -> None:
    """Its own run may be started again, and must not wait for it; another run's store stays."""
    first = job("first", "true", nodes="2", join_timeout="3")
    first.says("asking for a round")
    second = job("second", *_until_told(tmp_path / "second"))
    second.says("joined round 1")
    first.says("this node hosts the store: it stays until the other nodes of run 'second' are done")
    (tmp_path / "second").touch()
    assert second.ends()[0] == 0, second.lines
    assert first.ends()[0] == 1, first.lines
    assert "only 1 of 2 nodes came within" in first.lines[-1]


def test_a_node_alone_on_its_store_does_not_stay(job: Start) -> None:
    """Nor does it say that it would."""
    alone = job("first", "true")
    assert alone.ends()[0] == 0
    assert "hosts the store" not in " ".join(alone.lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_host_that_stays_for_another_run_ends_upon_a_signal(
    job: Start, tmp_path: Path, number: signal.Signals
) -> None:
    """At once, with its command's status."""
    first = job("first", *_until_told(tmp_path / "first"))
    first.says("joined round 1")
    second = job("second", *_until_told(tmp_path / "second"))
    second.says("joined round 1")
    (tmp_path / "first").touch()
    first.says("this node hosts the store")
    first.process.send_signal(number)
    assert first.process.wait(10) == 0
