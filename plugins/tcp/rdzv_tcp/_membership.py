"""The membership of a run, kept by the server."""

from __future__ import annotations

import secrets
import time

from rdzv_core import MemberLease, MembersView, RendezvousConnectionError, SupportsMembership, Token
from rdzv_core.abc import Member
from rdzv_core.validation import checked_payload, checked_ttl
from rdzv_tcp._client.pending_calls import Steps
from rdzv_tcp._client.session import Session
from rdzv_tcp._protocol import (
    MAX_PLACE,
    NONCE_BYTES,
    Changed,
    Done,
    Ended,
    Enter,
    Entered,
    Failed,
    Leave,
    Members,
    Renew,
    Unchanged,
    View,
    WaitMembers,
)


class TcpLease(MemberLease):
    """A membership of a run: the server finds it by its id alone, so the client says of which run it is."""

    def __init__(self, run: str, ttl: float, entered: Entered, member: bytes) -> None:
        super().__init__(ttl, entered.incarnation.hex(), member.hex(), ahead=entered.ahead)
        self.run = run


class TcpMembership(SupportsMembership):
    """`SupportsMembership` by the server's leases and the server's clock, for a backend with these attributes.

    A refresh is some 40 bytes each way, however many members there are, and one of a run's members is found as fast
    as any other. A process that ends without `leave` is given up a second after its connection. A process that lives
    connects again by itself, and has its memberships for their ttl, whatever becomes of its connections: while it
    cannot reach the server, `refresh` raises. Closing the backend says nothing of its members: while other instances
    of the process use the endpoint they stay for their ttl, and after the last one they end as with the process.
    """

    _session: Session
    _run: str

    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        return self._session.run(self._entering(payload, ttl))

    def update(self, member: MemberLease, payload: bytes) -> bool:
        return self._session.run(self._updating(member, payload))

    def refresh(self, member: MemberLease) -> bool:
        return self._session.run(self._refreshing(member))

    def leave(self, member: MemberLease) -> None:
        self._session.run(self._leaving(member))

    def members(self) -> MembersView:
        return self._session.run(self._viewing(None))

    def first(self, k: int) -> MembersView:
        return self._session.run(self._looking(k))

    def count(self) -> int:
        return self._session.run(self._asking(0, 0)).total

    def wait_members(self, version: Token | None, timeout: float) -> bool:
        return self._session.run(self._waiting(version, timeout))

    def _entering(self, payload: bytes, ttl: float) -> Steps[MemberLease]:
        payload, ttl = checked_payload(payload), checked_ttl(ttl)
        client = self._session.settle()
        while True:
            member = secrets.token_bytes(NONCE_BYTES)
            request = Enter(self._run, member, payload, ttl, client)
            answer = yield self._session.asking(lambda: request)  # noqa: B023 - read while the loop stands still
            if isinstance(answer, Entered):
                return TcpLease(self._run, ttl, answer, member)
            if isinstance(answer, Failed):
                raise RendezvousConnectionError(self._session.not_kept(answer))
            # Its first sending took so long to be answered by the second that the membership was over meanwhile.
            assert isinstance(answer, Ended), answer

    def _leaving(self, member: MemberLease) -> Steps[None]:
        if self._is_of_another_run(member):
            yield from self._asking(0, 0)  # raises where any other call would
            return
        request = Leave(bytes.fromhex(member.id))
        answer = yield self._session.asking(lambda: request)
        if isinstance(answer, Failed):
            raise RendezvousConnectionError(self._session.not_kept(answer))
        assert isinstance(answer, Done), answer

    def _updating(self, member: MemberLease, payload: bytes) -> Steps[bool]:
        return self._renewing(member, checked_payload(payload))

    def _refreshing(self, member: MemberLease) -> Steps[bool]:
        return self._renewing(member, None)

    def _renewing(self, member: MemberLease, payload: bytes | None) -> Steps[bool]:
        if self._is_of_another_run(member):
            yield from self._asking(0, 0)  # raises where any other call would
            return False
        request = Renew(bytes.fromhex(member.id), member.next_sequence(), payload)
        answer = yield self._session.asking(lambda: request)
        if isinstance(answer, Failed):
            raise RendezvousConnectionError(self._session.not_kept(answer))
        return isinstance(answer, Done)

    def _is_of_another_run(self, member: MemberLease) -> bool:
        return isinstance(member, TcpLease) and member.run != self._run

    def _looking(self, k: int) -> Steps[MembersView]:
        return self._viewing(min(max(k, 0), MAX_PLACE))

    def _viewing(self, limit: int | None = None) -> Steps[MembersView]:
        end = time.monotonic() + self._session.read_timeout
        while time.monotonic() < end:
            view = yield from self._asking(0, limit)
            members = list(view.members)
            wanted = view.total if limit is None else min(limit, view.total)
            while len(members) < wanted:
                more = yield from self._asking(len(members), wanted - len(members))
                if more.version != view.version:
                    break
                members += more.members
            else:
                known = tuple(Member(member.hex(), payload) for member, payload in members)
                return MembersView(view.incarnation.hex(), view.version, known)
        raise RendezvousConnectionError(
            f"tcp backend at '{self._session.endpoint}': the members of {self._run!r} are too many for one answer, and "
            f"changed during every attempt of {self._session.read_timeout:g} s to read them piece by piece: try again"
        )

    def _asking(self, start: int, limit: int | None) -> Steps[View]:
        answer = yield self._session.asking(lambda: Members(self._run, start, limit))
        assert isinstance(answer, View), answer
        return answer

    def _waiting(self, version: Token | None, timeout: float) -> Steps[bool]:
        if version is None:
            yield from self._asking(0, 0)  # raises where any other call would
            return True
        known = version if isinstance(version, bytes) else b""
        answer = yield from self._session.waiting(
            lambda seconds: WaitMembers(self._run, known, seconds), timeout, Unchanged
        )
        return isinstance(answer, Changed)
