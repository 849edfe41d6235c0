"""An endpoint that names one host and port, so that the suite can put a proxy in front of it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_ENDPOINT = re.compile(
    r"((?:[a-z][a-z0-9+.-]*://)?(?:[^@/]*@)?)(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})(/.*)?"
)


@dataclass(frozen=True)
class NetworkEndpoint:
    """`host:port`, perhaps within a URL."""

    before: str
    host: str
    port: int
    after: str

    @classmethod
    def parse(cls, endpoint: str) -> NetworkEndpoint | None:
        """Return the parts of an endpoint, None if it does not name exactly one host and port."""
        found = _ENDPOINT.fullmatch(endpoint.strip())
        if found is None or not 0 < int(found[3]) < 65536:
            return None
        return cls(found[1], found[2].strip("[]"), int(found[3]), found[4] or "")

    def at(self, port: int, host: str = "127.0.0.1") -> str:
        """Return the same endpoint on a port of this machine, by one of its addresses."""
        return f"{self.before}{host}:{port}{self.after}"


def closed_port() -> int:
    """Return a port of 127.0.0.1 where nothing listens (now, and most likely for a while)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def black_hole() -> Iterator[int]:
    """A port of 127.0.0.1 that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield int(listener.getsockname()[1])
