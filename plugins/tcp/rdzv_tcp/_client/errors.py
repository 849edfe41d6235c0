"""The ways in which a call ends without an answer. Signals between these modules, not errors for users."""

from __future__ import annotations


class CallFailed(Exception):  # noqa: N818
    """No answer will come."""


class ConnectionLost(CallFailed):
    """The connection ended before the answer came."""


class Rejected(CallFailed):
    """Trying again at once would not help.

    If it is `lasting`, waiting does not help either: the peer is not a server to talk to, or does not accept this
    client. If not, the server is full, for example, or the system refused a thread.
    """

    def __init__(self, reason: str, *, lasting: bool = True) -> None:
        super().__init__(reason)
        self.lasting = lasting


class NoAnswer(CallFailed):
    """The deadline passed without an answer."""


class CallAborted(CallFailed):
    """The caller's instance was closed."""
