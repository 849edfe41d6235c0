"""Signals as events, none of them late.

A Python signal handler runs when the main thread gets to it, which may be never while it waits on a queue. What the
interpreter writes into its wake-up pipe is there at once; a thread reads it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""The node passes one on to its command, and then it leaves."""

FORWARDED = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGCONT)
"""The node passes one on to its command, and that is all."""

UNTOLD = (signal.SIGWINCH, signal.SIGCONT)
"""Of these, those that come by themselves, as when a window is resized: no line tells of them."""

PAUSING = signal.SIGTSTP
"""The command is stopped, and then the node: Ctrl-Z in a terminal."""

HANDLED = (*ENDING, *FORWARDED, PAUSING)

_FREE = (signal.SIG_DFL, signal.default_int_handler)
_END = b"\0"

Report = Callable[[int], None]


class _Reader:
    def __init__(self, report: Report) -> None:
        self.report = report

    def run(self, readable: int, taken: Collection[int]) -> None:
        while (number := os.read(readable, 1)) != _END:
            if number[0] in taken:
                self.report(number[0])


_reader: _Reader | None = None


@contextmanager
def reported(report: Report) -> Iterator[None]:
    """Have `report` called with the number of every signal of `HANDLED` that comes, on a thread of its own.

    To be used in the main thread; inside another one, it takes that one's place for the time. A signal that was ignored
    before, as under nohup, stays ignored, and one that other code in this process handles stays with that code.
    """
    if _reader is None:
        with _installed(report):
            yield
        return
    before, _reader.report = _reader.report, report
    try:
        yield
    finally:
        _reader.report = before


def name_of(number: int) -> str:
    """Return a signal's name, as in SIGTERM; that of a real-time signal is its number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@contextmanager
def _installed(report: Report) -> Iterator[None]:
    global _reader
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    taken = {number: before for number in HANDLED if (before := signal.getsignal(number)) in _FREE}
    _reader = _Reader(report)
    thread = threading.Thread(target=_reader.run, args=(readable, taken), name="rdzv-signals", daemon=True)
    thread.start()
    woken_before = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in taken:
        signal.signal(number, _nothing)
    try:
        yield
    finally:
        for number, before in taken.items():
            signal.signal(number, before)
        signal.set_wakeup_fd(woken_before)
        _reader = None
        os.write(writable, _END)
        thread.join()
        os.close(readable)
        os.close(writable)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Be there, so that the interpreter catches the signal at all."""
