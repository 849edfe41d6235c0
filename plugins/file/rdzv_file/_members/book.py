"""Who is a member of a run, kept by all who hold its directory: one book for all handlers of a process."""

# ruff: noqa: PTH104, PTH106, PTH112, PTH208 - plain system calls, on plain strings

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

from rdzv_core import MembersView, RendezvousConfigurationError, RendezvousConnectionError
from rdzv_core.clock import now
from rdzv_file._errors import lost
from rdzv_file._files import create_directory
from rdzv_file._lane import Lane
from rdzv_file._log.format import DamagedError
from rdzv_file._log.reader import LogReader
from rdzv_file._log.writer import GroupWriter, OpenLog
from rdzv_file._members import lease_file
from rdzv_file._members.roll import Roll, ended, entered, founded, updated
from rdzv_file._members.sightings import Sightings
from rdzv_file._per_process import PerProcess
from rdzv_file._run_files import RunFiles
from rdzv_file._turns import Patience

_LONG = 64 * 1024
"""Bytes of a log that is not worth shortening yet."""
_LOOKS_PER_TTL = 8
_ENDING_TAKES = 0.25
"""Seconds that ending the overdue may wait for its turn: whoever looks next tries again."""


class Place(NamedTuple):
    """Where a new member is: in which incarnation, and behind how many others."""

    member: str
    incarnation: str
    ahead: int


class _Overdue(NamedTuple):
    member: str
    renewed: int | None
    long_since: bool


