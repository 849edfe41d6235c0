"""What follows a storm: all who live meet, and stay together, also while the store alone is away for a while."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from rdzv_core import (
    RendezvousClosedError,
    RendezvousConfigurationError,
    RendezvousConnectionError,
    RendezvousTimeoutError,
)
from rdzv_core._handler.head import decode_head
from rdzv_core._handler.states import Joining
from rdzv_simulation._check import Violation
from rdzv_simulation._network import TIMEOUT
from rdzv_simulation._node import Node
from rdzv_simulation._plan import Fault, absences
from rdzv_simulation._scenario import LATE_COMERS

if TYPE_CHECKING:
    from rdzv_simulation._run import Run

_LIMIT = 60.0
_HANGS_AFTER = 25.0
"""Seconds of peace in which all must have met, and after which nobody may be timed out either."""

_QUIET = 2.0

_WITH_A_LONG_WAIT = 0.15
"""After which part of all phases nothing at all happens for longer than spares would wait for a place to get free."""


class Peace:
    """Lets a run be at peace: messages are soon, and nothing goes wrong but what a phase's absences plan."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._to_be_told: list[tuple[Node, str]] = []
        self._in_touch = TIMEOUT + 2 * run.settings.ttl + 1.0
        """Seconds of peace in which everybody hears of what was before, also by a wait whose answer was lost."""
        self._in_touch_at = self._calm_since = 0.0
        self.closed_by_hand = False

    def run(self) -> None:
        """Wait until all have met; raises `Violation`."""
        run = self._run
        run.world.note("PEACE")
        run.peaceful = True
        run.messages.begin(run.phase, stormy=False)
        run.network.cut_off.clear()
        run.network.mute.clear()
        run.network.slow.clear()
        run.network.ambush = run.store.slack = 0.0
        self._calm_since = max(run.down_until, run.world.time)
        self._in_touch_at = self._calm_since + self._in_touch
        run.until(self._calm_since)
        self._reset()
        run.people()
        self._meet()
        if self._is_settled():
            self._bear_absences()
            self._stand_by()

    def run_has_finished(self) -> None:
        """Take note of who waits at the end of a run that has finished: each has still to be told.

        Where somebody closes the run, nobody need know that all were done besides.
        """
        if self.closed_by_hand:
            return
        self._to_be_told = [(node, node.machine.lease_keeper.id) for node in self._alive() if _waits(node)]

    def forget_the_end(self) -> None:
        """Take note that the run begins anew, or is lost: an answer that is late may still say that it had finished.

        A closing by hand that has not reached the store yet will close the new epoch too.
        """
        self._to_be_told, self.closed_by_hand = [], any(node.closing for node in self._alive())

    def join_failed(self, node: Node, error: Exception) -> None:
        """Hold an error against I12, I18 and I19."""
        trouble = isinstance(error, RendezvousConnectionError) and not isinstance(error, RendezvousConfigurationError)
        if trouble:
            raise Violation("I19", f"{node.name} fails to join before its deadline: {error}")
        now, checker = self._run.world.time, self._run.checker
        if isinstance(error, RendezvousTimeoutError) and self._run.peaceful:
            if now > max(self._in_touch_at, checker.full_since + self._in_touch):
                raise Violation("I18", f"{node.name} is timed out beside a full round that works")
            if now > self._calm_since + _HANGS_AFTER and not self._has_twins() and not self._too_few():
                raise Violation("I12", f"{node.name} is timed out after {now - self._calm_since:.0f} s of peace")
        if isinstance(error, RendezvousClosedError) and (node, node.machine.lease_keeper.id) in self._to_be_told:
            raise Violation("I18", f"{node.name} waited when the run finished, and is told so by an error")

    def _meet(self) -> None:
        run = self._run
        self._calm_since = run.world.time
        since, rounds = None, 0
        while True:
            run.until(run.world.time + 0.25)
            if any(node.stalled for node in run.nodes.values() if node.alive):
                self._calm_since = run.world.time
            self._let_others_finish()
            problem = self._not_met()
            if problem or run.checker.rounds != rounds:
                since, rounds = None, run.checker.rounds
            if not problem:
                since = run.world.time if since is None else since
                if run.world.time >= since + _QUIET:
                    return
            if run.world.time > self._calm_since + _LIMIT:
                if untold := self._untold():
                    raise Violation("I18", f"{', '.join(untold)} waits on in a run that has finished")
                raise Violation("I12", problem or "rounds form without end, though nothing goes wrong")
            self._reset()

    def _reset(self) -> None:
        """Let an operator reset a run that is closed, once those who waited in it know that it has finished."""
        if not self._untold():
            self._run.reset(closed_only=True)

    def _untold(self) -> list[str]:
        return [node.name for node, _ in self._to_be_told if node.alive and not node.leaving and _waits(node)]

    def _let_others_finish(self) -> None:
        """A place of one who is done is not given to another: its round goes on until all are done."""
        for node in list(self._run.nodes.values()):
            if node.working is not None and (node.working.epoch, node.working.round) in self._run.finished:
                node.depart("done")

    def _alive(self) -> list[Node]:
        return [node for node in self._run.nodes.values() if node.alive and not node.leaving]

    def _is_settled(self) -> bool:
        """Whether nobody has anything to do but to go on: no round, no change and no node is still to come.

        Of two processes with one node id the one that waits may replace the other.
        """
        state = self._run.store.state
        if any(node.alive and (node.leaving or node.stalled) for node in self._run.nodes.values()):
            return False  # a process that goes is followed by a new one
        if state is None or self._run.starting or self._has_twins():
            return False
        head = decode_head(state)
        there = {(head.epoch, head.round)} == set(self._at_work().values())
        return there and not head.pending and not head.closed

    def _has_twins(self) -> bool:
        alive = self._alive()
        return len({node.node_id for node in alive}) < len(alive)

    def _too_few(self) -> bool:
        return len({node.node_id for node in self._alive()}) < self._run.settings.min_nodes

    def _not_met(self) -> str:
        run = self._run
        alive = self._alive()
        if run.starting or self._too_few():
            return "" if run.scenario.without else "there are too few nodes"
        at_work = [node for node in alive if node.working is not None and not node.stopping and not node.stalled]
        rounds = {(node.working.epoch, node.working.round) for node in at_work if node.working is not None}
        wanted = min(len({node.node_id for node in alive}), run.settings.max_nodes)
        if len(at_work) == wanted and len(rounds) == 1:
            return ""
        idle = ", ".join(node.name for node in alive if node not in at_work)
        return f"{len(at_work)} of {wanted} nodes work, in {len(rounds)} rounds; {idle or 'nobody'} not"

    # What must not change what they have met in

    def _bear_absences(self) -> None:
        """Let the store be away for as long as every lease covers, and hold who works then against I16."""
        run, scenario = self._run, self._run.scenario
        planned = absences(scenario.seed, run.phase, scenario.faults, scenario.keep)
        before = self._at_work()
        if not planned or not before:
            return
        self._in_touch_at = float("inf")
        for fault in planned:
            run.until(run.world.time + fault.at)
            run.note_struck(fault)
            self._absence(fault)
        run.until(run.world.time + _QUIET)
        self._in_touch_at = run.world.time + self._in_touch
        if before != self._at_work():
            raise Violation(
                "I16",
                f"the store was away {len(planned)} times: {_told(before)} before, {_told(self._at_work())} after",
            )

    def _absence(self, fault: Fault) -> None:
        run, share = self._run, fault.amount
        silent, lost = 7 * share % 1.0 < 0.3, 11 * share % 1.0 < 0.3
        seconds = run.settled.covered(silent) * share
        flaps = 1 if silent else 1 + int(2.999 * fault.who**2)
        if 13 * share % 1.0 < 0.4 and run.checker.full_since <= run.world.time:
            free = [name for name in LATE_COMERS if name not in run.nodes or not run.nodes[name].alive]
            for name in free[:1]:
                run.start(name, seconds * fault.who)
        for number in range(flaps):
            run.store_restarts(seconds / flaps * (1.0 if number == flaps - 1 else 0.9), silent, lost and not number)
            run.until(run.world.time + seconds / flaps + 1e-6)

    def _stand_by(self) -> None:
        """Let nothing happen for longer than a spare would wait for a place, were it not to stand by."""
        run = self._run
        own = random.Random(f"{run.scenario.seed}.{run.phase}.stand-by")
        if own.random() > _WITH_A_LONG_WAIT or run.settings.join_timeout > 20.0:
            return
        if run.world.time < run.network.stray_until + 2 * run.settings.ttl:
            return  # an entry whose sender gave up may come yet: a member that nobody is, until its lease ends
        before = self._at_work()
        run.until(run.world.time + run.settings.join_timeout + 2.0)
        if before != self._at_work():
            raise Violation("I12", f"without a reason {_told(before)} were followed by {_told(self._at_work())}")

    def _at_work(self) -> dict[str, tuple[str, int]]:
        return {
            node.name: (node.working.epoch, node.working.round)
            for node in self._alive()
            if node.working is not None and not node.stopping
        }


def _waits(node: Node) -> bool:
    return isinstance(node.machine.state, Joining) and bool(node.machine.lease_keeper.id)


def _told(working: dict[str, tuple[str, int]]) -> str:
    return ", ".join(f"{name} in {epoch[:4]}/{number}" for name, (epoch, number) in working.items()) or "nobody"
