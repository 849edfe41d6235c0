"""Takes events to the listeners on a thread of its own, so that no listener can delay a handler."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence

from rdzv_core._listeners.chosen import Listener
from rdzv_core.events import Event
from rdzv_core.hooks import Hooks

log = logging.getLogger("rdzv")

MOST_UNTOLD = 10_000
PATIENCE = 1.0
"""Seconds that `flush` waits for listeners at most."""


class EventBus:
    """Tells events to plugins, in order. Thread-safe. Listens with further `listeners`, which it owns.

    Where nobody listens nothing is done, and no thread is started. Listeners that fall behind by 10,000 events miss
    the next ones; that is logged.
    """

    def __init__(self, hooks: Hooks, listeners: Sequence[Listener] = ()) -> None:
        self._listeners = list(listeners)
        self._hooks = hooks.with_plugins(self._listeners) if self._listeners else hooks
        self.listening = self._hooks.listening
        self._untold: queue.Queue[Event | threading.Event | None] = queue.Queue(MOST_UNTOLD)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = self._missed = False

    def tell(self, event: Event) -> None:
        """Have an event told; never blocks and raises nothing."""
        if self.listening:
            self._put(event)

    def flush(self) -> None:
        """Wait until everything is told that was said before, but not longer than a second."""
        if self._thread is not None:
            told = threading.Event()
            if self._put(told):
                told.wait(PATIENCE)

    def close(self) -> None:
        """Tell the rest, and release the listeners. Idempotent. A listener that hangs is left behind."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            thread = self._thread
        if thread is None:
            self._release()
            return
        try:
            self._untold.put(None, timeout=PATIENCE)
        except queue.Full:
            return
        thread.join(2 * PATIENCE)

    def _put(self, what: Event | threading.Event) -> bool:
        with self._lock:
            if self._closed:
                return False
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="rdzv events", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # the system has no thread left
                    log.warning("event %r dropped: cannot start the listener thread: %s", what, error)
                    return False
                self._thread = thread
        try:
            self._untold.put_nowait(what)
        except queue.Full:
            if not self._missed:
                log.warning("a listener is %d events behind: it misses the next ones", MOST_UNTOLD)
            self._missed = True
            return False
        return True

    def _run(self) -> None:
        while (what := self._untold.get()) is not None:
            if isinstance(what, threading.Event):
                what.set()
            else:
                self._hooks.event(what)
        self._release()

    def _release(self) -> None:
        for listener in self._listeners:
            self._hooks.unregister(listener)
            try:
                listener.close()
            except Exception:
                log.exception("the listener %r could not be closed", listener)
