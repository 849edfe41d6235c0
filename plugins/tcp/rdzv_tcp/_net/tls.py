"""TLS without a socket: bytes in, bytes out, so that both sides keep their own way of waiting for a socket.

TLS 1.3 only: both sides are ours, and a connection never stops in the middle to negotiate again.
"""

from __future__ import annotations

import hashlib
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rdzv_core.forking import hold_forks

_READ_BYTES: Final = 256 * 1024
_HANDSHAKE: Final = 0x16
_ALERT: Final = 0x15


class TlsRefused(Exception):  # noqa: N818 - a signal between these modules
    """The other side is not who it must be, or does not accept this one; trying again would not help."""

    def __init__(self, reason: str, error: ssl.SSLError) -> None:
        super().__init__(reason)
        self.error = error


@dataclass(frozen=True)
class ClientTls:
    """How a client speaks TLS. Equal if the files and what they held are."""

    ca: str
    cert: str | None
    key: str | None
    digest: str = field(repr=False)
    context: ssl.SSLContext = field(compare=False, repr=False)


class TlsPipe:
    """One side of a TLS connection. One thread may `seal` while another one opens what was received."""

    def __init__(self, context: ssl.SSLContext, server_hostname: str | None = None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        with hold_forks():
            self._object = context.wrap_bio(
                self._incoming, self._outgoing, server_side=server_hostname is None, server_hostname=server_hostname
            )
        self._lock = threading.Lock()

    def shake_hands(self, received: bytes | memoryview = b"") -> bool:
        """Go on with the handshake. Return True once it is over. Then, and after an `ssl.SSLError`, send `to_send`."""
        self._incoming.write(received)
        try:
            with hold_forks():
                self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def to_send(self) -> bytes:
        """Return what is to be sent to the other side; empty if nothing is."""
        return self._outgoing.read()

    def seal(self, data: bytes) -> bytes:
        """Return `data` as it is sent. What was sealed first must be sent first."""
        with self._lock:
            self._object.write(data)
            return self._outgoing.read()

    def open(self, received: bytes | memoryview) -> bytes:
        """Return what was sent; empty while a record is not whole. Raises `ssl.SSLError`, or `TlsRefused`."""
        pieces = []
        with self._lock:
            self._incoming.write(received)
            try:
                while piece := self._object.read(_READ_BYTES):
                    pieces.append(piece)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                if "ALERT" in _reason(error):
                    raise TlsRefused(alert_to_client(error), error) from error
                raise
        return b"".join(pieces)


def is_tls(first: bytes | memoryview) -> bool:
    """Return whether a connection begins with TLS. A frame begins with a zero, being no longer than it may be."""
    return len(first) > 0 and first[0] in (_HANDSHAKE, _ALERT)


def client_tls(ca: str, cert: str | None = None, key: str | None = None) -> ClientTls:
    """Read the files of a client. Raises `ValueError` naming the one that is wrong."""
    digest = hashlib.sha256()
    for option, path in (("tls_ca", ca), ("tls_cert", cert), ("tls_key", key)):
        digest.update(_content(option, path) if path is not None else b"-")
    with hold_forks():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        _trust(context, "tls_ca", ca)
        if cert is not None:
            _identify(context, cert, key)
    return ClientTls(ca, cert, key, digest.hexdigest(), context)


def server_tls(cert: str, key: str | None = None, client_ca: str | None = None) -> ssl.SSLContext:
    """Read the files of a server; with `client_ca` a client needs a certificate of it. Raises `ValueError`."""
    with hold_forks():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        # A client whose server was idle sees by an unread byte whether it is gone: no ticket may be lying there.
        context.num_tickets = 0
        _identify(context, cert, key)
        if client_ca is not None:
            _trust(context, "tls_client_ca", client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    return context


def refusal_by_client(error: ssl.SSLError, tls: ClientTls, host: str) -> str:
    """Return why a client ended the handshake."""
    if isinstance(error, ssl.SSLCertVerificationError):
        what = error.verify_message.rstrip(".")
        if "mismatch" in what.lower():
            return f"the server's certificate is not for {host!r} ({what}): connect to a name that it is for"
        return f"the server's certificate is not of the authority in tls_ca={tls.ca!r} ({what})"
    if "ALERT" in _reason(error):
        return alert_to_client(error)
    return f"the TLS handshake failed: {_reason(error)}"


def alert_to_client(error: ssl.SSLError) -> str:
    """Return what the server's alert means."""
    if "CERTIFICATE_REQUIRED" in _reason(error):
        return "the server asks for a client certificate and got none: give tls_cert and tls_key"
    if any(word in _reason(error) for word in ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")):
        return (
            f"the server does not accept this client's certificate ({_reason(error)}): "
            "tls_cert must be of the authority that the server was given for its clients"
        )
    return f"the server ended the TLS connection: {_reason(error)}"


def refusal_by_server(error: ssl.SSLError) -> str:
    """Return, for the server's log, why a client's handshake failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not of the authority in tls_client_ca ({error.verify_message})"
    if "DID_NOT_RETURN_A_CERTIFICATE" in _reason(error):
        return "it gave no certificate, and must have one of the authority in tls_client_ca"
    if "ALERT" in _reason(error):
        return f"it does not accept this server's certificate ({_reason(error)})"
    return f"the TLS handshake failed: {_reason(error)}"


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).upper().replace(" ", "_")


def _identify(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    for option, path in (("tls_cert", cert), ("tls_key", key)):
        if path is not None:
            _content(option, path)
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except ssl.SSLError as error:
        raise ValueError(
            f"options tls_cert={cert!r}, tls_key={key!r}: no certificate in PEM with the key that belongs to it: "
            f"{_reason(error)}"
        ) from error


def _no_password() -> str:
    raise ValueError(
        "option tls_key: the key is encrypted, and nobody is here to type the passphrase: give it decrypted"
    )


def _trust(context: ssl.SSLContext, option: str, path: str) -> None:
    _content(option, path)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise ValueError(f"option {option}={path!r}: no certificates in PEM: {_reason(error)}") from error


def _content(option: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"option {option}={path!r}: {error.strerror}") from error
