"""Requests under way: those that a thread waits for, and those that the reader of their answer carries on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from rdzv_core import RendezvousConnectionError
from rdzv_tcp._client.errors import CallAborted
from rdzv_tcp._protocol import Answer, Request

R = TypeVar("R")


class Ask(NamedTuple):
    """A request that may be sent any number of times, made again for each attempt, and `seconds` for it altogether."""

    make: Callable[[], Request]
    seconds: float


Steps: TypeAlias = Generator[Ask, Answer, R]
"""Yields what is to be asked, is sent the answers, and returns the call's result."""


class Line(Protocol):
    """What carries calls: a `ClientConnection`."""

    def interrupt(self, call: PendingCall) -> None:
        """Wake the thread of `call`, so that it looks at what has become of it."""

    def forget(self, call: Any) -> bool:
        """Discard the answer to a submitted call. Return False if it was told of one, or of the connection's end."""


class PendingCall:
    """One request under way, and where its thread waits."""

    __slots__ = ("aborted", "answer", "connection", "event", "sent")

    def __init__(self) -> None:
        self.aborted: bool = False
        self.sent: bool = False
        self.answer: Answer | None = None
        self.connection: Line | None = None
        self.event: threading.Event | None = None

    def abort(self) -> None:
        """End the call wherever its thread is: it raises `CallAborted`."""
        self.aborted = True
        connection = self.connection
        if connection is not None:
            connection.interrupt(self)


Finish: TypeAlias = "Callable[[SubmittedCall, Any, Exception | None], None]"


class Carrier(Protocol):
    """What submitted calls go through: a `Client`."""

    def submit(self, call: SubmittedCall) -> None:
        """Send what `call` asks, now or as soon as there is a connection; it is told what becomes of that."""

    def lost(self, call: SubmittedCall, error: Exception) -> None:
        """Have a submitted call whose connection was lost go on, within its time; end it after anything else."""


class SubmittedCall(PendingCall):
    """Goes through its steps as the answers come, and ends once: by its result, by its error, or by `abort`.

    `finish` is given the call and how it ended. Thread-safe.
    """

    __slots__ = ("_client", "_ending", "_finish", "_steps", "ask", "deadline", "ended", "received", "request_id")

    def __init__(self, client: Carrier, steps: Steps[Any], finish: Finish) -> None:
        super().__init__()
        self._client, self._steps, self._finish = client, steps, finish
        self._ending = threading.Lock()
        self.ended: bool = False
        self.ask: Ask
        self.deadline: float = 0.0
        self.request_id: int = 0
        self.received: int = 0

    def begin(self) -> None:
        """Send the first request."""
        self._advance(lambda: next(self._steps))

    def answered(self, answer: Answer) -> None:
        """Take an answer, and send the next request or end."""
        self._advance(lambda: self._steps.send(answer))

    def lost(self, error: Exception) -> None:
        """Take note that no answer will come on this connection."""
        self._client.lost(self, error)

    def abort(self) -> None:
        """End it now."""
        self.aborted = True
        connection = self.connection
        if connection is not None:
            connection.forget(self)
        self.end(None, CallAborted())

    def end(self, result: Any, error: Exception | None) -> None:
        """Report how it ended, the first time."""
        with self._ending:
            if self.ended:
                return
            self.ended = True
        self._finish(self, result, error)

    def _advance(self, step: Callable[[], Ask]) -> None:
        if self.ended:
            return
        try:
            self.ask = step()
        except StopIteration as stop:
            end: tuple[Any, Exception | None] = (stop.value, None)
        except Exception as error:  # noqa: BLE001 - it is what the call raises
            end = (None, error)
        except BaseException as error:
            # KeyboardInterrupt, say, on a thread that read for this call among others: nobody else would tell of it.
            self.end(None, RendezvousConnectionError(f"the call was interrupted by {type(error).__name__}"))
            raise
        else:
            self.deadline = time.monotonic() + self.ask.seconds
            self._client.submit(self)
            return
        self.end(*end)  # out of the handlers: what `done` raises has nothing to do with them
