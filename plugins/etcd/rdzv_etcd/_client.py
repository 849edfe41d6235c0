"""A small etcd client: what the backend needs, and what `EtcdServer.get_client` gives."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from rdzv_core import RendezvousConnectionError
from rdzv_etcd import _kv
from rdzv_etcd._errors import UnknownOutcomeError
from rdzv_etcd._gateway import Gateway
from rdzv_etcd._wire import Call

T = TypeVar("T")


class EtcdClient:
    """Reads, writes and watches single keys of an etcd cluster.

    Thread-safe; a call that waits holds up no other, and a forked child may go on using it (over connections of its
    own). A call ends within `timeout` seconds in total, or by the monotonic `deadline` that it was given; looking up
    a host name is the one thing that can not be cut short. Raises `RendezvousConnectionError` when etcd can not be
    reached, refuses, or does not answer in time, and after `close`. A write whose answer was lost is raised, not
    repeated: it may or may not have taken effect.
    """

    def __init__(self, gateway: Gateway, timeout: float = 60) -> None:
        self.timeout = timeout
        self._gateway = gateway
        self._calls: set[Call] = set()
        self._closed = False
        gateway.users.add(self)

    @property
    def guarded(self) -> bool:
        """Whether this etcd and its clients know each other, and nobody can read along; known after the first call."""
        return self._gateway.guarded

    def another(self) -> EtcdClient:
        """Give a client that shares this one's connections, and is closed by itself."""
        if self._closed:
            raise self._gateway.closed()
        return EtcdClient(self._gateway, self.timeout)

    def get(self, key: bytes) -> bytes | None:
        """Give the key's value, None if it is not there; read linearizably."""
        found = self.read(key).found
        return None if found is None else found.value

    def put(self, key: bytes, value: bytes) -> None:
        """Set the key, whatever it holds."""
        self._post("/v3/kv/put", {"key": _kv.encode(key), "value": _kv.encode(value)}, dict, repeatable=False)

    def delete(self, key: bytes) -> bool:
        """Delete the key; True if it was there."""
        return self._delete(key, _kv.if_present(key), None)

    def keys(self, prefix: bytes) -> list[bytes]:
        """Give the keys that begin with `prefix`, read linearizably."""
        return self._post("/v3/kv/range", _kv.keys_request(prefix), _kv.read_keys)

    def enable_users(self, root: str, password: str) -> None:
        """Let this etcd ask everybody for a user from now on, and know the one who may do everything."""
        for path, body in (
            ("user/add", {"name": root, "password": password}),
            ("role/add", {"name": root}),
            ("user/grant", {"user": root, "role": root}),
            ("enable", {}),
        ):
            self._post(f"/v3/auth/{path}", body, dict, repeatable=False)

    def version(self) -> str:
        """Give the version of the etcd that answers."""
        return self._post("/v3/maintenance/status", {}, lambda answer: str(answer["version"]))

    def status(self) -> tuple[str, str]:
        """Return the ids, in hexadecimal, of the member that answers and of the leader as it sees it ("": none)."""
        return self._post("/v3/maintenance/status", {}, _kv.read_status)

    def member_names(self) -> list[str]:
        """Give the names of the cluster's members."""
        return self._post(
            "/v3/cluster/member/list", {}, lambda answer: [str(member.get("name", "")) for member in answer["members"]]
        )

    def read(self, key: bytes, deadline: float | None = None) -> _kv.ReadResult:
        """Give the key's value and revision, and the store's revision, read linearizably."""
        return self._post("/v3/kv/range", _kv.range_request(key), _kv.read_result, deadline)

    def put_if(
        self, key: bytes, value: bytes, compare: Sequence[_kv.Message], deadline: float | None = None
    ) -> _kv.TxnResult:
        """Set the key if all of `compare` holds, else read it; a lost answer is an `UnknownOutcomeError`."""
        return self._post("/v3/kv/txn", _kv.txn_put(key, value, compare), _kv.txn_result, deadline, repeatable=False)

    def delete_if(self, key: bytes, compare: Sequence[_kv.Message], deadline: float | None = None) -> bool:
        """Delete the key if all of `compare` holds; a lost answer is an `UnknownOutcomeError`."""
        return self._delete(key, compare, deadline)

    def wait_change(self, key: bytes, start_revision: int, deadline: float) -> bool:
        """Wait until the key was changed at `start_revision` or later; False when the deadline came first.

        True may also come without a change: when etcd ended the watch because it no longer has that revision.
        Raises `RendezvousConnectionError` when the watch is lost or refused.
        """
        with self._call(deadline) as call:
            messages = self._gateway.stream(call, "/v3/watch", _kv.watch_request(key, start_revision))
            with contextlib.closing(messages):
                for message in messages:
                    if self._ends_watch(message):
                        return True
        return False

    def close(self) -> None:
        """End this client's calls, in other threads too, and its connections unless others share them. Idempotent."""
        self._closed = True
        for call in list(self._calls):
            call.cancel()
        self._gateway.users.discard(self)
        if not self._gateway.users:
            self._gateway.close()

    def error(self, what: str) -> RendezvousConnectionError:
        """Make an error that names the backend and the endpoints."""
        return self._gateway.error(what)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def __enter__(self) -> EtcdClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<EtcdClient at {self._gateway}{' (closed)' if self._closed else ''}>"

    def _ends_watch(self, message: dict[str, Any]) -> bool:
        result = message.get("result")
        if not isinstance(result, dict):
            raise self.error(f"the watch failed: {message.get('error', message)}")
        if result.get("canceled") and "compact_revision" not in result:
            self._gateway.forget_login()  # a stale login is the usual reason, and not always named
            raise self.error(f"the watch was refused: {result.get('cancel_reason', 'no reason given')}")
        return bool(result.get("canceled") or result.get("events"))

    def _delete(self, key: bytes, compare: Sequence[_kv.Message], deadline: float | None) -> bool:
        request = _kv.txn_delete(key, compare)
        return self._post("/v3/kv/txn", request, _kv.txn_result, deadline, repeatable=False).succeeded

    def _post(
        self,
        path: str,
        body: _kv.Message,
        read: Callable[[dict[str, Any]], T],
        deadline: float | None = None,
        *,
        repeatable: bool = True,
    ) -> T:
        with self._call(time.monotonic() + self.timeout if deadline is None else deadline) as call:
            answer = self._gateway.post(call, path, body, repeatable=repeatable)
        try:
            return read(answer)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            what = f"{path} gave {str(answer)[:100]}, which is not what an etcd v3 answers"
            raise (self.error(what) if repeatable else UnknownOutcomeError(str(self.error(what)))) from error

    @contextlib.contextmanager
    def _call(self, deadline: float) -> Iterator[Call]:
        call = Call(deadline)
        self._calls.add(call)
        try:
            if self._closed:  # looked at after the add, as `close` cancels what it finds after setting it
                raise self._gateway.closed()
            with call:
                yield call
        finally:
            self._calls.discard(call)
