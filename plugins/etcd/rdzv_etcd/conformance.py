"""What the conformance suite may do to an etcd: named by an entry point, so `rdzv certify etcd` needs no test code."""

from __future__ import annotations

from rdzv_core import RendezvousParameters
from rdzv_etcd._client import EtcdClient
from rdzv_etcd._options import KEY_PREFIX, gateway_of


def corrupt(params: RendezvousParameters) -> None:
    """Put into the register of `params` what the backend can not have written."""
    with EtcdClient(gateway_of(params)) as client:
        client.put((KEY_PREFIX.of(params) + params.key).encode("utf-8"), b"not what the backend wrote")
