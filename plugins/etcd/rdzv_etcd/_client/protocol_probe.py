"""Tell an etcd that speaks the other protocol from one that is gone: both just close the connection."""

from __future__ import annotations

import http.client
import socket
import ssl

from rdzv_core.endpoint import HostPort
from rdzv_core.forking import hold_forks

_SECONDS = 1.0


def may_be_other_protocol(cause: BaseException) -> bool:
    """Return whether the other side closed the connection without an answer, as on bytes it does not understand."""
    return isinstance(cause, (http.client.RemoteDisconnected, ssl.SSLEOFError, ConnectionResetError))


def speaks_https(endpoint: HostPort) -> bool:
    """Return whether the other side takes part in a TLS handshake; takes a second at most and sends no request."""
    with hold_forks():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent or trusted: this only finds out whether TLS is spoken
    try:
        with socket.create_connection(endpoint, _SECONDS) as sock, context.wrap_socket(sock):
            return True
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return False
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")  # a TLS alert is a refusal by something that speaks TLS
    except (OSError, UnicodeError):
        return False


def speaks_http(endpoint: HostPort) -> bool:
    """Return whether the other side answers a plain HTTP request for etcd's version; takes a second at most."""
    try:
        with socket.create_connection(endpoint, _SECONDS) as sock:
            sock.sendall(b"GET /version HTTP/1.0\r\n\r\n")
            return sock.recv(5) == b"HTTP/"
    except (OSError, UnicodeError):
        return False
