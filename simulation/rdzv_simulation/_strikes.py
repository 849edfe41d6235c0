"""How each planned fault strikes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rdzv_simulation._node import Node
from rdzv_simulation._plan import Fault
from rdzv_simulation._scenario import LATE_COMERS, TWINS

if TYPE_CHECKING:
    from rdzv_simulation._run import Run


class Strikes:
    """Lets faults strike a run. Whom they strike is drawn from those who live at that moment."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def strike(self, fault: Fault) -> bool:
        """Let it strike; False if there was nothing to strike."""
        strike: Callable[[Fault, list[Node]], bool | None] = getattr(self, f"_{fault.kind}")
        nodes = [node for node in self._run.nodes.values() if node.alive and not node.leaving]
        if not nodes:
            return False
        return strike(fault, nodes) is not False

    def _one(self, fault: Fault, nodes: list[Node]) -> Node:
        return nodes[int(fault.who * len(nodes))]

    def _fail(self, fault: Fault, nodes: list[Node]) -> bool:
        """Half of the jobs fail as a whole, all workers within a moment."""
        return self._end_work(fault, nodes, "fails")

    def _over(self, fault: Fault, nodes: list[Node]) -> bool:
        """After a phase that brought no round the work is over: on all nodes within a moment, or first on one."""
        if not self._run.idle and self._run.scenario.keep is None:
            return False
        return self._end_work(fault, nodes, "is over")

    def _end_work(self, fault: Fault, nodes: list[Node], how: str) -> bool:
        working = [node for node in nodes if node.working is not None and not node.stopping and not node.stalled]
        if not working:
            return False
        if fault.amount < 0.5:
            working = [self._one(fault, working)]
        for place, node in enumerate(working):
            self._run.world.later(place * 0.004 * fault.amount, node.work_ends, how)
        return True

    def _crash(self, fault: Fault, nodes: list[Node]) -> None:
        node = self._one(fault, nodes)
        node.crash()
        if fault.amount > 0.6:
            self._run.world.later(fault.amount - 0.6, self._run.store.end_early, node.machine.lease_keeper.id)
        self._run.start(node.name, 0.1 + 6.0 * fault.amount)

    def _freeze(self, fault: Fault, nodes: list[Node]) -> None:
        self._one(fault, nodes).stall(0.3 + 11.7 * fault.amount**2)

    def _freeze_leader(self, fault: Fault, nodes: list[Node]) -> None:  # noqa: ARG002
        self._run.network.ambush = 0.3 + 8.0 * fault.amount

    def _suspend(self, fault: Fault, nodes: list[Node]) -> None:
        self._one(fault, nodes).stall(4.0 + 16.0 * fault.amount, "(its machine is suspended)")

    def _cut(self, fault: Fault, nodes: list[Node]) -> None:
        self._cut_off([self._one(fault, nodes)], 0.5 + 7.5 * fault.amount)

    def _halves(self, fault: Fault, nodes: list[Node]) -> None:
        middle = 1 + int(fault.who * (len(nodes) - 1))
        seconds = 0.5 + 5.5 * fault.amount
        self._cut_off(nodes[:middle], seconds)
        self._run.world.later(seconds, self._cut_off, nodes[middle:], seconds)

    def _cut_off(self, nodes: list[Node], seconds: float) -> None:
        network, world = self._run.network, self._run.world
        if not self._run.peaceful:
            for node in nodes:
                world.note(f"{node.name} is cut off for {seconds:.1f} s")
                network.cut_off[node.name] = max(world.time + seconds, network.cut_off.get(node.name, 0.0))

    def _mute(self, fault: Fault, nodes: list[Node]) -> None:
        node, seconds = self._one(fault, nodes), 0.5 + 5.5 * fault.amount
        self._run.world.note(f"answers to {node.name} are lost for {seconds:.1f} s")
        self._run.network.mute[node.name] = self._run.world.time + seconds

    def _slow(self, fault: Fault, nodes: list[Node]) -> None:
        """A link that gets worse, and in half of all cases fails in the end."""
        run, node = self._run, self._one(fault, nodes)
        seconds, longer = 1.0 + 4.0 * (7 * fault.amount % 1.0), 1.4 * fault.amount
        run.world.note(f"answers to {node.name} take {longer:.2f} s longer for {seconds:.1f} s")
        run.network.slow[node.name] = (run.world.time + seconds, longer)
        if 11 * fault.amount % 1.0 < 0.5:
            run.world.later(seconds, self._cut_off, [node], 4.0)

    def _leave(self, fault: Fault, nodes: list[Node]) -> None:
        self._one(fault, nodes).depart("left")

    def _done(self, fault: Fault, nodes: list[Node]) -> bool:
        """The job is over: one node after the other finishes; the last one closes the run, or crashes before it has."""
        working = [node for node in nodes if node.working is not None and not node.stopping]
        if not working:
            return False
        self._run.job_done(self._one(fault, working), last_crashes=fault.amount < 0.3)
        if fault.amount * 7 % 1.0 < 0.5:
            self._run.world.later(1.0 + 3.0 * fault.who, self._run.reset, True)
        return True

    def _join(self, fault: Fault, nodes: list[Node]) -> bool:
        if len(nodes) >= self._run.settled.nodes + len(LATE_COMERS):
            return False
        self._run.start(LATE_COMERS[int(fault.who * len(LATE_COMERS))], 0.0)
        return True

    def _twin(self, fault: Fault, nodes: list[Node]) -> bool:
        """Another process takes a node id; in half of all cases the former one is killed, sooner or later."""
        run, former = self._run, self._one(fault, nodes)
        free = [name for name in TWINS if name not in run.nodes or not run.nodes[name].alive]
        if not free or former.name in TWINS:
            return False
        run.twin(free[0], former)
        if fault.amount < 0.5:
            run.world.later(8.0 * fault.amount, self._crash_former, former)
        return True

    def _crash_former(self, former: Node) -> None:
        if not self._run.peaceful:
            self._run.crash(former)

    def _stuck(self, fault: Fault, nodes: list[Node]) -> bool:
        working = [node for node in nodes if node.working is not None and not node.stopping and not node.stalled]
        if not working:
            return False
        self._one(fault, working).get_stuck(1.0 + 11.0 * fault.amount)
        return True

    def _close(self, fault: Fault, nodes: list[Node]) -> None:
        self._run.close(self._one(fault, nodes))
        self._run.world.later(0.2 + 3.0 * fault.amount, self._run.reset, True)

    def _reset(self, fault: Fault, nodes: list[Node]) -> None:  # noqa: ARG002
        self._run.reset(closed_only=False)

    def _store_down(self, fault: Fault, nodes: list[Node]) -> None:  # noqa: ARG002
        self._run.store_goes_down(0.1 + 5.9 * fault.amount)

    def _store_restart(self, fault: Fault, nodes: list[Node]) -> None:
        """Up to three restarts in a row; now and then a process starts meanwhile, or is killed and started again."""
        run, share = self._run, fault.amount
        times = 1 + int(3 * (13 * share % 1.0) ** 2)
        for number in range(times):
            run.world.later(number * (0.6 * run.settings.ttl + 0.5 * fault.who), self._restart, fault)
        if 17 * share % 1.0 < 0.2:
            run.start(LATE_COMERS[int(fault.who * len(LATE_COMERS))], 0.3 * share)
        elif 17 * share % 1.0 > 0.8:
            node = self._one(fault, nodes)
            node.crash()
            run.start(node.name, 0.3 * share)

    def _restart(self, fault: Fault) -> None:
        share = fault.amount
        if not self._run.peaceful:
            self._run.store_restarts(
                0.5 * self._run.settings.ttl * share, 7 * share % 1.0 < 0.3, 11 * share % 1.0 < 0.3
            )

    def _store_state(self, fault: Fault, nodes: list[Node]) -> None:  # noqa: ARG002
        self._run.lose(state=True)

    def _store_members(self, fault: Fault, nodes: list[Node]) -> None:  # noqa: ARG002
        self._run.lose(members=True)

    def _store_wiped(self, fault: Fault, nodes: list[Node]) -> None:  # noqa: ARG002
        self._run.lose(state=True, members=True)

    def _lease_early(self, fault: Fault, nodes: list[Node]) -> bool:
        if not self._run.settled.leases_may_end_early:
            return False
        self._run.store.end_early(self._one(fault, nodes).machine.lease_keeper.id)
        return True

    def _lease_late(self, fault: Fault, nodes: list[Node]) -> None:  # noqa: ARG002
        self._run.world.note("STORE ends leases late")
        self._run.store.slack = 2 * fault.amount * self._run.settings.ttl

    def _drift(self, fault: Fault, nodes: list[Node]) -> None:
        self._one(fault, nodes).drift(fault.amount)

    def _wall_clock(self, fault: Fault, nodes: list[Node]) -> None:
        node = self._one(fault, nodes)
        node.wall += 7200.0 * (fault.amount - 0.5)
        node.clock_jumped()
