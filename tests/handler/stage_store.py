"""A register, its memberships and rosters, in memory: what the machines on a stage talk to."""

from __future__ import annotations

from typing import Any

from rdzv_core._handler import operations
from rdzv_core._handler.head import Seat, decode_announcement, encode_head
from rdzv_core._handler.roster import PackedRoster, page_of, rank_in, unpack_roster
from rdzv_core.abc import Member, MemberLease, MembersView, SetStateResult, StateSnapshot


class MemoryStore:
    """A register, its memberships and rosters. No lease ends by itself."""

    def __init__(self) -> None:
        self.state: bytes | None = None
        self.before: bytes | None = None
        self.token = 0
        self.members: dict[str, bytes] = {}
        self.version = 0
        self.incarnation = 1
        self.rosters: dict[str, PackedRoster] = {}
        self._entries = 0

    def set(self, state: bytes | None) -> None:
        """Write the register as somebody else."""
        self.before, self.state, self.token = self.state, state, self.token + 1

    def announce(self, member: str, payload: bytes | None) -> None:
        """Enter, update or end a membership as somebody else."""
        self.version += 1
        if payload is None:
            self.members.pop(member, None)
        else:
            self.members[member] = payload

    def changed(self, operation: operations.Operation) -> bool:
        """Whether a wait has something to return; True for what is no wait."""
        if isinstance(operation, operations.WaitHead):
            return operation.token != (None if self.state is None else self.token)
        return not isinstance(operation, operations.WaitMembers) or operation.version != self.version

    def perform(self, operation: operations.Operation) -> Any:
        """Do it, and return its result."""
        match operation:
            case operations.ReadHead():
                return self._snapshot()
            case operations.WaitHead():
                return True, self._snapshot()
            case operations.WriteHead():
                return self._write(operation)
            case operations.FetchRoster() | operations.FindRank():
                return self._look_up(operation)
            case operations.ReadMembers():
                found = [Member(name, payload) for name, payload in self.members.items()]
                return MembersView(f"i{self.incarnation}", self.version, tuple(found[: operation.limit]))
            case operations.WaitMembers():
                return True
            case operations.Enter():
                return self._enter(operation)
            case operations.Leave():
                return self.announce(operation.member.id, None)
            case operations.Update() if operation.member.id in self.members:
                self.announce(operation.member.id, operation.payload)
        assert isinstance(operation, operations.Update | operations.Refresh)
        return operation.member.id in self.members

    def _look_up(self, operation: operations.FetchRoster | operations.FindRank) -> tuple[Seat, ...] | int | None:
        packed = self.rosters[operation.digest]
        if isinstance(operation, operations.FetchRoster):
            return unpack_roster(operation.digest, packed.whole)
        return rank_in(packed.pages[page_of(operation.member, operation.pages)], operation.member)

    def _snapshot(self) -> StateSnapshot | None:
        return None if self.state is None else StateSnapshot(self.state, self.token)

    def _write(self, operation: operations.WriteHead) -> SetStateResult | None:
        current = None if self.state is None else self.token
        if operation.token == current:
            if operation.roster is not None:
                self.rosters[operation.roster.digest] = operation.roster
            self.set(encode_head(operation.head))
            assert self.state is not None
            return SetStateResult(self.state, self.token, True)
        return None if self.state is None else SetStateResult(self.state, self.token, False)

    def _enter(self, operation: operations.Enter) -> MemberLease:
        says = decode_announcement(operation.payload)
        assert says is not None
        self._entries += 1
        ahead = len(self.members)
        lease = MemberLease(operation.ttl, f"i{self.incarnation}", f"{says.node}#{self._entries}", ahead=ahead)
        self.announce(lease.id, operation.payload)
        return lease
