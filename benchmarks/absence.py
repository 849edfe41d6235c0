"""What becomes of nodes at work while their tcp store is away, and how soon a killed one is missed.

    python benchmarks/absence.py [--nodes 3] [--killed 5]

killed store    `rdzv serve --data-dir` is killed with SIGKILL, and started again after 2 s and after half a ttl
stopped store   it is stopped for 5 s with SIGSTOP
killed node     `rdzv run` and its command are killed with SIGKILL; from then until the store has ended the membership

The nodes are real: `rdzv run` with the default keep-alive (ttl 15 s), whose command writes down each of its starts.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

if __package__ in (None, ""):  # started as a script
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from rdzv_core import RendezvousParameters, SupportsMembership, create_backend

TTL = 15.0
SETTLED = 1.2 * TTL
"""Seconds after which nobody is fenced any more by what happened before them."""

WORK = """
import os, sys, time
with open(sys.argv[1], "a") as starts:
    starts.write(f"{os.environ['RDZV_NODE']} {os.environ['RDZV_ROUND']} {os.getpid()}\\n")
time.sleep(3600)
"""


class Scene:
    """A store, and nodes at work at it."""

    def __init__(self, directory: Path, count: int) -> None:
        self._data, self._starts, self.count = directory / "data", directory / "starts", count
        self._starts.touch()
        self.endpoint = "127.0.0.1:0"
        self.nodes: list[subprocess.Popen[bytes]] = []
        self.serve()
        self.nodes = [self._node(number) for number in range(count)]
        await_true(lambda: len(self.starts()) == count)

    def serve(self) -> None:
        """Start the store, where it was before."""
        serve = [sys.executable, "-m", "rdzv_core", "serve", "--endpoint", self.endpoint, "--data-dir", str(self._data)]
        self.store = subprocess.Popen(serve, stdout=subprocess.PIPE, text=True)
        assert self.store.stdout is not None
        self.endpoint = self.store.stdout.readline().strip()

    def starts(self) -> list[list[str]]:
        """Give node, round and process of every start of the command so far."""
        return [line.split() for line in self._starts.read_text().splitlines()]

    def at_work(self) -> int:
        """Count the nodes whose first command runs, in the first round."""
        first = self.starts()[: self.count]
        return sum(Path(f"/proc/{process}").exists() for _, _, process in first)

    def end(self) -> None:
        """End everything."""
        for node in self.nodes:
            node.send_signal(signal.SIGTERM)
        self.store.send_signal(signal.SIGCONT)
        for node in self.nodes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                node.wait(20)
            node.kill()
        self.store.kill()
        self.store.wait()

    def _node(self, number: int) -> subprocess.Popen[bytes]:
        run = [sys.executable, "-m", "rdzv_core", "run", "--backend", "tcp", "--endpoint", self.endpoint]
        run += ["--run-id", "absence", "--nodes", str(self.count), "--option", "is_host=false", "-q", "--"]
        run += [sys.executable, "-c", WORK, str(self._starts)]
        return subprocess.Popen(run, env={**os.environ, "RDZV_NODE": str(number)}, start_new_session=True)


@contextlib.contextmanager
def scene(count: int) -> Iterator[Scene]:
    """Give nodes at work, until they are not needed."""
    with tempfile.TemporaryDirectory() as directory:
        made = Scene(Path(directory), count)
        try:
            yield made
        finally:
            made.end()


def await_true(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is so; raises `RuntimeError` if that takes too long."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not so within {seconds:.0f} s")
        time.sleep(0.01)


def killed_store(count: int, away: float) -> str:
    """Kill the store, start it again after `away` seconds, and say what became of the nodes."""
    with scene(count) as there:
        there.store.kill()
        there.store.wait()
        time.sleep(away)
        there.serve()
        return outcome(there)


def stopped_store(count: int, away: float) -> str:
    """The same for a store that is stopped."""
    with scene(count) as there:
        there.store.send_signal(signal.SIGSTOP)
        time.sleep(away)
        there.store.send_signal(signal.SIGCONT)
        return outcome(there)


def outcome(there: Scene) -> str:
    """Wait until it has shown, and say it."""
    time.sleep(SETTLED)
    rounds = sorted({number for _, number, _ in there.starts()})
    return f"{there.at_work()} of {there.count} commands still run; rounds so far: {', '.join(rounds)}"


def killed_node(count: int) -> float:
    """Kill a node; gives the seconds until the store has ended its membership."""
    with scene(count) as there:
        params = RendezvousParameters("tcp", there.endpoint, "absence", 1, 2, is_host=False)
        watching = create_backend(params)
        assert isinstance(watching, SupportsMembership)
        before = watching.members()
        began = time.monotonic()
        os.killpg(there.nodes[-1].pid, signal.SIGKILL)
        while len(watching.members().members) == len(before.members):
            watching.wait_members(before.version, 60.0)
            before = before._replace(version=watching.members().version)
        took = time.monotonic() - began
        watching.close()
        return took


def main() -> None:
    """Do all of it, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--killed", type=int, default=5, help="how often a node is killed")
    given = parser.parse_args()
    for away in (2.0, TTL / 2):
        print(f"killed store, back after {away:g} s: {killed_store(given.nodes, away)}", flush=True)
    print(f"stopped store, for 5 s: {stopped_store(given.nodes, 5.0)}", flush=True)
    took = sorted(killed_node(given.nodes) for _ in range(given.killed))
    print(f"killed node, missed after: {took[0]:.2f} s to {took[-1]:.2f} s, median {took[len(took) // 2]:.2f} s")


if __name__ == "__main__":
    main()
