"""A write that is not answered: whether its answer may still come."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from rdzv_core.endpoint import HostPort
from rdzv_etcd._client import messages
from rdzv_etcd._client.errors import RefusedError, UnansweredError
from rdzv_etcd._client.scope import CancelScope
from rdzv_etcd._client.session import Session

LOOK_EVERY = 0.75
"""Seconds of silence before each look at the member that a write was sent to."""
LOOK_SECONDS = 0.5
"""How long a member may take to say where it stands, which needs no other member; and to answer a later write."""


class LostWrite:
    """Looks at the member that a write was sent to, again and again while it does not answer.

    A member that stands still answers nothing. A write that is under way when the leader is lost has mostly been lost
    with it: then etcd answers no sooner than after 7 s. So has one that a follower could not hand to the leader, as
    while it connects anew; of that no term tells. So each look sends a write that changes nothing: it goes the way that
    the lost one went, and was answered where the next look still finds that one unanswered.

    `body` is what was sent, and `term` the one in which that member was last known to be, 0 if that is not known:
    others may have heard of an election before it.
    """

    def __init__(
        self, session: Session, scope: CancelScope, endpoint: HostPort, term: int, body: Mapping[str, Any]
    ) -> None:
        self._session, self._scope, self._endpoint, self._term = session, scope, endpoint, term
        self._body = body
        self._was_replaced = self._was_overtaken = False

    def look(self) -> None:
        """Raise `TimeoutError` if the answer will not come."""
        if self._was_overtaken:
            raise TimeoutError("timed out, and a later write is answered")
        try:
            status = self._ask("/v3/maintenance/status", b"{}")
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
        self._was_overtaken = self._answers_a_later_write()

    def _answers_a_later_write(self) -> bool:
        key = messages.written_key(self._body)
        if key is None:
            return False
        try:
            self._ask("/v3/kv/txn", json.dumps(messages.txn_reads(key, [])).encode("ascii"))
        except (RefusedError, UnansweredError):
            return False  # it is busy, or without a leader: that says nothing
        return True

    def _ask(self, path: str, payload: bytes) -> dict[str, Any]:
        with CancelScope(time.monotonic() + min(LOOK_SECONDS, self._scope.time_left)) as scope:
            scope.begin_attempt()
            return self._session.post(scope, self._endpoint, path, payload)


def term_of(answer: dict[str, Any]) -> int:
    """Return the raft term in the head of an answer, 0 if there is none."""
    header = answer.get("header")
    return int(header.get("raft_term", 0)) if isinstance(header, dict) else 0
