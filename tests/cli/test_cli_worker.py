"""The command's processes: one group, stopped as one, and never outliving the node."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rdzv_core.cli.node.worker import Guard, Worker

FAMILY = "sleep 600 & echo $! > {file}.new; mv {file}.new {file}; wait"


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Path]:
    """Give the file to which a command writes the process id of a child of its own."""
    file = tmp_path / "child"
    yield file
    if file.exists() and _runs(int(file.read_text())):
        os.kill(int(file.read_text()), signal.SIGKILL)


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def _until(condition: object, what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"not within 20 s: {what}"
        select.select([], [], [], 0.01)


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
    worker.send(signal.SIGTERM)
    assert worker.wait() == -signal.SIGTERM
    assert not _runs(int(child.read_text()))


def test_wait_lasts_until_the_last_of_the_group_is_gone(child: Path) -> None:
    """A child that ignores SIGTERM is at work still: the end comes with `kill`, not with the leader's death."""
    stubborn = (
        f"trap '' TERM; while :; do sleep 0.05; done & echo $! > {child}.new; mv {child}.new {child}; trap - TERM; wait"
    )
    worker = Worker(["sh", "-c", stubborn], {})
    _until(child.exists, "the command's child started")
    worker.send(signal.SIGTERM)
    _until(worker.has_ended, "the leader ended")
    assert _runs(int(child.read_text()))
    worker.kill()
    assert worker.wait() == -signal.SIGTERM
    assert not _runs(int(child.read_text()))


def test_what_a_command_leaves_behind_is_killed(child: Path) -> None:
    """A leader that ends of its own accord takes its group with it."""
    left = f"sleep 600 & echo $! > {child}.new; mv {child}.new {child}"
    assert Worker(["sh", "-c", left], {}).wait() == 0
    assert not _runs(int(child.read_text()))


def test_the_guard_kills_the_group_when_its_owner_is_killed(child: Path) -> None:
    """kill -9 of the node leaves nothing of the command behind, grandchildren included."""
    code = (
        "import sys; from rdzv_core.cli.node.worker import Guard, Worker\n"
        "guard = Guard(); worker = Worker(['sh', '-c', sys.argv[1]], {}); guard.watch(worker.group); worker.wait()"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, FAMILY.format(file=child)])
    _until(child.exists, "the command's child started")
    owner.kill()
    owner.wait()
    _until(lambda: not _runs(int(child.read_text())), "the command's child was killed")


def test_a_guard_that_was_killed_is_replaced(child: Path) -> None:
    """The next command is guarded again."""
    guard = Guard()
    guard._shell.kill()
    guard._shell.wait()
    worker = Worker(["sh", "-c", FAMILY.format(file=child)], {})
    guard.watch(worker.group)
    guard.close()  # with a group to guard, as when the node dies
    assert worker.wait() == -signal.SIGKILL


def test_a_guard_with_nothing_to_guard_kills_nothing() -> None:
    """Once the command is gone its group's number may be somebody else's."""
    guard = Guard()
    worker = Worker(["sleep", "600"], {})
    guard.watch(worker.group)
    guard.watch(None)
    guard.close()
    assert not worker.has_ended()
    worker.kill()
    worker.wait()
