"""Whether this node has to meet again: the one question that torch's agent asks while its workers run."""

from __future__ import annotations

import logging

import rdzv_core
from rdzv_core import ChangeReason, clock

log = logging.getLogger("rdzv")

_MOST_LATE = 3
"""So many looks in a row, each later than the fence delay: one may be late because the machine was busy."""

_OUR_FAULT = frozenset({ChangeReason.FENCED, ChangeReason.STORE_LOST})


class Listening:
    """Answers from what the handler's threads have learned; says each change once."""

    def __init__(self, core: rdzv_core.RendezvousHandler) -> None:
        self._core = core
        self._round = 0
        self._told: ChangeReason | None = None
        self._looked_at: float | None = None
        self._late = 0

    def to_round(self, number: int) -> None:
        """Begin with a new round."""
        self._round, self._told, self._looked_at = number, None, None

    def must_meet_again(self) -> bool:
        """Return whether the round is over for this node; a closed run is not: its work goes on to its end."""
        self._mind_the_interval()
        change = self._core.wait_for_change(0.0)
        if change is None:
            return False
        if change.reason is not self._told:
            self._told = change.reason
            self._tell(change)
        return change.reason is not ChangeReason.CLOSED

    def _tell(self, change: rdzv_core.Change) -> None:
        what = f"run {self._core.get_run_id()!r}, round {self._round}: {change}"
        if change.reason is ChangeReason.CLOSED:
            log.warning("%s; the workers go on to their end", what)
        else:
            level = logging.WARNING if change.reason in _OUR_FAULT else logging.INFO
            log.log(level, "%s; the workers are stopped to meet again", what)

    def _mind_the_interval(self) -> None:
        """Warn, once, of a monitor interval longer than the time in which a fenced node's workers must have stopped."""
        now, before = clock.now(), self._looked_at
        self._looked_at = now
        delay = self._core.settings.fence_delay
        if before is None or self._late >= _MOST_LATE:
            return
        self._late = self._late + 1 if now - before > delay else 0
        if self._late == _MOST_LATE:
            log.warning(
                "torchrun looks after its workers every %.1f s (--monitor-interval), and fence_delay=%g is shorter: if "
                "this node loses its lease, its workers may still run when the others go on without them; give a "
                "shorter --monitor-interval, or a longer fence_delay",
                now - before,
                delay,
            )
