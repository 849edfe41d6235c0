"""What each operation does at the store. Waits are the network's: they are answered later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rdzv_core import RendezvousStateError
from rdzv_core._handler import operations
from rdzv_core._handler.head import encode_head
from rdzv_core._handler.operations import Operation
from rdzv_core._handler.roster import page_of, rank_in, unpack_roster
from rdzv_simulation._cluster.store import SimStore


def execute(store: SimStore, operation: Operation, sequence: int) -> Any:
    """Return the result of an operation; an exception that is a result is returned, too.

    `sequence` orders what is sent for one membership.
    """
    return _STEPS[type(operation)](store, operation, sequence)


def _write(store: SimStore, operation: operations.WriteHead, _: int) -> Any:
    if operation.roster is not None:
        store.rosters.setdefault(operation.roster.digest, operation.roster)
    return store.write(encode_head(operation.head), operation.token)


def _fetch(store: SimStore, operation: operations.FetchRoster, _: int) -> Any:
    packed = store.rosters.get(operation.digest)
    return _missing(operation.digest) if packed is None else unpack_roster(operation.digest, packed.whole)


def _find(store: SimStore, operation: operations.FindRank, _: int) -> Any:
    packed = store.rosters.get(operation.digest)
    if packed is None:
        return _missing(operation.digest)
    return rank_in(packed.pages[page_of(operation.member, operation.pages)], operation.member)


def _missing(digest: str) -> RendezvousStateError:
    return RendezvousStateError(f"no roster {digest}")


def head_changed(store: SimStore, operation: operations.WaitHead) -> tuple[bool, Any]:
    """Return whether a wait for the register is over, and its result now."""
    snapshot = store.read()
    changed = (None if snapshot is None else snapshot.token) != operation.token
    return changed, (changed, snapshot)


def members_changed(store: SimStore, operation: operations.WaitMembers) -> tuple[bool, Any]:
    """Return whether a wait for the memberships is over, and its result now."""
    changed = store.version != operation.version
    return changed, changed


_STEPS: dict[type[Operation], Callable[[SimStore, Any, int], Any]] = {
    operations.ReadMembers: lambda store, operation, _: store.view(operation.limit),
    operations.Refresh: lambda store, operation, sequence: store.refresh(operation.member, sequence),
    operations.Update: lambda store, operation, sequence: store.refresh(operation.member, sequence, operation.payload),
    operations.ReadHead: lambda store, *_: store.read(),
    operations.WriteHead: _write,
    operations.Enter: lambda store, operation, _: store.enter(operation.payload, operation.ttl),
    operations.Leave: lambda store, operation, _: store.leave(operation.member),
    operations.FetchRoster: _fetch,
    operations.FindRank: _find,
}
