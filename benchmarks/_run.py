"""A run whose nodes are spread over processes, which do the same thing at the same time."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks._processes import Child, child

PATIENCE = 300.0
ROOT = Path(__file__).parent.parent


class Run:
    """The processes of a run; each has some of its nodes."""

    def __init__(self, children: Sequence[Child], run_id: str = "") -> None:
        self.children = list(children)
        self.run_id = run_id

    def all(self, line: str) -> tuple[float, list[Any]]:
        """Send a line to all of them; return when that was, and their answers."""
        began = time.monotonic()
        for one in self.children:
            one.tell(line)
        return began, [json.loads(one.hear()) for one in self.children]

    def meet(self) -> float:
        """Let all nodes ask at once; return the seconds until the last one has its rank."""
        began = time.monotonic()
        return self.meet_at() - began

    def meet_at(self) -> float:
        """Let all nodes ask at once; return when the last one got its rank, by `time.monotonic`."""
        _, answers = self.all("meet")
        check_places([place for answer in answers for place in answer["places"]])
        return max(float(answer["ended"]) for answer in answers)

    def calls(self) -> Counter[str]:
        """Return the calls on the store since the last time, by kind."""
        total: Counter[str] = Counter()
        for answer in self.all("calls")[1]:
            total.update(answer)
        return total


def check_places(places: list[Sequence[int]]) -> None:
    """Raise `RuntimeError` unless these are the ranks of one round, without a gap."""
    rounds, ranks, sizes = {one[0] for one in places}, sorted(one[1] for one in places), {one[2] for one in places}
    if len(rounds) != 1 or sizes != {len(places)} or ranks != list(range(len(places))):
        raise RuntimeError(
            f"this is not one round: rounds {rounds}, sizes {sizes}, {len(places)} nodes, ranks {ranks[:9]}…"
        )


def shares(nodes: int, processes: int) -> list[int]:
    """Spread nodes evenly over processes."""
    processes = min(nodes, processes)
    return [nodes // processes + (number < nodes % processes) for number in range(processes)]


@contextlib.contextmanager
def started(commands: Sequence[Sequence[str]], run_id: str, patience: float = PATIENCE) -> Iterator[Run]:
    """Run the commands while the block runs, for at most `patience` seconds; they have said that they are ready."""
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(child(*command)) for command in commands]
        watchdog = threading.Timer(patience, _kill, [children])
        watchdog.daemon = True
        watchdog.start()
        stack.callback(watchdog.cancel)
        for one in children:
            one.hear()
        yield Run(children, run_id)


def _kill(children: Sequence[Child]) -> None:
    for one in children:
        one.process.kill()


@contextlib.contextmanager
def nodes(
    backend: str,
    endpoint: str,
    counts: Sequence[int],
    *,
    least: int | None = None,
    counting: bool = False,
    options: dict[str, Any] | None = None,
    patience: float = PATIENCE,
) -> Iterator[Run]:
    """Yield a run with a process for each of `counts`, which has so many nodes; `least` is its min_nodes.

    It is killed after `patience` seconds.
    """
    given = {
        "backend": backend,
        "run_id": uuid.uuid4().hex,
        "endpoint": endpoint,
        "min_nodes": least or sum(counts),
        "max_nodes": sum(counts),
        "counting": counting,
        "options": {"join_timeout": PATIENCE, **({"is_host": False} if backend == "tcp" else {}), **(options or {})},
    }
    each = [{**given, "first": sum(counts[:place]), "count": count} for place, count in enumerate(counts)]
    with started(
        [(sys.executable, "-m", "benchmarks._nodes", json.dumps(one)) for one in each], str(given["run_id"]), patience
    ) as run:
        yield run


@contextlib.contextmanager
def torch_nodes(python: str, port: int, counts: Sequence[int]) -> Iterator[Run]:
    """Yield a run of PyTorch's c10d rendezvous as shipped; the first process hosts its store."""
    given = {
        "endpoint": f"127.0.0.1:{port}",
        "run_id": uuid.uuid4().hex,
        "total": sum(counts),
        "timeout": int(PATIENCE),
    }
    program = str(ROOT / "benchmarks" / "_torch_nodes.py")
    each = [{**given, "hosts": place == 0, "count": count} for place, count in enumerate(counts)]
    with started([(python, "-W", "ignore", program, json.dumps(one)) for one in each], str(given["run_id"])) as run:
        yield run
