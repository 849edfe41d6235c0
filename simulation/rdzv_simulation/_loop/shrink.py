"""Makes a failing life small: takes away whatever it does not need to fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rdzv_simulation._cluster.parts import Parts
from rdzv_simulation._cluster.settings import GUESTS
from rdzv_simulation._invariants import Violation
from rdzv_simulation._loop.life import Life
from rdzv_simulation._loop.scenario import Scenario, phase_of

_MOST_REPLAYS = 600


@dataclass(frozen=True)
class Shrunk:
    """The smallest scenario found that breaks the same invariant, how it does, and how many decisions were taken away.

    `replays` says how many lives that took.
    """

    scenario: Scenario
    violation: Violation
    before: int
    after: int
    replays: int


def shrink(scenario: Scenario, parts: Parts | None = None, most: int = _MOST_REPLAYS) -> Shrunk | None:
    """Shrink a scenario that breaks an invariant; None if it breaks none. At most `most` lives are tried.

    First whole phases go, then faults and disturbed messages in ever smaller groups down to single ones, then nodes,
    and at last the differing delays.
    """
    life = Life(scenario, parts)
    try:
        life.live()
    except Violation as violation:
        return _Shrinker(scenario, parts, violation, most).shrink(life.decisions)
    return None


class _Shrinker:
    def __init__(self, scenario: Scenario, parts: Parts | None, violation: Violation, most: int) -> None:
        self._best, self._parts, self._most = scenario, parts, most
        self._number, self._replays = violation.number, 0

    def shrink(self, decisions: Sequence[str]) -> Shrunk:
        original = self._best
        kept = list(decisions)
        if self._fails(replace(original, keep=frozenset(kept))):
            kept = self._last_phases(kept)
            kept = self._fewer(kept)
            for node in sorted({*self._best.settings().hosts, *GUESTS}):
                self._fails(replace(self._best, without=self._best.without | {node}))
            self._fails(replace(self._best, calm=True))
            kept = self._fewer(kept)
        return Shrunk(self._best, self._told(), len(decisions), len(kept), self._replays)

    def _fails(self, scenario: Scenario) -> bool:
        """Try a scenario; the smallest that fails in the same way is kept."""
        if self._replays >= self._most:
            return False
        self._replays += 1
        try:
            Life(scenario, self._parts).live()
        except Violation as violation:
            if violation.number == self._number:
                self._best = scenario
                return True
        return False

    def _last_phases(self, kept: list[str]) -> list[str]:
        """Begin as late as it still fails."""
        phases = sorted({phase_of(name) for name in kept})
        for first in reversed(phases):
            fewer = [name for name in kept if phase_of(name) >= first]
            if len(fewer) < len(kept) and self._fails(replace(self._best, keep=frozenset(fewer))):
                return fewer
        return kept

    def _fewer(self, kept: list[str]) -> list[str]:
        """Take away groups, from half of all down to one, until every single one that is left is needed."""
        size = max(1, len(kept) // 2)
        while kept:
            before, at = len(kept), 0
            while at < len(kept):
                fewer = kept[:at] + kept[at + size :]
                if self._fails(replace(self._best, keep=frozenset(fewer))):
                    kept = fewer
                else:
                    at += size
            if size == 1 and len(kept) == before:
                break
            size = max(1, size // 2)
        return kept

    def _told(self) -> Violation:
        """Fail once more, with the disturbed messages in the trace."""
        try:
            Life(self._best, self._parts, tracing=1).live()
        except Violation as violation:
            return violation
        raise AssertionError(f"{self._best} failed before and does not now: the simulator is not deterministic")
