"""A call that no thread waits for: whoever reads its answer carries it on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from rdzv_core import RendezvousConnectionError
from rdzv_tcp._call import Aborted, Call
from rdzv_tcp._steps import Ask, Steps
from rdzv_tcp._wire import Answer

Finish: TypeAlias = "Callable[[PostedCall, Any, Exception | None], None]"


class Carrier(Protocol):
    """What submitted calls go through: a `Client`."""

    def submit(self, call: PostedCall) -> None:
        """Send what `call` asks, now or as soon as there is a connection; it is told what becomes of that."""

    def lost(self, call: PostedCall, error: Exception) -> None:
        """Have a submitted call whose connection was lost go on, within its time; end it after anything else."""


class PostedCall(Call):
    """Goes through its steps as the answers come, and ends once: by its result, by its error, or by `abort`.

    `finish` is given the call and how it ended. Thread-safe.
    """

    __slots__ = ("_client", "_ending", "_finish", "_steps", "ask", "deadline", "ended", "received", "request_id")

    def __init__(self, client: Carrier, steps: Steps[Any], finish: Finish) -> None:
        super().__init__()
        self._client, self._steps, self._finish = client, steps, finish
        self._ending = threading.Lock()
        self.ended = False
        self.ask: Ask
        self.deadline = 0.0
        self.request_id = self.received = 0

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
        self.end(None, Aborted())

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
            self.end(stop.value, None)
        except Exception as error:  # noqa: BLE001 - it is what the call raises
            self.end(None, error)
        except BaseException as error:
            # KeyboardInterrupt, say, on a thread that read for this call among others: nobody else would tell of it.
            self.end(None, RendezvousConnectionError(f"the call was interrupted by {type(error).__name__}"))
            raise
        else:
            self.deadline = time.monotonic() + self.ask.seconds
            self._client.submit(self)
