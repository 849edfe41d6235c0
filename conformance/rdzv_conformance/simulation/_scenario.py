"""A run of the simulation: some nodes, some faults, then peace, in which everybody must meet."""

from __future__ import annotations

from dataclasses import dataclass

from rdzv_conformance.simulation._check import Checker, Violation
from rdzv_conformance.simulation._network import Network
from rdzv_conformance.simulation._node import Node
from rdzv_conformance.simulation._store import SimStore
from rdzv_conformance.simulation._world import World
from rdzv_core.handler.machine import Machine
from rdzv_core.handler.rules import Rules
from rdzv_core.handler.settings import HandlerSettings

FAULTS = ("crash", "stall", "cut", "fail", "lose_state", "lose_members", "late", "leave")
SETTLED_FOR = 30.0
MOST_STEPS = 300_000


@dataclass(frozen=True)
class Scenario:
    """What is simulated; times in seconds. `faults` are drawn from FAULTS, some seconds apart."""

    seed: int
    nodes: int = 5
    min_nodes: int = 2
    max_nodes: int = 4
    faults: tuple[str, ...] = FAULTS
    fault_every: float = 6.0
    stormy_for: float = 60.0
    peace_for: float = 120.0
    loss: float = 0.02
    stop_time: float = 2.0
    fence_delay: float = 2.0


@dataclass(frozen=True)
class Result:
    """What a run amounted to."""

    rounds: int
    steps: int
    trace: list[str]


def simulate(
    scenario: Scenario,
    rules: Rules | None = None,
    machine: type[Machine] = Machine,
    store: type[SimStore] = SimStore,
) -> Result:
    """Run a scenario; raises `Violation` with seed and trace if a promise is broken.

    `rules`, `machine` and `store` take what a mutant has changed.
    """
    return _Run(scenario, rules or Rules(), machine, store).run()


class _Run:
    def __init__(self, scenario: Scenario, rules: Rules, machine: type[Machine], store: type[SimStore]) -> None:
        self.scenario, self.rules, self.machine = scenario, rules, machine
        self.world = World(scenario.seed)
        self.checker = Checker()
        self.store = store(self.world, self.checker.written)
        self.network = Network(self.world, self.store, loss=scenario.loss)
        self.nodes: list[Node] = []
        self.void_until = 0.0
        self.lost_state_at = self.lost_members_at = -1e9
        self.settings = HandlerSettings(
            min_nodes=scenario.min_nodes,
            max_nodes=scenario.max_nodes,
            node_id="",
            address="",
            join_timeout=40.0,
            last_call_timeout=1.0,
            close_timeout=10.0,
            heartbeat_timeout=1.5,
            keep_alive_interval=1.0,
            fence_delay=scenario.fence_delay,
        )

    def run(self) -> Result:
        scenario = self.scenario
        for number in range(scenario.nodes):
            self._add(f"host{number}", self.world.random.uniform(0, 3.0))
        self.world.later(self.world.random.expovariate(1 / scenario.fault_every), self._fault)
        steps = 0
        try:
            while self.world.time < scenario.stormy_for + scenario.peace_for and self.world.step():
                steps += 1
                self._check(steps)
            self._everybody_met()
        except Violation as violation:
            trace = "\n".join(self.world.trace[-60:])
            raise Violation(f"seed {scenario.seed} at {self.world.time:.3f} s: {violation}\n{trace}") from None
        return Result(self.checker.rounds, steps, self.world.trace)

    def _check(self, steps: int) -> None:
        if steps > MOST_STEPS:
            raise Violation(f"{MOST_STEPS} steps: nodes and store talk without end")
        if self.world.time >= self.void_until:
            self.checker.working(node.at_work for node in self.nodes if node.at_work)

    def _add(self, name: str, delay: float) -> None:
        def enter() -> None:
            self.world.note(f"{name} starts")
            self.nodes.append(
                Node(
                    name,
                    self.world,
                    self.network,
                    self.settings,
                    self.rules,
                    self.scenario.stop_time,
                    self.checker.joined,
                    self.machine,
                )
            )

        self.world.later(delay, enter)

    def _fault(self) -> None:
        scenario, chance = self.scenario, self.world.random
        if self.world.time > scenario.stormy_for:
            self.network.loss = self.network.late = 0.0
            self.network.cut_off.clear()
            self.world.note("PEACE")
            return
        alive = [node for node in self.nodes if node.alive and not node.job_done]
        if alive:
            self._strike(chance.choice(scenario.faults), chance.choice(alive))
        self.world.later(chance.expovariate(1 / scenario.fault_every), self._fault)

    def _strike(self, fault: str, node: Node) -> None:  # noqa: C901 - one branch a fault
        chance = self.world.random
        match fault:
            case "crash":
                node.crash()
                self._add(node.name, chance.uniform(0.1, 10.0))
            case "stall":
                if not node.stalled:
                    node.stall(chance.choice([0.5, 2.0, 4.0, 8.0]) * chance.uniform(0.5, 1.5))
            case "cut":
                self._cut(node, chance.uniform(0.5, 10.0))
            case "fail":
                node.worker_failed()
            case "leave":
                node.depart("left")
                self._add(f"{node.name}b", chance.uniform(0.1, 5.0))
            case "late":
                if len([one for one in self.nodes if one.alive]) < self.scenario.nodes + 2:
                    self._add(f"late{len(self.nodes)}", 0.0)
            case "close":
                node.close()
            case "lose_state":
                self.lost_state_at = self.world.time
                self.store.lose_state()
                self._void()
            case "lose_members":
                self.lost_members_at = self.world.time
                self.store.lose_members()
                self._void()

    def _void(self) -> None:
        """A store that loses both voids the promise until one ttl, and the stopping of the work, has passed."""
        window = self.settings.ttl + self.scenario.stop_time + self.network.timeout
        if abs(self.lost_state_at - self.lost_members_at) < window:
            self.void_until = self.world.time + 2 * window

    def _cut(self, node: Node, seconds: float) -> None:
        self.world.note(f"{node.name} is cut off for {seconds:.1f} s")
        self.network.cut_off.add(node.name)
        self.world.later(seconds, lambda: self.network.cut_off.discard(node.name))

    def _everybody_met(self) -> None:
        if self.checker.last_formed > self.scenario.stormy_for + self.scenario.peace_for - SETTLED_FOR:
            raise Violation(f"a round still formed at {self.checker.last_formed:.0f} s: it does not settle")
        alive = [node for node in self.nodes if node.alive and not node.job_done]
        if any(node.closed for node in alive):
            return
        wanted = min(len(alive), self.scenario.max_nodes)
        working = [node for node in alive if node.working]
        if len(alive) >= self.scenario.min_nodes and len(working) != wanted:
            missing = [node.name for node in alive if not node.working]
            raise Violation(f"{len(working)} of {wanted} nodes work at the end; {missing} do not")
