"""One node: the real state machine, a clock that drifts, and a job that stops when it is told to."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from rdzv_conformance.simulation._network import Network
from rdzv_conformance.simulation._world import World
from rdzv_core import RendezvousClosedError
from rdzv_core.handler import io
from rdzv_core.handler.head import INLINE_ROSTER_BYTES, Bye
from rdzv_core.handler.info import ChangeReason
from rdzv_core.handler.io import Held
from rdzv_core.handler.machine import Machine
from rdzv_core.handler.rules import Rules
from rdzv_core.handler.settings import HandlerSettings

_OVERDUE_PAUSE = 0.05


class Node:
    """A process of the job. `stop_time` is what its work takes to stop once it was told."""

    def __init__(
        self,
        name: str,
        world: World,
        network: Network,
        settings: HandlerSettings,
        rules: Rules,
        stop_time: float,
        on_joined: Callable[[Held, float], None],
        machine: type[Machine] = Machine,
    ) -> None:
        self.name = name
        self.alive = True
        self.stalled = self.thawed_late = False
        self.job_done = False
        self.closed = False
        self.working: Held | None = None
        self.errors: list[Exception] = []
        self._world, self._network, self._stop_time, self._on_joined = world, network, stop_time, on_joined
        self._rate = world.random.uniform(0.99, 1.01)
        self._offset = world.random.uniform(0, 1e6)
        self._inbox: list[Callable[[], None]] = []
        self._stopping = False
        self._tick_at = float("inf")
        seed = random.Random(world.random.getrandbits(64))
        inline = world.random.choice((0, INLINE_ROSTER_BYTES))
        named = replace(settings, node_id=name, address=name)
        self.machine = machine(named, rules, random=seed, inline_roster_bytes=inline)
        self._deliver(lambda: self.machine.ask(self.now))

    @property
    def now(self) -> float:
        """This node's own clock."""
        return self._offset + self._world.time * self._rate

    @property
    def at_work(self) -> Held | None:
        """What it works on at this moment. A stalled process works on nothing.

        One that thaws after its lease has ended is outside the promise until its work has stopped: no lease can stop
        it, which is what the fence is for.
        """
        return self.working if self.alive and not self.stalled and not self.thawed_late else None

    def crash(self) -> None:
        """Kill it."""
        self._world.note(f"{self.name} crashes")
        self.alive = False

    def stall(self, seconds: float) -> None:
        """Freeze it: nothing that reaches it is taken in before it thaws."""
        self._world.note(f"{self.name} stalls for {seconds:.1f} s")
        self.stalled = True
        self._world.later(seconds, self._thaw)

    def worker_failed(self) -> None:
        """Let its work fail, so that it asks again of its own accord."""
        if self.working is not None and not self._stopping:
            self._world.note(f"{self.name}: its work fails")
            self._deliver(self._ask_again)

    def depart(self, kind: Bye) -> None:
        """Let it leave or finish."""
        if self.working is not None and not self._stopping:
            self._world.note(f"{self.name}: {kind}")
            self.working, self.job_done = None, True
            self._deliver(lambda: self.machine.depart(kind, self.now))

    def close(self) -> None:
        """Let it close the run."""
        self._world.note(f"{self.name} closes the run")
        self._deliver(lambda: self.machine.close(self.now))

    def _thaw(self) -> None:
        self.stalled = False
        if not self.alive:
            return
        inbox, self._inbox = self._inbox, []
        self._deliver(lambda: self.machine.tick(self.now))
        self.thawed_late = self.machine.fenced is not None
        for event in inbox:
            self._deliver(event)

    def _deliver(self, event: Callable[[], None]) -> None:
        if not self.alive:
            return
        if self.stalled:
            self._inbox.append(event)
            return
        event()
        self._after()

    def _after(self) -> None:
        machine = self.machine
        outcomes = machine.take_outcomes()
        for operation in machine.take_operations():
            self._send(operation)
        for outcome in outcomes:
            self._take(outcome)
        self._mind_change()
        self._schedule_tick()

    def _send(self, operation: io.Operation) -> None:
        def answer(result: object) -> None:
            if isinstance(result, Exception):
                fail(result)
            else:
                self._deliver(lambda: self.machine.done(operation, result, self.now))

        def fail(error: Exception) -> None:
            self._deliver(lambda: self.machine.failed(operation, error, self.now))

        self._network.carry(self.name, operation, answer, fail)

    def _take(self, outcome: io.Outcome) -> None:
        if isinstance(outcome, io.Joined):
            self._world.note(f"{self.name} joins {outcome.held.epoch[:4]}/{outcome.held.round} as {outcome.held.rank}")
            self.working = outcome.held
            self._on_joined(outcome.held, self._world.time)
        elif isinstance(outcome, io.Failed):
            self._world.note(f"{self.name} fails to join: {type(outcome.error).__name__}")
            self.errors.append(outcome.error)
            if isinstance(outcome.error, RendezvousClosedError):
                self.closed = True
            else:
                self._world.later(1.0, lambda: self._deliver(self._ask_again))

    def _mind_change(self) -> None:
        change = self.machine.change()
        if change is None or self.working is None or self._stopping:
            return
        self._world.note(f"{self.name} is told {change.reason.name}")
        if change.reason is ChangeReason.CLOSED:
            self.working, self.closed = None, True
            return
        self._stopping = True
        self._world.later(
            self._stop_time * self._world.random.uniform(0.1, 1.0), lambda: self._deliver(self._ask_again)
        )

    def _ask_again(self) -> None:
        self.working, self._stopping, self.thawed_late = None, False, False
        if not self.closed:
            self.machine.ask(self.now)

    def _schedule_tick(self) -> None:
        at = self.machine.wake_at
        if at >= self._tick_at or at == float("inf"):
            return
        self._tick_at = at
        pause = (at - self.now) / self._rate
        self._world.later(pause + 1e-6 if pause > 0 else _OVERDUE_PAUSE, lambda: self._tick(at))

    def _tick(self, at: float) -> None:
        if self._tick_at == at:
            self._tick_at = float("inf")
            self._deliver(lambda: self.machine.tick(self.now))
