"""A worker's processes: started as a group of their own, stopped as a group, and never outliving node or lease.

The command leads a new session, so that a signal reaches it and everything it started, and only through this node. It
is started by a watchdog (`watchdog.py`), a process of its own, which kills the group when this process dies, however it
dies, and when the time that it was told last is past without a later one: a node that is stopped or hung leaves nothing
at work beside the next round. And if the watchdog dies the group goes too.
"""

from __future__ import annotations

import fcntl
import os
import pkgutil
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from rdzv_core import clock
from rdzv_core._cli.node.command import not_started

_WATCHDOG = "watchdog.py"
_START_SECONDS = 30.0
_WATCHDOG_SECONDS = 1.0
_GONE_POLL = 0.02
_F_SETSIG = 10  # Linux's; module fcntl does not name it

Streams: TypeAlias = tuple[int | None, int | None]
"""The descriptors for a worker's stdout and stderr; None: those of this process."""


class Worker:
    """One run of the command, until `lease_ends` (seconds on `rdzv_core.clock`) unless `renew` names a later time.

    `stop`, `send`, `kill` and `renew` may be called by other threads while one is in `wait`.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        lease_ends: float = float("inf"),
        streams: Streams = (None, None),
        await_start: bool = True,
    ) -> None:
        """Start it, with its stdout and stderr at `streams`; raises `OSError` if that cannot be done.

        Without `await_start` it is being started when this returns, and `await_start` or `discard` has to be called:
        several workers start side by side.
        """
        self._stopping = self._fenced = self._ended = self._closed = self._orphaned = False
        self._program = command[0]
        self._lease_ends = lease_ends
        self._leader: int | None = None
        self._lock, self._waiting = threading.Lock(), threading.RLock()
        self._outcome: int | None = None
        control_end, self._control = os.pipe()
        self._status, status_end = os.pipe()
        self._keep, keep_end = os.pipe()
        os.set_blocking(self._control, False)
        theirs = (control_end, status_end, keep_end)
        try:
            self._watchdog = subprocess.Popen(  # noqa: S603 - our own program; the rest is the user's command
                [*_watchdog(), *map(str, theirs), repr(lease_ends), *command],
                env={**os.environ, **environment},
                pass_fds=theirs,
                start_new_session=True,
                stdout=streams[0],
                stderr=streams[1],
            )
        except BaseException:
            self._close()
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self.group = 0
        """The id of the process group, which is the leader's process id; 0 if it was not started."""
        if await_start:
            self.await_start()

    def await_start(self) -> None:
        """Wait until it has started; raises `OSError` if it cannot be."""
        self.group = self._started(self._program)
        self._kill_group_with_watchdog()

    def discard(self) -> None:
        """Kill it, started or not, and release what it has; for one that nobody waits for."""
        self._close()
        self._end_watchdog()

    def _started(self, program: str) -> int:
        """Wait for the leader's process id, which is the group's."""
        answered = _has_news(self._status, _START_SECONDS)
        word, _, number = self._line().partition(" ") if answered else ("", "", "")
        if word == "started":
            return int(number)
        if word == "fenced":  # the lease was over before the command began
            self._fenced = True
            return 0
        if answered and not word:  # somebody killed the watchdog; `wait` tells
            return 0
        self._watchdog.kill()
        self._watchdog.wait()
        self._close()
        if word == "failed":
            raise not_started(program, int(number))
        raise OSError(
            f"the watchdog of {program!r} ({sys.executable} -I -S {_WATCHDOG}) did not start it within "
            f"{_START_SECONDS:g} s: is this machine overloaded, or {sys.executable} no Python interpreter?"
        )

    def _kill_group_with_watchdog(self) -> None:
        """Have the kernel kill the group when the watchdog, who alone has the other end of this pipe, is dead.

        It does so also while this process is stopped. A watchdog that died before this is noticed by `wait`.
        """
        if sys.platform.startswith("linux") and self.group:
            fcntl.fcntl(self._keep, _F_SETSIG, signal.SIGKILL)
            fcntl.fcntl(self._keep, fcntl.F_SETOWN, -self.group)
            fcntl.fcntl(self._keep, fcntl.F_SETFL, fcntl.fcntl(self._keep, fcntl.F_GETFL) | os.O_ASYNC)

    @property
    def failed(self) -> bool:
        """Whether it is known to have failed of its own accord: neither fenced, nor told to stop."""
        return bool(self._leader) and not self._fenced and not self._stopping

    @property
    def fenced(self) -> bool:
        """Whether the command was killed because its lease had ended; to be asked after `wait`."""
        return self._fenced

    def renew(self, lease_ends: float) -> None:
        """Let the command run until then. Never blocks: a watchdog that does not read goes by what it read last."""
        with self._lock:
            if self._closed:
                return
            self._lease_ends = max(self._lease_ends, lease_ends)
            try:
                os.write(self._control, f"{lease_ends!r}\n".encode())
            except (BlockingIOError, BrokenPipeError):
                pass

    def has_ended(self) -> bool:
        """Return whether the leader has ended, whatever the rest of its group does."""
        with self._lock:
            return self._closed or self._ended or _has_news(self._status, 0)

    def stop(self, number: int) -> None:
        """Send a signal that ends it to the group; what outlives the leader is left alone from now on until `kill`.

        Raises `PermissionError` if this user may not signal any process of the group.
        """
        self._stopping = True
        self.send(number)

    def kill(self) -> None:
        """Send SIGKILL to the group; raises as `stop` does."""
        self.send(signal.SIGKILL)

    def send(self, number: int) -> None:
        """Send any signal to the group; raises as `stop` does."""
        with self._lock:
            # Until it is closed the watchdog keeps the leader's id from passing to another group.
            if self._closed or not self.group:
                return
            try:
                os.killpg(self.group, number)
            except ProcessLookupError:
                pass
            except PermissionError:
                if _is_alive(self.group):  # macOS says so, too, of a group of which only a zombie is left
                    raise

    def wait(self) -> int:
        """Wait until the whole group is gone; return the leader's status, minus the signal's number if one ended it.

        A leader that ends of its own accord takes its group with it: what it left behind is killed.
        """
        with self._waiting:
            if self._outcome is None:
                self._outcome = self._wait()
            return self._outcome

    def leader_ends(self) -> int:
        """Wait until the leader has ended, and return its status as `wait` does; its group may still be there."""
        with self._waiting:
            if self._leader is None:
                status = self._end()
                if status is None:  # the watchdog is dead, and with it the leader
                    self._fenced = self._fenced or clock.now() >= self._lease_ends
                    self._orphaned = True
                    status = -signal.SIGKILL
                self._leader, self._ended = status, True
            return self._leader

    def _wait(self) -> int:
        status = self.leader_ends()
        if self._orphaned or not self._stopping:
            self._kill_rest()
        while self.group and _is_alive(self.group):
            time.sleep(_GONE_POLL)
        self._close()
        self._end_watchdog()
        return status

    def _end_watchdog(self) -> None:
        """Wait for the watchdog, whose control pipe is closed: it kills what is left of the group, and ends."""
        try:
            self._watchdog.wait(_WATCHDOG_SECONDS)
        except subprocess.TimeoutExpired:
            self._watchdog.kill()
            self._watchdog.wait()

    def _end(self) -> int | None:
        """Wait for the leader's end; None if the watchdog died before it could tell."""
        while line := self._line():
            word, _, number = line.partition(" ")
            if word == "ended":
                return int(number)
            self._fenced = True
        return None

    def _line(self) -> str:
        """Read what the watchdog says next; empty at the end. Lines are short: the watchdog writes each at once."""
        line = b""
        while not line.endswith(b"\n"):
            byte = os.read(self._status, 1)
            if not byte:
                return ""
            line += byte
        return line.decode().strip()

    def _kill_rest(self) -> None:
        try:
            self.kill()
        except PermissionError:
            pass  # it runs as another user: nothing is left but to wait for its end

    def _close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for descriptor in (self._control, self._status, self._keep):
                os.close(descriptor)


