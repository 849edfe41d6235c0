"""The command's processes: one group, stopped as one, and never outliving the node, its watchdog or its lease."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rdzv_core import clock
from rdzv_core._cli.node import worker as worker_module
from rdzv_core._cli.node.worker import Worker
from tests.cli.awaiting import runs

FAMILY = "sleep 600 & echo $! > {file}.new; mv {file}.new {file}; wait"


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Path]:
    """Return the file to which a command writes the process id of a child of its own."""
    file = tmp_path / "child"
    yield file
    if file.exists() and runs(int(file.read_text())):
        os.kill(int(file.read_text()), signal.SIGKILL)


def _until(condition: object, what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"not within 20 s: {what}"
        time.sleep(0.01)


def test_the_exit_status_is_given() -> None:
    """An exit status as it is, death by a signal as minus its number."""
    assert Worker(["sh", "-c", "exit 5"], {}).wait() == 5
    assert Worker(["sh", "-c", "kill -9 $$"], {}).wait() == -9


def test_the_environment_is_added_to_ones_own(tmp_path: Path) -> None:
    """The command sees the variables given, and those that were there."""
    code = f'printf %s-%s "$GIVEN" "$HOME" > {tmp_path}/out'
    assert Worker(["sh", "-c", code], {"GIVEN": "yes"}).wait() == 0
    assert (tmp_path / "out").read_text() == f"yes-{os.environ['HOME']}"


def test_a_signal_reaches_the_whole_group(child: Path) -> None:
    """What the command started is stopped with it."""
    worker = Worker(["sh", "-c", FAMILY.format(file=child)], {})
    _until(child.exists, "the command's child started")
    worker.stop(signal.SIGTERM)
    assert worker.wait() == -signal.SIGTERM
    assert not runs(int(child.read_text()))


def test_wait_lasts_until_the_last_of_the_group_is_gone(child: Path) -> None:
    """A child that ignores SIGTERM is at work still: the end comes with `kill`, not with the leader's death."""
    stubborn = (
        f"trap '' TERM; while :; do sleep 0.05; done & echo $! > {child}.new; trap - TERM; mv {child}.new {child}; wait"
    )
    worker = Worker(["sh", "-c", stubborn], {})
    _until(child.exists, "the command's child started")
    worker.stop(signal.SIGTERM)
    _until(worker.has_ended, "the leader ended")
    assert runs(int(child.read_text()))
    worker.kill()
    assert worker.wait() == -signal.SIGTERM
    assert not runs(int(child.read_text()))


def test_what_a_command_leaves_behind_is_killed(child: Path) -> None:
    """A leader that ends of its own accord takes its group with it."""
    left = f"sleep 600 & echo $! > {child}.new; mv {child}.new {child}"
    assert Worker(["sh", "-c", left], {}).wait() == 0
    assert not runs(int(child.read_text()))


def test_the_end_can_be_waited_for_by_several() -> None:
    """All of them are told the same."""
    worker = Worker(["sh", "-c", "exit 5"], {})
    assert [worker.wait(), worker.wait()] == [5, 5]
    assert worker.has_ended()


@pytest.mark.parametrize("command", ["/no/such/program", "/etc/passwd"])
def test_a_command_that_cannot_be_run_is_an_oserror(command: str) -> None:
    """As it is for any process, and it names the program."""
    with pytest.raises(OSError, match=f"command '{command}' cannot be started"):
        Worker([command], {})


def test_a_command_has_its_signals_as_a_shell_would_give_them() -> None:
    """What the watchdog ignores for itself the command does not: a broken pipe ends it, and so does SIGTERM."""
    for name in ("PIPE", "TERM", "HUP"):
        assert Worker(["sh", "-c", f"kill -{name} $$; exit 9"], {}).wait() == -getattr(signal, f"SIG{name}")


def _owner(child: Path, lease: float = 600.0) -> subprocess.Popen[bytes]:
    """Start a process that has a command with a family, and wait until both are there and watched.

    The family may be there a moment before its owner has told the kernel to end it with the watchdog.
    """
    code = (
        "import sys; from rdzv_core import clock; from rdzv_core._cli.node.worker import Worker\n"
        "worker = Worker(['sh', '-c', sys.argv[1]], {}, clock.now() + float(sys.argv[2]))\n"
        "open(sys.argv[3], 'x').close(); worker.wait()"
    )
    watched = child.with_name("watched")
    owner = subprocess.Popen([sys.executable, "-c", code, FAMILY.format(file=child), str(lease), str(watched)])
    _until(child.exists, "the command's child started")
    _until(watched.exists, "the command is watched")
    return owner


def _is_gone(process: int) -> bool:
    return not runs(process)


def _children(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_the_group_is_killed_when_its_owner_is_killed(child: Path) -> None:
    """kill -9 of the node leaves nothing of the command behind, grandchildren included."""
    owner = _owner(child)
    owner.kill()
    owner.wait()
    _until(lambda: _is_gone(int(child.read_text())), "the command's child was killed")


def test_the_group_is_killed_when_its_watchdog_is_killed(child: Path) -> None:
    """Nothing works without its watchdog: leader and children go with it, and the owner is told."""
    worker = Worker(["sh", "-c", FAMILY.format(file=child)], {})
    _until(child.exists, "the command's child started")
    worker._watchdog.kill()
    assert worker.wait() == -signal.SIGKILL
    assert not worker.fenced
    assert _is_gone(int(child.read_text()))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="parent death signals are Linux's")
