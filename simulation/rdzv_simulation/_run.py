"""One seed's life: storms, in which everything goes wrong, and after each a peace, in which everybody must meet."""

from __future__ import annotations

import random
from dataclasses import dataclass

from rdzv_core._handler.head import decode_head, encode_head, reset_head
from rdzv_core._handler.operations import Assignment
from rdzv_core._handler.settings import HandlerSettings
from rdzv_simulation._chance import Chance
from rdzv_simulation._check import Checker, Violation
from rdzv_simulation._network import TIMEOUT, Network
from rdzv_simulation._node import Node
from rdzv_simulation._peace import Peace
from rdzv_simulation._plan import WEIGHTS, Fault, storm
from rdzv_simulation._scenario import Parts, Scenario, Settled
from rdzv_simulation._store import SimStore
from rdzv_simulation._strikes import Strikes
from rdzv_simulation._world import World

_STEPS_IN_A_PHASE = 200_000


@dataclass(frozen=True)
class Result:
    """What a life amounted to: rounds that formed, things that happened, and how often each fault struck."""

    rounds: int
    phases: int
    steps: int
    faults: dict[str, int]
    trace: list[str]


class Run:
    """The world of one seed. Deterministic: nothing but the scenario decides what happens."""

    def __init__(self, scenario: Scenario, parts: Parts | None = None, tracing: int = 0) -> None:
        parts = parts or Parts()
        self.scenario = scenario
        self.settled: Settled = scenario.settled()
        self.settings: HandlerSettings = self.settled.handler()
        self.stop_time = self.settled.stop_time
        self.rules, self.machine, self._node = parts.rules, parts.machine, parts.node
        chance = random.Random(f"{scenario.seed}.world")
        self._chance = chance
        self.world = World(tracing)
        self.checker = Checker(self.world, self.settings.last_call_timeout, self.settings.fence_delay)
        self.checker.evict_after = self.settings.evict_after
        self.checker.veteran = self._has_worked
        self.checker.void_window = self.settings.ttl + self.stop_time + TIMEOUT
        self.store: SimStore = parts.store(self.world, random.Random(f"{scenario.seed}.ids"), self.checker)
        self.messages = Chance(scenario.seed, self.settled.strategy, scenario.faults, scenario.calm, scenario.keep)
        self.network = Network(self.world, self.store, self.messages)
        self.nodes: dict[str, Node] = {}
        self.peaceful = self.idle = False
        self.counts = dict.fromkeys(WEIGHTS, 0)
        self.struck: list[str] = []
        self._strikes, self._peace = Strikes(self), Peace(self)
        self.checker.finished = self._peace.run_has_finished
        self.starting: set[str] = set()
        self._started: dict[str, int] = {}
        self._ids: dict[str, str] = {}
        self.finished: set[tuple[str, int]] = set()
        self._crashes_at_the_end: set[tuple[str, int]] = set()
        self.down_until = 0.0
        self._lost_state_at = self._lost_members_at = -1e9
        self.phase = 0

    def run(self) -> Result:
        """Live until enough rounds have formed; raises `Violation`."""
        scenario = self.scenario
        try:
            while self.checker.rounds < scenario.rounds and self.phase <= scenario.last_phase:
                if self.phase == 0 or scenario.has(self.phase):
                    before = self.checker.rounds
                    self._storm()
                    self._peace.run()
                    self.idle = self.checker.rounds == before
                self.phase += 1
        except Violation as violation:
            where = f"seed {scenario.seed}, phase {self.phase}, at {self.world.time:.3f} s: "
            raise Violation(violation.number, violation.text, where, tuple(self.world.told())) from violation.__cause__
        return Result(self.checker.rounds, self.phase, self.world.steps, self.faults, self.world.told())

    @property
    def faults(self) -> dict[str, int]:
        """How often each kind of fault struck."""
        return {**self.counts, **self.messages.counts}

    @property
    def decisions(self) -> list[str]:
        """The names of all that went wrong so far."""
        return [*self.struck, *self.messages.struck]

    def start(self, name: str, delay: float) -> None:
        """Start a process of that name, in place of one that has ended."""
        running = self.nodes.get(name)
        if name in self.starting or name in self.scenario.without or (running is not None and running.alive):
            return
        self.starting.add(name)
        self.world.later(delay, self._start, name)

    def over(self, node: Node) -> None:
        """A process has ended of its own accord: one of the job's own is started again."""
        self.checker.stops(node.name)
        if node.name.startswith("host"):
            self.start(node.name, self._chance.uniform(0.2, 3.0))

    def failed(self, node: Node, error: Exception) -> None:
        """Hold the error with which a node's join ended against what it may be."""
        self._peace.join_failed(node, error)

    def close(self, node: Node) -> None:
        """Let a node close the run."""
        self._peace.closed_by_hand = True
        node.close()

    def reset(self, closed_only: bool) -> None:
        """What `rdzv reset` does: a new epoch without terms."""
        state = self.store.state
        if state is None or self.store.down or (closed_only and not decode_head(state).closed):
            return
        self.world.note("an operator resets the run")
        self._peace.forget_the_end()
        self._note_loss(state=True, members=False)
        epoch = f"{self._chance.getrandbits(64):016x}"
        self.store.write(encode_head(reset_head(epoch, state)), self.store.token, reset=True)

    def twin(self, name: str, former: Node) -> None:
        """Start a process with the node id of another one."""
        if name not in self.scenario.without:
            self._ids[name] = former.node_id
            self.start(name, 0.0)

    def job_done(self, node: Node, last_crashes: bool = False) -> None:
        """Let a node finish; the others of its round follow, the last of which may crash just after it said so."""
        held = node.working
        assert held is not None
        if last_crashes:
            self._crashes_at_the_end.add((held.epoch, held.round))
        self._finish(node, held)
        for other in self.nodes.values():
            if other.working is not None and (other.working.epoch, other.working.round) == (held.epoch, held.round):
                self.world.later(1.5 * self._chance.random() ** 2, self._finish, other, other.working)

    def store_goes_down(self, seconds: float) -> None:
        """Let the store answer nobody for a while."""
        self.world.note(f"STORE is down for {seconds:.1f} s")
        self._away("silent", seconds)

    def store_restarts(self, seconds: float, silent: bool, lost: bool) -> None:
        """Kill the store and start it again. What is under way is `lost`, or fails at once; so do connects meanwhile.

        Where it is `silent`, connects get no answer.
        """
        self.world.note(f"STORE is killed for {seconds:.2f} s" + " (silent)" * silent + " (requests are lost)" * lost)
        self._away("silent" if silent else "refusing", seconds)
        self.network.break_all(lost)

    def _away(self, how: str, seconds: float) -> None:
        self.store.away = how
        self.down_until = self.world.time + seconds
        self.world.later(seconds, self._store_comes_back)

    def lose(self, state: bool = False, members: bool = False) -> None:
        """Let the store lose what it knows."""
        self._note_loss(state, members)
        if members:
            self.store.lose_members()
        if state:
            self.store.lose_state()
            self._peace.forget_the_end()  # with the register went the news of it

    def _store_comes_back(self) -> None:
        if self.store.down and self.world.time >= self.down_until - 1e-9:
            self.world.note("STORE is back")
            self.store.come_back()

    def _note_loss(self, state: bool, members: bool) -> None:
        """A store that loses both voids the promise until one ttl, and the stopping of the work, has passed."""
        now = self.world.time
        self._lost_state_at = now if state else self._lost_state_at
        self._lost_members_at = now if members else self._lost_members_at
        window = self.checker.void_window
        if abs(self._lost_state_at - self._lost_members_at) < window:
            self.checker.void_until = now + 2 * window

    def _has_worked(self, node_id: str) -> bool:
        return any(node.machine.worked_in for node in self.nodes.values() if node.node_id == node_id)

    def _start(self, name: str) -> None:
        self.starting.discard(name)
        count = self._started[name] = self._started.get(name, 0) + 1
        self.world.note(f"{name} starts")
        chance = random.Random(f"{self.scenario.seed}.{name}.{count}")
        self.nodes[name] = self._node(name, self, chance, self._ids.get(name, ""))

    def _finish(self, node: Node, held: Assignment) -> None:
        if node.working is held and node.alive:
            round_ = (held.epoch, held.round)
            self.finished.add(round_)
            node.depart("done")
            others = [
                one for one in self.nodes.values() if one.working and (one.working.epoch, one.working.round) == round_
            ]
            if not others and round_ in self._crashes_at_the_end:
                self.world.later(self._chance.uniform(0.0, 0.1), self.crash, node)

    def crash(self, node: Node) -> None:
        """Kill a node, whose connection the store may miss at once, and start it again."""
        if node.alive:
            member = node.machine.lease_keeper.id
            node.crash()
            self.world.later(self._chance.uniform(0.0, 2.0), self.store.end_early, member)
            self.start(node.name, self._chance.uniform(0.2, 3.0))

    def _storm(self) -> None:
        scenario = self.scenario
        self.peaceful = False
        self.messages.begin(self.phase, stormy=True)
        bad = storm(scenario.seed, self.phase, scenario.faults, scenario.keep)
        for fault in bad.faults:
            self.world.later(fault.at, self._strike, fault)
        self.people()
        self.until(self.world.time + bad.seconds)

    def _strike(self, fault: Fault) -> None:
        if self._strikes.strike(fault):
            self.note_struck(fault)

    def note_struck(self, fault: Fault) -> None:
        """Count a fault that has struck."""
        if fault.kind in self.counts:
            self.counts[fault.kind] += 1
        self.struck.append(fault.name)

    def people(self) -> None:
        """Start all of the life's own nodes that are not there."""
        for name in self.settled.hosts:
            self.start(name, self._chance.uniform(0.0, 1.0))

    def until(self, time: float) -> None:
        """Let everything happen up to that time."""
        world, most = self.world, self.world.steps + _STEPS_IN_A_PHASE
        mark: list[bool] = []
        world.later(time - world.time, mark.append, True)
        while not mark:
            world.step()
            if world.steps > most:
                raise Violation("I13", f"{_STEPS_IN_A_PHASE} steps in a phase: nodes and store talk without end")
