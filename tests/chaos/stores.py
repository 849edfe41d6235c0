"""The store of the chaos test: killed and restarted, or a cluster whose members are disturbed one after the other."""

from __future__ import annotations

import argparse
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from examples.demo.stores import STORES
from rdzv_core._cli.node.watchdog import die_with_parent
from tests.chaos.journals import Window

if TYPE_CHECKING:
    from rdzv_etcd import EtcdCluster


@contextmanager
def _file_directory(directory: Path) -> Iterator[str]:
    yield f"{directory / 'rdzv'}/"


KINDS = {**STORES, "file-directory": _file_directory}
"""By what --backend names: the stores of the demo, and file in its other form."""

MEMBERS = 3
PORTS = (20000, 30000)
"""Below the ports that Linux gives to clients: a client of a free port might get that very port as its own."""


class Store:
    """A store that nodes reach at `endpoint`; `tick` injects a fault when one is due, `heal` undoes it.

    A fault comes two to four thirds of `every` seconds after the store was last back, and lasts up to `down` seconds.
    """

    def __init__(self, endpoint: str, given: argparse.Namespace) -> None:
        self.endpoint = endpoint
        self.count: Counter[str] = Counter()
        self.absences: list[Window] = []
        self.may_be_away = True
        """Whether a fault takes it away, and not just a member of it."""
        self._given = given
        self._random = random.Random(f"{given.seed}.store")
        self._undo: tuple[float, float, Callable[[], None]] | None = None
        self._next = time.monotonic() + self._pause()

    @property
    def away(self) -> float:
        """How many seconds it has been away, or a member short, in all."""
        return sum(last - first for first, last in self.absences)

    def tick(self) -> None:
        """Inject a fault, or undo one, if it is time."""
        now = time.monotonic()
        if self._undo is not None and now >= self._undo[1]:
            self.heal()
        elif self._undo is None and now >= self._next:
            what, undo = self._inject_fault(self._random)
            if what:
                self.count[what] += 1
                self._undo = (now, now + self._random.uniform(0.0, self._given.down), undo)

    def heal(self) -> None:
        """Undo the last fault, if it still lasts."""
        if self._undo is None:
            return
        (began, _, undo), self._undo = self._undo, None
        undo()
        self.absences.append((began, time.monotonic()))
        self._next = time.monotonic() + self._pause()

    def _pause(self) -> float:
        return float(self._given.every) * self._random.uniform(2 / 3, 4 / 3)

    def _inject_fault(self, rng: random.Random) -> tuple[str, Callable[[], None]]:
        """Inject a fault; return its name (empty: none), and what undoes it."""
        self._next = float("inf")
        return "", lambda: None


def _free_port() -> int:
    """Find a free port that no client can get for its own end while the server is away."""
    for port in random.SystemRandom().sample(range(*PORTS), 100):
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise RuntimeError(f"no port from {PORTS[0]} to {PORTS[1]} is free")


class _Served(Store):
    """`rdzv serve` with a data directory, on a port that stays the same."""

    def __init__(self, given: argparse.Namespace, directory: Path) -> None:
        endpoint = f"127.0.0.1:{_free_port()}"
        super().__init__(endpoint, given)
        self._log = (directory / "serve.log").open("a")
        serve = [sys.executable, "-m", "rdzv_core", "serve", "--endpoint", endpoint]
        self._command = [*serve, "--data-dir", str(directory / "data")]
        self._process = self._start()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=self._log, text=True, preexec_fn=die_with_parent
        )
        assert process.stdout is not None
        if not process.stdout.readline().strip():
            process.wait()
            raise RuntimeError(f"`rdzv serve` did not start: {Path(self._log.name).read_text().strip()}")
        return process

    def _inject_fault(self, rng: random.Random) -> tuple[str, Callable[[], None]]:
        self._process.kill()
        self._process.wait()

        def start() -> None:
            self._process = self._start()

        return "restart", start


class _Cluster(Store):
    """Real etcds. A single one is only killed and restarted."""

    def __init__(self, given: argparse.Namespace, cluster: EtcdCluster) -> None:
        super().__init__(cluster.endpoints, given)
        self._cluster = cluster
        self.may_be_away = cluster.size == 1

    def _inject_fault(self, rng: random.Random) -> tuple[str, Callable[[], None]]:
        cluster, member = self._cluster, rng.randrange(self._cluster.size)
        how = rng.choice(("kill", "pause", "cut")) if cluster.size > 1 else "kill"
        if how == "pause":
            cluster.pause(member)
            return "member paused", lambda: cluster.resume(member)
        if how == "cut":
            cluster.cut(member)
            return "member cut off", lambda: cluster.heal(member)
        cluster.kill(member)

        def restart() -> None:
            cluster.restart(member)
            cluster.wait_ready()

        return "restart" if cluster.size == 1 else "member killed", restart


@contextmanager
def opened(given: argparse.Namespace, directory: Path) -> Iterator[Store]:
    """Start the requested store, and stop it at the end."""
    with ExitStack() as ending:
        if given.cluster or (given.restart_store and given.backend == "etcd"):
            from rdzv_etcd import EtcdCluster

            cluster = ending.enter_context(EtcdCluster(MEMBERS if given.cluster else 1))
            yield _Cluster(given, cluster)
        elif given.restart_store:
            served = _Served(given, directory)
            ending.callback(served.close)
            yield served
        else:
            yield Store(ending.enter_context(KINDS[given.backend](directory)), given)
