"""The handler's state machine on the simulator: its promises hold under every fault, in every order tried here.

The whole proof, a million rounds, is `rdzv simulate`; that each rule is needed is shown by the simulator's mutants.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from msgspec.structs import replace
from rdzv_simulation import FAULTS, Scenario, simulate

import rdzv_core._handler
from rdzv_core._handler import operations
from rdzv_core._handler.head import Head, Seat, Terms, encode_head
from rdzv_core._handler.machine import Machine
from rdzv_core._handler.settings import HandlerSettings
from rdzv_core.abc import MemberLease, StateSnapshot

ROUNDS = 40


@pytest.mark.parametrize("strategy", ["random", "pct"])
@pytest.mark.parametrize("block", range(4))
def test_D8_every_promise_holds_under_all_faults(strategy: str, block: int) -> None:
    """D8: nodes and stores that crash, freeze, lose and forget: never two groups, and in peace all who live meet."""
    results = [simulate(Scenario(seed, ROUNDS, strategy=strategy)) for seed in range(block * 5, block * 5 + 5)]
    assert sum(result.rounds for result in results) >= 5 * ROUNDS


def test_every_kind_of_fault_strikes() -> None:
    """No fault is only said to be on."""
    struck = dict.fromkeys((*FAULTS, "pct"), 0)
    for seed in range(200, 212):
        for kind, count in simulate(Scenario(seed, ROUNDS)).faults.items():
            struck[kind] += count
    assert not [kind for kind, count in struck.items() if not count]


def test_D8_a_closed_run_stays_closed_under_faults() -> None:
    """D8: no late write brings a closed run back; only an operator's reset begins another epoch."""
    faults = ("close", "reset", "cut", "fail", "freeze", "freeze_leader", "loss", "late")
    for seed in range(8):
        simulate(Scenario(seed, ROUNDS, faults))


def test_E13_clocks_that_drift_and_jump_change_nothing() -> None:
    """E13: nodes differ by days, drift within 5 %, their time of day jumps by up to an hour: nobody is ever fenced."""
    for seed in range(4):
        result = simulate(Scenario(seed, ROUNDS, ("fail", "drift", "wall_clock")))
        assert result.faults["wall_clock"]
        assert not [line for line in result.trace if "FENCED" in line or "ends the lease" in line]


def test_E13_the_handler_knows_no_clock_but_the_one_that_never_jumps() -> None:
    """E13, R19: no module of the handler imports a time of day, so no decision can depend on one."""
    clocks = {"time", "datetime", "calendar", "zoneinfo"}
    for module in Path(rdzv_core._handler.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not clocks & {name.partition(".")[0] for name in names}, f"{module.name} reads another clock"


def test_a_suspended_machine_is_fenced_before_anything_else() -> None:
    """A node whose timers were all over when it woke is told FENCED; invariant I10 holds that it does not work on."""
    told = 0
    for seed in range(4):
        result = simulate(Scenario(seed, ROUNDS, ("fail", "suspend")))
        told += sum("FENCED" in line for line in result.trace)
    assert told


def test_the_same_seed_gives_the_same_run() -> None:
    """A failure can be seen again from its seed alone."""
    assert simulate(Scenario(7, ROUNDS)) == simulate(Scenario(7, ROUNDS))


class _Alone:
    """The machine of node "a", whose operations are answered by hand."""

    def __init__(self) -> None:
        self.machine = Machine(HandlerSettings(min_nodes=1, max_nodes=1, node_id="a", address="a", evict_after=9.0))
        self.head = Head(epoch="e", terms=Terms(1, 1, 30.0, 15.0, 5.0), revision=1)
        self.own = MemberLease(15.0, "1", "a" * 32, ahead=0)
        self.under_way: list[operations.Operation] = []
        self.machine.ask(100.0)
        self.answer(operations.ReadHead, StateSnapshot(encode_head(self.head), 1))
        self.answer(operations.Enter, self.own)

    def answer(self, kind: type[operations.Operation], result: object) -> None:
        operation = self.sent(kind)
        self.under_way.remove(operation)
        self.machine.done(operation, result, 100.0)

    def sent(self, kind: type[operations.Operation]) -> operations.Operation:
        """The operation of that kind that was sent last; there has to be one."""
        self.under_way += self.machine.take_operations()
        return [one for one in self.under_way if isinstance(one, kind)][-1]

    def reads(self, member: str, number: int, **changes: object) -> None:
        """The head says that the round of that number has this one member."""
        roster = (Seat(member, "a", "a"),)
        revision = self.head.revision + 1
        new = {"round": number, "fence": number, "revision": revision, "size": 1, "roster": roster, "incarnation": "1"}
        self.head = replace(self.head, **{**new, **changes})
        self.answer(operations.WaitHead, (True, StateSnapshot(encode_head(self.head), revision)))


def test_a_node_that_is_dropped_before_it_announced_its_round_enters_again() -> None:
    """Its old membership says that it works in the round that went on without it: that would block every later one."""
    node = _Alone()
    node.reads(node.own.id, 1)
    assert node.sent(operations.Update), "it says that it works in round 1; nobody has heard it yet"
    node.reads("b" * 32, 2)
    node.answer(operations.Leave, None)
    assert b'"ask":["e",3]' in node.sent(operations.Enter).payload  # type: ignore[attr-defined]


def test_a_node_that_is_dropped_while_it_asks_for_the_next_round_enters_again() -> None:
    """Its old membership counts as lost: nobody would hear that it asks, and it would wait until its join timeout."""
    node = _Alone()
    node.reads(node.own.id, 1)
    node.answer(operations.Update, True)
    assert [type(outcome) for outcome in node.machine.take_outcomes()] == [operations.RoundJoined]
    node.machine.ask(100.0)
    node.answer(operations.ReadHead, StateSnapshot(encode_head(node.head), node.head.revision))
    node.answer(operations.Update, True)
    node.reads(node.own.id, 1, pending="ASKED", departed={"lost": "1"})
    node.answer(operations.Leave, None)
    assert b'"ask":["e",2]' in node.sent(operations.Enter).payload  # type: ignore[attr-defined]
