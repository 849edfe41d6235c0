"""The members of a run, each a key under a lease of etcd's."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rdzv_core import MemberLease, MembersView, RendezvousConnectionError, Token
from rdzv_core.abc import Member
from rdzv_core.validation import checked_payload, checked_ttl
from rdzv_etcd._client import messages
from rdzv_etcd._client.client import EtcdClient
from rdzv_etcd._client.errors import lease_is_gone
from rdzv_etcd._client.joint_calls import NOBODY, Gathering
from rdzv_etcd._client.subscriptions import Span
from rdzv_etcd._members_here import Renewals
from rdzv_etcd._run_keys import Founding, Run, read_founding
from rdzv_etcd._waiting import Waiter, Watched

SLACK_SECONDS = 2
"""How much longer than its ttl a member's lease is in etcd: a store that stands still for a moment ends nobody."""
LONGEST_TTL = 9_000_000_000 - SLACK_SECONDS
"""Seconds: etcd refuses a lease of more than 9,000,000,000, which are 285 years."""
_MOST_MEMBERS = 2**31 - 1
"""More than any run has, and less than etcd's limits can count."""
_SEQUENCE_BYTES = 8
_WRITTEN_AT_ONCE = 2
"""How many keys an entry writes: the member's, and the incarnation's."""
_COUNTED_AT_ONCE = 64
"""How many keys one request counts: etcd takes 128 operations in a transaction unless configured otherwise."""
_CHECKED_EVERY = 2
"""Ttls after which a member finds out whether its key is there, unless that was found out meanwhile."""
_NOTHING = messages.KeyValue(b"", 0)
GATHER_SECONDS = 0.25
"""How long a keep-alive, or a look for its key, waits for those of other members here: most entered with it."""


class EtcdLease(MemberLease):
    """A membership whose key is under a lease of etcd's."""

    def __init__(self, ttl: float, incarnation: str, member_id: str, ahead: int | None, renewals: Renewals) -> None:
        super().__init__(ttl, incarnation, member_id, ahead=ahead)
        self.renewals = renewals

    @property
    def renewed_lately(self) -> bool:
        """Whether it was renewed just now, by its entry too."""
        return time.monotonic() - self.renewals.renewed_at < SLACK_SECONDS / 2

    def is_overtaken(self, sequence: int) -> bool:
        """Return whether a newer call has renewed the lease."""
        return sequence < self.renewals.newest

    def note_renewal(self, sequence: int) -> None:
        """Note a call that has renewed the lease."""
        self.renewals.newest = max(sequence, self.renewals.newest)


class _Joined(NamedTuple):
    founding: Founding
    ahead: int | None


