"""Where the nodes of a round are told to meet: whether rank 0's address and port can be what is meant."""

from __future__ import annotations

import os
import socket

from rdzv_core._handler.operations import Assignment
from rdzv_core.addresses import is_loopback

_ADVICE = "give each node an address that the others reach with --local-addr (local_addr)"
_MOST_NAMES = 5


def unusable_addresses(held: Assignment, own: str) -> str:
    """Return what is wrong with a round's addresses; empty if nothing that this node can see.

    On one machine all of them may be loopback ones; beside others they mean another machine to each who is told them.
    Rank 0 tells of all nodes, another one of rank 0's address only; a roster that was not read is not looked at.
    """
    if held.rank:
        if not is_loopback(held.master) or is_loopback(own):
            return ""
        return f"rank 0 is at {held.master}, which on this node ({own}) means this machine: {_ADVICE}"
    local = [f"{seat.node} ({seat.address})" for seat in held.roster if is_loopback(seat.address)]
    if not local or len(local) == len(held.roster):
        return ""
    more = f" and {len(local) - _MOST_NAMES} more" if len(local) > _MOST_NAMES else ""
    return (
        f"{', '.join(local[:_MOST_NAMES])}{more}: an address that only its own machine reaches, while other nodes of "
        f"the round have others: {_ADVICE}"
    )


def free_port() -> int:
    """Return a port that is free on all addresses of this host just now."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
    return port


def why_not_free(port: int) -> str | None:
    """Return why nobody can listen at the port just now; None if somebody can.

    Connections of an earlier listener that linger do not count: a server that takes its port again binds it so too.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
            probe.listen(1)
        except OSError as error:
            return os.strerror(error.errno) if error.errno else str(error)
    return None
