"""Telling an etcd that speaks the other protocol from one that is gone: both just close the connection."""

from __future__ import annotations

import http.client
import socket
import ssl

from rdzv_core.endpoint import HostPort

_SECONDS = 1.0


def may_be_other_protocol(cause: BaseException) -> bool:
    """Say whether the other side closed the connection without an answer, as on bytes that it does not understand."""
    return isinstance(cause, (http.client.RemoteDisconnected, ssl.SSLEOFError, ConnectionResetError))


def speaks_https(endpoint: HostPort) -> bool:
    """Say whether the other side takes part in a TLS handshake; looks for a second at most, and sends no request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent or believed: it is only asked whether TLS is spoken
    try:
        with socket.create_connection(endpoint, _SECONDS) as sock, context.wrap_socket(sock):
            return True
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return False
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")  # a refusal in the words of TLS
    except (OSError, UnicodeError):
        return False


def speaks_http(endpoint: HostPort) -> bool:
    """Say whether the other side answers a request for etcd's version in plain HTTP; looks for a second at most."""
    try:
        with socket.create_connection(endpoint, _SECONDS) as sock:
            sock.sendall(b"GET /version HTTP/1.0\r\n\r\n")
            return sock.recv(5) == b"HTTP/"
    except (OSError, UnicodeError):
        return False
