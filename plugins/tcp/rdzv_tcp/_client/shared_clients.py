"""The clients of this process: one for each endpoint and its credentials, kept while somebody uses it."""

from __future__ import annotations

import os
import threading

from rdzv_core.endpoint import HostPort
from rdzv_tcp._client.client import Client
from rdzv_tcp._net.security import Credentials


def share_client(endpoint: HostPort, credentials: Credentials) -> Client:
    """Return this process's client of `endpoint` with `credentials`; give it back with `release_client`."""
    with _lock:
        client = _shared.get((endpoint, credentials))
        if client is None:
            client = _shared[endpoint, credentials] = Client(endpoint, credentials)
        client.users += 1
        return client


def release_client(client: Client) -> None:
    """Return a client; the last release closes it."""
    with _lock:
        client.users -= 1
        if client.users == 0:
            shared_as = client.endpoint, client.credentials
            if _shared.get(shared_as) is client:
                del _shared[shared_as]
            client.close()


_shared: dict[tuple[HostPort, Credentials], Client] = {}
_lock = threading.Lock()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