class MemberBook:
    """The roll of a run and how old each member's last refresh is. Thread-safe.

    The roll decides who is a member. Whoever ends one that is overdue has the roll's lock and that of the member's
    file, and compares first: a refresh has the file's lock while it looks into the roll. So a refresh either comes
    before, and the member stays, or finds that it has ended. A process that is stopped within a refresh cannot keep its
    member there for more than two ttls: when it goes on, it looks into the roll once more.
    """

    def __init__(self, files: RunFiles) -> None:
        self._files = files
        self._reader = LogReader(files.roll, Roll)
        self.writer = GroupWriter(self._reader, files.roll_lock, sync=False)
        self._sightings = Sightings()
        self._observed = {True: float("-inf"), False: float("-inf")}
        self._shorten_at = _LONG

    @property
    def path(self) -> str:
        """The path of the roll."""
        return self._files.roll

    def view(self, limit: int | None = None) -> MembersView | None:
        """Return the members, or the first `limit`; None where no roll can be read."""
        with self._reader.lock:
            roll = self._look()
            return None if roll is None else roll.view(limit)

    def version(self) -> str:
        """Return the version of the members; "" where no roll can be read."""
        with self._reader.lock:
            roll = self._look()
            return "" if roll is None else roll.version

    def nap_limit(self) -> float:
        """Return how long an observer may sleep between two looks, in seconds."""
        with self._reader.lock:
            roll = self._look()
            return float("inf") if roll is None else roll.shortest_ttl / _LOOKS_PER_TTL

    def is_listed(self, member: str, incarnation: str) -> bool:
        """Return whether the member has not ended."""
        with self._reader.lock:
            return _lists(self._look(), member, incarnation)

    def founding(self, log: OpenLog[Roll]) -> Roll:
        """Make a roll where none can be read."""
        if log.state is not None:
            return log.state
        create_directory(self._files.leases)
        self._shorten_at = _LONG
        return log.replace([founded()])

    def entering(self, payload: bytes, ttl: float) -> Callable[[OpenLog[Roll]], Place]:
        """Return what writes a new member behind all others."""
        member = secrets.token_hex(16)

        def change(log: OpenLog[Roll]) -> Place:
            roll = self.founding(log)
            if log.size > self._shorten_at:
                roll = self._shorten(log, roll)
            lease_file.create(self._files.lease(member))
            ahead = len(roll.entries)
            log.append(entered(member, payload, ttl))
            return Place(member, roll.incarnation, ahead)

        return change

    def updating(self, member: str, incarnation: str, sequence: int, payload: bytes) -> Callable[[OpenLog[Roll]], bool]:
        """Return what writes a payload, unless a newer one is there, and refreshes; False: the member has ended."""

        def change(log: OpenLog[Roll]) -> bool:
            if log.state is None or not _lists(log.state, member, incarnation):
                return False
            with lease_file.opened(self._files.lease(member)) as fd:
                if fd is None:
                    return False
                if sequence > log.state.entries[member].sequence:
                    lease_file.refresh(fd)
                    log.append(updated(member, sequence, payload))
            return True

        return change

    def refresh(self, member: str, incarnation: str) -> bool | None:
        """Renew the lease; False: the member has ended. None: its file is locked, to be tried again."""
        try:
            with lease_file.locked(self._files.lease(member)) as fd:
                if fd is None or not self.is_listed(member, incarnation):
                    return False
                lease_file.refresh(fd)
        except BlockingIOError:
            return None
        return self.is_listed(member, incarnation)

    def locked_too_long(self, member: str, patience: Patience) -> RendezvousConnectionError:
        """Make the error for a member that could not be refreshed."""
        return lost(
            patience.endpoint,
            f"no lock on {self._files.lease(member)!r} within {patience.seconds:g} s: a process that looks whether "
            "this member is overdue holds it; check for one that is stopped",
        )

    def leave(self, member: str, incarnation: str, patience: Patience) -> None:
        """End a membership, if it is one still."""
        if not self.is_listed(member, incarnation):
            return

        def change(log: OpenLog[Roll]) -> None:
            if _lists(log.state, member, incarnation):
                log.append(ended(member))

        self.writer.do(change, patience)
        lease_file.remove(self._files.lease(member))

    def observe(self, patience: Patience, limit: int | None = None, lane: Lane | None = None) -> None:
        """Look at the files of all members, or of the first `limit`, and end those that are overdue.

        Returns at once where the last such look was a moment ago, and ends nobody while others write. With a `lane`
        they are ended there, and this does not wait for it.
        """
        overdue = self._find_overdue(limit)
        if not overdue:
            return

        def change(log: OpenLog[Roll]) -> None:
            for one in overdue:
                if log.state is not None and one.member in log.state.entries:
                    self._end(log, one)

        patience = patience._replace(seconds=min(patience.seconds, _ENDING_TAKES))
        if lane is not None:
            self.writer.submit(change, patience, lane, _whoever_looks_next_tries_again)
            return
        try:
            self.writer.do(change, patience)
        except RendezvousConnectionError as error:
            if isinstance(error, RendezvousConfigurationError):
                raise

    def remove(self, patience: Patience, *, even_with_members: bool) -> None:
        """Remove the run's directory, unless there are members in it that are to stay."""
        there = self.view()
        if not os.path.isdir(self._files.directory) or (there and there.members and not even_with_members):
            return  # without waiting for the lock of those who are at work
        removed = f"{self._files.runs}{os.sep}.removed-{secrets.token_hex(16)}"
        with self.writer.alone(patience) as log:
            if log.state is not None and log.state.entries and not even_with_members:
                return
            # Moved first: whoever waits for the lock finds no such file, and makes a directory anew.
            os.rename(self._files.directory, removed)
        shutil.rmtree(removed, ignore_errors=True)
        try:
            os.rmdir(self._files.runs)
        except OSError:
            pass  # other runs have theirs there

    def restart(self) -> None:
        """Grant every member a whole ttl: the store was out of reach."""
        with self._reader.lock:
            self._sightings.restart()

    def _find_overdue(self, limit: int | None) -> list[_Overdue]:
        with self._reader.lock:
            roll = self._look()
            if roll is None or not roll.entries:
                self._sightings.restart()
                return []
            if now() - self._observed[limit is None] < roll.shortest_ttl / _LOOKS_PER_TTL:
                return []
            self._observed[limit is None] = now()
            self._sightings.keep(roll.entries)
            found = []
            for member, entry in list(islice(roll.entries.items(), limit)):
                renewed = lease_file.last_refresh(self._files.lease(member))
                looked = now()
                self._sightings.answered(looked)
                age = self._sightings.age(member, entry.ttl, renewed, looked)
                if age > entry.ttl:
                    found.append(_Overdue(member, renewed, age > 2 * entry.ttl))
            return found

    def _end(self, log: OpenLog[Roll], one: _Overdue) -> None:
        file = self._files.lease(one.member)
        try:
            with lease_file.locked(file) as fd:
                if fd is not None and lease_file.refreshed_at(fd) != one.renewed:
                    return
                log.append(ended(one.member))
                log.flush()  # while nobody can refresh it
        except BlockingIOError:
            # It refreshes just now; or it was stopped there, so that its lease is over by its own clock as well.
            with lease_file.opened(file) as fd:
                if not one.long_since or (fd is not None and lease_file.refreshed_at(fd) != one.renewed):
                    return
                log.append(ended(one.member))
        lease_file.remove(file)

    def _look(self) -> Roll | None:
        try:
            return self._reader.look()
        except DamagedError:
            return None  # its members are lost, and whoever needs one founds another

    def _shorten(self, log: OpenLog[Roll], roll: Roll) -> Roll:
        roll = log.replace(roll.shortened())
        self._shorten_at = max(_LONG, 4 * log.size)
        for member in os.listdir(self._files.leases):
            if member not in roll.entries:
                lease_file.remove(self._files.lease(member))  # of a member whose writer was killed
        return roll


def _lists(roll: Roll | None, member: str, incarnation: str) -> bool:
    return roll is not None and roll.incarnation == incarnation and member in roll.entries


def _whoever_looks_next_tries_again(_: object, error: Exception | None) -> None:
    """End nobody where others write at the time."""


_books: PerProcess[RunFiles, MemberBook] = PerProcess(MemberBook)


def book_of(files: RunFiles) -> MemberBook:
    """Return this process's book of a run; it is there for as long as somebody holds it."""
    return _books.of(files)
