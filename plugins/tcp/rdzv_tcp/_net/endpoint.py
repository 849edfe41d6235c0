"""Where a store is: reading an endpoint, and the addresses behind it in an order that every process agrees on."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any, NamedTuple

from rdzv_core.endpoint import HostPort, parse_endpoint

DEFAULT_PORT = 29400


class Address(NamedTuple):
    """One address to bind or to connect to, as the socket functions take it."""

    family: socket.AddressFamily
    sockaddr: tuple[Any, ...]

    @property
    def host(self) -> str:
        """The numeric host, without brackets."""
        return str(self.sockaddr[0])

    @property
    def port(self) -> int:
        """The port."""
        return int(self.sockaddr[1])

    def with_port(self, port: int) -> Address:
        """Return the same address with another port."""
        return Address(self.family, (self.sockaddr[0], port, *self.sockaddr[2:]))

    def is_loopback(self) -> bool:
        """Return whether only this machine can reach it."""
        return ipaddress.ip_address(self.host.partition("%")[0]).is_loopback

    def __str__(self) -> str:
        return str(HostPort(self.host, self.port))


def address_of(sockaddr: Any) -> str:
    """Write the address of one end of a connection, so that it reads the same at both ends; empty if there is none.

    An IPv4 address that is mapped into IPv6 is written as IPv4, and a scope, which is each machine's own, is left out.
    """
    if not sockaddr:
        return ""
    host = ipaddress.ip_address(str(sockaddr[0]).partition("%")[0])
    mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
    return str(HostPort(str(mapped or host), int(sockaddr[1])))


def read_endpoint(endpoint: str) -> HostPort:
    """Read `host[:port]` or `[v6]:port`. Raises `ValueError` naming what is wrong with it."""
    return parse_endpoint(endpoint, DEFAULT_PORT)


def resolve(endpoint: HostPort, flags: int = 0) -> list[Address]:
    """Return the addresses of an endpoint, IPv4 before IPv6 and by number, whatever order the resolver gave them in.

    The order decides who hosts: all processes try the same address first, so that two of them cannot each take one
    of a name's addresses. Raises `OSError`; takes as long as the system's resolver does. `flags` are `getaddrinfo`'s.
    """
    answers = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=flags)
    found = {
        Address(family, sockaddr)
        for family, _, _, _, sockaddr in answers
        if family in (socket.AF_INET, socket.AF_INET6)
    }
    if not found:
        raise OSError(f"{endpoint.host!r} has neither an IPv4 nor an IPv6 address")
    return sorted(found, key=lambda one: (one.family == socket.AF_INET6, ipaddress.ip_address(one.host.split("%")[0])))
