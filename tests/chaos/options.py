"""What the chaos is told, and what follows from that."""

from __future__ import annotations

import argparse
import random

from examples.demo.stores import STORES


def node_arguments(given: argparse.Namespace) -> list[str]:
    """Return what all nodes are told, but for the run and the endpoint."""
    options: dict[str, object] = {
        "ttl": given.ttl,
        "fence_delay": given.fence_delay,
        "last_call_timeout": min(2.0, given.keep_alive),
        "join_timeout": 600,
    }
    if given.backend == "tcp" and given.restart_store:
        options["is_host"] = "false"  # else a node that starts while the store is away hosts one in its place
    told = [word for name, value in options.items() for word in ("--option", f"{name}={value}")]
    least = given.nodes if given.finish else 2
    return ["--backend", given.backend, "--nodes", f"{least}:{given.nodes}", *told]


def parsed(document: str) -> argparse.Namespace:
    """Read the command line; `document` begins with what it is about."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=document.partition("\n")[0])
    parser.add_argument("--backend", choices=list(STORES), default="tcp")
    parser.add_argument("--nodes", type=int, default=16, help="how many a round has at most; at least are 2")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="which faults befall whom, and when")
    parser.add_argument("--ttl", type=float, help="seconds that a lease lasts: 1.5, or 30 where the store is struck")
    parser.add_argument("--calm", type=float, default=3.0, help="the longest time between two faults, in seconds")
    parser.add_argument("--bound", type=float, help="seconds in which all must meet when nothing happens")
    parser.add_argument("--cut", action="store_true", help="cut nodes off from their store too (tcp and etcd)")
    parser.add_argument("--restart-store", action="store_true", help="kill the store and start it again (tcp and etcd)")
    parser.add_argument("--cluster", action="store_true", help="three etcds, one of which is struck at a time")
    parser.add_argument("--every", type=float, default=30.0, help="about how often the store is struck, in seconds")
    parser.add_argument("--down", type=float, default=10.0, help="the longest time that it is struck for, in seconds")
    parser.add_argument("--calm-nodes", action="store_true", help="leave the nodes alone: only the store is struck")
    parser.add_argument("--finish", action="store_true", help="jobs that end well, run after run, with spares")
    parser.add_argument("--keep", action="store_true", help="keep the directory with journals and logs")
    given = parser.parse_args()
    if (given.cut or given.restart_store) and given.backend not in ("tcp", "etcd"):
        parser.error(f"a {given.backend} is on this machine's disk: nothing can be cut, and no server be killed")
    if given.cluster and given.backend != "etcd":
        parser.error(f"--cluster needs --backend etcd: there is no cluster of a {given.backend}")
    if given.cluster and (given.cut or given.restart_store):
        parser.error(
            "--cluster goes neither with --cut nor with --restart-store: its members are cut and killed anyhow"
        )
    if given.finish and given.cut:
        parser.error("--finish does not go with --cut")
    given.strikes_store = given.restart_store or given.cluster
    given.ttl = given.ttl or (30.0 if given.strikes_store else 1.5)
    given.keep_alive = given.ttl / 3
    given.fence_delay = min(2.0, given.keep_alive)
    given.bound = given.bound or 30.0 + 3 * (given.ttl if given.strikes_store else 0.0)
    return given


def works_on(given: argparse.Namespace) -> float:
    """Return for how long a node's fault may still stop work, in seconds.

    A member that is gone is missed after a lease, and one lease and a half later if all who watch went with it; then
    come the fence and the last call, and a node that comes late makes them all meet once more.
    """
    return 2.5 * float(given.ttl) + 3 * float(given.fence_delay + given.keep_alive) + 5.0
