"""Membership on a backend that has registers and nothing else."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable

from rdzv_core import clock
from rdzv_core._errors import RendezvousConnectionError
from rdzv_core._fallback.observer import Observer
from rdzv_core._fallback.pace import CONTENTION_LIMIT, Life
from rdzv_core._fallback.pages import SlotRecord
from rdzv_core._fallback.registers import Registers
from rdzv_core._fallback.roll import Directory, Entry, Incarnation, Slot
from rdzv_core.abc import MemberLease, MembersView, RendezvousBackend, SupportsMembership, Token
from rdzv_core.validation import checked_payload, checked_ttl

LOOKS_EVERY = 4
"""Who waits for a change reads the pages every so many times, and in between the directory alone."""


class RegisterLease(MemberLease):
    """A membership on registers: the member's slot, and what it was last seen to hold.

    `hint` is the token of the incarnation record as it was when the directory was last known to list this member.
    """

    def __init__(self, ttl: float, incarnation: str, record: SlotRecord, slot: Slot, hint: Token | None) -> None:
        super().__init__(ttl, incarnation, slot.id)
        self.lock = threading.Lock()
        self.record = record
        self.slot = slot
        self.hint = hint
        self.ended = False
        self.left = False

    def write(self, change: Callable[[Slot], Slot], life: Life) -> bool:
        """Change the slot's record, the lock being held; False if it no longer is this member's.

        Only this lease writes a record that holds this member, so an unexpected one is an earlier write of its own
        whose answer was lost: it is taken as it is, and built on.
        """
        for _ in life.attempts(CONTENTION_LIMIT):
            won, there = self.record.write(change(self.slot), self.slot)
            if there is None or not (won or there.holds(self.id)):
                return False
            self.slot = there
            if won:
                return True
        raise AssertionError("attempts end by an error only")


class RegisterMembership(SupportsMembership):
    """`SupportsMembership` built on sibling registers; `close` releases them and leaves the backend open.

    Safe because the member's own slot decides: a refresh and an eviction are compare-and-sets of the same register, so
    exactly one of them takes effect. An entry leaves the directory only after its slot says that the member is gone,
    and a slot is chosen, read, and taken in such an order that it is never taken from a member that is there.

    - `enter`: two writes (directory, slot) and three reads, more where several enter at once.
    - `refresh`, `update`: one read of some 60 bytes and one write of a page, which has at most eight members' payloads;
      a second one where a neighbour wrote since. Neither depends on how many members there are.
    - `members`, `count`: reads the directory, some 70 bytes a member, and all pages; `first` as many pages as it takes.
      `wait_members` does so again and again, from 1 ms up to 250 ms apart, and three of four times reads the directory
      alone; only a node that has to know should wait.

    A member is ended by an observer that saw no refresh for its ttl; without an observer it stays. Several thousand
    members fill the directory: `enter` is a `ValueError` then.

    A store that lost the directory, but not the slots, must not leave members behind that keep refreshing where no
    observer looks. So a node that founds a directory first writes the small *incarnation record*, and every refresh
    reads that: once it has changed, the member looks for itself in the directory.
    """

    def __init__(self, backend: RendezvousBackend, now: Callable[[], float] = clock.now) -> None:
        self._life = Life(f"the membership on registers of backend {backend.name!r}")
        self._registers = Registers(backend, self._life)
        self._observer = Observer(self._registers, self._life, now)

    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        payload, ttl = checked_payload(payload), checked_ttl(ttl)
        for _ in self._life.attempts(CONTENTION_LIMIT):
            lease = self._try_to_enter(payload, ttl)
            if lease is not None:
                return lease
        raise AssertionError("attempts end by an error only")

    def _try_to_enter(self, payload: bytes, ttl: float) -> RegisterLease | None:
        # The order matters. The incarnation record comes before the directory, so that one founded later is noticed.
        # The slot is read before its entry is written: had anybody taken, or been evicted from, this slot since, the
        # directory or the slot would have another token, and one of the two writes would be refused.
        registers = self._registers
        hint = registers.incarnation.read()[1]
        directory, token = registers.directory.read()
        for _ in range(2):  # a refusal shows the directory as it is: the next attempt comes without a pause
            if directory is None:
                won, _, hint = registers.incarnation.write(Incarnation(secrets.token_hex(16)), hint)
                if not won:
                    return None
                directory = Directory(secrets.token_hex(16))
            entry = Entry(directory.free_slot(), secrets.token_hex(16), ttl)
            record = registers.slot(entry.slot)
            before = record.read()
            won, there, token = registers.directory.write(directory.with_entry(entry), token)
            if won:
                slot = Slot(entry.id, payload=payload)
                # Refused: it was evicted on the way. The node that did that, or the next observer, drops the entry.
                taken = record.write(slot, before)[0]
                return RegisterLease(ttl, directory.incarnation, record, slot, hint) if taken else None
            directory = there
        return None

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
            if not lease.ended:
                lease.ended = not (
                    self._is_listed(lease) and lease.write(lambda slot: slot.advanced(sequence, payload), self._life)
                )
            return not lease.ended

    def _is_listed(self, lease: RegisterLease) -> bool:
        hint = self._registers.incarnation.read()[1]
        if hint is not None and hint == lease.hint:
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
            lease.write(lambda slot: Slot(slot.id, slot.seq, slot.beat, gone=True), self._life)
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
