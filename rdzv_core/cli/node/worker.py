"""The command's processes: started as a group of their own, stopped as a group, and never outliving this node.

The command leads a new session, so that a signal reaches it and everything it started, and only through this node. A
guard (a shell that waits for this node's end of a pipe to close) kills the group when this process dies, however it
dies: SIGKILL leaves no orphan at work beside the next round.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_GUARD = 'group=; while read -r line; do group=$line; done; test -z "$group" || kill -s KILL -- "-$group"'
_GONE_POLL = 0.02


class Guard:
    """Kills the process group that it was told last once this process is dead. Used by one thread at a time."""

    def __init__(self) -> None:
        self._shell = _start_guard()

    def watch(self, group: int | None) -> None:
        """From now on kill `group`, or nothing."""
        try:
            self._tell(group)
        except BrokenPipeError:
            # Somebody killed the guard: nothing is guarded until there is another one.
            self.close()
            self._shell = _start_guard()
            self._tell(group)

    def close(self) -> None:
        """End the guard; call it with nothing left to guard."""
        try:
            self._shell.__exit__(None, None, None)
        except BrokenPipeError:
            pass

    def _tell(self, group: int | None) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{group or ''}\n".encode())


def _start_guard() -> subprocess.Popen[bytes]:
    # A session of its own: what ends this node from the terminal does not reach the guard.
    return subprocess.Popen(  # noqa: S603 - the shell gets our own constant text
        ["/bin/sh", "-c", _GUARD],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


class Worker:
    """One run of the command. `send` and `kill` may be called while another thread is in `wait`."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it; raises `OSError` if that can not be done."""
        self._leader = subprocess.Popen(list(command), env={**os.environ, **environment}, start_new_session=True)  # noqa: S603 - it is the user's command
        self._stopping = False

    @property
    def group(self) -> int:
        """The id of the process group, which is the leader's process id."""
        return self._leader.pid

    def has_ended(self) -> bool:
        """Say whether the leader has ended, whatever the rest of its group does."""
        return self._leader.poll() is not None or not _wait_without_reaping(self._leader.pid, os.WNOHANG)

    def send(self, number: int) -> None:
        """Send a signal to the group; from now on what outlives the leader is left alone until `kill`."""
        self._stopping = True
        self._send(number)

    def kill(self) -> None:
        """Send SIGKILL to the group."""
        self._send(signal.SIGKILL)

    def wait(self) -> int:
        """Wait until the whole group is gone; gives the leader's status, minus the number if a signal ended it.

        A leader that ends of its own accord takes its group with it: what it left behind is killed.
        """
        # Not reaped yet, the leader's id can not have passed to somebody else's group.
        _wait_without_reaping(self._leader.pid, 0)
        if not self._stopping:
            self.kill()
        status = self._leader.wait()
        while _is_alive(self.group):
            time.sleep(_GONE_POLL)
        return status

    def _send(self, number: int) -> None:
        try:
            os.killpg(self.group, number)
        except ProcessLookupError:
            pass
        except PermissionError:
            # macOS says so of a group of which only a zombie is left.
            pass


def _wait_without_reaping(process: int, flags: int) -> bool:
    """Wait for the process to end (with WNOHANG: only look); True if it still runs, or if this can not be said."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        return True
    try:
        return os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT | flags) is None
    except ChildProcessError:
        return False


def _is_alive(group: int) -> bool:
    """Say whether a process of the group still runs: a zombie that nobody reaps (as in many containers) does not."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return not sys.platform.startswith("linux") or any(_runs_in(group, entry) for entry in Path("/proc").glob("[0-9]*"))


def _runs_in(group: int, process: Path) -> bool:
    try:
        # pid (name) state parent group …: the name may hold anything, so count from its closing parenthesis.
        state, _, its_group = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[:3]
    except (OSError, ValueError):
        return False
    return int(its_group) == group and state not in "ZX"
