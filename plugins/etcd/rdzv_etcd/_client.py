"""A small etcd client: what the backend needs, and what `EtcdServer.get_client` gives."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from rdzv_core import RendezvousConfigurationError, RendezvousConnectionError
from rdzv_etcd import _kv
from rdzv_etcd._errors import UnknownOutcomeError
from rdzv_etcd._gateway import Gateway
from rdzv_etcd._wire import Call

T = TypeVar("T")

LOOK_EVERY, LOOK_EVERY_ALONE = 1.0, 5.0
"""Seconds of a watch's silence after which the key is read; the latter where there is no other member to watch at."""
LOOK_SECONDS = 5.0
"""How long that read may take."""


class _WatchIsOutdatedError(Exception):
    """The watch stands at a member that is no longer asked, or has not told of a change."""


class EtcdClient:
    """Reads, writes and watches single keys of an etcd cluster.

    Thread-safe; a call that waits holds up no other, and a forked child may go on using it (over connections of its
    own). A call ends within `timeout` seconds in total, or by the monotonic `deadline` that it was given; looking up
    a host name is the one thing that cannot be cut short. Raises `RendezvousConnectionError` when etcd cannot be
    reached, refuses, or does not answer in time, and after `close`. A write whose answer was lost is raised, not
    repeated: it may or may not have taken effect. So it goes to a member of the cluster that has just answered.
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

    @property
    def local_host(self) -> str:
        """This end's address of the connection that was made last; known after the first call."""
        return self._gateway.local_host

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
        return self.delete_if(key, _kv.if_present(key))

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
        self,
        key: bytes,
        value: bytes,
        compare: Sequence[_kv.Message],
        deadline: float | None = None,
        *,
        resumable: bool = False,
    ) -> _kv.TxnResult:
        """Set the key if all of `compare` holds, else read it; a lost answer is an `UnknownOutcomeError`.

        That comes within seconds if the write is `resumable`: if the caller finds out what became of it, and may send
        it again.
        """
        return self._write(key, _kv.txn_put(key, value, compare), deadline, resumable)

    def delete_if(self, key: bytes, compare: Sequence[_kv.Message], deadline: float | None = None) -> bool:
        """Delete the key if all of `compare` holds; a lost answer is an `UnknownOutcomeError`."""
        return self._write(key, _kv.txn_delete(key, compare), deadline, False).succeeded

    def wait_change(self, key: bytes, start_revision: int, deadline: float, known_revision: int | None = None) -> bool:
        """Wait until the key was changed at `start_revision` or later; False when the deadline came first.

        True may also come without a change: when etcd ended the watch because it no longer has that revision, or when
        the watch should be taken up elsewhere. A watch proves nothing while it is silent, so the key is read about
        once a second then, and what is found is compared with `known_revision`, which it had when it was read (0: it
        was not there; None: nobody knows). Raises `RendezvousConnectionError` when the watch is lost or refused.
        """
        endpoint = self._gateway.endpoints.preferred

        def look() -> None:
            revision = self._revision(key, min(deadline, time.monotonic() + LOOK_SECONDS))
            if known_revision not in (None, revision) or self._gateway.endpoints.preferred != endpoint:
                raise _WatchIsOutdatedError

        with self._call(deadline) as call:
            call.on_silence((LOOK_EVERY_ALONE if self._gateway.endpoints.alone else LOOK_EVERY) * _jitter(), look)
            messages = self._gateway.stream(call, endpoint, "/v3/watch", _kv.watch_request(key, start_revision))
            try:
                with contextlib.closing(messages):
                    return any(self._ends_watch(message) for message in messages)
            except _WatchIsOutdatedError:
                return True

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

    def _revision(self, key: bytes, deadline: float) -> int:
        found = self._post("/v3/kv/range", _kv.revision_request(key), _kv.read_result, deadline).found
        return 0 if found is None else found.revision

    def _write(self, key: bytes, request: _kv.Message, deadline: float | None, resumable: bool) -> _kv.TxnResult:
        deadline = time.monotonic() + self.timeout if deadline is None else deadline
        if not self._gateway.endpoints.proven(time.monotonic()):
            self._revision(key, deadline)  # finds a member that answers: a read may be tried at one after the other
        return self._post("/v3/kv/txn", request, _kv.txn_result, deadline, repeatable=False, resumable=resumable)

    def _post(
        self,
        path: str,
        body: _kv.Message,
        read: Callable[[dict[str, Any]], T],
        deadline: float | None = None,
        *,
        repeatable: bool = True,
        resumable: bool = False,
    ) -> T:
        with self._call(time.monotonic() + self.timeout if deadline is None else deadline) as call:
            answer = self._gateway.post(call, path, body, repeatable=repeatable, resumable=resumable)
        try:
            return read(answer)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            what = f"{path} gave {str(answer)[:100]}, which is not what an etcd v3 answers"
            kind = RendezvousConfigurationError if repeatable else UnknownOutcomeError
            raise kind(str(self.error(what))) from error

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


def _jitter() -> float:
    return random.uniform(0.8, 1.2)
