"""Slots, several of which share a register."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from rdzv_core._fallback.pace import CONTENTION_LIMIT, Life
from rdzv_core._fallback.record import Record
from rdzv_core._fallback.roll import SLOTS, Page, Slot
from rdzv_core.abc import Token

AT_ONCE = SLOTS
"""How often a page is tried without a pause: a refusal shows it as it is, and no more than so many write it at once."""


class SlotRecord:
    """A slot as if it had a register of its own: what it holds is its token, since no two of its records are equal.

    It remembers its page as it saw it last, so that a write takes one call where no neighbour wrote in between. Not
    thread-safe.
    """

    def __init__(
        self, number: int, page: Record[Page], life: Life, seen: tuple[Page | None, Token | None] = (None, None)
    ) -> None:
        self._number = number
        self._page = page
        self._life = life
        self._seen = seen

    def read(self) -> Slot | None:
        """Return what is there, None if there is nothing."""
        self._seen = self._page.read()
        return self._there

    def write(self, value: Slot, expected: Slot | None) -> tuple[bool, Slot | None]:
        """Write `value` if `expected` is there; return whether this write took effect, and what is there after it.

        Who writes a neighbouring slot at the same time costs another attempt, and changes nothing else.
        """
        if self._there != expected:
            self.read()
        for _ in self._life.attempts(CONTENTION_LIMIT):
            for _ in range(AT_ONCE):
                if self._there != expected:
                    return False, self._there
                if self._try(value):
                    return True, value
        raise AssertionError("attempts end by an error only")

    def _try(self, value: Slot) -> bool:
        page, token = self._seen
        won, there, current = self._page.write((page or Page({})).with_slot(self._number, value), token)
        self._seen = (there, current)
        return won

    def waiting(self) -> dict[int, Slot]:
        """Return the slots of its page whose members may still be entering, as the page was seen last."""
        page = self._seen[0]
        return {} if page is None else {number: slot for number, slot in page.slots.items() if slot.may_wait}

    @property
    def _there(self) -> Slot | None:
        return slot_in(self._seen[0], self._number)


class Taken(NamedTuple):
    """A slot that was just taken, in the page of that number, and who may have been entering there before."""

    page: int
    record: SlotRecord
    before: frozenset[str]


def take_slot(number: int, page: Record[Page], slot: Slot, life: Life) -> Taken | None:
    """Take a free slot of the page of that number for a new member; None if there is none.

    The page decides: a slot is taken by a compare-and-set from a page in which it was free, so nobody loses one.
    """
    there, token = page.read()
    for _ in life.attempts(CONTENTION_LIMIT):
        for _ in range(AT_ONCE):
            before = there or Page({})
            free = before.free_slot(number)
            if free is None:
                return None
            won, there, token = page.write(before.with_slot(free, slot), token)
            if won:
                others = frozenset(each.id for each in before.slots.values() if each.may_wait)
                return Taken(number, SlotRecord(free, page, life, (there, token)), others)
    raise AssertionError("attempts end by an error only")


class PageReader:
    """Reads pages, each once: what a look needs of them. `answered` is called after each read."""

    def __init__(self, page_of: Callable[[int], Record[Page]], answered: Callable[[], None]) -> None:
        self._page_of = page_of
        self._answered = answered
        self._pages: dict[int, Page | None] = {}

    def slot(self, number: int) -> Slot | None:
        """Return what a slot holds."""
        place = number // SLOTS
        if place not in self._pages:
            self._pages[place] = self._page_of(place).read()[0]
            self._answered()
        return slot_in(self._pages[place], number)

    def slots(self) -> Iterator[tuple[int, Slot]]:
        """Yield every slot of the pages that were read, by number."""
        for page in self._pages.values():
            yield from () if page is None else page.slots.items()


def slot_in(page: Page | None, number: int) -> Slot | None:
    """Return a slot of a page, None where there is none."""
    return None if page is None else page.slots.get(number)


def page_purpose(page: int) -> str:
    """Return the purpose of the register that holds the page of that number."""
    return f"members.{page}"
