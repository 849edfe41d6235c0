"""Membership on a backend that has registers and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable

from rdzv_core import clock
from rdzv_core._errors import RendezvousConnectionError
from rdzv_core._fallback.entering import Entrance
from rdzv_core._fallback.lease import RegisterLease
from rdzv_core._fallback.observer import Observer
from rdzv_core._fallback.pace import CONTENTION_LIMIT, Life
from rdzv_core._fallback.registers import Registers
from rdzv_core._fallback.roll import Slot
from rdzv_core.abc import MemberLease, MembersView, RendezvousBackend, SupportsMembership, Token
from rdzv_core.validation import checked_payload, checked_ttl

LOOKS_EVERY = 4
"""Who waits for a change reads the pages every so many times, and in between the directory alone."""


class RegisterMembership(SupportsMembership):
    """`SupportsMembership` built on sibling registers; `close` releases them and leaves the backend open.

    Safe because the member's own slot decides: a refresh and an eviction are compare-and-sets of the same register, so
    exactly one of them takes effect. A slot is taken by a compare-and-set from a page in which it was free, and is free
    again only when it says that its member is gone: so it is never taken from a member that is there. It is taken
    before the directory lists the member, and every look reads the directory first: so whoever is listed, and is not in
    its slot, is gone for good, and its entry may go. Who writes the entry does not matter, nor when.

    - `enter`: one write of a page, and of the directory one for all who enter in that page at the same time. Three
      reads, more where many enter at once (see `Entrance`).
    - `refresh`, `update`: one read of some 60 bytes and one write of a page, which has at most eight members' payloads;
      one more for each neighbour that writes at that moment. Neither depends on how many members there are.
    - `members`, `count`: reads the directory, some 60 bytes a member, and all pages; `first` as many pages as it takes.
      `wait_members` does so again and again, from 1 ms up to 250 ms apart, and three of four times reads the directory
      alone; only a node that has to know should wait.

    A member is ended by an observer that saw no refresh for its ttl; without an observer it stays. Several thousand
    members fill the directory: `enter` is a `ValueError` then.

    A store that lost the directory, but not the slots, must not leave members behind that keep refreshing where no
    observer looks. So a node that founds a directory first writes its incarnation into the small *incarnation record*,
    and every refresh reads that: if it is another one, the member looks for itself in the directory.
    """

    def __init__(self, backend: RendezvousBackend, now: Callable[[], float] = clock.now) -> None:
        self._life = Life(f"the membership on registers of backend {backend.name!r}")
        self._registers = Registers(backend, self._life)
        self._entrance = Entrance(self._registers, self._life, now)
        self._observer = Observer(self._registers, self._life, now)

    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        payload, ttl = checked_payload(payload), checked_ttl(ttl)
        return self._entrance.enter(payload, ttl)

    def update(self, member: MemberLease, payload: bytes) -> bool:
        return self._renew(member, checked_payload(payload))

    def refresh(self, member: MemberLease) -> bool:
        return self._renew(member, None)

    def _renew(self, member: MemberLease, payload: bytes | None) -> bool:
        self._life.check()
        lease = _own(member)
        # Drawn before the lock is waited for: whichever thread gets it first, the update that began last stays.
        sequence = None if payload is None else lease.next_sequence()
        with lease.lock:
            if not lease.ended and not self._is_listed(lease):
                lease.ended = True
                lease.write(Slot.ended, self._life)  # so that its slot is free: no observer reads it any more
            elif not lease.ended:
                lease.ended = not lease.write(lambda slot: slot.advanced(sequence, payload), self._life)
            return not lease.ended

    def _is_listed(self, lease: RegisterLease) -> bool:
        record, hint = self._registers.incarnation.read()
        if record is not None and (record.incarnation == lease.incarnation or hint == lease.hint):
            return True
        directory, _ = self._registers.directory.read()
        lease.hint = hint
        return directory is not None and directory.incarnation == lease.incarnation and directory.lists(lease.id)

    def leave(self, member: MemberLease) -> None:
        self._life.check()
        lease = _own(member)
        with lease.lock:
            lease.ended = True
            if lease.left:
                return
            lease.write(Slot.ended, self._life)
            lease.left = True
            try:
                self._drop(lease.id)
            except RendezvousConnectionError:
                self._life.check()  # it has left all the same: the next observer sees that, and drops the entry

    def _drop(self, member: str) -> None:
        # A few attempts will do: an entry whose slot says gone is not shown, and the next observer drops it.
        for attempt in self._life.attempts(CONTENTION_LIMIT):
            directory, token = self._registers.directory.read()
            if directory is None or not directory.lists(member) or attempt > 5:
                return
            if self._registers.directory.write(directory.without([member]), token)[0]:
                return

    def members(self) -> MembersView:
        return self._observer.look()

    def first(self, k: int) -> MembersView:
        return self._observer.look(max(k, 0))

    def count(self) -> int:
        return len(self.members().members)

    def wait_members(self, version: Token | None, timeout: float) -> bool:
        self._life.check()
        for number, last in enumerate(self._life.looks(time.monotonic() + timeout, self._longest_pause), 1):
            thorough = last or number % LOOKS_EVERY == 0
            if version is None or (self._differs(version) if thorough else self._observer.glance(version)):
                return True
        return False

    def _longest_pause(self) -> float:
        """Return what is short enough for the shortest lease: an observer that looks rarely ends none."""
        return self._observer.shortest_ttl / (4 * LOOKS_EVERY)

    def _differs(self, version: Token) -> bool:
        return self._observer.look().version != version

    def close(self) -> None:
        """Close the registers that were made for it; ends other threads' waits. Idempotent."""
        self._registers.close()

    def __repr__(self) -> str:
        return f"<RegisterMembership on {self._registers.backend!r}>"


def _own(member: MemberLease) -> RegisterLease:
    if not isinstance(member, RegisterLease):
        raise TypeError(f"{member!r} was not entered here: it belongs to another membership")
    return member
