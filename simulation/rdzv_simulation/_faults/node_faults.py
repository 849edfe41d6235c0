"""Faults of nodes: they are killed, stand still, come and go; their clocks and their jobs misbehave."""

# ruff: noqa: ARG001 - every fault is called in the same way

from __future__ import annotations

from rdzv_simulation._cluster.cluster import Cluster
from rdzv_simulation._cluster.node import Node
from rdzv_simulation._cluster.settings import LATE_COMERS, TWINS
from rdzv_simulation._faults.plan import Fault
from rdzv_simulation._faults.target import Strikes, at_work, one


def fail(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Let the work of a node fail; in half of all cases the work of all, within a moment."""
    return end_work(cluster, fault, nodes, "fails")


def work_over(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Let the work be over, on all nodes within a moment, or first on one."""
    return end_work(cluster, fault, nodes, "is over")


def end_work(cluster: Cluster, fault: Fault, nodes: list[Node], how: str) -> bool:
    """Let work end on one node, or on all, so that they ask for the next round."""
    working = at_work(nodes)
    if not working:
        return False
    if fault.amount < 0.5:
        working = [one(fault, working)]
    for place, node in enumerate(working):
        cluster.timeline.later(place * 0.004 * fault.amount, node.work_ends, how)
    return True


def crash(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Kill a node and start it again; the store may notice at once."""
    node = one(fault, nodes)
    node.crash()
    if fault.amount > 0.6:
        cluster.timeline.later(fault.amount - 0.6, cluster.store.end_early, node.member)
    cluster.processes.start(node.name, 0.1 + 6.0 * fault.amount)
    return True


def freeze(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Let a process stand still."""
    one(fault, nodes).stall(0.3 + 11.7 * fault.amount**2)
    return True


def freeze_leader(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Let the next node stand still that is about to write a roster."""
    cluster.network.ambush = 0.3 + 8.0 * fault.amount
    return True


def suspend(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Let a machine be suspended."""
    one(fault, nodes).stall(4.0 + 16.0 * fault.amount, "(its machine is suspended)")
    return True


def leave(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Let a node leave."""
    one(fault, nodes).depart("left")
    return True


def join(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Let a node come late, unless enough are there."""
    if len(nodes) >= cluster.settings.nodes + len(LATE_COMERS):
        return False
    cluster.processes.start(LATE_COMERS[int(fault.who * len(LATE_COMERS))], 0.0)
    return True


def twin(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Let another process take a node id; in half of all cases the former one is killed, sooner or later."""
    former = one(fault, nodes)
    free = [name for name in TWINS if cluster.processes.is_free(name)]
    if not free or former.name in TWINS:
        return False
    cluster.processes.start_twin(free[0], former)
    if fault.amount < 0.5:
        cluster.timeline.later(8.0 * fault.amount, _crash_former, cluster, former)
    return True


def _crash_former(cluster: Cluster, former: Node) -> None:
    if not cluster.peaceful:
        cluster.processes.crash(former)


def stuck(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Let a job not stop for a while."""
    working = at_work(nodes)
    if not working:
        return False
    one(fault, working).get_stuck(1.0 + 11.0 * fault.amount)
    return True


def drift(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Let a node's clock run at another rate."""
    one(fault, nodes).drift(fault.amount)
    return True


def wall_clock(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Let a node's time of day jump by up to an hour."""
    one(fault, nodes).jump(7200.0 * (fault.amount - 0.5))
    return True


NODE_FAULTS: Strikes = {
    "fail": fail,
    "over": work_over,
    "crash": crash,
    "freeze": freeze,
    "freeze_leader": freeze_leader,
    "suspend": suspend,
    "leave": leave,
    "join": join,
    "twin": twin,
    "stuck": stuck,
    "drift": drift,
    "wall_clock": wall_clock,
}
