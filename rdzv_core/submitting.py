"""For backends whose calls can be submitted (`SupportsSubmit`): telling a `done` that may raise."""

from __future__ import annotations

import logging
import threading
from typing import Any

from rdzv_core.abc import OnDone

__all__ = ["guarded"]

log = logging.getLogger("rdzv")


def guarded(done: OnDone, kind: str) -> OnDone:
    """Return a `done` that raises nothing: what `done` raises is logged, with its traceback.

    The thread that tells the end of one call has others to tell: an error of one caller concerns none of them, and so
    not even a `SystemExit` or a `CancelledError` goes on. `kind` says in the log on what store the call was submitted,
    `"tcp"` say. A `KeyboardInterrupt` in the main thread goes on: that is Ctrl-C. Thread-safe.
    """

    def tell(result: Any, error: Exception | None) -> None:
        try:
            done(result, error)
        except BaseException as raised:
            if isinstance(raised, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                raise
            log.exception("done of a call submitted on a %s store raised an error", kind)

    return tell
