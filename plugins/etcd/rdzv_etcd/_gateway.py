"""The one place that talks to etcd: its v3 JSON gateway, over one or several endpoints."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from urllib3.response import BaseHTTPResponse

from rdzv_core import RendezvousConfigurationError, RendezvousConnectionError
from rdzv_core.endpoint import HostPort
from rdzv_etcd._endpoints import Endpoints
from rdzv_etcd._errors import (
    TRANSPORT_ERRORS,
    RefusedError,
    UnansweredError,
    UnknownOutcomeError,
    UnsettledError,
    describe,
    failed_answer,
    is_configuration,
)
from rdzv_etcd._idle import IdleConnections
from rdzv_etcd._pauses import retry_pauses
from rdzv_etcd._protocol import may_be_other_protocol, speaks_http, speaks_https
from rdzv_etcd._wire import Call

ELECTION_SECONDS = 5.0
"""How long a read goes on asking where all that is answered is that there is no leader just now, say."""
_AUTH_NOT_ENABLED = "authentication is not enabled"


class Login(NamedTuple):
    """A user of etcd's and the password."""

    user: str
    password: str


class Gateway:
    """Requests to an etcd cluster; shared by all clients of one process that were made from each other. Thread-safe.

    A member of the cluster that is silent costs one attempt of about a second; it is avoided from then on.
    """

    def __init__(
        self,
        endpoints: Sequence[HostPort],
        tls: ssl.SSLContext | None,
        login: Login | None,
        shows_certificate: bool = False,
    ) -> None:
        self.endpoints = Endpoints(endpoints)
        self._scheme = "http" if tls is None else "https"
        self._login = login
        self._auth_token: str | None = None
        self._is_known = shows_certificate
        self._idle = IdleConnections(tls)
        self.local_host = ""
        """This end's address of the connection that was made last."""
        self.users: set[object] = set()
        """The open clients; the last one to leave closes the gateway."""

    def __str__(self) -> str:
        return ",".join(map(str, self.endpoints.all)) + f" over {self._scheme}"

    @property
    def guarded(self) -> bool:
        """Whether nobody can read along, and etcd has asked who this is: it took the login, or asks for a certificate.

        The latter is what the configuration says by giving one; an etcd that asks for none takes it all the same.
        """
        return self._scheme == "https" and self._is_known

    def close(self) -> None:
        """Close the idle connections; one that is in use is closed when its call ends."""
        self._idle.close()

    def post(
        self, call: Call, path: str, body: Mapping[str, Any], *, repeatable: bool, resumable: bool = False
    ) -> dict[str, Any]:
        """Send a request and return its answer, from whichever endpoint gives one first.

        A `repeatable` one goes on from one endpoint to the next while any of them may only be slow, until the call's
        time is over. Another one goes to the next endpoint only if no byte of it was sent to the one before; its lost
        answer is an `UnknownOutcomeError`, after a short time if it is `resumable`: if its sender can find out what
        became of it. Raises `RendezvousConfigurationError` where waiting does not help, else
        `RendezvousConnectionError`.
        """
        payload = json.dumps(body).encode("ascii")
        began = time.monotonic()
        write_limit = None if repeatable else self.endpoints.write_limit(resumable)
        failures: dict[HostPort, UnansweredError] = {}
        turn = 0
        while True:
            for endpoint in self.endpoints.order(time.monotonic()):
                if failures and time.monotonic() >= call.deadline:
                    break
                limit = write_limit or self.endpoints.read_limit(endpoint, turn, call.deadline - began)
                call.begin_attempt(limit, self.endpoints.connect_limit)
                try:
                    return self._attempt(call, endpoint, path, payload)
                except UnansweredError as error:
                    failures[endpoint] = error
                    if call.cancelled or (error.sent and not repeatable):
                        raise self._given_up(call, failures, error, repeatable) from error.cause
            turn += 1
            if not (repeatable and _goes_on(call, failures, turn, began)):
                last = list(failures.values())[-1]
                raise self._given_up(call, failures, last, repeatable) from last.cause

    def stream(
        self, call: Call, endpoint: HostPort, path: str, body: Mapping[str, Any]
    ) -> Generator[dict[str, Any], None, None]:
        """Send a request to an endpoint, and give the messages of its answer as they come.

        Ends with the call's time; raises as `post` when the stream is lost or refused.
        """
        call.begin_attempt(connect_limit=self.endpoints.connect_limit)
        try:
            yield from self._stream(call, endpoint, path, json.dumps(body).encode("ascii"))
        except UnansweredError as error:
            if call.time_left > 0 or call.cancelled:
                self.endpoints.failed(endpoint, time.monotonic())
                raise self._given_up(call, {endpoint: error}, error, repeatable=True) from error.cause
        except RefusedError as error:
            raise self._refused(error) from error

    def error(self, what: str) -> RendezvousConnectionError:
        """Make the error that names the backend and the endpoints."""
        return RendezvousConnectionError(f"backend 'etcd' at {self}: {what}")

    def closed(self) -> RendezvousConnectionError:
        """Make the error of a call on a closed instance."""
        return self.error("this instance is closed: create another one")

    def _refused(self, error: RefusedError) -> RendezvousConnectionError:
        what = f"backend 'etcd' at {self}: {error}"
        return RendezvousConfigurationError(what) if error.is_configuration else RendezvousConnectionError(what)

    def _given_up(
        self, call: Call, failures: Mapping[HostPort, UnansweredError], last: UnansweredError, repeatable: bool
    ) -> RendezvousConnectionError:
        if call.cancelled:
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
        """Say whether those that closed the connection, before any endpoint ever answered, speak the other protocol."""
        if self.endpoints.ever_answered or not all(may_be_other_protocol(each.cause) for each in failures.values()):
            return False
        speaks_other = speaks_https if self._scheme == "http" else speaks_http
        return all(map(speaks_other, failures))

    def _attempt(self, call: Call, endpoint: HostPort, path: str, payload: bytes) -> dict[str, Any]:
        began = time.monotonic()
        try:
            answer = self._logged_in(call, endpoint, path, payload)
        except UnansweredError as error:
            self.endpoints.failed(endpoint, time.monotonic())
            if not isinstance(error.cause, TimeoutError):
                self.forget_login()  # some versions answer a stale login by closing the connection
            raise
        except RefusedError as error:
            raise self._refused(error) from error
        now = time.monotonic()
        self.endpoints.answered(endpoint, now - began, now)
        self.local_host = call.local_host or self.local_host
        return answer

    def _logged_in(self, call: Call, endpoint: HostPort, path: str, payload: bytes) -> dict[str, Any]:
        try:
            return self._exchange(call, endpoint, path, payload, self._authorization(call, endpoint))
        except RefusedError as error:
            if self._login is None or not error.login_is_stale:
                raise
            self.forget_login()
        return self._exchange(call, endpoint, path, payload, self._authorization(call, endpoint))

    def _authorization(self, call: Call, endpoint: HostPort) -> str:
        """Give the token of a login, made now if there is none; empty where none is needed."""
        if self._login is None:
            return ""
        token = self._auth_token
        if token is None:
            body = json.dumps({"name": self._login.user, "password": self._login.password}).encode("ascii")
            try:
                token = str(self._exchange(call, endpoint, "/v3/auth/authenticate", body, "").get("token", ""))
            except RefusedError as error:
                if _AUTH_NOT_ENABLED not in error.message:
                    raise
                token = ""
            except UnansweredError as error:  # the request itself was not sent yet
                raise UnansweredError(endpoint, False, error.cause) from error.cause
            call.sent = False
            self._is_known = self._is_known or bool(token)
            self._auth_token = token
        return token

    def forget_login(self) -> None:
        """Log in anew before the next request."""
        self._auth_token = None

    def _exchange(
        self, call: Call, endpoint: HostPort, path: str, payload: bytes, authorization: str
    ) -> dict[str, Any]:
        connection = self._idle.take(endpoint)
        try:
            connection.request("POST", path, payload, _headers(authorization))
            response: BaseHTTPResponse = connection.getresponse()
        except TRANSPORT_ERRORS as error:
            connection.close()
            raise UnansweredError(endpoint, call.sent, error) from error
        except BaseException:
            connection.close()
            raise
        self._idle.give(endpoint, connection)
        return _decode(endpoint, response.status, response.data)

    def _stream(
        self, call: Call, endpoint: HostPort, path: str, payload: bytes
    ) -> Generator[dict[str, Any], None, None]:
        authorization = self._authorization(call, endpoint)
        connection = self._idle.take(endpoint)
        response: BaseHTTPResponse | None = None
        try:
            connection.request("POST", path, payload, _headers(authorization), preload_content=False)
            response = connection.getresponse()
            if response.status != 200:
                _decode(endpoint, response.status, response.read())
            for line in _lines(response):
                yield _decode(endpoint, response.status, line)
            raise UnansweredError(endpoint, call.sent, ConnectionError("the stream of changes ended"))
        except TRANSPORT_ERRORS as error:
            raise UnansweredError(endpoint, call.sent, error) from error
        finally:
            connection.close()  # an unfinished stream leaves nothing that another request could be sent on
            if response is not None:
                response.close()  # it has the socket where the other side said that it would close the connection


