"""Signals as events, none of them late.

A Python signal handler runs when the main thread gets to it, which may be never while it waits on a queue. What the
interpreter writes into its wake-up pipe is there at once; a thread reads it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_END = b"\0"


@contextmanager
def reported(report: Callable[[int], None]) -> Iterator[None]:
    """Give `report` the number of every signal of `PASSED_ON` that comes, from a thread of its own.

    To be used in the main thread. A signal that was ignored before, as under nohup, stays ignored.
    """
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    reader = threading.Thread(target=_read, args=(readable, report), name="rdzv-signals", daemon=True)
    taken = {number: signal.getsignal(number) for number in PASSED_ON if signal.getsignal(number) != signal.SIG_IGN}
    woken_before = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in taken:
        signal.signal(number, _nothing)
    reader.start()
    try:
        yield
    finally:
        for number, before in taken.items():
            signal.signal(number, before)
        signal.set_wakeup_fd(woken_before)
        os.write(writable, _END)
        reader.join()
        os.close(readable)
        os.close(writable)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Be there, so that the interpreter catches the signal at all."""


def _read(readable: int, report: Callable[[int], None]) -> None:
    while (number := os.read(readable, 1)) != _END:
        if number[0] in PASSED_ON:
            report(number[0])
