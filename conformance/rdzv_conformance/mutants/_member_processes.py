"""Mutants of RDZV-MEMBER-1, 10, 19, 20 and CONN-11: the members of several processes."""

from __future__ import annotations

import atexit
import base64
import secrets
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT
from rdzv_conformance.mutants._remote_members import Members, SoundRemoteMembers, at_server
from rdzv_core import MemberLease, MembersView, Token, accepts_options
from rdzv_core.memory._members import MemberTable
from rdzv_core.validation import checked_payload, checked_ttl

LOOK_EVERY = 0.02
FRESH = 0.5
_SEEN: dict[tuple[str, str], tuple[float, MembersView]] = {}
_ENTERING = threading.Lock()
_OF_THIS_PROCESS = secrets.token_hex(16)


class _RemembersViews(SoundRemoteMembers):
    """What this process has read, or changed, in the last half a second is read from its memory."""

    def _look(self, **request: Any) -> MembersView:
        view = super()._look(**request)
        _SEEN[self.params.endpoint, self.key] = time.monotonic(), view
        return view

    def _write(self, member: MemberLease, payload: str | None) -> bool:
        _SEEN.pop((self.params.endpoint, self.key), None)
        return super()._write(member, payload)

    def members(self) -> MembersView:
        read, view = _SEEN.get((self.params.endpoint, self.key), (0.0, None))
        return super().members() if view is None or self.closed or time.monotonic() > read + FRESH else view

    def wait_members(self, version: Token | None, timeout: float) -> bool:
        ends = time.monotonic() + timeout
        while super().members().version == version:
            if (left := ends - time.monotonic()) <= 0:
                return False
            time.sleep(min(left, LOOK_EVERY))
        return True


class _CountsForItself(SoundRemoteMembers):
    """A version is of the process that has read it."""

    def _look(self, **request: Any) -> MembersView:
        view = super()._look(**request)
        return view._replace(version=f"{_OF_THIS_PROCESS}:{view.version!s}")


class _AnIncarnationForEach(SoundRemoteMembers):
    def _look(self, **request: Any) -> MembersView:
        return super()._look(**request)._replace(incarnation=_OF_THIS_PROCESS)


class _Replaces(Members):
    """Its list of members is written by who enters."""

    def answer(self, request: dict[str, Any], connection: socket.socket) -> dict[str, Any]:
        if request["do"] == "enter":
            with self.lock:
                table = self.tables.setdefault(request["key"], MemberTable())
                table._entries = {each: table._entries[each] for each in request["there"] if each in table._entries}
        return super().answer(request, connection)


class _EntersInAList(SoundRemoteMembers):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        content, ttl, member = checked_payload(payload), checked_ttl(ttl), secrets.token_hex(16)
        with _ENTERING:
            there = [each.id for each in self.members().members]
            sent = base64.b64encode(content).decode()
            view = self._look(do="enter", member=member, payload=sent, ttl=ttl, there=there)
        return MemberLease(ttl, view.incarnation, member)


class _EndsNobody(Members):
    """Its members end when an observer says so."""

    def answer(self, request: dict[str, Any], connection: socket.socket) -> dict[str, Any]:
        with self.lock:
            entries = self.tables.setdefault(request["key"], MemberTable())._entries
            if request["do"] == "numbers":
                return {"numbers": [[each, entry.sequence, entry.ttl] for each, entry in entries.items()]}
            for entry in entries.values():
                entry.ends = time.monotonic() + entry.ttl + 1e6
        return super().answer(request, connection)


class _Judges(SoundRemoteMembers):
    """Whoever looks sets an alarm for each member that it has seen to renew, and ends it when that goes off."""

    def _judge(self) -> None:
        alarms: dict[str, tuple[int, float]] = vars(self).setdefault("alarms", {})
        now = time.monotonic()
        for member, (_, over) in [*alarms.items()]:
            if now > over:
                self._look(do="leave", member=member)
        for member, number, ttl in self.ask({"key": self.key, "do": "numbers"})["numbers"]:
            last, _ = alarms.setdefault(member, (number, now + ttl))
            if last != number:
                alarms[member] = number, now + ttl

    def members(self) -> MembersView:
        self._judge()
        return super().members()

    def _write(self, member: MemberLease, payload: str | None) -> bool:
        self._judge()
        return super()._write(member, payload)


class _LeavesAtExit(SoundRemoteMembers):
    """What leaves at the exit of a process is inherited by its children."""

    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        lease = super().enter(payload, ttl)
        atexit.register(self._leave_at_exit, lease)
        return lease

    def _leave_at_exit(self, lease: MemberLease) -> None:
        if not self.closed:
            self.leave(lease)

    def close(self) -> None:
        atexit.unregister(self._leave_at_exit)
        super().close()


def _mutant(
    name: str,
    sentence: str,
    *breaks: str,
    message: str | tuple[str, ...],
    broken: type[SoundRemoteMembers],
    members: Callable[[], Members] = Members,
    may_break: tuple[str, ...] = (),
) -> Mutant:
    numbers, others = (tuple(f"RDZV-{one}" for one in each) for each in (breaks, may_break))
    factory = accepts_options(READ_TIMEOUT)(lambda params: broken(params))
    return Mutant(name, sentence, numbers, message, factory, others, at_server(members))


MUTANTS = (
    _mutant(
        "views-of-the-process",
        "A view that this process has read is good for half a second.",
        "MEMBER-19",
        message="after enter in another process",
        broken=_RemembersViews,
        may_break=("MEMBER-1", "MEMBER-5", "MEMBER-6", "MEMBER-7", "MEMBER-12", "MEMBER-13"),
    ),
    _mutant(
        "versions-of-the-process",
        "A version is of the process that has read it, and not to be compared with another one's.",
        "MEMBER-19",
        message="at one time the version in another process is",
        broken=_CountsForItself,
    ),
    _mutant(
        "incarnations-of-the-process",
        "Each process draws an incarnation when it begins.",
        "MEMBER-20",
        message="at one time the incarnation in another process is",
        broken=_AnIncarnationForEach,
        may_break=("MEMBER-9",),
    ),
    _mutant(
        "enters-locked-in-the-process",
        "Who enters reads the list and writes it back, with a lock of the process.",
        "MEMBER-1",
        message=("members that entered at once, in 3 processes", "a member that had just entered gave False"),
        broken=_EntersInAList,
        members=_Replaces,
        may_break=("MEMBER-13", "MEMBER-2", "MEMBER-5"),
    ),
    _mutant(
        "leaves-at-exit",
        "A handler that leaves at the exit of the process is run by a forked child that exits, too.",
        "CONN-11",
        message="the members of a process whose child has exited",
        broken=_LeavesAtExit,
    ),
    _mutant(
        "a-stalled-observer-judges",
        "Who looks ends whom it has not seen to renew in time: one that was stopped has seen nobody for that long.",
        "MEMBER-10",
        message="it must be [",
        broken=_Judges,
        members=_EndsNobody,
        may_break=("MEMBER-2", "MEMBER-3", "MEMBER-4", "MEMBER-5", "MEMBER-6", "MEMBER-7", "MEMBER-8"),
    ),
)
