"""TLS on the server's side of a connection: a protocol to asyncio's transport, and a transport to the connection."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Any

from rdzv_tcp._net.tls import TlsPipe, TlsRefused, is_tls, refusal_by_server
from rdzv_tcp._protocol import PROTOCOL, Refused, encode, frame
from rdzv_tcp._server.connection import Connection, Surroundings

PLAIN_TEXT = "this server speaks TLS, and the client plain text: give the client tls_ca"


class TlsTransport(asyncio.Transport, asyncio.BufferedProtocol):
    """Serves one client over TLS. The time for the hello includes the handshake.

    Not asyncio's own TLS: that loses the alert which tells a client why it was refused.
    """

    def __init__(self, shared: Surroundings, context: ssl.SSLContext) -> None:
        super().__init__()
        self._shared = shared
        self._connection = Connection(shared)
        self._tls = TlsPipe(context)
        self._first = True
        self._open = False
        self._refused = False
        self._reading = True

    # As asyncio's protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._raw = transport
        self._connection.connection_made(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._connection.connection_lost(error)

    def eof_received(self) -> None:
        self._connection.eof_received()

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    def get_buffer(self, _: int) -> memoryview:
        return self._shared.scratch

    def buffer_updated(self, nbytes: int) -> None:
        received = self._shared.scratch[:nbytes]
        if self._refused:
            return
        if self._first and not is_tls(received):
            self._refuse(PLAIN_TEXT, frame(0, encode(Refused(PROTOCOL, PLAIN_TEXT))))
            return
        self._first = False
        try:
            if self._open:
                data = self._tls.open(received)
            else:
                self._open = self._tls.shake_hands(received)
                self._raw.write(self._tls.to_send())
                data = self._tls.open(b"") if self._open else b""
        except ssl.SSLError as error:
            self._refuse(refusal_by_server(error), self._tls.to_send())
        except TlsRefused as refused:
            self._refuse(refusal_by_server(refused.error), b"")
        else:
            self._pass_on(data)

    def _pass_on(self, data: bytes) -> None:
        room = len(self._shared.scratch)
        for at in range(0, len(data), room):
            piece = data[at : at + room]
            self._shared.scratch[: len(piece)] = piece
            self._connection.buffer_updated(len(piece))

    def _refuse(self, reason: str, last_words: bytes) -> None:
        self._shared.rejections.note(self.get_extra_info("peername"), reason, logging.WARNING)
        self._refused = True
        # Only the sending side is closed: what the client has sent meanwhile would make the system reset the
        # connection, and the client could lose what it is told. The connection's hello timer ends what it does not.
        self._raw.write(last_words)
        self._raw.write_eof()

    # As the connection's transport.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._open and not self._refused:
            self._raw.write(self._tls.seal(bytes(data)))

    def is_closing(self) -> bool:
        return self._refused or self._raw.is_closing()

    def close(self) -> None:
        self._raw.close()

    def abort(self) -> None:
        self._raw.abort()

    def pause_reading(self) -> None:
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        self._raw.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._raw.get_extra_info(name, default)
