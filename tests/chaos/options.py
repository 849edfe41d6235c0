"""The options of the chaos test, and what follows from them."""

from __future__ import annotations

import argparse
import random

from tests.chaos.stores import KINDS


def node_arguments(given: argparse.Namespace) -> list[str]:
    """Return the arguments of all nodes, except for the run and the endpoint."""
    options: dict[str, object] = {
        "ttl": given.ttl,
        "fence_delay": given.fence_delay,
        "last_call_timeout": min(2.0, given.keep_alive),
        "join_timeout": 600,
    }
    if given.backend == "tcp" and given.restart_store:
        options["is_host"] = "false"  # otherwise a node that starts while the store is away hosts one in its place
    told = [word for name, value in options.items() for word in ("--option", f"{name}={value}")]
    least = given.nodes if given.finish else 2
    workers = ["--nproc-per-node", str(given.nproc)] if given.nproc > 1 else []
    return ["--backend", given.backend.partition("-")[0], "--nodes", f"{least}:{given.nodes}", *workers, *told]


def parsed(document: str) -> argparse.Namespace:
    """Parse the command line; the first line of `document` is the description."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=document.partition("\n")[0])
    parser.add_argument("--backend", choices=list(KINDS), default="tcp")
    parser.add_argument("--nodes", type=int, default=16, help="the most nodes of a round; the minimum is 2")
    parser.add_argument("--nproc", type=int, default=1, help="the workers of each node")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument(
        "--seed", type=int, default=random.randrange(10**6), help="decides which faults occur, where and when"
    )
    parser.add_argument(
        "--ttl", type=float, help="seconds that a lease lasts (default: 1.5, or 30 if the store is disturbed)"
    )
    parser.add_argument("--calm", type=float, default=3.0, help="most seconds between two faults")
    parser.add_argument("--bound", type=float, help="seconds within which all must meet while there are no faults")
    parser.add_argument("--cut", action="store_true", help="also cut nodes off from their store (tcp and etcd)")
    parser.add_argument("--restart-store", action="store_true", help="kill and restart the store (tcp and etcd)")
    parser.add_argument("--cluster", action="store_true", help="three etcds, one of which is disturbed at a time")
    parser.add_argument("--every", type=float, default=30.0, help="average seconds between two faults of the store")
    parser.add_argument("--down", type=float, default=10.0, help="most seconds that a fault of the store lasts")
    parser.add_argument("--calm-nodes", action="store_true", help="disturb the store only, not the nodes")
    parser.add_argument("--finish", action="store_true", help="jobs that end well, run after run, with spares")
    parser.add_argument("--keep", action="store_true", help="keep the directory with journals and logs")
    given = parser.parse_args()
    if (given.cut or given.restart_store) and given.backend not in ("tcp", "etcd"):
        parser.error(f"{given.backend} has no server that could be cut off or killed: use --backend tcp or etcd")
    if given.cluster and given.backend != "etcd":
        parser.error(f"--cluster needs --backend etcd, not {given.backend}")
    if given.cluster and (given.cut or given.restart_store):
        parser.error("leave out --cut and --restart-store: --cluster cuts off and kills members anyway")
    if given.finish and given.cut:
        parser.error("--finish and --cut cannot be combined")
    given.disturbs_store = given.restart_store or given.cluster
    given.ttl = given.ttl or (30.0 if given.disturbs_store else 1.5)
    given.keep_alive = given.ttl / 3
    given.fence_delay = min(2.0, given.keep_alive)
    given.bound = given.bound or 30.0 + 3 * (given.ttl if given.disturbs_store else 0.0)
    return given


def works_on(given: argparse.Namespace) -> float:
    """Return how long after a node's fault it may still stop work, in seconds.

    A member that is gone is missed after a lease, or a lease and a half later if all watchers are gone too. Then come
    the fence delay and the last call, and a late node makes all of them meet once more.
    """
    return 2.5 * float(given.ttl) + 3 * float(given.fence_delay + given.keep_alive) + 5.0
