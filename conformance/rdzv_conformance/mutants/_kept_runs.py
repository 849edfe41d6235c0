"""Mutants of RDZV-MEMBER-15: of which runs, and how many of them, the members are there after a kill."""

from __future__ import annotations

import socket
from typing import Any

from rdzv_conformance.mutants._kept_members import of_members
from rdzv_conformance.mutants._remote_members import Members
from rdzv_core.memory._members import MemberTable

ROOM = 64


class _OfPlainNames(Members):
    """The key of a run with an odd name has a "_" for what is odd in it."""

    def restarted(self) -> Members:
        for run in [each for each in self.tables if "_" in each]:
            self.tables[run] = MemberTable()
        return self


class _OfTheLastRun(Members):
    """It keeps the members of the run that was written last."""

    def __init__(self) -> None:
        super().__init__()
        self.last = ""

    def answer(self, request: dict[str, Any], connection: socket.socket) -> dict[str, Any]:
        if request["do"] != "look":
            self.last = request["key"]
        return super().answer(request, connection)

    def restarted(self) -> Members:
        self.tables = {run: table for run, table in self.tables.items() if run == self.last}
        return self


class _SixtyFour(Members):
    """Its record of a run has room for so many members."""

    def restarted(self) -> Members:
        for table in self.tables.values():
            table._entries = dict(list(table._entries.items())[:ROOM])
        return self


MUTANTS = (
    of_members(
        "members-of-plain-names",
        "The members of a run are kept under its name as it is: those of an odd name are not found again.",
        "x y' are there after kill 1",
        _OfPlainNames,
    ),
    of_members(
        "members-of-the-last-run",
        "One record holds the members, those of the run that was written last.",
        "are there after kill 1",
        _OfTheLastRun,
    ),
    of_members(
        "sixty-four-members-are-kept",
        "The record of a run's members has room for sixty-four.",
        "64 members of the run '-many' are there after kill 1",
        _SixtyFour,
    ),
)
