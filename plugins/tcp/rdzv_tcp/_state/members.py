"""The memberships of all runs: who is there, until when. No I/O and no clock: the caller says what time it is."""

from __future__ import annotations

import itertools
import math
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from rdzv_tcp._protocol import Ended, Enter, Entered, Leave, Members, Renew, View
from rdzv_tcp._state.expiry import ExpiryQueue
from rdzv_tcp._state.member_entry import MemberEntry, grace

STALL_SECONDS = 1.0
REMEMBERED_RUNS = 4096
REMEMBERED_VIEWS = 4
REMEMBERED_ENDS = 16_384
PAGE_BYTES = 4 * 1024 * 1024
_ENTRY_BYTES = 32


class _Run:
    """The members of one run in entry order; `version` is new with every change of the set or a payload."""

    __slots__ = ("leases", "version", "views")

    def __init__(self) -> None:
        self.leases: dict[bytes, MemberEntry] = {}
        self.version = 0
        self.views: dict[int | None, View] = {}
        """What was told of the first so many, or of all, since the last change."""


class MembersSnapshot(NamedTuple):
    """What memberships hold: each as its entry and the last sequence number, in entry order; who ended, in order."""

    incarnation: bytes
    members: list[tuple[Enter, int]]
    ended: list[bytes]


class _Client:
    """A client that entered members, and the latest connection that it claimed."""

    __slots__ = ("connection", "leases")

    def __init__(self) -> None:
        self.connection: object = None
        self.leases: dict[bytes, MemberEntry] = {}


