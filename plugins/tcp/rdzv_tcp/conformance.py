"""What the published suite needs to test this backend harder (entry point group `rdzv_conformance.helpers`)."""

from __future__ import annotations

from rdzv_core import RendezvousParameters
from rdzv_tcp._endpoint import read_endpoint
from rdzv_tcp._security import client_credentials
from rdzv_tcp._store import TcpStore


def corrupt(params: RendezvousParameters) -> None:
    """Spoil the register of `params` behind the backend's back."""
    endpoint = read_endpoint(params.endpoint)
    with TcpStore(endpoint.host, endpoint.port, 10, client_credentials(params)) as store:
        store.set(params.key, b"not what the backend wrote")
