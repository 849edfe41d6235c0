"""What a server answers to requests about memberships and stores of rounds. Runs on the server's loop alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from rdzv_tcp._protocol import (
    Answer,
    Claim,
    Done,
    Ended,
    Enter,
    Leave,
    MemberRequest,
    Members,
    Renew,
    StoreCount,
    StoreGet,
    StoreRequest,
    WaitMembers,
    WireError,
    encode,
)
from rdzv_tcp._server.reaper import Reaper
from rdzv_tcp._server.wait_requests import MembersWait, StoreWait
from rdzv_tcp._state.members import Memberships
from rdzv_tcp._state.stores import Outcome, Stores, StoreWrite

if TYPE_CHECKING:
    from rdzv_tcp._server.connection import Peer
    from rdzv_tcp._server.hub import Hub
    from rdzv_tcp._wal.group_commit import GroupCommit

MAX_MEMBERS = 16_384
"""How many members one client may have."""

MemberWrite: TypeAlias = Enter | Renew | Leave

_DONE, _ENDED = encode(Done()), encode(Ended())


class Desk:
    """Memberships and stores, what is sent about them, and whom a change wakes."""

    def __init__(self, hub: Hub) -> None:
        self.members = Memberships() if hub.journal is None else hub.journal.members
        self.stores = Stores() if hub.journal is None else hub.journal.stores
        self.reaper = Reaper(self.members, self._run_out)
        self._hub = hub
        self._clients: dict[Peer, bytes] = {}

    def begin(self) -> None:
        """Let time begin to run: whoever is in what was read from disk has a whole ttl from now on."""
        self.members.begin(self.reaper.now())
        self.reaper.arm()

    def serve(self, peer: Peer, request_id: int, request: MemberRequest | StoreRequest) -> None:
        """Answer a request, at once or when its time has come."""
        match request:
            case StoreGet():
                peer.ask(request_id, StoreWait(self.stores, request), request.seconds)
            case WaitMembers():
                peer.ask(request_id, MembersWait(self.members, request), request.seconds)
            case Members():
                peer.send(request_id, encode(self.members.view(request)))
            case StoreCount():
                peer.send(request_id, encode(self.stores.count(request)))
            case Claim():
                self._claim(peer, request.client)
                peer.send(request_id, _DONE)
            case Renew():
                self.renew(peer, request_id, request)
            case Enter() | Leave():
                self._change_members(peer, request_id, request)
            case _:
                self._change_store(peer, request_id, request)

    def renew(self, peer: Peer, request_id: int, request: Renew) -> None:
        """Answer a renewal: the request that comes most often, and mostly changes nothing that anybody waits for."""
        committer = self._hub.committer
        if committer is not None and (request.payload is not None or committer.concerns(request.member)):
            self._renew_on_disk(committer, peer, request_id, request)
            return
        run = None if request.payload is None else self.members.run_of(request.member)
        before = b"" if run is None else self.members.version(run)
        peer.send(request_id, _DONE if self.members.renew(request, self.reaper.now()) else _ENDED)
        if run is not None and self.members.version(run) != before:
            self._hub.changed(("members", run), peer)

    def lost(self, peer: Peer) -> None:
        """Note that a connection has ended."""
        client = self._clients.pop(peer, None)
        if client is not None:
            self.members.disconnected(client, peer, self.reaper.now(), gone=peer.said_end and peer.direct)
            self.reaper.arm()

    def do(self, peer: Peer, request: MemberWrite) -> tuple[Answer, str | None]:
        """Do what a member asks for, or what is on disk now; gives the answer, and the run if it changed."""
        members, now = self.members, self.reaper.now()
        run = request.run if isinstance(request, Enter) else members.run_of(request.member)
        before = b"" if run is None else members.version(run)
        answer: Answer
        if isinstance(request, Leave):
            members.leave(request)
            answer = Done()
        elif isinstance(request, Renew):
            answer = Done() if members.renew(request, now) else Ended()
        else:
            answer = members.enter(request, now)
            if peer not in self._clients and peer.said_end and peer.direct:  # its process died while this was written
                members.cut(request.client, now)
            self.reaper.arm()
        return answer, None if run is None or members.version(run) == before else run

    def _renew_on_disk(self, committer: GroupCommit, peer: Peer, request_id: int, request: Renew) -> None:
        """Answer a renewal that changes what is on disk, or that comes after what is on its way there."""
        if not committer.concerns(request.member) and not self.members.is_news(request):
            peer.send(request_id, _ENDED if self.members.run_of(request.member) is None else _DONE)
            return
        if self.members.is_news(request):
            self.members.extend(request.member, self.reaper.now())  # it has come in time, however slow the disk is
        committer.submit(peer, request_id, request)

    def _change_members(self, peer: Peer, request_id: int, request: Enter | Leave) -> None:
        if isinstance(request, Enter):
            self._check(peer, request)
        if self._hub.committer is not None:
            self._hub.committer.submit(peer, request_id, request)
            return
        answer, changed = self.do(peer, request)
        # The writer's answer goes first: whoever is woken by the write competes with it for this thread.
        peer.send(request_id, encode(answer))
        if changed is not None:
            self._hub.changed(("members", changed), peer)

    def _check(self, peer: Peer, request: Enter) -> None:
        if request.ttl == math.inf:
            raise WireError("a membership without an end")
        self._claim(peer, request.client)
        if self.members.held_by(request.client) >= MAX_MEMBERS:
            raise WireError(f"more than {MAX_MEMBERS} members of one client")

    def _claim(self, peer: Peer, client: bytes) -> None:
        if peer not in self._clients:
            self._clients[peer] = client
            self.members.connected(client, peer)
        elif self._clients[peer] != client:
            raise WireError("one connection, and two clients that claim to be at its end")

    def _change_store(self, peer: Peer, request_id: int, request: StoreWrite) -> None:
        if self._hub.committer is not None:
            self._hub.committer.submit(peer, request_id, request)
            return
        outcome = self.stores.change(request)
        peer.send(request_id, encode(outcome.answer))
        self.store_changed(request, outcome, peer)

    def store_changed(self, request: StoreWrite, outcome: Outcome, writer: Peer) -> None:
        """Tell those who wait what a write to a store has done."""
        for key in outcome.set_keys:
            self._hub.changed((request.run, request.prefix, key), writer)
        if outcome.displaced is not None:
            self._hub.changed_below((request.run, outcome.displaced))

    def _run_out(self, members: list[bytes]) -> None:
        """End those whose time is over: on disk first, so that nobody is told what a kill could take back."""
        if self._hub.committer is None:
            self.changed_runs(self.members.end(members))
        else:
            self._hub.committer.end(members)

    def changed_runs(self, runs: Iterable[str]) -> None:
        """Tell those who wait that the members of these runs have changed."""
        for run in runs:
            self._hub.changed(("members", run))