def test_the_leader_is_killed_when_owner_and_watchdog_are_killed_in_one_moment(child: Path) -> None:
    """The kernel does it: the owner is stopped meanwhile, so that nobody else can."""
    owner = _owner(child)
    (watchdog,) = _children(owner.pid)
    (leader,) = _children(watchdog)
    owner.send_signal(signal.SIGSTOP)
    os.kill(watchdog, signal.SIGKILL)
    _until(lambda: _is_gone(leader), "the leader was killed")
    _until(lambda: _is_gone(int(child.read_text())), "the leader's child was killed")
    owner.kill()
    owner.wait()


def test_a_command_does_not_outlive_its_lease(child: Path) -> None:
    """Without a renewal the whole group is killed when the lease ends, and the owner is told why."""
    ends = clock.now() + 1.0
    worker = Worker(["sh", "-c", FAMILY.format(file=child)], {}, ends)
    _until(child.exists, "the command's child started")
    assert worker.wait() == -signal.SIGKILL
    assert worker.fenced
    assert clock.now() >= ends
    assert _is_gone(int(child.read_text()))


def test_a_renewed_lease_keeps_the_command_alive() -> None:
    """It ends with the last renewal's time, not with the first; an earlier time takes nothing back."""
    worker = Worker(["sleep", "600"], {}, clock.now() + 0.5)
    last = clock.now() + 1.5
    worker.renew(last)
    worker.renew(last - 1.4)
    worker.wait()
    assert worker.fenced
    assert clock.now() >= last


def test_a_lease_that_is_over_starts_nothing(tmp_path: Path) -> None:
    """A node that thaws late between the round and its command does not work in it at all."""
    worker = Worker(["touch", str(tmp_path / "worked")], {}, clock.now() - 1)
    assert worker.wait() == -signal.SIGKILL
    assert worker.fenced
    assert list(tmp_path.iterdir()) == []
    worker.stop(signal.SIGTERM)
    worker.kill()


def test_a_stopped_owner_does_not_keep_the_command_alive(child: Path) -> None:
    """SIGSTOP of the node: the watchdog kills the group when the lease ends."""
    owner = _owner(child, lease=1.0)
    owner.send_signal(signal.SIGSTOP)
    _until(lambda: _is_gone(int(child.read_text())), "the command's child was killed")
    owner.send_signal(signal.SIGCONT)
    assert owner.wait(20) == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a timer that kills stopped processes is Linux's")
def test_stopping_the_watchdog_too_does_not_keep_the_command_alive(child: Path) -> None:
    """SIGSTOP of node, watchdog and the whole command: the kernel kills them, so that a late thaw finds nobody."""
    owner = _owner(child, lease=5.0)
    (watchdog,) = _children(owner.pid)
    (leader,) = _children(watchdog)
    for process in (owner.pid, watchdog, leader, int(child.read_text())):
        os.kill(process, signal.SIGSTOP)
    for process in (watchdog, leader, int(child.read_text())):
        _until(lambda process=process: _is_gone(process), "all but the owner are gone")  # type: ignore[misc]
    owner.send_signal(signal.SIGCONT)
    assert owner.wait(20) == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="parent death signals are Linux's")
def test_a_stopped_watchdog_wakes_when_its_owner_dies(child: Path) -> None:
    """All is stopped, and the node killed: as a store may tell the others at once, the command goes at once."""
    owner = _owner(child)
    (watchdog,) = _children(owner.pid)
    (leader,) = _children(watchdog)
    for process in (watchdog, leader, int(child.read_text())):
        os.kill(process, signal.SIGSTOP)
    owner.kill()
    owner.wait()
    for process in (watchdog, leader, int(child.read_text())):
        _until(lambda process=process: _is_gone(process), "all are gone")  # type: ignore[misc]


def test_a_command_leaves_nothing_open() -> None:
    """No descriptor, and no process: neither of one that ended nor of one that could not be started."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    worker = Worker(["true"], {})
    worker.wait()
    assert not Path(f"/proc/{worker.group}").exists(), "a zombie"
    with pytest.raises(OSError, match="no/such"):
        Worker(["/no/such"], {})
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a timer that kills stopped processes is Linux's")
def test_a_watchdog_that_is_stopped_as_it_starts_ends_with_the_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped before it could say that the command runs: the owner is told that the lease was over."""
    stopped = tmp_path / "watchdog.py"
    where = str(Path(worker_module.__file__).parent)
    arm = f"import os, signal, sys; sys.path.insert(0, {where!r}); import watchdog\n"
    timer = "timer = watchdog.KernelTimer(); timer.set(float(sys.argv[4])); os.kill(os.getpid(), signal.SIGSTOP)\n"
    stopped.write_text(arm + timer)
    monkeypatch.setattr(worker_module, "_WATCHDOG", str(stopped))
    worker = Worker(["touch", str(tmp_path / "worked")], {}, clock.now() + 0.5)
    assert worker.wait() == -signal.SIGKILL
    assert worker.fenced
    assert not (tmp_path / "worked").exists()
