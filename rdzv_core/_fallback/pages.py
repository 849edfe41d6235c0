"""Slots, several of which share a register."""

from __future__ import annotations

from collections.abc import Callable

from rdzv_core._fallback.pace import CONTENTION_LIMIT, Life
from rdzv_core._fallback.record import Record
from rdzv_core._fallback.roll import Page, Slot
from rdzv_core.abc import Token

SLOTS = 8
"""In a page: with payloads of 4 KiB they fit into 256 KiB, and their refreshes seldom meet, even on a slow store."""


class SlotRecord:
    """A slot as if it had a register of its own: what it holds is its token, since no two of its records are equal.

    It remembers its page as it saw it last, so that a write takes one call where no neighbour wrote in between. Not
    thread-safe.
    """

    def __init__(self, number: int, page: Record[Page], life: Life) -> None:
        self._number = number
        self._page = page
        self._life = life
        self._seen: tuple[Page | None, Token | None] = (None, None)

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
            for _ in range(2):  # a refusal shows the page as it is: the next attempt comes without a pause
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

    @property
    def _there(self) -> Slot | None:
        return slot_in(self._seen[0], self._number)


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
            self._pages[place] = self._page_of(number).read()[0]
            self._answered()
        return slot_in(self._pages[place], number)


def slot_in(page: Page | None, number: int) -> Slot | None:
    """Return a slot of a page, None where there is none."""
    return None if page is None else page.slots.get(number)


def page_purpose(number: int) -> str:
    """Return the purpose of the register that has the slot of that number."""
    return f"members.{number // SLOTS}"
