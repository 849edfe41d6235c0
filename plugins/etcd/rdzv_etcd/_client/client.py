"""An etcd client of single keys: what the backend needs, and what `EtcdServer.get_client` returns."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from rdzv_core import RendezvousConfigurationError, RendezvousConnectionError
from rdzv_etcd._client import messages
from rdzv_etcd._client.endpoints import Endpoints
from rdzv_etcd._client.errors import UnknownOutcomeError
from rdzv_etcd._client.gateway import Gateway
from rdzv_etcd._client.scope import CancelScope
from rdzv_etcd._client.shared_clients import Shared, share
from rdzv_etcd._client.subscriptions import Span, Subscription

T = TypeVar("T")


class Call(Protocol):
    """A call in progress."""

    deadline: float
    sent: bool

    def cancel(self) -> None:
        """End it, from another thread."""


class EtcdClient:
    """Reads, writes and watches single keys of an etcd cluster.

    Thread-safe; a call that waits does not hold up others, and a forked child may go on using it (over connections of
    its own). A call ends within `timeout` seconds in total, or by the monotonic `deadline` passed to it; only the
    look-up of a host name cannot be cut short. Raises `RendezvousConnectionError` when etcd cannot be reached,
    refuses, or does not answer in time, and after `close`. A write whose answer was lost is an error, not repeated: it
    may or may not have taken effect. That is why writes go to a member of the cluster that has just answered.
    """

    def __init__(self, gateway: Gateway, timeout: float = 60) -> None:
        self._use(Shared(gateway), timeout)
        self._shared.join(self)

    @classmethod
    def sharing(cls, key: Hashable, make: Callable[[], Gateway], timeout: float) -> EtcdClient:
        """Return a client that shares what this process's clients with the same `key` share; else `make` makes it."""
        client = cls.__new__(cls)
        client._use(share(key, make, client), timeout)
        return client

    def _use(self, shared: Shared, timeout: float) -> None:
        self.timeout = timeout
        self._shared = shared
        self._gateway = shared.gateway
        self._calls: set[Call] = set()
        self._closed = False

    @property
    def gateway(self) -> Gateway:
        """What this client shares with those made by `another`: connections, login, the endpoints' health."""
        return self._gateway

    @property
    def endpoints(self) -> Endpoints:
        """The endpoints, and how each has answered lately; shared with the clients made by `another`."""
        return self._gateway.endpoints

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls in progress: `sent` is true of those that wait for an answer, or watch."""
        return tuple(self._calls.copy())

    @property
    def guarded(self) -> bool:
        """Whether etcd and its clients are authenticated, and nobody can read along; known after the first call."""
        return self._gateway.guarded

    @property
    def local_host(self) -> str:
        """The local address of the connection made last; known after the first call."""
        return self._gateway.local_host

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def another(self) -> EtcdClient:
        """Return a client that shares this one's connections, and is closed separately."""
        if self._closed:
            raise self._gateway.closed()
        client = type(self).__new__(type(self))
        client._use(self._shared, self.timeout)
        self._shared.join(client)
        return client

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
        return self._post("/v3/kv/range", messages.keys_request(prefix), messages.read_keys)

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

    def request(
        self, path: str, body: messages.Message, *, repeatable: bool = True, urgent: bool = False
    ) -> dict[str, Any]:
        """Send a request to any path of etcd's JSON gateway, and return its answer as it is.

        One that is not `repeatable` is sent once at most; an `urgent` one does not wait for others of this process.
        """
        return self._post(path, body, dict, repeatable=repeatable, urgent=urgent)

    def read(self, key: bytes, deadline: float | None = None) -> messages.ReadResult:
        """Return the key's value and revision, and the store's revision; a linearizable read."""
        return self._post("/v3/kv/range", messages.range_request(key), messages.read_result, deadline)

    def range(self, request: messages.Message) -> dict[str, Any]:
        """Return etcd's answer to a read of several keys."""
        return self.request("/v3/kv/range", request)

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

        `key` is any one that the operations are about.

        A `repeatable` one may be done twice; the lost answer of any other is an `UnknownOutcomeError`.
        """
        body = {"compare": list(compare), "success": list(success), "failure": list(failure)}
        deadline = time.monotonic() + self.timeout
        if not repeatable:
            self._find_member(key, deadline)
        return self._post("/v3/kv/txn", body, messages.read_outcome, deadline, repeatable=repeatable)

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
        return self._post("/v3/kv/range", messages.extent_request(key, end), messages.read_extent, deadline)

    def wait_change(
        self,
        span: Span,
        start_revision: int,
        deadline: float,
        known: messages.Extent | None = None,
        within: Span | None = None,
        looked_at: float | None = None,
    ) -> bool:
        """Wait until a key of the span changes at `start_revision` or later; False when the deadline came first.

        All clients of this process that share a gateway wait over one stream, which watches the range `within`, by
        default the span. True may also come without a change: when that stream was lost, or does not reach back to
        `start_revision`. `known` is the extent that the caller has read, which saves another read if it is still that.
        A caller who has not read just now says when that was, by `time.monotonic` (`looked_at`): True comes at once
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

    def close(self) -> None:
        """End this client's calls, in other threads too, and its connections unless others share them. Idempotent."""
        self._closed = True
        for call in self.calls:
            call.cancel()
        self._shared.leave(self)

    def error(self, what: str) -> RendezvousConnectionError:
        """Make an error that names the backend and the endpoints."""
        return self._gateway.error(what)

    def __enter__(self) -> EtcdClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<EtcdClient at {self._gateway}{' (closed)' if self._closed else ''}>"

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

    def _post(
        self,
        path: str,
        body: messages.Message,
        parse: Callable[[dict[str, Any]], T],
        deadline: float | None = None,
        *,
        repeatable: bool = True,
        resumable: bool = False,
        urgent: bool = False,
    ) -> T:
        with self._call(time.monotonic() + self.timeout if deadline is None else deadline) as scope:
            answer = self._gateway.post(scope, path, body, repeatable=repeatable, resumable=resumable, urgent=urgent)
        try:
            return parse(answer)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            what = f"{path} returned {str(answer)[:100]}, which is not what an etcd v3 answers"
            kind = RendezvousConfigurationError if repeatable else UnknownOutcomeError
            raise kind(str(self.error(what))) from error

    @contextlib.contextmanager
    def _call(self, deadline: float) -> Iterator[CancelScope]:
        scope = CancelScope(deadline)
        self._calls.add(scope)
        try:
            if self._closed:  # read after the add, as `close` cancels what it finds after setting it
                raise self._gateway.closed()
            with scope:
                yield scope
        finally:
            self._calls.discard(scope)
