"""Where a run keeps what is not a register: its members, and the stores of its rounds. Names only."""

# ruff: noqa: PTH118 - plain strings

from __future__ import annotations

import hashlib
import os
import re
from typing import NamedTuple

_UNREADABLE = re.compile(r"[^A-Za-z0-9_-]+")


class RunFiles(NamedTuple):
    """The names of one run: `key` is that of its register, in the directory that has those of all runs."""

    runs: str
    key: str

    @property
    def directory(self) -> str:
        """The directory of this run."""
        return os.path.join(self.runs, self.key)

    @property
    def roll(self) -> str:
        """The log of the members."""
        return os.path.join(self.directory, "members")

    @property
    def roll_lock(self) -> str:
        """The lock of whoever writes that log."""
        return os.path.join(self.directory, "members.lock")

    @property
    def leases(self) -> str:
        """The directory with a file for each member."""
        return os.path.join(self.directory, "alive")

    @property
    def stores(self) -> str:
        """The directory with a log for each of the run's latest stores."""
        return os.path.join(self.directory, "stores")

    @property
    def stores_lock(self) -> str:
        """The lock of whoever writes one of those."""
        return os.path.join(self.directory, "stores.lock")

    def store(self, name: str) -> str:
        """The log of a store: its name begins with what can be read of the store's."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:40]
        return os.path.join(self.stores, f"{_UNREADABLE.sub('_', name)[:32]}.{digest}")

    def lease(self, member: str) -> str:
        """The file of a member."""
        return os.path.join(self.leases, member)
