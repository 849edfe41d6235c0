"""Whether the store that this process hosts is still used: a node that has finished stays until it is not."""

from __future__ import annotations

from rdzv_core import clock
from rdzv_core._handler.head import decode_announcement
from rdzv_core._handler.store_adapter import StoreAdapter
from rdzv_core._keys import readable_part, register_key
from rdzv_core.abc import Token

_LOOK_SECONDS = 1.0


def hosted_runs(adapter: StoreAdapter, run_id: str) -> list[str]:
    """Return the names of the runs whose members use the store, for people: `run_id` first, if it is one of them.

    A member that has said goodbye no longer uses it, though its lease may run on for a while.
    """
    there = adapter.backend.hosted_members()
    runs = {key: readable_part(key) for key, payloads in there.items() if any(map(_is_staying, payloads))}
    own = register_key(run_id)
    return [run_id] * (own in runs) + sorted(name for key, name in runs.items() if key != own)


def wait_until_over(adapter: StoreAdapter, run_id: str, timeout: float) -> bool:
    """Wait until the run is closed, or has no member, and no hosted run has any; False after `timeout` seconds."""
    until = clock.now() + timeout
    token: Token | None = None
    over = False
    while True:
        left = until - clock.now()
        changed, snapshot = adapter.watch.wait_state(token, max(0.0, min(left, _LOOK_SECONDS)))
        token = snapshot[1] if snapshot is not None else None
        over = over or (changed and adapter.is_closed()) or not adapter.members.count()
        if over and not hosted_runs(adapter, run_id):
            return True
        if left <= 0:
            return False


def _is_staying(payload: bytes) -> bool:
    said = decode_announcement(payload)
    return said is None or not said.bye
