"""One node: a process and the job that works on it, which stops when it is told to."""

from __future__ import annotations

import random
from collections.abc import Callable

from rdzv_core import RendezvousClosedError, RendezvousGracefulExitError
from rdzv_core._handler import operations
from rdzv_core._handler.head import DepartureKind
from rdzv_core._handler.info import ChangeReason
from rdzv_core._handler.operations import Assignment
from rdzv_simulation._cluster.environment import Environment
from rdzv_simulation._cluster.network import is_leaders_write
from rdzv_simulation._cluster.process import Process

_ASKS_AGAIN_AFTER = 1.0
_DISREGARDED = (ChangeReason.WAITING, ChangeReason.ASKED, ChangeReason.LOST)
"""What a job that is stuck does not stop for. Whatever else a node is told, its job is killed."""


class Node(Process):
    """A process of the job. `over` is called when it ends of its own accord: it left, was done, or was told CLOSED."""

    def __init__(
        self,
        name: str,
        environment: Environment,
        rng: random.Random,
        over: Callable[[Node], None],
        node_id: str = "",
    ) -> None:
        super().__init__(name, environment, rng, node_id)
        self.working: Assignment | None = None
        self.thawed_late: bool = False
        self.stopping: bool = False
        self.leaving: bool = False
        self.closing: bool = False
        self._over = over
        self._departing_member = ""
        self._stuck_until = -1.0
        self.deliver(self.machine.ask)

    @property
    def round(self) -> tuple[str, int] | None:
        """The epoch and round in which it works; None if it does not."""
        return None if self.working is None else (self.working.epoch, self.working.round)

    @property
    def stays(self) -> bool:
        """Whether it is alive and is not about to go."""
        return self.alive and not self.leaving

    @property
    def at_work(self) -> bool:
        """Whether it works, was not told to stop, and does not stand still."""
        return self.working is not None and not self.stopping and not self.stalled

    # What is done to its job

    def work_ends(self, how: str) -> None:
        """Let its work fail or be over, so that it asks again of its own accord; `how` is for the trace."""
        if self.stays and self.at_work:
            self.timeline.note(f"{self.name}: its work {how}")
            self.stop_work()

    def get_stuck(self, seconds: float) -> None:
        """Let its job not stop for so long, whatever it is told; where the lease is over it is killed all the same."""
        self.timeline.note(f"{self.name}: its job will not stop for {seconds:.1f} s")
        self._stuck_until = self.timeline.time + seconds
        self.timeline.later(seconds, self.deliver, self.machine.tick)

    def depart(self, kind: DepartureKind) -> None:
        """Let it leave or finish."""
        if self.leaving or self.stopping or self.stalled:
            return
        self.timeline.note(f"{self.name}: {kind}")
        self.set_work(None)
        self.leaving = True
        self._departing_member = self.member
        self.deliver(self.machine.depart, kind)

    def close(self) -> None:
        """Let it close the run."""
        self.timeline.note(f"{self.name} closes the run")
        self.closing = True
        self.deliver(self.machine.close)

    # What its machine wants

    def after(self, now: float) -> None:
        """Send operations, take outcomes, and tell the job if it has to stop."""
        machine = self.machine
        if machine.channels.operations:
            for operation in machine.take_operations():
                if is_leaders_write(operation) and not operation.head.closed:
                    self.observer.leads(self.name, machine.lease_keeper.lease, now)
                self.network.carry(self, operation)
        if machine.outcomes:
            for outcome in machine.take_outcomes():
                self._take(outcome)
        if self.working is not None and not self.stopping:
            self._look_for_change(self.working, now)

    def _take(self, outcome: operations.Outcome) -> None:
        if isinstance(outcome, operations.RoundJoined):
            held = outcome.held
            self.timeline.note(f"{self.name} joins {held.epoch[:4]}/{held.round} as {held.rank}")
            self.observer.joined(held, self.network.store.payload(held.member))
            self.set_work(held)
        elif isinstance(outcome, operations.Failed) and not self.leaving:
            self._join_failed(outcome.error)
        elif isinstance(outcome, operations.DepartureDone) and self.leaving:
            if outcome.kept:
                self.observer.goodbye_kept(self._departing_member)
            self.timeline.later(self.rng.random(), self.network.store.end_early, self._departing_member)
            self._end()
        elif isinstance(outcome, operations.Closed):
            self.closing = False

    def _join_failed(self, error: Exception) -> None:
        self.timeline.note(f"{self.name} fails to join: {type(error).__name__}")
        self.observer.join_failed(self.name, self.member, error)
        if isinstance(error, RendezvousClosedError | RendezvousGracefulExitError):
            self._end()
        else:
            self.timeline.later(_ASKS_AGAIN_AFTER, self.deliver, self.ask_again)

    def _end(self) -> None:
        self.alive = False
        self.set_work(None)
        self._over(self)

    def _look_for_change(self, held: Assignment, now: float) -> None:
        change = self.machine.change()
        if change is None:
            self.observer.works_on(self.name, self.machine.lease_keeper.lease, now)
            return
        if self.timeline.time < self._stuck_until and change.reason in _DISREGARDED:
            return
        self.timeline.note(f"{self.name} is told {change.reason.name}")
        self.observer.told_to_stop(self.name, held, change)
        if change.reason is ChangeReason.CLOSED:
            self._end()
        else:
            self.stop_work()

    # Its work

    def stop_work(self) -> None:
        """Stop within the time that this takes, then ask for the next round."""
        self.stopping = True
        share = self.rng.random()
        self.timeline.later(self.environment.stop_time * share, self.deliver, self.ask_again)

    def ask_again(self, now: float) -> None:
        """Have stopped, and ask for the next round."""
        if self.leaving:
            return
        self.set_work(None)
        self.stopping = self.thawed_late = False
        self.machine.ask(now)

    def set_work(self, held: Assignment | None) -> None:
        """Work in a round, or in none."""
        self.working = held
        self._report_work()

    def thawed(self) -> None:
        """Work on, unless the lease has ended meanwhile: then it is known to have thawed late."""
        self.thawed_late = self.machine.fenced is not None
        self._report_work()

    def _report_work(self) -> None:
        """Report what it works on at this moment. A frozen process works on nothing.

        One that thaws after its lease has ended is outside the promise until its work has stopped: no lease can stop
        it, which is what the fence is for.
        """
        if self.working is not None and self.alive and not self.stalled and not self.thawed_late:
            self.observer.begins_work(self.name, self.working)
        else:
            self.observer.stops_work(self.name)
