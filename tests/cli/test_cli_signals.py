"""Signals to `rdzv run`, at every stage of its life: what ends it, what is passed on, and how soon."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.awaiting import until

Start = Callable[..., Any]

SOON = 10.0
"""Seconds that are far less than any timeout of the handler, and enough for a busy machine."""


def _state(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def _asks_in_vain(where: str, *flags: str) -> list[str]:
    """Return a node on a store that is not there, or does not answer."""
    patient = ["--option", "is_host=false", "--option", "read_timeout=300", "--option", "join_timeout=300"]
    return ["--backend", "tcp", "--endpoint", where, "--run-id", "job", "--nodes", "2", *patient, *flags, "--", "true"]


@pytest.fixture
def silent() -> Any:
    """Return the endpoint of a server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_a_node_that_is_still_connecting_ends_at_once(bare_node: Start, silent: str, number: signal.Signals) -> None:
    """Nobody waits for a timeout of the store to stop a node; the status tells of the signal."""
    each = bare_node(*_asks_in_vain(silent))
    handled = "SigCgt"
    until(lambda: _has(each.process.pid, handled, signal.SIGUSR1), "the node handles signals")
    each.process.send_signal(number)
    assert each.process.wait(SOON) == 128 + number


def test_a_node_that_waits_for_a_store_ends_at_once(bare_node: Start, free_port: int) -> None:
    """There is nobody to say goodbye to."""
    each = bare_node(*_asks_in_vain(f"127.0.0.1:{free_port}"))
    each.says("asking for a round")
    each.process.terminate()
    assert each.process.wait(SOON) == 143


def test_a_node_that_can_tell_nobody_that_it_goes_ends_in_seconds(
    served: tuple[subprocess.Popen[str], str], bare_node: Start
) -> None:
    """The store is stopped: the goodbye would take its whole timeout of half a minute."""
    server, endpoint = served
    each = bare_node(*_asks_in_vain(endpoint, "--option", "close_timeout=300", "--events", "log"))
    each.says("entered run_id=")
    server.send_signal(signal.SIGSTOP)
    each.process.terminate()
    assert each.process.wait(SOON) == 143
    each.ends()
    assert "the others learn of it when this node's lease ends" in " ".join(each.lines)


def test_a_second_signal_ends_a_goodbye_at_once(
    served: tuple[subprocess.Popen[str], str], bare_node: Start, tmp_path: Path
) -> None:
    """A node that is done, and cannot say so, ends with its command's status."""
    server, endpoint = served
    where = ["--backend", "tcp", "--endpoint", endpoint, "--run-id", "job", "--nodes", "1"]
    slow = ["--option", "read_timeout=300", "--option", "close_timeout=300", "--option", "keep_alive_interval=60"]
    each = bare_node(*where, *slow, "--", "sh", "-c", f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; exit 5")
    each.says("joined round 1")
    server.send_signal(signal.SIGSTOP)
    (tmp_path / "go").touch()
    each.says("the command ended with status 5")
    each.process.terminate()
    assert each.process.wait(SOON) == 5


def test_a_node_that_stays_for_the_others_ends_at_once(bare_node: Start, free_port: int) -> None:
    """A host that lingers, with its command's status."""
    where = ["--backend", "tcp", "--endpoint", f"127.0.0.1:{free_port}", "--run-id", "job", "--nodes", "2"]
    host = bare_node(*where, "--option", "is_host=true", "--", "true")
    other = bare_node(*where, "--option", "is_host=false", "--", "sleep", "600")
    host.says("this node hosts the store")
    host.process.terminate()
    assert host.process.wait(SOON) == 0
    other.process.kill()


def test_slurms_warning_reaches_the_command_and_ends_nobody(node: Start, tmp_path: Path) -> None:
    """`--signal=USR1@60`: the command saves its state and goes on; so with SIGUSR2 and SIGWINCH."""
    names = ("USR1", "USR2", "WINCH")
    traps = "; ".join(f"trap 'touch {tmp_path}/{name}' {name}" for name in names)
    each = node(
        "1", "sh", "-c", f"{traps}; touch {tmp_path}/ready; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; exit 0"
    )
    until((tmp_path / "ready").exists, "the command is ready for signals")
    for name in names:
        each.process.send_signal(signal.Signals[f"SIG{name}"])
        until((tmp_path / name).exists, f"the command got SIG{name}")
    (tmp_path / "go").touch()
    assert each.ends()[0] == 0, each.lines


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_for_a_command_that_is_not_there_is_dropped(node: Start, number: signal.Signals) -> None:
    """A node that waits for its round says so, and waits on."""
    each = node("2", "true")
    each.says("asking for a round")
    each.process.send_signal(number)
    each.says(f"got {number.name}; dropped: no command runs")
    other = node("2", "true")
    assert [each.ends()[0], other.ends()[0]] == [0, 0]


def test_a_signal_to_all_processes_spares_the_watchdog(node: Start, tmp_path: Path) -> None:
    """Slurm can send it to every process of a step: the watchdog's end would be the command's."""
    each = node("1", "sh", "-c", f"trap '' USR1 USR2; touch {tmp_path}/ready; while [ ! -e {tmp_path}/go ]; do :; done")
    until((tmp_path / "ready").exists, "the command is ready for signals")
    (watchdog,) = map(int, Path(f"/proc/{each.process.pid}/task/{each.process.pid}/children").read_text().split())
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT, signal.SIGTSTP):
        os.kill(watchdog, number)
    (tmp_path / "go").touch()
    assert each.ends()[0] == 0, each.lines


