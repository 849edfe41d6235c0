"""An etcd client of single keys: what the backend needs, and what `EtcdServer.get_client` returns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rdzv_etcd._client import messages
from rdzv_etcd._client.caller import Caller
from rdzv_etcd._client.subscriptions import Span, Subscription, WaitEnd


class EtcdClient(Caller):
    """Reads, writes and watches single keys of an etcd cluster.

    Thread-safe; a call that waits does not hold up others, and a forked child may go on using it (over connections of
    its own). A call ends within `timeout` seconds in total, or by the monotonic `deadline` passed to it; only the
    look-up of a host name cannot be cut short. Raises `RendezvousConnectionError` when etcd cannot be reached,
    refuses, or does not answer in time, and after `close`. A write whose answer was lost is an error, not repeated: it
    may or may not have taken effect. That is why writes go to a member of the cluster that has just answered.
    """

    def get(self, key: bytes) -> bytes | None:
        """Return the key's value, None if it does not exist; a linearizable read."""
        found = self.read(key).found
        return None if found is None else found.value

    def put(self, key: bytes, value: bytes) -> None:
        """Set the key, whatever its value; a lost answer is an `UnknownOutcomeError`."""
        deadline = time.monotonic() + self.timeout
        self._find_member(key, deadline)
        body = {"key": messages.encode(key), "value": messages.encode(value)}
        self._post("/v3/kv/put", body, dict, deadline, repeatable=False)

    def delete(self, key: bytes) -> bool:
        """Delete the key; True if it existed."""
        return self.delete_if(key, messages.if_present(key))

    def keys(self, prefix: bytes) -> list[bytes]:
        """Return the keys that begin with `prefix`; a linearizable read."""
        return list(self._range(messages.keys_request(prefix), messages.read_keys))

    def enable_users(self, root: str, password: str) -> None:
        """Turn on etcd's authentication, with one user who may do everything."""
        for path, body in (
            ("user/add", {"name": root, "password": password}),
            ("role/add", {"name": root}),
            ("user/grant", {"user": root, "role": root}),
            ("enable", {}),
        ):
            self.request(f"/v3/auth/{path}", body, repeatable=False)

    def version(self) -> str:
        """Return the version of the etcd that answers."""
        return self._post("/v3/maintenance/status", {}, lambda answer: str(answer["version"]))

    def status(self) -> tuple[str, str]:
        """Return the ids, in hexadecimal, of the member that answers and of the leader it sees ("" if none)."""
        return self._post("/v3/maintenance/status", {}, messages.read_status)

    def member_names(self) -> list[str]:
        """Return the names of the cluster's members."""
        return self._post(
            "/v3/cluster/member/list", {}, lambda answer: [str(member.get("name", "")) for member in answer["members"]]
        )

    def read(self, key: bytes, deadline: float | None = None) -> messages.ReadResult:
        """Return the key's value and revision, and the store's revision; a linearizable read."""
        return self._range(messages.range_request(key), messages.read_result, deadline)

    def range(self, request: messages.Message) -> dict[str, Any]:
        """Return etcd's answer to a read of several keys, which others may share: it is not to be changed."""
        return self._range(request, _as_it_is)

    def transact(
        self,
        key: bytes,
        compare: Sequence[messages.Message],
        success: Sequence[messages.Message],
        failure: Sequence[messages.Message] = (),
        *,
        repeatable: bool,
    ) -> messages.Outcome:
        """Do the operations `success` if all of `compare` holds, else those of `failure`; all in one step.

        `key` is any one that the operations are about. At least one of them is a write: for reads there is
        `read_together`.

        A `repeatable` one may be done twice; the lost answer of any other is an `UnknownOutcomeError`.
        """
        body = {"compare": list(compare), "success": list(success), "failure": list(failure)}
        deadline = time.monotonic() + self.timeout
        if not repeatable:
            self._find_member(key, deadline)
        return self._post("/v3/kv/txn", body, messages.read_outcome, deadline, repeatable=repeatable)

    def read_together(self, key: bytes, reads: Sequence[messages.Message]) -> list[dict[str, Any]]:
        """Return etcd's answers to reads of several keys as of one moment, which takes as long as a write.

        `key` is any one that they are about.
        """
        if len(reads) == 1:
            return [self.range(reads[0])]
        return self._post("/v3/kv/txn", messages.txn_reads(key, reads), messages.read_outcome).answers

    def count_together(self, counts: Sequence[messages.Message]) -> list[int]:
        """Return the answers to `messages.count_request`s as of one moment."""
        if len(counts) == 1:
            return [messages.read_count(self.range(counts[0]))]
        return self._post("/v3/kv/txn", messages.txn_counts(counts), messages.read_counts)

    def put_if(
        self,
        key: bytes,
        value: bytes,
        compare: Sequence[messages.Message],
        deadline: float | None = None,
        *,
        resumable: bool = False,
        lease: int = 0,
    ) -> messages.TxnResult:
        """Set the key if all of `compare` holds, else read it; a lost answer is an `UnknownOutcomeError`.

        That is raised within seconds if the write is `resumable`: if the caller finds out what became of it, and may
        send it again.
        """
        return self._write(key, messages.txn_put(key, value, compare, lease), deadline, resumable)

    def delete_if(self, key: bytes, compare: Sequence[messages.Message], deadline: float | None = None) -> bool:
        """Delete the key if all of `compare` holds; a lost answer is an `UnknownOutcomeError`."""
        return self._write(key, messages.txn_delete(key, compare), deadline, False).succeeded

    def extent(self, key: bytes, end: bytes | None = None, deadline: float | None = None) -> messages.Extent:
        """Return the newest revision of a key, or among the keys up to `end`; a linearizable read."""
        return self._range(messages.extent_request(key, end), messages.read_extent, deadline)

    def wait_change(
        self,
        span: Span,
        start_revision: int,
        deadline: float,
        known: messages.Extent | None = None,
        within: Span | None = None,
        looked_at: float | None = None,
    ) -> WaitEnd:
        """Wait until a key of the span changes at `start_revision` or later, or until the deadline.

        All clients of this process that share a gateway wait over one stream, which watches the range `within`, by
        default the span. `WOKEN` may also come without a change: when that stream was lost, or does not reach back to
        `start_revision`. `known` is the extent that the caller has read, which saves another read if it is still that.
        A caller who has not read just now says when that was, by `time.monotonic` (`looked_at`): `WOKEN` comes at once
        unless the range has been watched since. Raises `RendezvousConnectionError` when the watch is lost or refused.
        """
        subscription = Subscription(span, start_revision, deadline, known, looked_at)
        self._calls.add(subscription)
        try:
            if self._closed:
                raise self._gateway.closed()
            return self._shared.watch.wait(subscription, within)
        finally:
            self._calls.discard(subscription)

    def _write(
        self, key: bytes, request: messages.Message, deadline: float | None, resumable: bool
    ) -> messages.TxnResult:
        deadline = time.monotonic() + self.timeout if deadline is None else deadline
        self._find_member(key, deadline)
        return self._post("/v3/kv/txn", request, messages.txn_result, deadline, repeatable=False, resumable=resumable)

    def _find_member(self, key: bytes, deadline: float) -> None:
        """Make sure that the preferred endpoint has just answered: a read may be tried at one after the other."""
        if not self._gateway.endpoints.proven(time.monotonic()):
            self.extent(key, None, deadline)


def _as_it_is(answer: dict[str, Any]) -> dict[str, Any]:
    return answer
