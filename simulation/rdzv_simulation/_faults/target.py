"""Which node a fault strikes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from rdzv_simulation._cluster.cluster import Cluster
from rdzv_simulation._cluster.node import Node
from rdzv_simulation._faults.plan import Fault

Strike: TypeAlias = Callable[[Cluster, Fault, list[Node]], bool]
"""Lets a fault strike one or more of the nodes, those that are alive and stay; False if there is nothing to strike."""

Strikes: TypeAlias = Mapping[str, Strike]
"""What each kind of fault does."""


def one(fault: Fault, nodes: list[Node]) -> Node:
    """Return the node that a fault strikes."""
    return nodes[int(fault.who * len(nodes))]


def at_work(nodes: list[Node]) -> list[Node]:
    """Return those that work and have not been told to stop."""
    return [node for node in nodes if node.at_work]
