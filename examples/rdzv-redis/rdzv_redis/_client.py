"""What a process shares of one Redis server: a few connections for commands, and one that listens for changes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from redis import RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from rdzv_core.authoring import Call, SharedClients
from rdzv_redis._deadline import DeadlineConnection
from rdzv_redis._listener import Listener, hang_up

KEPT_CONNECTIONS = 8
LISTENER_CONNECT_SECONDS = 2.0


class Address(NamedTuple):
    """A server, and whom it takes this process for."""

    host: str
    port: int
    username: str | None
    password: str | None

    def connection(self) -> DeadlineConnection:
        """Return a connection that is not open yet. It sends nothing twice: who wrote is found out by the nonce."""
        return DeadlineConnection(
            self.host,
            self.port,
            username=self.username,
            password=self.password,
            protocol=2,  # what was subscribed to comes as an answer does; with 3 it is pushed to a handler
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
        )


class RedisClient:
    """Sends commands, each on a connection that nobody else uses meanwhile. Thread-safe."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: list[DeadlineConnection] = []
        self._closed = False
        self.listener = Listener(self._listening)

    def execute(self, call: Call, *command: str | bytes | float) -> Any:
        """Send a command and return its answer, within what the call has left; raises `RedisError` or `OSError`."""
        with self._connection(call) as connection, call.interruptible(lambda: hang_up(connection)):
            connection.send_command(*command, check_health=False)
            return connection.read_response(timeout=_left(call))

    def close(self) -> None:
        """Close the connections; what is under way is ended by its own instance."""
        self._closed = True
        self.listener.close()
        self._close_idle()

    @contextmanager
    def _connection(self, call: Call) -> Iterator[DeadlineConnection]:
        connection = self._connected(call)
        try:
            yield connection
        except RedisError as error:
            if not _is_an_answer(error):
                connection.disconnect()  # an answer that comes late must not be taken for another one's
            raise
        except BaseException:
            connection.disconnect()
            raise
        finally:
            if connection.is_connected and len(self._idle) < KEPT_CONNECTIONS:
                self._idle.append(connection)
            else:
                connection.disconnect()
            if self._closed:  # read after the append: `close` empties the list after setting it
                self._close_idle()

    def _close_idle(self) -> None:
        with suppress(IndexError):  # another thread takes the last one
            while self._idle:
                self._idle.pop().disconnect()

    def _connected(self, call: Call) -> DeadlineConnection:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._address.connection()
            connection.socket_timeout = connection.socket_connect_timeout = _left(call)
            connection.ends = time.monotonic() + _left(call)
            with call.interruptible(lambda: hang_up(connection)):  # noqa: B023 - called within the block
                if not connection.is_connected:
                    connection.connect()
                    return connection
                if not _is_stale(connection):
                    return connection
            connection.disconnect()

    def _listening(self) -> DeadlineConnection:
        connection = self._address.connection()
        connection.socket_timeout, connection.socket_connect_timeout = None, LISTENER_CONNECT_SECONDS
        return connection


CLIENTS: SharedClients[Address, RedisClient] = SharedClients(RedisClient, RedisClient.close)


def _is_stale(connection: DeadlineConnection) -> bool:
    """Whether the other side has closed it, or sent what nobody asked for."""
    try:
        return bool(connection.can_read(timeout=0))
    except (RedisError, OSError):
        return True


def _is_an_answer(error: RedisError) -> bool:
    """Whether the server has answered, with an error: the connection is as good as before."""
    return type(error).__name__ in {"ResponseError", "NoScriptError", "NoPermissionError", "ReadOnlyError"}


def _left(call: Call) -> float:
    call.check()
    return max(call.left, 0.001)
