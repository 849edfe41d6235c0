"""What stands in for the store: the tables, one lock, one condition."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable

from rdzv_core import clock
from rdzv_core.memory._members import MemberTable
from rdzv_core.memory._registers import RegisterTable


class MemoryHub:
    """One store in this process's memory.

    `changed` guards the tables and is notified of every change. For tests: `raw` maps a backend's `key` to the sealed
    bytes that are kept for it (plant or delete there what you like, then `wake()`); `now` returns the time by which
    leases end, and may be a test's own; `lose_members` forgets memberships as a store does that lost its memory.
    """

    def __init__(self, now: Callable[[], float] = clock.now) -> None:
        self.pid: int = os.getpid()
        self.now = now
        self.changed: threading.Condition = threading.Condition()
        self.registers: RegisterTable = RegisterTable()
        self.members: defaultdict[str, MemberTable] = defaultdict(MemberTable)
        self.stores: defaultdict[tuple[str, str], dict[str, bytes]] = defaultdict(dict)

    @property
    def raw(self) -> dict[str, bytes]:
        """The sealed states by key."""
        return self.registers.raw

    def wake(self) -> None:
        """Let every waiting call look again: after a test changed the tables or its clock."""
        with self.changed:
            self.changed.notify_all()

    def lose_members(self, run: str) -> None:
        """Forget the memberships of a backend's `run`: what lost them has a new incarnation."""
        with self.changed:
            self.members.pop(run, None)
            self.changed.notify_all()

    def __repr__(self) -> str:
        return f"<MemoryHub of process {self.pid}: {len(self.raw)} registers>"


_hubs: dict[tuple[int, str], MemoryHub] = {}


def hub_at(endpoint: str) -> MemoryHub:
    """Return this process's hub for `endpoint`, the same one every time."""
    # By process id: a fork's child must not find, and wait for, a lock that a thread of its parent held.
    return _hubs.setdefault((os.getpid(), endpoint), MemoryHub())
