"""Doing something when the program ends, while threads can still be started, which `atexit` comes too late for."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

log = logging.getLogger("rdzv")


class _AtEnd:
    """What one process does at its end, on a thread that the interpreter waits for."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._waiting: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None

    def add(self, action: Callable[[], None]) -> None:
        with self._lock:
            self._waiting.append(action)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rdzv at the end", daemon=False)
                self._thread.start()

    def remove(self, action: Callable[[], None]) -> None:
        with self._lock:
            if action in self._waiting:
                self._waiting.remove(action)

    def is_here(self) -> bool:
        return self._pid == os.getpid()

    def _run(self) -> None:
        threading.main_thread().join()
        with self._lock:
            actions, self._waiting = self._waiting, []
        for action in actions:
            try:
                action()
            except Exception:
                log.exception("what had to be done at the end of this process failed")


_at_end: _AtEnd | None = None


def at_process_end(action: Callable[[], None]) -> None:
    """Have `action` called when the main thread has ended by itself or an exception; not after a fork, nor a kill."""
    global _at_end
    if _at_end is None or not _at_end.is_here():
        _at_end = _AtEnd()
    _at_end.add(action)


def not_at_process_end(action: Callable[[], None]) -> None:
    """Take it back; no error if it was not asked for, or has been called."""
    if _at_end is not None and _at_end.is_here():
        _at_end.remove(action)
