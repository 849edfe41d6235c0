"""Clients of three etcds under load, while one leader after the other is struck.

    python benchmarks/etcd_elections.py [--rounds 10] [--clients 8] [--away 8] [--ttl 10] [--json]

killed     the leader gets SIGKILL, and is started again on its data after `--away` seconds
stopped    the leader gets SIGSTOP, and goes on after `--away` seconds
restarted  the leader gets SIGKILL, and is started again on its data at once

in turns. Each client is a process that writes to the run's register, to a store, and keeps a membership alive, all as
fast as answers come. A line for each round has the seconds from the strike until the last client has had an answer to a
write, to a store's write and to a keep-alive that it has made after the strike. At the end: acknowledged writes that
are not there, memberships that ended though they were kept alive within their ttl, and whether what the clients saw of
the register was possible (linearizable). The exit status is 1 if anything is found.

An etcd may be at fault itself: 3.5.0 to 3.5.2 lose data of a member that is killed while it works hard
(https://github.com/etcd-io/etcd/issues/13766), and then members answer differently for good. So the members' keys are
compared as well, and the first finding tells if they differ. RDZV_ETCD_BINARY names another etcd.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a script
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from rdzv_conformance.checks.linearizability import Found, Operation, check, draw, from_json
from rdzv_etcd import EtcdBackend, EtcdCluster, create_backend
from rdzv_etcd._client import messages

from benchmarks._etcd_client import STORE
from benchmarks._processes import Child, child
from rdzv_core import RendezvousParameters

CALM_SECONDS = 2.0
"""How long all is well before each strike."""
STRIKES = ("killed", "stopped", "restarted")


def strike(cluster: EtcdCluster, how: str, away: float) -> float:
    """Strike the leader, wait until all is well again, and return when it was struck."""
    leader = cluster.leader()
    struck = time.monotonic()
    if how == "stopped":
        cluster.pause(leader)
        time.sleep(away)
        cluster.resume(leader)
    else:
        cluster.kill(leader)
        time.sleep(away if how == "killed" else 0.0)
        cluster.restart(leader)
        time.sleep(0.0 if how == "killed" else away)
    cluster.wait_ready()
    time.sleep(CALM_SECONDS)
    return struck


def working_again(answered: list[list[float]], struck: float) -> float:
    """Return how long after a strike the first call that was made since then was answered."""
    return min((ended for began, ended in answered if began >= struck), default=float("inf")) - struck


def end(clients: list[Child]) -> list[dict[str, Any]]:
    """Let all clients end, and return what happened to each."""
    for one in clients:
        one.tell("end")
    return [json.loads(one.hear()) for one in clients]


def last_look(endpoints: str, run_id: str, told: list[dict[str, Any]]) -> list[str]:
    """Compare what is there with what the clients were told; return what is wrong."""
    backend = create_backend(RendezvousParameters("etcd", endpoints, run_id, 1, 8))
    assert isinstance(backend, EtcdBackend)
    findings = [lost for one in told for lost in one["lost"]]
    with contextlib.closing(backend):
        store = backend.store(STORE)
        keys = [key for one in told for key in one["stored"]]
        for part in (keys[start : start + 100] for start in range(0, len(keys), 100)):
            if not store.check(part) or store.multi_get(part, 5) != [key.encode() for key in part]:
                findings.append(f"an acknowledged write to the store is gone, one of {part}")
        began, there = time.monotonic_ns(), backend.get_state()
        ended = time.monotonic_ns()
    found = None if there is None else Found(there[0], there[1].hex() if isinstance(there[1], bytes) else there[1])
    history = [from_json(fields) for one in told for fields in one["history"]]
    verdict = check([*history, Operation("afterwards", "get", began, ended, None, None, found)])
    if verdict.fault is not None:
        findings.append(f"the register: {verdict.fault.says}\n{draw(verdict.shown_by)}")
    return findings


def differing(cluster: EtcdCluster) -> list[str]:
    """Compare the keys that each member holds, as of one revision; return what is wrong."""
    everything = {"key": messages.encode(b"\0"), "range_end": messages.encode(b"\0")}
    with contextlib.ExitStack() as closing:
        clients = [closing.enter_context(cluster.client(member)) for member in range(cluster.size)]
        version = clients[0].version()
        own = everything | {"serializable": True, "keys_only": True}  # as the member itself has them
        revision = min(messages.read_revision(client.range(own | {"limit": "1"})) for client in clients)
        held = [messages.read_kvs(client.range(own | {"revision": str(revision)})) for client in clients]
    if all(keys == held[0] for keys in held):
        return []
    counts = " and ".join(str(len(keys)) for keys in held)
    return [f"the members of this etcd {version} hold different data, {counts} keys as of revision {revision}"]


def main() -> int:
    """Print a line for each round, and what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="number of strikes")
    parser.add_argument("--clients", type=int, default=8, help="number of client processes")
    parser.add_argument("--away", type=float, default=8.0, help="seconds for which a leader is gone")
    parser.add_argument("--ttl", type=float, default=10.0, help="ttl of the clients' memberships, in seconds")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    run_id = uuid.uuid4().hex
    with EtcdCluster(3) as cluster, contextlib.ExitStack() as stack:
        command = [sys.executable, "-m", "benchmarks._etcd_client", cluster.endpoints, run_id]
        clients = [
            stack.enter_context(child(*command, f"client-{number}", str(given.ttl))) for number in range(given.clients)
        ]
        for one in clients:
            one.hear()
        time.sleep(CALM_SECONDS)
        kinds = list(itertools.islice(itertools.cycle(STRIKES), given.rounds))
        strikes = [(how, strike(cluster, how, given.away)) for how in kinds]
        told = end(clients)
        findings = [*differing(cluster), *last_look(cluster.endpoints, run_id, told)]
    rows = [
        {"leader": how}
        | {
            what: round(max(working_again(one["answered"][what], struck) for one in told), 2)
            for what in ("register", "store", "lease")
        }
        for how, struck in strikes
    ]
    calls, stored = sum(len(one["history"]) for one in told), sum(len(one["stored"]) for one in told)
    unknown = sum(fields[3] is None for one in told for fields in one["history"])
    summary = {"calls": calls, "without_answer": unknown, "stored": stored, "findings": findings}
    if given.json:
        print(json.dumps({"rounds": rows, **summary}, indent=2))
    else:
        for row in rows:
            print("  ".join(f"{key} {value}" for key, value in row.items()))
        print(*(f"{key} {value}" for key, value in summary.items()), sep="  ")
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
