"""etcd's leases: keys that end with them, unless they are kept alive."""

from __future__ import annotations

import secrets

from rdzv_core import RendezvousConnectionError
from rdzv_etcd._client.client import EtcdClient
from rdzv_etcd._client.errors import lease_exists, lease_is_gone


class Leases:
    """Grants, renews and revokes leases. Every call may be sent twice, so a lost answer is only asked for again.

    Raises `RendezvousConnectionError` as `EtcdClient` does.
    """

    def __init__(self, client: EtcdClient) -> None:
        self._client = client

    def grant(self, ttl: int) -> int:
        """Return the id of a new lease of `ttl` seconds; etcd's shortest has about 2."""
        lease = secrets.randbelow(2**62) + 1
        try:
            self._client.request("/v3/lease/grant", {"ID": str(lease), "TTL": str(ttl)})
        except RendezvousConnectionError as error:
            if not lease_exists(error):  # the id is random: an earlier sending granted it
                raise
        return lease

    def keep_alive(self, lease: int) -> bool:
        """Give the lease its whole ttl again; False if it has ended. Writes nothing and makes no revision."""
        answer = self._client.request("/v3/lease/keepalive", {"ID": str(lease)}, urgent=True)
        result = answer.get("result")
        if not isinstance(result, dict):
            raise self._client.error(f"renewing a lease failed: {answer.get('error', answer)}")
        return int(result.get("TTL", 0)) > 0

    def revoke(self, lease: int) -> None:
        """End the lease, and the keys under it; one that has ended is not an error."""
        try:
            self._client.request("/v3/lease/revoke", {"ID": str(lease)})
        except RendezvousConnectionError as error:
            if not lease_is_gone(error):
                raise
