"""Removing what a run has left in its store."""

from __future__ import annotations

from rdzv_core._errors import RendezvousStateError
from rdzv_core._fallback import remove_memberships, remove_stores
from rdzv_core._handler.head import Head, decode_announcement, decode_head
from rdzv_core._handler.roster_store import remove_roster
from rdzv_core._history import remove_history
from rdzv_core.abc import RendezvousBackend, SupportsDelete, SupportsStore
from rdzv_core.inspection import RunStatus, reset_run


def is_over(found: RunStatus) -> bool:
    """Return whether no node is there, and none of the last round can still be working.

    A node that was lost may work for a moment longer: the nodes of a new epoch learn of that from the head.
    """
    someone = any(member.present or member.state not in ("left", "done") for member in found.roster)
    return not someone and not found.waiting and not found.leader


def remove_run(backend: RendezvousBackend) -> int:
    """Reset a run that is over (see `is_over`), and remove every register of it; return how many were removed.

    The register itself goes last. A node that joins meanwhile keeps it, in the new epoch. Where the backend cannot
    delete, the new epoch stays and 0 is returned. Raises as `reset_run`. Does not close `backend`.
    """
    before = _head(backend)
    epoch = reset_run(backend)
    if not isinstance(backend, SupportsDelete):
        return 0
    removed = remove_stores(backend, {before.epoch, before.previous_epoch}) if before is not None else 0
    if before is not None and before.digest and not isinstance(backend, SupportsStore):
        removed += remove_roster(backend, before.digest)
    removed += remove_memberships(backend, _said_goodbye)
    removed += remove_history(backend)
    backend.delete_leftovers()
    snapshot = backend.get_state()
    if snapshot is not None and _is_untouched(decode_head(snapshot[0]), epoch):
        removed += backend.delete_state(snapshot[1])
    return removed


def _is_untouched(head: Head, epoch: str) -> bool:
    """Return whether a head is as the reset has written it."""
    return head == Head(epoch, previous_epoch=head.previous_epoch, run=head.run)


def _head(backend: RendezvousBackend) -> Head | None:
    snapshot = backend.get_state()
    try:
        return None if snapshot is None else decode_head(snapshot[0])
    except RendezvousStateError:
        return None


def _said_goodbye(payload: bytes) -> bool:
    said = decode_announcement(payload)
    return said is not None and bool(said.bye)