class Memberships:
    """Leases by run, in entry order. Not thread-safe: one thread owns it.

    `take_due` is to be called at `next_end`. A member that is late is there until it has been ended, and may renew
    until then. A lease that has ended does not come back, nor does its id: the latest that ended are remembered.
    `incarnation` is new with every object, unless it is restored; versions are new in any case.
    """

    def __init__(self) -> None:
        self.incarnation = secrets.token_bytes(16)
        self._versions_begin = secrets.token_bytes(16)
        self._runs: dict[str, _Run] = {}
        self._empty: OrderedDict[str, None] = OrderedDict()
        self._versions = itertools.count(1)
        self._forgotten = 0
        self._leases: dict[bytes, MemberEntry] = {}
        self._clients: dict[bytes, _Client] = {}
        self._expiry = ExpiryQueue()
        self._ended: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._leases)

    def find(self, member: bytes) -> MemberEntry | None:
        """Return a member."""
        return self._leases.get(member)

    def entries(self) -> list[MemberEntry]:
        """Return all members."""
        return list(self._leases.values())

    def connection_of(self, client: bytes) -> object:
        """Return the connection that `client` claimed last, None if that has ended."""
        there = self._clients.get(client)
        return None if there is None else there.connection

    def footprint(self) -> dict[str, int]:
        """Return how many entries each part of it has, for tests of what stays."""
        return {
            "clients": len(self._clients),
            "runs": len(self._runs),
            "runs without members": len(self._empty),
            "remembered ends": len(self._ended),
            "planned ends": len(self._expiry),
        }

    @property
    def runs(self) -> int:
        """How many runs have members."""
        return len(self._runs) - len(self._empty)

    def payloads(self) -> dict[str, list[bytes]]:
        """Return what the members of every run say."""
        there = ((name, run.leases.values()) for name, run in self._runs.items() if run.leases)
        return {name: [lease.payload for lease in leases] for name, leases in there}

    def version(self, run: str) -> bytes:
        """Return what differs after every change of the set or of a payload."""
        there = self._runs.get(run)
        return self._versions_begin + (self._forgotten if there is None else there.version).to_bytes(8, "big")

    def enter(self, request: Enter, now: float) -> Entered | Ended:
        """Put a new member behind all who are there."""
        if self.has_ended(request.member):
            return Ended()
        ahead = None
        if request.member not in self._leases:
            lease = self._leases[request.member] = MemberEntry(request, now)
            run = self._runs.get(request.run)
            if run is None:
                run = self._runs[request.run] = _Run()
            self._empty.pop(request.run, None)
            ahead = len(run.leases)
            run.leases[lease.id] = lease
            self._clients.setdefault(lease.client, _Client()).leases[lease.id] = lease
            self._queue(lease)
            self._touch(run)
        return Entered(self.incarnation, ahead)

    def has_ended(self, member: bytes) -> bool:
        """Return whether `member` was there and will not be again."""
        return member in self._ended

    def run_of(self, member: bytes) -> str | None:
        """Return the run in which `member` is, None if it is not there."""
        lease = self._leases.get(member)
        return None if lease is None else lease.run

    def renew(self, request: Renew, now: float) -> bool:
        """Renew the lease, and replace the payload if there is one. Return False if there is no such member."""
        lease = self._leases.get(request.member)
        if lease is None:
            return False
        if request.sequence > lease.sequence:
            lease.sequence = request.sequence
            lease.renew(now)
            if request.payload is not None:
                lease.payload = request.payload
                self._touch(self._runs[lease.run])
        return True

    def is_news(self, request: Renew) -> bool:
        """Return whether a renewal is of a member, and newer than any that came before."""
        lease = self._leases.get(request.member)
        return lease is not None and request.sequence > lease.sequence

    def extend(self, member: bytes, now: float) -> None:
        """Let a member go on for a whole ttl whose renewal has come and is yet to be done."""
        lease = self._leases.get(member)
        if lease is not None:
            lease.renew(now)

    def leave(self, request: Leave) -> None:
        """End a membership, if it is still one."""
        lease = self._leases.get(request.member)
        if lease is None:
            self._remember(request.member)
        else:
            self._end(lease)

    def view(self, request: Members) -> View:
        """Return those who are asked for, or as many of them as fit into `PAGE_BYTES`."""
        run = self._runs.get(request.run)
        if run is None:
            return View(self.incarnation, self.version(request.run), 0, [])
        if request.start == 0 and request.limit in run.views:
            return run.views[request.limit]
        stop = None if request.limit is None else request.start + request.limit
        asked = itertools.islice(run.leases.values(), request.start, stop)
        view = View(self.incarnation, self.version(request.run), len(run.leases), _page(asked))
        if request.start == 0 and len(run.views) < REMEMBERED_VIEWS:
            run.views[request.limit] = view
        return view

    # Connections

    def connected(self, client: bytes, connection: object) -> None:
        """Note that `client` is at the end of `connection`: what it entered goes on."""
        there = self._clients.setdefault(client, _Client())
        there.connection = connection
        for lease in there.leases.values():
            lease.cut = math.inf

    def disconnected(self, client: bytes, connection: object, now: float, *, gone: bool) -> None:
        """Note the end of a connection. If it said that the client is `gone`, what it entered ends after its grace.

        Not so where the client has claimed another connection since. Any other end says nothing of the client, whose
        leases then run for their ttl.
        """
        there = self._clients.get(client)
        if there is not None and there.connection is connection:
            there.connection = None
            if gone:
                self.cut(client, now)
            self._drop_if_unused(client, there)

    def cut(self, client: bytes, now: float) -> None:
        """End what `client` entered after its grace, unless it has a connection."""
        there = self._clients.get(client)
        for lease in there.leases.values() if there is not None and there.connection is None else ():
            lease.cut = now + grace(lease.ttl)
            self._queue(lease)

    def held_by(self, client: bytes) -> int:
        """Return how many members `client` has."""
        there = self._clients.get(client)
        return 0 if there is None else len(there.leases)

    # Time

    def next_end(self) -> float | None:
        """Return when to call `take_due` next; None: there are no members."""
        return self._expiry.next()

    def take_due(self, now: float) -> list[bytes]:
        """Return the members that have run out of time, to be ended with `end`, or put back with `postpone`."""
        due = []
        while (lease := self._expiry.pop(now)) is not None:
            if lease.end <= now:
                due.append(lease.id)
            else:
                self._queue(lease)
        return due

    def is_due(self, member: bytes, now: float) -> bool:
        """Return whether `member` is there and has run out of time."""
        lease = self._leases.get(member)
        return lease is not None and lease.end <= now

    def postpone(self, member: bytes, until: float) -> None:
        """Look again at one that was due, at `until` or when it runs out."""
        lease = self._leases.get(member)
        if lease is not None:
            self._queue(lease, until)

    def end(self, members: Iterable[bytes]) -> set[str]:
        """End those of `members` that are there, and return their runs. None of them comes back."""
        changed = set()
        for member in members:
            lease = self._leases.get(member)
            if lease is None:
                self._remember(member)
            else:
                changed.add(lease.run)
                self._end(lease)
        return changed

    def forgive(self, stall: float, now: float) -> None:
        """Start the ttl again of every member that cannot make up for `stall` seconds in which nobody looked."""
        for lease in self._leases.values():
            if stall > min(STALL_SECONDS, lease.ttl / 4):
                cut = lease.cut
                lease.renew(now)
                if cut < math.inf:
                    lease.cut = now + grace(lease.ttl)

    # What is kept on disk

    def copy_out(self) -> MembersSnapshot:
        """Return a copy of everything that does not depend on the time."""
        leases = [lease for run in self._runs.values() for lease in run.leases.values()]
        members = [
            (Enter(lease.run, lease.id, lease.payload, lease.ttl, lease.client), lease.sequence) for lease in leases
        ]
        return MembersSnapshot(self.incarnation, members, list(self._ended))

    def begin(self, now: float) -> None:
        """Start the ttl of every member that was read from disk, whatever its connection said."""
        self._expiry.clear()
        for lease in self._leases.values():
            lease.renew(now)
            self._queue(lease)

    def _queue(self, lease: MemberEntry, not_before: float = -math.inf) -> None:
        self._expiry.add(lease, len(self._leases), not_before)

    def _end(self, lease: MemberEntry) -> None:
        self._expiry.remove(lease)
        del self._leases[lease.id]
        self._remember(lease.id)
        client = self._clients[lease.client]
        del client.leases[lease.id]
        self._drop_if_unused(lease.client, client)
        run = self._runs[lease.run]
        del run.leases[lease.id]
        self._touch(run)
        if not run.leases:
            self._empty[lease.run] = None
            if len(self._empty) > REMEMBERED_RUNS:
                self._runs.pop(self._empty.popitem(last=False)[0])
                self._forgotten = next(self._versions)

    def _touch(self, run: _Run) -> None:
        run.version = next(self._versions)
        run.views.clear()

    def _remember(self, member: bytes) -> None:
        self._ended[member] = None
        if len(self._ended) > REMEMBERED_ENDS:
            self._ended.popitem(last=False)

    def _drop_if_unused(self, name: bytes, client: _Client) -> None:
        if not client.leases and client.connection is None:
            del self._clients[name]


def _page(leases: Iterable[MemberEntry]) -> list[tuple[bytes, bytes]]:
    page, size = [], 0
    for lease in leases:
        size += _ENTRY_BYTES + len(lease.payload)
        if size > PAGE_BYTES:
            break
        page.append((lease.id, lease.payload))
    return page
