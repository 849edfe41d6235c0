"""What a server is told beside its endpoint."""

from __future__ import annotations

import resource
import ssl
from dataclasses import dataclass, field

_SPARE_DESCRIPTORS = 64
_MAX_STRANGERS = 512


@dataclass(frozen=True)
class Settings:
    """`secret` and `tls`: whom to serve. `data_dir`: where to keep registers, with `fsync` before a write is answered.

    `max_connections`: how many clients to serve at once; None: as many as the process may have descriptors.
    """

    secret: bytes | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    data_dir: str | None = None
    fsync: bool = True
    max_connections: int | None = None

    @property
    def open_to_all(self) -> bool:
        """Return whether whoever reaches the server can use it."""
        return self.secret is None and (self.tls is None or self.tls.verify_mode != ssl.CERT_REQUIRED)


def connection_limits(settings: Settings) -> tuple[int, int]:
    """Return how many connections may be served, and how many more may be there that have not said hello yet."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if descriptors == resource.RLIM_INFINITY:
        descriptors = 1_000_000
    strangers = min(_MAX_STRANGERS, max(16, descriptors // 4))
    most = max(16, descriptors - strangers - _SPARE_DESCRIPTORS)
    return min(settings.max_connections or most, most), strangers
