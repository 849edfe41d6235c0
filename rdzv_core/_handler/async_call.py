"""One call on a backend, before it is made: so that it can be made here, or submitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rdzv_core.abc import OnDone


class AsyncCall:
    """A method of `target` and its arguments; its result goes through `read` before it is handed on."""

    __slots__ = ("arguments", "method", "read", "target")

    def __init__(self, target: object, method: str, *arguments: Any, read: Callable[[Any], Any] | None = None) -> None:
        self.target, self.method, self.arguments = target, method, arguments
        self.read = read or _as_it_is

    def reading(self, done: OnDone) -> OnDone:
        """Return a callback that reads the raw result and hands it to `done`; what cannot be read is an error."""
        if self.read is _as_it_is:
            return done

        def read(result: Any, error: Exception | None) -> None:
            if error is None:
                try:
                    result = self.read(result)
                except Exception as unreadable:  # noqa: BLE001 - it is handed on
                    result, error = None, unreadable
            done(result, error)

        return read


def _as_it_is(result: Any) -> Any:
    return result
