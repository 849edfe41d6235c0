"""The backend: a run's register in etcd, and what else etcd offers."""

from __future__ import annotations

import threading

from rdzv_core import (
    MemberLease,
    MembersView,
    RendezvousBackend,
    RendezvousParameters,
    SetStateResult,
    StateSnapshot,
    Store,
    SupportsDelete,
    SupportsListing,
    SupportsMembership,
    SupportsStore,
    SupportsWatch,
    Token,
)
from rdzv_core.addresses import usable_by_peers
from rdzv_etcd._client.client import EtcdClient
from rdzv_etcd._client.scope import whole_call
from rdzv_etcd._membership import Membership
from rdzv_etcd._options import KEY_PREFIX, RUN_TTL, client_of
from rdzv_etcd._record import MAX_STATE_BYTES
from rdzv_etcd._register import Register
from rdzv_etcd._round_store import EtcdStore
from rdzv_etcd._run_keys import REGISTERS, Run, RunKeys
from rdzv_etcd._waiting import Waiter


class EtcdBackend(RendezvousBackend, SupportsWatch, SupportsMembership, SupportsStore, SupportsDelete, SupportsListing):
    """A run's register under one key of etcd; its token is the nonce of the write.

    Thread-safe, and usable in a forked child. Reads are linearizable. A write whose answer was lost is looked up by
    its nonce for up to 10 s of its `read_timeout`. One that replaces a state is sent again while that very record is
    still there, since the comparison lets it take effect once at most; else it is raised as unknown.
    """

    max_state_bytes = MAX_STATE_BYTES
    durable = True

    def __init__(self, client: EtcdClient, params: RendezvousParameters) -> None:
        self._client = client
        self._params = params
        self._prefix = KEY_PREFIX.of(params).encode("utf-8")
        self._key = self._prefix + params.key.encode("utf-8")
        self._closing = threading.Event()
        self._waiter = Waiter(client, self._closing)
        self._run = Run(client, RunKeys(params), RUN_TTL.of(params))
        self._register = Register(client, self._key, self._waiter, keep=None if params.observing else self._run.keep)
        self._membership = Membership(client, self._run, self._waiter, observing=params.observing)

    @classmethod
    def connect(cls, params: RendezvousParameters) -> EtcdBackend:
        """Make a backend and check that etcd answers; raises `ValueError` or `RendezvousConnectionError`."""
        backend = cls(client_of(params), params)
        try:
            backend._client.read(backend._key)
        except BaseException:
            backend.close()
            raise
        return backend

    @property
    def name(self) -> str:
        """Always "etcd"."""
        return "etcd"

    @property
    def key(self) -> bytes:
        """The etcd key of this register."""
        return self._key

    @property
    def client(self) -> EtcdClient:
        """The client of this register; it shares its connections with the siblings' clients."""
        return self._client

    @property
    def secure(self) -> bool:  # type: ignore[override] # of this instance, and known only after etcd has answered
        """Whether etcd is reached over TLS and authenticates this node, by user and password or by certificate."""
        return self._client.guarded

    def local_address(self) -> str | None:
        """Return the local address of the connection to etcd that was made last."""
        return usable_by_peers(self._client.local_host)

    @whole_call
    def get_state(self) -> StateSnapshot | None:
        """Return the state and its token; a linearizable read of one request."""
        return self._register.get()

    @whole_call
    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        """Write `state` if the register still has `token`; one request if this instance saw it last."""
        if len(state) > self.max_state_bytes:
            raise ValueError(
                f"the state has {len(state)} bytes; backend 'etcd' accepts at most {self.max_state_bytes}: nothing sent"
            )
        return self._run.under_lease(lambda lease: self._register.write(state, token, lease))

    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        """Wait for a change over etcd's own watch; a lost watch is taken up again for up to 10 s.

        While the watch is silent the register's revision is read about once a second (with one endpoint: every 5 s),
        so a member of the cluster that fell silent delays no wake-up by more than about 2 s.
        """
        return self._register.wait(token, timeout)

    @whole_call
    def delete_state(self, token: Token | None = None) -> bool:
        """Delete the key if it still has `token`, or whatever its value; a lost answer is raised as unknown.

        With the run's own register its stores go, and what is kept of its memberships if there is no member.
        """
        deleted = self._register.delete(token)
        if deleted and not self._params.purpose:
            self._run.remove(members=False)
        return deleted

    @whole_call
    def delete_leftovers(self) -> None:
        """Delete the run's stores and memberships; the leases of members that are still listed are revoked."""
        self._run.remove(members=True)

    @whole_call
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        """Become a member under a lease of etcd's: two requests."""
        return self._membership.enter(payload, ttl)

    @whole_call
    def update(self, member: MemberLease, payload: bytes) -> bool:
        """Replace the payload and refresh the lease; False: the membership has ended, for good."""
        return self._membership.update(member, payload)

    @whole_call
    def refresh(self, member: MemberLease) -> bool:
        """Keep the lease alive, which writes nothing; False: the membership has ended, for good."""
        return self._membership.refresh(member)

    @whole_call
    def leave(self, member: MemberLease) -> None:
        """Revoke the lease. Idempotent."""
        self._membership.leave(member)

    @whole_call
    def members(self) -> MembersView:
        """Return the members in entry order; a linearizable read."""
        return self._membership.members()

    @whole_call
    def first(self, k: int) -> MembersView:
        """Return the first `k` in entry order; a linearizable read."""
        return self._membership.first(k)

    @whole_call
    def count(self) -> int:
        """Return how many members there are."""
        return self._membership.count()

    def wait_members(self, version: Token | None, timeout: float) -> bool:
        """Wait until the members' version differs, over etcd's watch; a lost watch is taken up again for up to 10 s."""
        return self._membership.wait_members(version, timeout)

    def store(self, prefix: str) -> Store:
        """Return the run's store named `prefix`; nothing is sent."""
        return EtcdStore(self._client, self._run, self._waiter, prefix)

    @whole_call
    def list_keys(self) -> list[str]:
        """Return the registers' keys, without the option `key_prefix`; a linearizable read of one request."""
        found = self._client.keys(self._prefix + REGISTERS)
        return [key[len(self._prefix) :].decode("utf-8", "replace") for key in found]

    def sibling(self, purpose: str) -> EtcdBackend:
        """Return the register of another purpose over the same connections."""
        return type(self)(self._client.another(), self._params.for_purpose(purpose))

    def close(self) -> None:
        """End every call of this instance at once; siblings are not disturbed. Idempotent."""
        self._closing.set()
        self._client.close()

    def __repr__(self) -> str:
        return f"<EtcdBackend {self._key.decode()!r} by {self._client!r}>"
