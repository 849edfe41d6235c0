"""Who is woken when something changes: one subscribed connection and one thread for a whole process."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from redis import Connection, RedisError

RETRY_SECONDS = 0.2


def hang_up(connection: Connection) -> None:
    """End what another thread does on a connection: it sees that the other side is gone, and disconnects by itself.

    To disconnect here would take away the socket and the buffer from which that thread reads.
    """
    sock = connection._sock
    if connection.pid != os.getpid():
        connection.disconnect()  # a fork of the parent's, which goes on there
    elif sock is not None:
        with suppress(OSError):  # it was gone already
            sock.shutdown(socket.SHUT_RDWR)


class Listener:
    """Wakes waiters by channel: when a message comes, when the subscription begins, and when the connection is lost.

    So who looks again each time it is woken misses nothing: a change before the subscription began is seen by the look
    that its beginning prompts. Thread-safe. The thread ends with `close`, and with a connection that nobody needs.
    """

    def __init__(self, make: Callable[[], Connection]) -> None:
        self._make = make
        self._changed = threading.Condition()
        self._waiters: dict[bytes, set[threading.Event]] = {}
        self._connection: Connection | None = None
        self._is_open = False  # whether the connection takes commands
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextmanager
    def waiter(self, channel: str) -> Iterator[threading.Event]:
        """Yield an event that is set whenever something may have changed; the block clears it before it looks."""
        name, event = channel.encode(), threading.Event()
        with self._changed:
            first = name not in self._waiters
            self._waiters.setdefault(name, set()).add(event)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._listen, name="rdzv redis listener", daemon=True)
                self._thread.start()
            elif first:
                self._send("SUBSCRIBE", name)
        try:
            yield event
        finally:
            with self._changed:
                self._waiters[name].discard(event)
                if not self._waiters[name]:
                    del self._waiters[name]
                    self._send("UNSUBSCRIBE", name)

    def close(self) -> None:
        """Wake everybody, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread, connection = self._thread, self._connection
        if connection is not None:
            hang_up(connection)
        if thread is not None:
            thread.join(1.0)

    def _send(self, command: str, *names: bytes) -> None:
        if self._is_open and self._connection is not None:
            try:
                self._connection.send_command(command, *names, check_health=False)
            except (RedisError, OSError):
                hang_up(self._connection)  # the thread sees that, and connects again

    def _listen(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                self._connection = connection = self._make()
            try:
                self._follow(connection)
            except Exception:  # noqa: BLE001, S110 - a parser whose connection another thread has ended raises anything
                pass
            with self._changed:
                self._is_open = False
                self._wake(*self._waiters)
                connection.disconnect()
                if not self._waiters:
                    self._thread = None
                    return
                self._changed.wait_for(lambda: self._closed, RETRY_SECONDS)

    def _follow(self, connection: Connection) -> None:
        connection.connect()
        with self._changed:
            self._is_open = True
            if self._waiters:
                self._send("SUBSCRIBE", *self._waiters)
        while not self._closed:
            kind, channel, *_ = connection.read_response(timeout=None)
            if kind in (b"message", b"subscribe"):
                with self._changed:
                    self._wake(channel)

    def _wake(self, *channels: bytes) -> None:
        for channel in channels:
            for event in self._waiters.get(channel, ()):
                event.set()
