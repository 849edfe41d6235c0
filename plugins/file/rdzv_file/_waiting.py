"""How long to sleep between two looks for a change."""

from __future__ import annotations

from collections.abc import Iterator

from rdzv_core.backoff import Backoff

_SHORTEST_NAP, _LONGEST_NAP = 0.001, 0.25


def naps() -> Iterator[float]:
    """Yield the seconds between looks: from 1 ms growing to 250 ms, each a little shorter at random; for ever."""
    pauses = Backoff(_SHORTEST_NAP, _LONGEST_NAP, factor=1.5, jitter=0.25)
    while True:
        yield pauses.next()
