"""One request under way, and the ways in which it ends without an answer."""

from __future__ import annotations

import threading
from typing import Any, Protocol

from rdzv_tcp._wire import Answer


class Lost(Exception):  # noqa: N818 - a signal between these modules, not an error for users
    """The connection ended before the answer came."""


class Refusal(Exception):  # noqa: N818
    """Trying again at once would not help. If it is `lasting`, neither does waiting: the peer is no server to talk to,
    or does not take this client; if not, the server is full, say, or the system refused a thread.
    """

    def __init__(self, reason: str, *, lasting: bool = True) -> None:
        super().__init__(reason)
        self.lasting = lasting


class Silent(Exception):  # noqa: N818
    """The deadline passed without an answer."""


class Aborted(Exception):  # noqa: N818
    """The caller's instance was closed."""


class Line(Protocol):
    """What carries calls: a `Connection`."""

    def interrupt(self, call: Call) -> None:
        """Wake the thread of `call`, so that it looks at what has become of it."""

    def forget(self, call: Any) -> bool:
        """Discard the answer to a submitted call; False if it has been told of one, or of the connection's end."""


class Call:
    """One request under way, and where its thread waits."""

    __slots__ = ("aborted", "answer", "connection", "event", "sent")

    def __init__(self) -> None:
        self.aborted = False
        self.sent = False
        self.answer: Answer | None = None
        self.connection: Line | None = None
        self.event: threading.Event | None = None

    def abort(self) -> None:
        """End the call wherever its thread is: it raises `Aborted`."""
        self.aborted = True
        connection = self.connection
        if connection is not None:
            connection.interrupt(self)
