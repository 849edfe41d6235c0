"""Lines for stderr, written by a thread of their own, so that a reader that is slow or stopped delays nothing.

A terminal that is stopped with Ctrl-S, a pager, a log collector that hangs: a write to them blocks for as long as they
like. What keeps a lease or stops a command must not wait for that.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
from collections import deque

MOST_LINES = 10_000
"""Lines that wait to be written at most; what comes then is dropped and counted."""

FLUSH_SECONDS = 1.0
"""How long the end of the process waits for a reader at most."""


class LineWriter:
    """Writes lines to a descriptor, in order. Thread-safe; `write` neither blocks nor raises.

    A line that cannot be written (no reader, a full disk) is lost.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: deque[str] = deque()
        self._news = threading.Condition()
        self._dropped = 0
        self._busy = False
        self._thread: threading.Thread | None = None

    def write(self, line: str) -> None:
        """Have a line written."""
        with self._news:
            if len(self._lines) >= MOST_LINES:
                self._dropped += 1
                return
            self._lines.append(line)
            if self._thread is not None or self._start():
                self._news.notify_all()
                return
            self._lines.clear()
        self._put(line)  # the system has no thread left: better late than never told

    def flush(self, timeout: float = FLUSH_SECONDS) -> bool:
        """Wait until all is written; False after `timeout` seconds."""
        with self._news:
            return self._news.wait_for(lambda: not (self._lines or self._busy), timeout)

    def _start(self) -> bool:
        thread = threading.Thread(target=self._run, name="rdzv stderr", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread = thread
        return True

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._lines)
                line, self._busy = self._lines.popleft(), True
                dropped = self._dropped if not self._lines else 0
                self._dropped -= dropped
            self._put(line)
            if dropped:
                self._put(f"rdzv: {dropped} line{'' if dropped == 1 else 's'} dropped: stderr was not read in time")
            with self._news:
                self._busy = False
                self._news.notify_all()

    def _put(self, line: str) -> None:
        # To the descriptor, past `sys.stderr`: its lock, held by a write that blocks, would hold up the process's end.
        write_all(self._descriptor, f"{line}\n".encode(errors="backslashreplace"))


class LogHandler(logging.Handler):
    """Has log records written by a `LineWriter`."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Have it written."""
        try:
            self._writer.write(self.format(record))
        except Exception:  # noqa: BLE001 - as logging's own handlers have it
            self.handleError(record)


def write_all(descriptor: int, text: bytes) -> bool:
    """Write all of it, however long that takes; return False if it cannot be written."""
    left = memoryview(text)
    try:
        while left:
            try:
                left = left[os.write(descriptor, left) :]
            except BlockingIOError:  # another process has made it non-blocking
                room = select.poll()
                room.register(descriptor, select.POLLOUT)
                room.poll()
    except OSError:
        return False
    return True


_writer: LineWriter | None = None


def take_over() -> logging.Handler:
    """From now on write through a thread what `write_line` is given; return a handler that does so for the log."""
    global _writer
    descriptor = _descriptor()
    if descriptor is None:
        return logging.NullHandler() if sys.stderr is None else logging.StreamHandler()
    _writer = _writer or LineWriter(descriptor)
    return LogHandler(_writer)


def write_line(text: str) -> None:
    """Write to stderr, a line or several. Raises nothing: what cannot be written is lost."""
    if _writer is not None:
        _writer.write(text)
        return
    if sys.stderr is None:  # closed from the beginning: `print` would take stdout in its place
        return
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):  # ValueError: it is closed
        pass


def flush_lines() -> None:
    """Wait until what was said is written, but a second at most."""
    if _writer is not None:
        _writer.flush()


def _descriptor() -> int | None:
    try:
        return None if sys.stderr is None else sys.stderr.fileno()
    except (OSError, ValueError):  # a test's stand-in
        return None
