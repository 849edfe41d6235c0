"""Requests of one etcd user: the login, made when it is needed and renewed when it became invalid."""

from __future__ import annotations

import base64
import json
import os
import random
import threading
import time
from collections.abc import Generator
from typing import Any, NamedTuple

from rdzv_core.endpoint import HostPort
from rdzv_etcd._client.errors import RefusedError, UnansweredError
from rdzv_etcd._client.scope import CallCancelledError, CancelScope
from rdzv_etcd._client.transport import Transport

_LOOK_SECONDS = 0.1
_AUTH_NOT_ENABLED = "authentication is not enabled"


class Credentials(NamedTuple):
    """An etcd user and the password."""

    user: str
    password: str


class Session:
    """Authorized requests over a transport; without credentials they carry no authorization. Thread-safe.

    One thread logs in for all of them: etcd takes some 80 ms of a processor for each login. A token that tells its end
    is renewed in the second half of its life, at a random moment, so that a job's processes do not all come at once.
    """

    def __init__(self, transport: Transport, credentials: Credentials | None) -> None:
        self.transport = transport
        self.logged_in: bool = False
        """Whether etcd ever accepted the credentials."""
        self.token: str | None = None
        """The token of the login; "" where etcd has no users enabled, None before the first login."""
        self._credentials = credentials
        self._renew_at = float("inf")
        self._locks: dict[int, threading.Lock] = {}

    def post(self, scope: CancelScope, endpoint: HostPort, path: str, payload: bytes) -> dict[str, Any]:
        """Send a request and return its answer; logs in again once if the login has become invalid."""
        try:
            return self.transport.post(scope, endpoint, path, payload, self._authorization(scope, endpoint))
        except RefusedError as error:
            if self._credentials is None or not error.login_is_stale:
                raise
            self.forget()
        return self.transport.post(scope, endpoint, path, payload, self._authorization(scope, endpoint))

    def stream(
        self, scope: CancelScope, endpoint: HostPort, path: str, payload: bytes
    ) -> Generator[dict[str, Any], None, None]:
        """Send a request and yield the messages of its answer as they come."""
        return self.transport.stream(scope, endpoint, path, payload, self._authorization(scope, endpoint))

    def forget(self) -> None:
        """Log in again before the next request."""
        self.token = None

    def forget_if_ahead(self, scope: CancelScope, endpoint: HostPort) -> None:
        """Forget a login that etcd waits with every answer for: it is of a later time than etcd's own.

        etcd lets a request with a token of its simple kind, which ends in a raft index, wait until it has come to that
        index. One that has lost its data does so no time soon, and says nothing.
        """
        index = (self.token or "").rpartition(".")[2]
        if not index.isdigit():
            return
        try:
            status = self.transport.post(scope, endpoint, "/v3/maintenance/status", b"{}", "")
        except (RefusedError, UnansweredError):
            return  # it is silent for another reason
        if int(status.get("raftAppliedIndex", status.get("raftIndex", index))) < int(index):
            self.forget()

    def _authorization(self, scope: CancelScope, endpoint: HostPort) -> str:
        if self._credentials is None:
            return ""
        token = self.token
        if token is not None and time.monotonic() < self._renew_at:
            return token
        lock = self._locks.get(os.getpid()) or self._locks.setdefault(os.getpid(), threading.Lock())
        if token is not None:  # it is good for a while yet: one of those who use it renews it
            if not lock.acquire(blocking=False):
                return token
        else:
            _acquire(lock, scope, endpoint)
        try:
            if self.token is not None and time.monotonic() < self._renew_at:
                return self.token  # another thread has logged in meanwhile
            return self._renew(scope, endpoint, self._credentials)
        finally:
            lock.release()

    def _renew(self, scope: CancelScope, endpoint: HostPort, credentials: Credentials) -> str:
        token = self._log_in(scope, endpoint, credentials)
        scope.sent = False  # the request itself
        self.logged_in = self.logged_in or bool(token)
        lifetime = _lifetime(token)
        self._renew_at = time.monotonic() + lifetime * random.uniform(0.5, 0.8)
        self.token = token
        return token

    def _log_in(self, scope: CancelScope, endpoint: HostPort, credentials: Credentials) -> str:
        body = json.dumps({"name": credentials.user, "password": credentials.password}).encode("ascii")
        try:
            return str(self.transport.post(scope, endpoint, "/v3/auth/authenticate", body, "").get("token", ""))
        except RefusedError as error:
            if _AUTH_NOT_ENABLED not in error.message:
                raise
            return ""
        except UnansweredError as error:  # the request itself was not sent yet
            raise UnansweredError(endpoint, False, error.cause) from error.cause


def _acquire(lock: threading.Lock, scope: CancelScope, endpoint: HostPort) -> None:
    """Wait until no other thread logs in; raises `UnansweredError`."""
    while not lock.acquire(timeout=_LOOK_SECONDS):
        if scope.cancelled or scope.time_left <= 0:
            cause = CallCancelledError("closed") if scope.cancelled else TimeoutError("timed out")
            raise UnansweredError(endpoint, False, cause) from cause


def _lifetime(token: str) -> float:
    """Return how many seconds a new token is good for; infinite if it does not say.

    One of etcd's kind `jwt` says when it ends. One of the kind `simple` lives on for as long as it is used.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return float("inf")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return max(0.0, float(claims["exp"]) - time.time())
    except (ValueError, LookupError, TypeError):
        return float("inf")
