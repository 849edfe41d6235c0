"""Binding an endpoint, all of it or nothing: who binds it hosts the store."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable

from rdzv_core.endpoint import HostPort
from rdzv_tcp._net.endpoint import Address, resolve

BACKLOG = 1024
_NOT_OURS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_FREE_PORT_ATTEMPTS = 20


def listen(endpoint: HostPort, *, elect: bool = False) -> list[socket.socket]:
    """Listen on every address of `endpoint` that is this machine's; port 0 takes a port that is free on all of them.

    With `elect` the first address must be this machine's: where a name stands for several machines, only the one
    that all processes agree on may host. Raises `OSError`, and then nothing is left bound.
    """
    addresses = resolve(endpoint)
    if endpoint.port != 0:
        return _listen_all(addresses, elect)
    for _ in range(_FREE_PORT_ATTEMPTS - 1):
        try:
            return _listen_on_free_port(addresses, elect)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return _listen_on_free_port(addresses, elect)


def bound_addresses(listeners: Iterable[socket.socket]) -> list[Address]:
    """Return where `listeners` listen."""
    return [Address(one.family, one.getsockname()) for one in listeners]


def _listen_on_free_port(addresses: list[Address], elect: bool) -> list[socket.socket]:
    first = _listen_all(addresses, elect, only_first=True)
    port, here = first[0].getsockname()[1], bound_addresses(first)[0].host
    try:
        others = [one.with_port(port) for one in addresses if one.host != here]
        return first + (_listen_all(others, elect=False, may_be_none=True) if others else [])
    except OSError:
        _close(first)
        raise


def _listen_all(
    addresses: list[Address], elect: bool, *, only_first: bool = False, may_be_none: bool = False
) -> list[socket.socket]:
    listeners: list[socket.socket] = []
    not_ours: OSError | None = None
    for address in addresses:
        try:
            listeners.append(_listen_one(address))
        except OSError as error:
            if error.errno not in _NOT_OURS or (elect and not listeners):
                _close(listeners)
                raise
            not_ours = error
        if listeners and only_first:
            break
    if not listeners and not may_be_none and not_ours is not None:
        raise not_ours
    return listeners


def _listen_one(address: Address) -> socket.socket:
    # asyncio lets answers go out at once (TCP_NODELAY) only on sockets that say they are TCP's; without it every second
    # one of two answers may wait 40 ms, for the other side to acknowledge the first.
    listener = socket.socket(address.family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # A restarted server takes its port back although connections of the last one linger. It does not let two
        # listen on one port, on Linux and macOS: the second one's listen() fails, so listening is part of binding.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind(address.sockaddr)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"{os.strerror(error.errno or 0)}: {address}") from error
    return listener


def _close(listeners: list[socket.socket]) -> None:
    for listener in listeners:
        listener.close()