def test_a_node_and_its_command_pause_together(node: Start, tmp_path: Path) -> None:
    """SIGTSTP, as by Ctrl-Z, stops both; SIGCONT lets both go on, in the same round."""
    # One process: a shell that has just forked for its next program is not told of a stop until that has begun.
    loop = (
        "import os, sys, time; there = sys.argv[1]; open(there + '/new', 'w').write(str(os.getpid())); "
        "os.rename(there + '/new', there + '/pid')\nwhile not os.path.exists(there + '/go'): time.sleep(0.05)"
    )
    each = node("1", sys.executable, "-c", loop, str(tmp_path), keep_alive_interval="20")
    until((tmp_path / "pid").exists, "the command has started")
    command = int((tmp_path / "pid").read_text())
    each.process.send_signal(signal.SIGTSTP)
    until(lambda: _state(each.process.pid) == "T", "the node is stopped")
    until(lambda: _state(command) == "T", "the command is stopped")
    each.process.send_signal(signal.SIGCONT)
    until(lambda: _state(command) != "T", "the command goes on")
    (tmp_path / "go").touch()
    assert each.ends()[0] == 0, each.lines
    assert "joined round 2" not in " ".join(each.lines)


def test_what_is_ignored_at_the_start_stays_ignored(store: tuple[str, str], tmp_path: Path) -> None:
    """Under nohup a hang-up ends neither the node nor its command."""
    run = [sys.executable, "-m", "rdzv_core", "run", "--backend", store[0], "--endpoint", store[1], "--run-id", "job"]
    ready = f"touch {tmp_path}/ready; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    script = 'trap "" HUP USR1; exec "$@"'
    command = ["sh", "-c", script, "sh", *run, "--nodes", "1", "--", "sh", "-c", ready]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as each:
        until((tmp_path / "ready").exists, "the command has started")
        for number in (signal.SIGHUP, signal.SIGUSR1):
            assert _has(each.pid, "SigIgn", number)
            each.send_signal(number)
        (tmp_path / "go").touch()
        assert each.wait(60) == 0


def _has(process: int, field: str, number: int) -> bool:
    """Return whether a process's mask of that name in /proc has the signal."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    raise AssertionError(field)


def _chatty(tmp_path: Path) -> list[str]:
    """Return a node that says a lot, and whose command tells by a file that it was told to stop."""
    catch = f"trap 'touch {tmp_path}/told; exit 3' TERM; touch {tmp_path}/ready; while :; do sleep 0.05; done"
    where = ["--backend", "memory", "--endpoint", "here", "--run-id", "job", "--nodes", "1"]
    run = [sys.executable, "-m", "rdzv_core", "run", *where, "--option", "fence_delay=30", "--events", "log"]
    return [*run, "--", "sh", "-c", f"exec 2>/dev/null; {catch}"]


def _ends_when_told_to(node: list[str], stderr: int, tmp_path: Path) -> None:
    """Start a node that writes to `stderr`, end it, and see its command stop in time, with its own status."""
    process = subprocess.Popen(node, stderr=stderr)
    try:
        until((tmp_path / "ready").exists, "the command has started")
        process.terminate()
        until((tmp_path / "told").exists, "the command was told to stop")
        assert process.wait(SOON) == 3
    finally:
        process.kill()
        process.wait()


def test_a_full_pipe_that_nobody_reads_does_not_keep_a_command_alive(tmp_path: Path) -> None:
    """A log collector that hangs costs lines, and nothing else."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    try:
        while True:
            os.write(writable, b"x" * 65536)
    except BlockingIOError:
        os.set_blocking(writable, True)
    try:
        _ends_when_told_to(_chatty(tmp_path), writable, tmp_path)
    finally:
        os.close(writable)
        os.close(readable)


def test_a_stopped_terminal_does_not_keep_a_command_alive(tmp_path: Path) -> None:
    """Ctrl-S, or a terminal whose program is stopped: nobody reads what the node says."""
    master, terminal = pty.openpty()
    os.set_blocking(terminal, False)
    while not _is_full(terminal):
        pass
    os.set_blocking(terminal, True)
    try:
        _ends_when_told_to(_chatty(tmp_path), terminal, tmp_path)
    finally:
        os.close(master)
        os.close(terminal)


def _is_full(terminal: int) -> bool:
    try:
        return os.write(terminal, b"x" * 64) < 64
    except BlockingIOError:
        return True
