"""What all calls of one client have in common: their deadline, their end by `close`, and what they share."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from rdzv_core import RendezvousConfigurationError, RendezvousConnectionError
from rdzv_etcd._client import messages
from rdzv_etcd._client.endpoints import Endpoints
from rdzv_etcd._client.errors import UnknownOutcomeError
from rdzv_etcd._client.gateway import Gateway
from rdzv_etcd._client.joint_calls import NOBODY, Gathering
from rdzv_etcd._client.scope import CancelScope
from rdzv_etcd._client.shared_clients import Shared, share

T = TypeVar("T")
C = TypeVar("C", bound="Caller")


class Call(Protocol):
    """A call in progress."""

    deadline: float
    sent: bool

    def cancel(self) -> None:
        """End it, from another thread."""


class Caller:
    """Requests to any path of etcd's JSON gateway; `EtcdClient` says what is promised of them all."""

    def __init__(self, gateway: Gateway, timeout: float = 60) -> None:
        self._use(Shared(gateway), timeout)
        self._shared.join(self)

    @classmethod
    def sharing(cls: type[C], key: Hashable, make: Callable[[], Gateway], timeout: float) -> C:
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

    def another(self: C) -> C:
        """Return a client that shares this one's connections, and is closed separately."""
        if self._closed:
            raise self._gateway.closed()
        client = type(self).__new__(type(self))
        client._use(self._shared, self.timeout)
        self._shared.join(client)
        return client

    def request(
        self,
        path: str,
        body: messages.Message,
        deadline: float | None = None,
        *,
        repeatable: bool = True,
        urgent: bool = False,
    ) -> dict[str, Any]:
        """Send a request to any path of etcd's JSON gateway, and return its answer as it is.

        One that is not `repeatable` is sent once at most; an `urgent` one waits only for others that are.
        """
        return self._post(path, body, dict, deadline, repeatable=repeatable, urgent=urgent)

    def request_all(self, path: str, bodies: Sequence[messages.Message], deadline: float) -> list[dict[str, Any]]:
        """Send several messages to a path whose answers are a stream, in one request, to one endpoint, once.

        Returns the answers, in the order of the messages; fewer where the others were not there in time.
        """
        endpoints = self._gateway.endpoints
        endpoint = endpoints.preferred
        limit = endpoints.read_limit(endpoint, 0, self.timeout)
        with (
            self._call(min(deadline, time.monotonic() + limit)) as scope,
            contextlib.closing(self._gateway.stream(scope, endpoint, path, bodies)) as answers,
        ):
            return list(itertools.islice(answers, len(bodies)))

    def jointly(
        self,
        what: Hashable,
        ask: Callable[[list[Any]], T],
        item: Hashable,
        deadline: float,
        gathering: Gathering = NOBODY,
    ) -> T:
        """Return what `ask` makes of `item` and those of other threads of this process; see `JointCalls`."""
        with self._call(deadline) as scope:
            return self._shared.joint.call(what, scope, ask, item, gathering)

    def close(self) -> None:
        """End this client's calls, in other threads too, and its connections unless others share them. Idempotent."""
        self._closed = True
        for call in self.calls:
            call.cancel()
        self._shared.leave(self)

    def error(self, what: str) -> RendezvousConnectionError:
        """Make an error that names the backend and the endpoints."""
        return self._gateway.error(what)

    def __enter__(self: C) -> C:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<EtcdClient at {self._gateway}{' (closed)' if self._closed else ''}>"

    def _range(
        self, request: messages.Message, parse: Callable[[dict[str, Any]], T], deadline: float | None = None
    ) -> T:
        """Read, together with those of this process who read the same now."""
        path, what = "/v3/kv/range", (parse, *request.items())
        with self._call(deadline) as scope:
            return self._shared.joint.call(what, scope, lambda _: self._send(scope, path, request, parse))

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
        with self._call(deadline) as scope:
            return self._send(scope, path, body, parse, repeatable=repeatable, resumable=resumable, urgent=urgent)

    def _send(
        self,
        scope: CancelScope,
        path: str,
        body: messages.Message,
        parse: Callable[[dict[str, Any]], T],
        *,
        repeatable: bool = True,
        resumable: bool = False,
        urgent: bool = False,
    ) -> T:
        answer = self._gateway.post(scope, path, body, repeatable=repeatable, resumable=resumable, urgent=urgent)
        try:
            return parse(answer)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            what = f"{path} returned {str(answer)[:100]}, which is not what an etcd v3 answers"
            kind = RendezvousConfigurationError if repeatable else UnknownOutcomeError
            raise kind(str(self.error(what))) from error

    @contextlib.contextmanager
    def _call(self, deadline: float | None) -> Iterator[CancelScope]:
        scope = CancelScope(time.monotonic() + self.timeout if deadline is None else deadline)
        self._calls.add(scope)
        try:
            if self._closed:  # read after the add, as `close` cancels what it finds after setting it
                raise self._gateway.closed()
            with scope:
                yield scope
        finally:
            self._calls.discard(scope)
