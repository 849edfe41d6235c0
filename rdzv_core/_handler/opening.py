"""Opening the store, as often as it takes: it may come up after the nodes do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

from rdzv_core import clock
from rdzv_core._errors import (
    RendezvousConfigurationError,
    RendezvousConnectionError,
    RendezvousGracefulExitError,
    RendezvousTimeoutError,
)
from rdzv_core._handler.outage import Outage
from rdzv_core.abc import RendezvousBackend
from rdzv_core.backoff import Backoff

_PAUSES = (0.05, 1.0)
_SILENT_AFTER = 2.0
"""In seconds: between two attempts, at first and at most; and after how long an attempt that goes on is reported."""

Tell: TypeAlias = Callable[[str], None]


class Opening:
    """Makes a backend with `make` in a thread, again after each error that waiting may fix. Thread-safe.

    A caller that waits may give up or be interrupted; the attempt goes on, and the next caller that waits finds it.
    A backend that comes after `cancel` is closed.
    """

    def __init__(self, make: Callable[[], RendezvousBackend]) -> None:
        self._make = make
        self._changed = threading.Condition()
        self._trying = self._cancelled = False
        self._interrupts = 0
        self._backend: RendezvousBackend | None = None
        self._error: Exception | None = None

    def first(self, seconds: float) -> RendezvousBackend | None:
        """Return the backend if the first attempt makes it in `seconds`; raises what waiting cannot fix."""
        try:
            return self._attempt(clock.now() + seconds)
        except RendezvousConnectionError as error:
            if isinstance(error, RendezvousConfigurationError):
                raise
            return None

    def until(self, deadline: float, what: str, tell: Tell, endpoint: str = "") -> RendezvousBackend:
        """Return the backend once an attempt has made it; meanwhile `tell` is called with what is wrong.

        `endpoint` is how the store is called in those lines.

        Raises `RendezvousTimeoutError` at `deadline`, `RendezvousGracefulExitError` when interrupted, and what waiting
        cannot fix.
        """
        began, pauses, last = clock.now(), Backoff(*_PAUSES), None
        outage = Outage(tell, endpoint, reached=False)
        with self._changed:
            interrupts = self._interrupts
        while (now := clock.now()) < deadline:
            if now >= began + _SILENT_AFTER:
                outage.failed("no answer yet", began)
            look = min(deadline, outage.look(f"this node goes on trying for {deadline - now:.0f} s", now))
            try:
                backend = self._attempt(min(look, now + _SILENT_AFTER), interrupts)
            except RendezvousConfigurationError:
                raise
            except RendezvousConnectionError as error:
                outage.failed(str(error), now)
                last = error
                self._pause(pauses.next(), interrupts)
            else:
                if backend is not None:
                    outage.answered(clock.now())
                    return backend
        raise RendezvousTimeoutError(f"{what}: {last or 'the store has not answered'}") from last

    def interrupt(self) -> None:
        """End every wait."""
        with self._changed:
            self._interrupts += 1
            self._changed.notify_all()

    def cancel(self) -> None:
        """End every wait, for good."""
        with self._changed:
            self._cancelled = True
            backend, self._backend = self._backend, None
            self._changed.notify_all()
        if backend is not None:
            backend.close()

    def _attempt(self, until: float, interrupts: int | None = None) -> RendezvousBackend | None:
        """Wait for the attempt that is going on, or a new one; None if it still is at `until`."""
        with self._changed:
            if not self._trying and self._backend is None:
                self._error = None
                threading.Thread(target=self._try, name="rdzv opens the store", daemon=True).start()
                self._trying = True
            self._changed.wait_for(lambda: self._is_over(interrupts), max(0.0, until - clock.now()))
            self._check(interrupts)
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            backend, self._backend = self._backend, None
            return backend

    def _try(self) -> None:
        backend, failure = None, None
        try:
            backend = self._make()
        except Exception as error:  # noqa: BLE001 - it is raised where somebody waits for it
            failure = error
        with self._changed:
            self._trying = False
            unwanted = self._cancelled
            if not unwanted:
                self._backend, self._error = backend, failure
            self._changed.notify_all()
        if unwanted and backend is not None:
            backend.close()

    def _pause(self, seconds: float, interrupts: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._interrupts != interrupts or self._cancelled, seconds)
            self._check(interrupts)

    def _is_over(self, interrupts: int | None) -> bool:
        interrupted = interrupts not in (None, self._interrupts)
        return interrupted or self._cancelled or self._backend is not None or self._error is not None

    def _check(self, interrupts: int | None) -> None:
        if self._cancelled:
            raise RendezvousGracefulExitError("this handler was closed while the store was being opened")
        if interrupts not in (None, self._interrupts):
            raise RendezvousGracefulExitError("this node left while the store was being opened")
