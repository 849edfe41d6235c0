"""What is asked about memberships, and which connection speaks for which client."""

from __future__ import annotations

import math

from rdzv_tcp._protocol import (
    Answer,
    Claim,
    Done,
    Ended,
    Enter,
    Leave,
    Members,
    MemberWrite,
    Renew,
    WaitMembers,
    WireError,
)
from rdzv_tcp._server.outcomes import Caller, Outcome, Write
from rdzv_tcp._server.reaper import Reaper
from rdzv_tcp._server.wait_requests import MembersWait
from rdzv_tcp._state.members import Memberships
from rdzv_tcp._state.state import Effect, members_topic
from rdzv_tcp._wal.pending_members import PendingMembers

MAX_MEMBERS = 16_384
"""How many members one client may have."""

_DONE, _ENDED = Done(), Ended()


class MemberService:
    """Answers requests about memberships, and applies writes to them.

    A membership is renewed in memory alone. But what comes of a member of which something is on its way to the disk
    goes the same way, so that the log holds it in the order in which it was done.
    """

    def __init__(self, members: Memberships, pending: PendingMembers, reaper: Reaper) -> None:
        self._members = members
        self._pending = pending
        self._reaper = reaper
        self._clients: dict[Caller, bytes] = {}

    @property
    def claimed(self) -> int:
        """How many connections speak for a client."""
        return len(self._clients)

    def view(self, request: Members, _: Caller) -> Answer:
        """Answer with the members that were asked for."""
        return self._members.view(request)

    def wait(self, request: WaitMembers, _: Caller) -> MembersWait:
        """Wait for another version of the run."""
        return MembersWait(self._members, request)

    def claim(self, request: Claim, caller: Caller) -> Answer:
        """Note which client is at the end of a connection."""
        self._claim(caller, request.client)
        return _DONE

    def enter(self, request: Enter, caller: Caller) -> Write:
        """Commit an entry, of a client that may have another member."""
        if request.ttl == math.inf:
            raise WireError("a membership without an end")
        self._claim(caller, request.client)
        if self._members.held_by(request.client) >= MAX_MEMBERS:
            raise WireError(f"more than {MAX_MEMBERS} members of one client")
        return Write(request)

    def leave(self, request: Leave, _: Caller) -> Write:
        """Commit the end of a membership."""
        return Write(request)

    def renew(self, request: Renew, _: Caller) -> Outcome:
        """Renew a lease: the request that comes most often, and mostly changes nothing that anybody waits for."""
        pending = request.member in self._pending
        if request.payload is None and not pending:
            return _DONE if self._members.renew(request, self._reaper.now()) else _ENDED
        news = self._members.is_news(request)
        if news:
            self._members.extend(request.member, self._reaper.now())  # it has come in time, however slow the disk is
        elif not pending:
            return _ENDED if self._members.run_of(request.member) is None else _DONE
        return Write(request)

    def apply(self, request: MemberWrite, caller: Caller) -> Effect:
        """Apply a write."""
        members, now = self._members, self._reaper.now()
        run = request.run if isinstance(request, Enter) else members.run_of(request.member)
        before = b"" if run is None else members.version(run)
        answer: Answer = _DONE
        if isinstance(request, Leave):
            members.leave(request)
        elif isinstance(request, Renew):
            answer = _DONE if members.renew(request, now) else _ENDED
        else:
            answer = members.enter(request, now)
            if caller not in self._clients and caller.said_end and caller.direct:  # its process died meanwhile
                members.cut(request.client, now)
            self._reaper.arm()
        changed = run is not None and members.version(run) != before
        return Effect(answer, (members_topic(run),) if run is not None and changed else ())

    def disconnected(self, caller: Caller) -> None:
        """Note that a connection has ended."""
        client = self._clients.pop(caller, None)
        if client is not None:
            gone = caller.said_end and caller.direct
            self._members.disconnected(client, caller, self._reaper.now(), gone=gone)
            self._reaper.arm()

    def _claim(self, caller: Caller, client: bytes) -> None:
        if caller not in self._clients:
            self._clients[caller] = client
            self._members.connected(client, caller)
        elif self._clients[caller] != client:
            raise WireError("two clients claim to be at the end of one connection")
