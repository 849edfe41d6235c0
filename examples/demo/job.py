"""One job of four nodes on one store: they meet, one is killed, the others meet again and finish."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from examples.demo.nodes import Node
from examples.demo.worker import DONE

NAMES = ("node-1", "node-2", "node-3", "node-4")
DEADLINE = 60.0

Record = dict[str, str]


class DemoError(Exception):
    """Something did not work as it should."""


@dataclass(frozen=True)
class Outcome:
    """The results of the job."""

    first_round_ms: float
    again_s: float
    same_roster: bool


def run_job(backend: str, endpoint: str, directory: Path, tell: Callable[[str], None]) -> Outcome:
    """Run the job; raise `DemoError` with what did not work and the last lines of every node."""
    nodes = [Node(name, backend, endpoint, directory, tell) for name in NAMES]
    try:
        return _play(nodes, directory, tell)
    except DemoError as error:
        tails = [f"  {node.name}: {line}" for node in nodes for line in node.lines[-6:]]
        raise DemoError("\n".join([str(error), *tails])) from error
    finally:
        for node in nodes:
            node.close()


def _play(nodes: list[Node], directory: Path, tell: Callable[[str], None]) -> Outcome:
    _await("all four nodes met in one round", nodes, lambda: all(node.in_round_of(4) for node in nodes))
    met = _records(nodes, directory)
    # Counted from when the last of them asked: before that they do not wait for the store.
    asked = max(node.asked_at or 0.0 for node in nodes)
    first_round_ms = (max(node.joined[-1].at for node in nodes) - asked) * 1000

    victim = next(node for node in nodes if node.joined[-1].rank == 0)
    survivors = [node for node in nodes if node is not victim]
    tell(f"killing {victim.name}, which has rank 0, with SIGKILL")
    killed = time.monotonic()
    victim.process.kill()
    _await("the three survivors met again", survivors, lambda: all(node.in_round_of(3) for node in survivors))
    again_s = max(node.joined[-1].at for node in survivors) - killed
    met_again = _records(survivors, directory)
    if _is_running(int(met[NAMES.index(victim.name)]["pid"])):
        raise DemoError(f"{victim.name} was killed, but its command is still running")

    (directory / DONE).touch()
    _await(
        "every survivor ended", survivors, lambda: all(node.process.poll() is not None for node in survivors), gone=True
    )
    statuses = [node.process.returncode for node in survivors]
    if any(statuses):
        raise DemoError(f"the survivors ended with statuses {statuses}, not 0")
    return Outcome(first_round_ms, again_s, _is_one_roster(met, NAMES) and _is_one_roster(met_again, _names(survivors)))


def _records(nodes: Sequence[Node], directory: Path) -> list[Record]:
    files = [directory / f"round-{node.joined[-1].round}.{node.name}.json" for node in nodes]
    _await("every node's command recorded its round", nodes, lambda: all(file.exists() for file in files))
    return [json.loads(file.read_text()) for file in files]


def _is_one_roster(records: Sequence[Record], names: Sequence[str]) -> bool:
    """Return whether all records agree, and each rank is the node's place among the peers."""
    shared = {tuple(value for name, value in record.items() if name not in ("RANK", "pid")) for record in records}
    peers = records[0]["RDZV_PEERS"].split(",")
    in_place = all(peers[int(record["RANK"])] == name for record, name in zip(records, names, strict=True))
    return len(shared) == 1 and sorted(peers) == sorted(names) and in_place


def _names(nodes: Sequence[Node]) -> list[str]:
    return [node.name for node in nodes]


def _await(what: str, nodes: Sequence[Node], holds: Callable[[], bool], gone: bool = False) -> None:
    deadline = time.monotonic() + DEADLINE
    while not holds():
        ended = [node.name for node in nodes if node.process.poll() is not None]
        if ended and not gone:
            raise DemoError(f"{', '.join(ended)} ended before this was true: {what}")
        if time.monotonic() > deadline:
            raise DemoError(f"not true after {DEADLINE:g} s: {what}")
        time.sleep(0.01)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # A zombie that has not been reaped does no work.
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
