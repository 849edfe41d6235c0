"""Sending without waiting: what the socket does not take at once is sent later, by the thread that reads."""

from __future__ import annotations

import socket
import threading

from rdzv_tcp._net.tls import TlsPipe


class SendBuffer:
    """Sends frames in order, each whole. Thread-safe, and no method waits.

    A server that is behind reads no requests until its answers are taken. If the thread that takes them waited for
    room to send, as it does where an answer leads to the next request, both would wait for ever.
    """

    def __init__(self, connected: socket.socket, tls: TlsPipe | None) -> None:
        self._socket, self._tls = connected, tls
        self._lock = threading.Lock()
        self._rest = bytearray()
        self.taken = 0
        self._gathering = False

    @property
    def waiting(self) -> bool:
        """Whether something is left that waits for room."""
        return bool(self._rest) and not self._gathering

    def send(self, data: bytes | bytearray) -> int:
        """Send `data`, or what the socket takes of it; the rest is for `flush`. Raises `OSError`.

        Gives a mark, by which `has_sent` knows it.
        """
        with self._lock:
            if self._tls is not None:
                data = self._tls.seal(bytes(data))
            self.taken += len(data)
            mark = self.taken
            if self._rest or self._gathering:
                self._rest += data
            elif (sent := self._try(data)) < len(data):
                self._rest += memoryview(data)[sent:]
        return mark

    def has_sent(self, mark: int) -> bool:
        """Whether all that was to be sent up to `mark` is on its way."""
        return self.taken - len(self._rest) >= mark

    def gather(self) -> None:
        """Keep what is sent until `flush`, so that it goes together."""
        self._gathering = True

    def flush(self) -> None:
        """Send what was kept, as far as there is room. Raises `OSError`."""
        self._gathering = False
        if self._rest:
            with self._lock:
                del self._rest[: self._try(self._rest)]

    def _try(self, data: bytes | bytearray) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
