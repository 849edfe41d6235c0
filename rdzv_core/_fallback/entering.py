"""How a node becomes a member on registers: it takes a slot, and gets listed."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TypeAlias

from rdzv_core._fallback.lease import RegisterLease
from rdzv_core._fallback.pace import CONTENTION_LIMIT, Life
from rdzv_core._fallback.page_choice import PageChoice
from rdzv_core._fallback.pages import Taken, take_slot
from rdzv_core._fallback.registers import Registers
from rdzv_core._fallback.roll import Directory, Entry, Incarnation, Slot
from rdzv_core.abc import RendezvousBackend, Token
from rdzv_core.abc._backend import params_of

Seen: TypeAlias = tuple[Directory | None, Token | None]
"""The directory as it was seen, and its token."""

COURTESY = 8
"""How often a node looks whether those who were in its page before it have had it listed, before it does so itself."""


class Entrance:
    """Enters members. Many that enter at once cost a write of their page each, and a write of the directory a page.

    A node takes a slot of a page (see `PageChoice`). Whoever finds nobody else entering in its page has itself listed,
    and in the same write all that have come into the page since: these wait for that for a moment.

    It lists nobody whom it has found there: such a member may have died long ago while it entered. One that came after
    it was alive less than `ttl / 2` ago, or is not listed by it.
    """

    def __init__(self, registers: Registers, life: Life, now: Callable[[], float]) -> None:
        self._registers = registers
        self._life = life
        self._now = now
        self._least, self._most = _size_of(registers.backend)

    def enter(self, payload: bytes, ttl: float) -> RegisterLease:
        """Return the lease of a new member; raises what the backend raises."""
        for _ in self._life.attempts(CONTENTION_LIMIT):
            lease = self._try_to_enter(payload, ttl)
            if lease is not None:
                return lease
        raise AssertionError("attempts end by an error only")

    def _try_to_enter(self, payload: bytes, ttl: float) -> RegisterLease | None:
        begun = self._now()
        directory, token = self._registers.directory.read()
        slot = Slot(secrets.token_hex(16), payload=payload, ttl=ttl)
        taken = self._take(slot, directory)
        try:
            incarnation = self._get_listed(taken, slot, (directory, token), begun)
        except ValueError:  # the directory is full
            taken.record.write(slot.ended(), slot)
            raise
        if incarnation is None:
            return None
        lease = RegisterLease(ttl, incarnation, taken.record, slot)
        # Where it took so long that an observer may have ended it, its slot can tell.
        alive = self._now() - begun < ttl / 2 or lease.write(lambda there: there.advanced(None, None), self._life)
        return lease if alive else None

    def _take(self, slot: Slot, directory: Directory | None) -> Taken:
        choice = PageChoice(directory, self._least, self._most)
        while True:
            page = choice.draw()
            taken = take_slot(page, self._registers.page(page), slot, self._life)
            if taken is not None:
                return taken
            choice.was_full(page)

    def _get_listed(self, taken: Taken, slot: Slot, seen: Seen, begun: float) -> str | None:
        """Return the incarnation of the directory that lists the member, None if that was ended meanwhile.

        The first attempt needs no read: it builds on the directory as it was before the slot was taken, and on the page
        as this node has written it.
        """
        directory, token = seen
        for attempt in self._life.attempts(CONTENTION_LIMIT):
            if attempt > 1:
                directory, token = self._registers.directory.read()
            if directory is None or not directory.lists(slot.id):
                if attempt <= COURTESY and _others_come_first(taken, directory):
                    continue
                if attempt > 1 and taken.record.read() != slot:
                    return None
                directory, token = self._list(self._entering(taken, slot, begun), taken.page, (directory, token))
            if directory is not None and directory.lists(slot.id):
                return directory.incarnation
        raise AssertionError("attempts end by an error only")

    def _entering(self, taken: Taken, slot: Slot, begun: float) -> list[Entry]:
        """Return the entries of the member and of those who have come into its page since."""
        age = self._now() - begun
        return [
            Entry(number, there.id)
            for number, there in taken.record.waiting().items()
            if there == slot or (there.id not in taken.before and age < there.ttl / 2)
        ]

    def _list(self, entries: list[Entry], page: int, seen: Seen) -> Seen:
        """Write the directory with `entries`, if it is as it was seen, and return it as it is then."""
        directory, token = seen
        if directory is None:
            # The incarnation record comes before the directory, so that one founded later is noticed; and it is read
            # before that is found missing, so that of those who found one at the same time few write the record.
            hint = self._registers.incarnation.read()[1]
            directory, token = self._registers.directory.read()
            if directory is not None:
                return directory, token
            directory = Directory(secrets.token_hex(16))
            if not self._registers.incarnation.write(Incarnation(directory.incarnation), hint)[0]:
                return self._registers.directory.read()
        _, directory, token = self._registers.directory.write(directory.with_entries(entries, page + 1), token)
        return directory, token


def _others_come_first(taken: Taken, directory: Directory | None) -> bool:
    return any(directory is None or not directory.lists(member) for member in taken.before)


def _size_of(backend: RendezvousBackend) -> tuple[int, int]:
    """Return how many members the run needs, and takes; one where the backend does not know."""
    params = params_of(backend)
    return (1, 1) if params is None else (params.min_nodes, params.max_nodes)
