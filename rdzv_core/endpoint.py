"""Reading `host:port` endpoints, IPv6 included, without guessing."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

__all__ = ["HostPort", "parse_endpoint", "parse_endpoints"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_ZONE = re.compile(r"[A-Za-z0-9_.-]+")
_PORT = re.compile(r"[0-9]{1,5}")


class HostPort(NamedTuple):
    """A host (IPv6 without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_endpoint(endpoint: str, default_port: int, default_host: str = "localhost") -> HostPort:
    """Read `host`, `host:port`, `[v6]`, `[v6]:port`, `:port`, or a bare IPv6 address (which then has no port).

    An empty host is `default_host`. Anything else, or a port outside 0 to 65535, is a `ValueError` naming `endpoint`.
    """
    text = endpoint.strip()
    _refuse_scheme(text, endpoint)
    host, port = _split(text, endpoint)
    if host and not (_is_v6(host) if ":" in host else _HOST.fullmatch(host)):
        raise ValueError(f"endpoint {endpoint!r}: {host!r} is not a host name or address")
    return HostPort(host or default_host, default_port if port is None else _port(port, endpoint))


def parse_endpoints(endpoints: str, default_port: int) -> list[HostPort]:
    """Read a comma-separated list of endpoints; an empty one is a `ValueError`."""
    parts = endpoints.split(",")
    if not all(part.strip() for part in parts):
        raise ValueError(f"endpoint {endpoints!r}: expected host[:port][,host[:port]…]")
    return [parse_endpoint(part, default_port) for part in parts]


def _refuse_scheme(text: str, endpoint: str) -> None:
    scheme = _SCHEME.match(text)
    if scheme is not None:
        rest = text[scheme.end() :].partition("/")[0]
        raise ValueError(f"endpoint {endpoint!r}: leave out {scheme.group()!r}: give {rest or 'host[:port]'}")


def _split(text: str, endpoint: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or ":" not in host or (rest and not rest.startswith(":")):
            raise ValueError(f"endpoint {endpoint!r}: write an IPv6 address as [address]:port")
        return host, rest[1:] if rest else None
    if text.count(":") > 1:
        return text, None
    host, colon, port = text.partition(":")
    return host, port if colon else None


def _is_v6(host: str) -> bool:
    address, percent, zone = host.partition("%")
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return bool(_ZONE.fullmatch(zone)) if percent else True


def _port(text: str, endpoint: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise ValueError(f"endpoint {endpoint!r}: the port must be a number from 0 to 65535, not {text!r}")
    return int(text)
