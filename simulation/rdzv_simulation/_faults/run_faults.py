"""What happens to a run as a whole: it is done, closed, or reset. Not every one of these is a fault."""

# ruff: noqa: ARG001 - every fault is called in the same way

from __future__ import annotations

from rdzv_simulation._cluster.cluster import Cluster
from rdzv_simulation._cluster.node import Node
from rdzv_simulation._faults.plan import Fault
from rdzv_simulation._faults.target import Strikes, one


def done(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Let the job be done: one node after the other finishes; the last closes the run, or crashes before it has."""
    working = [node for node in nodes if node.working is not None and not node.stopping]
    if not working:
        return False
    cluster.job.finish(one(fault, working), last_crashes=fault.amount < 0.3)
    if fault.amount * 7 % 1.0 < 0.5:
        cluster.timeline.later(1.0 + 3.0 * fault.who, cluster.reset, True)
    return True


def close(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Let a node close the run, and an operator reset it a while later."""
    cluster.close(one(fault, nodes))
    cluster.timeline.later(0.2 + 3.0 * fault.amount, cluster.reset, True)
    return True


def reset(cluster: Cluster, fault: Fault, nodes: list[Node]) -> bool:
    """Let an operator reset a run that is open."""
    cluster.reset(closed_only=False)
    return True


RUN_FAULTS: Strikes = {"done": done, "close": close, "reset": reset}
