"""A cluster for the conformance suite, one member of which is struck before each test.

It runs in a process of its own, as the suite counts what its process has open. `python -m rdzv_etcd._struck_cluster
DIR` prints the endpoints and etcd's version, and does what each line of stdin names.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable

from rdzv_core import RendezvousConnectionError, RendezvousError
from rdzv_etcd._server.cluster import EtcdCluster

START_SECONDS = 60.0
WRITE_SECONDS = 2.0
"""How long one write may take before it is tried again."""


class StruckCluster:
    """A cluster that the suite may pause and kill as a whole, and that has lost a member in every test.

    Before each test the member struck last is well again, and another one is struck, in turns: the leader is killed
    (SIGKILL), the leader is stopped (SIGSTOP), a follower is cut off from its clients and its peers. It stays so during
    the test. The others have a leader when the test begins, and have each taken a write: one that an election or the
    connections being made between members swallow has an unknown outcome, which the contract allows and most tests do
    not expect.
    """

    def __init__(self, cluster: EtcdCluster) -> None:
        self._cluster = cluster
        self._strikes = itertools.cycle((self._kill_leader, self._stop_leader, self._cut_follower))
        self._undo: Callable[[], None] = lambda: None
        self._running = set(range(cluster.size))

    def version(self) -> str:
        """Return the version of etcd."""
        with self._cluster.client() as client:
            return client.version()

    def before_test(self) -> None:
        """Heal the member struck last, strike another, and wait until the others have a leader and take writes."""
        self._heal_all()
        leader = self._cluster.leader()
        struck = next(self._strikes)(leader)
        self._cluster.leader()
        for member in set(range(self._cluster.size)) - {struck}:
            self._wait_for_write(member)

    def pause(self) -> None:
        """Stop all members that run (SIGSTOP)."""
        for member in self._running:
            self._cluster.pause(member)

    def resume(self) -> None:
        """Let them go on."""
        for member in self._running:
            self._cluster.resume(member)

    def restart(self) -> None:
        """Kill all members at once, and start them on their data; the one that was struck is well again."""
        self._heal_all()
        for member in range(self._cluster.size):
            self._cluster.kill(member)
        for member in range(self._cluster.size):
            self._cluster.restart(member)
        self._cluster.wait_ready(START_SECONDS)

    def _heal_all(self) -> None:
        self._undo()
        self._undo, self._running = lambda: None, set(range(self._cluster.size))
        self._cluster.wait_ready(START_SECONDS)

    def _kill_leader(self, leader: int) -> int:
        self._cluster.kill(leader)
        self._running.discard(leader)
        self._undo = lambda: self._cluster.restart(leader)
        return leader

    def _stop_leader(self, leader: int) -> int:
        self._cluster.pause(leader)
        self._running.discard(leader)
        self._undo = lambda: self._cluster.resume(leader)
        return leader

    def _cut_follower(self, leader: int) -> int:
        follower = (leader + 1) % self._cluster.size
        self._cluster.cut(follower)
        self._undo = lambda: self._cluster.heal(follower)
        return follower

    def _wait_for_write(self, member: int) -> None:
        until = time.monotonic() + START_SECONDS
        with self._cluster.client(member, timeout=WRITE_SECONDS) as client:
            while True:
                try:
                    client.put(b"struck", b"")
                except RendezvousConnectionError:
                    if time.monotonic() > until:
                        raise
                else:
                    return


def main() -> None:
    """Run a cluster until stdin ends, and answer each command with "" or with an error."""
    with EtcdCluster(3, directory=sys.argv[1]) as cluster:
        struck = StruckCluster(cluster)
        commands = {each.__name__: each for each in (struck.before_test, struck.pause, struck.resume, struck.restart)}
        print(cluster.endpoints, struck.version(), flush=True)
        for line in sys.stdin:
            try:
                commands[line.strip()]()
            except RendezvousError as error:
                print(error, flush=True)
            else:
                print(flush=True)


if __name__ == "__main__":
    main()
