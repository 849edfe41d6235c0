"""Faults of links: a node is cut off from the store, gets no answers, or gets them late."""

from __future__ import annotations

from rdzv_simulation._cluster.cluster import Cluster
from rdzv_simulation._cluster.node import Node
from rdzv_simulation._faults.plan import Fault
from rdzv_simulation._faults.target import Strikes, one


def cut(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Cut off a node."""
    _cut_off(cluster, [one(fault, nodes)], 0.5 + 7.5 * fault.amount)
    return True


def halves(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Cut off one half of the nodes, then the other half."""
    middle = 1 + int(fault.who * (len(nodes) - 1))
    seconds = 0.5 + 5.5 * fault.amount
    _cut_off(cluster, nodes[:middle], seconds)
    cluster.timeline.later(seconds, _cut_off, cluster, nodes[middle:], seconds)
    return True


def _cut_off(cluster: Cluster, nodes: list[Node], seconds: float) -> None:
    if not cluster.peaceful:
        for node in nodes:
            cluster.network.links.cut_off(node.name, seconds)


def mute(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Lose the answers to a node; its requests arrive."""
    cluster.network.links.mute(one(fault, nodes).name, 0.5 + 5.5 * fault.amount)
    return True


def slow(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Let a link get worse, and in half of all cases fail in the end."""
    node = one(fault, nodes)
    seconds, longer = 1.0 + 4.0 * (7 * fault.amount % 1.0), 1.4 * fault.amount
    cluster.network.links.slow_down(node.name, longer, seconds)
    if 11 * fault.amount % 1.0 < 0.5:
        cluster.timeline.later(seconds, _cut_off, cluster, [node], 4.0)
    return True


NETWORK_FAULTS: Strikes = {"cut": cut, "halves": halves, "mute": mute, "slow": slow}
