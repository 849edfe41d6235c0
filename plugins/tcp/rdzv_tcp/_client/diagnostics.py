"""The errors that users see when a call has no answer: what failed, with which values, what to do."""

from __future__ import annotations

import socket

from rdzv_core import RendezvousConfigurationError, RendezvousConnectionError
from rdzv_core.endpoint import HostPort
from rdzv_tcp._client.errors import CallAborted, NoAnswer, Rejected


def failure(error: Exception, seconds: float, endpoint: HostPort, server: str) -> RendezvousConnectionError:
    """Return the error of a call that ended with `error` after `seconds`.

    `server` is the process that was last connected to, empty if there was none.
    """
    lasting = isinstance(error, Rejected) and error.lasting
    kind = RendezvousConfigurationError if lasting else RendezvousConnectionError
    return kind(f"tcp backend at '{endpoint}': {_explain(error, seconds, endpoint, server)}")


def text_of(error: Exception) -> str:
    """Return what an error says, in a few words."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _explain(error: Exception, seconds: float, endpoint: HostPort, server: str) -> str:
    if isinstance(error, CallAborted):
        return "this instance is closed; create another one"
    if isinstance(error, Rejected):
        return str(error)
    if isinstance(error, NoAnswer):
        return (
            f"the server ({server or 'unknown'}) stopped answering: no answer within {seconds:.3g} s "
            f"({error}); check whether that process hangs or its machine is cut off"
        )
    if isinstance(error.__cause__, socket.gaierror):
        lost = f"lost {server}, and " if server else ""
        return (
            f"{lost}cannot look up the name {endpoint.host!r} ({error}): check its spelling and this machine's "
            "resolver (DNS, /etc/hosts), or give an address"
        )
    if server:
        return (
            f"lost the store host {server}; reconnecting failed after {seconds:.3g} s ({error}). "
            "If it was `rdzv serve`, start it again at this endpoint. If it was a node, the store is lost with it: "
            "start the job again (a store hosted by `rdzv serve` outlives the nodes)"
        )
    return (
        f"could not reach a store within {seconds:.3g} s ({error}): "
        "check that its host runs and that this is the host's endpoint, or start one with `rdzv serve`"
    )
