"""etcd's leases: keys that end with them, unless they are kept alive."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rdzv_core import RendezvousConnectionError
from rdzv_etcd._client.client import EtcdClient
from rdzv_etcd._client.errors import lease_exists, lease_is_gone
from rdzv_etcd._client.joint_calls import NOBODY, Gathering

_KEEP_ALIVE = "/v3/lease/keepalive"


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

    def keep_alive(self, lease: int, gathering: Gathering = NOBODY) -> bool:
        """Renew the lease for its whole ttl; False if it has ended. Writes nothing and makes no revision.

        Those that this process sends while another one is under way are one request, and those that come while it
        waits for others.
        """
        deadline = time.monotonic() + self._client.timeout
        alive = self._client.jointly(
            "keep-alive", lambda leases: self._keep_alive_all(leases, deadline), lease, deadline, gathering
        )
        return alive[lease] if lease in alive else self._keep_alive_one(lease, deadline)

    def revoke(self, lease: int) -> None:
        """End the lease, and the keys under it; one that has ended is not an error."""
        try:
            self._client.request("/v3/lease/revoke", {"ID": str(lease)})
        except RendezvousConnectionError as error:
            if not lease_is_gone(error):
                raise

    def _keep_alive_all(self, leases: Sequence[int], deadline: float) -> dict[int, bool]:
        """Return which leases live; of some nothing, if their answers were lost."""
        if len(leases) == 1:
            return {leases[0]: self._keep_alive_one(leases[0], deadline)}
        try:
            answers = self._client.request_all(_KEEP_ALIVE, [{"ID": str(lease)} for lease in leases], deadline)
        except RendezvousConnectionError:
            return {}  # each by itself finds out why
        results = [answer["result"] for answer in answers if isinstance(answer.get("result"), dict)]
        return {int(result.get("ID", 0)): _lives(result) for result in results}

    def _keep_alive_one(self, lease: int, deadline: float) -> bool:
        answer = self._client.request(_KEEP_ALIVE, {"ID": str(lease)}, deadline, urgent=True)
        result = answer.get("result")
        if not isinstance(result, dict):
            raise self._client.error(f"renewing a lease failed: {answer.get('error', answer)}")
        return _lives(result)


def _lives(result: Mapping[str, Any]) -> bool:
    return int(result.get("TTL", 0)) > 0
