"""The etcd store of rdzv: an etcd v3 cluster over its JSON gateway; an etcd and a cluster of one's own."""

from __future__ import annotations

from rdzv_core import RendezvousParameters, accepts_options
from rdzv_etcd._backend import EtcdBackend
from rdzv_etcd._client import EtcdClient
from rdzv_etcd._cluster import EtcdCluster
from rdzv_etcd._options import OPTIONS
from rdzv_etcd._server import EtcdServer

__all__ = ["EtcdBackend", "EtcdClient", "EtcdCluster", "EtcdServer", "create_backend"]


@accepts_options(*OPTIONS)
def create_backend(params: RendezvousParameters) -> EtcdBackend:
    """Make the etcd backend and see that etcd answers.

    Raises `ValueError` for a bad option or endpoint, before anything is opened; `RendezvousConfigurationError` when
    waiting cannot help: credentials, a certificate, another protocol; and `RendezvousConnectionError` when no endpoint
    answers within `read_timeout`.
    """
    return EtcdBackend.connect(params)
