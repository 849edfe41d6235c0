"""The capability to begin a call without a thread that waits for its answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias

OnDone: TypeAlias = Callable[[Any, "Exception | None"], None]
"""Takes the result of a call, or None and the error that it raised."""


class SupportsSubmit(ABC):
    """A backend, or a store of one, some of whose methods can be submitted: begun here, answered elsewhere.

    A handler has several calls under way all the time; submitted ones cost it no threads.
    """

    submittable: frozenset[str]
    """The names of the methods that can be submitted."""

    @abstractmethod
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        """Begin `method(*arguments)`, one of `submittable`, and return at once.

        `done(result, None)` or `done(None, error)` is called exactly once, with what the method would have returned or
        raised, and within the same time: from any thread, perhaps before `submit` returns. It must neither block nor
        raise. After `close` it is called with a `RendezvousConnectionError`; so are those that wait then.

        Raises nothing.
        """
