"""One node: the real state machine, clocks that drift and jump, and a job that stops when it is told to."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from rdzv_core import RendezvousClosedError, RendezvousGracefulExitError
from rdzv_core._handler import operations
from rdzv_core._handler.head import INLINE_ROSTER_BYTES, DepartureKind
from rdzv_core._handler.info import ChangeReason
from rdzv_core._handler.machine import Machine
from rdzv_core._handler.operations import Assignment
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.settings import HandlerSettings
from rdzv_simulation._check import Checker, Violation
from rdzv_simulation._network import Network
from rdzv_simulation._world import World

_OVERDUE_PAUSE = 0.05
_ASKS_AGAIN_AFTER = 1.0
_DISREGARDED = (ChangeReason.WAITING, ChangeReason.ASKED, ChangeReason.LOST)
"""What a job that is stuck does not stop for; whatever else a node is told, its job is killed."""

_SLOWEST, _FASTEST = 0.9755, 1.0245
"""A node's clock against the true time: no two differ by more than the 5 % that are promised for."""


class Host(Protocol):
    """What a node stands on."""

    world: World
    network: Network
    checker: Checker
    settings: HandlerSettings
    rules: Rules
    machine: type[Machine]
    stop_time: float

    def over(self, node: Node) -> None:
        """Take note that a node's process has ended of its own accord: it left, was done, or was told CLOSED."""

    def failed(self, node: Node, error: Exception) -> None:
        """Take note that a node's join has failed."""


