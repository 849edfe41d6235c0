"""A write that is not answered: whether its answer may still come."""

from __future__ import annotations

import time
from typing import Any

from rdzv_core.endpoint import HostPort
from rdzv_etcd._client.errors import RefusedError, UnansweredError
from rdzv_etcd._client.scope import CancelScope
from rdzv_etcd._client.transport import Transport

LOOK_EVERY = 0.75
"""Seconds of silence before each look at the member that a write was sent to."""
LOOK_SECONDS = 0.5
"""How long a member may take to say where it stands, which needs no other member."""


class LostWrite:
    """Looks at the member that a write was sent to, again and again while it does not answer.

    A member that stands still answers nothing. A write that is under way when the leader is lost has mostly been lost
    with it: then etcd answers no sooner than after 7 s. `term` is the one in which that member was last
    known to be, 0 if that is not known: others may have heard of an election before it.
    """

    def __init__(self, transport: Transport, scope: CancelScope, endpoint: HostPort, term: int) -> None:
        self._transport, self._scope, self._endpoint, self._term = transport, scope, endpoint, term
        self._was_replaced = False

    def look(self) -> None:
        """Raise `TimeoutError` if the answer will not come."""
        try:
            with CancelScope(time.monotonic() + min(LOOK_SECONDS, self._scope.time_left)) as scope:
                scope.begin_attempt()
                status = self._transport.post(scope, self._endpoint, "/v3/maintenance/status", b"{}", "")
        except RefusedError:
            return
        except UnansweredError as error:
            raise TimeoutError("timed out, and nothing else is answered either") from error
        term = term_of(status)
        if not self._term or not int(status.get("leader", 0)):
            self._term = self._term or term
        elif term > self._term:
            if self._was_replaced:  # else what was kept by the new leader is answered now
                raise TimeoutError("timed out, and another leader was elected meanwhile")
            self._was_replaced = True


def term_of(answer: dict[str, Any]) -> int:
    """Return the raft term in the head of an answer, 0 if there is none."""
    header = answer.get("header")
    return int(header.get("raft_term", 0)) if isinstance(header, dict) else 0
