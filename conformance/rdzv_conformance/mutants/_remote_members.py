"""A sound backend over TCP whose server keeps the members too, and mutants of RDZV-MEMBER that need a connection."""

from __future__ import annotations

import base64
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rdzv_conformance.harness.helpers import Helpers
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT, Extension, RemoteStore, SoundRemote
from rdzv_conformance.mutants._settings import Place, Setting
from rdzv_core import (
    MemberLease,
    MembersView,
    RendezvousBackend,
    RendezvousConnectionError,
    RendezvousParameters,
    SupportsMembership,
    Token,
    accepts_options,
)
from rdzv_core.abc import Member
from rdzv_core.memory._members import MemberTable
from rdzv_core.validation import checked_payload, checked_ttl

LOOK_EVERY = 0.02


class Members(Extension):
    """The members of every run, until their ttl is over."""

    def __init__(self) -> None:
        self.tables: dict[str, MemberTable] = {}
        self.entered_on: dict[str, socket.socket] = {}
        self.lock = threading.Lock()

    def answer(self, request: dict[str, Any], connection: socket.socket) -> dict[str, Any]:
        now, member, payload = time.monotonic(), request.get("member", ""), request.get("payload")
        content = None if payload is None else base64.b64decode(payload)
        with self.lock:
            table = self.tables.setdefault(request["key"], MemberTable())
            table.expire(now)
            if request["do"] == "enter":
                self.entered_on[member] = connection
                table.enter(member, content or b"", request["ttl"], now)
            elif request["do"] == "write":
                return {"there": table.write(member, request["sequence"], content, now)}
            elif request["do"] == "leave":
                table.leave(member)
            view = table.view()
        members = [[each.id, base64.b64encode(each.payload).decode()] for each in view.members]
        return {"incarnation": view.incarnation, "version": str(view.version), "members": members}

    def restarted(self) -> Members:
        now = time.monotonic()
        for table in self.tables.values():
            table.expire(now)
            for entry in table._entries.values():
                entry.ends = now + entry.ttl
        return self


class SoundRemoteMembers(SoundRemote, SupportsMembership):
    """A client of it. Its calls are short, and a wait is many of them."""

    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        content, ttl = checked_payload(payload), checked_ttl(ttl)
        member = secrets.token_hex(16)
        view = self._look(do="enter", member=member, payload=base64.b64encode(content).decode(), ttl=ttl)
        return MemberLease(ttl, view.incarnation, member)

    def update(self, member: MemberLease, payload: bytes) -> bool:
        return self._write(member, base64.b64encode(checked_payload(payload)).decode())

    def refresh(self, member: MemberLease) -> bool:
        return self._write(member, None)

    def leave(self, member: MemberLease) -> None:
        self._look(do="leave", member=member.id)

    def members(self) -> MembersView:
        return self._look(do="look")

    def first(self, k: int) -> MembersView:
        view = self.members()
        return view._replace(members=view.members[: max(k, 0)])

    def count(self) -> int:
        return len(self.members().members)

    def wait_members(self, version: Token | None, timeout: float) -> bool:
        ends = time.monotonic() + timeout
        while self.members().version == version:
            if (left := ends - time.monotonic()) <= 0:
                return False
            time.sleep(min(left, LOOK_EVERY))
        return True

    def _write(self, member: MemberLease, payload: str | None) -> bool:
        request = {"do": "write", "member": member.id, "sequence": member.next_sequence(), "payload": payload}
        return bool(self.ask({"key": self.key, **request})["there"])

    def _look(self, **request: Any) -> MembersView:
        found = self.ask({"key": self.key, **request})
        members = tuple(Member(member, base64.b64decode(payload)) for member, payload in found["members"])
        return MembersView(found["incarnation"], found["version"], members)


class SoundKeptMembers(SoundRemoteMembers):
    """Its server keeps everything when it is killed."""

    durable = True


@accepts_options(READ_TIMEOUT)
def sound_kept_members(params: RendezvousParameters) -> RendezvousBackend:
    """Make it."""
    return SoundKeptMembers(params)


def at_server(members: Callable[[], Members] = Members) -> Setting:
    """A server that keeps members, and may be killed."""

    @contextmanager
    def setting() -> Iterator[Place]:
        with RemoteStore(extension=members()) as store:
            yield Place(store.endpoint, {}, Helpers(restart=store.restart))

    return setting


class _EndsWithTheConnection(Members):
    def ended(self, connection: socket.socket) -> None:
        with self.lock:
            for table in self.tables.values():
                for member in [each for each in table._entries if self.entered_on.get(each) is connection]:
                    table.leave(member)


class _GivesUpAtOnce(SoundRemoteMembers):
    def refresh(self, member: MemberLease) -> bool:
        try:
            return super().refresh(member)
        except RendezvousConnectionError:
            return False


class _InMemory(Members):
    def restarted(self) -> Members:
        return _InMemory()


class _Reordered(Members):
    def restarted(self) -> Members:
        for table in self.tables.values():
            table._entries = dict(sorted(table._entries.items(), key=lambda item: item[1].payload, reverse=True))
        return self


class _AnotherIncarnation(Members):
    def restarted(self) -> Members:
        for table in self.tables.values():
            table.incarnation = MemberTable().incarnation
        return self


def _mutant(
    name: str,
    sentence: str,
    *breaks: str,
    message: str,
    members: Callable[[], Members] = Members,
    broken: type[SoundRemoteMembers] = SoundKeptMembers,
    may_break: tuple[str, ...] = (),
) -> Mutant:
    numbers, others = (tuple(f"RDZV-{one}" for one in each) for each in (breaks, may_break))
    factory = accepts_options(READ_TIMEOUT)(lambda params: broken(params))
    return Mutant(name, sentence, numbers, message, factory, others, at_server(members))


MUTANTS = (
    _mutant(
        "a-proxy-ends-a-lease",
        "A lease ends with the connection on which it was entered: a proxy that closes it ends the lease of who lives.",
        "MEMBER-14",
        message="only its process may end it before that",
        members=_EndsWithTheConnection,
        broken=SoundRemoteMembers,
        may_break=("MEMBER-1",),
    ),
    _mutant(
        "unreachable-is-ended",
        "A client that cannot reach its store tells its caller that the membership has ended.",
        "MEMBER-14",
        message="the store has not said that it has ended",
        broken=_GivesUpAtOnce,
    ),
    _mutant(
        "members-in-memory",
        "The registers are on disk, the members are not: a restart of the store stops everybody.",
        "MEMBER-15",
        message="the members after the store was killed and started again",
        members=_InMemory,
    ),
    _mutant(
        "kept-in-another-order",
        "The members are read from disk in the order of their records, and another leads.",
        "MEMBER-15",
        message="the members after the store was killed and started again",
        members=_Reordered,
    ),
    _mutant(
        "kept-as-another-incarnation",
        "The members are kept, and the store says that it lost them: for a ttl no one can tell which members are gone.",
        "MEMBER-15",
        message="the incarnation after the store was killed",
        members=_AnotherIncarnation,
    ),
)
