"""The client of one endpoint: shared by everything in the process that uses it, connected again when it must be."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
import weakref
from collections.abc import Callable
from typing import NamedTuple

from rdzv_core import RendezvousConnectionError
from rdzv_core.backoff import Backoff
from rdzv_core.endpoint import HostPort
from rdzv_tcp._client.connection import ClientConnection
from rdzv_tcp._client.diagnostics import failure, text_of
from rdzv_tcp._client.dial import dial
from rdzv_tcp._client.errors import CallAborted, CallFailed, ConnectionLost, NoAnswer, Rejected
from rdzv_tcp._client.pending_calls import PendingCall, SubmittedCall
from rdzv_tcp._client.reconnect import Reconnector, new_pauses
from rdzv_tcp._client.resolver import Resolver
from rdzv_tcp._net.security import Credentials
from rdzv_tcp._protocol import NONCE_BYTES, Answer, Claim, Request

_FIRST_PATIENCE = 5.0
_LONGEST_PATIENCE = 40.0
"""For how long one attempt may go on. A server that stands still answers when it goes on, and one that thousands come
to at once when it is their turn; but on a connection that was cut meanwhile no answer comes, however long one waits."""

_SLICE = 0.1


class Reply(NamedTuple):
    """An answer; `doubted` if an earlier sending of the request was lost on the way and may have been the one."""

    answer: Answer
    doubted: bool


class Client:
    """One connection to an endpoint, made when it is first needed and again whenever it was lost. Thread-safe."""

    def __init__(self, endpoint: HostPort, credentials: Credentials) -> None:
        self.endpoint = endpoint
        self.credentials = credentials
        self.users = 0
        self._connection: ClientConnection | None = None
        self._connecting = threading.Lock()
        self._resolver = Resolver(endpoint)
        self._reconnector = Reconnector(self)
        self._trouble: Exception | None = None
        """Why the last attempt to connect failed, until one does not."""
        self._identity = secrets.token_bytes(NONCE_BYTES)
        self._settled = False
        self.durable: bool = False
        self.guarded: bool = False
        self.local_host: str = ""
        self._last_server = ""
        _clients_alive.add(self)

    @property
    def connection(self) -> ClientConnection | None:
        """The connection that was made last."""
        return self._connection

    @property
    def connecting(self) -> bool:
        """Whether a thread is connecting now, or checks the connection."""
        return self._connecting.locked()

    @property
    def reconnecting(self) -> bool:
        """Whether a thread connects again for submitted calls, or for members."""
        return self._reconnector.running

    def connect(self, call: PendingCall, seconds: float, before_attempt: Callable[[], str] = str) -> None:
        """Be connected within `seconds`. Raises `RendezvousConnectionError`.

        `before_attempt` is called before each attempt; what it returns is added to the error.
        """
        try:
            self.connected(call, time.monotonic() + seconds, before_attempt)
        except CallFailed as error:
            raise self._failure(error, seconds) from (error.__cause__ or error)

    def request(self, call: PendingCall, make: Callable[[], Request], seconds: float, *, once: bool = False) -> Reply:
        """Send what `make` gives and wait for its answer, in `seconds` altogether; connect again where needed.

        The request is sent again if its connection was lost, which the server tells by its nonce; but not to a server
        that has forgotten the nonce, with `once`. Raises `RendezvousConnectionError`.
        """
        deadline = time.monotonic() + seconds
        doubtful: bytes | None = None
        pauses: Backoff | None = None  # made when first needed: one for each request would cost it a microsecond
        try:
            while True:
                connection = self.connected(call, deadline)
                if once and doubtful not in (None, connection.incarnation):
                    raise ConnectionLost("the server was restarted, without its memory, while a write was under way")
                try:
                    return Reply(connection.exchange(call, make(), deadline), doubtful is not None)
                except ConnectionLost:
                    if call.sent:
                        doubtful = connection.incarnation
                pauses = pauses or new_pauses()
                _pause(call, min(pauses.next(), deadline - time.monotonic()))
        except CallFailed as error:
            raise self._failure(error, seconds) from (error.__cause__ or error)

    def submit(self, call: SubmittedCall) -> None:
        """Send what `call` asks, now or as soon as there is a connection; it is told what becomes of that."""
        connection = self._connection
        if connection is None or connection.broken:
            self._reconnector.take(call)
            return
        try:
            connection.submit(call, call.ask.make())
        except CallFailed as error:
            self.lost(call, error)
        except Exception as error:  # noqa: BLE001 - of an argument that no request can hold
            call.end(None, error)

    def lost(self, call: SubmittedCall, error: Exception) -> None:
        """Have a submitted call whose connection was lost go on, within its time; end it after anything else."""
        if isinstance(error, ConnectionLost) and time.monotonic() < call.deadline:
            self._reconnector.take(call)
        else:
            self.give_up(call, error, call.ask.seconds)

    def give_up(self, call: SubmittedCall, error: Exception, seconds: float) -> None:
        """End a submitted call that could not go on for `seconds`."""
        failure = self._failure(error, seconds)
        failure.__cause__ = error.__cause__ or error
        call.end(None, failure)

    def settle(self) -> bytes:
        """Note that members are entered here. Return the name under which this client claims them on a new connection.

        Each client has a name of its own: where a process has several, with other credentials or another spelling of
        the endpoint, closing one says nothing of the members of the others. From now on the end of the connection is
        noticed, also between calls. Raises `RendezvousConnectionError` if the system has no thread for that.
        """
        self._settled = True
        connection = self._connection
        if connection is not None:
            try:
                self._mind(connection)
            except Rejected as error:
                raise self._failure(error, 0.0) from error
        return self._identity

    def close(self) -> None:
        """End the connection in order: what was entered here ends, and this client is not used again."""
        self._reconnector.stop()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.break_off(ConnectionLost("closed"), for_good=True)

    def connected(
        self, call: PendingCall, deadline: float, before_attempt: Callable[[], str] = str
    ) -> ClientConnection:
        """Return a connection that lives, a new one if needed; raises a `CallFailed`."""
        connection = self._connection
        if connection is not None and not connection.gone_while_idle():
            return connection
        while not self._connecting.acquire(timeout=max(0.0, min(_SLICE, deadline - time.monotonic()))):
            if call.aborted:
                raise CallAborted
            if time.monotonic() >= deadline:
                raise self._still_trying()
        try:
            connection = self._connection
            if connection is None or connection.gone_while_idle():
                if connection is not None:
                    connection.break_off(ConnectionLost("the server closed the connection"))
                connection = self._connection = self._connect(call, deadline, before_attempt)
                self._trouble = None
                if self._settled:  # since the connection was made, perhaps
                    self._mind(connection)
                self._last_server = connection.server
                self.durable, self.guarded = connection.durable, connection.guarded
                self.local_host = connection.local_host
                if self.users == 0:  # closed meanwhile: `close` may have looked before the connection was there
                    self.close()
                    raise CallAborted
            return connection
        finally:
            self._connecting.release()

    def _still_trying(self) -> ConnectionLost | NoAnswer:
        """Return the error of a call that waited in vain for the thread that connects."""
        trouble = self._trouble
        if trouble is None:
            return NoAnswer("another thread is still trying to connect")
        error = (NoAnswer if isinstance(trouble, NoAnswer) else ConnectionLost)(text_of(trouble))
        error.__cause__ = trouble
        return error

    def _connect(self, call: PendingCall, deadline: float, before_attempt: Callable[[], str]) -> ClientConnection:
        pauses, patience = new_pauses(), _FIRST_PATIENCE
        while True:
            remark = before_attempt()
            until = min(deadline, time.monotonic() + patience)
            patience = min(2 * patience, _LONGEST_PATIENCE)
            try:
                return self._claimed(dial(self._resolver, self.credentials, call, until), call, until)
            except (OSError, ConnectionLost, NoAnswer) as error:
                self._trouble = error
                # A name that does not exist will not exist in a moment; one that cannot be looked up now may be, and
                # one that did exist may be unknown while its server is started again.
                unknown = isinstance(error, socket.gaierror) and error.errno != socket.EAI_AGAIN
                hopeless = unknown and not self._last_server
                pause = pauses.next()
                if hopeless or time.monotonic() + pause >= deadline:
                    raise (NoAnswer if isinstance(error, NoAnswer) else ConnectionLost)(
                        f"{text_of(error)}{remark}"
                    ) from error
            _pause(call, pause)

    def _claimed(self, connection: ClientConnection, call: PendingCall, deadline: float) -> ClientConnection:
        """Let the server know at once whose connection this is, so that it knows whose end it is."""
        if self._settled:
            try:
                connection.exchange(call, Claim(self._identity), deadline)
                self._mind(connection)
            except BaseException as error:
                connection.break_off(ConnectionLost(str(error)))
                raise
        return connection

    def _mind(self, connection: ClientConnection) -> None:
        connection.ended = self._connect_again
        connection.attend()

    def _connect_again(self) -> None:
        there = self._connection
        if self.users and (there is None or there.broken):  # else another one was made before that was noticed here
            self._reconnector.call_back()

    def _failure(self, error: Exception, seconds: float) -> RendezvousConnectionError:
        return failure(error, seconds, self.endpoint, self._last_server)

    def _abandon(self) -> None:
        self._connecting, self._resolver = threading.Lock(), Resolver(self.endpoint)
        # What the parent entered is the parent's.
        self._reconnector, self._identity, self._settled = Reconnector(self), secrets.token_bytes(NONCE_BYTES), False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()


def _pause(call: PendingCall, seconds: float) -> None:
    """Sleep, but no longer than the call is wanted."""
    end = time.monotonic() + seconds
    while (remaining := end - time.monotonic()) > 0:
        if call.aborted:
            raise CallAborted
        time.sleep(min(remaining, _SLICE))


_clients_alive: weakref.WeakSet[Client] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for client in list(_clients_alive):
        client._abandon()


os.register_at_fork(after_in_child=_after_fork_in_child)
