"""In which page a node looks for a slot. No I/O."""

from __future__ import annotations

import itertools
import random
from collections import Counter

from rdzv_core._fallback.roll import SLOTS, Directory


class PageChoice:
    """The pages that a node tries that enters, one after the other.

    While fewer members are there than the run needs, many may enter at once: each tries one of as many pages as those
    that are missing will fill, drawn at random, so that few meet in one. After that the lowest one with a free slot
    comes first. Each page that turns out to be full makes it draw from twice as many. As long as there are no more
    members than the run takes, they are in no more pages than these fill.
    """

    def __init__(self, directory: Directory | None, least: int, most: int) -> None:
        self._members = Counter[int]() if directory is None else directory.members_by_page()
        self._within = _pages(most)
        self._spread = _pages(least - self._members.total())
        self._full: set[int] = set()

    def draw(self) -> int:
        """Return the number of the page to try."""
        free = (page for page in itertools.count() if self._members[page] < SLOTS and page not in self._full)
        lowest = next(free)
        others = itertools.takewhile(lambda page: page < self._within, free)
        return random.choice([lowest, *itertools.islice(others, self._spread - 1)])

    def was_full(self, page: int) -> None:
        """Take note of a page that had no free slot."""
        self._full.add(page)
        self._spread *= 2


def _pages(members: int) -> int:
    return max(1, -(-members // SLOTS))
