"""The command's watchdog: a process between `rdzv run` and its command that ends the command's group in time.

It is run as a program, `python -I -S watchdog.py CONTROL STATUS KEEP DEADLINE COMMAND...` (or `-c` and this text,
where rdzv was imported from an archive), and imports nothing of rdzv: it starts in some 20 ms, and shares no thread,
lock or fate with the process that it watches. It kills the whole process group of the command

- when CONTROL, the pipe from `rdzv run`, ends: that process is dead, however it died;
- when DEADLINE (seconds on the clock of leases) is past and CONTROL has brought no later one: `rdzv run` is stopped,
  swapped out or hung, its lease is over, and the others may meet without this node.

If the watchdog itself is stopped the kernel wakes it when `rdzv run` dies, and kills it at its deadline (a timer with
SIGKILL for signal, which acts on a stopped process too). When the watchdog dies the kernel kills the command (parent
death signal) and its group (the owner of the pipe KEEP, see `worker.py`). Elsewhere than on Linux all this is missing:
there the watchdog has to run to act.

On STATUS it says, a line each: `started PID`, or `failed ERRNO`, or `fenced` where the deadline was past already; then
`fenced` when it is, and `ended STATUS` (minus the number if a signal ended it). It then stays, and keeps the leader's
id from being used again, until CONTROL ends.
"""

from __future__ import annotations

import ctypes
import math
import os
import select
import signal
import sys
import time
from typing import Any

CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""The same choice as that of `rdzv_core.clock`, which this program cannot import."""

TIMER_SLACK = 0.1
"""Seconds that the watchdog has for acting itself before the kernel's timer does."""

_LIBC = ctypes.CDLL(None)
_PASSED_OVER = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTSTP,
)
"""Signals that `rdzv run` handles. systemd and Slurm send them to all processes of a service or job step, the watchdog
among them: it must not end or stop, since the command would end with it."""

_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores for itself; a command should not."""

_PR_SET_PDEATHSIG = 1
_TIMER_ABSTIME = 1
_LONGEST_SLEEP = 3600.0


class _SigEvent(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * 64),
    )


class _Interval(ctypes.Structure):
    _fields_ = (("every", ctypes.c_long * 2), ("at", ctypes.c_long * 2))


class KernelTimer:
    """Has the kernel kill this process at a time, running or stopped; does nothing where there is no such timer."""

    def __init__(self) -> None:
        self._timer = ctypes.c_void_p()
        self._set: Any = None
        if not sys.platform.startswith("linux"):
            return
        for library in (None, "librt.so.1"):  # glibc before 2.34 has timers in a library of their own
            try:
                libc = ctypes.CDLL(library)
                create, self._set = libc.timer_create, libc.timer_settime
            except (OSError, AttributeError):
                continue
            event = _SigEvent(None, signal.SIGKILL, 0)
            if create(CLOCK, ctypes.byref(event), ctypes.byref(self._timer)) != 0:
                self._set = None
            return

    def set(self, at: float) -> None:
        """Kill this process at that time, and not at any that was set before; 0: never."""
        if self._set is not None:
            seconds = int(at)
            when = _Interval((0, 0), (seconds, int((at - seconds) * 1e9)))
            self._set(self._timer, _TIMER_ABSTIME, ctypes.byref(when), None)


class Watchdog:
    """One command and its deadline."""

    def __init__(self, control: int, status: int, deadline: float) -> None:
        self._control, self._status, self._deadline = control, status, deadline
        self._timer = KernelTimer()
        self._rest = b""
        self._to_restore: list[int] = list(_RESTORED)

    def run(self, command: list[str]) -> None:
        """Start the command, watch it, and return when this process is no longer needed."""
        if time.clock_gettime(CLOCK) >= self._deadline:
            self._say("fenced")
            return
        self._set_timer()
        for number in _PASSED_OVER:
            if signal.getsignal(number) != signal.SIG_IGN:  # what was ignored before, as under nohup, stays so
                self._to_restore.append(number)
                signal.signal(number, signal.SIG_IGN)
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        group = start(command, self._to_restore)
        if isinstance(group, OSError):
            self._say(f"failed {group.errno}")
            return
        self._say(f"started {group}")
        self._watch(group, woken)

    def _watch(self, group: int, woken: int) -> None:
        news = select.poll()  # not `select`, which takes no descriptor over 1023
        news.register(self._control, select.POLLIN)
        news.register(woken, select.POLLIN)
        ended = fenced = False
        while True:
            left = min(_LONGEST_SLEEP, max(0.0, self._deadline - time.clock_gettime(CLOCK)))
            # In whole milliseconds, of which the next is taken: before the deadline there is nothing to do.
            ready = [descriptor for descriptor, _ in news.poll(math.ceil(left * 1000))]
            if woken in ready:
                os.read(woken, 4096)
            if not ended and (status := ended_with(group)) is not None:
                ended = True
                self._say(f"ended {status}")
            if self._control in ready and not self._read_control():
                kill(group)
                reap(group)
                return
            if not fenced and time.clock_gettime(CLOCK) >= self._deadline:
                fenced = True
                kill(group)
                self._deadline = float("inf")
                self._timer.set(0.0)
                self._say("fenced")

    def _read_control(self) -> bool:
        """Take in the deadlines that came; False at the pipe's end."""
        came = os.read(self._control, 65536)
        *whole, self._rest = (self._rest + came).split(b"\n")
        # Once it is past, no news is in time: a late reader must not take it back.
        if whole and time.clock_gettime(CLOCK) < self._deadline < float("inf"):
            self._deadline = max(self._deadline, *map(float, whole))
            self._set_timer()
        return bool(came)

    def _set_timer(self) -> None:
        if self._deadline < float("inf"):
            self._timer.set(max(self._deadline + TIMER_SLACK, 1.0))

    def _say(self, line: str) -> None:
        try:
            os.write(self._status, f"{line}\n".encode())
        except BrokenPipeError:
            pass  # its reader is dead, as CONTROL is about to tell


