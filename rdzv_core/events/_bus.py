"""From where things happen to who listens: on a thread of its own, so that no listener can hold up a handler."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence
from typing import Protocol

from rdzv_core.events._listeners import Listener
from rdzv_core.events._types import Event

log = logging.getLogger("rdzv")

MOST_UNTOLD = 10_000
PATIENCE = 1.0
"""Seconds that `flush` waits for listeners at most."""


class Plugins(Protocol):
    """The hook that plugins listen to."""

    @property
    def listening(self) -> bool:
        """Whether anybody does."""

    def event(self, event: Event) -> None:
        """Tell them; raises nothing."""


class EventBus:
    """Tells events to plugins and listeners, in order. Thread-safe; owns the listeners.

    Where nobody listens nothing is done, and no thread is started. Listeners that fall behind by 10,000 events miss
    what comes then; that is logged. So is a listener that fails: when it begins to, and how many events it lost when it
    works again or is closed.
    """

    def __init__(self, plugins: Plugins, listeners: Sequence[Listener] = ()) -> None:
        self._plugins, self._listeners = plugins, list(listeners)
        self._lost = [0] * len(self._listeners)
        self.listening = bool(self._listeners) or plugins.listening
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
                    log.warning("nobody is told of %r: %s", what, error)
                    return False
                self._thread = thread
        try:
            self._untold.put_nowait(what)
        except queue.Full:
            if not self._missed:
                log.warning("a listener is %d events behind: it misses what happens now", MOST_UNTOLD)
            self._missed = True
            return False
        return True

    def _run(self) -> None:
        while (what := self._untold.get()) is not None:
            if isinstance(what, threading.Event):
                what.set()
            else:
                self._tell_all(what)
        self._release()

    def _tell_all(self, event: Event) -> None:
        self._plugins.event(event)
        for place, listener in enumerate(self._listeners):
            try:
                listener.hear(event)
            except Exception as error:
                self._lost[place] += 1
                if self._lost[place] == 1:
                    # A disk that is full is no bug: there the traceback would tell nothing.
                    bug = not isinstance(error, OSError)
                    log.warning("%r loses events, all else goes on: %s", listener, error, exc_info=bug)
            else:
                self._tell_lost(place, "works again")

    def _release(self) -> None:
        for place, listener in enumerate(self._listeners):
            self._tell_lost(place, "is closed")
            try:
                listener.close()
            except Exception:
                log.exception("the listener %r could not be closed", listener)

    def _tell_lost(self, place: int, what: str) -> None:
        lost, self._lost[place] = self._lost[place], 0
        if lost:
            log.warning("%r %s: %d event%s lost", self._listeners[place], what, lost, " was" if lost == 1 else "s were")
