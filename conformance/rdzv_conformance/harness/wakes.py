"""How long a wait goes on after the change that ends it, and whether that is the time of a message or of a look."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Blamed
from rdzv_conformance.harness.threads import Running

AS_SOON = 0.5
ROUND_TRIPS = 5
"""What "as soon as" allows a wake-up: so many seconds, or so many times what a read takes."""
QUICK = (0.1,)
RESTED = (0.5, 1.75)
"""Seconds that pass after the first wait of a kind has begun, and after the second one, before the change is made."""
TRIES = {QUICK: (3, 6), RESTED: (1, 6)}
"""How many wake-ups are measured, and how many more of those that were late."""
LONG = 60.0
LOST_AFTER = 10.0
A_BEAT = 0.05

Wait = Callable[[float], object]


@dataclass
class Kind:
    """A change and the `call` that it ends, by `clause`: `arm` makes ready and gives the wait, given a timeout."""

    what: str
    call: str
    clause: str
    arm: Callable[[], Wait]
    change: Callable[[], object]
    took: list[float] = field(default_factory=list)


def allowed(round_trips: Sequence[float]) -> float:
    """Return the seconds that a wake-up may take where reads take these."""
    return max(AS_SOON, ROUND_TRIPS * statistics.median(round_trips))


def found_by_looks(took: Sequence[float], within: float) -> bool:
    """Return whether so few wake-ups came `within` the seconds allowed, under a quarter, that nobody was told.

    Whoever is told is late now and then, on a busy machine often; whoever looks is late nearly every time.
    """
    return sorted(took)[len(took) // 4] > within


class Wakes:
    """Measures wake-ups, one change at a time, beside what a read takes in the same time.

    A wait that is not told of a change, and looks every so often, is not to be lucky: it begins together with the
    others, and when another one was late the next change waits for a moment, until all have looked. The waits that
    rest are two, half a second apart, of which the later end counts: who looks less often the longer he waits is seen
    there, and no beat suits both.
    """

    def __init__(self, under_test: BackendUnderTest, read: Callable[[], object]) -> None:
        self._under_test, self._read = under_test, read
        self._reads: list[float] = []

    def judge(self, kinds: Sequence[Kind]) -> None:
        """Fail the clauses of the kinds of change that are not told of."""
        for pauses, (few, more) in TRIES.items():
            for kind in kinds:
                kind.took.clear()
            self._measure(kinds, pauses, few)
            late = [kind for kind in kinds if statistics.median(kind.took) > allowed(self._reads)]
            self._measure(late, pauses, more)
            self._tell([kind for kind in late if found_by_looks(kind.took, allowed(self._reads))], pauses)

    def allowed(self) -> float:
        """Return the seconds that a wake-up may take here, now."""
        self._reads.append(self._round_trip())
        return allowed(self._reads)

    def _measure(self, kinds: Sequence[Kind], pauses: Sequence[float], times: int) -> None:
        for _ in range(times if kinds else 0):
            self._reads.append(self._round_trip())
            waits = [kind.arm() for kind in kinds]
            began = time.monotonic()
            begun: list[list[Running[float]]] = [[] for _ in kinds]
            for pause in pauses:
                for wait, running in zip(waits, begun, strict=True):
                    running.append(Running(_until_it_ends, wait, self._under_test.paced(LONG)))
                time.sleep(pause)  # the waits have begun, and rest: nothing happens that could be awaited
            for kind, running in zip(kinds, begun, strict=True):
                if any(each.ended(0.0) for each in running):
                    told = f"{kind.call} has ended within {time.monotonic() - began:.1f} s, before {kind.what}"
                    raise Blamed(f"{told}: its timeout is {self._under_test.paced(LONG):.0f} s", (kind.clause,))
                kind.change()
                kind.took.append(self._ended(kind, running))
                time.sleep(min(kind.took[-1], A_BEAT))

    def _ended(self, kind: Kind, waits: Iterable[Running[float]]) -> float:
        made, limit = time.monotonic(), self._under_test.paced(LOST_AFTER)
        for each in waits:
            if not each.ended(max(0.0, made + limit - time.monotonic())):
                told = f"{kind.call} has not returned {limit:.0f} s after {kind.what}"
                raise Blamed(told, (kind.clause,))
        return max(0.0, *(each.result(0.0, "") - made for each in waits))

    def _tell(self, late: Sequence[Kind], pauses: Sequence[float]) -> None:
        if not late:
            return
        rest = "" if pauses == QUICK else f", where nothing had happened for {sum(pauses):.1f} s"
        told = [
            f"{kind.call} returned {listed(kind.took)} s after {kind.what}{rest}, in {len(kind.took)} tries"
            for kind in late
        ]
        raise Blamed(f"{'; '.join(told)}: {self.must()}", tuple(dict.fromkeys(kind.clause for kind in late)))

    def must(self) -> str:
        """Return what is asked for, in words."""
        return (
            f"it must within {allowed(self._reads):.2f} s (a read takes {statistics.median(self._reads) * 1000:.1f} ms "
            "here). A change must wake who waits, and not be found by a look every now and then"
        )

    def _round_trip(self) -> float:
        # On another thread, as a wait is: what the machine takes for that is in both.
        began = time.monotonic()
        limit = self._under_test.target.patience
        Running(self._read).result(limit, f"a read has not returned after {limit:.0f} s")
        return time.monotonic() - began


def listed(took: Iterable[float]) -> str:
    """Return seconds in words."""
    return ", ".join(f"{each:.2f}" for each in took)


def _until_it_ends(wait: Callable[[float], Any], timeout: float) -> float:
    wait(timeout)
    return time.monotonic()
