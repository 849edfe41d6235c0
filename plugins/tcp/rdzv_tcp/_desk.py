"""What a server answers to requests about memberships and stores of rounds. Runs on the server's loop alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rdzv_tcp._member_messages import Claim, Ended, Enter, Leave, Members, Renew, WaitMembers
from rdzv_tcp._members import Memberships
from rdzv_tcp._questions import MembersQuestion, StoreQuestion
from rdzv_tcp._reaper import Reaper
from rdzv_tcp._store_messages import StoreCount, StoreGet
from rdzv_tcp._stores import Change, Outcome, Stores
from rdzv_tcp._wire import Answer, Done, MemberRequest, StoreRequest, WireError, encode

if TYPE_CHECKING:
    from rdzv_tcp._hub import Hub
    from rdzv_tcp._peer import Peer

MAX_MEMBERS = 16_384
"""How many members one client may have."""

_DONE, _ENDED = encode(Done()), encode(Ended())


class Desk:
    """Memberships and stores, what is sent about them, and whom a change wakes."""

    def __init__(self, hub: Hub) -> None:
        self.members = Memberships()
        self.stores = Stores() if hub.journal is None else hub.journal.stores
        self.reaper = Reaper(self.members, self._changed_runs)
        self._hub = hub
        self._clients: dict[Peer, bytes] = {}

    def serve(self, peer: Peer, request_id: int, request: MemberRequest | StoreRequest) -> None:
        """Answer a request, at once or when its time has come."""
        match request:
            case StoreGet():
                peer.ask(request_id, StoreQuestion(self.stores, request), request.seconds)
            case WaitMembers():
                peer.ask(request_id, MembersQuestion(self.members, request), request.seconds)
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
        run = None if request.payload is None else self.members.run_of(request.member)
        before = b"" if run is None else self.members.version(run)
        peer.send(request_id, _DONE if self.members.renew(request, self.reaper.now()) else _ENDED)
        if run is not None and self.members.version(run) != before:
            self._hub.changed(("members", run), peer)

    def lost(self, peer: Peer) -> None:
        """Note that a connection has ended."""
        client = self._clients.pop(peer, None)
        if client is not None:
            self.members.disconnected(client, self.reaper.now(), in_order=peer.said_end)
            self.reaper.arm()

    def _change_members(self, peer: Peer, request_id: int, request: Enter | Leave) -> None:
        members = self.members
        run = request.run if isinstance(request, Enter) else members.run_of(request.member)
        before = b"" if run is None else members.version(run)
        # The writer's answer goes first: whoever is woken by the write competes with it for this thread.
        peer.send(request_id, encode(self._change(peer, request)))
        if run is not None and members.version(run) != before:
            self._hub.changed(("members", run), peer)

    def _change(self, peer: Peer, request: Enter | Leave) -> Answer:
        members, now = self.members, self.reaper.now()
        if isinstance(request, Leave):
            members.leave(request)
            return Done()
        if request.ttl == math.inf:
            raise WireError("a membership without an end")
        self._claim(peer, request.client)
        if members.held_by(request.client) >= MAX_MEMBERS:
            raise WireError(f"more than {MAX_MEMBERS} members of one client")
        answer = members.enter(request, now)
        self.reaper.arm()
        return answer

    def _claim(self, peer: Peer, client: bytes) -> None:
        if peer not in self._clients:
            self._clients[peer] = client
            self.members.connected(client)
        elif self._clients[peer] != client:
            raise WireError("one connection, and two clients that claim to be at its end")

    def _change_store(self, peer: Peer, request_id: int, request: Change) -> None:
        if self._hub.committer is not None:
            self._hub.committer.submit(peer, request_id, request)
            return
        outcome = self.stores.change(request)
        peer.send(request_id, encode(outcome.answer))
        self.store_changed(request, outcome, peer)

    def store_changed(self, request: Change, outcome: Outcome, writer: Peer) -> None:
        """Tell those who wait what a write to a store has done."""
        for key in outcome.set_keys:
            self._hub.changed((request.run, request.prefix, key), writer)
        if outcome.displaced is not None:
            self._hub.changed_below((request.run, outcome.displaced))

    def _changed_runs(self, runs: Iterable[str]) -> None:
        for run in runs:
            self._hub.changed(("members", run))
