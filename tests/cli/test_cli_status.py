"""`rdzv status`, `explain` and `reset`: looking changes nothing, and nobody is cut off by accident."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., Any]


def test_status_shows_who_is_in_the_round(node: Start, rdzv: Start, tmp_path: Path) -> None:
    """Every node of the roster with its rank, and the phase."""
    command = ("sh", "-c", f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done")
    nodes = [node("2", *command, flags=("--local-addr", f"host{number}")) for number in (1, 2)]
    for each in nodes:
        each.says("joined round 1 ")
    found = json.loads(rdzv("status", "--json").stdout)
    assert (found["exists"], found["closed"], found["round"], found["phase"]) == (True, False, 1, "working")
    assert [(each["rank"], each["addr"], each["present"]) for each in found["roster"]] == [
        (0, "host1", True),
        (1, "host2", True),
    ]
    plain = rdzv("status")
    assert plain.returncode == 0
    assert plain.stdout.startswith("run 'job': working in round 1 of epoch ")
    assert [line.split()[0::2] for line in plain.stdout.splitlines()[2:4]] == [["0", "host1"], ["1", "host2"]]
    (tmp_path / "go").touch()
    assert [each.ends()[0] for each in nodes] == [0, 0]
    assert json.loads(rdzv("status", "--json").stdout)["phase"] == "finished"


def test_status_shows_how_the_store_is(rdzv: Start, store: tuple[str, str]) -> None:
    """What a tcp server says of itself, for people and for machines, whether or not there is such a run."""
    found, plain = json.loads(rdzv("status", "--json").stdout)["store"], rdzv("status").stdout
    if store[0] == "tcp":
        assert (found["members"], found["registers"], found["connections"], found["durable"]) == (0, 0, 1, False)
        assert found["server"] in plain
        assert any(line.split() == ["durable", "no"] for line in plain.splitlines())
    else:
        assert found == {}
        assert len(plain.splitlines()) == 1


def test_explain_says_who_is_missing(node: Start, rdzv: Start) -> None:
    """A node waits for two more: explain counts them."""
    waiting = node("3", "true")
    waiting.says("asking for a round")
    while not json.loads(rdzv("status", "--json").stdout)["waiting"]:
        assert waiting.process.poll() is None, waiting.lines
    explained = rdzv("explain")
    assert explained.returncode == 0
    assert "- 2 of 3 nodes are missing: round 1 needs at least 3; " in explained.stdout
    assert "- the first to wait is " in explained.stdout
    first = explained.stdout.splitlines()[0]
    assert first.startswith("run 'job': forming round 1 of epoch ")
    assert rdzv("status").stdout.splitlines()[0] == first


@pytest.mark.parametrize("command", ["status", "explain"])
def test_a_run_that_is_not_there_is_said_and_not_made(rdzv: Start, store: tuple[str, str], command: str) -> None:
    """Status 1, where it was looked for, and what to check; twice: the first look did not create it."""
    for _ in range(2):
        done = rdzv(command, run_id="never")
        assert done.returncode == 1
        assert done.stdout.splitlines()[0] == (
            f"run 'never': no such run on {store[0]} at {store[1]!r}: "
            "check --run-id and --endpoint; it appears when its first node joins"
        )


@pytest.mark.parametrize("command", ["status", "explain", "reset"])
def test_looking_creates_no_file(command: str, tmp_path: Path) -> None:
    """Where there is no store there is none afterwards."""
    where = ["--backend", "file", "--endpoint", str(tmp_path / "none"), "--run-id", "job"]
    done = subprocess.run([sys.executable, "-m", "rdzv_core", command, *where], capture_output=True, check=False)
    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["status", "explain", "reset"])
def test_looking_hosts_no_store(command: str, free_port: int) -> None:
    """With nobody at the endpoint a look fails, and does not become the host."""
    where = ["--backend", "tcp", "--endpoint", f"127.0.0.1:{free_port}", "--option", "connect_timeout=1"]
    done = subprocess.run(
        [sys.executable, "-m", "rdzv_core", command, *where, "--run-id", "job"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("rdzv: error: ")
    assert str(free_port) in done.stderr
    assert done.stderr.count("\n") == 1


def test_reset_cuts_nobody_off_without_being_told_to(node: Start, rdzv: Start) -> None:
    """With live members it is refused and names them; with --yes they join again, in the new epoch."""
    worker = node("1", "sleep", "600", flags=("--local-addr", "host1"), run_id="live")
    worker.says("joined round 1 ")
    refused = rdzv("reset", run_id="live")
    assert refused.returncode == 1
    assert "host1" in refused.stderr
    assert "--yes" in refused.stderr
    before = json.loads(rdzv("status", "--json", run_id="live").stdout)["epoch"]
    assert rdzv("reset", "--yes", run_id="live").returncode == 0
    worker.says("STORE_LOST")
    worker.says("joined round 1 ", count=2)
    assert json.loads(rdzv("status", "--json", run_id="live").stdout)["epoch"] != before