def _watchdog() -> list[str]:
    """Return how to start the watchdog: from its file, or where rdzv comes from an archive, from its text."""
    file = Path(__file__).parent / _WATCHDOG
    if file.is_file():
        return [sys.executable, "-I", "-S", str(file)]
    try:
        text = pkgutil.get_data(__package__, _WATCHDOG)
    except OSError:
        text = None
    if text is None:
        raise OSError(f"{file} cannot be read, and no command runs without it: install rdzv-core with its .py files")
    return [sys.executable, "-I", "-S", "-c", text.decode()]


def _has_news(descriptor: int, timeout: float) -> bool:
    """Wait until there is something to read, or the end; False after `timeout` seconds."""
    news = select.poll()  # not `select`, which takes no descriptor over 1023: a node that hosts its store has many
    news.register(descriptor, select.POLLIN)
    return bool(news.poll(timeout * 1000))


def _is_alive(group: int) -> bool:
    """Return whether a process of the group still runs: a zombie that nobody reaps (as in many containers) does not."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        if not sys.platform.startswith("linux"):  # macOS says so of a group of which only a zombie is left
            return False
    return not sys.platform.startswith("linux") or any(_runs_in(group, entry) for entry in Path("/proc").glob("[0-9]*"))


def _runs_in(group: int, process: Path) -> bool:
    try:
        # pid (name) state parent group …: the name may hold anything, so count from its closing parenthesis.
        state, _, its_group = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[:3]
    except (OSError, ValueError):
        return False
    return int(its_group) == group and state not in "ZX"
