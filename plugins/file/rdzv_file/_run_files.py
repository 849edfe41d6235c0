"""Where a run keeps what is not a register: its members, and the stores of its rounds. Names only."""

# ruff: noqa: PTH118 - plain strings

from __future__ import annotations

import os
from typing import NamedTuple


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

    def lease(self, member: str) -> str:
        """The file of a member."""
        return os.path.join(self.leases, member)
