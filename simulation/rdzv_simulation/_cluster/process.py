"""One process: the real state machine, clocks of its own, and what happens to it: it is killed, or stands still."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from rdzv_core._handler import operations
from rdzv_core._handler.head import INLINE_ROSTER_BYTES
from rdzv_core._handler.machine import Machine
from rdzv_core._handler.states import Joining
from rdzv_simulation._cluster.clock import Clock
from rdzv_simulation._cluster.environment import Environment
from rdzv_simulation._cluster.network import Network
from rdzv_simulation._cluster.observer import Observer
from rdzv_simulation._cluster.timeline import Timeline
from rdzv_simulation._invariants import Violation

_OVERDUE_PAUSE = 0.05


class Process:
    """Drives a machine by its own clock. What reaches it while it stands still is taken in when it thaws."""

    clock_type: ClassVar[type[Clock]] = Clock

    def __init__(self, name: str, environment: Environment, rng: random.Random, node_id: str = "") -> None:
        self.name: str = name
        self.node_id: str = node_id or name
        self.environment: Environment = environment
        self.rng: random.Random = rng
        self.timeline: Timeline = environment.timeline
        self.network: Network = environment.network
        self.observer: Observer = environment.observer
        self.alive: bool = True
        self.stalled: bool = False
        self.clock: Clock = self.clock_type(self.timeline, rng)
        self._inbox: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._tick_at = float("inf")
        settings = replace(environment.settings, node_id=self.node_id, address=name)
        inline = rng.choice((0, INLINE_ROSTER_BYTES))
        own = random.Random(rng.getrandbits(64))
        self.machine: Machine = environment.machine(settings, environment.rules, random=own, inline_roster_bytes=inline)

    @property
    def member(self) -> str:
        """The id of its membership; empty while it has none."""
        return self.machine.lease_keeper.id

    @property
    def waits(self) -> bool:
        """Whether it is a member that asks for a round."""
        return isinstance(self.machine.state, Joining) and bool(self.member)

    # What is done to it

    def crash(self) -> None:
        """Kill it."""
        self.timeline.note(f"{self.name} is killed")
        self.alive = False
        self.observer.stops_work(self.name)

    def stall(self, seconds: float, why: str = "") -> None:
        """Freeze it: nothing that reaches it is taken in before it thaws."""
        if not self.stalled:
            self.timeline.note(f"{self.name} freezes for {seconds:.1f} s {why}")
            self.stalled = True
            self.observer.stops_work(self.name)
            self.timeline.later(seconds, self._thaw)

    def drift(self, share: float) -> None:
        """Let its clock run at another rate from now on; `share` of the way from the slowest to the fastest."""
        self.clock.drift(share)
        self.reschedule_tick()

    def jump(self, seconds: float) -> None:
        """Let its time of day jump: nothing follows from it."""
        self.clock.jump(seconds)

    # What the network brings

    def answered(self, operation: operations.Operation, result: Any) -> None:
        """Hand the result of an operation to the machine."""
        self.deliver(self.machine.done, operation, result)

    def failed(self, operation: operations.Operation, error: Exception) -> None:
        """Hand an operation's error to the machine."""
        self.deliver(self.machine.failed, operation, error)

    def deliver(self, event: Callable[..., None], *arguments: Any) -> None:
        """Call `event` with the present time, or when it thaws; then carry out what the machine wants."""
        if not self.alive:
            return
        if self.stalled:
            self._inbox.append((event, arguments))
            return
        now = self.clock.now
        try:
            event(*arguments, now)
        except Violation:
            raise
        except Exception as error:
            raise Violation("I14", f"{self.name}: {type(error).__name__}: {error}") from error
        self.after(now)
        if self.machine.wake_at < self._tick_at:
            self._schedule_tick()

    def after(self, now: float) -> None:
        """Carry out what the machine wants."""
        raise NotImplementedError

    def thawed(self) -> None:
        """Take note that it goes on; what reached it meanwhile is still to be taken in."""

    def _thaw(self) -> None:
        self.stalled = False
        if not self.alive:
            return
        inbox, self._inbox = self._inbox, []
        self.deliver(self.machine.tick)
        self.thawed()
        for event, arguments in inbox:
            self.deliver(event, *arguments)

    # Its timer

    def reschedule_tick(self) -> None:
        """Set its timer again, because its clock has changed."""
        self._tick_at = float("inf")
        self._schedule_tick()

    def _schedule_tick(self) -> None:
        at = self._tick_at = self.machine.wake_at
        if at == float("inf"):
            return
        pause = (at - self.clock.now) / self.clock.rate
        self.timeline.later(pause + 1e-6 if pause > 0 else _OVERDUE_PAUSE, self._tick, at)

    def _tick(self, at: float) -> None:
        if self._tick_at != at:
            return
        self._tick_at = float("inf")
        if self.machine.wake_at > self.clock.now:
            self._schedule_tick()
        else:
            self.deliver(self.machine.tick)