def start(command: list[str], to_restore: list[int]) -> int | OSError:
    """Start the command as the leader of a session of its own, with the default actions of the signals `to_restore`.

    Return its process id, or why it cannot be run.
    """
    failed, fail = os.pipe()
    parent = os.getpid()
    try:
        leader = os.fork()
    except OSError as error:  # no process is left, say
        return error
    if leader == 0:
        try:
            os.setsid()
            die_with_parent()
            if os.getppid() != parent:
                os._exit(128 + signal.SIGKILL)
            for number in to_restore:
                signal.signal(number, signal.SIG_DFL)
            os.execvp(command[0], command)  # noqa: S606 - it is the user's command
        except OSError as error:
            os.write(fail, str(error.errno or 0).encode())
        finally:
            os._exit(127)
    os.close(fail)
    reason = os.read(failed, 16)
    os.close(failed)
    if reason:
        reap(leader)
        return OSError(int(reason), os.strerror(int(reason)))
    return leader


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal, also after an exec, when its parent dies."""
    if sys.platform.startswith("linux"):
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def ended_with(leader: int) -> int | None:
    """Return how the leader ended, without reaping it if that can be avoided; None while it runs."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13
        found, raw = os.waitpid(leader, os.WNOHANG)
        return os.waitstatus_to_exitcode(raw) if found else None
    result = os.waitid(os.P_PID, leader, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    if result is None:
        return None
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


def kill(group: int) -> None:
    """Kill what is left of the group."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # nothing is; macOS says PermissionError where only a zombie is


def reap(leader: int) -> None:
    """Wait for the leader's end: left to process 1, which in a container may not reap, it would stay a zombie."""
    try:
        os.waitpid(leader, 0)
    except ChildProcessError:
        pass  # where it could not be looked at without reaping


def main() -> None:
    """Read the arguments and watch."""
    control, status, keep, deadline, *command = sys.argv[1:]
    die_with_parent(signal.SIGCONT)  # a watchdog that is stopped wakes up, and sees that CONTROL has ended
    for descriptor in (control, status, keep):
        os.set_inheritable(int(descriptor), False)
    Watchdog(int(control), int(status), float(deadline)).run(command)


if __name__ == "__main__":
    main()
