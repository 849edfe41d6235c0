"""The etcd store of rdzv: an etcd v3 cluster over its JSON gateway; real etcds to start on one machine."""

from __future__ import annotations

from rdzv_core import RendezvousParameters, accepts_options
from rdzv_etcd._backend import EtcdBackend
from rdzv_etcd._client.client import EtcdClient
from rdzv_etcd._options import OPTIONS
from rdzv_etcd._server.binary import find_binary
from rdzv_etcd._server.cluster import EtcdCluster
from rdzv_etcd._server.standalone import EtcdServer

__all__ = ["EtcdBackend", "EtcdClient", "EtcdCluster", "EtcdServer", "create_backend", "find_binary"]


@accepts_options(*OPTIONS)
def create_backend(params: RendezvousParameters) -> EtcdBackend:
    """Create the etcd backend and check that etcd answers.

    Raises `ValueError` for a bad option or endpoint, before anything is opened; `RendezvousConfigurationError` when
    waiting cannot help: credentials, a certificate, the wrong protocol; `RendezvousConnectionError` when no endpoint
    answers within `read_timeout`.
    """
    return EtcdBackend.connect(params)
