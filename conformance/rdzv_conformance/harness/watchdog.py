"""The watchdog: no call of a backend may hold up the suite for ever, and one that hangs is named."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from rdzv_conformance.harness.expect import ClauseFailed, shown_error

T = TypeVar("T")

HUNG = "has not returned after"
"""What a finding about a call that hangs says."""
LOOK_EVERY = 0.1
"""Seconds between two looks at the calls under way: a wake-up for every call would slow down every call."""


class PendingCall(NamedTuple):
    what: str
    began: float
    limit: float


class Calls:
    """The calls of a backend that are under way, and those that raised. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[object, PendingCall] = {}
        self._raised: list[tuple[BaseException, str]] = []

    def run(self, what: str, limit: float, function: Callable[..., T], *args: Any) -> T:
        """Call `function`; the watchdog reports it as `what` if it takes longer than `limit` seconds."""
        key = object()
        with self._lock:
            self._under_way[key] = PendingCall(what, time.monotonic(), limit)
        try:
            return function(*args)
        except BaseException as error:
            with self._lock:
                self._raised = [*self._raised[-20:], (error, what)]
            raise
        finally:
            with self._lock:
                del self._under_way[key]

    def overdue(self) -> str | None:
        """Return a message about a call that is overdue, None if there is none."""
        now = time.monotonic()
        with self._lock:
            for call in self._under_way.values():
                if now >= call.began + call.limit:
                    others = [each.what for each in self._under_way.values() if each is not call]
                    return f"{call.what} {HUNG} {call.limit:.0f} s{_beside(others)}"
        return None

    def under_way(self) -> bool:
        """Return whether a call has not returned."""
        with self._lock:
            return bool(self._under_way)

    def forget_errors(self) -> None:
        """Let go of the errors: they hold the frames that they went through."""
        with self._lock:
            self._raised = []

    def raiser_of(self, error: BaseException) -> str | None:
        """Return the name of the call that raised `error`, None if no call did."""
        with self._lock:
            return next((what for raised, what in self._raised if raised is error), None)


def _beside(others: list[str]) -> str:
    """Return what was seen beside a call that hangs: one of them may have taken its answer."""
    if not others:
        return ""
    most = ", ".join(dict.fromkeys(others[:3]))
    return f" ({len(others)} other calls were under way, {most}: did one of them take its answer, or hold its lock?)"


def run_guarded(check: Callable[[], None], calls: Calls, limit: float) -> None:
    """Run `check` on a thread of its own, so that a call that hangs fails it instead of holding up the suite.

    All calls of one check are made on that one thread, but for those of threads that the check starts: a backend that
    works on one thread only fails the clauses about threads and no others. Raises what the check raises; an error that
    a call of the backend raised, and that the check did not expect, is a `ClauseFailed`. A thread that hangs is left
    behind: Python cannot end it.
    """
    done = threading.Event()
    raised: list[BaseException] = []

    def body() -> None:
        try:
            check()
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread, which raises it
            raised.append(error)
        finally:
            done.set()

    ends = time.monotonic() + limit
    threading.Thread(target=body, name="rdzv-conformance-check", daemon=True).start()
    while not done.wait(LOOK_EVERY):
        overdue = calls.overdue()
        if overdue is not None:
            raise ClauseFailed(f"{overdue}: a call must return or raise")
        if time.monotonic() >= ends:
            raise ClauseFailed(f"the check has not ended after {limit:.0f} s")
    if raised:
        raise _finding(raised[0], calls)


def _finding(error: BaseException, calls: Calls) -> BaseException:
    what = calls.raiser_of(error)  # first: a backend that raises a SkipTest has not left a clause untested
    if what is None or isinstance(error, ClauseFailed):
        return error
    finding = ClauseFailed(f"{what} raised {shown_error(error)}")
    finding.__cause__ = error
    return finding
