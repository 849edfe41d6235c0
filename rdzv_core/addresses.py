"""The addresses of this host, and which of them its peers can use."""

from __future__ import annotations

import ipaddress
import socket

__all__ = ["default_address", "is_loopback", "is_unspecified", "outgoing_address", "usable_by_peers"]

_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses that no machine has (RFC 5737, RFC 3849): the way there is the way to other machines."""

_LOOPBACK_NAMES = frozenset({"localhost", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback"})


def is_loopback(host: str) -> bool:
    """Return whether `host`, a name or an address, means the machine itself on every machine. Looks nothing up."""
    name = host.lower().rstrip(".")
    first, _, domain = name.partition(".")
    if first in _LOOPBACK_NAMES and domain in ("", "localdomain", "localdomain4", "localdomain6"):
        return True
    address = _read(host)
    return name.endswith(".localhost") if address is None else address.is_loopback


def is_unspecified(host: str) -> bool:
    """Return whether `host` is 0.0.0.0 or ::, which stands for all addresses of a machine, and to others for none."""
    address = _read(host)
    return address is not None and address.is_unspecified


def usable_by_peers(host: str) -> str | None:
    """Return the address of a socket's end as peers can use it; None for one that means nothing on their machines.

    An IPv4 address that is mapped into IPv6 is returned as IPv4. A link-local one needs a scope, which each machine
    names in its own way.
    """
    address = _read(host)
    if address is None or address.is_unspecified or address.is_link_local:
        return None
    return str(address)


def outgoing_address() -> str | None:
    """Return the address from which this host reaches other machines; None if it has no way to them.

    Nothing is sent: the system only chooses the address, as its routes are now. Never blocks.
    """
    for family, elsewhere in _ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))
                address = usable_by_peers(probe.getsockname()[0])
        except OSError:  # no route, or no such family
            continue
        if address is not None and not is_loopback(address):
            return address
    return None


def default_address() -> str:
    """Return the host name, or where that means the machine itself on every machine, the outgoing address."""
    name = socket.gethostname()
    return (outgoing_address() or name) if is_loopback(name) else name


def _read(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
