"""Faults of the store: it stands still, restarts, loses what it knows, and ends leases early or late."""

# ruff: noqa: ARG001 - every fault is called in the same way

from __future__ import annotations

from rdzv_simulation._cluster.cluster import Cluster
from rdzv_simulation._cluster.node import Node
from rdzv_simulation._cluster.settings import LATE_COMERS
from rdzv_simulation._faults.plan import Fault
from rdzv_simulation._faults.target import Strikes, one


def down(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Let the store stand still."""
    cluster.outages.stand_still(0.1 + 5.9 * fault.amount)
    return True


def restart(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Restart the store up to three times; sometimes a process starts meanwhile, or is killed and started again."""
    share = fault.amount
    times = 1 + int(3 * (13 * share % 1.0) ** 2)
    for number in range(times):
        cluster.timeline.later(number * (0.6 * cluster.settings.ttl + 0.5 * fault.who), _restart, cluster, fault)
    if 17 * share % 1.0 < 0.2:
        cluster.processes.start(LATE_COMERS[int(fault.who * len(LATE_COMERS))], 0.3 * share)
    elif 17 * share % 1.0 > 0.8:
        node = one(fault, nodes)
        node.crash()
        cluster.processes.start(node.name, 0.3 * share)
    return True


def _restart(cluster: Cluster, fault: Fault) -> None:
    share = fault.amount
    if not cluster.peaceful:
        cluster.outages.restart(0.5 * cluster.settings.ttl * share, 7 * share % 1.0 < 0.3, 11 * share % 1.0 < 0.3)


def lose_register(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Lose the register alone."""
    cluster.outages.lose(register=True)
    return True


def lose_members(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Lose the memberships alone."""
    cluster.outages.lose(members=True)
    return True


def lose_all(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Lose the register and the memberships."""
    cluster.outages.lose(register=True, members=True)
    return True


def lease_early(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """End a lease before its time, where the fence delay covers that."""
    if not cluster.settings.leases_may_end_early:
        return False
    cluster.store.end_early(one(fault, nodes).member)
    return True


def lease_late(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """End leases late from now on."""
    cluster.timeline.note("STORE ends leases late")
    cluster.store.slack = 2 * fault.amount * cluster.settings.ttl
    return True


STORE_FAULTS: Strikes = {
    "store_down": down,
    "store_restart": restart,
    "store_state": lose_register,
    "store_members": lose_members,
    "store_wiped": lose_all,
    "lease_early": lease_early,
    "lease_late": lease_late,
}
