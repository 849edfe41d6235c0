"""The handler's state machine on the simulator: its promises hold, and every rule of the protocol is needed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from rdzv_conformance.simulation import Scenario, SimStore, Violation, simulate

from rdzv_core.abc import MembersView
from rdzv_core.handler import io
from rdzv_core.handler.head import Announcement, Departure, Head, decode_announcement
from rdzv_core.handler.info import Change
from rdzv_core.handler.leader import Proposal
from rdzv_core.handler.machine import Goal, Machine
from rdzv_core.handler.rules import Rules, Situation

CLOSING = Scenario(seed=0, faults=("close", "cut", "fail", "stall"), fault_every=3.0, loss=0.1)


@pytest.mark.parametrize("block", range(6))
def test_D8_every_promise_holds_under_all_faults(block: int) -> None:
    """D8: crashes, stalls, partitions, late comers, wiped stores: never two groups, and all who live meet again."""
    rounds = [simulate(Scenario(seed=seed)).rounds for seed in range(block * 10, block * 10 + 10)]
    assert sum(rounds) > 20


def test_D8_a_closed_run_stays_closed_under_faults() -> None:
    """D8: whoever writes late, nobody brings a closed run back."""
    for seed in range(40):
        simulate(dataclasses.replace(CLOSING, seed=seed))


def test_E13_clocks_that_differ_by_days_and_drift_change_nothing() -> None:
    """E13: every simulated node has a clock of its own, up to 11 days off, and none is ever compared with another."""
    result = simulate(Scenario(seed=3, faults=("late",), loss=0.0))
    assert result.rounds >= 1
    assert not any("FENCED" in line for line in result.trace)


def test_the_same_seed_gives_the_same_run() -> None:
    """A failure can be seen again from its seed alone."""
    assert simulate(Scenario(seed=7)).trace == simulate(Scenario(seed=7)).trace


class AskIsABoolean(Rules):
    """A member of the last roster asks as soon as it says that it asked for anything."""

    def is_asking(self, says: Announcement, head: Head, seated: bool) -> bool:
        return says.ask is not None and says.ask.epoch == head.epoch


class NeverFenced(Rules):
    """A node goes on working however long its lease has not been renewed."""

    def is_fenced(self, now: float, sent: float, ttl: float) -> bool:
        return False


class LeaseRunsFromTheAnswer(Rules):
    """A lease is believed in for twice as long as it lasts."""

    def is_fenced(self, now: float, sent: float, ttl: float) -> bool:
        return now >= sent + 2 * ttl


class NoFenceDelay(Rules):
    """A roster that drops an expired member does not wait for its work to stop."""

    def needs_fence(self, departure: Departure) -> bool:
        return False


class SparesWake(Rules):
    """Whoever waits counts, though there is no place."""

    def admissible(self, head: Head, occupied: int, waiting: int) -> int:
        return waiting


class AbsenceIsDeath(Rules):
    """After the store lost its memberships, everybody who has not come back at once is gone."""

    def is_gone_for_good(self, head: Head, view: MembersView, settled: bool) -> bool:
        return True


class ForeignersAreIgnored(Rules):
    """A live member that works in a round which the register lost does not block."""

    def is_foreign(self, says: Announcement, head: Head, seated: bool) -> bool:
        return False


class NobodyIsAwaited(Rules):
    """A round forms without those of the last one who still work."""

    def may_follow(self, situation: Situation) -> bool:
        return True


class ReentersSilently(Machine):
    """A membership that has ended is forgotten without stopping the work."""

    def _end_membership(self, why: str) -> None:
        if self.goal is Goal.WORK:
            self._forget_membership()
        else:
            super()._end_membership(why)


class EdgeTriggered(Machine):
    """What changes in the second in which the job sets itself up is not reported when it begins to wait."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.joined_at: float | None = None
        self.missed: Change | None = None

    def _plan(self, now: float) -> None:
        super()._plan(now)
        if self.held is None:
            self.joined_at = self.missed = None
        else:
            self.joined_at = self.joined_at or now
            if now < self.joined_at + 1.0:
                self.missed = super().change()

    def change(self) -> Change | None:
        present = super().change()
        return None if present == self.missed else present


class DecidesOnAnOldView(Machine):
    """A roster is written on memberships that were read before the token."""

    def _lead(self, now: float) -> Proposal | None:
        self.known.view_based_on = self.known.token
        return super()._lead(now)


class ResendsRefusedWrites(Machine):
    """A refused write is sent again with the new token."""

    def done(self, operation: io.Operation, result: Any, now: float) -> None:
        super().done(operation, result, now)
        if isinstance(operation, io.WriteHead) and result is not None and not result[2]:
            queued = self.channels.operations
            self.channels.operations = [one for one in queued if not isinstance(one, io.WriteHead)]
            self.channels.start(io.WriteHead(now, operation.head, result[1]))


class IdsAreNames(SimStore):
    """A member's id is its node's name."""

    def new_id(self, payload: bytes) -> str:
        says = decode_announcement(payload)
        assert says is not None
        return says.node.ljust(32, "0")


def _seeds_until_caught(scenario: Scenario, most: int, **changed: Any) -> str:
    for seed in range(most):
        try:
            simulate(dataclasses.replace(scenario, seed=seed), **changed)
        except Violation as violation:
            return str(violation).splitlines()[0]
    pytest.fail(f"{changed} survived {most} seeds: the rule is not tested, or not needed")


STORM = Scenario(seed=0)
WIPES = Scenario(seed=0, faults=("lose_state", "cut", "late", "fail"), fault_every=4.0)
FORGETS = Scenario(seed=0, faults=("lose_members", "cut", "fail"), fault_every=4.0)
CROWD = Scenario(seed=0, nodes=7, max_nodes=4, faults=("fail", "crash"))
CUTS = Scenario(seed=0, faults=("cut", "crash", "fail"), fault_every=3.0)

MUTANTS: dict[str, tuple[Scenario, dict[str, Any], str]] = {
    "ask is a boolean": (STORM, {"rules": AskIsABoolean()}, ""),
    "never fenced": (CUTS, {"rules": NeverFenced()}, "two groups"),
    "lease believed in for too long": (CUTS, {"rules": LeaseRunsFromTheAnswer()}, "two groups"),
    "no fence delay": (CUTS, {"rules": NoFenceDelay()}, "two groups"),
    "spares wake": (CROWD, {"rules": SparesWake()}, "settle"),
    "absence is death": (FORGETS, {"rules": AbsenceIsDeath()}, "two groups"),
    "foreigners are ignored": (WIPES, {"rules": ForeignersAreIgnored()}, "two groups"),
    "nobody is awaited": (STORM, {"rules": NobodyIsAwaited()}, "two groups"),
    "re-enters silently": (FORGETS, {"machine": ReentersSilently}, ""),
    "edge-triggered": (STORM, {"machine": EdgeTriggered}, ""),
    "decides on an old view": (STORM, {"machine": DecidesOnAnOldView}, ""),
    "re-sends refused writes": (CLOSING, {"machine": ResendsRefusedWrites}, ""),
    "ids are names": (STORM, {"store": IdsAreNames}, ""),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_without_a_rule_the_simulation_breaks_a_promise(name: str) -> None:
    """Every rule of the protocol, taken away, is missed: two groups, a hang, or rounds without end."""
    scenario, changed, expected = MUTANTS[name]
    assert expected in _seeds_until_caught(scenario, 150, **changed)