def _goes_on(call: Call, failures: Mapping[HostPort, UnansweredError], turn: int, began: float) -> bool:
    """Say whether a read should be tried at all endpoints once more, after a short pause if so."""
    now = time.monotonic()
    causes = [failure.cause for failure in failures.values()]
    silent = any(isinstance(cause, TimeoutError) for cause in causes)
    leaderless = any(isinstance(cause, UnsettledError) for cause in causes) and now - began < ELECTION_SECONDS
    # At least twice each: an idle connection may just have ended.
    if now >= call.deadline or not (silent or leaderless or turn < 2):
        return False
    if not silent and turn > 1:
        time.sleep(min(call.deadline - now, retry_pauses().next()))
    return True


def _headers(authorization: str) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "User-Agent": "rdzv-etcd"}
    return headers | {"Authorization": authorization} if authorization else headers


def _lines(response: BaseHTTPResponse) -> Iterator[bytes]:
    """Give each line as soon as it is complete."""
    rest = b""
    for chunk in response.stream():
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line)


def _decode(endpoint: HostPort, status: int, data: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(data)
    except ValueError:
        answer = None
    if status == 200 and isinstance(answer, dict):
        return answer
    raise failed_answer(endpoint, status, answer, data[:100].decode("utf-8", "replace").strip())
