"""Mutants of what a node stands on: its store, its clock, its job."""

# ruff: noqa: ARG002 - where a rule is taken away, nothing looks at its arguments any more

from __future__ import annotations

from rdzv_core._handler.head import decode_announcement
from rdzv_core.abc import SetStateResult
from rdzv_simulation._cluster.clock import Clock
from rdzv_simulation._cluster.node import Node
from rdzv_simulation._cluster.store import SimStore


class IdsAreNames(SimStore):
    """A member's id is its node's name."""

    def new_id(self, payload: bytes) -> str:
        says = decode_announcement(payload)
        assert says is not None
        return says.node.ljust(32, "0")


class SkipsTheToken(SimStore):
    """The last write wins, whatever token it comes with."""

    def write(self, state: bytes, token: object, reset: bool = False) -> SetStateResult | None:
        return super().write(state, None if self.state is None else self.token, reset)


class ShortIncarnation(SimStore):
    """A store that lost the memberships does not say so."""

    def lose_members(self) -> None:
        self.incarnation -= 1
        super().lose_members()


class StoreForgetsLeases(SimStore):
    """A store that was restarted has the register, and has lost the memberships, and does not say so."""

    def come_back(self) -> None:
        if self.away == "refusing":
            self.incarnation -= 1
            self.lose_members()
        super().come_back()


class _TimeOfDay(Clock):
    @property
    def now(self) -> float:
        return self.time_of_day


class TrustsTheWallClock(Node):
    """Leases and timers are counted by the time of day."""

    clock_type = _TimeOfDay

    def jump(self, seconds: float) -> None:
        super().jump(seconds)
        self.reschedule_tick()


class AsksWhileItWorks(Node):
    """A node asks for the next round before its work has stopped."""

    def stop_work(self) -> None:
        self.stopping = True
        self.timeline.later(self.environment.stop_time * self.rng.random(), self.set_work, None)
        self.timeline.later(0.0, self.deliver, self._ask)

    def _ask(self, now: float) -> None:
        self.stopping = self.thawed_late = False
        self.machine.ask(now)
