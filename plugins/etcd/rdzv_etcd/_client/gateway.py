"""Requests to an etcd cluster: which endpoint to try, for how long, and when to give up."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rdzv_core import RendezvousConfigurationError, RendezvousConnectionError
from rdzv_core.endpoint import HostPort
from rdzv_etcd._client.endpoints import Endpoints
from rdzv_etcd._client.errors import (
    RefusedError,
    UnansweredError,
    UnknownOutcomeError,
    UnsettledError,
    describe,
    is_configuration,
)
from rdzv_etcd._client.lost_writes import LOOK_EVERY, LostWrite, term_of
from rdzv_etcd._client.pauses import retry_pause
from rdzv_etcd._client.protocol_probe import may_be_other_protocol, speaks_http, speaks_https
from rdzv_etcd._client.scope import CancelScope
from rdzv_etcd._client.session import Credentials, Session
from rdzv_etcd._client.transport import Transport
from rdzv_etcd._client.turns import Turns

ELECTION_SECONDS = 5.0
"""How long a read goes on asking where the only answers are that the cluster has no leader, or the like."""

AT_ONCE = 8
"""Requests under way at one endpoint while others wait for their turn: a hundred threads need no connection each.

Urgent ones have as many turns of their own.
"""

STATUS_SECONDS = 0.3
"""How long an etcd that gave no answer to a login may take to say where it stands: one that lives needs no time."""


class Gateway:
    """Requests to an etcd cluster; shared by all clients of one process that were made from each other. Thread-safe.

    A member of the cluster that is silent costs one attempt of about a second; it is avoided from then on.
    """

    def __init__(
        self,
        endpoints: Sequence[HostPort],
        tls: ssl.SSLContext | None,
        credentials: Credentials | None,
        shows_certificate: bool = False,
    ) -> None:
        self.endpoints: Endpoints = Endpoints(endpoints)
        self.session: Session = Session(Transport(tls), credentials)
        self.local_host: str = ""
        """The local address of the connection made last."""
        self._shows_certificate = shows_certificate
        self._turns = Turns(AT_ONCE)
        self._terms: dict[HostPort, int] = {}
        """The raft term that the last answer of each endpoint told."""

    def __str__(self) -> str:
        return ",".join(map(str, self.endpoints.all)) + f" over {self._scheme}"

    @property
    def guarded(self) -> bool:
        """Whether nobody can read along, and etcd has authenticated this client: by its login or its certificate.

        The latter is assumed where one is configured; an etcd that does not ask for one accepts the connection too.
        """
        return self._scheme == "https" and (self._shows_certificate or self.session.logged_in)

    @property
    def idle_connections(self) -> int:
        """How many idle connections are kept."""
        return self.session.transport.pool.idle_count

    def trim(self, kept: int) -> None:
        """Close idle connections but for `kept`."""
        self.session.transport.pool.trim(kept)

    def close(self) -> None:
        """Close the idle connections; one that is in use is closed when its call ends."""
        self.session.transport.pool.close()

    def post(
        self,
        scope: CancelScope,
        path: str,
        body: Mapping[str, Any],
        *,
        repeatable: bool,
        resumable: bool = False,
        urgent: bool = False,
    ) -> dict[str, Any]:
        """Send a request and return its answer, from whichever endpoint gives one first.

        A `repeatable` request goes on from one endpoint to the next while any of them may only be slow, until the
        scope's deadline. Any other goes to the next endpoint only if no byte of it was sent to the one before; its
        lost answer is an `UnknownOutcomeError`, soon if it is `resumable`: if its sender can find out what became of
        it. An `urgent` one takes turns only with others that are.

        Raises `RendezvousConfigurationError` where waiting does not help, else `RendezvousConnectionError`.
        """
        payload = json.dumps(body).encode("ascii")
        began = time.monotonic()
        write_limit = None if repeatable else self.endpoints.write_limit(resumable)
        failures: dict[HostPort, UnansweredError] = {}
        turn = 0
        while True:
            for endpoint in self.endpoints.order(time.monotonic()):
                if failures and time.monotonic() >= scope.deadline:
                    break
                limit = write_limit or self.endpoints.read_limit(endpoint, turn, scope.deadline - began)
                if not (repeatable or self.endpoints.alone):
                    lost = LostWrite(self.session, scope, endpoint, self._terms.get(endpoint, 0), body)
                    scope.on_silence(LOOK_EVERY, lost.look)
                try:
                    with self._turn(scope, endpoint, urgent):
                        scope.begin_attempt(limit, self.endpoints.connect_limit)
                        return self._attempt(scope, endpoint, path, payload)
                except UnansweredError as error:
                    failures[endpoint] = error
                    if scope.cancelled or (error.sent and not repeatable):
                        raise self._given_up(scope, failures, error, repeatable) from error.cause
            turn += 1
            if not (repeatable and _goes_on(scope, failures, turn, began)):
                last = list(failures.values())[-1]
                raise self._given_up(scope, failures, last, repeatable) from last.cause

    @contextmanager
    def _turn(self, scope: CancelScope, endpoint: HostPort, urgent: bool) -> Iterator[None]:
        """Wait for a turn at an endpoint; raises `UnansweredError` if it has failed meanwhile, and there is another."""
        began = time.monotonic()
        with self._turns.take((endpoint, urgent), scope):
            if self.endpoints.failed_since(endpoint, began) and not self.endpoints.alone:
                cause = TimeoutError("another request to it has not been answered")
                raise UnansweredError(endpoint, False, cause) from cause
            yield

    def stream(
        self, scope: CancelScope, endpoint: HostPort, path: str, bodies: Sequence[Mapping[str, Any]]
    ) -> Generator[dict[str, Any], None, None]:
        """Send a request of one or more messages to one endpoint and yield those of its answer as they come.

        Ends at the scope's deadline; raises as `post` when the stream is lost or refused.
        """
        scope.begin_attempt(connect_limit=self.endpoints.connect_limit)
        try:
            yield from self.session.stream(scope, endpoint, path, "\n".join(map(json.dumps, bodies)).encode("ascii"))
        except UnansweredError as error:
            if scope.time_left > 0 or scope.cancelled:
                if not scope.cancelled:
                    self.endpoints.failed(endpoint, time.monotonic())
                raise self._given_up(scope, {endpoint: error}, error, repeatable=True) from error.cause
        except RefusedError as error:
            raise self._refused(error) from error

    def error(self, what: str) -> RendezvousConnectionError:
        """Make the error that names the backend and the endpoints."""
        return RendezvousConnectionError(f"backend 'etcd' at {self}: {what}")

    def closed(self) -> RendezvousConnectionError:
        """Make the error of a call on a closed instance."""
        return self.error("this instance is closed: create another one")

    @property
    def _scheme(self) -> str:
        return self.session.transport.scheme

    def _attempt(self, scope: CancelScope, endpoint: HostPort, path: str, payload: bytes) -> dict[str, Any]:
        began = time.monotonic()
        try:
            answer = self.session.post(scope, endpoint, path, payload)
        except UnansweredError as error:
            self.endpoints.failed(endpoint, time.monotonic())
            if not isinstance(error.cause, TimeoutError):
                self.session.forget()  # some versions answer a stale login by closing the connection
            elif self.session.token and not scope.cancelled:
                scope.begin_attempt(STATUS_SECONDS, self.endpoints.connect_limit)
                self.session.forget_if_ahead(scope, endpoint)
            raise
        except RefusedError as error:
            raise self._refused(error) from error
        now = time.monotonic()
        self.endpoints.answered(endpoint, now - began, now)
        self.local_host = scope.local_host or self.local_host
        self._terms[endpoint] = term_of(answer) or self._terms.get(endpoint, 0)
        return answer

    def _refused(self, error: RefusedError) -> RendezvousConnectionError:
        what = f"backend 'etcd' at {self}: {error}"
        return RendezvousConfigurationError(what) if error.is_configuration else RendezvousConnectionError(what)

    def _given_up(
        self, scope: CancelScope, failures: Mapping[HostPort, UnansweredError], last: UnansweredError, repeatable: bool
    ) -> RendezvousConnectionError:
        if scope.cancelled:
            return self.closed()
        why = "; ".join(f"{endpoint}: {describe(failure.cause)}" for endpoint, failure in failures.items())
        if last.sent and not repeatable:
            return UnknownOutcomeError(
                f"backend 'etcd' at {self}: the answer to a write was lost ({why}); it may or may not have taken "
                "effect: read the state before writing again"
            )
        other = "https" if self._scheme == "http" else "http"
        no_answer = f"backend 'etcd' at {self}: no answer ({why})"
        if self._speaks_otherwise(failures):
            return RendezvousConfigurationError(f"{no_answer}: it speaks {other}, so give protocol={other!r}")
        what = (
            f"{no_answer}: does an etcd v3 run there, reachable from here, and speak {self._scheme}? "
            f"If it speaks {other}, give protocol={other!r}"
        )
        if all(is_configuration(failure.cause) for failure in failures.values()):
            return RendezvousConfigurationError(what)
        return RendezvousConnectionError(what)

    def _speaks_otherwise(self, failures: Mapping[HostPort, UnansweredError]) -> bool:
        """Return whether those that closed the connection, before any endpoint ever answered, speak the other one."""
        if self.endpoints.ever_answered or not all(may_be_other_protocol(each.cause) for each in failures.values()):
            return False
        speaks_other = speaks_https if self._scheme == "http" else speaks_http
        return all(map(speaks_other, failures))


def _goes_on(scope: CancelScope, failures: Mapping[HostPort, UnansweredError], turn: int, began: float) -> bool:
    """Return whether to try a read at all endpoints once more, after a short pause if so."""
    now = time.monotonic()
    causes = [failure.cause for failure in failures.values()]
    silent = any(isinstance(cause, TimeoutError) for cause in causes)
    leaderless = any(isinstance(cause, UnsettledError) for cause in causes) and now - began < ELECTION_SECONDS
    # At least twice each: an idle connection may just have ended.
    if now >= scope.deadline or not (silent or leaderless or turn < 2):
        return False
    if not silent and turn > 1:
        time.sleep(min(scope.deadline - now, retry_pause()))
    return True