class Node:
    """A process of the job. Its work takes up to `stop_time` seconds to stop once it was told."""

    def __init__(self, name: str, host: Host, chance: random.Random, node_id: str = "") -> None:
        self.name, self.node_id, self.host = name, node_id or name, host
        self.alive = True
        self.stalled = self.thawed_late = self.stopping = self.leaving = self.closing = False
        self.working: Assignment | None = None
        self._member = ""
        self._stuck_until = -1.0
        self.born = host.world.time
        self.wall = chance.uniform(1e6, 2e6)
        self._chance = chance
        self._world, self._network, self._checker = host.world, host.network, host.checker
        self._rate = chance.uniform(_SLOWEST, _FASTEST)
        self._offset = chance.uniform(0, 1e6) - self._world.time * self._rate
        self._inbox: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._tick_at = float("inf")
        settings = replace(host.settings, node_id=self.node_id, address=name)
        inline = chance.choice((0, INLINE_ROSTER_BYTES))
        own = random.Random(chance.getrandbits(64))
        self.machine = host.machine(settings, host.rules, random=own, inline_roster_bytes=inline)
        self._deliver(self.machine.ask)

    @property
    def now(self) -> float:
        """This node's own clock: it drifts, and never jumps."""
        return self._offset + self._world.time * self._rate

    @property
    def wall_clock(self) -> float:
        """What a time of day would be: it jumps. The protocol never reads it; a mutant does."""
        return self._world.time + self.wall

    # What is done to it

    def crash(self) -> None:
        """Kill it."""
        self._world.note(f"{self.name} is killed")
        self.alive = False
        self._checker.stops(self.name)

    def stall(self, seconds: float, why: str = "") -> None:
        """Freeze it: nothing that reaches it is taken in before it thaws."""
        if not self.stalled:
            self._world.note(f"{self.name} freezes for {seconds:.1f} s {why}")
            self.stalled = True
            self._checker.stops(self.name)
            self._world.later(seconds, self._thaw)

    def drift(self, share: float) -> None:
        """Let its clock run at another rate from now on; `share` of the way from the slowest to the fastest."""
        now = self.now
        self._rate = _SLOWEST + share * (_FASTEST - _SLOWEST)
        self._offset = now - self._world.time * self._rate
        self._tick_at = float("inf")
        self._schedule_tick()

    def clock_jumped(self) -> None:
        """Take note that the time of day has jumped: nothing follows from it."""

    def work_ends(self, how: str) -> None:
        """Let its work fail or be over, so that it asks again of its own accord; `how` is for the trace."""
        free = self.alive and not self.stopping and not self.leaving and not self.stalled
        if free and self.working is not None:
            self._world.note(f"{self.name}: its work {how}")
            self._stop_work()

    def get_stuck(self, seconds: float) -> None:
        """Let its job not stop for so long, whatever it is told, but where the lease is over: then it is killed."""
        self._world.note(f"{self.name}: its job will not stop for {seconds:.1f} s")
        self._stuck_until = self._world.time + seconds
        self._world.later(seconds, self._deliver, self.machine.tick)

    def depart(self, kind: DepartureKind) -> None:
        """Let it leave or finish."""
        if self.leaving or self.stopping or self.stalled:
            return
        self._world.note(f"{self.name}: {kind}")
        self._set_work(None)
        self.leaving = True
        self._member = self.machine.lease_keeper.id
        self._deliver(self.machine.depart, kind)

    def close(self) -> None:
        """Let it close the run."""
        self._world.note(f"{self.name} closes the run")
        self.closing = True
        self._deliver(self.machine.close)

    # What the network brings

    def answered(self, operation: operations.Operation, result: Any) -> None:
        """Hand the result of an operation to the machine."""
        self._deliver(self.machine.done, operation, result)

    def failed(self, operation: operations.Operation, error: Exception) -> None:
        """Hand an operation's error to the machine."""
        self._deliver(self.machine.failed, operation, error)

    def _deliver(self, event: Callable[..., None], *arguments: Any) -> None:
        if not self.alive:
            return
        if self.stalled:
            self._inbox.append((event, arguments))
            return
        now = self.now
        try:
            event(*arguments, now)
        except Violation:
            raise
        except Exception as error:
            raise Violation("I14", f"{self.name}: {type(error).__name__}: {error}") from error
        self._after(now)

    def _after(self, now: float) -> None:
        machine = self.machine
        if machine.channels.operations:
            for operation in machine.take_operations():
                if type(operation) is operations.WriteHead and operation.head.incarnation and not operation.head.closed:
                    self._must_be_leased(now, "leads")
                self._network.carry(self, operation)
        if machine.outcomes:
            for outcome in machine.take_outcomes():
                self._take(outcome)
        if self.working is not None and not self.stopping:
            self._mind_change(now)
        at = machine.wake_at
        if at < self._tick_at:
            self._schedule_tick()

    def _must_be_leased(self, now: float, does: str) -> None:
        lease = self.machine.lease_keeper.lease
        if lease is None or now >= lease.sent + 0.9 * lease.ttl:
            since = "no lease" if lease is None else f"a lease of {now - lease.sent:.2f} s ago"
            raise Violation("I10", f"{self.name} {does} with {since}")

    def _take(self, outcome: operations.Outcome) -> None:
        if isinstance(outcome, operations.RoundJoined):
            held = outcome.held
            self._world.note(f"{self.name} joins {held.epoch[:4]}/{held.round} as {held.rank}")
            entry = self._network.store.members.get(held.member)
            self._checker.joined(held, None if entry is None else entry.payload)
            self._set_work(held)
        elif isinstance(outcome, operations.Failed) and not self.leaving:
            self._world.note(f"{self.name} fails to join: {type(outcome.error).__name__}")
            self.host.failed(self, outcome.error)
            if isinstance(outcome.error, (RendezvousClosedError, RendezvousGracefulExitError)):
                self._end()
            else:
                self._world.later(_ASKS_AGAIN_AFTER, self._deliver, self._ask_again)
        elif isinstance(outcome, operations.DepartureDone) and self.leaving:
            if outcome.kept:
                self._checker.let_go(self._member)
            self._world.later(self._chance.random(), self._network.store.end_early, self._member)
            self._end()
        elif isinstance(outcome, operations.Closed):
            self.closing = False

    def _end(self) -> None:
        self.alive = False
        self._set_work(None)
        self.host.over(self)

    def _mind_change(self, now: float) -> None:
        change = self.machine.change()
        if change is None:
            self._must_be_leased(now, "works")
            return
        if self._world.time < self._stuck_until and change.reason in _DISREGARDED:
            return
        self._world.note(f"{self.name} is told {change.reason.name}")
        if change.reason is ChangeReason.CLOSED:
            self._end()
        else:
            self._stop_work()

    def _stop_work(self) -> None:
        self.stopping = True
        share = self._chance.random()
        self._world.later(self.host.stop_time * share, self._deliver, self._ask_again)

    def _ask_again(self, now: float) -> None:
        if self.leaving:
            return
        self._set_work(None)
        self.stopping = self.thawed_late = False
        self.machine.ask(now)

    def _set_work(self, held: Assignment | None) -> None:
        self.working = held
        self._show_work()

    def _show_work(self) -> None:
        """Say what it works on at this moment. A frozen process works on nothing.

        One that thaws after its lease has ended is outside the promise until its work has stopped: no lease can stop
        it, which is what the fence is for.
        """
        if self.working is not None and self.alive and not self.stalled and not self.thawed_late:
            self._checker.begins(self.name, self.working)
        else:
            self._checker.stops(self.name)

    def _thaw(self) -> None:
        self.stalled = False
        if not self.alive:
            return
        inbox, self._inbox = self._inbox, []
        self._deliver(self.machine.tick)
        self.thawed_late = self.machine.fenced is not None
        self._show_work()
        for event, arguments in inbox:
            self._deliver(event, *arguments)

    def _schedule_tick(self) -> None:
        at = self._tick_at = self.machine.wake_at
        if at == float("inf"):
            return
        pause = (at - self.now) / self._rate
        self._world.later(pause + 1e-6 if pause > 0 else _OVERDUE_PAUSE, self._tick, at)

    def _tick(self, at: float) -> None:
        if self._tick_at != at:
            return
        self._tick_at = float("inf")
        if self.machine.wake_at > self.now:
            self._schedule_tick()
        else:
            self._deliver(self.machine.tick)
