"""Looking at a run from outside, and starting it again. Looking writes nothing and enters nothing."""

from __future__ import annotations

import secrets
from dataclasses import replace

from rdzv_core._errors import RendezvousConnectionError
from rdzv_core._fallback import release
from rdzv_core._handler.head import decode_head, encode_head, reset_head
from rdzv_core._handler.store_adapter import StoreAdapter
from rdzv_core._history import Failure, HistoryReader, PastRound
from rdzv_core._run_status import NodeState, Phase, RosterMember, RunStatus, WaitingNode, status_of
from rdzv_core.abc import RendezvousBackend, Token
from rdzv_core.abc._backend import params_of

__all__ = [
    "Failure",
    "Inspector",
    "NodeState",
    "PastRound",
    "Phase",
    "RosterMember",
    "RunStatus",
    "WaitingNode",
    "inspect_run",
    "reset_run",
]

_ATTEMPTS = 20


def inspect_run(backend: RendezvousBackend) -> RunStatus:
    """Read a run's register and memberships; raises `RendezvousConnectionError` or `RendezvousStateError`.

    Does not close `backend`.
    """
    inspector = Inspector(backend)
    try:
        return inspector.look()
    finally:
        inspector.release()


class Inspector:
    """Looks at a run as often as it is asked to. `look` is for one thread; `wait_for_head` and `wait_for_members` may
    be called by others meanwhile. Does not close `backend`.
    """

    def __init__(self, backend: RendezvousBackend) -> None:
        params = params_of(backend)
        self._run_id, self._endpoint = (params.run_id, params.endpoint) if params else ("", "")
        self._access = StoreAdapter(backend)
        self._history = HistoryReader(backend)
        self._token: Token | None = None
        self._version: Token | None = None

    def look(self) -> RunStatus:
        """Read register and memberships; raises `RendezvousConnectionError` or `RendezvousStateError`."""
        snapshot = self._access.backend.get_state()
        self._token = None if snapshot is None else snapshot[1]
        store = dict(self._access.backend.health())
        if snapshot is None:
            reasons = ["no node has joined under this run id on this store"]
            return RunStatus(self._run_id, False, "no such run", reasons=reasons, store=store)
        head = decode_head(snapshot[0])
        if head.digest:
            head = head.with_roster(self._access.rosters.whole(head.digest))
        view = self._access.members.members()
        self._version = view.version
        status = status_of(self._run_id, head, view, self._endpoint)
        history = self._history.read(head.epoch)
        return replace(
            status,
            store=store,
            first_failure=history.first_failure,
            last_failure=history.last_failure,
            rounds=list(history.rounds),
        )

    def wait_for_head(self, timeout: float) -> bool:
        """Wait until the register differs from what the last look saw; False after `timeout` s. Raises as `look`."""
        return bool(self._access.watch.wait_state(self._token, timeout)[0])

    def wait_for_members(self, timeout: float) -> bool:
        """Wait until the memberships differ from what the last look saw; False after `timeout` s. Raises as `look`.

        Returns at once where no look has seen any yet.
        """
        return self._version is not None and self._access.members.wait_members(self._version, timeout)

    def release(self) -> None:
        """Release everything but the backend."""
        self._history.close()
        release(self._access.members)
        release(self._access.watch)


def reset_run(backend: RendezvousBackend) -> str:
    """Start a new epoch of the run, closed or not, and return its id. Nodes that still work are told STORE_LOST.

    Raises `RendezvousConnectionError`, or `RendezvousStateError` where the state cannot be read. Does not close
    `backend`.
    """
    epoch = secrets.token_hex(8)
    for _ in range(_ATTEMPTS):
        snapshot = backend.get_state()
        fresh = encode_head(reset_head(epoch, None if snapshot is None else snapshot[0]))
        result = backend.set_state(fresh, None if snapshot is None else snapshot[1])
        if result is not None and result[2]:
            return epoch
    raise RendezvousConnectionError(f"the run's register changed {_ATTEMPTS} times while it was being reset: try again")