class Membership:
    """`SupportsMembership` by etcd's leases: etcd's leader ends a member by its own clock. Thread-safe.

    - `enter`: a grant and one transaction, which also counts who is there.
    - `refresh`: one keep-alive, which writes nothing. It waits a moment for those of other members of this process,
      unless the last was just now. Once in two ttls also a read, which finds out whether the key was deleted by hand;
      it asks for those of others here as well.
    - `update`: a transaction that compares the sequence number, and a keep-alive unless the last one was just now.
    - `leave`: a revocation.
    - The version is the newest revision among the members' keys, the lease of the key that has it, and how many they
      are. Each entry also touches the key of the incarnation: so two equal versions have no entry between them, hence
      no end, and no update. A store that lost its data grants other leases.
    """

    def __init__(self, client: EtcdClient, run: Run, waiter: Waiter, *, observing: bool) -> None:
        self._client = client
        self._run = run
        self._keys = run.keys
        self._end = messages.after(run.keys.members)
        self._waiter = waiter
        self._observing = observing
        self._looked: tuple[str, Watched] | None = None

    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        payload, ttl = checked_payload(payload), checked_ttl(ttl)
        if ttl > LONGEST_TTL:
            raise ValueError(f"ttl={ttl!r} is longer than etcd's longest lease: at most {LONGEST_TTL} seconds")
        deadline = time.monotonic() + self._client.timeout
        while True:
            granted_at, member = time.monotonic(), secrets.token_hex(16)
            key, lease = self._keys.member(member), self._run.leases.grant(math.ceil(ttl) + SLACK_SECONDS)
            try:
                founding, ahead = self._join(key, _sealed(0, payload), lease)
            except RendezvousConnectionError as error:
                if not lease_is_gone(error) or time.monotonic() >= deadline:
                    raise
                continue  # the answers took so long that the lease was over meanwhile
            self._run.seen(founding)
            renewals = Renewals(key, ttl, lease, founding.lease, granted_at)
            self._run.members_here.add(renewals)
            return EtcdLease(ttl, founding.incarnation, member, ahead, renewals)

    def update(self, member: MemberLease, payload: bytes) -> bool:
        payload, lease, sequence = checked_payload(payload), _own(member), member.next_sequence()
        if self._is_of_another_run(lease):
            return False
        if lease.is_overtaken(sequence):
            return self._exists(lease)
        key = self._keys.member(lease.id)
        put = messages.put_request(key, _sealed(sequence, payload), lease.renewals.lease)
        try:
            outcome = self._client.transact(
                key,
                messages.if_value_below(key, _sealed(sequence, b"")),
                [put],
                [{"request_range": messages.count_request(key)}],
                repeatable=True,  # the sequence number lets it take effect once
            )
        except RendezvousConnectionError as error:
            if lease_is_gone(error):
                return False
            raise
        there = outcome.succeeded or messages.read_count(outcome.answers[0]) > 0
        lease.renewals.checked_at = time.monotonic()
        # One who has just entered has its whole ttl yet: in etcd the lease is longer than that.
        if not there or not (lease.renewed_lately or self._keep_alive(lease)):
            return False
        lease.note_renewal(sequence)
        return True

    def refresh(self, member: MemberLease) -> bool:
        lease, sequence = _own(member), member.next_sequence()
        if self._is_of_another_run(lease):
            return False
        if lease.is_overtaken(sequence):
            return self._exists(lease)
        many = 1 if lease.renewed_lately else len(self._run.members_here)
        if not self._keep_alive(lease, Gathering(many, GATHER_SECONDS)):
            return False
        lease.note_renewal(sequence)
        if lease.renewals.unchecked_for(_CHECKED_EVERY) and not self._exists(lease):
            return False
        self._run.keep(lease.renewals.run_lease)
        return True

    def leave(self, member: MemberLease) -> None:
        lease = _own(member)
        if self._is_of_another_run(lease):
            return
        self._run.members_here.discard(lease.renewals)
        self._run.leases.revoke(lease.renewals.lease)

    def members(self) -> MembersView:
        return self._view(None)

    def first(self, k: int) -> MembersView:
        return self._view(min(max(k, 0), _MOST_MEMBERS))

    def count(self) -> int:
        answer = self._client.range(messages.count_request(self._keys.members, self._end))
        return max(messages.read_count(answer) - 1, 0)  # but for the incarnation

    def wait_members(self, version: Token | None, timeout: float) -> bool:
        if version is None:
            self._look()
            return True
        looked = self._looked
        given = version if type(version) is str else ""  # whatever the version says itself of being equal
        known = looked if looked is not None and looked[0] == given else None
        return self._waiter.wait(self._look, lambda found: found != given, timeout, known)[0]

    def _is_of_another_run(self, lease: EtcdLease) -> bool:
        if lease.renewals.key == self._keys.member(lease.id):
            return False
        self.count()  # raises where any other call would
        return True

    def _join(self, key: bytes, value: bytes, lease: int) -> _Joined:
        while True:
            known = self._run.last_seen
            outcome = self._client.transact(
                key,
                [*messages.if_present(self._keys.incarnation), *messages.if_absent(key)],
                [
                    messages.touch_request(self._keys.incarnation),
                    messages.put_request(key, value, lease),
                    {"request_range": messages.range_request(self._keys.incarnation)},
                    {"request_range": messages.count_request(self._keys.members, self._end)},
                ],
                [
                    {"request_range": messages.range_request(self._keys.incarnation)},
                    {"request_range": messages.count_request(key)},
                ],
                repeatable=True,  # done before, it finds its own key
            )
            if outcome.succeeded:
                *_, incarnation, count = outcome.answers
                founding = read_founding(messages.read_kvs(incarnation)[0])
                return _Joined(founding, messages.read_count(count) - 2)  # but for the incarnation and itself
            incarnation, there = outcome.answers
            if messages.read_count(there):
                return _Joined(read_founding(messages.read_kvs(incarnation)[0]), None)
            self._run.found(known)

    def _view(self, limit: int | None) -> MembersView:
        while True:
            known, began = self._run.last_seen, time.monotonic()
            answer = self._client.range(self._range_request(limit))
            found = messages.read_kvs(answer)
            founding = next((kv for kv in found if kv.key == self._keys.incarnation), None)
            if founding is None and not self._observing:
                self._run.found(known)
                continue
            begin = len(self._keys.members)
            members = [
                Member(kv.key[begin:].decode("ascii", "replace"), kv.value[_SEQUENCE_BYTES:])
                for kv in found
                if kv is not founding
            ]
            incarnation = "" if founding is None else read_founding(founding).incarnation
            version = self._version(found, messages.read_count(answer))
            if limit is None:
                self._note(version, answer, began)
            return MembersView(incarnation, version, tuple(members[:limit]))

    def _range_request(self, limit: int | None) -> dict[str, Any]:
        request = messages.range_request(self._keys.members) | {
            "range_end": messages.encode(self._end),
            "sort_target": "CREATE",
            "sort_order": "ASCEND",
        }
        # The incarnation is as old as the oldest member, or older.
        return request if limit is None else request | {"limit": str(limit + 2)}

    def _look(self) -> tuple[str, Watched]:
        """Return the version, and what to watch for another one."""
        began = time.monotonic()
        answer = self._client.range(messages.newest_request(self._keys.members, self._end, _WRITTEN_AT_ONCE))
        version = self._version(messages.read_kvs(answer), messages.read_count(answer))
        return version, self._note(version, answer, began)

    def _note(self, version: str, answer: Mapping[str, Any], began: float) -> Watched:
        """Note what a read that began then has found of all members, so that a wait may go on from it."""
        span, start = Span(self._keys.members, self._end), messages.read_revision(answer) + 1
        watched = Watched(span, start, messages.read_extent(answer))
        self._looked = version, watched._replace(looked_at=began)
        return watched

    def _version(self, found: list[messages.KeyValue], total: int) -> str:
        """Return the version by what a read has found, those written last among them, of so many keys in all.

        Of the two keys that an entry writes, the incarnation's tells the lease.
        """
        newest = max(found, key=lambda kv: (kv.revision, kv.key == self._keys.incarnation), default=_NOTHING)
        return f"{newest.lease:x}.{newest.revision}.{total}"

    def _present(self, keys: Sequence[bytes]) -> dict[bytes, bool]:
        """Return which members' keys exist. Notes it of those here that would soon ask for it themselves."""
        began, soon = time.monotonic(), self._run.members_here.unchecked_for(1)
        keys, counts = list({*keys, *soon}), []
        for begin in range(0, len(keys), _COUNTED_AT_ONCE):
            some = [messages.count_request(key) for key in keys[begin : begin + _COUNTED_AT_ONCE]]
            counts += self._client.count_together(some)
        present = {key: count > 0 for key, count in zip(keys, counts, strict=True)}
        for key, renewals in soon.items():
            if present[key]:  # who is out finds that out itself
                renewals.checked_at = began
        return present

    def _keep_alive(self, lease: EtcdLease, gathering: Gathering = NOBODY) -> bool:
        began = time.monotonic()
        alive = self._run.leases.keep_alive(lease.renewals.lease, gathering)
        lease.renewals.renewed_at = max(lease.renewals.renewed_at, began)
        return alive

    def _exists(self, lease: EtcdLease) -> bool:
        began, key = time.monotonic(), self._keys.member(lease.id)
        gathering = Gathering(len(self._run.members_here.unchecked_for(_CHECKED_EVERY)), GATHER_SECONDS)
        there = self._client.jointly("existence", self._present, key, began + self._client.timeout, gathering)[key]
        lease.renewals.checked_at = began
        if not there:  # its key was deleted by hand, unless the lease is over anyway: it has ended for good
            self._run.leases.revoke(lease.renewals.lease)
        return there


def _sealed(sequence: int, payload: bytes) -> bytes:
    """Return a member's value: values of greater sequence numbers sort behind it."""
    return sequence.to_bytes(_SEQUENCE_BYTES, "big") + payload


def _own(member: MemberLease) -> EtcdLease:
    if not isinstance(member, EtcdLease):
        raise TypeError(f"{member!r} was not entered here: it belongs to another membership")
    return member
