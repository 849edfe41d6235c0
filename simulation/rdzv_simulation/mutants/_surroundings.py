"""Mutants of what a node stands on: its store, its clock, its job."""

# ruff: noqa: ARG002 - where a rule is taken away, what it looked at is looked at no more

from __future__ import annotations

from rdzv_core._handler.head import decode_announcement
from rdzv_core.abc import SetStateResult
from rdzv_simulation._node import Node
from rdzv_simulation._store import SimStore


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


class TrustsTheWallClock(Node):
    """Leases and timers are counted by the time of day."""

    @property
    def now(self) -> float:
        return self.wall_clock

    def clock_jumped(self) -> None:
        self._tick_at = float("inf")
        self._schedule_tick()


class AsksWhileItWorks(Node):
    """A node asks for the next round before its work has stopped."""

    def _stop_work(self) -> None:
        self.stopping = True
        self._world.later(self.host.stop_time * self._chance.random(), self._set_work, None)
        self._world.later(0.0, self._deliver, self._ask)

    def _ask(self, now: float) -> None:
        self.stopping = self.thawed_late = False
        self.machine.ask(now)
