"""Which keys of etcd belong to a run, and the lease that removes them once nobody lives."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar
from urllib.parse import quote
from weakref import WeakValueDictionary

from rdzv_core import RendezvousConnectionError, RendezvousParameters
from rdzv_etcd._client import messages
from rdzv_etcd._client.client import EtcdClient
from rdzv_etcd._client.errors import lease_is_gone
from rdzv_etcd._client.gateway import Gateway
from rdzv_etcd._client.leases import Leases
from rdzv_etcd._client.scope import CancelScope
from rdzv_etcd._client.turns import Turns
from rdzv_etcd._members_here import MembersHere
from rdzv_etcd._options import KEY_PREFIX

T = TypeVar("T")

REGISTERS = b"rdzv."
"""What the key of every register begins with, below the option `key_prefix`."""


class RunKeys:
    """Key names of one run: `members/<run>/<id>`, `stores/<run>/<store>/<key>`,
    `rounds/<run>/<store>`, all below the option `key_prefix`.

    `<run>` is the key of the run's register, which has no slash; so is `<store>`, being percent-encoded.
    """

    def __init__(self, params: RendezvousParameters) -> None:
        prefix, run = KEY_PREFIX.of(params).encode("utf-8"), params.for_purpose("").key.encode("utf-8")
        self.members = b"%bmembers/%b/" % (prefix, run)
        self.incarnation = self.members + b".incarnation"
        self.stores = b"%bstores/%b/" % (prefix, run)
        self._listed = b"%brounds/%b/" % (prefix, run)

    def member(self, member_id: str) -> bytes:
        """Return the key of a member."""
        return self.members + member_id.encode("ascii")

    def store(self, name: str) -> bytes:
        """Return what the keys of a store begin with."""
        return b"%b%b/" % (self.stores, quote(name, safe="").encode("ascii"))

    def listed(self, name: str) -> bytes:
        """Return the key that lists a store; of "" what all of these begin with."""
        return self._listed + quote(name, safe="").encode("ascii")


class Founding(NamedTuple):
    """The key that tells the incarnation of a run's memberships, and the lease of all that the run keeps in etcd."""

    incarnation: str
    lease: int


class RunNotes:
    """What this process knows of a run: its nodes share it. Thread-safe."""

    def __init__(self) -> None:
        self.founding: Founding | None = None
        self.kept: dict[int, float] = {}
        """When each lease of the run was kept alive last, by `time.monotonic`; the run has one at a time."""
        self.turns = Turns(1)
        self.members = MembersHere()

    @staticmethod
    def of(gateway: Gateway, incarnation: bytes) -> RunNotes:
        """Return the notes on the run with this key of the incarnation, for as long as somebody uses them."""
        return _notes.get((gateway, incarnation)) or _notes.setdefault((gateway, incarnation), RunNotes())


_notes: WeakValueDictionary[tuple[Gateway, bytes], RunNotes] = WeakValueDictionary()


class Run:
    """The founding of a run, made by whoever needs it first. Thread-safe."""

    def __init__(self, client: EtcdClient, keys: RunKeys, ttl: int) -> None:
        self._client = client
        self.leases = Leases(client)
        self.keys = keys
        self._ttl = ttl
        self._notes = RunNotes.of(client.gateway, keys.incarnation)

    @property
    def members_here(self) -> MembersHere:
        """The members of the run that this process has entered."""
        return self._notes.members

    @property
    def last_seen(self) -> Founding | None:
        """The founding as this process has seen it last."""
        return self._notes.founding

    def seen(self, founding: Founding) -> None:
        """Note the founding as somebody has just read it."""
        self._notes.founding = founding

    def keep(self, lease: int) -> None:
        """Keep a lease of the run alive, which takes a process one request eight times in its ttl; nothing if it is 0.

        If etcd does not answer, that is left to the next call.
        """
        kept = self._notes.kept
        now, before = time.monotonic(), kept.get(lease, float("-inf"))
        if lease == 0 or now - before <= self._ttl / 8:
            return
        kept[lease] = now
        try:
            self.leases.keep_alive(lease)
        except RendezvousConnectionError:
            kept[lease] = before

    def founding(self) -> Founding:
        """Return the founding as last seen, else read it, or found the run."""
        return self.last_seen or self.found(None)

    def found(self, outdated: Founding | None) -> Founding:
        """Return another founding than the one that is `outdated`: as last seen, else read it, or found the run.

        One thread of this process does that at a time; else all nodes of a process would found the run at once.
        """
        with self._notes.turns.take("found", CancelScope(time.monotonic() + self._client.timeout)):
            known = self.last_seen
            if known is None or known == outdated:
                known = self.read() or self._make()
                self.seen(known)
            return known

    def under_lease(self, write: Callable[[int], T]) -> T:
        """Do a write under the run's lease; where that has ended, the run is founded again."""
        founding = self.founding()
        for _ in range(2):  # what others here have seen may have ended as well
            try:
                return write(founding.lease)
            except RendezvousConnectionError as error:
                if not lease_is_gone(error):
                    raise
            founding = self.found(founding)
        return write(founding.lease)

    def read(self) -> Founding | None:
        """Read the founding."""
        found = self._client.read(self.keys.incarnation).found
        return None if found is None else read_founding(found)

    def remove(self, *, members: bool) -> None:
        """Remove the run's stores, and what is kept of its memberships: of all `members`, or only if there are none.

        The leases of members who are removed are revoked, so that whoever still refreshes learns of it.
        """
        keys = self.keys
        for prefix in (keys.stores, keys.listed("")):
            delete = messages.delete_request(prefix, messages.after(prefix))
            self._client.transact(prefix, [], [delete], repeatable=True)
        first, end = keys.member("0"), keys.member("g")
        if members:
            found = self._client.range(messages.range_request(first) | {"range_end": messages.encode(end)})
            for lease in {member.lease for member in messages.read_kvs(found)}:
                self.leases.revoke(lease)
        self._client.transact(
            first, messages.if_none(first, end), [messages.delete_request(keys.incarnation)], repeatable=True
        )
        self._notes.founding = None

    def _make(self) -> Founding:
        made = Founding(secrets.token_hex(16), self.leases.grant(self._ttl))
        key = self.keys.incarnation
        outcome = self._client.transact(
            key,
            messages.if_absent(key),
            [messages.put_request(key, made.incarnation.encode("ascii"), made.lease)],
            [{"request_range": messages.range_request(key)}],
            repeatable=True,  # done before, it finds the key with its own value
        )
        if outcome.succeeded:
            return made
        founding = read_founding(messages.read_kvs(outcome.answers[0])[0])
        if founding.lease != made.lease:
            self.leases.revoke(made.lease)
        return founding


def read_founding(found: messages.KeyValue) -> Founding:
    """Parse the incarnation's key."""
    return Founding(found.value.decode("ascii", "replace"), found.lease)
