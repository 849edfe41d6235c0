"""TLS on the server's side of a connection: between asyncio's transport and the peer, and a transport to the latter."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Any

from rdzv_tcp._net.tls import TlsPipe, TlsRefused, is_tls, refusal_by_server
from rdzv_tcp._protocol import PROTOCOL, Refused, encode, frame
from rdzv_tcp._server.connection import Peer
from rdzv_tcp._server.hub import Hub

PLAIN_TEXT = "this server speaks TLS, and the client plain text: give the client tls_ca"


class TlsTransport(asyncio.Transport, asyncio.BufferedProtocol):
    """Serves one client over TLS. The peer's time for its hello includes the handshake.

    Not asyncio's own TLS: that loses the alert which tells a client why it was refused.
    """

    def __init__(self, hub: Hub, context: ssl.SSLContext) -> None:
        super().__init__()
        self._hub = hub
        self._peer = Peer(hub)
        self._tls = TlsPipe(context)
        self._first = True
        self._open = False
        self._refused = False
        self._reading = True

    # As asyncio's protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._raw = transport
        self._peer.connection_made(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._peer.connection_lost(error)

    def eof_received(self) -> None:
        self._peer.eof_received()

    def pause_writing(self) -> None:
        self._peer.pause_writing()

    def resume_writing(self) -> None:
        self._peer.resume_writing()

    def get_buffer(self, _: int) -> memoryview:
        return self._hub.scratch

    def buffer_updated(self, nbytes: int) -> None:
        received = self._hub.scratch[:nbytes]
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
        room = len(self._hub.scratch)
        for at in range(0, len(data), room):
            piece = data[at : at + room]
            self._hub.scratch[: len(piece)] = piece
            self._peer.buffer_updated(len(piece))

    def _refuse(self, reason: str, last_words: bytes) -> None:
        self._hub.refusals.note(self.get_extra_info("peername"), reason, logging.WARNING)
        self._refused = True
        # Only the sending side is closed: what the client has sent meanwhile would make the system reset the
        # connection, and the client could lose what it is told. The peer's hello timer ends what it does not.
        self._raw.write(last_words)
        self._raw.write_eof()

    # As the peer's transport.

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
